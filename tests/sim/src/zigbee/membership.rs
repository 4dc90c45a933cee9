//! The coprocessor in another's network: it hears that network, joins it, and finds it again.

use han::zigbee::ezsp::INCOMING_MESSAGE;
use han::{Record, Value};

use super::commands::{INVALID, NOT_JOINED, STACK_STATUS, key};
use super::device::Aps;
use super::mesh::Arrival;
use super::ncp::{Ncp, Network};
use super::utility::{MEMBER_NWK, NETWORK_KEY};

/// How a status is said: before version 14, and from it on.
const NETWORK_UP: (u64, u64) = (0x90, 0x15);
const NETWORK_DOWN: (u64, u64) = (0x91, 0x16);
const JOIN_FAILED: (u64, u64) = (0x94, 0x17);
const MOVE_FAILED: (u64, u64) = (0x96, 0x0C06);
const NO_NETWORK_KEY: (u64, u64) = (0xAD, 0x0C1B);
const NO_PARENT: (u64, u64) = (0x66, 0x0C04);
const POLL_COMPLETE: u16 = 0x0043;
const NETWORK_FOUND: u16 = 0x001B;
const SCAN_COMPLETE: u16 = 0x001C;

impl Ncp {
    /// Whether the network is another's.
    pub(super) fn is_member(&self) -> bool {
        self.network
            .as_ref()
            .is_some_and(|network| network.node_type != 1)
    }

    fn utility_is_there(&self) -> bool {
        self.utility.as_ref().is_some_and(|one| one.is_there)
    }

    /// What an active scan finds: the beacons of the utility's network.
    pub(super) fn active_scan(&mut self, channels: u64) -> Record {
        let heard = self
            .utility
            .as_ref()
            .filter(|one| one.is_there && channels >> one.channel & 1 == 1);
        let found = heard.map(|one| {
            let network = Record::new()
                .with("channel", Value::Unsigned(one.channel.into()))
                .with("pan", Value::id16(one.pan))
                .with("extended_pan", Value::ieee(one.extended_pan))
                .with("allowing_join", Value::Unsigned(one.permits_joining.into()))
                .with("stack_profile", Value::Unsigned(2))
                .with("update_id", Value::Unsigned(0));
            Record::new()
                .with("network", Value::Record(network))
                .with("lqi", Value::Unsigned(180))
                .with("rssi_dbm", Value::Signed(-61))
        });
        if let Some(found) = found {
            self.tell(200, NETWORK_FOUND, found);
        }
        let complete = self.status(0).with("channel", Value::Unsigned(0));
        self.tell(2300, SCAN_COMPLETE, complete);
        self.status(0)
    }

    /// Joins the utility's network; the stack's status tells how it went.
    pub(super) fn join_network(&mut self, fields: &Record) -> Record {
        let (Some(Value::Record(parameters)), Some(security), false) = (
            fields.field("parameters"),
            self.security.clone(),
            self.network.is_some(),
        ) else {
            return self.code(INVALID);
        };
        let number = |name: &str| parameters.number(name).unwrap_or(0);
        let (ieee, link_key) = (self.eui64, key(&security, "preconfigured_key"));
        let bitmask = u16::try_from(security.number("bitmask").unwrap_or(0)).unwrap_or(0);
        let wanted = (number("extended_pan"), number("pan"), number("channel"));
        let reached = self.utility.as_mut().filter(|one| {
            one.is_there
                && one.permits_joining
                && wanted == (one.extended_pan, one.pan.into(), one.channel.into())
        });
        let Some(utility) = reached else {
            let failed = self.code(JOIN_FAILED);
            self.tell(500, STACK_STATUS, failed);
            return self.status(0);
        };
        if !utility.associate(ieee, link_key) {
            let failed = self.code(NO_NETWORK_KEY);
            self.tell(5000, STACK_STATUS, failed);
            return self.status(0);
        }
        let trust_center = utility.meter.ieee;
        // Bit 12: the counters are not begun anew.
        let frame_counter = if bitmask & 0x1000 == 0 {
            0
        } else {
            self.last_counter
        };
        self.network = Some(Network {
            parameters: parameters.clone(),
            key: NETWORK_KEY,
            key_sequence: 0,
            trust_center_key: link_key,
            bitmask,
            frame_counter,
            node_type: u8::try_from(fields.number("node_type").unwrap_or(3)).unwrap_or(3),
            nwk: MEMBER_NWK,
            trust_center,
        });
        self.is_up = true;
        let up = self.code(NETWORK_UP);
        self.tell(800, STACK_STATUS, up);
        self.status(0)
    }

