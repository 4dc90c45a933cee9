//! `wattle nilm replay`.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, value_parser};
use nilm::engine::{Decided, Disaggregator, Settings};
use nilm::ingest::{Arrival, Sample};
use nilm::library::Library;
use nilm::tally::Totals;

use super::report::{self, Input, Model};
use super::series::{self, Series, Sink};

/// Columns of an input that are no appliances.
pub(super) const INPUTS: [&str; 19] = [
    "ts",
    "valid",
    "aggregate_w",
    "p_w",
    "q_var",
    "apparent_va",
    "voltage_v",
    "current_a",
    "frequency_hz",
    "export_w",
    "pv_w",
    "battery_w",
    "outdoor_c",
    "p_l1_w",
    "p_l2_w",
    "p_l3_w",
    "q_l1_var",
    "q_l2_var",
    "q_l3_var",
];

/// The library that is part of the program.
static BUILTIN: &[u8] = include_bytes!("../../../../assets/signatures/model.json");

/// Split a recorded series of power into appliances
#[derive(Debug, Args)]
#[command(
    long_about = "Split a recorded series of power into appliances, as the daemon does with a live one.\n\n\
        The input is CSV with a header: ts (unix seconds) and aggregate_w or p_w (W), and what else the \
        meter told. Each row is decided once, at the latest when its delay is over; the parts, the \
        loads without a name and the rest always add up to what the meter measured.",
    after_help = "Examples:\n  \
        wattle nilm replay --in power.csv --out appliances.csv --report month.json\n  \
        wattle nilm replay --in power.csv.gz --appliances kettle,dishwasher --confidence --out -"
)]
pub(super) struct ReplayArgs {
    /// The series of power; '-' is standard input
    #[arg(long = "in", value_name = "FILE[.gz]|-")]
    input: PathBuf,

    /// What smart plugs told: ts and a column of W for each appliance
    #[arg(long, value_name = "FILE[.gz]", requires = "label_days")]
    labels: Option<PathBuf>,

    /// Use the plugs' first days only
    #[arg(long, value_name = "N", requires = "labels")]
    label_days: Option<u32>,

    /// The signature library: 'builtin', or a folder that `wattle nilm train` wrote
    #[arg(long, value_name = "builtin|DIR", default_value = "builtin")]
    model: PathBuf,

    /// What the household says it owns
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    appliances: Vec<String>,

    /// How long the decision about a row may wait
    #[arg(long, value_name = "SECONDS", default_value_t = 7200, value_parser = value_parser!(i64).range(0..=14400))]
    delay_s: i64,

    /// Tell loads that come back but have no name
    #[arg(long)]
    unnamed: bool,

    /// Tell how likely each appliance was on
    #[arg(long)]
    confidence: bool,

    /// Where the rows go; '-' is standard output
    #[arg(long, value_name = "FILE[.gz]|-")]
    out: PathBuf,

