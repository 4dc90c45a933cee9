//! Recorded bytes, played at the speed of the line.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::actor::{Handle, Pace};
use crate::uart::Framing;

/// What is played, and how.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The bytes as they were received.
    pub bytes: Vec<u8>,
    /// The speed of the line.
    pub baud: u32,
    /// Framing of the line.
    pub framing: Framing,
    /// Begin again at the end, for ever.
    pub repeat: bool,
    /// As fast as the line carries them, or at once.
    pub pace: Pace,
}

impl Recording {
    /// Bytes to be played once at 9,600 baud, 8N1.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            baud: 9600,
            framing: Framing::EightNone,
            repeat: false,
            pace: Pace::Line,
        }
    }
}

/// A player at work. It begins when somebody first opens its port and sets the speed, or a second
/// later, and goes on like a meter whether or not anybody listens.
#[derive(Debug)]
pub struct Replay {
    handle: Handle,
    played: Arc<AtomicU64>,
}

/// How long a listener may take to set the speed of the port it has opened.
const TO_SET_SPEED: Duration = Duration::from_secs(1);
/// Bytes between two looks at what has happened.
const STRETCH: usize = 96;

impl Replay {
    /// Starts playing into a pty at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(link: &Path, recording: Recording) -> io::Result<Self> {
        let played = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&played);
        let handle = Handle::start("replay", link, move |wire| {
            let mut ignored = Vec::new();
            let mut opened = None;
            // Who opens a port sets its speed next, and would miss the beginning.
            while opened.is_none_or(|at: Instant| {
                at.elapsed() < TO_SET_SPEED && wire.far_speed() != Some(recording.baud)
            }) {
                if !wire.wait(Instant::now() + Duration::from_millis(20), &mut ignored) {
                    return;
                }
                opened = opened.or_else(|| wire.is_open().then(Instant::now));
            }
            loop {
                for part in recording.bytes.chunks(STRETCH) {
                    if !wire.send(part, recording.baud, recording.framing, recording.pace) {
                        return;
                    }
                    let length = u64::try_from(part.len()).unwrap_or(0);
                    counter.fetch_add(length, Ordering::Relaxed);
                }
                if !recording.repeat || recording.bytes.is_empty() {
                    break;
                }
            }
            // The line stays up and silent, as after a recording's end.
            while wire.wait(Instant::now() + Duration::from_secs(1), &mut ignored) {
                ignored.clear();
            }
        })?;
        Ok(Self { handle, played })
    }

    /// The device: its path and its cable.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// How many bytes have been played, heard or not, repetitions included.
    #[must_use]
    pub fn played(&self) -> u64 {
        self.played.load(Ordering::Relaxed)
    }
}
