//! The tariff: what a kilowatt-hour costs at which time, and what comes on top of it.
//!
//! A tariff comes from a TOML file ([`load`]), which states it whole or names a native price
//! document and adds what such documents leave out, or from a native document alone. Either way
//! it becomes one [`Tariff`]: a list of prices in UTC slots or a switching of bands, and around it
//! adders, standing, power and demand charges, minimum, export and taxes.

pub mod calendar;
mod file;
mod slots;
pub mod switching;
mod table;

use std::path::PathBuf;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use rust_decimal::Decimal;

use crate::exact::{Exact, TooLarge};
use crate::price::{DocumentError, Format, PriceList};
use crate::time::{self, Month, Span};
use crate::toml_file::FileError;
use calendar::{Calendar, Filter};
use switching::{HourMatrix, Switching};

pub use file::{LoadOptions, load, parse};
pub use slots::{GRID_S, PriceSlot};

/// Why a tariff cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TariffError {
    /// A file cannot be read or breaks the form.
    #[error(transparent)]
    File(#[from] FileError),
    /// A native price document cannot be used.
    #[error("{path}: {source}")]
    Document {
        /// The document.
        path: PathBuf,
        /// What is wrong.
        source: DocumentError,
    },
    /// The values do not fit together.
    #[error("{path}: {message}")]
    Values {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// A kind of line on a bill. The order is that of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Energy at the price of its slot.
    Energy,
    /// Per kWh on top of the energy price.
    Adder,
    /// Per day or month.
    Standing,
    /// Contracted power.
    Power,
    /// Highest power drawn.
    Demand,
    /// What is missing up to a minimum.
    Minimum,
    /// Energy fed in; a credit.
    Export,
    /// A tax.
    Tax,
    /// A tax with a negative rate.
    Credit,
}

impl Kind {
    /// Kinds that taxes and minimums fall on unless they say otherwise.
    pub const CHARGES: [Self; 6] = [
        Self::Energy,
        Self::Adder,
        Self::Standing,
        Self::Power,
        Self::Demand,
        Self::Minimum,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::Adder => "adder",
            Self::Standing => "standing",
            Self::Power => "power",
            Self::Demand => "demand",
            Self::Minimum => "minimum",
            Self::Export => "export",
            Self::Tax => "tax",
            Self::Credit => "credit",
        }
    }
}

/// A whole tariff.
#[derive(Clone, Debug)]
pub struct Tariff {
    /// Its name.
    pub name: String,
    /// Where its prices come from.
    pub format: Format,
    /// ISO 4217 code; `None` when neither the file nor the document says it.
    pub currency: Option<String>,
    /// The home's zone: days, months and charges.
    pub zone: TimeZone,
    /// Its IANA name.
    pub zone_name: String,
    /// When it is valid; outside of it nothing is priced.
    pub valid_from: Option<Timestamp>,
    /// End of its validity, exclusive.
    pub valid_to: Option<Timestamp>,
    /// The bands; empty for a plain list of prices.
    pub bands: Vec<Band>,
    /// The energy's price.
    pub energy: Energy,
    /// What the document's price is multiplied with.
    pub multiplier: Decimal,
    /// The calendar of the filters below.
    pub calendar: Calendar,
    /// Charges per kWh of import.
    pub adders: Vec<Adder>,
    /// Charges per day or month.
    pub standing: Vec<Standing>,
    /// Charges for contracted power.
    pub powers: Vec<Power>,
    /// Charges for the highest power drawn.
    pub demands: Vec<Demand>,
    /// Minimum charges per month.
    pub minimums: Vec<Minimum>,
    /// What is paid for energy fed in.
    pub export: Option<Export>,
    /// Taxes and credits, in the order they are computed.
    pub taxes: Vec<Tax>,
}

/// The energy's price.
#[derive(Clone, Debug)]
pub enum Energy {
    /// Published prices; nothing is known beyond them.
    List(PriceList),
    /// Bands that switch.
    Bands(Switching),
}

