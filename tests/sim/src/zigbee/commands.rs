//! What the coprocessor answers to each command.

use han::zigbee::zdo;
use han::{Record, Value};

use super::device::Aps;
use super::ncp::{Ncp, Network};

/// How a status is said: the number before version 14, and from it on.
const NETWORK_UP: (u64, u64) = (0x90, 0x15);
const NETWORK_DOWN: (u64, u64) = (0x91, 0x16);
const NOT_JOINED: (u64, u64) = (0x93, 0x17);
const INVALID: (u64, u64) = (0x02, 0x21);
/// A number that nobody knows, in commands that answer with a status of EZSP's own.
const UNKNOWN_ID: (u64, u64) = (0x37, 0x21);
const NOT_FOUND: (u64, u64) = (0x03, 0x2D);
const DELIVERY_FAILED: (u64, u64) = (0x66, 0x0C04);
const LIMIT: (u64, u64) = (0x72, 0x0C03);
/// A status of the security manager: an entry that is not there.
const NO_ENTRY: u64 = 0x2D;

/// An option of a message: it is encrypted with the link key.
pub(super) const APS_ENCRYPTION: u16 = 0x0020;

const STACK_STATUS: u16 = 0x0019;
const JOINED: u16 = 0x0024;
const WILDCARD: u64 = u64::MAX;

impl Ncp {
    fn either(&self, (old, new): (u64, u64)) -> u64 {
        if self.version < 14 { old } else { new }
    }

    fn code(&self, status: (u64, u64)) -> Record {
        self.status(self.either(status))
    }

