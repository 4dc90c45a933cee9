//! Prices of electricity, now and in the hours that are published.

use jiff::Timestamp;
use serde_json::{Value, json};
use wattle_api::{Price, PriceDay, Slot};

use super::super::thing::{Point, Topics, text};
use super::part::{Told, moment, number, or_null, owned, part, sensor};

const BANDS: &[&str] = &["paid_to_use", "cheap", "normal", "dear"];

pub(super) fn told(topics: &Topics, price: &Price, at: Timestamp) -> Told {
    let unit = format!("{}/kWh", price.currency);
    // A price is no `monetary`: Home Assistant takes that for an amount of money.
    let money = |key: &str, name: &str| Point {
        state_class: Some("measurement"),
        precision: Some(4),
        ..sensor(key, name, Some(&unit))
    };
    let points = vec![
        Point {
            attributes: Some("prices"),
            ..money("price_now", "Price")
        },
        money("price_next", "Next price"),
        moment("next_start", "Next price from"),
        Point {
            device_class: Some("enum"),
            options: BANDS,
            ..sensor("band_now", "Price band", None)
        },
        moment("cheapest_start", "Cheapest two hours from"),
    ];
    let slot = |slot: &Slot| {
        json!({
            "start": slot.start,
            "end": slot.end,
            "price": number(&slot.per_kwh.to_string()),
            "band": slot.band,
        })
    };
    // A day of which nothing is published is not among them.
    let day_of = |at| {
        price
            .days
            .iter()
            .find(|day| day.start <= at && at < day.end)
    };
    let today = day_of(at);
    let tomorrow = today.and_then(|today| day_of(today.end));
    let slots = |day: Option<&PriceDay>| -> Vec<Value> {
        day.map(|day| day.slots.iter().map(slot).collect())
            .unwrap_or_default()
    };
    let band = price.now.as_ref().map(|slot| json!(slot.band).to_string());
    let values = vec![
        (
            "price_now",
            or_null(price.now.as_ref().map(|slot| slot.per_kwh.to_string())),
        ),
        (
            "price_next",
            or_null(price.next.as_ref().map(|slot| slot.per_kwh.to_string())),
        ),
        (
            "next_start",
            or_null(
                price
                    .next
                    .as_ref()
                    .map(|slot| text(&slot.start.to_string())),
            ),
        ),
        ("band_now", or_null(band)),
        (
            "cheapest_start",
            or_null(
                price
                    .cheapest
                    .as_ref()
                    .map(|window| text(&window.start.to_string())),
            ),
        ),
    ];
    let all = json!({
        "price": price.now.as_ref().map(|slot| number(&slot.per_kwh.to_string())),
        "currency": price.currency,
        "tariff": price.tariff,
        "next": price.slots.iter().map(slot).collect::<Vec<_>>(),
        "today": slots(today),
        "tomorrow": slots(tomorrow),
    });
    Told {
        thing: part(topics, "price", "Electricity price", points),
        values: owned(values),
        attributes: vec![("prices", all)],
    }
}
