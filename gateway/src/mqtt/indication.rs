//! What a meter tells beside its numbers, as texts for home automations.

use meter_link::model::{DayColor, Indications};
use serde_json::{Value, json};

/// A text of the state message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Member of the state message.
    pub(super) key: String,
    /// Name for people, without the meter's.
    pub(super) name: String,
    /// Its value.
    pub(super) value: Value,
    /// True for what is of interest only when something is wrong.
    pub(super) diagnostic: bool,
}

/// The texts of a meter; none for one that tells nothing but numbers.
pub(super) fn texts(told: &Indications) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut put = |key: &str, name: &str, value: Option<Value>, diagnostic| {
        texts.extend(value.map(|value| Text {
            key: key.to_owned(),
            name: name.to_owned(),
            value,
            diagnostic,
        }));
    };
    if let Some(tariff) = &told.tariff {
        let color = |color: Option<DayColor>| color.map(|color| json!(color.name()));
        let on_off =
            |holds: Option<bool>| holds.map(|holds| json!(if holds { "on" } else { "off" }));
        put(
            "tariff",
            "Tariff",
            tariff.number.map(|number| json!(number)),
            false,
        );
        let name = tariff.name.as_ref().map(|name| json!(name));
        put("tariff_name", "Tariff name", name, false);
        // Before the announcement tomorrow is unknown, and its entity stays.
        let tomorrow = match tariff.color_today {
            Some(_) => color(tariff.color_tomorrow).or(Some(json!("unknown"))),
            None => color(tariff.color_tomorrow),
        };
        put(
            "color_today",
            "Colour today",
            color(tariff.color_today),
            false,
        );
        put("color_tomorrow", "Colour tomorrow", tomorrow, false);
        put("peak", "Movable peak", on_off(tariff.peak), false);
        let announced = on_off(tariff.peak_announced);
        put("peak_announced", "Movable peak announced", announced, false);
    }
    for (state, value) in &told.states {
        let name = state.replace('_', " ");
        let mut letters = name.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let name: String = first.into_iter().chain(letters).collect();
        put(&format!("state_{state}"), &name, Some(json!(value)), true);
    }
    let last = told.outages.iter().max_by_key(|outage| outage.ended_at);
    if let Some(last) = last {
        let ended = Some(json!(last.ended_at.to_string()));
        put("outage_ended_at", "Last power failure", ended, true);
        let seconds = Some(json!(last.seconds));
        put(
            "outage_s",
            "Length of the last power failure",
            seconds,
            true,
        );
    }
    texts
}

#[cfg(test)]
mod tests {
    use meter_link::model::{Outage, TariffIndication};

    use super::*;

    #[test]
    fn tariff_states_and_the_newest_power_failure() {
        let outage = |text: &str, seconds| Outage {
            ended_at: text.parse().unwrap(),
            seconds,
        };
        let told = Indications {
            tariff: Some(TariffIndication {
                number: Some(4),
                color_today: Some(DayColor::White),
                ..TariffIndication::default()
            }),
            states: [("terminal_cover".to_owned(), "open".to_owned())].into(),
            outages: vec![
                outage("2010-12-08T15:24:15", 240),
                outage("2010-12-08T15:10:04", 301),
            ],
        };
        let shown: Vec<String> = texts(&told)
            .iter()
            .map(|text| format!("{} {} {}", text.key, text.name, text.value))
            .collect();
        assert_eq!(
            shown,
            [
                "tariff Tariff 4",
                "color_today Colour today \"white\"",
                "color_tomorrow Colour tomorrow \"unknown\"",
                "state_terminal_cover Terminal cover \"open\"",
                "outage_ended_at Last power failure \"2010-12-08T15:24:15\"",
                "outage_s Length of the last power failure 240",
            ]
        );
        assert!(texts(&Indications::default()).is_empty());
    }
}
