//! The relay's ways out of the house: which one it takes, how good the modem's signal is, what is used
//! of a month's budget.

use wattle_api::Bearer;

use super::super::thing::{Point, Topics, text};
use super::part::{Told, or_null, owned, part, sensor};

/// Path of them.
const PATH: &str = "relay/bearers";

pub(super) fn told(topics: &Topics, bearers: &[Bearer]) -> Told {
    let diagnostic = |point: Point| Point {
        diagnostic: true,
        ..point
    };
    let percent = |key: &str, name: &str| Point {
        state_class: Some("measurement"),
        ..diagnostic(sensor(key, name, Some("%")))
    };
    let points = vec![
        diagnostic(sensor("bearer", "Bearer", None)),
        percent("signal", "Signal"),
        percent("budget_used", "Budget used"),
    ];
    let used = bearers.iter().find(|bearer| bearer.in_use);
    let signal = bearers
        .iter()
        .find_map(|bearer| bearer.modem.as_ref()?.signal_percent);
    let budget = bearers.iter().find_map(|bearer| bearer.budget.as_ref());
    let share = budget.map(|budget| {
        let share = u128::from(budget.used_octets) * 100 / u128::from(budget.octets.max(1));
        share.min(100)
    });
    let values = vec![
        ("bearer", or_null(used.map(|bearer| text(&bearer.name)))),
        ("signal", or_null(signal.map(|percent| percent.to_string()))),
        ("budget_used", or_null(share.map(|share| share.to_string()))),
    ];
    Told {
        thing: part(topics, PATH, "Relay", points),
        values: owned(values),
        attributes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use wattle_api::{BearerBudget, BearerKind, BearerState, Modem};

    use super::*;

    #[test]
    fn the_one_in_use_is_named_and_what_is_not_known_is_null() {
        let topics = Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        };
        let mut sim = Bearer {
            name: "sim".to_owned(),
            interface: "wwan0".to_owned(),
            kind: BearerKind::Cellular,
            metered: true,
            state: BearerState::Ready,
            in_use: true,
            sent_octets: 1,
            received_octets: 2,
            budget: Some(BearerBudget {
                octets: 1_000,
                used_octets: 255,
                held_back: Vec::new(),
                renews: Timestamp::UNIX_EPOCH,
            }),
            modem: Some(Modem {
                signal_percent: Some(57),
                ..Modem::default()
            }),
            trouble: None,
        };
        let all = |bearer: &Bearer| {
            let values = told(&topics, std::slice::from_ref(bearer)).values;
            ["bearer", "signal", "budget_used"].map(|key| {
                let found = values.iter().find(|(name, _)| name == key);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            })
        };
        assert_eq!(all(&sim), ["\"sim\"", "57", "25"]);
        (sim.in_use, sim.modem, sim.budget) = (false, None, None);
        assert_eq!(all(&sim), ["null", "null", "null"]);
    }
}
