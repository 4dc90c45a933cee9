//! A rate of OpenEI's Utility Rate Database (versions 3 to 8).
//!
//! Energy by month and hour with tiers per calendar month and period, demand charges by the same
//! kind of schedule and flat, a fixed and a minimum charge. Whatever else carries a price is
//! refused by name.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

use super::{DocumentError, Format, PriceSource, Published, Wanted, json};
use crate::exact::{Exact, JsonDecimal};
use crate::tariff::switching::{HourMatrix, Switching};
use crate::tariff::{
    Band, Demand, DemandWhen, Energy, Kind, Minimum, Per, Standing, StandingAmount, Tier,
    TierPeriod,
};

/// Reads rates of the database.
pub(super) struct Urdb;

#[derive(Deserialize)]
struct Items {
    items: Vec<Rate>,
}

#[derive(Deserialize)]
struct Rate {
    name: Option<String>,
    energyratestructure: Vec<Vec<RateTier>>,
    energyweekdayschedule: Vec<Vec<usize>>,
    energyweekendschedule: Vec<Vec<usize>>,
    demandratestructure: Option<Vec<Vec<RateTier>>>,
    demandweekdayschedule: Option<Vec<Vec<usize>>>,
    demandweekendschedule: Option<Vec<Vec<usize>>>,
    flatdemandstructure: Option<Vec<Vec<RateTier>>>,
    flatdemandmonths: Option<Vec<usize>>,
    fixedchargefirstmeter: Option<JsonDecimal>,
    fixedchargeunits: Option<String>,
    mincharge: Option<JsonDecimal>,
    minchargeunits: Option<String>,
    demandunits: Option<String>,
    flatdemandunit: Option<String>,
    demandrateunit: Option<String>,
}

#[derive(Deserialize)]
struct RateTier {
    max: Option<JsonDecimal>,
    rate: Option<JsonDecimal>,
    adj: Option<JsonDecimal>,
    sell: Option<JsonDecimal>,
    unit: Option<String>,
}

impl PriceSource for Urdb {
    fn format(&self) -> Format {
        Format::Urdb
    }

    fn read(&self, text: &str, wanted: &Wanted) -> Result<Published, DocumentError> {
        let whole: Value = json(text)?;
        let listed = whole.get("items").is_some();
        let object = if listed {
            whole.pointer("/items/0")
        } else {
            Some(&whole)
        };
        let object = object.ok_or_else(|| DocumentError::Missing("a rate in items".to_owned()))?;
        refuse_what_is_not_understood(object)?;
        let rate: Rate = if listed {
            let items: Items = json(text)?;
            let only = items.items.len() == 1;
            let first = items.items.into_iter().next();
            first.filter(|_| only).ok_or_else(|| {
                DocumentError::Area(
                    "items has more than one rate: keep the one that is yours".to_owned(),
                )
            })?
        } else {
            json(text)?
        };
        rate.publish(wanted)
    }
}

