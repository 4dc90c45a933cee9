//! Error of the load forecast against "the same as last week" on recorded households.
//!
//! `cargo run --release -p wattle-billing --example forecast_error -- FOLDER` reads every
//! `*.csv.gz` with the columns `ts`, `valid` and `aggregate_w` and prints a table. At each local
//! midnight the next 24 hours are forecast from what lies before; hours are compared that were
//! metered and that have a week before.

#![allow(clippy::unwrap_used, reason = "a measurement may fail")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wattle_billing::forecast::History;

/// An hour counts when at least so many of its seconds were metered.
const LEAST_S: f64 = 3_240.0;

fn main() {
    let folder = std::env::args()
        .nth(1)
        .map_or_else(|| PathBuf::from("../shared/corpus/nilm"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no households in {}", folder.display());
        return;
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".csv.gz"))
        .collect();
    files.sort();
    println!(
        "| household | hours compared | mean Wh | last week: MAE Wh | median: MAE Wh | change | days | day: last week, Wh | day: mean, Wh | change |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for file in files {
        let name = file
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace(".csv.gz", "");
        match hours(&file) {
            Some(hours) => println!("{}", row(&name, &hours)),
            None => println!("| {name} | no column aggregate_w or p_w | | | | | | | |"),
        }
    }
}

/// Wh by hour.
fn hours(file: &Path) -> Option<BTreeMap<i64, f64>> {
    let reader = BufReader::new(flate2::read::GzDecoder::new(
        std::fs::File::open(file).unwrap(),
    ));
    let mut lines = reader.lines().map(Result::unwrap);
    let header: Vec<String> = lines.next()?.split(',').map(str::to_owned).collect();
    let column = |name: &str| header.iter().position(|known| known == name);
    let (time, power, valid) = (
        column("ts")?,
        column("aggregate_w").or(column("p_w"))?,
        column("valid"),
    );
    // Power holds until the next report, but not over a silence.
    let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    let mut last: Option<(f64, f64)> = None;
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |place: usize| {
            fields
                .get(place)
                .and_then(|field| field.parse::<f64>().ok())
        };
        let (Some(at), watts) = (number(time), number(power)) else {
            continue;
        };
        if let Some((from, watts)) = last
            && at - from <= 600.0
        {
            spread(&mut sums, from, at, watts);
        }
        let is_valid = valid.and_then(number).is_none_or(|valid| valid > 0.0);
        last = match watts {
            Some(watts) if is_valid => Some((at, watts)),
            Some(_) => None,
            None => last.map(|(_, watts)| (at, watts)),
        };
    }
    let whole = sums
        .into_iter()
        .filter(|(_, (seconds, _))| *seconds >= LEAST_S);
    Some(
        whole
            .map(|(hour, (seconds, joules))| (hour, joules / seconds))
            .collect(),
    )
}

fn spread(sums: &mut BTreeMap<i64, (f64, f64)>, from: f64, to: f64, watts: f64) {
    let mut at = from;
    while at < to {
        #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970")]
        let hour = (at / 3600.0).floor() as i64;
        let end = (hour as f64 + 1.0).mul_add(3600.0, 0.0).min(to);
        let sum = sums.entry(hour).or_default();
        sum.0 += end - at;
        sum.1 += (end - at) * watts;
        at = end;
    }
}

fn row(name: &str, hours: &BTreeMap<i64, f64>) -> String {
    let mut history = History::new(3600, TimeZone::UTC);
    for (hour, wh) in hours {
        history.add(Timestamp::from_second(hour * 3600).unwrap(), *wh);
    }
    let (first, last) = (
        hours.keys().next().unwrap().div_euclid(24),
        hours.keys().last().unwrap().div_euclid(24),
    );
    let (mut count, mut used, mut naive, mut own) = (0.0, 0.0, 0.0, 0.0);
    let (mut days, mut naive_days, mut own_days) = (0.0, 0.0, 0.0);
    for day in first..=last {
        let from = Timestamp::from_second(day * 86_400).unwrap();
        let (mut metered, mut week, mut mean, mut compared) = (0.0, 0.0, 0.0, 0);
        for slot in history.forecast(from, 24) {
            let (Some(actual), Some(before)) =
                (history.metered(slot.start), history.week_before(slot.start))
            else {
                continue;
            };
            count += 1.0;
            used += actual;
            naive += (actual - before).abs();
            own += (actual - slot.median_wh).abs();
            (metered, week, mean, compared) = (
                metered + actual,
                week + before,
                mean + slot.mean_wh,
                compared + 1,
            );
        }
        if compared == 24 {
            days += 1.0;
            naive_days += (metered - week).abs();
            own_days += (metered - mean).abs();
        }
    }
    let change = |own: f64, naive: f64| format!("{:+.0} %", (own / naive - 1.0) * 100.0);
    let by_day = if days > 0.0 {
        let (naive, own) = (naive_days / days, own_days / days);
        format!("{naive:.0} | {own:.0} | {}", change(own, naive))
    } else {
        "– | – | no whole day".to_owned()
    };
    format!(
        "| {name} | {count} | {:.0} | {:.0} | {:.0} | {} | {days} | {by_day} |",
        used / count,
        naive / count,
        own / count,
        change(own, naive)
    )
}
