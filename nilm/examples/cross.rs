//! Leave-one-home-out: fits the library to all homes but one and scores it on that one.
//!
//! `cargo run --release -p nilm --example cross -- FILE.csv.gz...` fits and replays the given homes;
//! `LABEL_DAYS=7` gives the first days of the sub-meters as plugs, `ONLY=word` leaves homes out;
//! each is scored as the field does: F1 over rows, F1 over activations, energy error.
//! `SEEDS=3` does so with forests of three seeds, and says how far the figures of one differ by chance.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measurement on files at hand"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::sync::Arc;

use nilm::cycles::Cycles;
use nilm::engine::{Disaggregator, Settings};
use nilm::fit::{Fit, Home, Lesson};
use nilm::ingest::Sample;
use nilm::kind::kind_of;
use nilm::library::Library;

const INPUTS: [&str; 5] = ["ts", "valid", "aggregate_w", "p_w", "q_var"];

fn load(path: &str) -> Home {
    let file = std::fs::File::open(path).expect("a file");
    let mut lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    let head: Vec<String> = lines
        .next()
        .expect("a header")
        .expect("text")
        .split(',')
        .map(str::to_owned)
        .collect();
    let mut home = Home::default();
    home.source.name = path.rsplit('/').next().unwrap_or(path).to_owned();
    for line in lines.map_while(Result::ok) {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |name: &str| {
            head.iter()
                .position(|h| h == name)
                .and_then(|i| cells.get(i))
                .and_then(|c| c.parse::<f64>().ok())
        };
        let Some(ts) = cell("ts") else { continue };
        home.samples.push(Sample {
            ts: ts as i64,
            power_mw: cell("aggregate_w")
                .or(cell("p_w"))
                .map(|w| (w * 1000.0) as i64),
            valid: cell("valid") != Some(0.0),
            ..Sample::default()
        });
        for name in head.iter().filter(|h| {
            !INPUTS.contains(&h.as_str()) && !h.starts_with("other") && !h.starts_with("x_")
        }) {
            home.labels
                .entry(name.clone())
                .or_default()
                .push(cell(name).unwrap_or(0.0) as f32);
        }
    }
    home
}

fn runs(ts: &[i64], power: &[f64], name: &str, on_w: f64, step: i64) -> Vec<(i64, i64)> {
    let mut kind = kind_of(name);
    kind.on_w = on_w;
    let mut cycles = Cycles::default();
    let mut found = Vec::new();
    for (&ts, &watts) in ts.iter().zip(power) {
        found.extend(cycles.push(&kind, ts, step, (watts * 1000.0).round() as i64, 1.0));
    }
    found.extend(cycles.finish(&kind));
    found
        .iter()
        .map(|c| (c.start, c.end))
        .filter(|c| c.1 - c.0 >= step)
        .collect()
}

fn matched(truth: &[(i64, i64)], said: &[(i64, i64)]) -> usize {
    let mut used = vec![false; said.len()];
    let mut hits = 0;
    for &(s, e) in truth {
        let mut best = (0.0, None);
        for (i, &(a, b)) in said.iter().enumerate() {
            if b <= s || a >= e || used[i] {
                continue;
            }
            let r = (e.min(b) - s.max(a)) as f64 / (e.max(b) - s.min(a)) as f64;
            if r > best.0 {
                best = (r, Some(i));
            }
        }
        if let (r, Some(i)) = best
            && r >= 0.3
        {
            used[i] = true;
            hits += 1;
        }
    }
    hits
}

fn fbeta(p: f64, r: f64, b: f64) -> f64 {
    (1.0 + b * b) * p * r / (b * b * p + r).max(1e-9)
}

/// Mean, and standard deviation of a sample.
fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

/// What is said of an appliance in one home: F1 over rows and over activations, error of the
/// energy, points.
type Figures = [f64; 4];