impl Rate {
    fn publish(self, wanted: &Wanted) -> Result<Published, DocumentError> {
        let mut bands = Vec::new();
        for (period, tiers) in self.energyratestructure.iter().enumerate() {
            bands.push(Band {
                name: format!("period{period}"),
                label: format!("period{period}"),
                tiers: tiers_of("energyratestructure", tiers, "kWh")?,
                period: TierPeriod::Month,
                counter: period,
            });
        }
        let energy = matrix(
            "energy",
            self.energyweekdayschedule,
            self.energyweekendschedule,
            bands.len(),
        )?;
        for unit in [
            &self.demandunits,
            &self.flatdemandunit,
            &self.demandrateunit,
        ]
        .into_iter()
        .flatten()
        {
            if unit != "kW" {
                return Err(DocumentError::Unsupported(format!("demand in {unit}")));
            }
        }
        let mut demands = Vec::new();
        if let Some(structure) = self
            .demandratestructure
            .filter(|structure| !structure.is_empty())
        {
            let (Some(weekday), Some(weekend)) =
                (self.demandweekdayschedule, self.demandweekendschedule)
            else {
                return Err(DocumentError::Missing(
                    "demandweekdayschedule or demandweekendschedule".to_owned(),
                ));
            };
            let hours = matrix("demand", weekday, weekend, structure.len())?;
            for (period, tiers) in structure.iter().enumerate() {
                let when = DemandWhen::Hours(hours.clone(), period);
                let tiers = tiers_of("demandratestructure", tiers, "kW")?;
                demands.push(demand(
                    "demand",
                    "Demand",
                    Some(format!("period{period}")),
                    when,
                    tiers,
                ));
            }
        }
        if let Some(structure) = self
            .flatdemandstructure
            .filter(|structure| !structure.is_empty())
        {
            let months = self
                .flatdemandmonths
                .ok_or_else(|| DocumentError::Missing("flatdemandmonths".to_owned()))?;
            for (period, tiers) in structure.iter().enumerate() {
                let mut marked = [false; 12];
                for (mark, month) in marked.iter_mut().zip(&months) {
                    *mark = *month == period;
                }
                let tiers = tiers_of("flatdemandstructure", tiers, "kW")?;
                demands.push(demand(
                    "flat_demand",
                    "Flat demand",
                    None,
                    DemandWhen::Months(marked),
                    tiers,
                ));
            }
            if months.len() != 12 || months.iter().any(|period| *period >= structure.len()) {
                return Err(DocumentError::Unsupported(
                    "flatdemandmonths without a period for each of 12 months".to_owned(),
                ));
            }
        }
        // A rate that charges nothing is no line.
        demands.retain(|demand| demand.tiers.iter().any(|tier| !tier.rate.is_zero()));
        let standing = fixed_charge(self.fixedchargefirstmeter, self.fixedchargeunits.as_deref())?;
        let minimums = minimum_charge(self.mincharge, self.minchargeunits.as_deref())?;
        let switching = Switching::Hours(energy, wanted.zone.clone());
        Ok(Published {
            name: self.name,
            currency: Some("USD".to_owned()),
            bands,
            energy: Energy::Bands(switching),
            has_export: false,
            standing,
            demands,
            minimums,
        })
    }
}

fn demand(
    id: &str,
    label: &str,
    band: Option<String>,
    when: DemandWhen,
    tiers: Vec<Tier>,
) -> Demand {
    Demand {
        id: id.to_owned(),
        label: label.to_owned(),
        band,
        when,
        tiers,
        minimum_kw: None,
        average_months: 1,
    }
}

fn fixed_charge(
    amount: Option<JsonDecimal>,
    units: Option<&str>,
) -> Result<Vec<Standing>, DocumentError> {
    let Some(JsonDecimal(amount)) = amount.filter(|amount| !amount.0.is_zero()) else {
        return Ok(Vec::new());
    };
    let per = match units {
        Some("$/day") => Per::Day,
        Some("$/month") => Per::Month,
        Some("$/year") => Per::Year,
        other => {
            return Err(DocumentError::Unsupported(format!(
                "fixedchargeunits {}",
                other.unwrap_or("(none)")
            )));
        }
    };
    Ok(vec![Standing {
        id: "standing".to_owned(),
        label: "Fixed charge".to_owned(),
        amount: StandingAmount::Fixed(amount),
        per,
        zone: None,
    }])
}

fn minimum_charge(
    amount: Option<JsonDecimal>,
    units: Option<&str>,
) -> Result<Vec<Minimum>, DocumentError> {
    let Some(JsonDecimal(amount)) = amount.filter(|amount| !amount.0.is_zero()) else {
        return Ok(Vec::new());
    };
    if units != Some("$/month") {
        return Err(DocumentError::Unsupported(format!(
            "minchargeunits {}",
            units.unwrap_or("(none)")
        )));
    }
    let on = Kind::CHARGES
        .into_iter()
        .filter(|kind| *kind != Kind::Minimum)
        .collect();
    Ok(vec![Minimum { amount, on }])
}

