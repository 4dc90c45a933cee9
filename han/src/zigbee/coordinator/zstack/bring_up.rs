//! Steps are asked one after the other; what comes at the end of each list.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::memory::Memory;
use super::steps::{self, Keys, Step};
use super::{Network, PATIENCE, RadioEvent, Stage, ZStack};
use crate::zigbee::znp::RequestError;
use crate::zigbee::znp::nv::{
    self, Address, ApsKey, NetworkKey, SecurityMaterial, TcLinkKey, item, table,
};

/// Between two looks at the memory of a network that was just formed.
const SETTLE: Duration = Duration::from_secs(1);
/// No table has more entries.
const ENTRIES: u16 = 1024;

/// Octets of an entry.
const fn entry_length(table: u16) -> u8 {
    match table {
        table::TC_LINK_KEYS => TcLinkKey::LENGTH,
        table::APS_KEYS => ApsKey::LENGTH,
        table::ADDRESSES => Address::LENGTH,
        _ => SecurityMaterial::LENGTH,
    }
}

/// The name of an entry: of the stack, table, place.
fn entry_name(table: u16, place: u16) -> Vec<u8> {
    [&[1][..], &table.to_le_bytes(), &place.to_le_bytes()].concat()
}

impl ZStack {
    /// Does these steps, one after the other.
    pub(super) fn begin(&mut self, stage: Stage, steps: VecDeque<Step>, now: Instant) {
        if stage == Stage::Looking {
            self.memory = Memory::default();
        }
        self.stage = stage;
        self.steps = steps;
        self.go_on(now);
    }

    /// The stick has started, as it was asked.
    pub(super) fn restarted(&mut self, now: Instant) {
        self.is_started = false;
        match self.stage {
            Stage::Connecting => self.begin(Stage::Looking, steps::look(), now),
            _ => self.go_on(now),
        }
    }

    /// Asks the step that is due.
    pub(super) fn go_on(&mut self, now: Instant) {
        if self.asked.is_some() || self.again.is_some() || !self.session.is_ready() {
            return;
        }
        let Some(step) = self.steps.front() else {
            self.due = None;
            self.finish(now);
            return;
        };
        self.due = Some(now + PATIENCE);
        let (id, payload) = match step {
            Step::Eui64 => (0x0104, Vec::new()),
            Step::Read(id) => (0x011C, [id.to_le_bytes(), [0, 0]].concat()),
            Step::Settle(_) => (0x011C, [item::NIB.to_le_bytes(), [0, 0]].concat()),
            Step::ReadTable(table, place) => {
                let mut request = entry_name(*table, *place);
                request.extend([0, 0, entry_length(*table)]);
                (0x0133, request)
            }
            Step::Write(id, _) | Step::Delete(id) => (0x0113, id.to_le_bytes().to_vec()),
            Step::WriteNow(id, octets) => {
                let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
                let parts = [
                    &id.to_le_bytes()[..],
                    &[0, 0],
                    &length.to_le_bytes(),
                    octets,
                ];
                (0x011D, parts.concat())
            }
            Step::WriteTable(table, place, octets) => {
                let length = u8::try_from(octets.len()).unwrap_or(u8::MAX);
                let parts = [&entry_name(*table, *place)[..], &[0, 0, length], octets];
                (0x0134, parts.concat())
            }
            Step::DeleteNow(id, length) => {
                (0x0112, [id.to_le_bytes(), length.to_le_bytes()].concat())
            }
            Step::Ask(id, payload, _) | Step::Try(id, payload) => (*id, payload.clone()),
            Step::Reset => {
                self.steps.pop_front();
                self.session.start(now);
                return;
            }
            Step::AwaitUp if self.is_started => {
                self.steps.pop_front();
                return self.go_on(now);
            }
            Step::AwaitUp => return,
        };
        match self.session.request(id, payload, now) {
            Ok(token) => self.asked = Some(token),
            Err(refusal) => self.lose(refusal.to_string()),
        }
    }

    /// The stick does not know, or did not answer, what the step under way asked.
    pub(super) fn miss_step(&mut self, error: RequestError, now: Instant) {
        match self.steps.front() {
            Some(Step::Try(..)) => {
                self.steps.pop_front();
                self.go_on(now);
            }
            _ => self.lose(error.to_string()),
        }
    }

