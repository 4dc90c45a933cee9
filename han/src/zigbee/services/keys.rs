//! The server's side of key establishment: one exchange per device, a few at once.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::value::Record;
use crate::zigbee::coordinator::LINK_KEYS;
use crate::zigbee::key_establishment::{Exchange, Identity, Random, Refusal, STEP_S};

/// Exchanges at once.
const AT_ONCE: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Keys {
    identity: Option<(Identity, Random)>,
    exchanges: BTreeMap<u64, (Exchange, u32)>,
    /// The ephemeral key that each device has told last: a second time it is a replay.
    used: BTreeMap<u64, Vec<u8>>,
    /// The devices with keys, by their place in the stick's table.
    pub(super) secured: Vec<u64>,
}

/// What follows from a message.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) send: Option<(u8, Record)>,
    pub(super) established: Option<(u8, Zeroizing<[u8; 16]>)>,
}

impl Keys {
    pub(super) fn identify(&mut self, identity: Identity, random: Random) {
        self.identity = Some((identity, random));
    }

    pub(super) fn suite_number(&self) -> u16 {
        self.identity
            .as_ref()
            .map_or(1, |(identity, _)| identity.suite().number())
    }

    pub(super) fn part(&mut self, ieee: u64) {
        self.exchanges.remove(&ieee);
        self.used.remove(&ieee);
        for place in &mut self.secured {
            if *place == ieee {
                *place = 0;
            }
        }
    }

    pub(super) fn expire(&mut self, now: u32) {
        self.exchanges.retain(|_, (_, due)| now < *due);
    }

    pub(super) fn take(
        &mut self,
        ieee: u64,
        command: u8,
        fields: &Record,
        now: u32,
    ) -> Result<Taken, Refusal> {
        if command == 0x00 {
            self.exchanges.remove(&ieee);
            let (identity, random) = self.identity.clone().ok_or(Refusal::NoCertificate)?;
            if self.exchanges.len() >= AT_ONCE {
                return Err(Refusal::NoResources);
            }
            let exchange = Exchange::await_from(identity, ieee, random)?;
            self.exchanges.insert(ieee, (exchange, 0));
        }
        let (exchange, due) = self.exchanges.get_mut(&ieee).ok_or(Refusal::BadMessage)?;
        *due = now.saturating_add(2 * u32::from(STEP_S));
        let taken = exchange.take(command, fields);
        let told = exchange.other_ephemeral().to_vec();
        if command == 0x01 && taken.is_ok() && self.used.insert(ieee, told.clone()) == Some(told) {
            self.exchanges.remove(&ieee);
            return Err(Refusal::BadMessage);
        }
        let step = taken.inspect_err(|_| {
            self.exchanges.remove(&ieee);
        })?;
        let established = match step.link_key {
            Some(link_key) => {
                self.exchanges.remove(&ieee);
                Some((self.place(ieee).ok_or(Refusal::NoResources)?, link_key))
            }
            None => None,
        };
        Ok(Taken {
            send: step.send,
            established,
        })
    }

    /// The place of a device's key: its own, a free one, or a new one.
    fn place(&mut self, ieee: u64) -> Option<u8> {
        let found = self.secured.iter().position(|one| *one == ieee);
        let found = found.or_else(|| self.secured.iter().position(|one| *one == 0));
        let place = found.unwrap_or(self.secured.len());
        let number = u8::try_from(place)
            .ok()
            .filter(|place| *place < LINK_KEYS)?;
        match self.secured.get_mut(place) {
            Some(one) => *one = ieee,
            None => self.secured.push(ieee),
        }
        Some(number)
    }
}
