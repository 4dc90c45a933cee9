//! The meters as home automations see them: what is to be published when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use han::zigbee::devices::REPORT_EVERY_S;
use jiff::Timestamp;
use meter_link::model::{Indications, Quality};
use tokio::time::Instant;

use super::device::Device;
use super::household;
use super::rhythm::Rhythm;
use super::thing::{Topics, Update, meter_path, title};
use crate::config::{MeterConfig, Protocol};
use crate::store::{LastReading, StoredTelegram, StoredValue};

/// All meters that were ever heard.
#[derive(Debug)]
pub(super) struct Meters {
    topics: Topics,
    /// Names in the configuration, and how they are read.
    configured: BTreeMap<String, Asked>,
    /// How far apart what is taken is at least.
    spacing: Duration,
    known: BTreeMap<String, Known>,
    /// Serial numbers of meters that have been exchanged or are configured no longer.
    former: BTreeSet<String>,
}

#[derive(Debug)]
struct Known {
    device: Device,
    rhythm: Rhythm,
    online: bool,
}

/// How a meter is asked.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Its period, where the silence that is allowed follows from it.
    period: Option<Duration>,
    /// True for a meter that can be asked at once.
    at_will: bool,
}

impl Asked {
    fn of(meter: &MeterConfig) -> Self {
        let asked_s = u64::from(meter.period_s);
        let period_s = match meter.protocol {
            Protocol::Iec62056_21 => (!meter.push).then_some(asked_s),
            Protocol::Modbus | Protocol::Mbus => Some(asked_s),
            // Many words in a row while it changes, and one a minute while it does not.
            Protocol::Zigbee => Some(REPORT_EVERY_S.into()),
            _ => None,
        };
        Self {
            period: period_s.map(Duration::from_secs),
            at_will: meter.is_asked(),
        }
    }
}

impl Meters {
    pub(super) fn new(topics: Topics, configured: &[MeterConfig]) -> Self {
        Self {
            topics,
            configured: configured
                .iter()
                .map(|meter| (meter.name.clone(), Asked::of(meter)))
                .collect(),
            spacing: Duration::ZERO,
            known: BTreeMap::new(),
            former: BTreeSet::new(),
        }
    }

    /// A meter was taken on while the daemon runs.
    pub(super) fn configure(&mut self, meter: &MeterConfig) {
        let asked = Asked::of(meter);
        self.configured.insert(meter.name.clone(), asked);
    }

    /// What is taken comes so far apart at least, however often the meters speak.
    pub(super) fn space(&mut self, spacing: Duration) {
        self.spacing = spacing;
        for known in self.known.values_mut() {
            known.rhythm.space(spacing);
            known.adapt_expiry();
        }
    }

    /// Takes what the store knows from before the start. Without it a meter that is not heard
    /// again would keep the status that the broker remembers, `online`, for ever.
    pub(super) fn recall(&mut self, readings: &[LastReading], at: Timestamp, now: Instant) {
        for reading in readings {
            let name = reading.name.as_ref();
            let Some((name, asked)) = name.and_then(|name| self.configured.get_key_value(name))
            else {
                self.former.insert(reading.key.serial.clone());
                continue;
            };
            let known = self.known.entry(name.clone()).or_insert_with(|| {
                Known::new(
                    name,
                    &reading.key.serial,
                    reading.manufacturer.as_deref(),
                    *asked,
                )
            });
            let device = &mut known.device;
            let key = (reading.key.obis, reading.key.unit);
            device.values.insert(key, reading.value);
            device.received_at = device.received_at.max(reading.received_at);
        }
        for known in self.known.values_mut() {
            let age = at.duration_since(known.device.received_at);
            // A clock that was set back makes a reading come from the future.
            known.online = Duration::try_from(age).is_ok_and(|age| known.rhythm.recall(age, now));
        }
    }