    /// The answer to a command; `None` for one that is not known.
    pub(super) fn answer(&mut self, id: u16, fields: &Record) -> Option<Record> {
        let number = |name: &str| fields.number(name).unwrap_or(0);
        let octet = |name: &str| u8::try_from(number(name)).unwrap_or(0);
        let ok = self.status(0);
        Some(match id {
            0x0002 => {
                self.endpoints.push(fields.clone());
                ok
            }
            0x0003 => {
                let known = self
                    .endpoints
                    .iter()
                    .any(|one| one.number("endpoint") == Some(number("characteristics")));
                let status = if known { ok } else { self.code(UNKNOWN_ID) };
                // Even for an endpoint that is not there, two octets follow.
                status.with("value", Value::Octets(vec![u8::from(known), 0]))
            }
            0x0005 | 0x0015 | 0x006B | 0x00E2 => {
                if id == 0x006B {
                    self.transient_keys.clear();
                }
                ok
            }
            0x0077 => {
                self.forget();
                ok
            }
            0x000B => Record::new().with("token_data", Value::Octets(token(octet("token_id")))),
            0x000C | 0x0010 | 0x0064 | 0x0067 | 0x007E | 0x00AB => {
                if id == 0x00AB {
                    self.set_value(fields);
                }
                ok
            }
            0x0017 => self.init(),
            0x0018 => Record::new().with(
                "network_status",
                Value::Unsigned(if self.is_up { 2 } else { 0 }),
            ),
            0x001A => self.scan(fields),
            0x001E => self.form(fields),
            0x0020 => {
                if self.network.is_none() {
                    return Some(self.code(NOT_JOINED));
                }
                self.forget();
                let down = self.code(NETWORK_DOWN);
                self.tell(50, STACK_STATUS, down);
                ok
            }
            0x0022 => {
                self.permit(0, number("duration_s"));
                ok
            }
            0x0026 => Record::new().with("eui64", Value::ieee(self.eui64)),
            0x0027 => Record::new().with("nwk", Value::id16(if self.is_up { 0 } else { 0xFFFE })),
            0x0028 => {
                let Some(network) = self.network.as_ref().filter(|_| self.is_up) else {
                    let none = parameters(&Record::new());
                    return Some(
                        self.code(NOT_JOINED)
                            .with("node_type", Value::Unsigned(0))
                            .with("parameters", none),
                    );
                };
                ok.with("node_type", Value::Unsigned(1))
                    .with("parameters", Value::Record(network.parameters.clone()))
            }
            0x0034 => self.unicast(fields),
            0x0036 | 0x0038 => self.broadcast(id, fields),
            0x0049 => ok.with("value", Value::Unsigned(self.now_ms & 0xFFFF)),
            0x004A => self.child(number("index")),
            0x0052 => match self
                .config
                .get(&octet("config_id"))
                .copied()
                .or_else(|| default_config(octet("config_id")))
            {
                Some(value) => ok.with("value", Value::Unsigned(value.into())),
                None => self.code(UNKNOWN_ID).with("value", Value::Unsigned(0)),
            },
            0x0053 => {
                let value = u16::try_from(number("value")).unwrap_or(0);
                // Link keys survive, so that their number does not change by a wish.
                if octet("config_id") != 0x1E {
                    self.config.insert(octet("config_id"), value);
                }
                ok
            }
            0x0055 => {
                self.policies
                    .insert(octet("policy_id"), octet("decision_id"));
                ok
            }
            0x0056 => {
                let decision = self.policies.get(&octet("policy_id")).copied().unwrap_or(0);
                ok.with("decision_id", Value::Unsigned(decision.into()))
            }
            0x005A => Record::new().with("remaining_ms", Value::Unsigned(0)),
            0x005E => self
                .code(NOT_FOUND)
                .with("nwk", Value::id16(0xFFFF))
                .with("eui64", Value::ieee(WILDCARD)),
            0x005F => Record::new().with("nwk", Value::id16(0xFFFF)),
            0x0060 => self.nwk_of(number("eui64")),
            0x0061 => self.eui64_of(number("nwk")),
            0x0063 => {
                let entry = Record::new()
                    .with("group", Value::id16(0))
                    .with("endpoint", Value::Unsigned(0))
                    .with("network_index", Value::Unsigned(0));
                ok.with("entry", Value::Record(entry))
            }
            0x0065 | 0x00F1 => {
                Record::new().with("values", Value::List(vec![Value::Unsigned(0); 41]))
            }
            0x0068 => {
                self.security = Some(fields.clone());
                ok
            }
            0x0069 => {
                let bitmask = self
                    .network
                    .as_ref()
                    .map_or(0, |network| network.bitmask & 0x84 | 0x10);
                let state = Record::new()
                    .with("bitmask", Value::Unsigned(bitmask.into()))
                    .with("trust_center", Value::ieee(self.eui64));
                ok.with("state", Value::Record(state))
            }
            0x0073 if !self.faults.refuses_keys => {
                self.mesh.tell_key(key(fields, "key"));
                ok
            }
            0x0074 => match (self.mesh.switch_key(), self.network.as_mut()) {
                (Some(key), Some(network)) => {
                    network.key = key;
                    network.key_sequence = network.key_sequence.wrapping_add(1);
                    network.frame_counter = 0;
                    ok
                }
                _ => self.code(INVALID),
            },
            0x0073 => self.code(INVALID),
            0x0075 => {
                let found = self
                    .link_keys
                    .iter()
                    .position(|key| key.is_some_and(|(ieee, _)| ieee == number("address")));
                Record::new().with(
                    "index",
                    Value::Unsigned(found.map_or(0xFF, |index| index as u64)),
                )
            }
            0x0076 => {
                if let Some(key) = usize::try_from(number("index"))
                    .ok()
                    .and_then(|index| self.link_keys.get_mut(index))
                {
                    *key = None;
                }
                ok
            }
            0x007F => self.status(1).with("extended_timeout", Value::Unsigned(0)),
            0x0079 => {
                let neighbor = Record::new()
                    .with("nwk", Value::id16(0xFFFF))
                    .with("lqi", Value::Unsigned(0))
                    .with("in_cost", Value::Unsigned(0))
                    .with("out_cost", Value::Unsigned(0))
                    .with("age", Value::Unsigned(0))
                    .with("eui64", Value::ieee(0));
                self.code(NOT_FOUND)
                    .with("neighbor", Value::Record(neighbor))
            }
            0x007A => Record::new().with(
                "count",
                Value::Unsigned(
                    self.mesh
                        .devices
                        .iter()
                        .filter(|device| device.joined)
                        .count() as u64,
                ),
            ),
            0x00A8 => {
                let ieee = number("eui64");
                if let Some(device) = self.mesh.device_mut(ieee) {
                    device.joined = false;
                }
                ok
            }
            0x00AA => self.value(octet("value_id")),
            0x00B1 => {
                self.link_keys.fill(None);
                ok
            }
            0x0102 => self.code(NOT_FOUND),
            0x010E => {
                let key = key(fields, "key");
                match usize::try_from(number("index"))
                    .ok()
                    .and_then(|index| self.link_keys.get_mut(index))
                {
                    Some(entry) => *entry = Some((number("address"), key)),
                    None => return Some(self.status(0x27)),
                }
                ok
            }
            0x010F => {
                let index = usize::try_from(number("index")).unwrap_or(usize::MAX);
                let found = self.link_keys.get(index).copied().flatten();
                exported(
                    self.status(if found.is_some() { 0 } else { NO_ENTRY }),
                    found,
                )
            }
            0x0110 => ok,
            0x0111 => {
                let entry = (number("eui64"), key(fields, "key"));
                self.transient_keys.retain(|(ieee, _)| *ieee != entry.0);
                self.transient_keys.push(entry);
                ok
            }
            0x0112 | 0x0113 => {
                let found = if id == 0x0112 {
                    usize::try_from(number("index"))
                        .ok()
                        .and_then(|index| self.transient_keys.get(index))
                } else {
                    self.transient_keys
                        .iter()
                        .find(|(ieee, _)| *ieee == number("eui64"))
                };
                exported(
                    self.status(if found.is_some() { 0 } else { NO_ENTRY }),
                    found.copied(),
                )
            }
            0x0114 => self.export_key(fields),
            0x0116 => {
                let network = self.network.as_ref();
                let info = Record::new()
                    .with("network_key_set", Value::Unsigned(network.is_some().into()))
                    .with("alternate_network_key_set", Value::Unsigned(0))
                    .with(
                        "network_key_sequence_number",
                        Value::Unsigned(network.map_or(0, |one| one.key_sequence).into()),
                    )
                    .with("alt_network_key_sequence_number", Value::Unsigned(0))
                    .with(
                        "network_key_frame_counter",
                        Value::Unsigned(network.map_or(0, |one| one.frame_counter).into()),
                    );
                ok.with("network_key_info", Value::Record(info))
            }
            _ => return None,
        })
    }

