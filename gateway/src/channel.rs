//! Meters that report through another one, such as the gas meter behind a P1 port.
//!
//! Nobody configures them: they are named after the meter that reports for them and after what
//! they measure, `house gas` or `house gas 2`, and by this name the store, the view and MQTT know
//! them as meters of their own.

use meter_link::model::{self, Channel};
use wattle_api::Medium;

/// Name of the meter on a channel of the meter `through`.
#[must_use]
pub fn name(through: &str, channel: Channel) -> String {
    let medium = channel.medium.name();
    match channel.place {
        0 | 1 => format!("{through} {medium}"),
        place => format!("{through} {medium} {place}"),
    }
}

/// What the meter `name` measures if it is one on a channel of the meter `through`.
#[must_use]
pub fn medium(through: &str, name: &str) -> Option<Medium> {
    let rest = name.strip_prefix(through)?.strip_prefix(' ')?;
    let (word, place) = rest.split_once(' ').unwrap_or((rest, "2"));
    place.parse::<u8>().ok()?;
    [
        (model::Medium::Electricity, Medium::Electricity),
        (model::Medium::Gas, Medium::Gas),
        (model::Medium::Water, Medium::Water),
        (model::Medium::Heat, Medium::Heat),
    ]
    .into_iter()
    .find(|(medium, _)| medium.name() == word)
    .map(|(_, medium)| medium)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        let channel = |medium, place| Channel {
            number: 3,
            medium,
            place,
        };
        for (medium, place, want, read) in [
            (model::Medium::Gas, 1, "my house gas", Medium::Gas),
            (model::Medium::Water, 2, "my house water 2", Medium::Water),
            (model::Medium::Heat, 1, "my house heat", Medium::Heat),
            (
                model::Medium::Electricity,
                1,
                "my house electricity",
                Medium::Electricity,
            ),
        ] {
            let name = name("my house", channel(medium, place));
            assert_eq!(name, want);
            assert_eq!(super::medium("my house", &name), Some(read));
        }
        for other in [
            "my house",
            "my house garage",
            "my housegas",
            "my house gas x",
            "gas",
        ] {
            assert_eq!(medium("my house", other), None, "{other}");
        }
    }
}