    /// Takes from the store what meters told last beside their numbers.
    pub(super) fn recall_indications(&mut self, told: Vec<(String, Indications)>) {
        for (name, told) in told {
            if let Some(known) = self.known.get_mut(&name) {
                known.device.indications = told;
            }
        }
    }

    /// Takes a telegram; what is to be published for it.
    pub(super) fn take(&mut self, telegram: &StoredTelegram, now: Instant) -> Vec<Update> {
        let asked = self
            .configured
            .get(&telegram.name)
            .copied()
            .unwrap_or_default();
        let fresh = || {
            Known::new(
                &telegram.name,
                &telegram.serial,
                telegram.manufacturer.as_deref(),
                asked,
            )
        };
        let mut updates = Vec::new();
        let known = self
            .known
            .entry(telegram.name.clone())
            .or_insert_with(fresh);
        if known.device.serial != telegram.serial {
            let exchanged = std::mem::replace(known, fresh()).device.serial;
            updates.push(Update::Status(meter_path(&exchanged), false));
            let (name, new) = (&telegram.name, &telegram.serial);
            updates.push(household::exchanged(name, &exchanged, new));
            self.former.insert(exchanged);
        }
        self.former.remove(&telegram.serial);
        known.rhythm.space(self.spacing);
        known.rhythm.hear(now);
        let mut announce = known.adapt_expiry();
        known.device.received_at = telegram.received_at;
        // An older reading in the store may not have told it.
        if telegram.manufacturer.is_some() && known.device.manufacturer != telegram.manufacturer {
            known.device.manufacturer.clone_from(&telegram.manufacturer);
            announce = true;
        }
        let measured = |value: &&StoredValue| value.quality == Quality::Measured;
        for value in telegram.values.iter().filter(measured) {
            let key = (value.obis, value.unit);
            announce |= known.device.values.insert(key, value.value).is_none();
        }
        announce |= known.device.indicate(&telegram.indications);
        let came_back = !std::mem::replace(&mut known.online, true);
        if announce {
            updates.push(Update::Thing(known.device.thing(&self.topics)));
        }
        updates.push(Update::State(known.device.path(), known.device.state()));
        if came_back || announce {
            updates.push(Update::Status(known.device.path(), true));
        }
        updates
    }

    /// A meter cannot be heard any more: it is not waited for.
    pub(super) fn cut_off(&mut self, name: &str) -> Vec<Update> {
        let known = self.known.get_mut(name).filter(|known| known.online);
        let gone = known.map(|known| {
            known.online = false;
            Update::Status(known.device.path(), false)
        });
        gone.into_iter().collect()
    }

    /// The status of every meter that has just fallen silent.
    pub(super) fn fall_silent(&mut self, now: Instant) -> Vec<Update> {
        let mut updates = Vec::new();
        for known in self.known.values_mut() {
            if known.online && known.rhythm.is_silent(now) {
                known.online = false;
                updates.push(Update::Status(known.device.path(), false));
            }
        }
        updates
    }

    /// Things first, then states, and only then whether they are online.
    pub(super) fn everything(&self) -> Vec<Update> {
        let known = || self.known.values();
        let things = known().map(|known| Update::Thing(known.device.thing(&self.topics)));
        let states = known().flat_map(|known| {
            let path = known.device.path();
            [
                Update::State(path.clone(), known.device.state()),
                Update::Status(path, known.online),
            ]
        });
        let former = self.former.iter();
        let former = former.map(|serial| Update::Status(meter_path(serial), false));
        things.chain(states).chain(former).collect()
    }

    /// The path of a meter by its configured name.
    pub(super) fn path(&self, name: &str) -> Option<String> {
        Some(self.known.get(name)?.device.path())
    }

    /// The configured name of the meter at a path, if it can be asked at once.
    pub(super) fn asked_at(&self, path: &str) -> Option<&str> {
        let (name, _) = self
            .known
            .iter()
            .find(|(_, known)| known.device.path() == path && known.device.is_asked)?;
        Some(name)
    }
}