    fn forget(&mut self) {
        // An empty stick has no devices to tell.
        if self.network.take().is_some() {
            self.mesh.dissolve();
        }
        self.is_up = false;
        self.link_keys.fill(None);
    }

    fn init(&mut self) -> Record {
        if self.network.is_none() {
            return self.code(NOT_JOINED);
        }
        self.is_up = true;
        let up = self.code(NETWORK_UP);
        self.tell(100, STACK_STATUS, up);
        self.status(0)
    }

    fn form(&mut self, fields: &Record) -> Record {
        let Some((Value::Record(parameters), security)) =
            fields.field("parameters").zip(self.security.clone())
        else {
            return self.code(INVALID);
        };
        let mut hashed = key(&security, "preconfigured_key");
        if hashed == [0; 16] {
            hashed = *b"ZigBeeAlliance09";
        }
        self.network = Some(Network {
            parameters: parameters.clone(),
            key: key(&security, "network_key"),
            key_sequence: u8::try_from(security.number("network_key_sequence_number").unwrap_or(0))
                .unwrap_or(0),
            trust_center_key: hashed,
            bitmask: u16::try_from(security.number("bitmask").unwrap_or(0)).unwrap_or(0),
            frame_counter: std::mem::take(&mut self.next_counter),
        });
        self.is_up = true;
        let up = self.code(NETWORK_UP);
        self.tell(200, STACK_STATUS, up);
        self.status(0)
    }

    fn set_value(&mut self, fields: &Record) {
        // The network's outgoing frame counter, before it is formed.
        if let (Some(0x23), Some(Value::Octets(octets))) =
            (fields.number("value_id"), fields.field("value"))
            && let Ok(octets) = octets.as_slice().try_into()
        {
            self.next_counter = u32::from_le_bytes(octets);
        }
    }

