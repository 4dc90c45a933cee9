//! Slaves on a wired M-Bus behind a level converter: 8E1, 2,400 baud unless set to another speed.
//!
//! A slave's index rises by one with each readout. Where several answer at once, the converter
//! hears what current sources in parallel make of it: each bit is 0 where any slave sends 0.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use meter_link::mbus::link::{Frame, SecondaryAddress, Slave, Splitter, control};

use crate::actor::{Handle, Pace};
use crate::log::Log;
use crate::uart::Framing;

const LOOK: Duration = Duration::from_millis(50);
const CI_LONG_HEADER: u8 = 0x72;
/// DIF: more telegrams follow.
const MORE_FOLLOWS: u8 = 0x1F;

/// A slave and what it measures.
#[derive(Clone, Debug)]
pub struct Meter {
    slave: Slave,
    /// Wh of heat or electricity, litres of anything else.
    index: u32,
    /// True for one whose readout takes two telegrams.
    two_telegrams: bool,
    access: u8,
}

impl Meter {
    /// A slave with a primary address, a secondary one and its first index.
    #[must_use]
    pub const fn new(address: u8, secondary: SecondaryAddress, index: u32) -> Self {
        Self {
            slave: Slave::new(address, secondary, Vec::new()),
            index,
            two_telegrams: false,
            access: 0,
        }
    }

    /// The same with a readout of two telegrams; the second has the index of the due date.
    #[must_use]
    pub const fn in_two_telegrams(mut self) -> Self {
        self.two_telegrams = true;
        self
    }

    /// Measures anew: what a readout that begins now says.
    fn measure(&mut self) {
        self.index += 1;
        self.access = self.access.wrapping_add(1);
        let SecondaryAddress {
            identification: [i0, i1, i2, i3],
            manufacturer: [m0, m1],
            version,
            device_type,
        } = self.slave.secondary;
        let header = [
            CI_LONG_HEADER,
            i0,
            i1,
            i2,
            i3,
            m0,
            m1,
            version,
            device_type,
            self.access,
            0,
            0,
            0,
        ];
        // Energy in Wh, or volume in litres.
        let vif = if matches!(device_type, 0x02 | 0x04) {
            0x03
        } else {
            0x13
        };
        let now = [&[0x04, vif][..], &self.index.to_le_bytes()].concat();
        let due = [&[0x44, vif][..], &(self.index / 2).to_le_bytes()].concat();
        self.slave.telegrams = if self.two_telegrams {
            vec![
                [&header[..], &now, &[MORE_FOLLOWS]].concat(),
                [&header[..], &due].concat(),
            ]
        } else {
            vec![[&header[..], &now].concat()]
        };
    }
}

/// What a slave has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its number.
    pub identification: [u8; 4],
    /// Its index.
    pub index: u32,
}

/// Faults of a line, which may be changed while it runs; 0 for none.
#[derive(Debug, Default)]
pub struct Faults {
    /// Every n-th reply does not come.
    pub silent_every: AtomicU32,
    /// Every n-th reply has a wrong checksum.
    pub damaged_every: AtomicU32,
}

/// A line with its slaves.
#[derive(Debug)]
pub struct Line {
    handle: Handle,
    log: Arc<Log<Said>>,
    faults: Arc<Faults>,
}

impl Line {
    /// Starts a line whose port is at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(link: &Path, mut meters: Vec<Meter>) -> io::Result<Self> {
        let log = Arc::new(Log::default());
        let faults = Arc::new(Faults::default());
        let (notes, troubles) = (Arc::clone(&log), Arc::clone(&faults));
        let handle = Handle::start("mbus-line", link, move |wire| {
            let mut splitter = Splitter::new();
            let mut replies = 0u32;
            let mut raw = Vec::new();
            while wire.wait(Instant::now() + LOOK, &mut raw) {
                let speed = wire.far_speed().unwrap_or(2_400);
                let mut rest = raw.as_slice();
                let mut reply = Vec::new();
                while let Some(event) = splitter.pull(&mut rest) {
                    if let Ok(request) = event.found {
                        reply = answer(&mut meters, &request, speed, &notes);
                    }
                }
                raw.clear();
                if reply.is_empty() {
                    continue;
                }
                replies += 1;
                let nth = |every: &AtomicU32| {
                    let every = every.load(Ordering::Relaxed);
                    every != 0 && replies.is_multiple_of(every)
                };
                if nth(&troubles.silent_every) {
                    continue;
                }
                if nth(&troubles.damaged_every)
                    && let Some(last) = reply.iter_mut().rev().nth(1)
                {
                    *last ^= 0x55;
                }
                if !wire.send(&reply, speed, Framing::EightNone, Pace::AtOnce) {
                    return;
                }
            }
        })?;
        Ok(Self {
            handle,
            log,
            faults,
        })
    }

    /// The device: its path and its cable.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What goes wrong on it.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What its slaves have said, oldest first.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.log.all()
    }
}

/// What comes back on the line.
fn answer(meters: &mut [Meter], request: &Frame, speed: u32, notes: &Log<Said>) -> Vec<u8> {
    let begins = matches!(request, Frame::Short { control, .. } if *control == control::SND_NKE)
        || matches!(request, Frame::Long { ci: 0x52, .. });
    let mut line: Vec<u8> = Vec::new();
    for meter in meters.iter_mut().filter(|meter| meter.slave.baud == speed) {
        if begins {
            meter.measure();
        }
        let Some(reply) = meter.slave.hear(request) else {
            continue;
        };
        if reply.len() > 1 {
            notes.push(Said {
                identification: meter.slave.secondary.identification,
                index: meter.index,
            });
        }
        let longest = line.len().max(reply.len());
        // An idle line is at 1.
        line.resize(longest, 0xFF);
        for (heard, sent) in line.iter_mut().zip(reply) {
            *heard &= sent;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slave(address: u8, number: u8) -> Meter {
        let secondary = SecondaryAddress {
            identification: [number, 0, 0, 0x10],
            manufacturer: [0x2D, 0x4D],
            version: 1,
            device_type: 0x04,
        };
        Meter::new(address, secondary, 41)
    }

    #[test]
    fn alone_and_together() {
        let log = Log::default();
        let mut meters = [slave(1, 0x11), slave(1, 0x22)];
        let nke = Frame::short(control::SND_NKE, 1);
        assert_eq!(answer(&mut meters, &nke, 2_400, &log), [0xE5]);
        assert!(answer(&mut meters, &nke, 300, &log).is_empty());
        let ask = Frame::short(control::REQ_UD2, 1);
        let both = answer(&mut meters, &ask, 2_400, &log);
        assert!(Frame::decode(&both).is_err(), "{both:02X?}");
        let one = answer(&mut meters[..1], &ask, 2_400, &log);
        // 42 Wh, measured when the readout began.
        assert!(
            one.windows(6)
                .any(|octets| octets == [0x04, 0x03, 42, 0, 0, 0])
        );
        assert_eq!(log.all().len(), 3);
    }
}
