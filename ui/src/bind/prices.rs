//! The PRICES screen: today and tomorrow, and when to run something.

use super::axis::Axis;
use super::strip;
use super::{View, gauges, phrase, rows};
use crate::format::{self, MISSING};
use crate::generated::{AxisMark, Bar, Gap, Phrase, Prices, Say, TileData, TileKind};
use jiff::{Timestamp, ToSpan, Zoned};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use wattle_api as api;
use wattle_api::{Price, Slot};

const HOUR_S: i64 = 3_600;
/// Now is drawn in steps of ten minutes, so that the chart is not drawn anew each second.
const NOW_STEP_S: i64 = 600;

pub(super) fn bind(prices: &Prices, view: &View) {
    let price = view.state.as_ref().and_then(|state| state.price.as_ref());
    let hours = price.map_or_else(Vec::new, |price| hours(view, price));
    let slots: Vec<&Slot> = hours.iter().filter_map(|(_, slot)| *slot).collect();
    let axis = Axis::of(slots.iter().map(|slot| slot.per_kwh));
    let bars: Vec<Bar> = hours
        .iter()
        .map(|(_, slot)| strip::bar(*slot, &axis.scale))
        .collect();
    let lines = match price {
        Some(price) => axis.lines(|value| format::unit_tick(value, &price.currency, view.language)),
        None => Vec::new(),
    };
    prices.set_zero(axis.scale.zero());
    prices.set_has_unknown(hours.iter().any(|(_, slot)| slot.is_none()));
    prices.set_has_paid(has(&slots, api::Band::PaidToUse));
    prices.set_has_bands(has(&slots, api::Band::Cheap) || has(&slots, api::Band::Dear));
    prices.set_now_at(now_at(view, &hours));
    bind_ends(prices, view, price, &hours);
    if let Some(model) = rows(&prices.get_bars(), bars) {
        prices.set_bars(model);
    }
    if let Some(model) = rows(&prices.get_gaps(), gaps(&hours)) {
        prices.set_gaps(model);
    }
    if let Some(model) = rows(&prices.get_axis(), lines) {
        prices.set_axis(model);
    }
    if let Some(model) = rows(&prices.get_marks(), marks(view, &hours)) {
        prices.set_marks(model);
    }
    bind_now(prices, view, price);
    prices.set_carbon(carbon(view, price));
    let runs: Vec<TileData> = price.map_or_else(Vec::new, |price| runs(view, price));
    let runs = runs
        .into_iter()
        .take(gauges::room_for_runs(prices))
        .collect();
    let bands = prices.get_has_bands() || prices.get_has_paid();
    prices.set_no_runs(match price {
        Some(_) if slots.len() > 1 && !bands => phrase(Say::FlatPrice, String::new()),
        Some(_) => phrase(Say::RunsUnknown, String::new()),
        None => Phrase::default(),
    });
    if let Some(model) = rows(&prices.get_runs(), runs) {
        prices.set_runs(model);
    }
    prices.set_tomorrow(announced(view));
}

/// An hour that began at a time, and its price where that is published.
type Hour<'a> = (Timestamp, Option<&'a Slot>);

fn has(slots: &[&Slot], band: api::Band) -> bool {
    slots.iter().any(|slot| slot.band == band)
}

/// Every hour of today and tomorrow by the home's clock. Empty when none of them has a price.
fn hours<'a>(view: &View, price: &'a Price) -> Vec<Hour<'a>> {
    let today = view.local().start_of_day();
    let end = today.clone().and_then(|today| today.checked_add(2.days()));
    let (Ok(today), Ok(end)) = (today, end) else {
        return Vec::new();
    };
    let (first, last) = (today.timestamp().as_second(), end.timestamp().as_second());
    // An older gateway tells the coming 24 hours alone.
    let told = || {
        price
            .days
            .iter()
            .flat_map(|day| &day.slots)
            .chain(price.slots.iter().filter(|_| price.days.is_empty()))
    };
    let mut hours: Vec<Hour<'a>> = (0..(last - first).div_euclid(HOUR_S).min(50))
        .filter_map(|hour| Some((Timestamp::from_second(first + hour * HOUR_S).ok()?, None)))
        .collect();
    for slot in told() {
        let index = (slot.start.as_second() - first).div_euclid(HOUR_S);
        if let Some(hour) = usize::try_from(index).ok().and_then(|i| hours.get_mut(i)) {
            hour.1 = Some(slot);
        }
    }
    if hours.iter().all(|(_, slot)| slot.is_none()) {
        return Vec::new();
    }
    hours
}

/// Stretches without a price.
fn gaps(hours: &[Hour<'_>]) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for (index, _) in (0..).zip(hours).filter(|(_, (_, slot))| slot.is_none()) {
        match gaps.last_mut() {
            Some(gap) if gap.from + gap.count == index => gap.count += 1,
            _ => gaps.push(Gap {
                from: index,
                count: 1,
            }),
        }
    }
    gaps
}