fn tiers_of(what: &str, tiers: &[RateTier], unit: &str) -> Result<Vec<Tier>, DocumentError> {
    let mut found: Vec<Tier> = Vec::with_capacity(tiers.len());
    for tier in tiers {
        if let Some(other) = tier.unit.as_deref().filter(|other| *other != unit) {
            return Err(DocumentError::Unsupported(format!("{what} in {other}")));
        }
        if tier.sell.is_some_and(|sell| !sell.0.is_zero()) {
            return Err(DocumentError::Unsupported(format!("{what}: sell")));
        }
        let part = |part: Option<JsonDecimal>| part.map_or(Decimal::ZERO, |part| part.0);
        found.push(Tier {
            up_to: tier.max.map(|max| max.0),
            rate: part(tier.rate).plus(part(tier.adj))?,
        });
    }
    // What follows a last block with an end would have no price; it goes on at the last one's.
    if let Some(last) = found.last_mut() {
        last.up_to = None;
    }
    let rising = found.windows(2).all(|pair| match pair {
        [a, b] => {
            a.up_to.is_some()
                && b.up_to
                    .is_none_or(|up_to| a.up_to.is_some_and(|before| before < up_to))
        }
        _ => true,
    });
    if found.is_empty() || !rising {
        return Err(DocumentError::Unsupported(format!(
            "{what} without rising tiers"
        )));
    }
    Ok(found)
}

fn matrix(
    what: &str,
    weekday: Vec<Vec<usize>>,
    weekend: Vec<Vec<usize>>,
    periods: usize,
) -> Result<HourMatrix, DocumentError> {
    for schedule in [&weekday, &weekend] {
        let whole = schedule.len() == 12 && schedule.iter().all(|hours| hours.len() == 24);
        if !whole || schedule.iter().flatten().any(|period| *period >= periods) {
            return Err(DocumentError::Value {
                what: format!("{what} schedule"),
                text: "its matrix".to_owned(),
                expected: "12 months of 24 hours, each a period of the rate structure",
            });
        }
    }
    Ok(HourMatrix { weekday, weekend })
}

/// Members that are read above.
const READ: [&str; 17] = [
    "name",
    "energyratestructure",
    "energyweekdayschedule",
    "energyweekendschedule",
    "demandratestructure",
    "demandweekdayschedule",
    "demandweekendschedule",
    "flatdemandstructure",
    "flatdemandmonths",
    "fixedchargefirstmeter",
    "fixedchargeunits",
    "mincharge",
    "minchargeunits",
    "demandunits",
    "flatdemandunit",
    "demandrateunit",
    // Charged for further meters only.
    "fixedchargeeaaddl",
];

/// Parts of the names of members that carry a price or change one.
const PRICED: [&str; 10] = [
    "charge",
    "ratestructure",
    "coincident",
    "reactive",
    "ratchet",
    "lookback",
    "adjustment",
    "demandwindow",
    "attrs",
    "rateschedule",
];

fn refuse_what_is_not_understood(rate: &Value) -> Result<(), DocumentError> {
    let members = rate
        .as_object()
        .ok_or_else(|| DocumentError::Missing("a rate object".to_owned()))?;
    for (name, value) in members {
        let lower = name.to_ascii_lowercase();
        let says_something = match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => number.as_f64() != Some(0.0),
            // The unit of a charge that is not there.
            Value::String(_) => false,
            Value::Array(items) => items.iter().any(not_zero),
            Value::Object(members) => !members.is_empty(),
        };
        if says_something
            && !READ.contains(&lower.as_str())
            && PRICED.iter().any(|part| lower.contains(part))
        {
            return Err(DocumentError::Unsupported(name.clone()));
        }
    }
    Ok(())
}

fn not_zero(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(items) => items.iter().any(not_zero),
        Value::Object(members) => members.values().any(not_zero),
        Value::String(text) => !text.is_empty(),
        Value::Null | Value::Bool(_) => false,
    }
}
