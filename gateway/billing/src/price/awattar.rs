//! aWATTar market data: `data[]` with epoch milliseconds and the price per MWh.

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    DocumentError, Format, Price, PriceList, PriceSource, Published, Wanted, currency, json,
};
use crate::exact::{JsonDecimal, TooLarge, shift};
use crate::time::Span;

/// Reads aWATTar's answers.
pub(super) struct Awattar;

#[derive(Deserialize)]
struct Answer {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    start_timestamp: i64,
    end_timestamp: i64,
    marketprice: JsonDecimal,
    unit: String,
}

impl PriceSource for Awattar {
    fn format(&self) -> Format {
        Format::Awattar
    }

    fn read(&self, text: &str, _: &Wanted) -> Result<Published, DocumentError> {
        let answer: Answer = json(text)?;
        let mut code = None;
        let mut prices = Vec::with_capacity(answer.data.len());
        for entry in answer.data {
            let wrong_unit = || DocumentError::Value {
                what: "unit".to_owned(),
                text: entry.unit.clone(),
                expected: "a currency per MWh such as Eur/MWh",
            };
            let (money, per) = entry.unit.split_once('/').ok_or_else(wrong_unit)?;
            if !per.eq_ignore_ascii_case("mwh") {
                return Err(wrong_unit());
            }
            let money = currency("unit", money)?;
            if code.get_or_insert_with(|| money.clone()) != &money {
                return Err(wrong_unit());
            }
            let ends = (
                Timestamp::from_millisecond(entry.start_timestamp),
                Timestamp::from_millisecond(entry.end_timestamp),
            );
            let span = match ends {
                (Ok(start), Ok(end)) => Span::new(start, end),
                _ => None,
            };
            let span = span.ok_or_else(|| DocumentError::Value {
                what: "end_timestamp".to_owned(),
                text: entry.end_timestamp.to_string(),
                expected: "a time in milliseconds after start_timestamp",
            })?;
            prices.push(Price::new(
                span,
                shift(entry.marketprice.0, -3).ok_or(TooLarge)?,
            ));
        }
        Ok(Published::list(code, PriceList::new(prices)?))
    }
}