    /// Takes the answer to the step under way.
    pub(super) fn take_step(&mut self, answer: &[u8], now: Instant) {
        let Some(step) = self.steps.pop_front() else {
            return;
        };
        let status = answer.first().copied().unwrap_or(0xFF);
        // Status, length, and so many octets.
        let value = answer
            .split_first_chunk::<2>()
            .filter(|([status, length], value)| {
                *status == 0 && *length > 0 && value.len() == usize::from(*length)
            })
            .map(|(_, value)| value);
        match step {
            Step::Eui64 => {
                let octets = answer.first_chunk().copied().unwrap_or_default();
                self.eui64 = u64::from_le_bytes(octets);
            }
            Step::Read(id) => self.memory.keep_item(id, value),
            Step::Settle(times) => {
                self.memory.keep_item(item::NIB, value);
                let is_settled = self.memory.nib().is_some_and(|nib| nib.is_formed());
                match times.checked_sub(1) {
                    _ if is_settled => {}
                    Some(times) => {
                        self.steps.push_front(Step::Settle(times));
                        self.again = Some(now + SETTLE);
                        return;
                    }
                    None => {
                        return self.lose(
                            "the radio stick does not keep the network it has formed".to_owned(),
                        );
                    }
                }
            }
            Step::ReadTable(table, place) => {
                if let Some(value) = value.filter(|_| place < ENTRIES) {
                    self.memory.keep_entry(table, place, value);
                    self.steps.push_front(Step::ReadTable(table, place + 1));
                }
            }
            Step::Write(id, octets) => self.prepare_write(id, octets, answer),
            Step::Delete(id) => match length(answer) {
                0 => {}
                length => self.steps.push_front(Step::DeleteNow(id, length)),
            },
            Step::Try(..) => {}
            // 9: it was not there.
            Step::DeleteNow(..) if matches!(status, 0 | 9) => {}
            Step::Ask(_, _, allowed) if allowed.contains(&status) => {}
            Step::WriteNow(..) | Step::WriteTable(..) if status == 0 => {}
            Step::Ask(id, ..) => {
                return self.lose(format!(
                    "the radio stick refuses command {id:04x}, status {status:02x}"
                ));
            }
            Step::WriteNow(id, _) | Step::WriteTable(id, ..) | Step::DeleteNow(id, _) => {
                return self.lose(format!(
                    "the radio stick does not write item {id:04x} of its memory, status {status:02x}"
                ));
            }
            Step::Reset | Step::AwaitUp => {}
        }
        self.go_on(now);
    }

    /// An item with another length is removed, one that is missing is made.
    fn prepare_write(&mut self, id: u16, octets: Vec<u8>, answer: &[u8]) {
        let (found, wanted) = (usize::from(length(answer)), octets.len());
        if found != wanted {
            let wanted = u16::try_from(wanted).unwrap_or(u16::MAX);
            let mut make = [id.to_le_bytes(), wanted.to_le_bytes()].concat();
            make.push(0);
            // 9: it was not there and is now.
            self.steps.push_front(Step::WriteNow(id, octets));
            self.steps.push_front(Step::Ask(0x0107, make, &[0, 9]));
            if found != 0 {
                self.steps.push_front(Step::DeleteNow(id, length(answer)));
            }
        } else {
            self.steps.push_front(Step::WriteNow(id, octets));
        }
    }

    /// All steps are done.
    fn finish(&mut self, now: Instant) {
        let stage = std::mem::replace(&mut self.stage, Stage::Resting);
        match stage {
            Stage::Looking => {
                let found = self.memory.network(self.eui64);
                if let Some(found) = &found {
                    self.found = found.clone();
                }
                if self.forming.take().is_some() && found.is_some() {
                    self.begin(Stage::CarryingOn, steps::carry_on(), now);
                } else {
                    self.events.push_back(RadioEvent::Found(found));
                }
            }
            Stage::CarryingOn => self.events.push_back(RadioEvent::Up(self.found.clone())),
            Stage::Erasing => self.events.push_back(RadioEvent::Erased),
            Stage::Provisional => {
                if let Some(steps) = self.forming.clone().and_then(|one| self.write(&one)) {
                    self.begin(Stage::Writing, steps, now);
                } else {
                    self.lose("the radio stick has no room for the network".to_owned());
                }
            }
            Stage::Writing => self.begin(Stage::Looking, steps::look(), now),
            Stage::Snapshot => {
                self.memory.renew(&mut self.found);
                self.events
                    .push_back(RadioEvent::Snapshot(self.found.clone()));
            }
            Stage::Idle | Stage::Connecting | Stage::Resting => self.stage = stage,
        }
    }

