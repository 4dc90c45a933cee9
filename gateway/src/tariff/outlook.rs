//! The prices of the coming day: slots, their bands, and the cheapest stretch.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rust_decimal::Decimal;
use wattle_api::{Band, Carbon, CleanHour, Price, PriceDay, Run, Slot, Window};
use wattle_billing::tariff::PriceSlot;
use wattle_billing::time::{self, Span};
use wattle_billing::window;

use super::Tariff;

/// Hours that the outlook shows.
const HOURS: i64 = 24;
/// Length of the cheapest stretch that is looked for, in slots.
const WINDOW_SLOTS: usize = 2;
/// Lengths of the runs that the cheapest time is looked for, in hours.
const RUNS: [u8; 4] = [1, 2, 3, 4];
/// A saving below this, per kWh or of a run, is not worth the wait.
pub(crate) const LEAST_SAVING: Decimal = Decimal::from_parts(5, 0, 0, false, 2);

/// What the tariff says about now and the next 24 hours.
#[must_use]
pub fn price(tariff: &Tariff, now: Timestamp, home: &TimeZone) -> Price {
    let prices = hourly(tariff, now, home);
    let bands = Bands::of(prices.iter().map(|(_, _, per_kwh)| *per_kwh));
    let slots: Vec<Slot> = prices.iter().map(|hour| bands.slot(hour)).collect();
    Price {
        currency: tariff.currency.clone().unwrap_or_default(),
        tariff: tariff.name.clone(),
        now: slot_at(tariff, now, &bands),
        next: tariff
            .next_change(now, SignedDuration::from_hours(HOURS))
            .and_then(|change| slot_at(tariff, change, &bands)),
        cheapest: if bands.flat {
            None
        } else {
            cheapest_window(&slots, WINDOW_SLOTS)
        },
        days: days(tariff, now, home, &bands),
        runs: if bands.flat {
            Vec::new()
        } else {
            RUNS.iter()
                .filter_map(|hours| run(tariff, now, *hours))
                .collect()
        },
        carbon: carbon(tariff, now, home),
        slots,
    }
}

/// What a kWh emits now, and the hour from now on in which it emits least.
fn carbon(tariff: &Tariff, now: Timestamp, home: &TimeZone) -> Option<Carbon> {
    let grams = |slot: &PriceSlot| slot.ghg;
    let now_g = tariff.slot_at(now).and_then(|slot| slot.ghg);
    let (first, end) = next_hours(now, home)?;
    let hours: Vec<Hour> = whole_hours(first, end)
        .filter_map(|span| Some((span.start, span.end, mean_of(tariff, &span, grams)?)))
        .collect();
    let most = hours.iter().map(|(_, _, grams)| *grams).max();
    let least = hours.iter().min_by_key(|(_, _, grams)| *grams);
    let cleanest = least.filter(|(_, _, grams)| most > Some(*grams));
    let known = now_g.is_some() || most.is_some();
    known.then(|| Carbon {
        now_g: now_g.map(|grams| grams.normalize()),
        cleanest: cleanest.map(|(start, end, grams)| CleanHour {
            start: *start,
            end: *end,
            g_per_kwh: grams.round_dp(1).normalize(),
        }),
    })
}

/// Today and tomorrow, as far as they have prices.
fn days(tariff: &Tariff, now: Timestamp, home: &TimeZone, bands: &Bands) -> Vec<PriceDay> {
    let today = time::local_date(now, home);
    let day = |date: Date| {
        let start = time::day_start(date, home)?;
        let end = time::day_start(date.tomorrow().ok()?, home)?;
        let slots: Vec<Slot> = hours(tariff, start, end)
            .iter()
            .map(|hour| bands.slot(hour))
            .collect();
        (!slots.is_empty()).then_some(PriceDay {
            date,
            start,
            end,
            slots,
        })
    };
    [Some(today), today.tomorrow().ok()]
        .into_iter()
        .flatten()
        .filter_map(day)
        .collect()
}

/// The cheapest time within the next 24 hours for a run of so many hours, on the price's own grid
/// or at once.
fn run(tariff: &Tariff, now: Timestamp, hours: u8) -> Option<Run> {
    let until = now.checked_add(SignedDuration::from_hours(HOURS)).ok()?;
    let (best, now_per_kwh) = cheapest_run(tariff, now, until, u32::from(hours) * 60)?;
    let average = best.per_kwh;
    Some(Run {
        hours,
        best,
        now_per_kwh: now_per_kwh.map(|per_kwh| per_kwh.normalize()),
        saving_per_kwh: now_per_kwh
            .and_then(|per_kwh| per_kwh.checked_sub(average))
            .filter(|saving| *saving >= LEAST_SAVING)
            .map(|saving| saving.normalize()),
    })
}