    fn value(&self, id: u8) -> Record {
        let (major, minor) = self.firmware();
        let value = match id {
            0x11 => vec![0, 0, major, minor, 2, 0, 0xAA],
            0x03 => vec![200, 0],
            0x0C => vec![0, 0],
            0x23 => self
                .network
                .as_ref()
                .map_or(0, |network| network.frame_counter)
                .to_le_bytes()
                .to_vec(),
            0x24 => vec![0; 4],
            _ => {
                return self
                    .code(UNKNOWN_ID)
                    .with("value", Value::Octets(Vec::new()));
            }
        };
        self.status(0).with("value", Value::Octets(value))
    }

    fn scan(&mut self, fields: &Record) -> Record {
        let channels = fields.number("channels").unwrap_or(0);
        // An active scan finds no other network here.
        if fields.number("scan_type") == Some(0) {
            for (channel, rssi) in (11_u64..).zip(self.energy_dbm) {
                if channels >> channel & 1 == 1 {
                    let found = Record::new()
                        .with("channel", Value::Unsigned(channel))
                        .with("rssi_dbm", Value::Signed(rssi.into()));
                    self.tell(10, 0x0048, found);
                }
            }
        }
        let complete = self.status(0).with("channel", Value::Unsigned(0));
        self.tell(60, 0x001C, complete);
        self.status(0)
    }

    fn permit(&mut self, parent: u16, seconds: u64) {
        let until = self.now_ms + seconds * 1000;
        self.permitted_until.insert(parent, until);
    }

    /// Lets in one device that wants to join, whose parent lets it and whose key is known.
    pub(super) fn admit(&mut self) {
        if !self.is_up {
            return;
        }
        self.readmit();
        let now = self.now_ms;
        let permits = |parent: u16| {
            self.permitted_until
                .get(&parent)
                .is_some_and(|until| now < *until)
        };
        let knows = |ieee: u64, link_key: Option<[u8; 16]>| match link_key {
            None => self
                .transient_keys
                .iter()
                .any(|(known, _)| *known == WILDCARD),
            Some(own) => self.transient_keys.contains(&(ieee, own)),
        };
        let candidates = self.mesh.devices.iter_mut();
        let found = candidates
            .filter(|device| device.wants_to_join && !device.joined && !device.misbehaviour.silent)
            .find(|device| permits(device.parent) && knows(device.ieee, device.link_key));
        let Some(device) = found else { return };
        device.wants_to_join = false;
        let record = Record::new()
            .with("nwk", Value::id16(device.nwk))
            .with("eui64", Value::ieee(device.ieee))
            .with("update", Value::Unsigned(1))
            .with("decision", Value::Unsigned(0))
            .with("parent", Value::id16(device.parent));
        self.tell(0, JOINED, record);
    }

    /// A device with an old key of the network comes back: its link key is known.
    fn readmit(&mut self) {
        let mut lost = self.mesh.devices.iter_mut();
        let Some(device) = lost.find(|one| one.is_lost && !one.misbehaviour.silent) else {
            return;
        };
        device.is_lost = false;
        let record = Record::new()
            .with("nwk", Value::id16(device.nwk))
            .with("eui64", Value::ieee(device.ieee))
            // EmberDeviceUpdate: an unsecured rejoin.
            .with("update", Value::Unsigned(3))
            .with("decision", Value::Unsigned(0))
            .with("parent", Value::id16(device.parent));
        self.tell(0, JOINED, record);
    }

