//! `wattle nilm train`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use nilm::fit::{Fit, Home, Lesson};
use nilm::ingest::Sample;

use super::replay::is_appliance;
use super::series::{self, Series};
use crate::files;

/// Fit the signature library to homes with sub-meters
#[derive(Debug, Args)]
#[command(
    long_about = "Fit the signature library to homes with sub-meters.\n\n\
        Each file is CSV as for `wattle nilm replay`, with one more column of W for each metered \
        appliance. Every fitted number comes from the given files; kinds that none of them has keep \
        their physical ranges. The same files, order and seed give the same library.",
    after_help = "Example:\n  wattle nilm train --in home1.csv.gz --in home2.csv.gz --out signatures"
)]
pub(super) struct TrainArgs {
    /// A labelled home; may be given several times
    #[arg(long = "in", value_name = "FILE[.gz]", required = true)]
    input: Vec<PathBuf>,

    /// The folder that the library goes into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Seed of all chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What the data sets ask to be said, by a word of the file's name.
const NOTICES: [(&str, &str); 4] = [
    (
        "tracebase",
        "Contains information from the tracebase data set, made available at http://www.tracebase.org under the ODbL",
    ),
    (
        "refit",
        "Fitted to REFIT: Electrical Load Measurements by D. Murray, L. Stankovic and V. Stankovic, University of Strathclyde, licensed under CC BY 4.0",
    ),
    (
        "ukdale",
        "Fitted to UK-DALE by J. Kelly and W. Knottenbelt, Imperial College London, licensed under CC BY 4.0",
    ),
    (
        "ideal",
        "Fitted to the IDEAL Household Energy Dataset by M. Pullinger et al., University of Edinburgh, licensed under CC BY 4.0",
    ),
];

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let mut fit = Fit::new(args.seed);
    let mut notices = Vec::new();
    let mut labelled = false;
    for path in &args.input {
        let home = read(path)?;
        labelled |= !home.labels.is_empty();
        for (word, notice) in NOTICES {
            if home.source.name.contains(word) && !notices.contains(&notice.to_owned()) {
                notices.push(notice.to_owned());
            }
        }
        fit.add(&Lesson::of(&home));
    }
    if !labelled {
        bail!("no file has a column of an appliance");
    }
    let library = fit.finish(env!("CARGO_PKG_VERSION"), notices);
    let mut text = serde_json::to_vec(&library)?;
    text.push(b'\n');
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make {}", args.out.display()))?;
    let file = args.out.join("model.json");
    files::replace(&file, &text, files::For::All)
        .with_context(|| format!("cannot write {}", file.display()))
}

fn read(path: &Path) -> anyhow::Result<Home> {
    let mut series = Series::open(path)?;
    let (ts, power) = (
        series.column("ts"),
        series
            .column("aggregate_w")
            .or_else(|| series.column("p_w")),
    );
    if ts.is_none() || power.is_none() {
        bail!("{}: no column ts, or no power", path.display());
    }
    let valid = series.column("valid");
    let mut home = Home::default();
    home.source.name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    home.source.sha256 = series::sha256_of(path)?;
    let columns: Vec<(usize, String)> = series
        .head()
        .iter()
        .enumerate()
        .filter(|(_, name)| is_appliance(name))
        .map(|(i, name)| (i, name.clone()))
        .collect();
    let mut labels: Vec<Vec<f32>> = vec![Vec::new(); columns.len()];
    let mut last = i64::MIN;
    while series
        .next()
        .with_context(|| format!("cannot read {}", path.display()))?
    {
        let Some(at) = series::seconds(series.cell(ts)).filter(|&at| at > last) else {
            continue;
        };
        last = at;
        let text = series.cell(power);
        let power_mw = series::milliwatts(text);
        let marked = valid.is_some()
            && !series
                .cell(valid)
                .parse::<f64>()
                .is_ok_and(|valid| valid > 0.0);
        home.samples.push(Sample {
            ts: at,
            power_mw,
            valid: !marked && (power_mw.is_some() || text.is_empty()),
            ..Sample::default()
        });
        for ((column, _), label) in columns.iter().zip(&mut labels) {
            let watts: f32 = series.cell(Some(*column)).parse().unwrap_or(0.0);
            label.push(if watts.is_finite() { watts } else { 0.0 });
        }
    }
    home.labels = columns
        .into_iter()
        .map(|(_, name)| name)
        .zip(labels)
        .collect();
    Ok(home)
}
