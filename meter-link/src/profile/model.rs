//! Models of IEC 62056-21 meters that do not do what they say, and the names of makers.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;

/// What is known about a model.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What logs call it.
    pub id: String,
    /// The maker's letters, upper case.
    pub manufacturer: String,
    /// A part of the identification behind the speed.
    pub holds: String,
    /// The fastest speed it really speaks, in bits per second.
    pub max_baud: Option<u32>,
    /// From the last bit of the acknowledgement to the change of speed, in milliseconds.
    switch_gap_ms: Option<u16>,
    /// An identification of such a meter.
    pub test: String,
    /// Who found it.
    pub source: String,
}

impl Model {
    /// From the last bit of the acknowledgement to the change of speed.
    #[must_use]
    pub fn switch_gap(&self) -> Option<Duration> {
        self.switch_gap_ms
            .map(|gap| Duration::from_millis(u64::from(gap)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    model: Vec<Model>,
    makers: BTreeMap<String, String>,
}

#[expect(
    clippy::expect_used,
    reason = "the table is part of the program and read by its tests"
)]
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("iec62056_21.toml"))
        .expect("profile/iec62056_21.toml is read by a test")
});

/// All models.
#[must_use]
pub fn models() -> &'static [Model] {
    &TABLE.model
}

/// The model with this maker and this text behind the speed; `None` for all that need nothing.
#[must_use]
pub fn model(manufacturer: &str, text: &str) -> Option<&'static Model> {
    TABLE.model.iter().find(|model| {
        model.manufacturer.eq_ignore_ascii_case(manufacturer) && text.contains(&model.holds)
    })
}

/// The name of the maker with these letters, in any case.
///
/// ```
/// assert_eq!(meter_link::profile::maker("LGZ"), Some("Landis+Gyr"));
/// ```
#[must_use]
pub fn maker(letters: &str) -> Option<&'static str> {
    let found = TABLE.makers.get(&letters.to_ascii_uppercase())?;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iec62056_21::{Agreement, Identification, Purpose, Terms};
    use crate::session::Line;

    #[test]
    fn every_model_is_known_by_its_identification() {
        for wanted in models() {
            let line = format!("{}\r\n", wanted.test);
            let meter = Identification::parse(line.as_bytes()).unwrap();
            let found = model(&meter.manufacturer, &meter.text).unwrap();
            assert_eq!(found.id, wanted.id);
            let terms = Terms {
                line: Line::seven_even(300),
                max_baud: 19_200,
                switch_gap: None,
            };
            let agreement = Agreement::new(&meter, Purpose::Readout, &terms);
            if let Some(max) = wanted.max_baud {
                assert_eq!(agreement.line.baud, max, "{}", wanted.id);
            }
            if let Some(gap) = wanted.switch_gap() {
                // Six characters at 300 Bd take 200 ms.
                assert_eq!(
                    agreement.after,
                    Duration::from_millis(200) + gap,
                    "{}",
                    wanted.id
                );
            }
            // What the installer says holds.
            let said = Terms {
                switch_gap: Some(Duration::from_millis(20)),
                ..terms
            };
            let agreement = Agreement::new(&meter, Purpose::Readout, &said);
            assert_eq!(agreement.after, Duration::from_millis(220));
        }
    }

    #[test]
    fn other_meters_are_left_alone() {
        for line in [
            "/LGZ5\\2ZMD4104407.B31\r\n",
            "/ISk5MT174-0001\r\n",
            "/EMH5----eHZ-E0018E\r\n",
        ] {
            let meter = Identification::parse(line.as_bytes()).unwrap();
            assert!(model(&meter.manufacturer, &meter.text).is_none(), "{line}");
            assert!(maker(&meter.manufacturer).is_some(), "{line}");
        }
        assert_eq!(maker("XXX"), None);
    }
}