impl Known {
    fn new(name: &str, serial: &str, manufacturer: Option<&str>, asked: Asked) -> Self {
        let rhythm = Rhythm::new(asked.period);
        Self {
            device: Device {
                name: title(name),
                serial: serial.to_owned(),
                manufacturer: manufacturer.map(str::to_owned),
                expire_after_s: rhythm.patience().as_secs(),
                is_asked: asked.at_will,
                values: BTreeMap::new(),
                indications: Indications::default(),
                received_at: Timestamp::UNIX_EPOCH,
            },
            rhythm,
            online: false,
        }
    }

    /// Follows the meter's period with the time after which its power is no longer true. Not
    /// every small step, since each has to be announced: true when this one has.
    fn adapt_expiry(&mut self) -> bool {
        let wanted = self.rhythm.patience().as_secs();
        let announced = self.device.expire_after_s;
        let differs = wanted >= announced * 2 || wanted * 2 <= announced;
        if differs {
            self.device.expire_after_s = wanted;
        }
        differs
    }
}

#[cfg(test)]
mod tests {
    use meter_link::model::{Check, Unit};

    use super::super::home_assistant::HomeAssistant;
    use super::*;
    use crate::config::Discovery;
    use crate::store::RegisterKey;

    const AT: &str = "2026-11-22T10:00:00Z";

