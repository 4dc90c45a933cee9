//! Meters that name what they tell (wireless and wired M-Bus): every field is an entity of its own,
//! with the class and unit that follow from its name.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use wattle_api::Medium;

use super::rhythm::Rhythm;
use super::thing::{
    Kind, Point, Thing, Topics, Update, Values, identifier, meter_path, text, title,
};
use crate::config::{MeterConfig, Protocol};
use crate::store::{Field, LastField, StoredTelegram};

/// Radio meters send at very different periods, and telegrams are lost on the air: a third of the
/// silence after which one counts as gone.
const RADIO_PERIOD: Duration = Duration::from_secs(1_200);

/// All of them.
#[derive(Debug)]
pub(super) struct FieldMeters {
    topics: Topics,
    configured: BTreeMap<String, Medium>,
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    title: String,
    serial: String,
    manufacturer: Option<String>,
    medium: Medium,
    fields: Vec<(Field, Timestamp)>,
    received_at: Timestamp,
    rhythm: Rhythm,
    online: bool,
}

impl FieldMeters {
    pub(super) fn new(topics: Topics, configured: &[MeterConfig]) -> Self {
        let mut meters = Self {
            topics,
            configured: BTreeMap::new(),
            known: BTreeMap::new(),
        };
        for meter in configured {
            meters.configure(meter);
        }
        meters
    }

    /// Adds a meter that is configured or was taken on.
    pub(super) fn configure(&mut self, meter: &MeterConfig) {
        if matches!(meter.protocol, Protocol::Wmbus | Protocol::Mbus) {
            self.configured.insert(meter.name.clone(), meter.medium);
        }
    }

    /// True for a meter that is published here, by its name.
    pub(super) fn is_ours(&self, name: &str) -> bool {
        self.configured.contains_key(name)
    }

    /// Takes what the store knows from before the start.
    pub(super) fn recall(&mut self, fields: Vec<LastField>, at: Timestamp, now: Instant) {
        for last in fields {
            let Some(name) = last.name else { continue };
            let Some(medium) = self.configured.get(&name).copied() else {
                continue;
            };
            let known = self
                .known
                .entry(name.clone())
                .or_insert_with(|| Known::new(&name, &last.serial, last.manufacturer, medium));
            known.received_at = known.received_at.max(last.received_at);
            known.fields.push((last.field, last.received_at));
        }
        for known in self.known.values_mut() {
            let age = at.duration_since(known.received_at);
            known.online = Duration::try_from(age).is_ok_and(|age| known.rhythm.recall(age, now));
        }
    }

    /// Takes a telegram; what is to be published for it.
    pub(super) fn take(&mut self, telegram: &StoredTelegram, now: Instant) -> Vec<Update> {
        let Some(medium) = self.configured.get(&telegram.name).copied() else {
            return Vec::new();
        };
        let fresh = || {
            Known::new(
                &telegram.name,
                &telegram.serial,
                telegram.manufacturer.clone(),
                medium,
            )
        };
        let mut updates = Vec::new();
        let known = self
            .known
            .entry(telegram.name.clone())
            .or_insert_with(fresh);
        if known.serial != telegram.serial {
            let former = std::mem::replace(known, fresh()).serial;
            updates.push(Update::Status(meter_path(&former), false));
        }
        known.rhythm.hear(now);
        known.received_at = known.received_at.max(telegram.received_at);
        let mut announce = false;
        for field in &telegram.fields {
            let place = known
                .fields
                .iter_mut()
                .find(|(other, _)| other.name == field.name);
            match place {
                Some((_, at)) if *at > telegram.received_at => {}
                Some(place) => *place = (field.clone(), telegram.received_at),
                None => {
                    announce = true;
                    known.fields.push((field.clone(), telegram.received_at));
                }
            }
        }
        let came_back = !std::mem::replace(&mut known.online, true);
        if announce {
            updates.push(Update::Thing(known.thing(&self.topics)));
        }
        updates.push(Update::State(known.path(), known.state()));
        if came_back || announce {
            updates.push(Update::Status(known.path(), true));
        }
        updates
    }

    /// The status of every meter that has just fallen silent.
    pub(super) fn fall_silent(&mut self, now: Instant) -> Vec<Update> {
        let mut updates = Vec::new();
        for known in self.known.values_mut() {
            if known.online && known.rhythm.is_silent(now) {
                known.online = false;
                updates.push(Update::Status(known.path(), false));
            }
        }
        updates
    }

    /// Things first, then states, and only then whether they are online.
    pub(super) fn everything(&self) -> Vec<Update> {
        let known = || self.known.values();
        let things = known().map(|known| Update::Thing(known.thing(&self.topics)));
        let states = known().flat_map(|known| {
            [
                Update::State(known.path(), known.state()),
                Update::Status(known.path(), known.online),
            ]
        });
        things.chain(states).collect()
    }
}