    /// Where the summary goes
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
}

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    let (library, model) = load_library(&args.model)?;
    let mut plugs = args.labels.as_deref().map(Plugs::open).transpose()?;
    let names = |list: &[String]| {
        list.iter()
            .map(|name| name.trim().to_owned())
            .filter(|name| is_appliance(name))
            .collect::<Vec<_>>()
    };
    let settings = Settings {
        delay_s: args.delay_s,
        owned: names(&args.appliances),
        plugged: plugs.as_ref().map_or_else(Vec::new, Plugs::names),
        observe: false,
    };
    let mut series = Series::open(&args.input)?;
    let columns = Columns::of(&series, &args.input)?;
    let mut decoder = Disaggregator::new(Arc::new(library), settings.clone());
    let mut writer = Writer::new(args, &decoder)?;
    let mut input = Input::default();
    let mut out = Vec::new();
    let mut held: Box<str> = Box::default();
    while series
        .next()
        .with_context(|| format!("cannot read {}", args.input.display()))?
    {
        input.rows += 1;
        let Some(ts) = series::seconds(series.cell(columns.ts)) else {
            input.dropped_rows += 1;
            continue;
        };
        if decoder.last().is_some_and(|last| ts <= last) {
            input.dropped_rows += 1;
            continue;
        }
        let sample = columns.sample(&series, ts, &mut input);
        if sample.power_mw.is_some() {
            let text = series.cell(columns.power);
            if *held != *text {
                held = text.into();
            }
        }
        if let (Some(plugs), Some(days)) = (&mut plugs, args.label_days) {
            let first = *input.first_ts.get_or_insert(ts);
            plugs.tell(
                ts,
                first.saturating_add(i64::from(days) * 86400),
                &mut decoder,
            )?;
        }
        let before = decoder.last();
        if decoder.push(&sample, &mut out) == Arrival::AfterGap {
            input.gaps.push((before.unwrap_or(ts), ts));
        }
        input.first_ts.get_or_insert(ts);
        input.last_ts = Some(ts);
        writer.waiting.push_back(held.clone());
        writer.write(&mut out)?;
    }
    input.period_s = decoder.period_s();
    decoder.finish(&mut out);
    writer.write(&mut out)?;
    let totals = writer.finish()?;
    if let Some(path) = &args.report {
        let report = report::make(&input, &model, &settings, &decoder, &totals, args.unnamed);
        let mut text = serde_json::to_vec(&report)?;
        text.push(b'\n');
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Whether a column is an appliance's.
pub(super) fn is_appliance(name: &str) -> bool {
    !name.is_empty()
        && !INPUTS.contains(&name)
        && !["other", "x_", "rest", "unnamed_", "final_ts"]
            .iter()
            .any(|start| name.starts_with(start))
        && !name.ends_with("_p_on")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn load_library(path: &Path) -> anyhow::Result<(Library, Model)> {
    let (name, bytes) = if path == Path::new("builtin") {
        ("builtin".to_owned(), BUILTIN.to_vec())
    } else {
        let file = path.join("model.json");
        let bytes =
            std::fs::read(&file).with_context(|| format!("cannot open {}", file.display()))?;
        let name = path.file_name().map_or_else(
            || "model".into(),
            |name| name.to_string_lossy().into_owned(),
        );
        (name, bytes)
    };
    let library: Library = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is no signature library", path.display()))?;
    if library.format != nilm::library::FORMAT {
        bail!("{}: format {} is not known", path.display(), library.format);
    }
    let model = Model {
        name,
        version: library.version.clone(),
        sha256: series::sha256(&bytes),
    };
    Ok((library, model))
}

/// Where the input's columns stand.
struct Columns {
    ts: Option<usize>,
    power: Option<usize>,
    valid: Option<usize>,
    export: Option<usize>,
    generated: Option<usize>,
    reactive: Option<usize>,
}

impl Columns {
    fn of(series: &Series, path: &Path) -> anyhow::Result<Self> {
        let columns = Self {
            ts: series.column("ts"),
            power: series
                .column("aggregate_w")
                .or_else(|| series.column("p_w")),
            valid: series.column("valid"),
            export: series.column("export_w"),
            generated: series.column("pv_w"),
            reactive: series.column("q_var"),
        };
        if columns.ts.is_none() {
            bail!("{}: no column ts", path.display());
        }
        if columns.power.is_none() {
            bail!("{}: no column aggregate_w or p_w", path.display());
        }
        Ok(columns)
    }

    fn sample(&self, series: &Series, ts: i64, input: &mut Input) -> Sample {
        let text = series.cell(self.power);
        let power_mw = series::milliwatts(text);
        let bad = power_mw.is_none() && !text.is_empty();
        let marked = self.valid.is_some()
            && !series
                .cell(self.valid)
                .parse::<f64>()
                .is_ok_and(|valid| valid > 0.0);
        input.bad_rows += u64::from(bad);
        input.invalid_rows += u64::from(bad || marked);
        Sample {
            ts,
            power_mw,
            valid: !bad && !marked,
            generated_mw: series::milliwatts(series.cell(self.generated)),
            export_mw: series::milliwatts(series.cell(self.export)),
            reactive_var: series
                .cell(self.reactive)
                .parse()
                .ok()
                .filter(|var: &f64| var.is_finite()),
        }
    }
}

/// What plugs told, read as far as the replay has come.
struct Plugs {
    series: Series,
    ts: Option<usize>,
    columns: Vec<(usize, String)>,
    next: Option<i64>,
    ended: bool,
}

impl Plugs {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let series = Series::open(path)?;
        let ts = series.column("ts");
        if ts.is_none() {
            bail!("{}: no column ts", path.display());
        }
        let columns = series
            .head()
            .iter()
            .enumerate()
            .filter(|(_, name)| is_appliance(name))
            .map(|(i, name)| (i, name.clone()))
            .collect();
        Ok(Self {
            series,
            ts,
            columns,
            next: None,
            ended: false,
        })
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(_, name)| name.clone()).collect()
    }

    /// Tells the decoder everything up to `now` that lies before `until`.
    fn tell(&mut self, now: i64, until: i64, decoder: &mut Disaggregator) -> anyhow::Result<()> {
        while !self.ended {
            let ts = match self.next {
                Some(ts) => ts,
                None if !self.series.next()? => {
                    self.ended = true;
                    break;
                }
                None => match series::seconds(self.series.cell(self.ts)) {
                    Some(ts) => ts,
                    None => continue,
                },
            };
            if ts > now {
                self.next = Some(ts);
                break;
            }
            self.next = None;
            if ts >= until {
                self.ended = true;
                break;
            }
            for (column, name) in &self.columns {
                if let Some(power) = series::milliwatts(self.series.cell(Some(*column))) {
                    decoder.plug(name, ts, power);
                }
            }
        }
        Ok(())
    }
}

