//! Asking once who is there.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::mme::{Fragment, Mme};
use super::super::mmtype::MmType;
use super::super::session::{Dialogue, Outbox};
use super::{
    LOCAL_ADAPTER, NW_INFO_CNF, Network, PATIENCE, ROUNDS, SW_VER_CNF, Station, local_station,
    network, network_request, version_request,
};
use crate::value::{Record, Value};

/// Networks have at most this many stations (terminal equipment identifiers are octets).
const MOST_STATIONS: usize = 254;
/// Hosts of one station that are kept.
const MOST_HOSTS: usize = 64;

const BRG_INFO_REQ: MmType = MmType(0x6020);
const BRG_INFO_CNF: MmType = MmType(0x6021);

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
    /// Hosts behind each station that has told.
    hosts: BTreeMap<[u8; 6], Vec<[u8; 6]>>,
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
            hosts: BTreeMap::new(),
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
        self.ask_stations();
        self.due = Some(now + PATIENCE);
    }

    /// Asks the stations of the network for what they have not told.
    fn ask_stations(&mut self) {
        for station in self.without(&self.versions) {
            let request = version_request(self.mac, station);
            self.outbox.frames.push_back(request);
        }
        for station in self.without(&self.hosts) {
            let request = bridge_request(self.mac, station);
            self.outbox.frames.push_back(request);
        }
    }

    /// Stations of the network of which this is not known.
    fn without<T>(&self, known: &BTreeMap<[u8; 6], T>) -> Vec<[u8; 6]> {
        let network = self.network.iter().flatten();
        let stations = network.flat_map(|network| &network.stations);
        let silent = stations.filter(|station| !known.contains_key(&station.mac));
        silent.map(|station| station.mac).collect()
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
                    station.hosts = self.hosts.remove(&station.mac).unwrap_or_default();
                    let seen = station.bridged_mac;
                    let seen = seen.filter(|host| !station.hosts.contains(host));
                    station.hosts.extend(seen);
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

impl Dialogue for Survey {
    type Event = SurveyEvent;

    fn take(&mut self, mme: &Mme<'_>, fields: &Record, _now: Instant) {
        if self.due.is_none() {
            return;
        }
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
                    self.ask_stations();
                }
            }
            BRG_INFO_CNF if self.hosts.len() < MOST_STATIONS => {
                self.hosts.insert(mme.source, bridged_hosts(fields));
            }
            _ => return,
        }
        let all_told = self.network.is_some()
            && self.without(&self.versions).is_empty()
            && self.without(&self.hosts).is_empty();
        if all_told
            && self
                .local
                .is_some_and(|local| self.versions.contains_key(&local))
        {
            self.end();
        }
    }

    fn step(&mut self, now: Instant) {
        if self.round < ROUNDS {
            self.ask(now);
        } else {
            self.end();
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn outbox(&mut self) -> &mut Outbox<SurveyEvent> {
        &mut self.outbox
    }
}

/// CM_BRG_INFO.REQ: which hosts are behind a station.
fn bridge_request(source: [u8; 6], station: [u8; 6]) -> Vec<u8> {
    let mme = Mme {
        destination: station,
        source,
        mmv: 1,
        mmtype: BRG_INFO_REQ,
        fragment: Some(Fragment::default()),
        oui: None,
        payload: &[],
    };
    mme.to_frame()
}

fn bridged_hosts(fields: &Record) -> Vec<[u8; 6]> {
    let Some(Value::List(hosts)) = fields.field("macs") else {
        return Vec::new();
    };
    let hosts = hosts.iter().filter_map(|host| match host {
        Value::Mac(mac) => Some(*mac),
        _ => None,
    });
    hosts.take(MOST_HOSTS).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{HOST, LOCAL, OTHER, asked, network_answer, version_answer};
    use super::super::{NW_INFO_REQ, SW_VER_REQ};
    use super::*;
    use crate::homeplug::Session;

    fn bridge_answer(source: [u8; 6], hosts: &[[u8; 6]]) -> Vec<u8> {
        let count = u8::try_from(hosts.len()).unwrap_or_default();
        let mut payload = vec![1, 2, count];
        payload.extend(hosts.iter().flatten());
        Mme {
            destination: HOST,
            source,
            mmv: 1,
            mmtype: BRG_INFO_CNF,
            fragment: Some(Fragment::default()),
            oui: None,
            payload: &payload,
        }
        .to_frame()
    }

    #[test]
    fn a_survey_asks_the_local_adapter_and_then_the_others() {
        let now = Instant::now();
        let mut survey = Survey::new(HOST, now);
        let first = [(SW_VER_REQ, LOCAL_ADAPTER), (NW_INFO_REQ, LOCAL_ADAPTER)];
        assert_eq!(asked(&mut survey), first);
        survey.handle_frame(&version_answer(LOCAL), now);
        survey.handle_frame(&network_answer([1; 7], false), now);
        let second = [
            (SW_VER_REQ, OTHER),
            (BRG_INFO_REQ, LOCAL),
            (BRG_INFO_REQ, OTHER),
        ];
        assert_eq!(asked(&mut survey), second);
        survey.handle_frame(&version_answer(OTHER), now);
        survey.handle_frame(&bridge_answer(LOCAL, &[]), now);
        survey.handle_frame(&bridge_answer(OTHER, &[[8, 0, 0, 0, 0, 7]]), now);
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
        assert!(local.hosts.is_empty());
        assert_eq!(other.hosts, [[8, 0, 0, 0, 0, 7], [8, 0, 0, 0, 0, 9]]);
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
}
