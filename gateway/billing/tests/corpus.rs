//! Bills of the tariff cases, where there are any, against their expected figures.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::path::{Path, PathBuf};

use serde_json::Value;
use wattle_billing::bill::{self, Usage};
use wattle_billing::exact::plain;
use wattle_billing::tariff::{LoadOptions, load};

fn corpus(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("WATTLE_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if !folder.is_dir() {
        println!(
            "skipped: no cases below {} (set WATTLE_CORPUS)",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

fn equal(want: &Value, got: &Value) -> bool {
    match (want, got) {
        (Value::String(want), Value::String(got)) => {
            want == got || plain(want).is_some_and(|want| plain(got) == Some(want))
        }
        _ => want == got,
    }
}

#[test]
fn bills_are_those_of_the_cases() {
    let Some(folder) = corpus("tariff") else {
        return;
    };
    let mut cases = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let case = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(case.join("expected.json")) else {
            continue;
        };
        let expected: Value = serde_json::from_str(&text).unwrap();
        let options = LoadOptions {
            zone: expected["zone"].as_str().map(str::to_owned),
            ..LoadOptions::default()
        };
        let tariff = load(&case.join("tariff.toml"), &options).unwrap();
        let usage =
            Usage::from_csv(&std::fs::read_to_string(case.join("usage.csv")).unwrap()).unwrap();
        let made = bill::bill(&tariff, &usage).unwrap();
        let got = bill::json(&tariff, &made, &[60, 120, 180], 4).unwrap();
        let want = &expected["cost"];
        for key in [
            "status",
            "currency",
            "total",
            "total_rounded",
            "usage",
            "prices",
            "windows",
            "cheapest_slots",
        ] {
            let same = match &want[key] {
                Value::Object(members) => members
                    .iter()
                    .all(|(name, value)| equal(value, &got[key][name])),
                value => equal(value, &got[key]),
            };
            assert!(same, "{} {key}: {} {}", case.display(), want[key], got[key]);
        }
        let find = |line: &Value| {
            let same = |other: &&Value| {
                ["kind", "id", "band", "tier", "period"]
                    .iter()
                    .all(|key| line[*key] == other[*key])
            };
            got["lines"]
                .as_array()
                .unwrap()
                .iter()
                .find(same)
                .cloned()
                .unwrap_or_default()
        };
        let lines = want["lines"].as_array().unwrap();
        assert_eq!(lines.len(), got["lines"].as_array().unwrap().len());
        for line in lines {
            let own = find(line);
            for key in ["quantity", "unit", "rate", "amount"] {
                assert!(
                    equal(&line[key], &own[key]),
                    "{} {line} {own}",
                    case.display()
                );
            }
        }
        cases += 1;
    }
    println!("{cases} cases");
    assert!(cases > 0);
}

fn documents(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "xml"))
        .collect();
    found.sort();
    found
}

/// Validates with libxml2's command, where it is there.
fn validate(document: &str, schema: &Path) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document).unwrap();
    let ran = std::process::Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .arg(file.path())
        .output();
    match ran {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => println!("skipped: xmllint (libxml2-utils) is not there: {error}"),
    }
}

fn essence(all: &[wattle_billing::readings::SeriesReadings]) -> Vec<String> {
    let one = |one: &wattle_billing::readings::SeriesReadings| {
        let readings = one.readings.iter().map(|r| {
            format!(
                "{} {} {} {:?} {:?}",
                r.time.at, r.duration_s, r.raw, r.cost_raw, r.status
            )
        });
        format!(
            "{} {} {:?} {}",
            one.series.unit,
            one.series.scaler,
            one.series.flow,
            readings.collect::<Vec<_>>().join(";")
        )
    };
    all.iter().map(one).collect()
}

#[test]
fn documents_of_gateways_come_back_and_are_valid() {
    use wattle_billing::exchange::ar2418::{export, import};
    let Some(folder) = corpus("upstream/ar2418") else {
        return;
    };
    for path in documents(&folder) {
        let all = import(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let written = export(&all);
        validate(&written, &folder.join("schema/AR_2418-6.xsd"));
        assert_eq!(
            essence(&import(&written).unwrap()),
            essence(&all),
            "{}",
            path.display()
        );
    }
}

#[test]
fn green_button_feeds_come_back_and_are_valid() {
    use wattle_billing::exchange::green_button::{export, import};
    let Some(folder) = corpus("upstream/green_button") else {
        return;
    };
    for path in documents(&folder) {
        let all = import(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let written = export(&all).unwrap();
        validate(&written, &folder.join("schema/feed.xsd"));
        assert_eq!(
            essence(&import(&written).unwrap()),
            essence(&all),
            "{}",
            path.display()
        );
    }
}
