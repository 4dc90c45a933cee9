//! An RS-485 line with meters of two protocols: DLMS over HDLC (multi-drop) and Modbus RTU, at 9,600
//! baud, 8N1. It writes down who was asked, and when the line was free between two.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actor::{Handle, Pace};
use crate::dlms::{self, DlmsMeter};
use crate::log::Log;
use crate::modbus;
use crate::sml::unix_now;
use crate::uart::Framing;

/// Who was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A DLMS meter, by its place in the line's list.
    Dlms(usize),
    /// A Modbus unit.
    Modbus(u8),
    /// Nobody who is on the line.
    Nobody,
}

/// A request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Who was asked.
    pub who: Who,
    /// When the first byte of the request came.
    pub from: Instant,
    /// When the last byte of the answer had left.
    pub to: Instant,
}

/// The line with its meters at work.
#[derive(Debug)]
pub struct Rs485 {
    handle: Handle,
    meters: Vec<DlmsMeter>,
    log: Arc<Log<Exchange>>,
}

/// How long the line looks at its bytes at a time.
const LOOK: Duration = Duration::from_millis(200);
/// A frame ends with a silence of three and a half characters; ptys hand bytes over in clumps.
const FRAME_END: Duration = Duration::from_millis(5);
const BAUD: u32 = 9_600;

impl Rs485 {
    /// Starts a line whose port is at `link`. The meters of DLMS have logical devices of their own.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(
        link: &Path,
        dlms: &[dlms::Config],
        mut modbus: modbus::Config,
    ) -> io::Result<Self> {
        let log = Arc::new(Log::default());
        let notes = Arc::clone(&log);
        let (meters, mut ears): (Vec<_>, Vec<_>) = dlms.iter().map(DlmsMeter::on_a_line).unzip();
        let handle = Handle::start("rs485", link, move |wire| {
            let mut raw = Vec::new();
            loop {
                if !wire.wait(Instant::now() + LOOK, &mut raw) {
                    return;
                }
                if raw.is_empty() {
                    continue;
                }
                let from = Instant::now();
                let mut length = 0;
                while raw.len() > length {
                    length = raw.len();
                    if !wire.wait(Instant::now() + FRAME_END, &mut raw) {
                        return;
                    }
                }
                let mut answers: Vec<(Who, Vec<u8>)> = Vec::new();
                for (place, ear) in ears.iter_mut().enumerate() {
                    answers.push((Who::Dlms(place), ear.hear(&raw)));
                }
                if let Some((bytes, heard)) = modbus::answer(&mut modbus.units, &raw, unix_now()) {
                    answers.push((Who::Modbus(heard.unit), bytes));
                }
                raw.clear();
                answers.retain(|(_, bytes)| !bytes.is_empty());
                let who = answers.first().map_or(Who::Nobody, |(who, _)| *who);
                for (_, bytes) in answers {
                    if !wire.send(&bytes, BAUD, Framing::EightNone, Pace::AtOnce) {
                        return;
                    }
                }
                notes.push(Exchange {
                    who,
                    from,
                    to: Instant::now(),
                });
            }
        })?;
        Ok(Self {
            handle,
            meters,
            log,
        })
    }

    /// The device: its path and its cable.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The DLMS meters.
    #[must_use]
    pub fn meters(&self) -> &[DlmsMeter] {
        &self.meters
    }

    /// The exchanges so far, oldest first; the oldest are forgotten after some thousands.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.log.all()
    }
}
