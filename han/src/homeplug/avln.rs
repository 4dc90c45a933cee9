//! The powerline network of an adapter: who is in it, and joining one (HomePlug AV 1.1, 11.5; the
//! vendor messages of Qualcomm Atheros).
//!
//! [`Survey`] asks the adapter at the own Ethernet port, and through it all others, once. [`Join`]
//! gives that adapter the key of a network and finds out whether it worked: the adapter's own
//! confirmation says nothing (it reports success and failure alike), so what counts is the network
//! in which it finds itself afterwards, and with whom.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::keys::{NetworkKey, SecurityLevel, network_identifier};
use super::layouts::{fields, write_fields};
use super::mme::{Fragment, Mme, OUI_QUALCOMM};
use super::mmtype::MmType;
use super::session::{Outbox, Session};
use crate::value::{Record, Value};

/// The address to which the adapter at the own port answers, whatever its own.
pub const LOCAL_ADAPTER: [u8; 6] = [0x00, 0xB0, 0x52, 0x00, 0x00, 0x01];

const SW_VER_REQ: MmType = MmType(0xA000);
const SW_VER_CNF: MmType = MmType(0xA001);
const NW_INFO_REQ: MmType = MmType(0xA038);
pub(super) const NW_INFO_CNF: MmType = MmType(0xA039);
const SET_KEY_REQ: MmType = MmType(0x6008);
const SET_KEY_CNF: MmType = MmType(0x6009);

/// How long an answer may take, and how often is asked.
const PATIENCE: Duration = Duration::from_millis(400);
const ROUNDS: u8 = 3;

/// An adapter forms or finds its network within this time after a new key.
const SETTLING: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const SETTLING_STEP: Duration = Duration::from_secs(1);
/// Others take longer to be seen than the own network.
const COMPANY: Duration = Duration::from_secs(12);

/// Networks have at most this many stations (terminal equipment identifiers are octets).
const MOST_STATIONS: usize = 254;

/// What a station does in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing but its own traffic.
    Station,
    /// It speaks for the coordinator to those who do not hear it.
    ProxyCoordinator,
    /// It gives out the time on the line.
    Coordinator,
    /// Another code.
    Unknown(u8),
}

/// An adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its address.
    pub mac: [u8; 6],
    /// Its number in the network, 0 for none.
    pub tei: u8,
    /// Whether it is the one at the own Ethernet port. Its rates are not told.
    pub is_local: bool,
    /// A host that was seen behind it.
    pub bridged_mac: Option<[u8; 6]>,
    /// Physical rate to it in Mbit/s; none for the local one.
    pub tx_mbit: Option<u16>,
    /// Physical rate from it in Mbit/s; none for the local one.
    pub rx_mbit: Option<u16>,
    /// The text of its firmware's version, if it told.
    pub version: Option<String>,
}

/// The network of an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its identifier.
    pub nid: [u8; 7],
    /// Its short identifier.
    pub snid: u8,
    /// What the local adapter does in it.
    pub role: Role,
    /// Its coordinator.
    pub coordinator: [u8; 6],
    /// All adapters that are known, the local one first.
    pub stations: Vec<Station>,
}

/// What a survey found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SurveyEvent {
    /// The adapter's network; `None` when it is in none.
    Found {
        /// The local adapter, and others that answered.
        adapters: Vec<Station>,
        /// Its network.
        network: Option<Network>,
    },
    /// Nothing answered: there is no adapter, it is silent (some firmware is), or it is a G.hn
    /// one, which does not speak HomePlug.
    Nothing,
}

/// Asks once who is there.
#[derive(Debug)]
pub struct Survey {
    mac: [u8; 6],
    round: u8,
    due: Option<Instant>,
    local: Option<[u8; 6]>,
    versions: BTreeMap<[u8; 6], String>,
    network: Option<Option<Network>>,
    outbox: Outbox<SurveyEvent>,
}

impl Survey {
    /// Begins at `now`, from a host with this address.
    #[must_use]
    pub fn new(mac: [u8; 6], now: Instant) -> Self {
        let mut survey = Self {
            mac,
            round: 0,
            due: None,
            local: None,
            versions: BTreeMap::new(),
            network: None,
            outbox: Outbox::default(),
        };
        survey.ask(now);
        survey
    }

    fn ask(&mut self, now: Instant) {
        self.round += 1;
        if self
            .local
            .is_none_or(|local| !self.versions.contains_key(&local))
        {
            self.outbox
                .frames
                .push_back(version_request(self.mac, LOCAL_ADAPTER));
        }
        if self.network.is_none() {
            self.outbox.frames.push_back(network_request(self.mac));
        }
        for station in self.silent_stations() {
            self.outbox
                .frames
                .push_back(version_request(self.mac, station));
        }
        self.due = Some(now + PATIENCE);
    }

