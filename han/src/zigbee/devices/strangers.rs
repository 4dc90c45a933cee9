//! Nodes of the network that are heard and not known: a backup that was restored may list no
//! devices, as those of zigbee2mqtt do. They are asked for their address for life.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::zigbee::coordinator::{Aps, Incoming};
use crate::zigbee::zdo;
use crate::{Record, Value};

/// One is asked at most so often.
const AGAIN: Duration = Duration::from_secs(60);
/// So many are asked within that time at most.
const MOST: usize = 32;
/// `IEEE_addr_req` and its answer (05-3474, 2.4.3.1.2).
const ASK: u16 = 0x0001;
const ANSWER: u16 = 0x8001;

/// Who was asked when.
#[derive(Debug, Default)]
pub(super) struct Strangers(BTreeMap<u16, Instant>);

impl Strangers {
    /// The question to an address in the network, unless it was asked a moment ago.
    pub(super) fn ask(&mut self, nwk: u16, tsn: u8, now: Instant) -> Option<(Aps, Vec<u8>)> {
        self.0
            .retain(|_, asked| now.saturating_duration_since(*asked) < AGAIN);
        // 0000 is the coordinator, and those from FFF8 on are nobody's.
        if !(1..0xFFF8).contains(&nwk) || self.0.contains_key(&nwk) || self.0.len() >= MOST {
            return None;
        }
        self.0.insert(nwk, now);
        let fields = Record::new()
            .with("nwk", Value::id16(nwk))
            // Its own address alone.
            .with("request_type", Value::Unsigned(0))
            .with("start_index", Value::Unsigned(0));
        let aps = Aps {
            profile: 0,
            cluster: ASK,
            own_endpoint: 0,
            endpoint: 0,
            secured: false,
        };
        Some((aps, zdo::encode(ASK, tsn, &fields).ok()?))
    }

    /// The address for life of one that was asked and says it.
    pub(super) fn answered(&mut self, incoming: &Incoming) -> Option<u64> {
        if (incoming.aps.profile, incoming.aps.cluster) != (0, ANSWER) {
            return None;
        }
        let message = zdo::Message::decode(ANSWER, &incoming.payload).ok()?;
        let number = |name: &str| message.fields.number(name);
        let is_its = number("status") == Some(0) && number("nwk") == Some(incoming.nwk.into());
        let ieee = number("ieee").filter(|_| is_its)?;
        self.0.remove(&incoming.nwk)?;
        Some(ieee)
    }
}