/// Slanting lines over an area, as the commands of a path.
pub(crate) fn hatching(width: i32, height: i32) -> String {
    const APART: usize = 12;
    let (width, height) = (width.clamp(0, 4_096), height.clamp(0, 4_096));
    let mut commands = String::new();
    for sum in (0..width + height).step_by(APART).skip(1) {
        // From the left or the lower edge to the upper or the right one.
        let (x0, y0) = ((sum - height).max(0), sum.min(height));
        let (x1, y1) = (sum.min(width), (sum - width).max(0));
        commands.push_str(&format!("M {x0} {y0} L {x1} {y1} "));
    }
    commands
}

/// Where now is, in bars.
fn now_at(view: &View, hours: &[Hour<'_>]) -> f32 {
    let Some((first, _)) = hours.first() else {
        return -1.0;
    };
    let past = (view.now.as_second() - first.as_second()).div_euclid(NOW_STEP_S);
    let bars = Decimal::from(past * NOW_STEP_S).checked_div(Decimal::from(HOUR_S));
    bars.and_then(|bars| bars.to_f32()).unwrap_or(-1.0)
}

/// The highest and the lowest price with their hours; one of them where all are equal.
fn bind_ends(prices: &Prices, view: &View, price: Option<&Price>, hours: &[Hour<'_>]) {
    let known = || {
        (0..)
            .zip(hours)
            .filter_map(|(index, (start, slot))| Some((index, *start, slot.as_ref()?.per_kwh)))
    };
    // The first of equals, both ways.
    let highest = known().rev_max();
    let lowest = known().min_by_key(|(_, _, per_kwh)| *per_kwh);
    let (Some(price), Some(highest), Some(lowest)) = (price, highest, lowest) else {
        prices.set_highest(Phrase::default());
        prices.set_lowest(Phrase::default());
        prices.set_highest_bar(-1);
        prices.set_lowest_bar(-1);
        return;
    };
    let text = |value| format::unit_price(value, &price.currency, view.language);
    let flat = highest.2 == lowest.2;
    let end = |say, (_, start, per_kwh): (i32, Timestamp, Decimal)| Phrase {
        say,
        a: text(per_kwh).into(),
        b: format::clock(start, &view.zone()).into(),
        ..Phrase::default()
    };
    prices.set_highest_bar(if flat { -1 } else { highest.0 });
    prices.set_lowest_bar(if flat { -1 } else { lowest.0 });
    if flat {
        prices.set_highest(phrase(Say::AllDay, text(highest.2)));
        prices.set_lowest(Phrase::default());
    } else {
        prices.set_highest(end(Say::HighestAt, highest));
        prices.set_lowest(end(Say::LowestAt, lowest));
    }
}

/// The greatest, and of equals the first.
trait RevMax: Iterator<Item = (i32, Timestamp, Decimal)> + Sized {
    fn rev_max(self) -> Option<Self::Item> {
        self.reduce(|best, next| if next.2 > best.2 { next } else { best })
    }
}

impl<I: Iterator<Item = (i32, Timestamp, Decimal)>> RevMax for I {}

/// The days' names at midnight, and noon.
fn marks(view: &View, hours: &[Hour<'_>]) -> Vec<AxisMark> {
    let today = view.local().date();
    let local = |at: &Timestamp| -> Zoned { at.to_zoned(view.zone()) };
    (0..)
        .zip(hours)
        .filter_map(|(bar, (start, _))| {
            let at = local(start);
            let text = match (at.hour(), at.minute()) {
                (0, 0) if at.date() == today => phrase(Say::Today, String::new()),
                (0, 0) => phrase(Say::Tomorrow, String::new()),
                (12, 0) => phrase(Say::Plain, format::clock(*start, &view.zone())),
                _ => return None,
            };
            Some(AxisMark {
                bar,
                midnight: at.hour() == 0,
                text,
            })
        })
        .collect()
}

/// What a kilowatt-hour emits now, and when it will emit least.
fn carbon(view: &View, price: Option<&Price>) -> Phrase {
    let Some(carbon) = price.and_then(|price| price.carbon.as_ref()) else {
        return Phrase::default();
    };
    let grams = |grams: Decimal| format::number(grams.round(), 0, view.language);
    let now = carbon.now_g.map_or_else(|| MISSING.to_owned(), grams);
    match &carbon.cleanest {
        None => phrase(Say::Carbon, now),
        Some(hour) => Phrase {
            b: format::clock(hour.start, &view.zone()).into(),
            c: grams(hour.g_per_kwh).into(),
            ..phrase(Say::CarbonLeast, now)
        },
    }
}

fn bind_now(prices: &Prices, view: &View, price: Option<&Price>) {
    let Some(price) = price else {
        prices.set_now(MISSING.into());
        prices.set_until(Phrase::default());
        return;
    };
    let text = |slot: &Slot| format::unit_price(slot.per_kwh, &price.currency, view.language);
    let told = || {
        price
            .now
            .iter()
            .chain(&price.slots)
            .chain(price.days.iter().flat_map(|day| &day.slots))
    };
    let holds = |slot: &&Slot| slot.start <= view.now && view.now < slot.end;
    let Some(current) = told().find(holds) else {
        prices.set_now(MISSING.into());
        prices.set_until(phrase(Say::PriceUnknown, String::new()));
        return;
    };
    let next = price
        .next
        .iter()
        .chain(&price.slots)
        .find(|slot| slot.start > view.now && slot.per_kwh != current.per_kwh);
    prices.set_now(text(current).into());
    prices.set_until(match next {
        Some(next) => Phrase {
            say: Say::PerKwhUntil,
            a: format::clock(next.start, &view.zone()).into(),
            b: text(next).into(),
            ..Phrase::default()
        },
        None => phrase(Say::PerKwh, String::new()),
    });
}

/// A tile for each length of a run.
fn runs(view: &View, price: &Price) -> Vec<TileData> {
    let kind = |hours| match hours {
        1 => Some(TileKind::Run1),
        2 => Some(TileKind::Run2),
        3 => Some(TileKind::Run3),
        4 => Some(TileKind::Run4),
        _ => None,
    };
    let text = |value| format::unit_price(value, &price.currency, view.language);
    price
        .runs
        .iter()
        .filter_map(|run| {
            let second = match run.saving_per_kwh {
                _ if run.best.start <= view.now => phrase(Say::StartNow, String::new()),
                Some(saving) => phrase(Say::Saves, text(saving)),
                None => phrase(Say::HardlyCheaper, String::new()),
            };
            Some(TileData {
                kind: kind(run.hours)?,
                value: format::clock(run.best.start, &view.zone()).into(),
                first: phrase(Say::PerKwhPrice, text(run.best.per_kwh)),
                second,
                stale: false,
            })
        })
        .collect()
}

/// What a meter tells of tomorrow's tariff, or of a peak.
fn announced(view: &View) -> Phrase {
    let told = view
        .state
        .iter()
        .flat_map(|state| &state.meters)
        .filter_map(|meter| meter.tariff.as_ref());
    let say = |tariff: &api::MeterTariff| match tariff.color_tomorrow.as_deref() {
        _ if tariff.peak == Some(true) => Some(Say::PeakNow),
        _ if tariff.peak_announced == Some(true) => Some(Say::PeakAnnounced),
        Some("blue") => Some(Say::TomorrowBlue),
        Some("white") => Some(Say::TomorrowWhite),
        Some("red") => Some(Say::TomorrowRed),
        _ => None,
    };
    told.filter_map(say)
        .next()
        .map_or_else(Phrase::default, |say| phrase(say, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;

    fn view(text: &str) -> View {
        View::of(serde_json::from_str(text).unwrap(), Language::English)
    }

    #[test]
    fn two_days_by_the_home_s_clock() {
        let mut view = view(include_str!("../../tests/fixtures/normal.json"));
        let price = view.state.clone().unwrap().price.unwrap();
        let known = |view: &View, price: &Price| {
            let hours = hours(view, price);
            let known = hours.iter().filter(|(_, slot)| slot.is_some()).count();
            (hours.len(), known)
        };
        assert_eq!(known(&view, &price), (48, 48));
        let told = hours(&view, &price);
        assert_eq!(now_at(&view, &told), 17.5);
        let names: Vec<(i32, Say)> = marks(&view, &told)
            .iter()
            .map(|mark| (mark.bar, mark.text.say))
            .collect();
        assert_eq!(
            names,
            [
                (0, Say::Today),
                (12, Say::Plain),
                (24, Say::Tomorrow),
                (36, Say::Plain)
            ]
        );
        // A gateway that tells the coming day alone, and a day on which the clock goes back.
        let older = Price {
            days: Vec::new(),
            ..price
        };
        assert_eq!(known(&view, &older), (48, 24));
        let gap = |from, count| Gap { from, count };
        assert_eq!(gaps(&hours(&view, &older)), [gap(0, 17), gap(41, 7)]);
        view.now = "2026-10-24T12:00:00Z".parse().unwrap();
        assert_eq!(hours(&view, &older).len(), 0, "none of them has a price");
    }

    #[test]
    fn slanting_lines_stay_inside() {
        assert_eq!(hatching(20, 10), "M 2 10 L 12 0 M 14 10 L 20 4 ");
        assert_eq!(hatching(0, -5), "");
    }
}
