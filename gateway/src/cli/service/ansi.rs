//! Service work with a meter of the American standards.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use meter_link::c12::load_profile;
use meter_link::c12::reader::{self, MeterReader};
use meter_link::dlms::client::job::Outcome;
use meter_link::model::{ObisCode, RegisterValue};
use meter_link::session::{Action, Line, Session};

use super::{Service, rows, telegram};
use crate::c12;
use crate::clock::SystemClock;
use crate::config::MeterConfig;
use crate::dlms::finish;

/// The load profile that most meters have alone.
const FIRST_PROFILE: u16 = 64;

/// A meter at an optical head, behind a modem or in a network, and where the gateway keeps the number of
/// its messages.
pub(super) struct Ansi {
    meter: MeterConfig,
    state_dir: PathBuf,
}

impl Ansi {
    pub(super) const fn new(meter: MeterConfig, state_dir: PathBuf) -> Self {
        Self { meter, state_dir }
    }

    fn reader(&self, config: reader::Config) -> anyhow::Result<MeterReader> {
        c12::reader(&self.meter, config, &self.state_dir, Arc::new(SystemClock))
    }
}

impl Service for Ansi {
    fn read(&self, registers: &[String]) -> anyhow::Result<Vec<RegisterValue>> {
        let mut config = self.meter.c12_reader()?;
        config.profile = None;
        telegram::one(&self.meter, &mut self.reader(config)?, registers)
    }

    fn profile(
        &self,
        profile: Option<ObisCode>,
        since: Option<&str>,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let mut config = self.meter.c12_reader()?;
        let configured = config.profile.take();
        let mut wanted = configured.unwrap_or_else(|| load_profile::Config::new(FIRST_PROFILE));
        if let Some(name) = profile {
            let tables = FIRST_PROFILE..FIRST_PROFILE + 4;
            wanted.table = tables
                .into_iter()
                .find(|table| load_profile::Config::new(*table).profile() == name)
                .context("such a meter has load profiles 1-0:99.1.0 to 1-0:99.1.3")?;
        }
        wanted.since = since.map(rows::meter_time).transpose()?;
        config.profile = Some(wanted);
        let mut once = Single::new(self.reader(config)?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut table = rows::Table::new(out);
        let ended = runtime.block_on(finish(&self.meter, None, &mut once, |outcome| {
            if let Outcome::Profile(found) = outcome {
                table.add(&found)?;
            }
            Ok(())
        }));
        let has_rows = table.finish()?;
        match ended {
            // A table of registers that cannot be read says nothing of the rows.
            Err(error) if has_rows => {
                eprintln!("wattle: {error:#}");
                Ok(())
            }
            ended => ended,
        }
    }
}

/// Reads a meter once, and then says [`Outcome::Finished`].
struct Single {
    reader: MeterReader,
    begun: bool,
    ended: bool,
}

impl Single {
    const fn new(reader: MeterReader) -> Self {
        Self {
            reader,
            begun: false,
            ended: false,
        }
    }
}

impl Session for Single {
    fn line(&self) -> Line {
        self.reader.line()
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.reader.handle_input(bytes, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.ended {
            self.reader.handle_timeout(now);
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        let action = self.reader.poll_action();
        self.begun |= matches!(action, Some(Action::Send(_)));
        if action.is_some() || self.ended || !self.begun || !self.reader.is_resting() {
            return action;
        }
        self.ended = true;
        Some(Action::Found(Box::new(Outcome::Finished(None))))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let due = self.reader.poll_timeout();
        due.filter(|_| !self.ended)
    }

    fn restart(&mut self, now: Instant) {
        if !self.ended {
            self.reader.restart(now);
        }
    }
}
