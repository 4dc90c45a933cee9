//! Validation and estimation: one case per rule with the limit it states, and properties.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use wattle_billing::readings::{Flow, Reading, Series, SeriesKind, SeriesReadings, SourceTime};
use wattle_billing::time::quarter_hours;
use wattle_billing::vee::{
    ClockDrift, Config, Dials, HighUsage, Inactive, LowUsage, Report, check,
};

const START: i64 = 1_772_409_600; // 2026-03-02T00:00:00Z, a Monday

fn at(quarter: i64) -> SourceTime {
    SourceTime::utc(Timestamp::from_second(START + quarter * 900).unwrap())
}

fn series(number: u64, kind: SeriesKind) -> Series {
    Series {
        series: number,
        meter: Some("M".to_owned()),
        register: "R".to_owned(),
        obis: Some("1-0:1.8.0".to_owned()),
        kind,
        flow: Some(Flow::Import),
        unit: "Wh".to_owned(),
        scaler: 0,
        interval_s: (kind == SeriesKind::Interval).then_some(900),
    }
}

/// Quarter-hours from the start on; `None` is missing.
fn intervals(values: &[Option<i64>]) -> SeriesReadings {
    let reading =
        |(place, value): (i64, &Option<i64>)| value.map(|raw| Reading::new(1, at(place), 900, raw));
    SeriesReadings {
        series: series(1, SeriesKind::Interval),
        readings: (0..).zip(values).filter_map(reading).collect(),
    }
}

fn counter(readings: &[(i64, i64)]) -> SeriesReadings {
    let reading = |(place, raw): &(i64, i64)| Reading::new(2, at(*place), 0, *raw);
    SeriesReadings {
        series: series(2, SeriesKind::Register),
        readings: readings.iter().map(reading).collect(),
    }
}

fn all(values: Vec<i64>) -> Vec<Option<i64>> {
    values.into_iter().map(Some).collect()
}

/// Rule, count, and the place it begins at.
fn told(report: &Report) -> Vec<(&'static str, usize, i64)> {
    let place = |time: SourceTime| (time.at.as_second() - START) / 900;
    report
        .findings
        .iter()
        .map(|f| (f.rule.name(), f.count, place(f.from)))
        .collect()
}

#[test]
fn each_rule_hits_at_its_limit_and_not_before() {
    let config = Config::default();
    let day = |changed: &[(usize, i64)]| {
        let mut values = vec![100; 96];
        for (place, value) in changed {
            values[*place] = *value;
        }
        all(values)
    };
    // California VEE Rev 2.0, spike check: 180 % above the third highest of the day.
    let spike = |highest| told(&check(&[intervals(&day(&[(40, highest)]))], &config)[0]);
    assert_eq!(spike(280), []);
    assert_eq!(spike(281), [("spike", 1, 40)]);
    // Zero for 24 hours.
    let zeros = |count: usize| {
        let mut values = vec![5; 200];
        values[10..10 + count].fill(0);
        told(&check(&[intervals(&all(values))], &config)[0])
    };
    assert_eq!(zeros(95), []);
    assert_eq!(zeros(96), [("zero_run", 96, 10)]);
    // Sum check: more than 2 raw units and more than a thousandth.
    let sum = |gained: i64| {
        told(
            &check(
                &[intervals(&day(&[])), counter(&[(0, 50), (96, 50 + gained)])],
                &config,
            )[0],
        )
    };
    assert_eq!(sum(9_609), []);
    assert_eq!(sum(9_610), [("sum_check", 96, 0)]);
    assert_eq!(sum(9_591), []);
    assert_eq!(sum(9_590), [("sum_check", 96, 0)]);
    assert_eq!(
        told(&check(&[intervals(&day(&[(7, -1)]))], &config)[0]),
        [("negative", 1, 7)]
    );
    // Order, repetition and length.
    let mut odd = intervals(&day(&[]));
    odd.readings.swap(5, 6);
    odd.readings.push(odd.readings[3].clone());
    odd.readings[20].duration_s = 1800;
    assert_eq!(
        told(&check(&[odd], &config)[0]),
        [
            ("duplicate", 1, 3),
            ("out_of_order", 1, 5),
            ("interval_size", 1, 20)
        ]
    );
}

