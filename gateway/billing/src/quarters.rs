//! Readings of others as quarter-hours, so that history from before the gateway can stand beside its own.
//!
//! Counter readings become the amounts between them; an amount over more than a quarter-hour is spread
//! evenly, and its parts add up to it exactly. What is longer than a day says too little about when the
//! energy was used and is refused, as is what does not begin and end on quarter-hours.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::exact::shift;
use crate::readings::{ReadingQuality, SeriesKind, SeriesReadings};

/// Seconds of a quarter-hour.
const QUARTER_S: i64 = 900;
/// The longest span that is spread.
const LONGEST_S: i64 = 25 * 3600;
/// How many more decimals a part may have than the whole.
const MORE_DECIMALS: u32 = 3;

/// A quarter-hour: its amount, how far it can be believed and how it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarter {
    /// Energy or volume in the series' unit.
    pub amount: Decimal,
    /// That of the reading.
    pub quality: ReadingQuality,
    /// `import` or `import_spread`.
    pub method: &'static str,
}

/// What a series gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarters {
    /// By start, seconds since 1970.
    pub quarters: BTreeMap<i64, Quarter>,
    /// Readings that were passed over: off the quarter-hours, too long, falling or repeated.
    pub passed_over: usize,
}

/// The quarter-hours of a series. Of two readings of the same time the first counts.
#[must_use]
pub fn quarters(one: &SeriesReadings) -> Quarters {
    let mut found = Quarters::default();
    let mut spans: BTreeMap<i64, (i64, Decimal, ReadingQuality)> = BTreeMap::new();
    let mut counter: BTreeMap<i64, (Decimal, ReadingQuality)> = BTreeMap::new();
    for reading in &one.readings {
        let start = reading.time.at.as_second();
        let quality = reading.quality.unwrap_or(ReadingQuality::Actual);
        let value = shift(Decimal::from(reading.raw), one.series.scaler);
        let is_whole = reading.time.at.subsec_nanosecond() == 0 && start % QUARTER_S == 0;
        let Some(value) = value.filter(|_| is_whole) else {
            found.passed_over += 1;
            continue;
        };
        let known = match one.series.kind {
            SeriesKind::Register if counter.contains_key(&start) => true,
            SeriesKind::Register => counter.insert(start, (value, quality)).is_some(),
            SeriesKind::Interval if spans.contains_key(&start) => true,
            SeriesKind::Interval => {
                spans.insert(start, (reading.duration_s, value, quality));
                false
            }
        };
        found.passed_over += usize::from(known);
    }
    let mut before: Option<(i64, Decimal)> = None;
    for (at, (value, quality)) in counter {
        if let Some((from, opening)) = before {
            let gained = value
                .checked_sub(opening)
                .filter(|gained| !gained.is_sign_negative());
            match gained {
                Some(gained) => {
                    spans.insert(from, (at - from, gained, quality));
                }
                None => found.passed_over += 1,
            }
        }
        before = Some((at, value));
    }
    let mut end = i64::MIN;
    for (start, (length, amount, quality)) in spans {
        let fits = length > 0 && length % QUARTER_S == 0 && length <= LONGEST_S && start >= end;
        if !fits {
            found.passed_over += 1;
            continue;
        }
        end = start + length;
        spread(
            start,
            length / QUARTER_S,
            amount,
            quality,
            &mut found.quarters,
        );
    }
    found
}

fn spread(
    start: i64,
    count: i64,
    amount: Decimal,
    quality: ReadingQuality,
    out: &mut BTreeMap<i64, Quarter>,
) {
    let part = (amount / Decimal::from(count)).trunc_with_scale(amount.scale() + MORE_DECIMALS);
    let method = if count == 1 {
        "import"
    } else {
        "import_spread"
    };
    let mut rest = amount;
    for place in 0..count {
        // The last one takes what is left, so that the parts are the whole.
        let amount = if place + 1 == count { rest } else { part };
        rest -= amount;
        let quarter = Quarter {
            amount: amount.normalize(),
            quality,
            method,
        };
        out.insert(start + place * QUARTER_S, quarter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readings::read;

    fn of(kind: &str, readings: &[(&str, i64, i64)]) -> Quarters {
        let mut text = format!(
            r#"{{"record":"series","series":1,"register":"R","kind":"{kind}","unit":"Wh","scaler":-1}}"#
        );
        for (time, duration, raw) in readings {
            text.push_str(&format!(
                "\n{{\"record\":\"reading\",\"series\":1,\"time\":\"{time}\",\"duration_s\":{duration},\"raw\":{raw}}}"
            ));
        }
        quarters(&read(&text).unwrap()[0])
    }

    fn amounts(found: &Quarters) -> Vec<String> {
        found
            .quarters
            .values()
            .map(|quarter| quarter.amount.to_string())
            .collect()
    }

    #[test]
    fn an_hour_is_spread_and_loses_nothing() {
        let found = of(
            "interval",
            &[
                ("2026-01-01T00:00:00Z", 3600, 10001),
                ("2026-01-01T01:00:00Z", 900, 7),
            ],
        );
        assert_eq!(
            amounts(&found),
            ["250.025", "250.025", "250.025", "250.025", "0.7"]
        );
        let day = of("interval", &[("2026-01-01T00:00:00Z", 86_400, 1)]);
        assert_eq!(day.quarters.len(), 96);
        assert_eq!(
            day.quarters
                .values()
                .map(|quarter| quarter.amount)
                .sum::<Decimal>(),
            Decimal::new(1, 1)
        );
    }

    #[test]
    fn counters_become_what_they_gained() {
        let found = of(
            "register",
            &[
                ("2026-01-01T00:00:00Z", 0, 1000),
                ("2026-01-01T00:15:00Z", 0, 1012),
                ("2026-01-01T00:45:00Z", 0, 1032),
                ("2026-01-01T01:00:00Z", 0, 5),
                ("2026-01-01T01:07:00Z", 0, 6),
            ],
        );
        assert_eq!(amounts(&found), ["1.2", "1", "1"]);
        // The one that fell, and the one off the quarter-hour.
        assert_eq!(found.passed_over, 2);
    }

    #[test]
    fn overlapping_and_month_long_amounts_are_passed_over() {
        let found = of(
            "interval",
            &[
                ("2026-01-01T00:00:00Z", 3600, 40),
                ("2026-01-01T00:30:00Z", 900, 40),
                ("2026-02-01T00:00:00Z", 31 * 86_400, 40),
                ("2026-01-01T00:00:00Z", 3600, 80),
            ],
        );
        assert_eq!((found.quarters.len(), found.passed_over), (4, 3));
    }
}