    /// It starts in the network where it was, if it hears it.
    pub(super) fn resume_membership(&mut self) -> Record {
        self.is_up = self.utility_is_there();
        let status = if self.is_up { NETWORK_UP } else { MOVE_FAILED };
        let status = self.code(status);
        self.tell(300, STACK_STATUS, status);
        self.status(0)
    }

    /// Looks for its network again.
    pub(super) fn find_again(&mut self) -> Record {
        if !self.is_member() {
            return self.code(NOT_JOINED);
        }
        let down = self.code(NETWORK_DOWN);
        self.tell(10, STACK_STATUS, down);
        self.is_up = self.utility_is_there();
        self.poll_misses = 0;
        let status = if self.is_up { NETWORK_UP } else { MOVE_FAILED };
        let status = self.code(status);
        self.tell(1500, STACK_STATUS, status);
        self.status(0)
    }

    /// The host wants its parent to be asked so often.
    pub(super) fn poll_parent(&mut self, fields: &Record) -> Record {
        // In quarters of a second.
        let interval = fields.number("interval").unwrap_or(0) * 250;
        self.poll = (interval > 0).then_some((interval, fields.number("failure_limit")));
        self.status(0)
    }

    /// Lets time pass: the parent is polled, the utility's meter counts.
    pub(super) fn pass_membership(&mut self) {
        let (ms, utc) = (self.now_ms, self.mesh.utc(self.now_ms));
        if let Some(utility) = self.utility.as_mut() {
            utility.pass(ms, utc);
        }
        let Some((interval, Some(limit))) = self.poll.filter(|_| self.is_up && self.is_member())
        else {
            return;
        };
        if ms < self.polled_ms + interval {
            return;
        }
        self.polled_ms = ms;
        if self.utility_is_there() {
            self.poll_misses = 0;
            return;
        }
        self.poll_misses += 1;
        if self.poll_misses == limit {
            let lost = self.code(NO_PARENT);
            self.tell(0, POLL_COMPLETE, lost);
        }
    }

    /// A key in place of the trust centre's.
    pub(super) fn import_key(&mut self, fields: &Record) -> Record {
        let kind = match fields.field("context") {
            Some(Value::Record(context)) => context.number("core_key_type"),
            _ => None,
        };
        match (kind, self.network.as_mut()) {
            (Some(2), Some(network)) => {
                network.trust_center_key = key(fields, "key");
                self.status(0)
            }
            // SL_STATUS_INVALID_TYPE.
            _ => self.status(0x26),
        }
    }

    /// A message to the trust centre; false when nobody has it.
    pub(super) fn deliver_to_utility(&mut self, nwk: u16, aps: Aps, payload: &[u8]) -> bool {
        let (ieee, ms) = (self.eui64, self.now_ms);
        let utc = self.mesh.utc(ms);
        let Some(network) = self.network.as_ref().filter(|_| self.is_up && nwk == 0) else {
            return false;
        };
        let (counter, link_key) = (network.frame_counter, network.trust_center_key);
        let Some(utility) = self.utility.as_mut().filter(|one| one.is_there) else {
            return false;
        };
        let is_read = !aps.secured || utility.link_key(ieee) == Some(link_key);
        if !utility.accepts(counter) || !is_read {
            return false;
        }
        utility.take(aps, payload, ms, utc);
        true
    }

    /// What the utility's meter has said until now.
    pub(super) fn hear_utility(&mut self) {
        let (ieee, ms) = (self.eui64, self.now_ms);
        let link_key = self.network.as_ref().map(|one| one.trust_center_key);
        let is_in = self.is_up && self.is_member();
        let Some(utility) = self.utility.as_mut() else {
            return;
        };
        let (from, own_key) = (utility.meter.ieee, utility.link_key(ieee));
        for (aps, payload) in utility.said(ms) {
            if !is_in || (aps.secured && link_key != own_key) {
                continue;
            }
            let arrival = Arrival {
                at_ms: ms,
                nwk: 0,
                ieee: from,
                aps,
                broadcast: false,
                payload,
                lqi: 180,
            };
            let fields = self.incoming(&arrival);
            self.tell(0, INCOMING_MESSAGE, fields);
        }
    }
}
