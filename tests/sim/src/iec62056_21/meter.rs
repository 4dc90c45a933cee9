//! The meter behind a pty.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Config, Dialogue, Sent, duration};
use crate::actor::Pace;
use crate::at_work::AtWork;
use crate::sml::unix_now;
use crate::uart::{self, Framing};

/// A meter at work.
pub type Meter = AtWork<Sent>;

/// How long the meter looks at the line at a time.
const LOOK: Duration = Duration::from_millis(200);

impl Meter {
    /// Starts a meter whose port is at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(link: &Path, config: Config) -> io::Result<Self> {
        let pace = config.pace;
        Self::begin("iec62056-21-meter", link, move |wire, notes| {
            let mut dialogue = Dialogue::new(config);
            let mut raw = Vec::new();
            loop {
                let until = dialogue.waits_until().unwrap_or(Instant::now() + LOOK);
                if !wire.wait(until.min(Instant::now() + LOOK), &mut raw) {
                    return;
                }
                let own = dialogue.listens_at();
                let far = wire.far_speed().unwrap_or(own);
                // A pty hands bytes over at once; on a line they take their time.
                let mut counted = if pace == Pace::Line { 0 } else { raw.len() };
                while raw.len() > counted {
                    let over = Instant::now() + duration(raw.len() - counted, far);
                    counted = raw.len();
                    while Instant::now() < over && raw.len() == counted {
                        if !wire.wait(over, &mut raw) {
                            return;
                        }
                    }
                }
                let heard = uart::heard(&raw, far, own, Framing::SevenEven);
                raw.clear();
                let now = Instant::now();
                let mut answer = heard
                    .iter()
                    .filter_map(|&byte| dialogue.hear(byte, now, unix_now()))
                    .last();
                if heard.is_empty() {
                    answer = dialogue.time_out(now, unix_now());
                }
                let Some(answer) = answer else { continue };
                while Instant::now() < now + answer.after {
                    // What is said while the meter is about to answer goes unheard.
                    if !wire.wait(now + answer.after, &mut raw) {
                        return;
                    }
                    raw.clear();
                }
                let meets = wire.is_open() && wire.far_speed() == Some(answer.baud);
                if !wire.send(&answer.bytes, answer.baud, Framing::SevenEven, pace) {
                    return;
                }
                if let Some(mut readout) = answer.readout {
                    readout.sound &= meets && wire.is_open();
                    notes.push(readout);
                }
            }
        })
    }
}
