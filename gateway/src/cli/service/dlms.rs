//! Service work with a DLMS/COSEM meter.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use meter_link::dlms::class::{self, Named};
use meter_link::dlms::client::JobMaker;
use meter_link::dlms::client::job::{
    Catalogue, ClockJob, ClockPolicy, ObjectJob, Outcome, ProfileJob, RegisterSpec, RegistersJob,
    RelayCommand, RelayReport,
};
use meter_link::model::{ObisCode, RegisterValue};

use super::{Service, rows};
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
        runtime.block_on(finish(&self.meter, None, &mut session, take))
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
        runtime.block_on(relay(&self.meter, None, &self.state_dir, clock, command))
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
        query.since = since.map(rows::meter_time).transpose()?;
        let mut table = rows::Table::new(out);
        let make = move || ProfileJob::new(query.clone());
        self.run(job(make), |outcome| {
            if let Outcome::Profile(rows) = outcome {
                table.add(&rows)?;
            }
            Ok(())
        })?;
        table.finish()?;
        Ok(())
    }
}
