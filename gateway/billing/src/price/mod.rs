//! Price documents: each source in a file of its own, all behind [`PriceSource`], normalised to
//! half-open UTC slots or to a switching of bands.
//!
//! What a document does not say is not made up: an instant without a published price has none,
//! and a document that carries a price this code does not understand is refused by name.

pub mod activity_calendar;
mod awattar;
mod duis;
mod entsoe;
mod list;
mod meter;
mod nordpool;
mod octopus;
pub mod openadr3;
mod tibber;
mod urdb;
pub mod zigbee;

use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;

use crate::exact::TooLarge;
use crate::tariff::{Band, Demand, Energy, Minimum, Standing};
use crate::xml::{self, XmlError};

pub use list::{Price, PriceList};

/// Form of a price document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// wattle's own tariff file.
    Wattle,
    /// Nord Pool day-ahead prices (JSON).
    Nordpool,
    /// ENTSO-E transparency platform, document type A44 (XML).
    Entsoe,
    /// Octopus Energy's REST responses (JSON).
    Octopus,
    /// aWATTar market data (JSON).
    Awattar,
    /// Tibber price information (JSON).
    Tibber,
    /// An OpenADR 3 event (JSON).
    Openadr3,
    /// A rate of OpenEI's Utility Rate Database (JSON).
    Urdb,
    /// A tariff update of the British smart metering service, DUIS 5 (XML).
    Duis,
    /// What a meter switches: its activity calendar, or the tariffs that it told (JSON).
    Meter,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 10] = [
        Self::Nordpool,
        Self::Entsoe,
        Self::Octopus,
        Self::Awattar,
        Self::Tibber,
        Self::Openadr3,
        Self::Urdb,
        Self::Duis,
        Self::Meter,
        Self::Wattle,
    ];

    /// Its name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wattle => "wattle",
            Self::Nordpool => "nordpool",
            Self::Entsoe => "entsoe",
            Self::Octopus => "octopus",
            Self::Awattar => "awattar",
            Self::Tibber => "tibber",
            Self::Openadr3 => "openadr3",
            Self::Urdb => "urdb",
            Self::Duis => "duis",
            Self::Meter => "meter",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The names of all, separated by commas.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// True for a document that brings its own switching clock, UTC.
    #[must_use]
    pub const fn is_utc(self) -> bool {
        matches!(self, Self::Duis)
    }
}

/// What a tariff file says about the document it names.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Nord Pool area or ENTSO-E domain.
    pub area: Option<String>,
    /// Octopus: take the price with VAT.
    pub vat_inclusive: bool,
    /// Octopus: pass over entries of another payment method.
    pub payment_method: Option<String>,
    /// Tibber: take the spot part in place of the total.
    pub energy_only: bool,
    /// The clock of documents that state local hours.
    pub zone: TimeZone,
}

impl Wanted {
    /// Nothing beyond the zone.
    #[must_use]
    pub fn plain(zone: TimeZone) -> Self {
        Self {
            area: None,
            vat_inclusive: false,
            payment_method: None,
            energy_only: false,
            zone,
        }
    }
}

/// What a document says.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its own name.
    pub name: Option<String>,
    /// ISO 4217 code.
    pub currency: Option<String>,
    /// Bands, empty for a plain list.
    pub bands: Vec<Band>,
    /// The energy's price.
    pub energy: Energy,
    /// Its own price for energy fed in is part of the list.
    pub has_export: bool,
    /// Standing charges.
    pub standing: Vec<Standing>,
    /// Demand charges.
    pub demands: Vec<Demand>,
    /// Minimum charges.
    pub minimums: Vec<Minimum>,
}

impl Published {
    /// A document that is a list of prices and nothing else.
    #[must_use]
    pub fn list(currency: Option<String>, list: PriceList) -> Self {
        Self {
            name: None,
            currency,
            bands: Vec::new(),
            energy: Energy::List(list),
            has_export: false,
            standing: Vec::new(),
            demands: Vec::new(),
            minimums: Vec::new(),
        }
    }
}

/// A source of prices: reads one form of document.
pub trait PriceSource {
    /// The form it reads.
    fn format(&self) -> Format;

    /// Reads a document.
    ///
    /// # Errors
    /// [`DocumentError`] says what is wrong and where.
    fn read(&self, text: &str, wanted: &Wanted) -> Result<Published, DocumentError>;
}