/// The cheapest time from now on for something that runs so many minutes and is over by `until`, on
/// the price's own grid or at once, and the mean price per kWh of a start now.
pub(crate) fn cheapest_run(
    tariff: &Tariff,
    now: Timestamp,
    until: Timestamp,
    minutes: u32,
) -> Option<(Window, Option<Decimal>)> {
    let horizon = Span::new(now, until)?;
    let slots = window::priced(tariff, &tariff.slots(&horizon)).ok()?;
    let best = window::cheapest(&slots, minutes, Some(&horizon)).ok()??;
    let length = SignedDuration::from_mins(i64::from(minutes));
    let now_per_kwh = mean(tariff, &Span::new(now, now.checked_add(length).ok()?)?);
    let window = Window {
        start: best.span.start,
        end: best.span.end,
        per_kwh: best.average.normalize(),
    };
    Some((window, now_per_kwh))
}

/// The contiguous run of `count` slots with the lowest mean, ties to the earliest.
#[must_use]
pub fn cheapest_window(slots: &[Slot], count: usize) -> Option<Window> {
    let contiguous = |run: &&[Slot]| {
        run.windows(2)
            .all(|pair| matches!(pair, [a, b] if a.end == b.start))
    };
    let total = |run: &[Slot]| run.iter().map(|slot| slot.per_kwh).sum::<Decimal>();
    let best = slots
        .windows(count.max(1))
        .filter(contiguous)
        .min_by_key(|run| total(run))?;
    let per_kwh = total(best).checked_div(Decimal::from(best.len()))?;
    Some(Window {
        start: best.first()?.start,
        end: best.last()?.end,
        per_kwh,
    })
}

/// The stretch of one price that holds `at`, as far as it is known.
fn slot_at(tariff: &Tariff, at: Timestamp, bands: &Bands) -> Option<Slot> {
    let per_kwh = tariff.per_kwh(at)?;
    let horizon = SignedDuration::from_hours(HOURS);
    let end = tariff
        .next_change(at, horizon)
        .or_else(|| at.checked_add(horizon).ok())?;
    Some(Slot {
        start: at,
        end,
        per_kwh,
        band: bands.band(per_kwh),
    })
}

/// An hour and its time-weighted mean price.
type Hour = (Timestamp, Timestamp, Decimal);

/// Local hours from the one that holds `now`; one that is not wholly priced is left out.
fn hourly(tariff: &Tariff, now: Timestamp, home: &TimeZone) -> Vec<Hour> {
    next_hours(now, home).map_or_else(Vec::new, |(first, end)| hours(tariff, first, end))
}

/// From the start of the local hour that holds `now` as far as the outlook shows.
fn next_hours(now: Timestamp, home: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let zoned = now.to_zoned(home.clone());
    let past =
        SignedDuration::from_secs(i64::from(zoned.minute()) * 60 + i64::from(zoned.second()))
            + SignedDuration::from_nanos(i64::from(zoned.subsec_nanosecond()));
    let first = now.checked_sub(past).ok()?;
    let end = first.checked_add(SignedDuration::from_hours(HOURS)).ok()?;
    Some((first, end))
}

/// The hours of a stretch, without those that are not wholly priced.
fn hours(tariff: &Tariff, first: Timestamp, end: Timestamp) -> Vec<Hour> {
    whole_hours(first, end)
        .filter_map(|span| Some((span.start, span.end, mean(tariff, &span)?)))
        .collect()
}

fn whole_hours(first: Timestamp, end: Timestamp) -> impl Iterator<Item = Span> {
    (0..end.duration_since(first).as_hours()).filter_map(move |hour| {
        let start = first.checked_add(SignedDuration::from_hours(hour)).ok()?;
        let end = start.checked_add(SignedDuration::from_hours(1)).ok()?;
        Span::new(start, end)
    })
}

/// Time-weighted mean of the all-in price over a span that is wholly priced.
fn mean(tariff: &Tariff, span: &Span) -> Option<Decimal> {
    mean_of(tariff, span, |slot| {
        tariff.all_in(slot.base, slot.span.start).ok()
    })
}

/// Time-weighted mean over a span of which every slot has the value.
fn mean_of(
    tariff: &Tariff,
    span: &Span,
    value: impl Fn(&PriceSlot) -> Option<Decimal>,
) -> Option<Decimal> {
    let (mut weighted, mut seconds) = (Decimal::ZERO, 0);
    for slot in tariff.slots(span) {
        let length = slot.span.seconds();
        weighted = weighted.checked_add(value(&slot)?.checked_mul(Decimal::from(length))?)?;
        seconds += length;
    }
    let whole = seconds == span.seconds();
    whole.then(|| weighted.checked_div(Decimal::from(seconds)))?
}