/// A band of a tariff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// One tier, or several blocks; empty when a list of prices carries the price.
    pub tiers: Vec<Tier>,
    /// When the counter begins again.
    pub period: TierPeriod,
    /// Bands of the same counter fill it together.
    pub counter: usize,
}

/// A block of a tiered price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Where it ends, cumulative; `None` on the last.
    pub up_to: Option<Decimal>,
    /// Price per unit within it.
    pub rate: Decimal,
}

/// When a tier counter begins again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TierPeriod {
    /// Each local month.
    #[default]
    Month,
    /// Each local day.
    Day,
    /// Each local year.
    Year,
    /// Once, with the bill.
    Bill,
}

/// A charge per kWh of import.
#[derive(Clone, Debug)]
pub struct Adder {
    /// Its identifier.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// Price per kWh.
    pub per_kwh: Decimal,
    /// When it applies.
    pub filter: Filter,
}

/// A charge per day or month.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its identifier.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// How much.
    pub amount: StandingAmount,
    /// For what.
    pub per: Per,
    /// Zone whose days count, where it is not the home's.
    pub zone: Option<TimeZone>,
}

/// The amount of a standing charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandingAmount {
    /// Always the same.
    Fixed(Decimal),
    /// By the instant at which the day or month begins; a gap is not priced.
    Dated(Vec<(OpenSpan, Decimal)>),
    /// The document states two at the same time, which matters only to a bill; why, in words.
    Ambiguous(String),
}

/// A span whose end may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSpan {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Option<Timestamp>,
}

/// What a standing or power charge is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Each local day touched.
    Day,
    /// Each local month touched.
    Month,
    /// A twelfth for each local month touched.
    Year,
}

/// A charge for contracted power.
#[derive(Clone, Debug)]
pub struct Power {
    /// Its identifier.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// Contracted power in kW.
    pub kw: Decimal,
    /// Price per kW and day or month.
    pub rate: Decimal,
    /// Day or month.
    pub per: Per,
}

/// A charge for the highest power drawn.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Its identifier.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// A name for its lines.
    pub band: Option<String>,
    /// When power counts.
    pub when: DemandWhen,
    /// Price per kW, marginal.
    pub tiers: Vec<Tier>,
    /// Each month counts at least so many kW.
    pub minimum_kw: Option<Decimal>,
    /// Mean of the peaks of so many months ending with this one.
    pub average_months: u8,
}

/// When power counts towards a demand charge.
#[derive(Clone, Debug)]
pub enum DemandWhen {
    /// A filter of the tariff's calendar.
    Filter(Filter),
    /// Hours of one rate period.
    Hours(HourMatrix, usize),
    /// Whole months (January first) that are marked.
    Months([bool; 12]),
}

/// A minimum charge per calendar month.
#[derive(Clone, Debug)]
pub struct Minimum {
    /// Least amount of a month.
    pub amount: Decimal,
    /// What counts towards it.
    pub on: Vec<Kind>,
}

/// What is paid for energy fed in.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its name for people.
    pub label: String,
    /// At which price.
    pub price: ExportPrice,
}

/// The price of energy fed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportPrice {
    /// Always the same.
    Fixed(Decimal),
    /// The document's own export price, else its import price, × multiplier + adder.
    Market {
        /// The factor.
        multiplier: Decimal,
        /// Added per kWh; may be negative.
        adder: Decimal,
    },
}

/// A tax or, with a negative rate, a credit.
#[derive(Clone, Debug)]
pub struct Tax {
    /// Its identifier.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// As a fraction.
    pub rate: Decimal,
    /// Kinds of lines it falls on.
    pub on: Vec<Kind>,
    /// Earlier taxes (by index) it falls on.
    pub on_taxes: Vec<usize>,
}

impl Tax {
    /// `Tax` or `Credit`.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.rate.is_sign_negative() && !self.rate.is_zero() {
            Kind::Credit
        } else {
            Kind::Tax
        }
    }
}