#[test]
fn rules_that_are_off_until_configured() {
    let days = |last: i64| {
        let mut values = vec![100; 96 * 6];
        values[96 * 5..].fill(last);
        intervals(&all(values))
    };
    let high = Config {
        high_usage: Some(HighUsage::default()),
        ..Config::default()
    };
    assert_eq!(told(&check(&[days(250)], &high)[0]), []);
    assert_eq!(
        told(&check(&[days(251)], &high)[0]),
        [("high_usage", 96, 480)]
    );
    let low = Config {
        low_usage: Some(LowUsage::default()),
        ..Config::default()
    };
    assert_eq!(told(&check(&[days(40)], &low)[0]), []);
    assert_eq!(told(&check(&[days(39)], &low)[0]), [("low_usage", 96, 480)]);
    let inactive = Config {
        inactive: Some(Inactive { raw_per_day: 9_600 }),
        ..Config::default()
    };
    assert_eq!(told(&check(&[days(100)], &inactive)[0]), []);
    assert_eq!(
        told(&check(&[days(101)], &inactive)[0]),
        [("inactive", 96, 480)]
    );
    // TR-03109-1: 3 % of a quarter-hour are 27 s.
    let drift = Config {
        clock_drift: Some(ClockDrift::default()),
        ..Config::default()
    };
    let late = |seconds: i64| {
        let mut one = intervals(&all(vec![1; 8]));
        one.readings[4].captured_at = Some(one.readings[4].time.after_s(seconds));
        told(&check(&[one], &drift)[0])
    };
    assert_eq!(late(-27), []);
    assert_eq!(late(28), [("clock_drift", 1, 4)]);
    let dials = Config {
        rollover: Some(Dials { digits: 6 }),
        registers: true,
        ..Config::default()
    };
    assert_eq!(
        told(&check(&[counter(&[(0, 999_990), (1, 15)])], &dials)[0]),
        [("rollover", 1, 1)]
    );
    assert_eq!(
        told(&check(&[counter(&[(0, 500_000), (1, 15)])], &dials)[0]),
        [("decreasing", 1, 1)]
    );
    let mut other = counter(&[(4, 3), (5, 9)]);
    (other.series.series, other.series.meter) = (3, Some("N".to_owned()));
    let reports = check(&[counter(&[(0, 500), (4, 510)]), other.clone()], &dials);
    assert_eq!(told(&reports[0]), [("meter_exchange", 1, 4)]);
    let unit = Config {
        unit_change: true,
        ..Config::default()
    };
    (other.series.meter, other.series.scaler) = (Some("M".to_owned()), 3);
    assert_eq!(
        told(&check(&[counter(&[(0, 1)]), other], &unit)[0]),
        [("unit_change", 1, 4)]
    );
}

#[test]
fn gaps_are_estimated_by_their_length() {
    let mut values = all(vec![100; 96]);
    values[10] = Some(40);
    values[11..14].fill(None);
    values[14] = Some(51);
    let report = &check(&[intervals(&values)], &Config::default())[0];
    let raws: Vec<i64> = report
        .estimates
        .iter()
        .map(|estimate| estimate.raw)
        .collect();
    // 40 + 11 k / 4: 42.75, 45.5, 48.25.
    assert_eq!(raws, [43, 46, 48]);
    let summary = report.summary.unwrap();
    assert_eq!(
        (
            summary.expected,
            summary.actual,
            summary.estimated,
            summary.missing,
            summary.billable
        ),
        (96, 93, 3, 0, true)
    );
    // Beside an outage no line is drawn, and nothing else is known here.
    let mut with_outage = intervals(&values);
    with_outage.readings[10].outage = true;
    let report = &check(&[with_outage], &Config::default())[0];
    assert!(report.estimates.is_empty() && !report.summary.unwrap().billable);
}

/// One value per quarter-hour of local days: hour × 10 + quarter of what the clock shows.
fn local_days(
    zone: &TimeZone,
    from: Date,
    days: i64,
    skip: impl Fn(SourceTime) -> bool,
) -> SeriesReadings {
    let start = from.to_zoned(zone.clone()).unwrap().timestamp().as_second();
    let end = from
        .checked_add(days.days())
        .unwrap()
        .to_zoned(zone.clone())
        .unwrap()
        .timestamp()
        .as_second();
    let mut readings = Vec::new();
    for second in (start..end).step_by(900) {
        let instant = Timestamp::from_second(second).unwrap();
        let time = SourceTime {
            at: instant,
            offset: Some(zone.to_offset(instant)),
        };
        let local = time.local();
        if !skip(time) {
            readings.push(Reading::new(
                1,
                time,
                900,
                i64::from(local.hour()) * 10 + i64::from(local.minute()) / 15,
            ));
        }
    }
    SeriesReadings {
        series: series(1, SeriesKind::Interval),
        readings,
    }
}

