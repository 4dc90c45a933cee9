//! What lists that meters push mean, where they do not say it themselves: `dlms.toml` beside
//! this file, and files of the same form that an installer adds.

use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};

use crate::dlms::data::Data;
use crate::dlms::security::SystemTitle;
use crate::model::{ObisCode, Unit};

/// How a list tells what its values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A logical name in front of each value.
    Names,
    /// An untagged attribute descriptor in front of each value.
    Descriptors,
    /// By their order alone.
    Positions,
}

/// What a number is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Scale {
    /// Power of ten.
    #[serde(default)]
    pub scaler: i8,
    #[serde(default, deserialize_with = "unit")]
    unit: Option<Unit>,
}

impl Scale {
    /// The unit; `None` for what has none.
    #[must_use]
    pub const fn unit(&self) -> Option<Unit> {
        self.unit
    }
}

/// Registers and what their numbers are in.
#[derive(Clone, Debug, Deserialize)]
struct Scaled {
    obis: Vec<ObisCode>,
    #[serde(flatten)]
    scale: Scale,
}

/// An element of a list and what it is.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Place {
    /// Number of the element, from 0 on.
    pub at: usize,
    /// The register.
    pub obis: ObisCode,
    /// What its number is in.
    #[serde(flatten)]
    pub scale: Scale,
}

/// What the lists of one maker or grid operator mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What readings call it.
    pub id: String,
    /// Who says so.
    pub source: String,
    list_id: Option<String>,
    #[serde(default)]
    elements: Vec<usize>,
    title: Option<String>,
    shape: Shape,
    #[serde(default)]
    scale: Vec<Scaled>,
    #[serde(default)]
    place: Vec<Place>,
}

impl Profile {
    /// True for a list that the profile is for.
    #[must_use]
    pub fn fits(&self, body: &Data, shape: Shape, title: Option<SystemTitle>) -> bool {
        let elements = body.elements().unwrap_or_default();
        let first = elements.first().and_then(Data::octets);
        let named = self
            .list_id
            .as_ref()
            .is_none_or(|id| first == Some(id.as_bytes()));
        let counted = self.elements.is_empty() || self.elements.contains(&elements.len());
        let sent = self
            .title
            .as_ref()
            .is_none_or(|start| title.is_some_and(|title| title.starts_with(start.as_bytes())));
        self.shape == shape && named && counted && sent
    }

    /// What the numbers of a register are in.
    #[must_use]
    pub fn scale(&self, register: ObisCode) -> Option<&Scale> {
        let scaled = self
            .scale
            .iter()
            .find(|scaled| scaled.obis.contains(&register));
        scaled.map(|scaled| &scaled.scale)
    }

    /// The elements of a list of so many whose meaning is known.
    pub fn places(&self, elements: usize) -> impl Iterator<Item = &Place> {
        self.place.iter().filter(move |place| place.at < elements)
    }
}

/// A unit by its symbol.
fn unit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Unit>, D::Error> {
    let symbol = String::deserialize(deserializer)?;
    let unit = (1..=u8::MAX).filter_map(Unit::from_code);
    let mut unit = unit.filter(|unit| !matches!(unit, Unit::Other(_)));
    let found = unit.find(|unit| unit.to_string() == symbol);
    let unknown = || serde::de::Error::custom(format!("{symbol:?} is no unit"));
    found.map(Some).ok_or_else(unknown)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    profile: Vec<Profile>,
}

/// Why a text holds no profiles.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProfileError(#[from] toml::de::Error);

/// Reads profiles of the form of `dlms.toml`.
///
/// # Errors
/// The text has another form; the line is told.
pub fn parse(text: &str) -> Result<Vec<Profile>, ProfileError> {
    let table: Table = toml::from_str(text)?;
    Ok(table.profile)
}

#[expect(
    clippy::expect_used,
    reason = "the table is part of the program and read by its tests"
)]
static TABLE: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    parse(include_str!("dlms.toml")).expect("profile/dlms.toml is read by a test")
});

/// The profiles that come with the program.
#[must_use]
pub fn profiles() -> &'static [Profile] {
    &TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        assert!(profiles().len() >= 5);
        let kamstrup = profiles()
            .iter()
            .find(|profile| profile.id == "kamstrup-no");
        let energy = "1-1:1.8.0".parse().unwrap();
        let scale = kamstrup.unwrap().scale(energy).unwrap();
        assert_eq!((scale.scaler, scale.unit()), (1, Some(Unit::WattHour)));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let text = "[[profile]]\nid = \"x\"\nsource = \"y\"\nshape = \"names\"\n\
            [[profile.scale]]\nobis = [\"1-0:1.8.0\"]\nunit = \"Wx\"\n";
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains("Wx"), "{error}");
    }
}
