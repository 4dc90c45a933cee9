//! What all meters that push have in common: a telegram every so often, and a note of it.

use std::time::{Duration, Instant};

use crate::actor::{Pace, Wire};
use crate::log::Log;
use crate::sml::unix_now;
use crate::uart::Framing;

/// How a meter pushes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Push {
    /// From the start of one telegram to the start of the next, or what the line takes if longer.
    pub(crate) interval: Duration,
    /// The speed of its port.
    pub(crate) baud: u32,
    /// The framing of its port.
    pub(crate) framing: Framing,
    /// How fast bytes leave.
    pub(crate) pace: Pace,
}

impl Push {
    /// Pushes until the device is stopped or `telegram` has none for a second. `heard` notes
    /// whether somebody listened at the right speed from the first byte to the last.
    pub(crate) fn run<T: Clone>(
        self,
        wire: &mut Wire,
        log: &Log<T>,
        mut telegram: impl FnMut(u64) -> Option<(Vec<u8>, T)>,
        heard: impl Fn(&mut T, bool),
    ) {
        let mut ignored = Vec::new();
        let mut next = Instant::now();
        loop {
            while Instant::now() < next {
                if !wire.wait(next, &mut ignored) {
                    return;
                }
                ignored.clear();
            }
            next = (next + self.interval).max(Instant::now());
            let Some((bytes, mut sent)) = telegram(unix_now()) else {
                return;
            };
            let listens = |wire: &Wire| wire.is_open() && wire.far_speed() == Some(self.baud);
            let from_the_first = listens(wire);
            if !wire.send(&bytes, self.baud, self.framing, self.pace) {
                return;
            }
            heard(&mut sent, from_the_first && listens(wire));
            log.push(sent);
        }
    }
}
