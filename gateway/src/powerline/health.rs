//! How a powerline network has been: who was seen when, rates by the hour, what ails it.

use std::collections::BTreeMap;

use han::homeplug::avln::{Station, SurveyEvent};
use han::homeplug::mediaxtream::{Adapter as Broadcom, Side};
use jiff::{SignedDuration, Timestamp};
use wattle_api::{
    Adapter, AdapterAlarm, AdapterAlarmKind, Notice, NoticeCode, Powerline, PowerlineStatus,
    RateHour, Severity,
};

use crate::config::PowerlineConfig;

/// An adapter that was not seen for so long is gone.
const GONE: SignedDuration = SignedDuration::from_mins(5);
/// One that was not seen for so long is forgotten.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many hours of rates are kept.
const HOURS: usize = 7 * 24;
/// Below this a link carries no more than measurements and commands, Mbit/s.
const SLOW: u16 = 10;
/// A link is slow below a quarter of what it usually is; it takes so many hours to know that.
const USUAL_HOURS: usize = 6;
/// So many surveys in a row without an answer, or with a slow link, make an alarm.
const IN_A_ROW: u32 = 3;

/// What is known of one network.
#[derive(Debug)]
pub(super) struct Health {
    interface: String,
    names: BTreeMap<String, String>,
    is_outlet: bool,
    status: PowerlineStatus,
    trouble: Option<String>,
    nid: Option<String>,
    answered_at: Option<Timestamp>,
    silent: u32,
    silent_since: Option<Timestamp>,
    adapters: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    adapter: Adapter,
    slow: u32,
    slow_since: Option<Timestamp>,
}

impl Health {
    /// Begins with what was kept of the history.
    pub(super) fn new(config: &PowerlineConfig, kept: Option<Powerline>) -> Self {
        let adapters = kept
            .into_iter()
            .flat_map(|kept| kept.adapters)
            .map(|mut adapter| {
                adapter.alarm = None;
                let known = Known {
                    adapter,
                    slow: 0,
                    slow_since: None,
                };
                (known.adapter.mac.clone(), known)
            });
        let lower = |(mac, name): (&String, &String)| (mac.to_ascii_lowercase(), name.clone());
        Self {
            interface: config.interface.clone(),
            names: config.names.iter().map(lower).collect(),
            is_outlet: config.outlet.is_some(),
            status: PowerlineStatus::Starting,
            trouble: None,
            nid: None,
            answered_at: None,
            silent: 0,
            silent_since: None,
            adapters: adapters.collect(),
        }
    }

    /// The interface could not be used.
    pub(super) fn lost(&mut self, reason: String, now: Timestamp) {
        self.status = PowerlineStatus::NoInterface;
        self.trouble = Some(reason);
        self.is_silent(now);
    }

    /// The adapters were asked.
    pub(super) fn surveyed(&mut self, found: &SurveyEvent, now: Timestamp) {
        self.trouble = None;
        let SurveyEvent::Found { adapters, network } = found else {
            self.status = PowerlineStatus::NoAdapter;
            self.is_silent(now);
            return;
        };
        self.silent = 0;
        self.silent_since = None;
        self.answered_at = Some(now);
        self.nid = network.as_ref().map(|network| hex(&network.nid));
        self.status = if network.is_some() {
            PowerlineStatus::Up
        } else {
            PowerlineStatus::NoNetwork
        };
        for station in adapters {
            self.seen(station, now);
        }
        self.adapters
            .retain(|_, known| now.duration_since(known.adapter.seen_at) < FORGOTTEN);
    }

    /// Adapters of Broadcom's make answered: they tell rates and names, and nothing of their
    /// network's identifier.
    pub(super) fn broadcom(&mut self, found: &[Broadcom], now: Timestamp) {
        self.trouble = None;
        self.silent = 0;
        self.silent_since = None;
        self.answered_at = Some(now);
        self.nid = None;
        let is_local = |adapter: &&Broadcom| adapter.side == Side::Ethernet;
        let rates = found
            .iter()
            .find(is_local)
            .map_or(&[][..], |own| &own.rates);
        self.status = if found.len() > 1 {
            PowerlineStatus::Up
        } else {
            PowerlineStatus::NoNetwork
        };
        for adapter in found {
            let rate = rates.iter().find(|(mac, ..)| *mac == adapter.mac);
            let station = Station {
                mac: adapter.mac,
                tei: 0,
                is_local: adapter.side == Side::Ethernet,
                bridged_mac: None,
                hosts: Vec::new(),
                tx_mbit: rate.map(|(_, to, _)| *to),
                rx_mbit: rate.map(|(.., from)| *from),
                version: None,
            };
            self.seen(&station, now);
            let known = self.adapters.get_mut(&colons(adapter.mac));
            if let Some(known) = known.filter(|_| !adapter.name.is_empty()) {
                let name = &mut known.adapter.name;
                name.get_or_insert_with(|| adapter.name.clone());
            }
        }
    }

