//! Message counters: a telegram that was sent before is not a reading.

use std::collections::HashMap;

use super::refusal::Refusal;
use super::security::{Mode, Proof, Security};
use crate::mbus::DeviceAddress;

/// Meters whose counters are kept; the one heard least recently goes first.
const MAX_METERS: usize = 4096;

/// The highest counter of every meter, and its last telegram.
#[derive(Clone, Debug, Default)]
pub struct ReplayGuard {
    meters: HashMap<DeviceAddress, Heard>,
    clock: u64,
}

#[derive(Clone, Debug)]
struct Heard {
    highest: Option<u32>,
    last: Vec<u8>,
    at: u64,
}

impl ReplayGuard {
    /// Takes a telegram that passed its check, or says what it repeats.
    ///
    /// # Errors
    /// [`Refusal::Duplicate`] and [`Refusal::Replay`].
    pub fn check(
        &mut self,
        meter: DeviceAddress,
        frame: &[u8],
        security: &Security,
    ) -> Result<(), Refusal> {
        self.clock += 1;
        let counts = security.proof.is_authentication()
            || security.mode == Mode::EllCtr && security.proof == Proof::PayloadCrc;
        let counter = security.counter.filter(|_| counts);
        let clock = self.clock;
        if self.meters.len() >= MAX_METERS && !self.meters.contains_key(&meter) {
            let oldest = self.meters.iter().min_by_key(|(_, heard)| heard.at);
            if let Some(oldest) = oldest.map(|(meter, _)| *meter) {
                self.meters.remove(&oldest);
            }
        }
        let heard = self.meters.entry(meter).or_insert_with(|| Heard {
            highest: None,
            last: Vec::new(),
            at: clock,
        });
        heard.at = clock;
        if heard.last == frame {
            return Err(Refusal::Duplicate);
        }
        if let Some((counter, highest)) = counter.zip(heard.highest)
            && counter <= highest
        {
            return Err(Refusal::Replay { counter, highest });
        }
        heard.highest = counter.or(heard.highest);
        frame.clone_into(&mut heard.last);
        Ok(())
    }

    /// Every meter's highest counter, for keeping.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceAddress, u32)> {
        self.meters
            .iter()
            .filter_map(|(meter, heard)| heard.highest.map(|highest| (*meter, highest)))
    }

    /// A meter's highest counter, for keeping.
    #[must_use]
    pub fn highest(&self, meter: DeviceAddress) -> Option<u32> {
        self.meters.get(&meter)?.highest
    }

    /// Takes a counter that was kept.
    pub fn restore(&mut self, meter: DeviceAddress, highest: u32) {
        let at = self.clock;
        self.meters.insert(
            meter,
            Heard {
                highest: Some(highest),
                last: Vec::new(),
                at,
            },
        );
    }
}
