//! The Zigbee network: whether it works, and whether devices are let in, which ends by itself.

use wattle_api::{Zigbee, ZigbeeState};

use super::super::thing::{Kind, Point, Topics, text};
use super::ZIGBEE;
use super::part::{Told, or_null, owned, part, sensor};

const STATES: &[&str] = &["offline", "starting", "up", "foreign"];

pub(super) fn told(topics: &Topics, zigbee: &Zigbee) -> Told {
    let (on, off) = ("permit-join", "end-join");
    let points = vec![
        Point {
            device_class: Some("enum"),
            options: STATES,
            diagnostic: true,
            ..sensor("network", "Network", None)
        },
        Point {
            state_class: Some("measurement"),
            diagnostic: true,
            ..sensor("devices", "Devices", None)
        },
        Point::new(Kind::Switch { on, off }, "joining", "Let devices in"),
        Point {
            diagnostic: true,
            ..Point::new(Kind::Button("survey"), "survey", "Survey the channels")
        },
        Point {
            diagnostic: true,
            ..Point::new(Kind::Button("rotate-key"), "rotate_key", "Exchange the key")
        },
    ];
    let network = match zigbee.state {
        ZigbeeState::Offline => Some("offline"),
        ZigbeeState::Starting => Some("starting"),
        ZigbeeState::Up => Some("up"),
        ZigbeeState::Foreign => Some("foreign"),
        _ => None,
    };
    let is_open = zigbee.joining_until.is_some();
    let values = vec![
        ("network", or_null(network.map(text))),
        ("devices", zigbee.devices.len().to_string()),
        ("joining", text(if is_open { "on" } else { "off" })),
    ];
    Told {
        thing: part(topics, ZIGBEE, "Zigbee", points),
        values: owned(values),
        attributes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_switch_follows_the_network_and_goes_off_by_itself() {
        let topics = Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        };
        let mut zigbee = Zigbee {
            state: ZigbeeState::Up,
            joining_until: Some(Timestamp::UNIX_EPOCH),
            ..Zigbee::default()
        };
        let value = |zigbee: &Zigbee, key: &str| {
            let values = told(&topics, zigbee).values;
            let found = values.into_iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value).unwrap_or_default()
        };
        assert_eq!(value(&zigbee, "joining"), r#""on""#);
        assert_eq!(value(&zigbee, "network"), r#""up""#);
        assert_eq!(value(&zigbee, "devices"), "0");
        zigbee.joining_until = None;
        assert_eq!(value(&zigbee, "joining"), r#""off""#);
        let thing = told(&topics, &zigbee).thing;
        assert_eq!(thing.ident, "wattle_0a1b2c_zigbee_network");
    }
}
