//! What is known about single models of meters, as data: `*.toml` beside this file.
//!
//! A correction names who needs it (manufacturer, serial range, registers) and one of a few
//! rules. Everything is on unless turned off, every corrected value says by which correction,
//! and no correction guesses: real negative values of repaired firmware stay what they are.

pub mod dlms;
pub mod mbus;
mod model;

use std::sync::LazyLock;

use serde::Deserialize;

use crate::model::ObisCode;

pub use model::{Model, maker, model, models};

/// What a correction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A short signed integer is meant unsigned.
    Unsigned,
    /// A message check may be CRC-16/KERMIT.
    KermitCrc,
    /// A time may be a number without its choice.
    BareTime,
    /// A time may be a list of three under the choice of a single number.
    TimeList,
}

/// One correction.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quirk {
    /// What logs and readings call it.
    pub id: String,
    /// What it does.
    pub rule: Rule,
    /// The maker's three letters; any when `None`.
    pub manufacturer: Option<String>,
    /// Serial numbers, both ends included; all when empty.
    #[serde(default)]
    pub serials: Vec<(u64, u64)>,
    /// Registers it is for; all when empty.
    #[serde(default)]
    pub obis: Vec<ObisCode>,
    /// Longest integer it is for, in bytes.
    pub max_bytes: Option<u8>,
    /// Who found it, and what the meter does.
    pub source: String,
}

impl Quirk {
    /// True for the meters that need it.
    #[must_use]
    pub fn is_for(&self, manufacturer: Option<&str>, serial: Option<u64>) -> bool {
        let maker = self
            .manufacturer
            .as_deref()
            .is_none_or(|wanted| manufacturer == Some(wanted));
        let range = |serial: u64| {
            self.serials
                .iter()
                .any(|&(first, last)| (first..=last).contains(&serial))
        };
        maker && (self.serials.is_empty() || serial.is_some_and(range))
    }
}

/// The list of registers that an EDL21 or modern meter sends while it waits for its PIN.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReducedDataSet {
    /// Registers that say who the meter is.
    pub identity: Vec<ObisCode>,
    /// Registers of energy.
    pub energy: Vec<ObisCode>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    quirk: Vec<Quirk>,
    reduced_data_set: ReducedDataSet,
}

#[expect(
    clippy::expect_used,
    reason = "the table is part of the program and read by its tests"
)]
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("sml.toml")).expect("profile/sml.toml is read by a test")
});

/// All corrections for SML meters.
#[must_use]
pub fn quirks() -> &'static [Quirk] {
    &TABLE.quirk
}

/// What a locked meter sends.
#[must_use]
pub fn reduced_data_set() -> &'static ReducedDataSet {
    &TABLE.reduced_data_set
}

/// A name that is no correction's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no correction is called {id:?}")]
pub struct UnknownQuirk {
    /// What was given.
    pub id: String,
}

/// Which corrections may be applied.
///
/// ```
/// use meter_link::profile::QuirkSet;
/// let set = QuirkSet::none().force("dzg-dvs74-sign")?;
/// assert_ne!(set, QuirkSet::all());
/// # Ok::<(), meter_link::profile::UnknownQuirk>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuirkSet {
    automatic: bool,
    forced: Vec<&'static str>,
    /// Rules of the encoding that are on, by their order in `Rule`.
    wire: [bool; 4],
}

impl Default for QuirkSet {
    fn default() -> Self {
        Self::all()
    }
}

impl QuirkSet {
    /// Every correction, each for the meters that need it.
    #[must_use]
    pub fn all() -> Self {
        let mut set = Self::none();
        set.automatic = true;
        for quirk in quirks().iter().filter(|quirk| quirk.manufacturer.is_none()) {
            set.turn_on(quirk.rule);
        }
        set
    }

    /// No correction.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            automatic: false,
            forced: Vec::new(),
            wire: [false; 4],
        }
    }

    /// Adds one correction, for every meter.
    ///
    /// # Errors
    /// [`UnknownQuirk`] when no correction has that name.
    pub fn force(mut self, id: &str) -> Result<Self, UnknownQuirk> {
        let quirk = quirks().iter().find(|quirk| quirk.id == id);
        let quirk = quirk.ok_or_else(|| UnknownQuirk { id: id.to_owned() })?;
        self.forced.push(&quirk.id);
        self.turn_on(quirk.rule);
        Ok(self)
    }

    /// The corrections of values for one meter.
    pub fn for_meter(
        &self,
        manufacturer: Option<&str>,
        serial: Option<u64>,
    ) -> impl Iterator<Item = &'static Quirk> {
        quirks().iter().filter(move |quirk| {
            quirk.rule == Rule::Unsigned
                && (self.automatic && quirk.is_for(manufacturer, serial)
                    || self.forced.iter().any(|id| *id == quirk.id))
        })
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.wire.get(rule as usize).copied().unwrap_or(false)
    }

    /// Name of the correction by which a rule of the encoding was applied.
    pub(crate) fn name_of(rule: Rule) -> Option<&'static str> {
        let quirk = quirks().iter().find(|quirk| quirk.rule == rule)?;
        Some(&quirk.id)
    }

    fn turn_on(&mut self, rule: Rule) {
        if let Some(on) = self.wire.get_mut(rule as usize) {
            *on = true;
        }
    }
}
