//! Octopus Energy's REST responses, version 1: unit rates and standing charges in pence.
//!
//! Either one response, taken as the standard unit rates, or an object of several by the name of
//! their endpoint. Entries come newest first; one without an end is open.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::{
    DocumentError, Format, Price, PriceList, PriceSource, Published, Wanted, instant, json,
};
use crate::exact::{JsonDecimal, TooLarge, shift};
use crate::tariff::{Band, Energy, OpenSpan, Per, Standing, StandingAmount, TierPeriod};

/// Half-hours: the grid of the British market.
const GRID_S: i64 = 1800;

/// Reads Octopus Energy's responses.
pub(super) struct Octopus;

#[derive(Deserialize)]
struct Response {
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    value_exc_vat: JsonDecimal,
    value_inc_vat: JsonDecimal,
    valid_from: Option<String>,
    valid_to: Option<String>,
    payment_method: Option<String>,
}

#[derive(Deserialize)]
struct OnlyKeys {
    results: Option<serde::de::IgnoredAny>,
}

impl PriceSource for Octopus {
    fn format(&self) -> Format {
        Format::Octopus
    }

    fn read(&self, text: &str, wanted: &Wanted) -> Result<Published, DocumentError> {
        let single = json::<OnlyKeys>(text)?.results.is_some();
        let responses: BTreeMap<String, Response> = if single {
            [("standard-unit-rates".to_owned(), json(text)?)].into()
        } else {
            json(text)?
        };
        let mut of_kind: BTreeMap<Rates, Vec<(OpenSpan, Decimal)>> = BTreeMap::new();
        let mut standing = None;
        for (endpoint, response) in &responses {
            let kind = Rates::named(endpoint)
                .ok_or_else(|| DocumentError::Unsupported(format!("the endpoint {endpoint:?}")))?;
            let entries = match entries(endpoint, &response.results, wanted) {
                // Prices can be told without it.
                Err(DocumentError::Ambiguous(why)) if kind == Rates::Standing => {
                    standing = Some(StandingAmount::Ambiguous(why));
                    continue;
                }
                other => other?,
            };
            if of_kind.insert(kind, entries).is_some() {
                return Err(DocumentError::Ambiguous(format!(
                    "{endpoint} is there under two names"
                )));
            }
        }
        let standing = standing.or(of_kind.remove(&Rates::Standing).map(StandingAmount::Dated));
        let banded = of_kind.contains_key(&Rates::Day) || of_kind.contains_key(&Rates::Night);
        if banded && of_kind.contains_key(&Rates::Standard) {
            return Err(DocumentError::Ambiguous(
                "standard rates stand beside day or night rates".to_owned(),
            ));
        }
        let mut bands = Vec::new();
        let mut prices = Vec::new();
        for (kind, entries) in of_kind {
            let band = banded.then_some(bands.len());
            if banded {
                let name = kind.name().to_owned();
                let counter = bands.len();
                bands.push(Band {
                    label: name.clone(),
                    name,
                    tiers: Vec::new(),
                    period: TierPeriod::Bill,
                    counter,
                });
            }
            prices.extend(entries.into_iter().map(|(span, base)| Price {
                start: span.start,
                end: span.end,
                base,
                export: None,
                ghg: None,
                band,
            }));
        }
        let list = PriceList::new(prices)?.on_grid(GRID_S);
        Ok(Published {
            bands,
            standing: standing.into_iter().map(standing_charge).collect(),
            energy: Energy::List(list.clone()),
            ..Published::list(Some("GBP".to_owned()), list)
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rates {
    Standard,
    Day,
    Night,
    Standing,
}

impl Rates {
    fn named(endpoint: &str) -> Option<Self> {
        match endpoint.strip_suffix("-unit-rates").unwrap_or(endpoint) {
            "standard" => Some(Self::Standard),
            "day" => Some(Self::Day),
            "night" => Some(Self::Night),
            "standing-charges" => Some(Self::Standing),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Day => "day",
            Self::Night => "night",
            Self::Standing => "standing",
        }
    }
}

/// The entries of one endpoint in major units, oldest first.
fn entries(
    endpoint: &str,
    results: &[Entry],
    wanted: &Wanted,
) -> Result<Vec<(OpenSpan, Decimal)>, DocumentError> {
    let paid_so = |entry: &&Entry| {
        let method = entry.payment_method.as_deref();
        wanted.payment_method.is_none()
            || method.is_none()
            || method == wanted.payment_method.as_deref()
    };
    let mut found = Vec::new();
    for entry in results.iter().filter(paid_so) {
        let from = entry
            .valid_from
            .as_deref()
            .ok_or_else(|| DocumentError::Missing(format!("{endpoint}: valid_from")))?;
        let start = instant("valid_from", from)?;
        let end = entry
            .valid_to
            .as_deref()
            .map(|to| instant("valid_to", to))
            .transpose()?;
        let JsonDecimal(pence) = if wanted.vat_inclusive {
            entry.value_inc_vat
        } else {
            entry.value_exc_vat
        };
        if end.is_none_or(|end| end > start) {
            found.push((OpenSpan { start, end }, shift(pence, -2).ok_or(TooLarge)?));
        }
    }
    found.sort_by_key(|(span, _)| span.start);
    for pair in found.windows(2) {
        if let [(first, _), (second, _)] = pair
            && first.end.is_none_or(|end| end > second.start)
        {
            return Err(DocumentError::Ambiguous(format!(
                "{endpoint}: two entries are valid at {}; choose one with payment_method, or state such a tariff with [bands]",
                second.start
            )));
        }
    }
    Ok(found)
}

fn standing_charge(amount: StandingAmount) -> Standing {
    Standing {
        id: "standing".to_owned(),
        label: "Standing charge".to_owned(),
        amount,
        per: Per::Day,
        zone: None,
    }
}
