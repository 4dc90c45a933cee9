//! Appliances that no labelled recording at hand has, laid over a generated home. All of it is synthetic.
#![allow(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::sync::Arc;

use nilm::engine::{Decided, Disaggregator, Settings};
use nilm::ingest::Sample;
use nilm::library::Library;

const START: i64 = 1_700_000_000 / 86_400 * 86_400;
const DAY: i64 = 86_400;

/// Power of a load in W at a second of a day.
type Load = fn(i64) -> i64;

/// A base of 120 W with a little noise, and loads.
fn home(days: i64, period: i64, loads: &[Load]) -> Vec<Sample> {
    let sample = |i: i64| {
        let second = (i * period) % DAY;
        let watts: i64 = loads.iter().map(|load| load(second)).sum();
        Sample {
            ts: START + i * period,
            power_mw: Some(120_000 + (i * 7919) % 5 * 1000 + watts * 1000),
            valid: true,
            ..Sample::default()
        }
    };
    (0..days * DAY / period).map(sample).collect()
}

fn decode(samples: &[Sample], owned: &[&str]) -> (Vec<Decided>, Disaggregator) {
    let settings = Settings {
        delay_s: 7200,
        owned: owned.iter().map(|name| (*name).to_owned()).collect(),
        ..Settings::default()
    };
    let mut decoder = Disaggregator::new(Arc::new(Library::default()), settings);
    let mut rows = Vec::new();
    for sample in samples {
        decoder.push(sample, &mut rows);
    }
    decoder.finish(&mut rows);
    (rows, decoder)
}

/// Energy by name, and energy of the load, Wh a day after the first three.
fn energy(period: i64, load: Load, others: &[Load], owned: &[&str], name: &str) -> (f64, f64) {
    let days = 12;
    let loads: Vec<Load> = others.iter().copied().chain([load]).collect();
    let (rows, decoder) = decode(&home(days, period, &loads), owned);
    let column = decoder
        .columns()
        .iter()
        .position(|column| column == name)
        .expect("a column");
    let after = START + 3 * DAY;
    let told: f64 = rows
        .iter()
        .filter(|row| row.ts >= after)
        .filter_map(|row| {
            Some(row.parts.as_ref()?.get(column)?.power_mw as f64 * row.seconds as f64)
        })
        .sum();
    let truth: i64 = (0..DAY).map(load).sum();
    (told / 3.6e6 / 9.0, truth as f64 / 3600.0)
}

fn during(second: i64, from: i64, length: i64) -> bool {
    (from..from + length).contains(&second)
}

fn kettle(second: i64) -> i64 {
    let on = [26_000, 43_300, 61_000, 70_050]
        .iter()
        .any(|from| during(second, *from, 170));
    i64::from(on) * 2200
}

fn fridge(second: i64) -> i64 {
    i64::from(second % 3600 < 1200) * 90
}

/// 1.6 kW for 45 minutes, five times a day.
fn heat_pump(second: i64) -> i64 {
    let on = [2_000, 18_000, 36_000, 54_000, 76_000]
        .iter()
        .any(|from| during(second, *from, 2700));
    i64::from(on) * 1600
}

/// 2.4 kW for an hour.
fn dryer(second: i64) -> i64 {
    i64::from(during(second, 50_000, 3600)) * 2400
}

/// Heats up for twelve minutes, then two minutes of five.
fn oven(second: i64) -> i64 {
    let on = during(second, 64_000, 720)
        || (during(second, 64_720, 2700) && (second - 64_720) % 300 >= 180);
    i64::from(on) * 2300
}

/// 11 kW for two hours.
fn charger(second: i64) -> i64 {
    i64::from(during(second, 7_000, 7200)) * 11_000
}

/// Another compressor, with a rhythm of its own.
fn second_fridge(second: i64) -> i64 {
    i64::from(second % 2900 < 900) * 150
}

#[test]
fn plateaus_are_found_and_their_energy_is_right() {
    let loads: [(&str, Load); 4] = [
        ("heat_pump", heat_pump),
        ("tumble_dryer", dryer),
        ("ev_charger", charger),
        ("fridge", fridge),
    ];
    for (name, load) in loads {
        for period in [10, 60] {
            let owned = ["kettle", name];
            let (told, truth) = energy(period, load, &[kettle], &owned, name);
            let off = (told / truth - 1.0).abs();
            assert!(
                off < 0.15,
                "{name} at {period} s: {told} Wh of {truth} Wh a day"
            );
        }
    }
}

#[test]
fn an_oven_is_known_by_its_bursts_and_nothing_is_made_up() {
    for period in [10, 60] {
        let owned = ["kettle", "oven"];
        let (told, truth) = energy(period, oven, &[kettle], &owned, "oven");
        // Heating up lasts too long for a burst: it stays in the rest.
        assert!(
            (0.3..1.05).contains(&(told / truth)),
            "{told} Wh of {truth} Wh a day"
        );
    }
}

#[test]
fn two_compressors_share_what_both_took() {
    for period in [10, 60] {
        let owned = ["kettle", "fridge", "fridge_2"];
        let told = |name: &str| energy(period, second_fridge, &[kettle, fridge], &owned, name).0;
        let (one, two) = (told("fridge"), told("fridge_2"));
        let truth: i64 = (0..DAY)
            .map(|second| fridge(second) + second_fridge(second))
            .sum();
        let off = ((one + two) / (truth as f64 / 3600.0) - 1.0).abs();
        assert!(
            off < 0.2 && two > 100.0,
            "{one} and {two} Wh a day at {period} s"
        );
    }
}