    /// Stations of the network that have not told their version.
    fn silent_stations(&self) -> Vec<[u8; 6]> {
        let network = self.network.iter().flatten();
        let stations = network.flat_map(|network| &network.stations);
        let silent = stations.filter(|station| !self.versions.contains_key(&station.mac));
        silent.map(|station| station.mac).collect()
    }

    fn take(&mut self, mme: &Mme<'_>, fields: &Record) {
        match mme.mmtype {
            SW_VER_CNF if self.versions.len() < MOST_STATIONS => {
                if let Some(Value::Text(version)) = fields.field("version") {
                    self.versions.insert(mme.source, version.clone());
                }
                // The first to answer is the one at the own port: others are asked by name.
                self.local.get_or_insert(mme.source);
            }
            NW_INFO_CNF => {
                let is_first = self.network.is_none();
                self.local = Some(mme.source);
                self.network = Some(network(fields, mme.source));
                if is_first {
                    for station in self.silent_stations() {
                        self.outbox
                            .frames
                            .push_back(version_request(self.mac, station));
                    }
                }
            }
            _ => return,
        }
        let all_told = self.network.is_some() && self.silent_stations().is_empty();
        if all_told
            && self
                .local
                .is_some_and(|local| self.versions.contains_key(&local))
        {
            self.end();
        }
    }

    fn end(&mut self) {
        self.due = None;
        let Some(local) = self.local else {
            self.outbox.events.push_back(SurveyEvent::Nothing);
            return;
        };
        let mut network = self.network.take().flatten();
        let mut adapters = Vec::new();
        match &mut network {
            Some(network) => {
                for station in &mut network.stations {
                    station.version = self.versions.get(&station.mac).cloned();
                }
                adapters.clone_from(&network.stations);
            }
            None => adapters.push(Station {
                version: self.versions.get(&local).cloned(),
                ..local_station(local, 0)
            }),
        }
        let found = SurveyEvent::Found { adapters, network };
        self.outbox.events.push_back(found);
    }
}

impl Session for Survey {
    type Event = SurveyEvent;

