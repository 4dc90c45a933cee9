//! What holds for any series: the parts add up, time rises, nothing is revised, nothing panics,
//! and a restart changes nothing. The homes here are generated, and called so.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::sync::Arc;

use nilm::correction::Correction;
use nilm::engine::{Decided, Disaggregator, Settings};
use nilm::ingest::Sample;
use nilm::library::Library;
use nilm::tally::Totals;
use proptest::prelude::*;

const START: i64 = 1_700_000_000;

fn decoder(delay_s: i64) -> Disaggregator {
    let owned = [
        "kettle",
        "fridge",
        "dishwasher",
        "washing_machine",
        "shower",
    ];
    let settings = Settings {
        delay_s,
        owned: owned.map(str::to_owned).to_vec(),
        ..Settings::default()
    };
    Disaggregator::new(Arc::new(Library::default()), settings)
}

fn decode(samples: &[Sample], delay_s: i64) -> Vec<Decided> {
    let (mut decoder, mut rows) = (decoder(delay_s), Vec::new());
    for sample in samples {
        decoder.push(sample, &mut rows);
    }
    decoder.finish(&mut rows);
    rows
}

fn add(samples: &mut [Sample], watts: i64, seconds: i64, starts: &[i64]) {
    for sample in samples {
        let day = (sample.ts - START).rem_euclid(86400);
        if starts
            .iter()
            .any(|start| (*start..start + seconds).contains(&day))
        {
            sample.power_mw = sample.power_mw.map(|power| power + watts * 1000);
        }
    }
}

/// A generated home: a base, a fridge, a kettle, a shower and a dishwasher.
fn household(days: i64, period: i64) -> Vec<Sample> {
    let mut samples: Vec<Sample> = (0..days * 86400 / period)
        .map(|i| Sample {
            ts: START + i * period,
            power_mw: Some(
                120_000 + (i * 7919) % 5 * 1000 + i64::from((i * period) % 3600 < 1200) * 90_000,
            ),
            valid: true,
            ..Sample::default()
        })
        .collect();
    add(&mut samples, 2200, 170, &[26_000, 43_300, 61_000, 70_050]);
    add(&mut samples, 8500, 360, &[27_000]);
    add(&mut samples, 2050, 900, &[72_000, 74_400]);
    add(&mut samples, 70, 4600, &[71_400]);
    samples
}

fn adds_up(rows: &[Decided], columns: &[String]) {
    let mut totals = Totals::new(columns);
    let mut rest_of_rows = 0;
    for row in rows {
        totals.push(row);
        let (Some(parts), Some(aggregate)) = (&row.parts, row.aggregate_mw) else {
            continue;
        };
        let rest = row.rest_mw().expect("a reading");
        let named: i64 = parts.iter().map(|part| part.power_mw).sum();
        assert_eq!(named + row.unnamed_mw.iter().sum::<i64>() + rest, aggregate);
        assert!(
            parts
                .iter()
                .all(|part| part.power_mw >= 0 && part.power_mw % 100 == 0)
        );
        assert!(parts.iter().all(|part| (0.0..=1.0).contains(&part.on)));
        assert!(aggregate < 0 || rest >= 0, "rest {rest} of {aggregate}");
        rest_of_rows += i128::from(rest) * i128::from(row.seconds);
    }
    let rest = totals.aggregate.0 - totals.named().0 - totals.unnamed_sum().0;
    assert_eq!(rest, rest_of_rows);
}

fn energy_wh(rows: &[Decided], decoder: &Disaggregator, name: &str) -> f64 {
    let column = decoder
        .columns()
        .iter()
        .position(|column| column == name)
        .expect("a column");
    rows.iter()
        .filter_map(|row| {
            Some(row.parts.as_ref()?.get(column)?.power_mw as f64 * row.seconds as f64)
        })
        .sum::<f64>()
        / 3.6e6
}

fn any_row() -> impl Strategy<Value = (i64, Option<i64>, bool)> {
    let power = prop_oneof![
        3 => (0_i64..4_000_000).prop_map(Some),
        1 => (-3_000_000_i64..15_000_000).prop_map(Some),
        1 => Just(None),
        1 => any::<i64>().prop_map(|power| Some(power / 10_000_000)),
    ];
    let step =
        prop_oneof![8 => Just(10_i64), 2 => 1_i64..120, 1 => -50_i64..5000, 1 => Just(100_000)];
    (step, power, prop::bool::weighted(0.95))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_series_survives_and_adds_up(
        rows in prop::collection::vec(any_row(), 1..600),
        delay in prop_oneof![Just(0_i64), Just(7200), 0_i64..14_400],
    ) {
        let mut ts = 1_600_000_000_i64;
        let samples: Vec<Sample> = rows.iter().map(|&(step, power_mw, valid)| {
            ts += step;
            Sample { ts, power_mw, valid, ..Sample::default() }
        }).collect();
        let decided = decode(&samples, delay);
        let mut highest = i64::MIN;
        let rising = samples.iter().filter(|sample| {
            let rises = sample.ts > highest;
            highest = highest.max(sample.ts);
            rises
        });
        prop_assert_eq!(decided.len(), rising.count());
        for pair in decided.windows(2) {
            prop_assert!(pair[0].ts < pair[1].ts && pair[0].final_ts <= pair[1].final_ts);
        }
        prop_assert!(decided.iter().all(|row| row.final_ts >= row.ts));
        adds_up(&decided, decoder(delay).columns());
        prop_assert_eq!(&decided, &decode(&samples, delay));
    }

    #[test]
    fn what_is_final_does_not_change(cut in 100_usize..5000) {
        let samples = household(4, 60);
        let cut = cut.min(samples.len() - 1);
        let (all, part) = (decode(&samples, 7200), decode(&samples[..cut], 7200));
        let last = samples[cut - 1].ts;
        for (whole, part) in all.iter().zip(&part).take_while(|(row, _)| row.final_ts <= last) {
            prop_assert_eq!(whole, part);
        }
    }

    #[test]
    fn a_restart_in_the_middle_changes_nothing(cut in 1_usize..4000) {
        let samples = household(3, 60);
        let expected = decode(&samples, 7200);
        let (mut rows, mut first) = (Vec::new(), decoder(7200));
        let cut = cut.min(samples.len());
        for sample in &samples[..cut] {
            first.push(sample, &mut rows);
        }
        let kept = serde_json::to_vec(&first).expect("the state can be written");
        let second: Disaggregator = serde_json::from_slice(&kept).expect("and read");
        let mut second = second.with_library(Arc::new(Library::default()));
        for sample in &samples[cut..] {
            second.push(sample, &mut rows);
        }
        second.finish(&mut rows);
        prop_assert_eq!(rows, expected);
    }
}