    fn topics() -> Topics {
        Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        }
    }

    fn meters(period_s: Option<u32>) -> Meters {
        let protocol = period_s.map_or_else(
            || "protocol = \"sml\"".to_owned(),
            |period| format!("protocol = \"iec62056-21\"\nperiod_s = {period}"),
        );
        let config = format!("name = \"grid\"\nport = \"/dev/null\"\n{protocol}");
        Meters::new(topics(), &[toml::from_str(&config).unwrap()])
    }

    fn telegram(serial: &str) -> StoredTelegram {
        let value = |obis: &str, unit, value: &str| StoredValue {
            obis: obis.parse().unwrap(),
            unit,
            value: value.parse().unwrap(),
            quality: Quality::Measured,
            status: None,
        };
        StoredTelegram {
            name: "grid".to_owned(),
            serial: serial.to_owned(),
            manufacturer: None,
            received_at: AT.parse().unwrap(),
            captured_at: None,
            check: Check::Crc,
            values: vec![
                value("1-0:1.8.0", Unit::WattHour, "1000"),
                value("1-0:16.7.0", Unit::Watt, "5"),
            ],
            indications: Indications::default(),
            closed_interval: false,
            doubts: Vec::new(),
            fields: Vec::new(),
        }
    }

    fn reading(name: &str, serial: &str, at: &str) -> LastReading {
        LastReading {
            key: RegisterKey {
                serial: serial.to_owned(),
                obis: "1-0:1.8.0".parse().unwrap(),
                unit: Unit::WattHour,
            },
            name: Some(name.to_owned()),
            manufacturer: None,
            value: "1000".parse().unwrap(),
            quality: "measured".to_owned(),
            check: "crc".to_owned(),
            received_at: at.parse().unwrap(),
        }
    }

    /// The payload for the topic that ends so, the last one.
    fn told(updates: &[Update], ending: &str) -> Option<String> {
        let mut convention = HomeAssistant::new(topics(), Discovery::Component, &[]);
        let messages = updates
            .iter()
            .flat_map(|update| convention.messages(update));
        let told = messages.filter(|message| message.topic.ends_with(ending));
        told.last().map(|message| message.payload)
    }

    fn expiry(messages: &[Update]) -> Option<u64> {
        let config = told(messages, "16_7_0/config")?;
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        config["exp_aft"].as_u64()
    }

    #[test]
    fn a_power_value_lives_until_the_next_readout() {
        let now = Instant::now();
        for (period, first, second) in [(Some(15), Some(45), None), (None, Some(60), Some(15))] {
            let mut meters = meters(period);
            assert_eq!(expiry(&meters.take(&telegram("A1"), now)), first);
            let later = now + Duration::from_secs(5);
            assert!(meters.fall_silent(later).is_empty());
            assert_eq!(expiry(&meters.take(&telegram("A1"), later)), second);
        }
    }

    #[test]
    fn a_plug_whose_power_stays_the_same_is_not_gone() {
        let now = Instant::now();
        let mut meters = meters(None);
        let plug = "name = \"grid\"\nprotocol = \"zigbee\"\nid = \"00124b0000000001\"";
        meters.configure(&toml::from_str(plug).unwrap());
        // All that it has is told when it is met, and when its relay is switched.
        for second in 0..6 {
            meters.take(&telegram("A1"), now + Duration::from_secs(second));
        }
        let (late, gone) = (
            now + Duration::from_secs(180),
            now + Duration::from_secs(186),
        );
        assert!(meters.fall_silent(late).is_empty());
        assert!(!meters.fall_silent(gone).is_empty());
    }

    #[test]
    fn a_plug_behind_a_lost_stick_is_offline_at_once_and_back_with_its_next_word() {
        let now = Instant::now();
        let mut meters = meters(None);
        meters.take(&telegram("A1"), now);
        let lost = meters.cut_off("grid");
        assert_eq!(told(&lost, "A1/status").as_deref(), Some("offline"));
        assert!(meters.cut_off("grid").is_empty(), "it is told once");
        let back = meters.take(&telegram("A1"), now);
        assert_eq!(told(&back, "A1/status").as_deref(), Some("online"));
    }

    #[test]
    fn a_meter_that_is_not_heard_again_is_offline_after_a_restart() {
        let (at, now) = (AT.parse().unwrap(), Instant::now());
        let mut meters = meters(None);
        meters.recall(&[reading("grid", "A1", "2026-11-22T09:59:59Z")], at, now);
        let all = meters.everything();
        assert_eq!(told(&all, "A1/status").as_deref(), Some("offline"));
        let state = r#"{"ts":"2026-11-22T09:59:59Z","energy_import_kwh":1.000}"#;
        assert_eq!(told(&all, "A1/state").as_deref(), Some(state));
        assert!(told(&all, "1_8_0/config").is_some());
        let heard = meters.take(&telegram("A1"), now);
        assert_eq!(told(&heard, "A1/status").as_deref(), Some("online"));
    }

    #[test]
    fn a_meter_whose_next_readout_is_not_due_yet_stays_online_over_a_restart() {
        let (at, now) = (AT.parse().unwrap(), Instant::now());
        for (heard, want) in [("09:01:00", "online"), ("06:59:00", "offline")] {
            let mut meters = meters(Some(3_600));
            let heard = format!("2026-11-22T{heard}Z");
            meters.recall(&[reading("grid", "A1", &heard)], at, now);
            let status = told(&meters.everything(), "A1/status");
            assert_eq!(status.as_deref(), Some(want), "{heard}");
        }
    }

    #[test]
    fn a_meter_that_is_gone_for_good_is_offline() {
        let (at, now) = (AT.parse().unwrap(), Instant::now());
        let mut meters = meters(None);
        meters.recall(&[reading("garage", "B2", AT)], at, now);
        meters.take(&telegram("A1"), now);
        let exchanged = meters.take(&telegram("C3"), now);
        assert_eq!(told(&exchanged, "A1/status").as_deref(), Some("offline"));
        let all = meters.everything();
        for (topic, want) in [
            ("A1/status", "offline"),
            ("B2/status", "offline"),
            ("C3/status", "online"),
        ] {
            assert_eq!(told(&all, topic).as_deref(), Some(want), "{topic}");
        }
        assert!(told(&all, "b2_1_0_1_8_0/config").is_none());
    }
}
