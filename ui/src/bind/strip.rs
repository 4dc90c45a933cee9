//! The price strip: 24 hours from the one we are in.

use super::{View, phrase, rows};
use crate::format;
use crate::generated::{Band, Bar, HourMark, Now, Phrase, Say};
use jiff::{Timestamp, ToSpan};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use wattle_api as api;
use wattle_api::{Price, Slot};

const HOURS: usize = 24;
const HOUR_S: i64 = 3_600;

pub(super) fn bind(now: &Now, view: &View) {
    let start = this_hour(view);
    let price = view.state.as_ref().and_then(|state| state.price.as_ref());
    let hours = hours(price, start);
    let scale = Scale::of(&hours);
    let bars: Vec<Bar> = hours.iter().map(|slot| bar(*slot, &scale)).collect();
    let (from, count) = cheapest(price, start);
    let top = bars
        .iter()
        .skip(from)
        .take(count)
        .map(|bar| bar.top)
        .fold(1.0, f32::min);
    if let Some(model) = rows(&now.get_bars(), bars) {
        now.set_bars(model);
    }
    if let Some(model) = rows(&now.get_marks(), marks(view, start)) {
        now.set_marks(model);
    }
    now.set_zero(scale.zero());
    now.set_cheapest_from(i32::try_from(from).unwrap_or(0));
    now.set_cheapest_hours(i32::try_from(count).unwrap_or(0));
    now.set_cheapest_top(if count > 0 { top } else { 0.0 });
    let (highest, lowest) = ends(view, price, &hours);
    now.set_highest(highest);
    now.set_lowest(lowest);
}

/// The start of the local hour, which in some zones is not a whole hour of UTC.
fn this_hour(view: &View) -> Timestamp {
    let local = view.local();
    let past = i64::from(local.minute()) * 60 + i64::from(local.second());
    Timestamp::from_second(view.now.as_second() - past).unwrap_or(view.now)
}

/// How many whole hours `at` is after `start`, if it is among the hours shown or just at their end.
fn index(at: Timestamp, start: Timestamp) -> Option<usize> {
    let index = (at.as_second() - start.as_second()).div_euclid(HOUR_S);
    usize::try_from(index).ok().filter(|index| *index <= HOURS)
}

/// The slot of each hour, where it has a published price.
fn hours(price: Option<&Price>, start: Timestamp) -> Vec<Option<&Slot>> {
    let mut hours = vec![None; HOURS];
    for slot in price.into_iter().flat_map(|price| &price.slots) {
        if let Some(hour) = index(slot.start, start).and_then(|index| hours.get_mut(index)) {
            *hour = Some(slot);
        }
    }
    hours
}

/// The value axis. It always holds zero.
pub(super) struct Scale {
    highest: Decimal,
    range: Decimal,
}

impl Scale {
    /// Between two values, one of which may be zero.
    pub(super) fn between(lowest: Decimal, highest: Decimal) -> Self {
        Self {
            highest,
            range: highest - lowest,
        }
    }

    fn of(hours: &[Option<&Slot>]) -> Self {
        let prices = || hours.iter().flatten().map(|slot| slot.per_kwh);
        let highest = prices().fold(Decimal::ZERO, Decimal::max);
        let lowest = prices().fold(Decimal::ZERO, Decimal::min);
        Self::between(lowest, highest)
    }

    /// Where a price is, as a share of the plot from its top.
    pub(super) fn place(&self, price: Decimal) -> f32 {
        (self.highest - price)
            .checked_div(self.range)
            .and_then(|share| share.to_f32())
            .unwrap_or(1.0)
    }

    pub(super) fn zero(&self) -> f32 {
        self.place(Decimal::ZERO)
    }
}

pub(super) fn bar(slot: Option<&Slot>, scale: &Scale) -> Bar {
    let Some(slot) = slot else {
        return Bar {
            known: false,
            band: Band::Normal,
            top: 0.0,
            height: 1.0,
        };
    };
    let (price, zero) = (scale.place(slot.per_kwh), scale.zero());
    Bar {
        known: true,
        band: match slot.band {
            api::Band::PaidToUse => Band::PaidToUse,
            api::Band::Cheap => Band::Cheap,
            api::Band::Normal => Band::Normal,
            api::Band::Dear => Band::Dear,
        },
        top: price.min(zero),
        height: (price - zero).abs(),
    }
}

/// First hour and number of hours of the cheapest stretch, as far as it still lies ahead.
fn cheapest(price: Option<&Price>, start: Timestamp) -> (usize, usize) {
    let Some(window) = price.and_then(|price| price.cheapest.as_ref()) else {
        return (0, 0);
    };
    match (index(window.start, start), index(window.end, start)) {
        (Some(from), Some(end)) if end > from => (from, end - from),
        _ => (0, 0),
    }
}