impl Known {
    fn new(name: &str, serial: &str, manufacturer: Option<String>, medium: Medium) -> Self {
        Self {
            title: title(name),
            serial: serial.to_owned(),
            manufacturer,
            medium,
            fields: Vec::new(),
            received_at: Timestamp::UNIX_EPOCH,
            rhythm: Rhythm::new(Some(RADIO_PERIOD)),
            online: false,
        }
    }

    /// Its topics below the gateway's.
    fn path(&self) -> String {
        meter_path(&self.serial)
    }

    /// All fields, each number exactly as the meter gave it, and in `at` when each was told.
    fn state(&self) -> Values {
        let mut values = vec![("ts".to_owned(), text(&self.received_at.to_string()))];
        let mut at = Map::new();
        for (field, told) in &self.fields {
            let value = match &field.value {
                None => "null".to_owned(),
                // An exact decimal prints as JSON writes numbers.
                Some(number) if field.is_number => number.clone(),
                Some(other) => text(other),
            };
            values.push((field.name.clone(), value));
            at.insert(field.name.clone(), json!(told));
        }
        values.push(("at".to_owned(), Value::Object(at).to_string()));
        values
    }

    fn thing(&self, topics: &Topics) -> Thing {
        let point = |(field, _): &(Field, Timestamp)| {
            let shape = Shape::of(field, self.medium);
            Point {
                id: identifier(&field.name),
                object: identifier(&field.name),
                device_class: shape.device_class,
                state_class: shape.state_class,
                unit: shape.unit.map(str::to_owned),
                diagnostic: !field.is_number,
                ..Point::new(Kind::Sensor, &field.name, &shape.name)
            }
        };
        Thing {
            path: self.path(),
            ident: format!("{}_{}", topics.node(), identifier(&self.serial)),
            name: self.title.clone(),
            manufacturer: self.manufacturer.clone(),
            model: None,
            serial: Some(self.serial.clone()),
            relies_on: Some(self.path()),
            points: self.fields.iter().map(point).collect(),
        }
    }
}

/// What a field is to a home automation, by the unit at the end of its name.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    name: String,
    device_class: Option<&'static str>,
    state_class: Option<&'static str>,
    unit: Option<&'static str>,
}

impl Shape {
    fn of(field: &Field, medium: Medium) -> Self {
        let (front, suffix) = field.name.rsplit_once('_').unwrap_or((&field.name, ""));
        if !field.is_number {
            // A date and time of the meter's clock has no zone, which the class would need.
            let (name, class) = match suffix {
                "date" => (front, Some("date")),
                _ => (field.name.as_str(), None),
            };
            return Self {
                name: words(name),
                device_class: class,
                state_class: None,
                unit: None,
            };
        }
        let volume = match medium {
            Medium::Gas => Some("gas"),
            Medium::Water => Some("water"),
            _ => None,
        };
        let (class, unit, is_total) = match suffix {
            "kwh" => (Some("energy"), "kWh", true),
            "mwh" => (Some("energy"), "MWh", true),
            "mj" => (Some("energy"), "MJ", true),
            "gj" => (Some("energy"), "GJ", true),
            "m3" => (volume, "m³", true),
            "l" => (volume.filter(|class| *class == "water"), "L", true),
            "hca" => (None, "HCA", true),
            "kvarh" => (None, "kvarh", true),
            "kvah" => (None, "kVAh", true),
            "m3h" => (Some("volume_flow_rate"), "m³/h", false),
            "lh" => (Some("volume_flow_rate"), "L/h", false),
            "kw" => (Some("power"), "kW", false),
            "w" => (Some("power"), "W", false),
            "mjh" => (None, "MJ/h", false),
            "kva" => (None, "kVA", false),
            "kvar" => (None, "kvar", false),
            "c" => (Some("temperature"), "°C", false),
            "f" => (Some("temperature"), "°F", false),
            "k" => (None, "K", false),
            "bar" => (Some("pressure"), "bar", false),
            "v" => (Some("voltage"), "V", false),
            "a" => (Some("current"), "A", false),
            "hz" => (Some("frequency"), "Hz", false),
            "rh" => (Some("humidity"), "%", false),
            "pct" => (None, "%", false),
            "dbm" => (Some("signal_strength"), "dBm", false),
            "s" => (Some("duration"), "s", false),
            "min" => (Some("duration"), "min", false),
            "h" => (Some("duration"), "h", false),
            "d" => (Some("duration"), "d", false),
            "kg" => (Some("weight"), "kg", false),
            "kgh" => (None, "kg/h", false),
            "deg" => (None, "°", false),
            _ => {
                return Self {
                    name: words(&field.name),
                    device_class: None,
                    state_class: Some("measurement"),
                    unit: None,
                };
            }
        };
        // A total of the past, of a tariff or of a due date neither rises for ever nor is it
        // measured now: without a state class Home Assistant makes no statistics of it.
        let state_class = match (is_total, field.is_index) {
            (true, true) => Some("total_increasing"),
            (true, false) => None,
            (false, _) => Some("measurement"),
        };
        Self {
            name: words(front),
            device_class: class,
            state_class,
            unit: Some(unit),
        }
    }
}

