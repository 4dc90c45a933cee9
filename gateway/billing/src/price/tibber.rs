//! Tibber price information: `today` and `tomorrow` of the current subscription.
//!
//! Prices are per kWh. A slot ends where the next one begins; the last one is as long as the
//! shortest. The offset in `startsAt` changes on days on which the clock does.

use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{
    DocumentError, Format, Price, PriceList, PriceSource, Published, Wanted, currency, instant,
    json,
};
use crate::exact::JsonDecimal;
use crate::time::Span;

/// Reads Tibber's answers.
pub(super) struct Tibber;

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    viewer: Viewer,
}

#[derive(Deserialize)]
struct Viewer {
    homes: Vec<Home>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Home {
    current_subscription: Option<Subscription>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    price_info: PriceInfo,
}

#[derive(Deserialize)]
struct PriceInfo {
    #[serde(default)]
    today: Vec<Entry>,
    #[serde(default)]
    tomorrow: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    total: Option<JsonDecimal>,
    energy: Option<JsonDecimal>,
    starts_at: String,
    currency: Option<String>,
}

impl PriceSource for Tibber {
    fn format(&self) -> Format {
        Format::Tibber
    }

    fn read(&self, text: &str, wanted: &Wanted) -> Result<Published, DocumentError> {
        let answer: Answer = json(text)?;
        let home = answer.data.viewer.homes.into_iter().next();
        let subscription = home.and_then(|home| home.current_subscription);
        let info = subscription
            .ok_or_else(|| {
                DocumentError::Missing("data.viewer.homes[0].currentSubscription".to_owned())
            })?
            .price_info;
        let mut code = None;
        let mut starts: Vec<(jiff::Timestamp, Decimal)> = Vec::new();
        for entry in info.today.iter().chain(&info.tomorrow) {
            let (name, price) = if wanted.energy_only {
                ("energy", entry.energy)
            } else {
                ("total", entry.total)
            };
            let JsonDecimal(price) =
                price.ok_or_else(|| DocumentError::Missing(name.to_owned()))?;
            starts.push((instant("startsAt", &entry.starts_at)?, price));
            if let Some(stated) = &entry.currency {
                code = Some(currency("currency", stated)?);
            }
        }
        starts.sort_by_key(|(start, _)| *start);
        let gaps = starts.windows(2).filter_map(|pair| match pair {
            [(a, _), (b, _)] => Some(b.as_second() - a.as_second()).filter(|gap| *gap > 0),
            _ => None,
        });
        let shortest = SignedDuration::from_secs(gaps.min().unwrap_or(3600));
        let ends = starts
            .iter()
            .skip(1)
            .map(|(start, _)| Some(*start))
            .chain([None]);
        let mut prices = Vec::with_capacity(starts.len());
        for ((start, price), end) in starts.iter().zip(ends) {
            let end = end
                .or_else(|| start.checked_add(shortest).ok())
                .unwrap_or(*start);
            let span = Span::new(*start, end)
                .ok_or_else(|| DocumentError::Ambiguous(format!("two prices start at {start}")))?;
            prices.push(Price::new(span, *price));
        }
        Ok(Published::list(code, PriceList::new(prices)?))
    }
}