    fn is_silent(&mut self, now: Timestamp) {
        self.silent = self.silent.saturating_add(1);
        self.silent_since.get_or_insert(now);
    }

    fn seen(&mut self, station: &Station, now: Timestamp) {
        let mac = colons(station.mac);
        let name = self.names.get(&mac).cloned();
        let known = self.adapters.entry(mac.clone()).or_insert_with(|| Known {
            adapter: Adapter {
                mac,
                name: None,
                local: false,
                bridged_mac: None,
                hosts: Vec::new(),
                version: None,
                tx_mbit: None,
                rx_mbit: None,
                seen_at: now,
                alarm: None,
                hours: Vec::new(),
            },
            slow: 0,
            slow_since: None,
        });
        let adapter = &mut known.adapter;
        adapter.name = name;
        adapter.local = station.is_local;
        adapter.bridged_mac = station
            .bridged_mac
            .map(colons)
            .or(adapter.bridged_mac.take());
        if !station.hosts.is_empty() {
            adapter.hosts = station.hosts.iter().copied().map(colons).collect();
        }
        adapter.version = station.version.clone().or(adapter.version.take());
        adapter.tx_mbit = station.tx_mbit;
        adapter.rx_mbit = station.rx_mbit;
        adapter.seen_at = now;
        let Some(rate) = rate(adapter) else { return };
        let limit = usual(&adapter.hours).map_or(SLOW, |usual| SLOW.max(usual / 4));
        if rate < limit {
            known.slow = known.slow.saturating_add(1);
            known.slow_since.get_or_insert(now);
        } else {
            known.slow = 0;
            known.slow_since = None;
        }
        count(&mut adapter.hours, rate, now);
    }

    /// All that is known, with ages counted to `now`.
    pub(super) fn powerline(&self, now: Timestamp) -> Powerline {
        let mut adapters: Vec<Adapter> = self
            .adapters
            .values()
            .map(|known| Adapter {
                alarm: self.alarm(known, now),
                ..known.adapter.clone()
            })
            .collect();
        adapters.sort_by_key(|adapter| !adapter.local);
        Powerline {
            interface: self.interface.clone(),
            status: self.status,
            trouble: self.trouble.clone(),
            nid: self.nid.clone(),
            answered_at: self.answered_at,
            adapters,
        }
    }

    fn alarm(&self, known: &Known, now: Timestamp) -> Option<AdapterAlarm> {
        let adapter = &known.adapter;
        // While nothing answers at all, that is what is wrong.
        let is_gone = self.silent == 0 && now.duration_since(adapter.seen_at) >= GONE;
        if is_gone {
            return Some(AdapterAlarm {
                kind: AdapterAlarmKind::Gone,
                since: adapter.seen_at,
            });
        }
        let since = known.slow_since.filter(|_| known.slow >= IN_A_ROW)?;
        Some(AdapterAlarm {
            kind: AdapterAlarmKind::Slow,
            since,
        })
    }

