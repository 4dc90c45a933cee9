//! Blocks of a tiered price and the peaks that demand charges count, on the PRICES screen.

use super::{View, phrase, rows};
use crate::format::{self, MISSING};
use crate::generated::{GaugeTile, Phrase, Prices, Say};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use slint::Model;
use wattle_api::{BlockGauge, DemandGauge};

/// How many there is room for, and how many tiles in all below the prices.
const ROOM: usize = 2;
const TILES: usize = 4;
/// No bar: there is nothing that the value is a part of.
const NO_BAR: f32 = -1.0;

pub(super) fn bind(prices: &Prices, view: &View) {
    let bill = view.answers.bill.as_ref();
    let block = bill.and_then(|bill| bill.block.as_ref());
    let demand = bill.iter().flat_map(|bill| &bill.demand);
    let tiles = block
        .map(|block| of_block(view, block))
        .into_iter()
        .chain(demand.map(|demand| of_demand(view, demand)))
        .take(ROOM)
        .collect();
    if let Some(model) = rows(&prices.get_gauges(), tiles) {
        prices.set_gauges(model);
    }
}

/// How many tiles are left for runs.
pub(super) fn room_for_runs(prices: &Prices) -> usize {
    TILES.saturating_sub(prices.get_gauges().row_count())
}

fn of_block(view: &View, block: &BlockGauge) -> GaugeTile {
    let energy = |kwh| phrase(Say::Plain, format::energy(kwh, view.language));
    let left = match (block.left_kwh, block.daily) {
        (None, _) => Say::BlockLast,
        (Some(_), true) => Say::LeftToday,
        (Some(_), false) => Say::LeftThisMonth,
    };
    GaugeTile {
        title: Phrase {
            b: block.of.to_string().into(),
            ..phrase(Say::BlockOf, block.number.to_string())
        },
        value: energy(block.left_kwh.unwrap_or(block.used_kwh)),
        note: phrase(left, String::new()),
        share: filled(block)
            .and_then(|share| share.to_f32())
            .unwrap_or(NO_BAR),
    }
}

/// How full the block is.
fn filled(block: &BlockGauge) -> Option<Decimal> {
    let room = block.up_to_kwh?.checked_sub(block.from_kwh)?;
    let here = block.used_kwh.checked_sub(block.from_kwh)?;
    here.checked_div(room)
}

fn of_demand(view: &View, demand: &DemandGauge) -> GaugeTile {
    let peak = demand.peak_kw.map_or_else(
        || MISSING.to_owned(),
        |kw| format!("{}\u{a0}kW", format::figures(kw, view.language)),
    );
    let counts = if demand.counts_now {
        Say::CountsNow
    } else {
        Say::CountsNotNow
    };
    GaugeTile {
        title: match demand.label.as_str() {
            "" => phrase(Say::DemandPeak, String::new()),
            label => phrase(Say::Plain, label.to_owned()),
        },
        value: phrase(Say::Plain, peak),
        note: phrase(counts, String::new()),
        share: NO_BAR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;

    fn view() -> View {
        let text = include_str!("../../tests/fixtures/normal.json");
        View::of(serde_json::from_str(text).unwrap(), Language::English)
    }

    #[test]
    fn a_block_says_what_is_left_of_it() {
        let kwh = |text: &str| text.parse::<Decimal>().unwrap();
        let mut block = BlockGauge {
            number: 2,
            of: 3,
            used_kwh: kwh("6.9"),
            from_kwh: kwh("5"),
            up_to_kwh: Some(kwh("10")),
            left_kwh: Some(kwh("3.1")),
            daily: true,
        };
        let tile = of_block(&view(), &block);
        assert_eq!((tile.title.a.as_str(), tile.title.b.as_str()), ("2", "3"));
        assert_eq!(tile.value.a, "3.10\u{a0}kWh");
        assert_eq!(tile.note.say, Say::LeftToday);
        assert!((tile.share - 0.38).abs() < 0.001, "{}", tile.share);
        (block.up_to_kwh, block.left_kwh) = (None, None);
        let last = of_block(&view(), &block);
        assert_eq!((last.note.say, last.share), (Say::BlockLast, NO_BAR));
        assert_eq!(last.value.a, "6.90\u{a0}kWh");
    }

    #[test]
    fn a_peak_that_nothing_counted_for_yet_is_no_nought() {
        let demand = DemandGauge {
            label: String::new(),
            peak_kw: None,
            counts_now: false,
        };
        let tile = of_demand(&view(), &demand);
        assert_eq!(
            (tile.title.say, tile.value.a.as_str()),
            (Say::DemandPeak, MISSING)
        );
    }
}
