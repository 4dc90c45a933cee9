//! What a meter on M-Bus says is wrong with it or with what flows through it, in words.
//!
//! Drivers and the standard give status bits words in capitals (`LEAK`, `POWER_LOW`), makers' own
//! among them; a word that is not known here is told as it is.

use wattle_api::Severity;

use crate::store::Field;

/// Fields that hold such words.
const FIELDS: [&str; 3] = ["status", "current_status", "alarms"];

/// Parts of words, what they mean, and how bad it is. The first that fits counts.
const MEANINGS: [(&[&str], &str, Severity); 8] = [
    (&["BURST"], "a pipe may have burst", Severity::Alarm),
    (&["LEAK"], "something leaks", Severity::Alarm),
    (&["SMOKE"], "smoke", Severity::Alarm),
    (
        &["REVERSE", "BACKFLOW", "WRONG_FLOW", "WRONG_DIRECTION"],
        "it flows backwards",
        Severity::Warning,
    ),
    (&["DRY", "AIR"], "it runs dry", Severity::Warning),
    (&["FREEZ", "FROST"], "it may freeze", Severity::Warning),
    (
        &["TAMPER", "SABOTAGE", "MAGNET", "REMOVED", "MANIPULATION"],
        "it was tampered with",
        Severity::Warning,
    ),
    (
        &["BATTERY", "POWER_LOW", "VOLTAGE_LOW", "EOL"],
        "its battery is low",
        Severity::Info,
    ),
];

/// What the fields of a telegram say: `None` when they say nothing about it, an empty text when
/// all is well.
pub(super) fn told(fields: &[Field]) -> Option<(Severity, String)> {
    let words = FIELDS.iter().find_map(|name| {
        let field = fields.iter().find(|field| field.name == *name)?;
        field.value.as_deref()
    })?;
    let mut severity = Severity::Info;
    let mut said: Vec<&str> = Vec::new();
    for word in words.split_ascii_whitespace() {
        // What was is over; nothing and an unused bit are no trouble.
        if word == "OK" || word.starts_with("WAS_") || word == "BUSY" {
            continue;
        }
        let known = MEANINGS
            .iter()
            .find(|(parts, ..)| parts.iter().any(|part| word.contains(part)));
        let (meaning, how_bad) = match known {
            Some((_, meaning, how_bad)) => (*meaning, *how_bad),
            None => (word, Severity::Warning),
        };
        severity = severity.max(how_bad);
        if !said.contains(&meaning) {
            said.push(meaning);
        }
    }
    Some((severity, said.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: Option<&str>) -> Option<(Severity, String)> {
        told(&[Field {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            is_number: false,
            is_index: false,
        }])
    }

    #[test]
    fn words_of_meters_as_people_say_them() {
        for (words, severity, text) in [
            ("OK", Severity::Info, ""),
            ("POWER_LOW", Severity::Info, "its battery is low"),
            ("LEAK_FLOW_LOW LEAKING", Severity::Alarm, "something leaks"),
            (
                "DRY BATTERY_LOW",
                Severity::Warning,
                "it runs dry, its battery is low",
            ),
            ("WAS_LEAKING", Severity::Info, ""),
            ("REVERSE_FLOW", Severity::Warning, "it flows backwards"),
            ("E5_7", Severity::Warning, "E5_7"),
        ] {
            assert_eq!(of("status", Some(words)), Some((severity, text.to_owned())));
        }
        assert_eq!(of("status", None), None);
        assert_eq!(of("total_m3", Some("1.2")), None);
    }
}