    fn unicast(&mut self, fields: &Record) -> Record {
        if self.faults.message_limit {
            return self.code(LIMIT).with("sequence", Value::Unsigned(0));
        }
        let (Some(Value::Record(frame)), Some(Value::Octets(message))) =
            (fields.field("aps"), fields.field("message"))
        else {
            return self.code(INVALID).with("sequence", Value::Unsigned(0));
        };
        let nwk = u16::try_from(fields.number("nwk").unwrap_or(0)).unwrap_or(0);
        let aps = aps_of(frame);
        self.count_frame();
        let delivered = if nwk == 0 {
            self.answer_zdo(aps, message);
            true
        } else {
            let permits = aps.profile == 0 && aps.cluster == 0x0036;
            if let (true, Some(seconds)) = (permits, message.get(1)) {
                self.permit(nwk, (*seconds).into());
            }
            let secured = self
                .network
                .as_ref()
                .map(|network| (network.key, network.frame_counter));
            let accepted = secured.is_some_and(|(key, counter)| self.mesh.accepts(key, counter));
            let has_key = !aps.secured || self.has_key_of(nwk);
            accepted && has_key && self.mesh.deliver(nwk, aps, message, self.now_ms)
        };
        let latency = self.mesh.by_nwk(nwk).map_or(5, |device| device.latency_ms);
        let status = if delivered {
            0
        } else {
            self.either(DELIVERY_FAILED)
        };
        let sent = Record::new()
            .with("status", Value::Unsigned(status))
            .with("message_type", Value::Unsigned(0))
            .with("nwk", Value::id16(nwk))
            .with("aps", Value::Record(frame.clone()))
            .with("tag", Value::Unsigned(fields.number("tag").unwrap_or(0)))
            .with("message", Value::Octets(Vec::new()));
        self.tell(latency, han::zigbee::ezsp::MESSAGE_SENT, sent);
        self.status(0).with("sequence", Value::Unsigned(1))
    }

    fn broadcast(&mut self, id: u16, fields: &Record) -> Record {
        self.count_frame();
        if let (Some(Value::Record(frame)), Some(Value::Octets(message))) =
            (fields.field("aps"), fields.field("message"))
        {
            let aps = aps_of(frame);
            let to_all: Vec<u16> = self
                .mesh
                .devices
                .iter()
                .filter(|device| device.joined)
                .map(|device| device.nwk)
                .collect();
            for nwk in to_all {
                if aps.profile == 0 && aps.cluster == 0x0036 {
                    if let Some(seconds) = message.get(1) {
                        self.permit(nwk, (*seconds).into());
                    }
                } else if aps.profile != 0 {
                    self.mesh.deliver(nwk, aps, message, self.now_ms);
                }
            }
            let sent = Record::new()
                .with("status", Value::Unsigned(0))
                .with(
                    "message_type",
                    Value::Unsigned(if id == 0x0036 { 6 } else { 3 }),
                )
                .with("nwk", Value::id16(0xFFFC))
                .with("aps", Value::Record(frame.clone()))
                .with("tag", Value::Unsigned(fields.number("tag").unwrap_or(0)))
                .with("message", Value::Octets(Vec::new()));
            self.tell(5, han::zigbee::ezsp::MESSAGE_SENT, sent);
        }
        self.status(0).with("sequence", Value::Unsigned(1))
    }

    fn count_frame(&mut self) {
        if let Some(network) = self.network.as_mut() {
            network.frame_counter = network.frame_counter.saturating_add(1);
        }
    }

    /// Questions to the coordinator's own device objects.
    fn answer_zdo(&mut self, aps: Aps, payload: &[u8]) {
        if aps.profile != 0 {
            return;
        }
        let Ok(message) = zdo::Message::decode(aps.cluster, payload) else {
            return;
        };
        let ok = Record::new()
            .with("status", Value::Unsigned(0))
            .with("nwk", Value::id16(0));
        let fields = match aps.cluster {
            0x0000 | 0x0001 => Record::new()
                .with("status", Value::Unsigned(0))
                .with("ieee", Value::ieee(self.eui64))
                .with("nwk", Value::id16(0)),
            0x0002 => ok
                .with("logical_type", Value::Unsigned(0))
                .with("capability", Value::Unsigned(0x8F))
                .with("manufacturer", Value::id16(0x1049))
                .with("max_buffer", Value::Unsigned(82))
                .with("max_incoming", Value::Unsigned(128))
                .with("server_mask", Value::Unsigned(0x2C41))
                .with("max_outgoing", Value::Unsigned(128)),
            0x0004 => {
                let wanted = message.fields.number("endpoint");
                match self
                    .endpoints
                    .iter()
                    .find(|one| one.number("endpoint") == wanted)
                {
                    Some(endpoint) => endpoint
                        .fields()
                        .fold(ok, |record, (name, value)| record.with(name, value.clone())),
                    None => Record::new()
                        .with("status", Value::Unsigned(0x83))
                        .with("nwk", Value::id16(0)),
                }
            }
            0x0005 => {
                let numbers = self
                    .endpoints
                    .iter()
                    .filter_map(|one| one.field("endpoint").cloned());
                ok.with("endpoints", Value::List(numbers.collect()))
            }
            0x0031 => self.neighbors(message.fields.number("start_index").unwrap_or(0)),
            0x0036 | 0x0021 | 0x0022 => {
                if aps.cluster == 0x0036 {
                    self.permit(0, message.fields.number("duration").unwrap_or(0));
                }
                Record::new().with("status", Value::Unsigned(0))
            }
            _ => return,
        };
        self.loop_back(aps, aps.cluster | 0x8000, message.tsn, &fields);
    }