/// Why a price document cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is no JSON of this form; serde names line and column.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It is no XML that is read.
    #[error("{0}")]
    Xml(#[from] XmlError),
    /// A member or element that must be there is not.
    #[error("{0} is missing")]
    Missing(String),
    /// A value is not what its place asks for.
    #[error("{what}: {text:?} is not {expected}")]
    Value {
        /// Where.
        what: String,
        /// What is there.
        text: String,
        /// What should be.
        expected: &'static str,
    },
    /// It breaks a rule of its form.
    #[error("{0}")]
    Invalid(String),
    /// Two prices hold at the same time.
    #[error("ambiguous_price: {0}")]
    Ambiguous(String),
    /// It carries something that would change the bill and is not supported.
    #[error("{0} is not supported; it would change the bill, so the document is refused")]
    Unsupported(String),
    /// The sender says that there is no data.
    #[error("the sender answered that there is no data: {0}")]
    Acknowledged(String),
    /// It states several areas and none was chosen, or not the one that was.
    #[error("{0}")]
    Area(String),
    /// The form was not recognised.
    #[error("the form of this document is not known; known are {0}")]
    Unknown(String),
    /// A number is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Recognises the form of a document by its content.
#[must_use]
pub fn detect(text: &str) -> Option<Format> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        let root = xml::parse(text).ok()?;
        return match root.name.as_str() {
            "Publication_MarketDocument" | "Acknowledgement_MarketDocument" => Some(Format::Entsoe),
            _ if root.find("UpdateImportTariffPrimaryElement").is_some() => Some(Format::Duis),
            _ => None,
        };
    }
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let has = |pointer: &str| json.pointer(pointer).is_some();
    let octopus = |value: &serde_json::Value| {
        value
            .pointer("/results")
            .is_some_and(serde_json::Value::is_array)
    };
    let prices = |value: &serde_json::Value| value.pointer("/results/0/value_exc_vat").is_some();
    if has("/activity_calendar") || has("/tariff_numbers") {
        Some(Format::Meter)
    } else if has("/multiAreaEntries") || has("/multiIndexEntries") {
        Some(Format::Nordpool)
    } else if json.get("objectType").and_then(serde_json::Value::as_str) == Some("EVENT") {
        Some(Format::Openadr3)
    } else if has("/data/viewer") {
        Some(Format::Tibber)
    } else if has("/data/0/marketprice") {
        Some(Format::Awattar)
    } else if has("/energyratestructure") || has("/items/0/energyratestructure") {
        Some(Format::Urdb)
    } else if prices(&json)
        || json
            .as_object()
            .is_some_and(|members| members.values().all(octopus) && members.values().any(prices))
    {
        Some(Format::Octopus)
    } else {
        None
    }
}

/// Reads a document of a native format; `None` is recognised by content.
///
/// # Errors
/// [`DocumentError`].
pub fn read(
    text: &str,
    format: Option<Format>,
    wanted: &Wanted,
) -> Result<(Format, Published), DocumentError> {
    let format = format.or_else(|| detect(text));
    let source: &dyn PriceSource = match format {
        Some(Format::Nordpool) => &nordpool::Nordpool,
        Some(Format::Entsoe) => &entsoe::Entsoe,
        Some(Format::Octopus) => &octopus::Octopus,
        Some(Format::Awattar) => &awattar::Awattar,
        Some(Format::Tibber) => &tibber::Tibber,
        Some(Format::Openadr3) => &openadr3::Openadr3,
        Some(Format::Urdb) => &urdb::Urdb,
        Some(Format::Duis) => &duis::Duis,
        Some(Format::Meter) => &meter::Meter,
        Some(Format::Wattle) | None => return Err(DocumentError::Unknown(Format::names())),
    };
    Ok((source.format(), source.read(text, wanted)?))
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, DocumentError> {
    Ok(serde_json::from_str(text.trim_start_matches('\u{feff}'))?)
}

fn instant(what: &str, text: &str) -> Result<jiff::Timestamp, DocumentError> {
    crate::time::instant(text).ok_or_else(|| DocumentError::Value {
        what: what.to_owned(),
        text: text.to_owned(),
        expected: "a time with its offset (RFC 3339)",
    })
}

fn currency(what: &str, text: &str) -> Result<String, DocumentError> {
    let code = text.trim().to_ascii_uppercase();
    if code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(code);
    }
    Err(DocumentError::Value {
        what: what.to_owned(),
        text: text.to_owned(),
        expected: "an ISO 4217 code such as EUR",
    })
}

/// The area that is wanted, or the only one that a document has.
fn choose_area<'a>(areas: &[&'a str], wanted: Option<&str>) -> Result<&'a str, DocumentError> {
    match (wanted, areas) {
        (Some(wanted), _) => areas
            .iter()
            .copied()
            .find(|area| *area == wanted)
            .ok_or_else(|| {
                DocumentError::Area(format!(
                    "there is no area {wanted:?}; there are {}",
                    areas.join(", ")
                ))
            }),
        (None, [only]) => Ok(only),
        (None, []) => Err(DocumentError::Missing("a price".to_owned())),
        (None, _) => Err(DocumentError::Area(format!(
            "it has several areas: say which one with area (there are {})",
            areas.join(", ")
        ))),
    }
}
