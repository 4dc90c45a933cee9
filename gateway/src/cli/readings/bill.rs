//! `wattle bill`: what each tariff register gained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wattle_billing::determinants::{Determinants, SupplierCalendar, TariffCalendar, determine};
use wattle_billing::exact::scaled;
use wattle_billing::readings::SeriesReadings;
use wattle_billing::tariff::{LoadOptions, load};

use super::{answer, instant, readings_of, text_of, within};

/// Add readings up by the registers of a tariff calendar
#[derive(Debug, Args)]
#[command(
    long_about = "Add readings up by the registers of a tariff calendar, exact to the raw unit.\n\n\
        Between two counter readings the difference belongs to the tariff that holds at the local \
        time of the first; over a gap it goes to the calendar's error register. Prints one JSON \
        object per series.",
    after_help = "Example:\n  wattle bill --calendar supplier.xml --readings gateway.xml"
)]
pub(in crate::cli) struct BillArgs {
    /// A supplier's document (VDE-AR-E 2418-6) or a tariff's TOML file
    #[arg(long, value_name = "FILE")]
    calendar: PathBuf,
    /// VDE-AR-E 2418-6 or lines; '-' is standard input
    #[arg(long, value_name = "FILE|-")]
    readings: PathBuf,
    /// Only from this instant on
    #[arg(long, value_parser = instant, value_name = "T")]
    from: Option<Timestamp>,
    /// Only up to this instant
    #[arg(long, value_parser = instant, value_name = "T")]
    to: Option<Timestamp>,
    /// Zone of the local time; the offset of the readings, or the tariff's own, when left out
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
}

pub(in crate::cli) fn run(args: &BillArgs) -> ExitCode {
    answer("bill", lines(args))
}

fn lines(args: &BillArgs) -> anyhow::Result<String> {
    let zone = args.zone.as_deref().map(TimeZone::get).transpose()?;
    let calendar = calendar(&args.calendar, args.zone.as_deref())?;
    let mut all = readings_of(&args.readings)?;
    within(&mut all, args.from, args.to);
    let mut out = String::new();
    for one in &all {
        let found = determine(&calendar, one, zone.as_ref());
        out.push_str(&format!("{}\n", object(&calendar, one, &found)?));
    }
    Ok(out)
}

fn calendar(path: &Path, zone: Option<&str>) -> anyhow::Result<TariffCalendar> {
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        let options = LoadOptions {
            zone: zone.map(str::to_owned),
            ..LoadOptions::default()
        };
        let tariff = load(path, &options)?;
        return TariffCalendar::of_tariff(&tariff)
            .with_context(|| format!("{}: a list of prices has no registers", path.display()));
    }
    let calendar =
        SupplierCalendar::read(&text_of(path)?).with_context(|| path.display().to_string())?;
    Ok(TariffCalendar::Supplier(calendar))
}

fn object(
    calendar: &TariffCalendar,
    one: &SeriesReadings,
    found: &Determinants,
) -> anyhow::Result<Value> {
    let scaler = one.series.scaler;
    let raw = |amount: &i128| i64::try_from(*amount).context("a sum does not fit in 64 bits");
    let raws = |of: &BTreeMap<String, i128>| -> anyhow::Result<serde_json::Map<String, Value>> {
        of.iter()
            .map(|(name, amount)| Ok((name.clone(), json!(raw(amount)?))))
            .collect()
    };
    let values = found
        .tariffs
        .iter()
        .map(|(name, amount)| Ok((name.clone(), json!(scaled(raw(amount)?, scaler)))));
    let values: serde_json::Map<String, Value> = values.collect::<anyhow::Result<_>>()?;
    let label = |name: &String| Some((name.clone(), json!(calendar.label(name)?)));
    let names: serde_json::Map<String, Value> = found.tariffs.keys().filter_map(label).collect();
    let day = |(date, of): (&jiff::civil::Date, &BTreeMap<String, i128>)| {
        Ok((date.to_string(), json!(raws(of)?)))
    };
    let days: serde_json::Map<String, Value> =
        found.days.iter().map(day).collect::<anyhow::Result<_>>()?;
    Ok(json!({
        "record": "bill",
        "register": one.series.register,
        "meter": one.series.meter,
        "unit": one.series.unit,
        "scaler": scaler,
        "readings": found.readings,
        "from": found.span.map(|(from, _)| from.to_string()),
        "to": found.span.map(|(_, to)| to.to_string()),
        "total_raw": raw(&found.total)?,
        "total": scaled(raw(&found.total)?, scaler),
        "tariffs": raws(&found.tariffs)?,
        "values": values,
        "names": names,
        "days": days,
        "status_counts": found.status_counts,
        "gaps": found.gaps,
        "closed": found.closed(),
    }))
}