    fn handle_frame(&mut self, frame: &[u8], _now: Instant) {
        let Some(_) = self.due else { return };
        let Ok(mme) = Mme::parse(frame) else { return };
        if let Ok(Some(fields)) = fields(&mme) {
            self.take(&mme, &fields);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        if self.round < ROUNDS {
            self.ask(now);
        } else {
            self.end();
        }
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.frames.pop_front()
    }

    fn poll_event(&mut self) -> Option<SurveyEvent> {
        self.outbox.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

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

    fn end(&mut self, event: JoinEvent) {
        self.state = Joining::Ended;
        self.due = None;
        self.outbox.events.push_back(event);
    }

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
}

impl Session for Join {
    type Event = JoinEvent;

    fn handle_frame(&mut self, frame: &[u8], now: Instant) {
        let Ok(mme) = Mme::parse(frame) else { return };
        if let Ok(Some(fields)) = fields(&mme) {
            self.take(&mme, &fields, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| now >= due) {
            self.step(now);
        }
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.frames.pop_front()
    }

    fn poll_event(&mut self) -> Option<JoinEvent> {
        self.outbox.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

fn version_request(source: [u8; 6], destination: [u8; 6]) -> Vec<u8> {
    let mme = Mme {
        destination,
        source,
        mmv: 0,
        mmtype: SW_VER_REQ,
        fragment: None,
        oui: Some(OUI_QUALCOMM),
        payload: &[],
    };
    mme.to_frame()
}

pub(super) fn network_request(source: [u8; 6]) -> Vec<u8> {
    let mme = Mme {
        destination: LOCAL_ADAPTER,
        source,
        mmv: 1,
        mmtype: NW_INFO_REQ,
        fragment: Some(Fragment::default()),
        oui: Some(OUI_QUALCOMM),
        payload: &[],
    };
    mme.to_frame()
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

fn local_station(mac: [u8; 6], tei: u8) -> Station {
    Station {
        mac,
        tei,
        is_local: true,
        bridged_mac: None,
        tx_mbit: None,
        rx_mbit: None,
        version: None,
    }
}

/// The first network in an adapter's answer: adapters are in one at most.
pub(super) fn network(fields: &Record, local: [u8; 6]) -> Option<Network> {
    let Some(Value::List(networks)) = fields.field("networks") else {
        return None;
    };
    let Some(Value::Record(found)) = networks.first() else {
        return None;
    };
    let small = |record: &Record, name: &str| {
        let number = record.number(name).unwrap_or_default();
        u8::try_from(number).unwrap_or_default()
    };
    let Some(Value::Octets(nid)) = found.field("nid") else {
        return None;
    };
    let mut stations = vec![local_station(local, small(found, "tei"))];
    if let Some(Value::List(others)) = found.field("stations") {
        let others = others.iter().filter_map(|station| match station {
            Value::Record(station) => Some(Station {
                mac: mac(station, "mac")?,
                tei: small(station, "tei"),
                is_local: false,
                bridged_mac: mac(station, "bridged_mac").filter(|mac| *mac != [0; 6]),
                tx_mbit: rate(station, "tx_rate"),
                rx_mbit: rate(station, "rx_rate"),
                version: None,
            }),
            _ => None,
        });
        stations.extend(others);
    }
    Some(Network {
        nid: nid.as_slice().try_into().ok()?,
        snid: small(found, "snid"),
        role: match small(found, "role") {
            0 => Role::Station,
            1 => Role::ProxyCoordinator,
            2 => Role::Coordinator,
            other => Role::Unknown(other),
        },
        coordinator: mac(found, "cco_mac")?,
        stations,
    })
}

fn mac(fields: &Record, name: &str) -> Option<[u8; 6]> {
    match fields.field(name)? {
        Value::Mac(mac) => Some(*mac),
        _ => None,
    }
}

fn rate(fields: &Record, name: &str) -> Option<u16> {
    u16::try_from(fields.number(name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homeplug::keys::network_membership_key;

    const HOST: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const LOCAL: [u8; 6] = [4, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [4, 0, 0, 0, 0, 2];

    fn version_answer(source: [u8; 6]) -> Vec<u8> {
        Mme {
            destination: HOST,
            source,
            mmv: 0,
            mmtype: SW_VER_CNF,
            fragment: None,
            oui: Some(OUI_QUALCOMM),
            payload: &[0, 0x22, 3, b'Q', b'C', b'A'],
        }
        .to_frame()
    }

    /// An adapter's answer with a second station when it is not alone.
    fn network_answer(nid: [u8; 7], alone: bool) -> Vec<u8> {
        let mut payload = vec![0, 0, 0x3A, 0, 0, 1];
        payload.extend(nid);
        payload.extend([0, 0, 4, 1, 0, 0, 0, 0, 2]);
        payload.extend(LOCAL);
        payload.extend([1, 0, 0, 0, u8::from(!alone), 0, 0, 0, 0, 0]);
        if !alone {
            payload.extend(OTHER);
            payload.extend([2, 0, 0, 0, 8, 0, 0, 0, 0, 9, 90, 0, 0, 0, 80, 0, 0, 0]);
        }
        Mme {
            destination: HOST,
            source: LOCAL,
            mmv: 1,
            mmtype: NW_INFO_CNF,
            fragment: Some(Fragment::default()),
            oui: Some(OUI_QUALCOMM),
            payload: &payload,
        }
        .to_frame()
    }

    fn asked(session: &mut impl Session) -> Vec<(MmType, [u8; 6])> {
        let frames = std::iter::from_fn(|| session.poll_transmit());
        let asked = frames.filter_map(|frame| {
            let mme = Mme::parse(&frame).ok()?;
            Some((mme.mmtype, mme.destination))
        });
        asked.collect()
    }

    #[test]
    fn a_survey_asks_the_local_adapter_and_then_the_others() {
        let now = Instant::now();
        let mut survey = Survey::new(HOST, now);
        let first = [(SW_VER_REQ, LOCAL_ADAPTER), (NW_INFO_REQ, LOCAL_ADAPTER)];
        assert_eq!(asked(&mut survey), first);
        survey.handle_frame(&version_answer(LOCAL), now);
        survey.handle_frame(&network_answer([1; 7], false), now);
        assert_eq!(asked(&mut survey), [(SW_VER_REQ, OTHER)]);
        survey.handle_frame(&version_answer(OTHER), now);
        let Some(SurveyEvent::Found { network, .. }) = survey.poll_event() else {
            panic!("it has found a network");
        };
        let network = network.expect("the adapter is in one");
        let [local, other] = &*network.stations else {
            panic!("it has two stations");
        };
        assert!(local.is_local && local.mac == LOCAL && local.tx_mbit.is_none());
        assert_eq!((other.tx_mbit, other.rx_mbit), (Some(90), Some(80)));
        assert_eq!(other.bridged_mac, Some([8, 0, 0, 0, 0, 9]));
        assert_eq!(other.version.as_deref(), Some("QCA"));
        assert_eq!(survey.poll_timeout(), None);
    }

    #[test]
    fn silence_ends_a_survey() {
        let mut now = Instant::now();
        let mut survey = Survey::new(HOST, now);
        let mut rounds = 1;
        while let Some(due) = survey.poll_timeout() {
            now = due;
            survey.handle_timeout(now);
            rounds += 1;
        }
        assert_eq!(
            (rounds, survey.poll_event()),
            (4, Some(SurveyEvent::Nothing))
        );
    }

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