    /// Writes the wanted network over the provisional one; `None` when a table is too small.
    fn write(&self, network: &Network) -> Option<VecDeque<Step>> {
        let mut nib = self.memory.nib()?;
        nib.set(
            network.channel,
            network.pan,
            network.extended_pan,
            network.update_id,
        );
        let key = NetworkKey {
            sequence: network.key_sequence,
            key: network.key.clone(),
        };
        let name = network.extended_pan.to_le_bytes().to_vec();
        let mut steps = VecDeque::from([
            Step::Write(item::NIB, nib.octets().to_vec()),
            Step::Write(item::EXTENDED_PAN, name.clone()),
            Step::Write(item::USE_EXTENDED_PAN, name),
            Step::Write(item::PAN, network.pan.to_le_bytes().to_vec()),
            Step::Write(item::PRECONFIGURED_KEY, network.key.to_vec()),
            Step::Write(item::ACTIVE_KEY, key.octets()),
            Step::Write(item::ALTERNATE_KEY, key.octets()),
            Step::Write(item::TC_LINK_KEY_SEED, network.link_key.to_vec()),
        ]);
        if network.coordinator != 0 {
            let address = network.coordinator.to_le_bytes().to_vec();
            steps.push_back(Step::Write(item::EXTENDED_ADDRESS, address));
        }
        steps.extend(self.write_tables(network)?);
        steps.push_back(Step::Write(item::IS_CONFIGURED, vec![0x55]));
        steps.push_back(Step::Reset);
        Some(steps)
    }

    fn write_tables(&self, network: &Network) -> Option<Vec<Step>> {
        let keys = keys(network)?;
        let capacity = |table| self.memory.entries(table).count();
        let room = |table, used: usize| {
            let capacity = capacity(table);
            (used <= capacity).then_some(capacity)
        };
        let addresses: Vec<_> = keys.addresses.iter().map(Address::octets).collect();
        let hashed: Vec<_> = keys.hashed.iter().map(TcLinkKey::octets).collect();
        let own: Vec<_> = keys.own.iter().map(ApsKey::octets).collect();
        let counter = vec![steps::counter_entry(network)];
        let mut steps = Vec::new();
        for (id, entries, empty) in [
            (table::SECURITY_MATERIAL, counter, vec![0; 12]),
            (table::ADDRESSES, addresses, Address::EMPTY.octets()),
            (table::TC_LINK_KEYS, hashed, TcLinkKey::default().octets()),
            (table::APS_KEYS, own, ApsKey::default().octets()),
        ] {
            let capacity = room(id, entries.len())?;
            steps.extend(steps::table_steps(id, entries, &empty, capacity));
        }
        if let Some(table) = self.memory.item(item::APS_LINK_KEY_TABLE) {
            let table = nv::write_link_key_table(&keys.table, table.len())?;
            steps.push(Step::Write(item::APS_LINK_KEY_TABLE, table));
        }
        Some(steps)
    }
}

/// The tables of the devices with keys of their own.
fn keys(network: &Network) -> Option<Keys> {
    let mut keys = Keys {
        addresses: Vec::new(),
        hashed: Vec::new(),
        own: Vec::new(),
        table: Vec::new(),
    };
    for one in &network.link_keys {
        let place = u16::try_from(keys.addresses.len()).ok()?;
        keys.addresses.push(Address {
            user: Address::SECURED,
            // Its address in the network is learnt when it speaks.
            nwk: 0xFFFE,
            ieee: one.ieee,
        });
        match nv::shift_of(&network.link_key, one.ieee, &one.key) {
            Some(shift) => keys.hashed.push(TcLinkKey {
                sent: one.sent.saturating_add(KEY_MARGIN),
                received: one.received,
                ieee: one.ieee,
                shift,
            }),
            None => {
                let key = u16::try_from(keys.own.len()).ok()?;
                keys.table.push((place, key));
                keys.own.push(ApsKey {
                    key: one.key.clone(),
                    sent: one.sent.saturating_add(KEY_MARGIN),
                    received: one.received,
                });
            }
        }
    }
    Some(keys)
}

/// What may have been sent under a device's key since it was kept.
const KEY_MARGIN: u32 = 0x1000;

/// The length of an item that the stick has told.
fn length(answer: &[u8]) -> u16 {
    u16::from_le_bytes(answer.first_chunk().copied().unwrap_or([0, 0]))
}
