//! Service work with a meter of IEC 62056-21, in its programming mode.

use std::io::Write;

use anyhow::Context;
use meter_link::dlms::client::job::RowInstants;
use meter_link::dlms::data::DateTime;
use meter_link::driver::{self, Place, PortEvent};
use meter_link::iec62056_21::programming::{Outcome, Profile, Programming, Task};
use meter_link::iec62056_21::{DataSet, register};
use meter_link::model::{ObisCode, RegisterValue};
use meter_link::session::{Action, Line, Session};
use std::time::Instant;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_util::sync::CancellationToken;

use super::telegram::Telegram;
use super::{Service, rows};
use crate::collect;
use crate::config::{MeterConfig, ProgrammingConfig};

/// A meter and how it is entered.
pub(super) struct Iec(pub(super) MeterConfig);

impl Iec {
    fn programming(&self) -> ProgrammingConfig {
        self.0.programming.clone().unwrap_or_default()
    }

    /// The data sets that were asked for, in the order of the tasks.
    fn run(&self, tasks: Vec<Task>) -> anyhow::Result<Vec<Outcome>> {
        let access = self.programming().access()?;
        let session = Programming::new(collect::iec_config(&self.0), access, tasks);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(outcomes(&self.0, session))
    }
}

impl Service for Iec {
    fn read(&self, registers: &[String]) -> anyhow::Result<Vec<RegisterValue>> {
        if registers.is_empty() {
            return Telegram(self.0.clone()).read(registers);
        }
        let asked = registers.iter().map(|text| asked(text));
        let asked = asked.collect::<anyhow::Result<Vec<_>>>()?;
        let tasks = asked.iter().map(|(_, task)| task.clone()).collect();
        let mut values = Vec::new();
        for outcome in self.run(tasks)? {
            let address = asked.get(outcome.task).map(|(address, _)| address.as_str());
            let address = address.unwrap_or_default();
            match outcome.result {
                Ok(sets) => values.extend(sets.into_iter().filter_map(|set| named(set, address))),
                Err(refusal) => eprintln!("wattle: {address}: {refusal}"),
            }
        }
        Ok(values)
    }

    fn profile(
        &self,
        profile: Option<ObisCode>,
        since: Option<&str>,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(
            profile.is_none(),
            "such a meter has one load profile, P.01: leave --profile out"
        );
        let since = since.map(rows::meter_time).transpose()?;
        let from = since.and_then(stamp).unwrap_or_default();
        let settings = self.programming();
        let zone = settings.zone.as_deref().map(jiff::tz::TimeZone::get);
        let instants = RowInstants {
            zone: zone.transpose()?,
        };
        let task = Task::profile(!settings.whole_profile, &from, "");
        let outcome = self.run(vec![task])?.into_iter().next();
        let sets = outcome.context("the meter gave no answer")?.result?;
        let profile = Profile::read(&sets).context("the answer is no load profile")?;
        let found = profile.to_rows(&instants);
        let mut table = rows::Table::new(out);
        table.add(&found)?;
        table.finish()?;
        Ok(())
    }
}

/// `1.8.0`, `R5:1.8.0` or `R1:P.99(;)`: the address, and the task.
fn asked(text: &str) -> anyhow::Result<(String, Task)> {
    let (kind, set) = match text.split_once(':') {
        Some((kind, set)) if kind.len() == 2 && kind.starts_with(['R', 'r']) => {
            let number = kind.get(1..).and_then(|number| number.parse().ok());
            (
                number.with_context(|| format!("{kind:?} is none of R1 to R6"))?,
                set,
            )
        }
        _ => (1, text),
    };
    let bare = !set.contains('(');
    let task = Task::Read {
        kind,
        set: if bare {
            format!("{set}()")
        } else {
            set.to_owned()
        },
    };
    anyhow::ensure!(
        task.is_sound(),
        "{text:?} is not of the form ADDRESS or R1:ADDRESS(…), R1 to R6"
    );
    let address = set.split('(').next().unwrap_or_default().to_owned();
    Ok((address, task))
}

/// A meter may leave the address out in its answer.
fn named(mut set: DataSet, address: &str) -> Option<RegisterValue> {
    if set.address.is_empty() {
        address.clone_into(&mut set.address);
    }
    let value = register(&set);
    if value.is_none() {
        let groups: Vec<String> = set.groups.iter().map(ToString::to_string).collect();
        eprintln!(
            "wattle: {}: {} is no register",
            set.address,
            groups.concat()
        );
    }
    value
}

/// A time as meters write it: season (2 for UTC), then `YYMMDDhhmm`.
fn stamp(at: DateTime) -> Option<String> {
    let civil = at.civil()?;
    let season = if at.deviation() == Some(0) { 2 } else { 0 };
    Some(format!("{season}{}", civil.strftime("%y%m%d%H%M")))
}

/// Programming mode, with what comes of its tasks handed on as it comes.
struct Told {
    inner: Programming,
    to: Option<UnboundedSender<Outcome>>,
}

impl Session for Told {
    fn line(&self) -> Line {
        self.inner.line()
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.inner.handle_input(bytes, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        let action = self.inner.poll_action();
        while let Some(outcome) = self.inner.poll_outcome() {
            if let Some(to) = &self.to {
                // Nobody listens any more when the port was lost.
                let _ = to.send(outcome);
            }
        }
        if action.is_none() && self.inner.is_over() {
            // All has left, the goodbye too.
            self.to = None;
        }
        action
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn restart(&mut self, now: Instant) {
        self.inner.restart(now);
    }
}

async fn outcomes(meter: &MeterConfig, inner: Programming) -> anyhow::Result<Vec<Outcome>> {
    let (to, mut told) = mpsc::unbounded_channel();
    let mut session = Told {
        inner,
        to: Some(to),
    };
    let (events, mut from_driver) = mpsc::channel(32);
    let port: Place = meter.port.to_string_lossy().parse()?;
    let stop = CancellationToken::new();
    let drive = driver::run_at(&port, meter.head_power, &mut session, events, stop);
    let watch = async {
        while let Some(event) = from_driver.recv().await {
            if let PortEvent::Lost { reason, .. } = event {
                return reason;
            }
        }
        "the port was closed".to_owned()
    };
    let collect = async {
        let mut found = Vec::new();
        while let Some(outcome) = told.recv().await {
            found.push(outcome);
        }
        found
    };
    tokio::select! {
        biased;
        found = collect => Ok(found),
        reason = watch => anyhow::bail!("{port}: {reason}"),
        () = drive => anyhow::bail!("{port}: the port was closed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let read = |kind, set: &str| Task::Read {
            kind,
            set: set.to_owned(),
        };
        for (text, address, task) in [
            ("1.8.0", "1.8.0", read(1, "1.8.0()")),
            ("R5:1-1:1.8.0", "1-1:1.8.0", read(5, "1-1:1.8.0()")),
            ("1-0:1.8.0", "1-0:1.8.0", read(1, "1-0:1.8.0()")),
            ("r6:P.01(;)", "P.01", read(6, "P.01(;)")),
        ] {
            assert_eq!(asked(text).unwrap(), (address.to_owned(), task), "{text}");
        }
        for text in ["R7:1.8.0", "R0:1.8.0", "1.8.0(", "a/b", "Rx:1"] {
            assert!(asked(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_as_meters_write_them() {
        let stamp = |text| stamp(rows::meter_time(text).unwrap()).unwrap();
        assert_eq!(stamp("2026-03-01T00:15"), "02603010015");
        assert_eq!(stamp("2026-03-01T00:15:00+00:00"), "22603010015");
    }
}