/// `flow_temperature` as a name for people.
fn words(name: &str) -> String {
    title(&name.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use meter_link::model::Check;

    use super::super::home_assistant::HomeAssistant;
    use super::super::thing::Message;
    use super::*;
    use crate::config::Discovery;

    fn number(name: &str, value: &str, is_index: bool) -> Field {
        Field {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            is_number: true,
            is_index,
        }
    }

    fn text(name: &str, value: Option<&str>) -> Field {
        Field {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            is_number: false,
            is_index: false,
        }
    }

    fn telegram(at: &str, fields: Vec<Field>) -> StoredTelegram {
        StoredTelegram {
            name: "water".to_owned(),
            serial: "8SEN6833225544".to_owned(),
            manufacturer: Some("SEN".to_owned()),
            received_at: at.parse().unwrap(),
            captured_at: None,
            check: Check::Crc,
            values: Vec::new(),
            closed_interval: false,
            doubts: Vec::new(),
            indications: meter_link::model::Indications::default(),
            fields,
        }
    }

    fn topics() -> Topics {
        Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        }
    }

    fn said(updates: &[Update]) -> Vec<Message> {
        let mut convention = HomeAssistant::new(topics(), Discovery::Component, &[]);
        let messages = updates
            .iter()
            .flat_map(|update| convention.messages(update));
        messages.collect()
    }

    fn meters() -> FieldMeters {
        let meter = "name = \"water\"\nmedium = \"water\"\nprotocol = \"wmbus\"\nid = \"33225544\"";
        FieldMeters::new(topics(), &[toml::from_str(meter).unwrap()])
    }

    #[test]
    fn every_field_is_announced_once_and_keeps_its_own_time() {
        let mut meters = meters();
        let now = Instant::now();
        let first = telegram(
            "2026-11-22T10:00:00Z",
            vec![
                number("total_m3", "123.529", true),
                number("max_flow_m3h", "0.000", false),
                text("status", Some("OK \"really\"")),
                text("set_date", None),
            ],
        );
        let messages = said(&meters.take(&first, now));
        // Four announcements, the state, the status.
        assert_eq!(messages.len(), 6);
        let total: Value = serde_json::from_str(&messages[0].payload).unwrap();
        assert_eq!(
            messages[0].topic,
            "homeassistant/sensor/wattle_0a1b2c_8sen6833225544_total_m3/config"
        );
        assert_eq!(total["dev_cla"], "water");
        assert_eq!(total["stat_cla"], "total_increasing");
        assert_eq!(total["unit_of_meas"], "m³");
        assert_eq!(total["val_tpl"], "{{ value_json.total_m3 }}");
        let second = telegram(
            "2026-11-22T10:00:16Z",
            vec![number("total_m3", "123.530", true)],
        );
        let messages = said(&meters.take(&second, now));
        assert_eq!(messages.len(), 1);
        assert_eq!(
            messages[0].payload,
            "{\"ts\":\"2026-11-22T10:00:16Z\",\"total_m3\":123.530,\"max_flow_m3h\":0.000,\
             \"status\":\"OK \\\"really\\\"\",\"set_date\":null,\
             \"at\":{\"total_m3\":\"2026-11-22T10:00:16Z\",\"max_flow_m3h\":\"2026-11-22T10:00:00Z\",\
             \"status\":\"2026-11-22T10:00:00Z\",\"set_date\":\"2026-11-22T10:00:00Z\"}}"
        );
        let silent = said(&meters.fall_silent(now + Duration::from_secs(3_700)));
        assert_eq!(silent[0].payload, "offline");
    }

    #[test]
    fn classes_follow_names() {
        for (field, medium, want) in [
            (
                number("total_m3", "1", true),
                Medium::Gas,
                (Some("gas"), Some("total_increasing"), Some("m³")),
            ),
            (
                number("total_storage_1_m3", "1", false),
                Medium::Water,
                (Some("water"), None, Some("m³")),
            ),
            (
                number("flow_temperature_c", "1", false),
                Medium::Heat,
                (Some("temperature"), Some("measurement"), Some("°C")),
            ),
            (
                number("access_counter", "1", false),
                Medium::Heat,
                (None, Some("measurement"), None),
            ),
        ] {
            let shape = Shape::of(&field, medium);
            let got = (shape.device_class, shape.state_class, shape.unit);
            assert_eq!(got, want, "{}", field.name);
        }
        let date = Shape::of(&text("set_date", Some("2026-01-01")), Medium::Heat);
        assert_eq!(
            (date.name.as_str(), date.device_class),
            ("Set", Some("date"))
        );
    }
}