#[test]
fn a_generated_home_is_split_by_physics_alone() {
    for period in [5, 60] {
        let (rows, decoder) = (decode(&household(10, period), 7200), decoder(7200));
        let shower = energy_wh(&rows, &decoder, "shower") / 10.0;
        assert!(
            (shower / 850.0 - 1.0).abs() < 0.05,
            "shower {shower} Wh a day at {period} s"
        );
        // The first days go by until the home's own kettle is known.
        let kettle = energy_wh(&rows, &decoder, "kettle") / 10.0;
        assert!(
            (0.7..1.1).contains(&(kettle / 415.0)),
            "kettle {kettle} Wh a day at {period} s"
        );
        adds_up(&rows, decoder.columns());
    }
}

#[test]
fn a_car_charger_on_a_generated_home_is_found() {
    // Synthetic: no labelled recording of a charger was at hand.
    let mut samples = household(6, 60);
    add(&mut samples, 7400, 3 * 3600, &[10_000]);
    let (rows, decoder) = (decode(&samples, 7200), decoder(7200));
    let charger = energy_wh(&rows, &decoder, "ev_charger") / 6.0;
    assert!((charger / 22_200.0 - 1.0).abs() < 0.1, "{charger} Wh a day");
}

#[test]
fn export_is_carried_by_the_rest() {
    // Synthetic: generation of 4 kW for six hours a day.
    let mut samples = household(3, 60);
    add(&mut samples, -4000, 6 * 3600, &[24_000]);
    for sample in &mut samples {
        let day = (sample.ts - START).rem_euclid(86400);
        sample.generated_mw =
            Some(i64::from((24_000..24_000 + 6 * 3600).contains(&day)) * 4_000_000);
    }
    let (rows, decoder) = (decode(&samples, 7200), decoder(7200));
    adds_up(&rows, decoder.columns());
    assert!(
        rows.iter()
            .any(|row| row.rest_mw().is_some_and(|rest| rest < 0))
    );
    assert!(energy_wh(&rows, &decoder, "shower") > 1000.0);
}

#[test]
fn a_plug_is_believed_and_learnt_from() {
    let settings = Settings {
        delay_s: 7200,
        plugged: vec!["aquarium".to_owned()],
        ..Settings::default()
    };
    let mut home = Disaggregator::new(Arc::new(Library::default()), settings);
    let (mut rows, half) = (Vec::new(), START + 7 * 86400);
    for sample in &household(14, 60) {
        // The load that runs twenty minutes of each hour goes by this name.
        let on = (sample.ts - START) % 3600 < 1200;
        if sample.ts < half {
            home.plug("aquarium", sample.ts, i64::from(on) * 90_000);
        }
        home.push(sample, &mut rows);
    }
    home.finish(&mut rows);
    adds_up(&rows, home.columns());
    for rows in [&rows[..7 * 1440 - 120], &rows[7 * 1440 + 120..]] {
        let found = energy_wh(rows, &home, "aquarium") / (rows.len() as f64 / 60.0 * 30.0);
        assert!((found - 1.0).abs() < 0.1, "{found} of what it took");
    }
}

#[test]
fn what_the_household_says_holds_and_can_be_taken_back() {
    // A load of its own kind: 520 W for 50 minutes, three times a day.
    let mut samples = household(20, 60);
    add(&mut samples, 520, 3000, &[10_000, 35_000, 55_000]);
    let (mut home, mut rows) = (decoder(7200), Vec::new());
    for sample in &samples[..10 * 1440] {
        home.push(sample, &mut rows);
    }
    let loads = home.unnamed();
    let load = loads
        .iter()
        .find(|load| (load.power_w - 520.0).abs() < 30.0)
        .expect("it was noticed");
    rows.clear();
    let naming = Correction::Name {
        slot: load.slot,
        appliance: "pump".to_owned(),
    };
    let id = home.correct(naming).expect("it can be named");
    for sample in &samples[10 * 1440..15 * 1440] {
        home.push(sample, &mut rows);
    }
    let named = energy_wh(&rows, &home, "pump") / (5.0 * 1300.0);
    assert!((named - 1.0).abs() < 0.1, "{named} of five days");
    home.undo(id).expect("it can be taken back");
    assert!(home.undo(id).is_err());
    rows.clear();
    for sample in &samples[15 * 1440..] {
        home.push(sample, &mut rows);
    }
    assert!(energy_wh(&rows[180..], &home, "pump") < 1.0);
    assert!(home.erase("pump").is_ok());
    assert!(home.erase("nothing").is_err());
}