    fn neighbors(&self, start: u64) -> Record {
        let near: Vec<_> = self
            .mesh
            .devices
            .iter()
            .filter(|device| device.joined && device.parent == 0)
            .collect();
        let page = near
            .iter()
            .skip(usize::try_from(start).unwrap_or(0))
            .take(3)
            .map(|device| {
                Value::Record(
                    Record::new()
                        .with("ext_pan", Value::ieee(0))
                        .with("ieee", Value::ieee(device.ieee))
                        .with("nwk", Value::id16(device.nwk))
                        .with("device_type", Value::Unsigned(device.logical_type().into()))
                        .with(
                            "rx_on_when_idle",
                            Value::Unsigned(u64::from(!device.is_sleepy())),
                        )
                        .with("relationship", Value::Unsigned(1))
                        .with("permit_joining", Value::Unsigned(0))
                        .with("depth", Value::Unsigned(1))
                        .with("lqi", Value::Unsigned(device.lqi.into())),
                )
            });
        Record::new()
            .with("status", Value::Unsigned(0))
            .with("entries", Value::Unsigned(near.len() as u64))
            .with("start_index", Value::Unsigned(start))
            .with("neighbors", Value::List(page.collect()))
    }

    fn child(&self, index: u64) -> Record {
        let children = || {
            self.mesh
                .devices
                .iter()
                .filter(|device| device.joined && !device.router)
        };
        let found = usize::try_from(index)
            .ok()
            .and_then(|index| children().nth(index));
        let status = if found.is_some() {
            self.status(0)
        } else {
            self.code(NOT_JOINED)
        };
        let child = Record::new()
            .with("eui64", Value::ieee(found.map_or(0, |device| device.ieee)))
            .with(
                "node_type",
                Value::Unsigned(if found.is_some_and(super::device::Device::is_sleepy) {
                    4
                } else {
                    3
                }),
            )
            .with(
                "nwk",
                Value::id16(found.map_or(0xFFFF, |device| device.nwk)),
            )
            .with("phy", Value::Unsigned(0))
            .with("power", Value::Unsigned(0))
            .with("timeout", Value::Unsigned(0))
            .with("timeout_remaining", Value::Unsigned(0));
        status.with("child", Value::Record(child))
    }

    fn nwk_of(&self, ieee: u64) -> Record {
        let found = self
            .mesh
            .device(ieee)
            .filter(|device| device.joined)
            .map(|device| device.nwk);
        let found = found.or((ieee == self.eui64).then_some(0));
        let status = if found.is_some() {
            self.status(0)
        } else {
            self.code(NOT_FOUND)
        };
        status.with("nwk", Value::id16(found.unwrap_or(0xFFFF)))
    }

    fn eui64_of(&self, nwk: u64) -> Record {
        let nwk = u16::try_from(nwk).unwrap_or(0xFFFF);
        let found = self.mesh.by_nwk(nwk).map(|device| device.ieee);
        let found = found.or((nwk == 0).then_some(self.eui64));
        let status = if found.is_some() {
            self.status(0)
        } else {
            self.code(NOT_FOUND)
        };
        status.with("eui64", Value::ieee(found.unwrap_or(WILDCARD)))
    }