    /// What is wrong at `now`, in words.
    pub(super) fn notices(&self, now: Timestamp) -> Vec<Notice> {
        let interface = &self.interface;
        let note = |code, text, since| Notice {
            severity: Severity::Warning,
            code,
            meter: None,
            text,
            since,
        };
        if let Some(since) = self.silent_since.filter(|_| self.silent >= IN_A_ROW) {
            let text = match &self.trouble {
                Some(trouble) => format!("powerline: {trouble}"),
                None => format!(
                    "powerline: no adapter answers at {interface}: is it plugged in? Some adapters \
                     (G.hn) say nothing about themselves"
                ),
            };
            return vec![note(NoticeCode::PowerlineLost, text, since)];
        }
        let mut notices = Vec::new();
        // At a charging outlet cars come and go.
        let watched = self.adapters.values().filter(|_| !self.is_outlet);
        for known in watched {
            let adapter = &known.adapter;
            let Some(alarm) = self.alarm(known, now) else {
                continue;
            };
            let name = adapter.name.as_ref().unwrap_or(&adapter.mac);
            let (code, text) = match alarm.kind {
                AdapterAlarmKind::Gone => (
                    NoticeCode::AdapterGone,
                    format!("powerline: the adapter {name} is not seen any more"),
                ),
                AdapterAlarmKind::Slow => (
                    NoticeCode::AdapterSlow,
                    format!(
                        "powerline: the adapter {name} fell to {} Mbit/s: a new appliance or power \
                         strip beside it may be in the way",
                        rate(adapter).unwrap_or_default()
                    ),
                ),
            };
            notices.push(note(code, text, alarm.since));
        }
        notices
    }
}

/// The smaller of both directions.
fn rate(adapter: &Adapter) -> Option<u16> {
    Some(adapter.tx_mbit?.min(adapter.rx_mbit?))
}

/// The median of the hours' means, once there are enough.
fn usual(hours: &[RateHour]) -> Option<u16> {
    let mut means: Vec<u16> = hours.iter().map(|hour| hour.mean).collect();
    if means.len() < USUAL_HOURS {
        return None;
    }
    means.sort_unstable();
    means.get(means.len() / 2).copied()
}

fn count(hours: &mut Vec<RateHour>, rate: u16, now: Timestamp) {
    let second = now.as_second();
    let start = Timestamp::from_second(second - second.rem_euclid(3600)).unwrap_or(now);
    match hours.last_mut().filter(|hour| hour.start == start) {
        Some(hour) => {
            let sum = u32::from(hour.mean) * u32::from(hour.samples) + u32::from(rate);
            hour.samples = hour.samples.saturating_add(1);
            let mean = (sum + u32::from(hour.samples) / 2) / u32::from(hour.samples);
            hour.mean = u16::try_from(mean).unwrap_or(u16::MAX);
            hour.lowest = hour.lowest.min(rate);
            hour.highest = hour.highest.max(rate);
        }
        None => hours.push(RateHour {
            start,
            lowest: rate,
            mean: rate,
            highest: rate,
            samples: 1,
        }),
    }
    let excess = hours.len().saturating_sub(HOURS);
    hours.drain(..excess);
}

fn colons(mac: [u8; 6]) -> String {
    han::Value::Mac(mac).to_string()
}

fn hex(octets: &[u8]) -> String {
    han::Value::Octets(octets.to_vec()).to_string()
}

#[cfg(test)]
mod tests {
    use han::homeplug::avln::{Network, Role};

    use super::*;

    fn station(last: u8, rate: Option<u16>) -> Station {
        Station {
            mac: [0, 0xB0, 0x52, 0, 0, last],
            tei: last,
            is_local: rate.is_none(),
            bridged_mac: None,
            hosts: Vec::new(),
            tx_mbit: rate,
            rx_mbit: rate.map(|rate| rate + 5),
            version: None,
        }
    }

    fn found(rates: &[Option<u16>]) -> SurveyEvent {
        let stations: Vec<Station> = rates
            .iter()
            .zip(1..)
            .map(|(rate, last)| station(last, *rate))
            .collect();
        SurveyEvent::Found {
            adapters: stations.clone(),
            network: Some(Network {
                nid: [7; 7],
                snid: 1,
                role: Role::Station,
                coordinator: [0, 0xB0, 0x52, 0, 0, 2],
                stations,
            }),
        }
    }

    fn health() -> Health {
        let garage = ("00:B0:52:00:00:02".to_owned(), "garage".to_owned());
        let config = PowerlineConfig {
            interface: "eth1".to_owned(),
            every_s: 30,
            names: [garage].into(),
            outlet: None,
        };
        Health::new(&config, None)
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap_or_default()
    }

    fn codes(health: &Health, now: Timestamp) -> Vec<NoticeCode> {
        health
            .notices(now)
            .iter()
            .map(|notice| notice.code)
            .collect()
    }