/// Writes decided rows.
struct Writer {
    out: Sink,
    /// The input's own text of the value of each row that waits.
    waiting: VecDeque<Box<str>>,
    totals: Totals,
    line: Vec<u8>,
    unnamed: bool,
    confidence: bool,
}

impl Writer {
    fn new(args: &ReplayArgs, decoder: &Disaggregator) -> anyhow::Result<Self> {
        let mut head = "ts,final_ts,aggregate_w".to_owned();
        for name in decoder.columns() {
            head.push(',');
            head.push_str(name);
        }
        if args.unnamed {
            for slot in 1..=nilm::engine::SLOTS {
                head.push_str(&format!(",unnamed_{slot}"));
            }
        }
        head.push_str(",rest");
        if args.confidence {
            for name in decoder.columns() {
                head.push_str(&format!(",{name}_p_on"));
            }
        }
        head.push('\n');
        let mut out = Sink::create(&args.out)?;
        out.write(head.as_bytes())?;
        Ok(Self {
            out,
            waiting: VecDeque::new(),
            totals: Totals::new(decoder.columns()),
            line: Vec::new(),
            unnamed: args.unnamed,
            confidence: args.confidence,
        })
    }

    fn write(&mut self, rows: &mut Vec<Decided>) -> anyhow::Result<()> {
        for mut row in rows.drain(..) {
            let text = self.waiting.pop_front().unwrap_or_default();
            if !self.unnamed {
                row.unnamed_mw.fill(0);
            }
            self.totals.push(&row);
            self.line.clear();
            self.cells(&row, &text);
            self.out
                .write(&self.line)
                .context("cannot write the rows")?;
        }
        Ok(())
    }

    fn cells(&mut self, row: &Decided, text: &str) {
        let line = &mut self.line;
        // Writing to memory does not fail.
        let _ = write!(line, "{},{},{text}", row.ts, row.final_ts);
        let columns = self.totals.appliances.len();
        match (&row.parts, row.rest_mw()) {
            (Some(parts), Some(rest)) => {
                for part in parts {
                    line.push(b',');
                    series::write_watts(line, part.power_mw);
                }
                if self.unnamed {
                    for &power in &row.unnamed_mw {
                        line.push(b',');
                        series::write_watts(line, power);
                    }
                }
                line.push(b',');
                series::write_watts(line, rest);
                if self.confidence {
                    for part in parts {
                        let _ = write!(line, ",{:.2}", part.on.clamp(0.0, 1.0));
                    }
                }
            }
            _ => {
                let slots = if self.unnamed { nilm::engine::SLOTS } else { 0 };
                let likely = if self.confidence { columns } else { 0 };
                line.extend(std::iter::repeat_n(b',', columns + slots + 1 + likely));
            }
        }
        line.push(b'\n');
    }

    fn finish(mut self) -> anyhow::Result<Totals> {
        self.totals.finish();
        self.out.finish().context("cannot write the rows")?;
        Ok(self.totals)
    }
}