#[test]
fn days_on_which_the_clock_changes() {
    for (zone, date, quarters) in [
        ("Europe/Berlin", "2026-03-29", 92),
        ("Europe/Berlin", "2026-10-25", 100),
        ("Europe/London", "2026-03-29", 92),
        ("Europe/London", "2026-10-25", 100),
        ("America/New_York", "2026-03-08", 92),
        ("America/New_York", "2026-11-01", 100),
        ("Australia/Lord_Howe", "2026-10-04", 94),
        ("Australia/Lord_Howe", "2026-04-05", 98),
    ] {
        let name = format!("{zone} {date}");
        let (zone, date): (TimeZone, Date) = (TimeZone::get(zone).unwrap(), date.parse().unwrap());
        assert_eq!(quarter_hours(date, &zone), Some(quarters), "{name}");
        let whole = local_days(&zone, date, 1, |_| false);
        let report = &check(std::slice::from_ref(&whole), &Config::default())[0];
        let summary = report.summary.unwrap();
        assert_eq!(
            (summary.expected, summary.actual),
            (usize::from(quarters), usize::from(quarters)),
            "{name}"
        );
        assert!(
            report
                .findings
                .iter()
                .all(|finding| finding.rule.name() != "missing"),
            "{name}"
        );
        // A morning without readings gets the same times of the weeks before, by the clock.
        let first = date.checked_sub(14.days()).unwrap();
        let morning = |time: SourceTime| {
            time.local().date() == date && (6..10).contains(&time.local().hour())
        };
        let gap = local_days(&zone, first, 15, morning);
        let report = &check(&[gap], &Config::default())[0];
        assert_eq!(report.estimates.len(), 16, "{name}");
        for estimate in &report.estimates {
            let local = zone.to_datetime(estimate.time.at);
            assert_eq!(
                estimate.raw,
                i64::from(local.hour()) * 10 + i64::from(local.minute()) / 15,
                "{name} {local}"
            );
            assert_eq!(estimate.method, "like_day");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However much is missing and whatever the counter gained: metered and estimated intervals
    /// add up to it.
    #[test]
    fn estimates_close_with_the_register(
        values in prop::collection::vec(0_i64..2_000, 400..800),
        gaps in prop::collection::vec((1_usize..390, 1_usize..40), 1..4),
        extra in 0_i64..100_000,
    ) {
        let mut cells = all(values);
        for (start, length) in gaps {
            // The first and the last interval are there, so that the grid covers the counter.
            for cell in cells.iter_mut().skip(start).take(length) {
                *cell = None;
            }
        }
        let last = cells.len() - 1;
        cells[last].get_or_insert(7);
        let metered: i64 = cells.iter().flatten().sum();
        let end = i64::try_from(cells.len()).unwrap();
        let middle = end / 2;
        let before: i64 = cells[..usize::try_from(middle).unwrap()].iter().flatten().sum();
        let counted = counter(&[(0, 5), (middle, 5 + before + extra), (end, 5 + metered + 2 * extra)]);
        let config = Config { close_with_register: true, ..Config::default() };
        let lines = [intervals(&cells), counted];
        let report = &check(&lines, &config)[0];
        prop_assert_eq!(check(&lines, &config), check(&lines, &config));
        for (from, to, gained) in [(0, middle, before + extra), (middle, end, metered - before + extra)] {
            let within = |time: SourceTime| { let p = (time.at.as_second() - START) / 900; from <= p && p < to };
            let missing = (from..to).filter(|p| cells[usize::try_from(*p).unwrap()].is_none()).count();
            let own: Vec<_> = report.estimates.iter().filter(|e| within(e.time)).collect();
            if missing == 0 || own.len() < missing {
                continue;
            }
            let actual: i64 = lines[0].readings.iter().filter(|r| within(r.time)).map(|r| r.raw).sum();
            prop_assert_eq!(actual + own.iter().map(|e| e.raw).sum::<i64>(), gained);
            prop_assert!(own.iter().all(|e| e.raw >= 0));
        }
    }

    #[test]
    fn any_readings_are_checked(rows in prop::collection::vec((-2_000_i64..2_000, 0_i64..2_000, any::<i64>()), 0..60)) {
        let reading = |(place, duration, raw): &(i64, i64, i64)| Reading::new(1, at(*place), *duration, *raw);
        let one = SeriesReadings { series: series(1, SeriesKind::Interval), readings: rows.iter().map(reading).collect() };
        let two = SeriesReadings { series: series(2, SeriesKind::Register), readings: rows.iter().map(reading).collect() };
        let config = Config {
            close_with_register: true, registers: true, unit_change: true,
            high_usage: Some(HighUsage::default()), low_usage: Some(LowUsage::default()),
            rollover: Some(Dials { digits: 18 }), inactive: Some(Inactive::default()), ..Config::default()
        };
        let reports = check(&[one, two], &config);
        prop_assert!(!reports.is_empty());
    }
}
