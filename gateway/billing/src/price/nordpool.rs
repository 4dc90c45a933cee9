//! Nord Pool day-ahead prices: `multiAreaEntries` or `multiIndexEntries`, per MWh.
//!
//! Block prices and averages stand beside them and are no prices of a time.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    DocumentError, Format, Price, PriceList, PriceSource, Published, Wanted, currency, instant,
    json,
};
use crate::exact::{JsonDecimal, TooLarge, shift};
use crate::time::Span;

/// Reads Nord Pool's answers.
pub(super) struct Nordpool;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    currency: Option<String>,
    #[serde(alias = "multiIndexEntries")]
    multi_area_entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    delivery_start: String,
    delivery_end: String,
    entry_per_area: BTreeMap<String, Option<JsonDecimal>>,
}

impl PriceSource for Nordpool {
    fn format(&self) -> Format {
        Format::Nordpool
    }

    fn read(&self, text: &str, wanted: &Wanted) -> Result<Published, DocumentError> {
        let answer: Answer = json(text)?;
        let mut areas: Vec<&str> = Vec::new();
        for area in answer
            .multi_area_entries
            .iter()
            .flat_map(|entry| entry.entry_per_area.keys())
        {
            if !areas.contains(&area.as_str()) {
                areas.push(area);
            }
        }
        let area = super::choose_area(&areas, wanted.area.as_deref())?;
        let mut prices = Vec::with_capacity(answer.multi_area_entries.len());
        for entry in &answer.multi_area_entries {
            let Some(Some(JsonDecimal(per_mwh))) = entry.entry_per_area.get(area) else {
                continue;
            };
            let start = instant("deliveryStart", &entry.delivery_start)?;
            let end = instant("deliveryEnd", &entry.delivery_end)?;
            let span = Span::new(start, end).ok_or_else(|| DocumentError::Value {
                what: "deliveryEnd".to_owned(),
                text: entry.delivery_end.clone(),
                expected: "after deliveryStart",
            })?;
            prices.push(Price::new(span, shift(*per_mwh, -3).ok_or(TooLarge)?));
        }
        let code = answer
            .currency
            .map(|code| currency("currency", &code))
            .transpose()?;
        Ok(Published::list(code, PriceList::new(prices)?))
    }
}