    #[test]
    fn an_adapter_that_goes_is_told_by_its_name() {
        let mut health = health();
        for minute in 0..4 {
            health.surveyed(&found(&[None, Some(90)]), at(minute));
        }
        health.surveyed(&found(&[None]), at(4));
        assert_eq!(codes(&health, at(4)), []);
        health.surveyed(&found(&[None]), at(9));
        let notices = health.notices(at(9));
        assert!(
            matches!(&*notices, [notice] if notice.text.contains("garage")),
            "{notices:?}"
        );
        assert_eq!(codes(&health, at(9)), [NoticeCode::AdapterGone]);
        health.surveyed(&found(&[None, Some(88)]), at(10));
        assert_eq!(codes(&health, at(10)), []);
        health.surveyed(&found(&[None]), at(8 * 24 * 60));
        assert_eq!(health.powerline(at(8 * 24 * 60)).adapters.len(), 1);
    }

    #[test]
    fn a_rate_far_below_the_usual_is_an_alarm_and_one_dip_is_none() {
        let mut health = health();
        for hour in 0..8 {
            health.surveyed(&found(&[None, Some(100)]), at(hour * 60));
        }
        health.surveyed(&found(&[None, Some(20)]), at(481));
        health.surveyed(&found(&[None, Some(20)]), at(482));
        assert_eq!(codes(&health, at(482)), []);
        health.surveyed(&found(&[None, Some(20)]), at(483));
        assert_eq!(codes(&health, at(483)), [NoticeCode::AdapterSlow]);
        let powerline = health.powerline(at(483));
        let alarm = powerline
            .adapters
            .get(1)
            .and_then(|adapter| adapter.alarm.clone());
        assert_eq!(alarm.map(|alarm| alarm.since), Some(at(481)));
        health.surveyed(&found(&[None, Some(60)]), at(484));
        assert_eq!(codes(&health, at(484)), []);
        let hours = powerline.adapters.get(1).map(|adapter| adapter.hours.len());
        assert_eq!(hours, Some(9));
    }

    #[test]
    fn silence_is_one_notice_and_ends_with_the_first_answer() {
        let mut health = health();
        health.surveyed(&found(&[None, Some(90)]), at(0));
        for minute in 1..30 {
            health.surveyed(&SurveyEvent::Nothing, at(minute));
        }
        assert_eq!(codes(&health, at(30)), [NoticeCode::PowerlineLost]);
        assert_eq!(health.powerline(at(30)).status, PowerlineStatus::NoAdapter);
        health.surveyed(&found(&[None, Some(90)]), at(31));
        assert_eq!(codes(&health, at(31)), []);
        health.lost("gone".to_owned(), at(32));
        assert_eq!(
            health.powerline(at(32)).status,
            PowerlineStatus::NoInterface
        );
    }

    #[test]
    fn history_outlives_a_restart() {
        let mut health = health();
        health.surveyed(&found(&[None, Some(90)]), at(0));
        let kept = serde_json::to_string(&health.powerline(at(0))).unwrap_or_default();
        let config = PowerlineConfig {
            interface: "eth1".to_owned(),
            every_s: 30,
            names: BTreeMap::new(),
            outlet: None,
        };
        let again = Health::new(&config, serde_json::from_str(&kept).ok());
        let hours = again
            .powerline(at(1))
            .adapters
            .iter()
            .map(|adapter| adapter.hours.len())
            .sum::<usize>();
        assert_eq!(hours, 1);
    }

    #[test]
    fn adapters_of_another_make_are_watched_too() {
        let mut health = health();
        let mac = |last| [0, 0xB0, 0x52, 0, 0, last];
        let adapter = |last, side, rates| Broadcom {
            mac: mac(last),
            side,
            name: format!("room {last}"),
            rates,
        };
        let own = adapter(1, Side::Ethernet, vec![(mac(2), 422, 274)]);
        let now = Timestamp::UNIX_EPOCH;
        health.broadcom(&[own, adapter(2, Side::Line, Vec::new())], now);
        let told = health.powerline(now);
        assert_eq!((told.status, told.nid), (PowerlineStatus::Up, None));
        let [own, other] = told.adapters.as_slice() else {
            panic!("{:?}", told.adapters);
        };
        assert!(own.local && own.tx_mbit.is_none());
        assert_eq!(own.name.as_deref(), Some("room 1"));
        // What the configuration says goes before what the adapter says.
        assert_eq!(other.name.as_deref(), Some("garage"));
        assert_eq!((other.tx_mbit, other.rx_mbit), (Some(422), Some(274)));
        assert_eq!(other.hours[0].mean, 274);
    }
}