/// The hours 00, 06, 12 and 18 of the home's clock.
fn marks(view: &View, start: Timestamp) -> Vec<HourMark> {
    let zone = view.zone();
    (0..24_i32)
        .filter_map(|hour| {
            let local = start
                .checked_add(i64::from(hour).hours())
                .ok()?
                .to_zoned(zone.clone());
            (local.hour() % 6 == 0 && local.minute() == 0).then(|| HourMark {
                hour,
                text: local.strftime("%H").to_string().into(),
            })
        })
        .collect()
}

/// The highest and the lowest price shown; one of them where all are equal.
fn ends(view: &View, price: Option<&Price>, hours: &[Option<&Slot>]) -> (Phrase, Phrase) {
    let prices = || hours.iter().flatten().map(|slot| slot.per_kwh);
    let (Some(price), Some(highest), Some(lowest)) = (price, prices().max(), prices().min()) else {
        return (phrase(Say::NoPrices, String::new()), Phrase::default());
    };
    let text = |value| format::unit_price(value, &price.currency, view.language);
    if highest == lowest {
        return (phrase(Say::AllDay, text(highest)), Phrase::default());
    }
    (
        phrase(Say::Highest, text(highest)),
        phrase(Say::Lowest, text(lowest)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::Link;
    use crate::format::Language;
    use wattle_api::State;

    fn view(zone: &str, now: &str) -> View {
        let text = include_str!("../../tests/fixtures/prices_unknown.json");
        let mut state: State = serde_json::from_str(text).unwrap();
        state.gateway.time_zone = zone.to_owned();
        View {
            state: Some(state),
            now: now.parse().unwrap(),
            link: Link::Up,
            language: Language::English,
            answers: crate::bind::Answers::default(),
        }
    }

    fn labels(zone: &str, now: &str) -> Vec<(i32, String)> {
        let view = view(zone, now);
        let marks = marks(&view, this_hour(&view));
        marks
            .into_iter()
            .map(|mark| (mark.hour, mark.text.to_string()))
            .collect()
    }

    fn named(hours: [(i32, &str); 4]) -> Vec<(i32, String)> {
        hours.map(|(hour, text)| (hour, text.to_owned())).into()
    }

    #[test]
    fn labels_follow_the_home_s_clock() {
        let winter = named([(1, "18"), (7, "00"), (13, "06"), (19, "12")]);
        assert_eq!(labels("Europe/London", "2026-11-20T17:30:00Z"), winter);
        // The clock goes back at 02:00: midnight to six lasts seven hours.
        let autumn = named([(1, "18"), (7, "00"), (14, "06"), (20, "12")]);
        assert_eq!(labels("Europe/London", "2026-10-24T16:30:00Z"), autumn);
        // Half an hour off: 17:30 UTC is 23:00 there.
        let half = named([(1, "00"), (7, "06"), (13, "12"), (19, "18")]);
        assert_eq!(labels("Asia/Kolkata", "2026-11-20T17:45:00Z"), half);
    }

    #[test]
    fn an_hour_without_a_price_stays_unknown() {
        let later = view("Europe/London", "2026-11-20T19:30:00Z");
        let start = this_hour(&later);
        let price = later.state.as_ref().unwrap().price.as_ref();
        let known: Vec<bool> = hours(price, start).iter().map(Option::is_some).collect();
        assert_eq!(
            known.iter().filter(|known| **known).count(),
            5,
            "two of seven have passed"
        );
        assert!(known[..5].iter().all(|known| *known));
        assert_eq!(cheapest(price, start), (3, 2));
    }

    #[test]
    fn bars_stand_on_zero() {
        let slot = |price: &str| Slot {
            start: Timestamp::UNIX_EPOCH,
            end: Timestamp::UNIX_EPOCH,
            per_kwh: price.parse().unwrap(),
            band: api::Band::Normal,
        };
        let (dear, paid) = (slot("0.30"), slot("-0.10"));
        let scale = Scale::of(&[Some(&dear), None, Some(&paid)]);
        assert_eq!(scale.zero(), 0.75);
        let ends = |bar: Bar| (bar.top, bar.height);
        assert_eq!(ends(bar(Some(&dear), &scale)), (0.0, 0.75));
        assert_eq!(ends(bar(Some(&paid), &scale)), (0.75, 0.25));
        assert!(!bar(None, &scale).known);
        // Nothing known, or everything for nothing: the line is at the foot.
        assert_eq!(Scale::of(&[None]).zero(), 1.0);
    }
}