impl Tariff {
    /// True when the price of a kilowatt-hour depends on how many came before.
    #[must_use]
    pub fn is_tiered(&self) -> bool {
        self.bands.iter().any(|band| band.tiers.len() > 1)
    }

    /// The span in which it is valid, within another.
    #[must_use]
    pub fn valid_within(&self, span: &Span) -> Option<Span> {
        let start = self
            .valid_from
            .map_or(span.start, |from| from.max(span.start));
        let end = self.valid_to.map_or(span.end, |to| to.min(span.end));
        Span::new(start, end)
    }

    /// Price of one more kWh from a base price: multiplier, adders valid at `at`, and every tax
    /// and credit that falls on energy or adders, tax on tax included.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn all_in(&self, base: Decimal, at: Timestamp) -> Result<Decimal, TooLarge> {
        let energy = base.times(self.multiplier)?;
        let mut adders = Decimal::ZERO;
        for adder in self.adders_at(at) {
            adders = adders.plus(adder.per_kwh)?;
        }
        let mut total = energy.plus(adders)?;
        let mut taxes: Vec<Decimal> = Vec::with_capacity(self.taxes.len());
        for tax in &self.taxes {
            let mut base = Decimal::ZERO;
            for (kind, amount) in [(Kind::Energy, energy), (Kind::Adder, adders)] {
                if tax.on.contains(&kind) {
                    base = base.plus(amount)?;
                }
            }
            for earlier in tax.on_taxes.iter().filter_map(|index| taxes.get(*index)) {
                base = base.plus(*earlier)?;
            }
            let amount = base.times(tax.rate)?;
            total = total.plus(amount)?;
            taxes.push(amount);
        }
        Ok(total)
    }

    /// The adders that apply at an instant.
    pub fn adders_at(&self, at: Timestamp) -> impl Iterator<Item = &Adder> {
        self.adders
            .iter()
            .filter(move |adder| self.calendar.matches(&adder.filter, at))
    }

    /// Credit per kWh fed in during a slot, if it is known.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn export_price(&self, slot: Option<&PriceSlot>) -> Result<Option<Decimal>, TooLarge> {
        match self.export.as_ref().map(|export| export.price) {
            None => Ok(None),
            Some(ExportPrice::Fixed(rate)) => Ok(Some(rate)),
            Some(ExportPrice::Market { multiplier, adder }) => slot
                .map(|slot| {
                    slot.export
                        .unwrap_or(slot.base)
                        .times(multiplier)?
                        .plus(adder)
                })
                .transpose(),
        }
    }

    /// True when the power of an interval that starts at `at` counts towards a demand charge.
    #[must_use]
    pub fn demand_counts(&self, demand: &Demand, at: Timestamp) -> bool {
        match &demand.when {
            DemandWhen::Filter(filter) => self.calendar.matches(filter, at),
            DemandWhen::Hours(matrix, period) => {
                matrix.period(&self.calendar.zone, at) == Some(*period)
            }
            DemandWhen::Months(months) => {
                let month = self.zone.to_datetime(at).month();
                let index = usize::try_from(month)
                    .ok()
                    .and_then(|month| month.checked_sub(1));
                index
                    .and_then(|index| months.get(index))
                    .copied()
                    .unwrap_or(false)
            }
        }
    }

    /// Midnight that begins a local date in the home's zone.
    #[must_use]
    pub fn midnight(&self, date: Date) -> Option<Timestamp> {
        time::day_start(date, &self.zone)
    }
}

impl TierPeriod {
    /// A key that is the same for all dates of one period.
    #[must_use]
    pub fn key(self, date: civil::Date) -> (i16, i16) {
        match self {
            Self::Month => (date.year(), i16::from(Month::of(date).month)),
            Self::Day => (date.year(), date.day_of_year()),
            Self::Year => (date.year(), 0),
            Self::Bill => (0, 0),
        }
    }
}
