//! Service work with a DLMS/COSEM meter.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use meter_link::dlms::class::{self, Named};
use meter_link::dlms::client::JobMaker;
use meter_link::dlms::client::job::{
    Catalogue, ClockJob, ClockPolicy, ObjectJob, Outcome, ProfileJob, ProfileRows, RegisterSpec,
    RegistersJob, RelayCommand, RelayReport,
};
use meter_link::dlms::data::{ClockStatus, DateTime};
use meter_link::model::{ObisCode, RegisterValue};

use super::{Service, text};
use crate::clock::SystemClock;
use crate::config::{DlmsConfig, MeterConfig};
use crate::dlms::{finish, job, once, relay};

/// `1-0:99.1.0*255`: the load profile of most meters.
const LOAD_PROFILE: ObisCode = ObisCode([1, 0, 99, 1, 0, 255]);

/// A meter and where the gateway keeps its counter.
pub(super) struct Dlms {
    meter: MeterConfig,
    state_dir: PathBuf,
}

impl Dlms {
    pub(super) const fn new(meter: MeterConfig, state_dir: PathBuf) -> Self {
        Self { meter, state_dir }
    }

    fn part(&self) -> anyhow::Result<&DlmsConfig> {
        let part = self.meter.dlms.as_deref();
        part.context("the meter has no table [meter.dlms]")
    }

    /// Does the jobs, and hands over what comes out of them until there is no more.
    fn run(
        &self,
        jobs: JobMaker,
        take: impl FnMut(Outcome) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut session = once(&self.meter, &self.state_dir, Arc::new(SystemClock), jobs)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(finish(&self.meter, &mut session, take))
    }
}

impl Service for Dlms {
    fn read(&self, registers: &[String]) -> anyhow::Result<Vec<RegisterValue>> {
        let specs: Vec<RegisterSpec> = match registers {
            [] => self.part()?.registers()?,
            given => given
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()?,
        };
        let make = move || RegistersJob::new(specs.clone(), Catalogue::default());
        let mut values = Vec::new();
        self.run(job(make), |outcome| {
            if let Outcome::Registers(read) = outcome {
                for refused in read.refused {
                    eprintln!("wattle: {refused}");
                }
                values = read.values;
            }
            Ok(())
        })?;
        Ok(values)
    }

    fn clock(&self, set: bool) -> anyhow::Result<String> {
        let policy = if set {
            ClockPolicy::Set
        } else {
            ClockPolicy::Read
        };
        let mut said = None;
        self.run(job(move || ClockJob::new(policy)), |outcome| {
            if let Outcome::Clock(clock) = outcome {
                let at = clock.read.iso().unwrap_or_else(|| "no time".to_owned());
                let mut text = format!("{at}, {} s ahead of this machine", clock.ahead_s);
                if let Some(after) = clock.ahead_after_s {
                    text.push_str(&format!("; set, and now {after} s ahead"));
                }
                said = Some(text);
            }
            Ok(())
        })?;
        said.context("the meter did not tell its time")
    }

    fn relay(&self, command: RelayCommand) -> anyhow::Result<RelayReport> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let clock = Arc::new(SystemClock);
        runtime.block_on(relay(&self.meter, &self.state_dir, clock, command))
    }

    fn object(&self, class: u16, instance: ObisCode) -> anyhow::Result<Vec<Named>> {
        let known = class::class(class)
            .with_context(|| format!("what class {class} holds is not known here"))?;
        let mut lines = Vec::new();
        self.run(job(move || ObjectJob::new(known, instance)), |outcome| {
            let Outcome::Object(read) = outcome else {
                return Ok(());
            };
            for (number, told) in read.attributes {
                let Some(attribute) = known.attribute(number) else {
                    continue;
                };
                match told {
                    Ok(data) => lines.extend(class::explain(attribute, &data)),
                    Err(refused) => eprintln!("wattle: {}: {refused}", attribute.name),
                }
            }
            Ok(())
        })?;
        anyhow::ensure!(!lines.is_empty(), "the meter tells nothing of {instance}");
        Ok(lines)
    }

    fn profile(
        &self,
        profile: Option<ObisCode>,
        since: Option<&str>,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let part = self.part()?;
        let profile = profile.or(part.profile).unwrap_or(LOAD_PROFILE);
        let mut query = part.query(Some(profile))?.context("no profile")?;
        query.since = since.map(meter_time).transpose()?;
        let mut head = false;
        let make = move || ProfileJob::new(query.clone());
        self.run(job(make), |outcome| {
            if let Outcome::Profile(rows) = outcome {
                if !std::mem::replace(&mut head, true) {
                    header(&rows, out)?;
                }
                table(&rows, out)?;
            }
            Ok(())
        })?;
        out.flush()?;
        Ok(())
    }
}

/// A time of a meter's clock: `2026-03-01T00:00`, with an offset if the meter knows one.
fn meter_time(text: &str) -> anyhow::Result<DateTime> {
    let civil = text.parse::<jiff::civil::DateTime>();
    let civil = civil.with_context(|| format!("{text:?} is no time such as 2026-03-01T00:00"))?;
    let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text);
    let offset = pieces.ok().and_then(|pieces| pieces.to_numeric_offset());
    let minutes = offset.and_then(|offset| i16::try_from(-offset.seconds() / 60).ok());
    Ok(DateTime::new(civil, minutes, ClockStatus(0xFF)))
}

fn header(rows: &ProfileRows, out: &mut dyn Write) -> std::io::Result<()> {
    write!(out, "time,status")?;
    for column in rows.columns.iter().filter(|column| !column.is_clock()) {
        if column.is_status() {
            continue;
        }
        let unit = column.scale.unit.map(|unit| format!(" {unit}"));
        write!(out, ",{}{}", column.register, unit.unwrap_or_default())?;
    }
    writeln!(out)
}

fn table(rows: &ProfileRows, out: &mut dyn Write) -> std::io::Result<()> {
    for gap in &rows.gaps {
        eprintln!(
            "wattle: between {} and {} {} rows are missing{}",
            gap.after.iso().unwrap_or_default(),
            gap.before.iso().unwrap_or_default(),
            gap.missing,
            if gap.clock_changed {
                "; the clock was set"
            } else {
                ""
            }
        );
    }
    for (row, values) in rows.iter() {
        let status = row.status.map(|status| status.to_string());
        write!(
            out,
            "{},{}",
            row.at.iso().unwrap_or_default(),
            status.unwrap_or_default()
        )?;
        for (column, value) in rows.columns.iter().zip(values) {
            if column.is_clock() || column.is_status() {
                continue;
            }
            let value = value.as_ref().map(text).unwrap_or_default();
            write!(out, ",{}", value.replace(',', ";"))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_an_offset() {
        let at = |text| meter_time(text).unwrap().iso().unwrap();
        assert_eq!(at("2026-03-01T00:00"), "2026-03-01T00:00:00");
        assert_eq!(at("2026-03-01T00:00:00+01:00"), "2026-03-01T00:00:00+01:00");
        assert!(meter_time("yesterday").is_err());
    }
}
