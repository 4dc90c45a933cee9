//! Giving the adapter at the own port the key of a network.

use std::time::{Duration, Instant};

use super::super::keys::{NetworkKey, SecurityLevel, network_identifier};
use super::super::layouts::write_fields;
use super::super::mme::{Fragment, Mme};
use super::super::mmtype::MmType;
use super::super::session::{Dialogue, Outbox};
use super::{LOCAL_ADAPTER, NW_INFO_CNF, Network, PATIENCE, ROUNDS, network, network_request};
use crate::value::{Record, Value};

const SET_KEY_REQ: MmType = MmType(0x6008);
const SET_KEY_CNF: MmType = MmType(0x6009);

/// An adapter forms or finds its network within this time after a new key.
const SETTLING: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const SETTLING_STEP: Duration = Duration::from_secs(1);
/// Others take longer to be seen than the own network.
const COMPANY: Duration = Duration::from_secs(12);

/// What came of giving an adapter a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinEvent {
    /// The adapter is in that network, and not alone.
    Joined(Network),
    /// The adapter took the key and is alone under it: no other adapter has this password, or
    /// none is in reach.
    Alone(Network),
    /// The adapter is still in another network, or in none.
    Refused,
    /// No adapter answered.
    NoAdapter,
}

/// Gives the adapter at the own port the key of a network.
#[derive(Debug)]
pub struct Join {
    mac: [u8; 6],
    key: NetworkKey,
    nid: [u8; 7],
    nonce: [u8; 4],
    state: Joining,
    due: Option<Instant>,
    answered: bool,
    last: Option<Network>,
    outbox: Outbox<JoinEvent>,
}

#[derive(Clone, Copy, Debug)]
enum Joining {
    /// The key was sent so often.
    SettingKey {
        asked: u8,
    },
    /// It was taken at this instant; the adapter resets itself.
    Settling {
        since: Instant,
    },
    Ended,
}

impl Join {
    /// Begins at `now`, from a host with this address; the nonce is chosen at random by the owner.
    #[must_use]
    pub fn new(mac: [u8; 6], key: NetworkKey, nonce: [u8; 4], now: Instant) -> Self {
        let nid = network_identifier(&key, SecurityLevel::SimpleConnect);
        let mut join = Self {
            mac,
            key,
            nid,
            nonce,
            state: Joining::SettingKey { asked: 0 },
            due: None,
            answered: false,
            last: None,
            outbox: Outbox::default(),
        };
        join.step(now);
        join
    }

    fn end(&mut self, event: JoinEvent) {
        self.state = Joining::Ended;
        self.due = None;
        self.outbox.events.push_back(event);
    }
}

impl Dialogue for Join {
    type Event = JoinEvent;

    fn take(&mut self, mme: &Mme<'_>, fields: &Record, now: Instant) {
        match (mme.mmtype, self.state) {
            (SET_KEY_CNF, Joining::SettingKey { .. }) => {
                self.answered = true;
                self.state = Joining::Settling { since: now };
                self.due = Some(now + SETTLING_STEP);
            }
            (NW_INFO_CNF, Joining::Settling { .. }) => {
                self.answered = true;
                let found = network(fields, mme.source);
                match found.filter(|network| network.nid == self.nid) {
                    Some(network) if network.stations.len() > 1 => {
                        self.end(JoinEvent::Joined(network));
                    }
                    found => self.last = found,
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, now: Instant) {
        match self.state {
            Joining::SettingKey { asked } if asked < ROUNDS => {
                let request = set_key_request(self.mac, &self.key, self.nid, self.nonce);
                self.outbox.frames.push_back(request);
                self.state = Joining::SettingKey { asked: asked + 1 };
                self.due = Some(now + PATIENCE);
            }
            // Some adapters reset before they answer: what counts is what they say afterwards.
            Joining::SettingKey { .. } => {
                self.state = Joining::Settling { since: now };
                self.due = Some(now + SETTLING_STEP);
            }
            Joining::Settling { since } => {
                let waited = now.saturating_duration_since(since);
                let joined = self.last.take();
                if joined.is_some() && waited >= COMPANY {
                    self.end(joined.map_or(JoinEvent::Refused, JoinEvent::Alone));
                } else if waited >= SETTLING {
                    self.end(if self.answered {
                        JoinEvent::Refused
                    } else {
                        JoinEvent::NoAdapter
                    });
                } else {
                    self.outbox.frames.push_back(network_request(self.mac));
                    self.due = Some(now + SETTLING_STEP);
                }
            }
            Joining::Ended => {}
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn outbox(&mut self) -> &mut Outbox<JoinEvent> {
        &mut self.outbox
    }
}

/// CM_SET_KEY.REQ: the membership key (type 1), by the human-to-network protocol (PID 4).
fn set_key_request(source: [u8; 6], key: &NetworkKey, nid: [u8; 7], nonce: [u8; 4]) -> Vec<u8> {
    let number = |value: u64| Value::Unsigned(value);
    let fields = Record::new()
        .with("key_type", number(1))
        .with("my_nonce", Value::Octets(nonce.to_vec()))
        .with("your_nonce", Value::Octets(vec![0; 4]))
        .with("pid", number(4))
        .with("prn", number(0))
        .with("pmn", number(0))
        .with("cco_capability", number(0))
        .with("nid", Value::Octets(nid.to_vec()))
        .with("new_eks", number(1))
        .with("new_key", Value::Octets(key.octets().to_vec()));
    let payload = write_fields(SET_KEY_REQ, &fields).unwrap_or_default();
    let mme = Mme {
        destination: LOCAL_ADAPTER,
        source,
        mmv: 1,
        mmtype: SET_KEY_REQ,
        fragment: Some(Fragment::default()),
        oui: None,
        payload: &payload,
    };
    mme.to_frame()
}

#[cfg(test)]
mod tests {
    use super::super::NW_INFO_REQ;
    use super::super::tests::{HOST, asked, network_answer};
    use super::*;
    use crate::homeplug::Session;
    use crate::homeplug::keys::network_membership_key;

    /// Plays an adapter that says what `answer` gives so long after the key.
    fn join(answer: impl Fn(Duration) -> Option<Vec<u8>>) -> Option<JoinEvent> {
        let start = Instant::now();
        let mut now = start;
        let key = network_membership_key("HomePlugAV");
        let mut join = Join::new(HOST, key, [7; 4], now);
        while let Some(due) = join.poll_timeout() {
            for (mmtype, _) in asked(&mut join) {
                if mmtype == NW_INFO_REQ
                    && let Some(frame) = answer(now - start)
                {
                    join.handle_frame(&frame, now);
                }
            }
            if join.poll_timeout().is_some() {
                now = due;
                join.handle_timeout(now);
            }
        }
        join.poll_event()
    }

    #[test]
    fn the_network_found_afterwards_decides() {
        let nid = [0xB0, 0xF2, 0xE6, 0x95, 0x66, 0x6B, 0x03];
        let joined = join(|after| {
            let alone = after < Duration::from_secs(5);
            Some(network_answer(if alone { [9; 7] } else { nid }, alone))
        });
        assert!(matches!(joined, Some(JoinEvent::Joined(_))));
        let alone = join(|_| Some(network_answer(nid, true)));
        assert!(matches!(alone, Some(JoinEvent::Alone(_))));
        let refused = join(|_| Some(network_answer([9; 7], false)));
        assert_eq!(refused, Some(JoinEvent::Refused));
        assert_eq!(join(|_| None), Some(JoinEvent::NoAdapter));
    }
}