    fn export_key(&self, fields: &Record) -> Record {
        let context = fields.field("context").cloned().unwrap_or(Value::Null);
        let kind = match &context {
            Value::Record(context) => context.number("core_key_type"),
            _ => None,
        };
        let key = match (kind, &self.network) {
            (Some(1), Some(network)) => Some(network.key),
            (Some(2), Some(network)) => Some(network.trust_center_key),
            _ => None,
        };
        self.status(if key.is_some() { 0 } else { NO_ENTRY })
            .with("key", Value::Octets(key.unwrap_or_default().to_vec()))
            .with("context", context)
    }
}

fn aps_of(frame: &Record) -> Aps {
    let number = |name: &str| u16::try_from(frame.number(name).unwrap_or(0)).unwrap_or(0);
    let octet = |name: &str| u8::try_from(number(name)).unwrap_or(0);
    Aps {
        profile: number("profile"),
        cluster: number("cluster"),
        src_endpoint: octet("src_endpoint"),
        dst_endpoint: octet("dst_endpoint"),
        secured: number("options") & APS_ENCRYPTION != 0,
    }
}

fn key(fields: &Record, name: &str) -> [u8; 16] {
    match fields.field(name) {
        Some(Value::Octets(octets)) => octets.as_slice().try_into().unwrap_or_default(),
        _ => [0; 16],
    }
}

fn exported(status: Record, found: Option<(u64, [u8; 16])>) -> Record {
    let (ieee, key) = found.unwrap_or_default();
    let context = Record::new()
        .with("core_key_type", Value::Unsigned(0))
        .with("key_index", Value::Unsigned(0))
        .with("derived_type", Value::Unsigned(0))
        .with("eui64", Value::ieee(ieee))
        .with("multi_network_index", Value::Unsigned(0))
        .with("flags", Value::Unsigned(0))
        .with("psa_key_alg_permission", Value::Unsigned(0));
    let data = Record::new()
        .with("bitmask", Value::Unsigned(0))
        .with("outgoing_frame_counter", Value::Unsigned(0))
        .with("incoming_frame_counter", Value::Unsigned(0))
        .with("ttl_in_seconds", Value::Unsigned(0));
    status
        .with("eui64", Value::ieee(ieee))
        .with("context", Value::Record(context))
        .with("key", Value::Octets(key.to_vec()))
        .with("key_data", Value::Record(data))
}

fn parameters(_none: &Record) -> Value {
    Value::Record(
        Record::new()
            .with("extended_pan", Value::ieee(0))
            .with("pan", Value::id16(0xFFFF))
            .with("power_dbm", Value::Signed(0))
            .with("channel", Value::Unsigned(0))
            .with("join_method", Value::Unsigned(0))
            .with("manager", Value::id16(0))
            .with("update_id", Value::Unsigned(0))
            .with("channels", Value::Unsigned(0)),
    )
}

/// What the maker has written: nothing but the names.
fn token(id: u8) -> Vec<u8> {
    let padded = |text: &str| {
        let mut octets = text.as_bytes().to_vec();
        octets.resize(16, 0);
        octets
    };
    match id {
        0x01 => padded("wattle"),
        0x02 => padded("simulated stick"),
        0x00 => vec![0xFF; 8],
        _ => vec![0xFF; 16],
    }
}

fn default_config(id: u8) -> Option<u16> {
    Some(match id {
        0x0D => 5,
        0x0C => 2,
        0x1E => 12,
        0x11 => 32,
        0x05 => 8,
        0x06 => 8,
        0x01 => 75,
        0x02 => 26,
        0x03 => 10,
        0x04 => 0,
        0x19 => 2,
        0x1A => 7,
        0x07 | 0x08 => 16,
        0x10 => 30,
        0x12 => 3000,
        0x13 => 8,
        0x17 | 0x18 | 0x1C..=0x29 | 0x2A..=0x40 => 0,
        _ => return None,
    })
}