fn main() {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let only = std::env::var("ONLY").unwrap_or_default();
    let number = |name: &str| std::env::var(name).ok().and_then(|d| d.parse::<i64>().ok());
    let label_days = number("LABEL_DAYS").unwrap_or(0);
    let seeds = number("SEEDS").unwrap_or(1).max(1);
    let homes: Vec<Home> = paths.iter().map(|path| load(path)).collect();
    let lessons: Vec<Lesson> = homes.iter().map(Lesson::of).collect();
    let mut figures: BTreeMap<(usize, String), Vec<Figures>> = BTreeMap::new();
    let mut totals = Vec::new();
    for seed in 1..=seeds {
        let mut points = 0.0;
        let mut total = 0;
        for (i, home) in homes.iter().enumerate() {
            if !home.source.name.contains(&only) {
                continue;
            }
            let clock = std::time::Instant::now();
            let mut fit = Fit::new(seed.unsigned_abs());
            for (j, other) in lessons.iter().enumerate() {
                if i != j {
                    fit.add(other);
                }
            }
            let library = fit.finish("cross", Vec::new());
            let fitted = clock.elapsed().as_secs_f64();
            let scored = score(home, library, label_days);
            println!(
                "{}: fit {fitted:.1} s, replay {:.1} s",
                home.source.name,
                clock.elapsed().as_secs_f64() - fitted
            );
            for (name, kwh, line, said) in scored {
                println!("  {name:16} {line}");
                if kwh >= 1.0 {
                    points += said[3];
                    total += 1;
                }
                figures.entry((i, name)).or_default().push(said);
            }
        }
        println!(
            "points {points:.2}/{total} = {:.1} %",
            100.0 * points / f64::from(total)
        );
        totals.push(points);
    }
    if seeds < 2 {
        return;
    }
    println!("mean and spread over {seeds} seeds");
    for ((i, name), of) in &figures {
        let cell = |k: usize| {
            let (mean, off) = spread(&of.iter().map(|said| said[k]).collect::<Vec<_>>());
            format!("{mean:.2} ±{off:.2}")
        };
        println!(
            "  {:40} {name:16} F1 {} act {} SAE {} points {}",
            homes[*i].source.name,
            cell(0),
            cell(1),
            cell(2),
            cell(3)
        );
    }
    let (mean, off) = spread(&totals);
    println!("points {mean:.2} ±{off:.2}");
}

/// Decodes a home and scores each appliance: its name, its kWh, a line to read, its figures.
fn score(home: &Home, library: Library, label_days: i64) -> Vec<(String, f64, String, Figures)> {
    let owned: Vec<String> = home.labels.keys().cloned().collect();
    let settings = Settings {
        delay_s: 7200,
        owned,
        plugged: home
            .labels
            .keys()
            .filter(|_| label_days > 0)
            .cloned()
            .collect(),
        ..Settings::default()
    };
    let mut decoder = Disaggregator::new(Arc::new(library), settings);
    let mut rows = Vec::new();
    for (row, sample) in home.samples.iter().enumerate() {
        if sample.ts < home.samples[0].ts + label_days * 86400 {
            for (name, label) in &home.labels {
                decoder.plug(name, sample.ts, (f64::from(label[row]) * 1000.0) as i64);
            }
        }
        decoder.push(sample, &mut rows);
    }
    decoder.finish(&mut rows);
    let step = home.samples[1].ts - home.samples[0].ts;
    let from = home.samples[0].ts + label_days * 86400;
    let keep: Vec<usize> = (0..rows.len())
        .filter(|&i| rows[i].parts.is_some() && home.samples[i].valid && rows[i].ts >= from)
        .collect();
    let ts: Vec<i64> = keep.iter().map(|&i| rows[i].ts).collect();
    let mut scored = Vec::new();
    for (name, label) in &home.labels {
        let column = decoder.columns().iter().position(|c| c == name).unwrap();
        let truth: Vec<f64> = keep.iter().map(|&i| f64::from(label[i])).collect();
        let said: Vec<f64> = keep
            .iter()
            .map(|&i| rows[i].parts.as_ref().unwrap()[column].power_mw as f64 / 1000.0)
            .collect();
        let kind = kind_of(name);
        let (mut tp, mut fp, mut fnn) = (0.0, 0.0, 0.0);
        for (t, s) in truth.iter().zip(&said) {
            match (*t >= kind.on_w, *s >= kind.on_w) {
                (true, true) => tp += 1.0,
                (true, false) => fnn += 1.0,
                (false, true) => fp += 1.0,
                _ => {}
            }
        }
        let f1 = fbeta(
            tp / f64::max(tp + fp, 1.0),
            tp / f64::max(tp + fnn, 1.0),
            1.0,
        );
        let act = |on: f64| {
            let (a, b) = (
                runs(&ts, &truth, name, on, step),
                runs(&ts, &said, name, on, step),
            );
            let h = matched(&a, &b) as f64;
            let (p, r) = (h / (b.len() as f64).max(1.0), h / (a.len() as f64).max(1.0));
            (fbeta(p, r, 1.0), fbeta(p, r, 0.5), h, a.len(), b.len())
        };
        let (a1, a05, h, nt, ns) = act(kind.on_w);
        let high = act(300.0).0;
        let (e, s): (f64, f64) = (truth.iter().sum(), said.iter().sum());
        let sae = (e - s).abs() / e.max(1.0);
        let kwh = e * step as f64 / 3.6e6;
        let p = 0.5 * a05
            + 0.25 * f1
            + if a1 >= 0.2 {
                0.25 * (1.0 - sae).max(0.0)
            } else {
                0.0
            };
        let line = format!(
            "kWh {kwh:6.1} said {:6.1} F1 {f1:.2} act {a1:.2} ({h}/{nt}/{ns}) SAE {sae:.2} act300 {high:.2} points {p:.2}",
            s * step as f64 / 3.6e6
        );
        scored.push((name.clone(), kwh, line, [f1, a1, sae, p]));
    }
    scored
}