/// Limits of the bands: cheap up to the 33rd percentile, dear from the 67th, all normal when the
/// range is below 15 % of the mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bands {
    cheap: Decimal,
    dear: Decimal,
    flat: bool,
}

impl Bands {
    /// Those of a local day, by the price at the start of each of its hours.
    pub(crate) fn of_day(tariff: &Tariff, date: Date, home: &TimeZone) -> Option<Self> {
        let start = time::day_start(date, home)?.as_second();
        let end = time::day_start(date.tomorrow().ok()?, home)?.as_second();
        let hours = (start..end).step_by(3600);
        Some(Self::of(hours.filter_map(|at| {
            tariff.per_kwh(Timestamp::from_second(at).ok()?)
        })))
    }

    /// All prices are nearly equal.
    pub(crate) const fn is_flat(&self) -> bool {
        self.flat
    }

    fn of(prices: impl Iterator<Item = Decimal>) -> Self {
        let mut sorted: Vec<Decimal> = prices.collect();
        sorted.sort();
        let (Some(low), Some(high)) = (sorted.first().copied(), sorted.last().copied()) else {
            return Self {
                cheap: Decimal::MIN,
                dear: Decimal::MAX,
                flat: true,
            };
        };
        let mean = sorted.iter().sum::<Decimal>() / Decimal::from(sorted.len());
        let flat = high - low < mean.abs() * Decimal::new(15, 2);
        Self {
            cheap: percentile(&sorted, 33),
            dear: percentile(&sorted, 67),
            flat,
        }
    }

    fn slot(&self, (start, end, per_kwh): &Hour) -> Slot {
        Slot {
            start: *start,
            end: *end,
            per_kwh: *per_kwh,
            band: self.band(*per_kwh),
        }
    }

    /// With two prices both percentiles may fall on the same one: then it is what the price is
    /// compared with the other that counts, and the lower is never called dear.
    pub(crate) fn band(&self, per_kwh: Decimal) -> Band {
        if per_kwh < Decimal::ZERO {
            Band::PaidToUse
        } else if self.flat {
            Band::Normal
        } else if per_kwh <= self.cheap && per_kwh < self.dear {
            Band::Cheap
        } else if per_kwh >= self.dear && per_kwh > self.cheap {
            Band::Dear
        } else {
            Band::Normal
        }
    }
}

