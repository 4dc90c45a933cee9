//! The tariff: what a kilowatt-hour costs at which time.
//!
//! A tariff is a file of its own (README.md, "The tariff"):
//! bands with a rate, a schedule that says which band holds when, standing charges and taxes.
//! All arithmetic is exact.

mod file;
mod outlook;

use std::path::Path;

use jiff::civil::{Time, Weekday};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rust_decimal::Decimal;

pub use file::TariffError;
pub use outlook::{cheapest_window, price};

/// A tariff that states its own prices.
#[derive(Clone, Debug)]
pub struct Tariff {
    /// Its name.
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    /// The clock by which the schedule is read.
    switch_zone: TimeZone,
    bands: Vec<BandRate>,
    schedule: Vec<Rule>,
    /// Per day of the home's calendar, before taxes, in the order written.
    standing: Vec<Standing>,
    /// Sum of all tax rates on energy, as a fraction.
    tax: Decimal,
}

#[derive(Clone, Debug)]
struct BandRate {
    name: String,
    rate: Decimal,
}

#[derive(Clone, Debug)]
struct Rule {
    band: usize,
    days: Vec<Weekday>,
    from: Time,
    to: Time,
}

/// A standing charge.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its identifier.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// Amount per day, before taxes.
    pub per_day: Decimal,
}

impl Tariff {
    /// Reads a tariff's file. `home` is the zone for a file that names none.
    ///
    /// # Errors
    /// [`TariffError`] names the file, the line and the rule.
    pub fn load(path: &Path, home: &TimeZone) -> Result<Self, TariffError> {
        file::load(path, home)
    }

    /// Price of a kilowatt-hour at an instant, taxes included; `None` when no rule holds then.
    #[must_use]
    pub fn per_kwh(&self, at: Timestamp) -> Option<Decimal> {
        let rate = self.bands.get(self.band_at(at)?)?.rate;
        rate.checked_mul(Decimal::ONE + self.tax)
    }

    /// Name of the band that holds at an instant.
    #[must_use]
    pub fn band(&self, at: Timestamp) -> Option<&str> {
        self.bands
            .get(self.band_at(at)?)
            .map(|band| band.name.as_str())
    }

    /// The standing charges.
    #[must_use]
    pub fn standing(&self) -> &[Standing] {
        &self.standing
    }

    /// The first instant after `at`, within `horizon`, from which another price holds.
    #[must_use]
    pub fn next_change(&self, at: Timestamp, horizon: SignedDuration) -> Option<Timestamp> {
        let now = self.per_kwh(at);
        // Bands switch on full minutes of the switching clock, whose offset is whole minutes too.
        let mut minute = Timestamp::from_second(at.as_second().div_euclid(60) * 60).ok()?;
        let end = at.checked_add(horizon).ok()?;
        while minute < end {
            minute = minute.checked_add(SignedDuration::from_mins(1)).ok()?;
            if self.per_kwh(minute) != now {
                return Some(minute);
            }
        }
        None
    }

    fn band_at(&self, at: Timestamp) -> Option<usize> {
        let local = self.switch_zone.to_datetime(at);
        self.schedule
            .iter()
            .find(|rule| rule.holds(local.weekday(), local.time()))
            .map(|rule| rule.band)
    }
}

impl Rule {
    /// `to` at or before `from` wraps over midnight; the day is the one on which the time stands.
    fn holds(&self, day: Weekday, time: Time) -> bool {
        let within = if self.from < self.to {
            time >= self.from && time < self.to
        } else {
            time >= self.from || time < self.to
        };
        within && (self.days.is_empty() || self.days.contains(&day))
    }
}
