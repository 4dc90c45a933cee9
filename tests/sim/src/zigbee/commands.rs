//! What the coprocessor answers to each command.

use han::{Record, Value};

use super::ncp::{Ncp, Network};
use super::tables::{exported, parameters};
use super::values::{default_config, token};

/// How a status is said: the number before version 14, and from it on.
const NETWORK_UP: (u64, u64) = (0x90, 0x15);
const NETWORK_DOWN: (u64, u64) = (0x91, 0x16);
pub(super) const NOT_JOINED: (u64, u64) = (0x93, 0x17);
pub(super) const INVALID: (u64, u64) = (0x02, 0x21);
/// A number that nobody knows, in commands that answer with a status of EZSP's own.
pub(super) const UNKNOWN_ID: (u64, u64) = (0x37, 0x21);
pub(super) const NOT_FOUND: (u64, u64) = (0x03, 0x2D);
pub(super) const DELIVERY_FAILED: (u64, u64) = (0x66, 0x0C04);
pub(super) const LIMIT: (u64, u64) = (0x72, 0x0C03);
/// A status of the security manager: an entry that is not there.
pub(super) const NO_ENTRY: u64 = 0x2D;

/// An option of a message: it is encrypted with the link key.
pub(super) const APS_ENCRYPTION: u16 = 0x0020;

pub(super) const STACK_STATUS: u16 = 0x0019;
pub(super) const WILDCARD: u64 = u64::MAX;

impl Ncp {
    pub(super) fn either(&self, (old, new): (u64, u64)) -> u64 {
        if self.version < 14 { old } else { new }
    }

    pub(super) fn code(&self, status: (u64, u64)) -> Record {
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
            0x001D => ok,
            0x001E => self.form(fields),
            0x001F => self.join_network(fields),
            0x0021 => self.find_again(),
            0x0042 => self.poll_parent(fields),
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
            0x0027 => Record::new().with(
                "nwk",
                Value::id16(match &self.network {
                    Some(network) if self.is_up => network.nwk,
                    _ => 0xFFFE,
                }),
            ),
            0x0028 => {
                let Some(network) = self.network.as_ref().filter(|_| self.is_up) else {
                    let none = parameters(&Record::new());
                    return Some(
                        self.code(NOT_JOINED)
                            .with("node_type", Value::Unsigned(0))
                            .with("parameters", none),
                    );
                };
                ok.with("node_type", Value::Unsigned(network.node_type.into()))
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
                    .with(
                        "trust_center",
                        Value::ieee(self.network.as_ref().map_or(0, |one| one.trust_center)),
                    );
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
            0x0115 => self.import_key(fields),
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
        if let Some(network) = self.network.take() {
            self.last_counter = network.frame_counter;
            self.mesh.dissolve();
        }
        self.is_up = false;
        self.link_keys.fill(None);
    }

    fn init(&mut self) -> Record {
        if self.network.is_none() {
            return self.code(NOT_JOINED);
        }
        if self.is_member() {
            return self.resume_membership();
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
            node_type: 1,
            nwk: 0,
            trust_center: self.eui64,
        });
        self.is_up = true;
        let up = self.code(NETWORK_UP);
        self.tell(200, STACK_STATUS, up);
        self.status(0)
    }

    fn scan(&mut self, fields: &Record) -> Record {
        let channels = fields.number("channels").unwrap_or(0);
        if fields.number("scan_type") == Some(1) {
            return self.active_scan(channels);
        }
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
}

pub(super) fn key(fields: &Record, name: &str) -> [u8; 16] {
    match fields.field(name) {
        Some(Value::Octets(octets)) => octets.as_slice().try_into().unwrap_or_default(),
        _ => [0; 16],
    }
}