/// The nearest-rank percentile of a sorted list.
fn percentile(sorted: &[Decimal], percent: usize) -> Decimal {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted
        .get(rank - 1)
        .or(sorted.last())
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(prices: &[i64]) -> Vec<Slot> {
        let bands = Bands::of(prices.iter().map(|&p| Decimal::new(p, 2)));
        (0..)
            .zip(prices)
            .map(|(hour, &p)| Slot {
                start: Timestamp::from_second(hour * 3600).unwrap(),
                end: Timestamp::from_second((hour + 1) * 3600).unwrap(),
                per_kwh: Decimal::new(p, 2),
                band: bands.band(Decimal::new(p, 2)),
            })
            .collect()
    }

    #[test]
    fn bands_split_in_thirds() {
        let found: Vec<Band> = slots(&[10, 20, 30, 40, 50, 60])
            .iter()
            .map(|slot| slot.band)
            .collect();
        assert_eq!(
            found,
            [
                Band::Cheap,
                Band::Cheap,
                Band::Normal,
                Band::Normal,
                Band::Dear,
                Band::Dear
            ]
        );
        assert!(
            slots(&[30, 31, 32])
                .iter()
                .all(|slot| slot.band == Band::Normal)
        );
        assert_eq!(slots(&[-5, 30, 40])[0].band, Band::PaidToUse);
    }

    #[test]
    fn the_cheapest_window_is_the_earliest_of_equals() {
        let window = cheapest_window(&slots(&[30, 10, 10, 30, 10, 10]), 2).unwrap();
        assert_eq!(window.start.as_second(), 3600);
        assert_eq!(window.per_kwh, Decimal::new(10, 2));
        assert!(cheapest_window(&slots(&[30]), 2).is_none());
    }

    /// 0.10 from 22:00 to 06:00 and 0.30 otherwise, in winter an hour ahead of UTC.
    fn two_prices() -> Tariff {
        let text = r#"
            version = 1
            name = "two prices"
            currency = "EUR"
            zone = "Europe/Berlin"
            [bands.night]
            rate = "0.10"
            [bands.day]
            rate = "0.30"
            [[schedule]]
            band = "night"
            from = "22:00"
            to = "06:00"
            [[schedule]]
            band = "day"
        "#;
        let options = wattle_billing::tariff::LoadOptions::default();
        let path = std::path::Path::new("t.toml");
        wattle_billing::tariff::parse(text, path, &options, &|_| unreachable!()).unwrap()
    }

    fn told(at: &str) -> Price {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        price(&two_prices(), at.parse().unwrap(), &zone)
    }

    #[test]
    fn the_cleanest_hour_is_found_where_the_document_says_it() {
        let interval = |id: u32, grams: u32| {
            format!(
                r#"{{"id":{id},"payloads":[{{"type":"PRICE","values":[0.3]}},{{"type":"GHG","values":[{grams}]}}]}}"#
            )
        };
        // Half-hours from 17:00 UTC on: 200 g, but 90 and 110 g from 19:00 to 20:00.
        let grams = [200, 200, 200, 200, 90, 110, 200, 200];
        let intervals: Vec<String> = (0..).zip(grams).map(|(id, g)| interval(id, g)).collect();
        let document = |intervals: &str| {
            format!(
                r#"{{"objectType":"EVENT","programID":"p","intervalPeriod":{{"start":"2026-11-20T17:00:00Z","duration":"PT30M"}},"intervals":[{intervals}]}}"#
            )
        };
        let text = "version = 1\nname = \"t\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n\
            [source]\nformat = \"openadr3\"\nfile = \"events.json\"\n";
        let path = std::path::Path::new("t.toml");
        let options = wattle_billing::tariff::LoadOptions::default();
        let of = |document: String| {
            let read = |_: &std::path::Path| Ok(document.clone());
            let tariff = wattle_billing::tariff::parse(text, path, &options, &read).unwrap();
            let now = "2026-11-20T17:40:00Z".parse().unwrap();
            carbon(&tariff, now, &TimeZone::get("Europe/Berlin").unwrap())
        };
        let found = of(document(&intervals.join(","))).unwrap();
        let cleanest = found.cleanest.unwrap();
        assert_eq!(found.now_g, Some(Decimal::from(200)));
        assert_eq!(cleanest.start.to_string(), "2026-11-20T19:00:00Z");
        assert_eq!(cleanest.g_per_kwh, Decimal::from(100));
        let silent = document(&intervals.join(",").replace("GHG", "OTHER"));
        assert_eq!(of(silent), None);
        let alike = document(
            &intervals
                .join(",")
                .replace("[90]", "[200]")
                .replace("[110]", "[200]"),
        );
        assert_eq!(of(alike).unwrap().cleanest, None);
    }

    #[test]
    fn days_are_those_of_the_home() {
        let days = told("2026-11-20T17:30:00Z").days;
        let ends: Vec<(String, usize)> = days
            .iter()
            .map(|day| (day.start.to_string(), day.slots.len()))
            .collect();
        assert_eq!(
            ends,
            [
                ("2026-11-19T23:00:00Z".to_owned(), 24),
                ("2026-11-20T23:00:00Z".to_owned(), 24)
            ]
        );
        assert_eq!(days[0].slots[5].band, Band::Cheap);
        assert_eq!(days[0].slots[6].band, Band::Dear);
        // The clock goes back at three: that day has 25 hours.
        let autumn = told("2026-10-24T12:00:00Z").days;
        assert_eq!(autumn[1].slots.len(), 25);
    }

    #[test]
    fn a_run_is_told_with_what_waiting_saves() {
        let runs = told("2026-11-20T17:30:00Z").runs;
        let lines: Vec<(u8, String, String, Option<String>)> = runs
            .iter()
            .map(|run| {
                (
                    run.hours,
                    run.best.start.to_string(),
                    run.best.per_kwh.to_string(),
                    run.saving_per_kwh.map(|saving| saving.to_string()),
                )
            })
            .collect();
        // Four hours from now are half an hour of night already.
        let expected = [(1, "0.2"), (2, "0.2"), (3, "0.2"), (4, "0.175")].map(|(hours, saving)| {
            let night = "2026-11-20T21:00:00Z".to_owned();
            (hours, night, "0.1".to_owned(), Some(saving.to_owned()))
        });
        assert_eq!(lines, expected);
        // At night there is nothing to wait for; four hours later it would reach into the day.
        let runs = told("2026-11-21T02:07:00Z").runs;
        let first = &runs[0];
        assert_eq!(first.best.start.to_string(), "2026-11-21T02:07:00Z");
        assert_eq!(
            (first.now_per_kwh, first.saving_per_kwh),
            (Some(Decimal::new(1, 1)), None)
        );
        assert_eq!(runs[3].best.start.to_string(), "2026-11-21T21:00:00Z");
    }
}
