//! Commands from the head-end: taken once, within their window, and answered with a signed result.
//!
//! The counter is on the disk before a command is done: one that a crash cut off is not done twice.
//! What is to be done later waits in a file.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use meter_link::model::ObisCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wattle_relay::command::{Command, Kind, Signed};
use wattle_relay::safety;

use super::engine::Engine;
use super::limit;
use super::services::Services;
use super::time::ClockState;
use super::tuning::Tuning;
use crate::config::{Taf, UpstreamStream};
use crate::files;

/// The stream of results.
const RESULTS: &str = "result";
const COUNTER: &str = "command counter";
/// Commands that may wait for their time.
const WAITING: usize = 32;

/// Where commands are taken.
pub(super) struct Desk {
    streams: Vec<UpstreamStream>,
    folder: PathBuf,
    path: PathBuf,
    waiting: Vec<Later>,
    services: Services,
}

/// A command that waits for its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Later {
    kind: String,
    id: String,
    counter: u64,
    not_before_s: i64,
    not_after_s: i64,
    execute_at_s: i64,
    body: String,
}

impl Later {
    fn of(command: &Command) -> Self {
        Self {
            kind: command.kind.name().to_owned(),
            id: command.id.clone(),
            counter: command.counter,
            not_before_s: command.not_before_s,
            not_after_s: command.not_after_s,
            execute_at_s: command.execute_at_s,
            body: command.body.clone(),
        }
    }

    fn command(&self) -> Option<Command> {
        Some(Command {
            kind: Kind::of_name(&self.kind)?,
            id: self.id.clone(),
            counter: self.counter,
            not_before_s: self.not_before_s,
            not_after_s: self.not_after_s,
            execute_at_s: self.execute_at_s,
            body: self.body.clone(),
        })
    }
}

/// What came out of a command.
pub(super) enum Outcome {
    /// It was done.
    Done(String),
    /// It waits for its time, and how.
    Accepted(String),
    /// It was not done, and why.
    Refused(String),
    /// It cannot be done here.
    NotSupported(&'static str),
}

impl Desk {
    /// The desk of a state folder.
    ///
    /// # Errors
    /// What waits cannot be read.
    pub(super) fn open(
        folder: &Path,
        streams: Vec<UpstreamStream>,
        services: Services,
    ) -> anyhow::Result<Self> {
        let path = folder.join("upstream").join("commands.json");
        let waiting = files::recall(&path)?.unwrap_or_default();
        Ok(Self {
            streams,
            folder: folder.to_path_buf(),
            path,
            waiting,
            services,
        })
    }

    /// Takes a command whose signatures are right.
    ///
    /// # Errors
    /// It was taken before, or the store failed.
    pub(super) fn take(
        &mut self,
        engine: &mut Engine,
        signed: &Signed,
        wall: Timestamp,
    ) -> anyhow::Result<()> {
        let command = &signed.command;
        let last = engine.outbox().number(COUNTER)?;
        anyhow::ensure!(
            command.counter > last,
            "command {} was taken before, or is older than one that was",
            command.id
        );
        engine.outbox().keep_number(COUNTER, command.counter)?;
        let outcome = self.judge(engine, signed, wall)?;
        tell(engine, command, &outcome, wall)
    }

    fn judge(
        &mut self,
        engine: &mut Engine,
        signed: &Signed,
        wall: Timestamp,
    ) -> anyhow::Result<Outcome> {
        let command = &signed.command;
        if limit::is_its(command) {
            return self.services.limit(signed, wall);
        }
        if matches!(command.kind, Kind::Disconnect | Kind::Arm | Kind::Reconnect) {
            return self.services.switch(signed, wall);
        }
        if let Err(denial) = safety::in_window(command, wall.as_second()) {
            return Ok(Outcome::Refused(denial.to_string()));
        }
        if command.execute_at_s <= wall.as_second() {
            return self.execute(engine, command, wall);
        }
        // Where nobody says how the clock is, the head-end has the result's own time to compare.
        if let Some(clock) = ClockState::ask().filter(|clock| !clock.is_trusted()) {
            return Ok(Outcome::Refused(format!(
                "this clock is not to be trusted with a time: {}",
                clock.words()
            )));
        }
        if self.waiting.len() >= WAITING {
            return Ok(Outcome::Refused(
                "too many commands wait for their time".to_owned(),
            ));
        }
        self.waiting.push(Later::of(command));
        self.store()?;
        Ok(Outcome::Accepted("it waits for its time".to_owned()))
    }

    /// Does what has come due, and tells what the household has said.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn tick(&mut self, engine: &mut Engine, wall: Timestamp) -> anyhow::Result<()> {
        for said in self.services.said(wall)? {
            engine
                .outbox()
                .append_text(RESULTS, wall.as_second(), &said)?;
        }
        let switched = self.services.switched();
        let (limits, messages) = (self.services.proved(wall)?, self.services.confirmed(wall));
        let named = limits.iter().chain(&messages).map(|(_, told)| told);
        for told in switched.iter().chain(named) {
            engine
                .outbox()
                .append_text(RESULTS, wall.as_second(), told)?;
        }
        self.services.told_switched(switched.len())?;
        self.services.told_limits(limits, wall)?;
        self.services.told_confirmed(messages, wall)?;
        let due = |later: &Later| later.execute_at_s <= wall.as_second();
        if !self.waiting.iter().any(due) {
            return Ok(());
        }
        let (due, waiting): (Vec<Later>, Vec<Later>) = self.waiting.drain(..).partition(due);
        self.waiting = waiting;
        // Off the disk first: a crash may leave one undone, and does none twice.
        self.store()?;
        for command in due.iter().filter_map(Later::command) {
            let outcome = match safety::in_window(&command, wall.as_second()) {
                Ok(()) => self.execute(engine, &command, wall)?,
                Err(denial) => Outcome::Refused(denial.to_string()),
            };
            tell(engine, &command, &outcome, wall)?;
        }
        Ok(())
    }

    fn execute(
        &mut self,
        engine: &mut Engine,
        command: &Command,
        wall: Timestamp,
    ) -> anyhow::Result<Outcome> {
        Ok(match command.kind {
            Kind::ReadNow => self.read_now(engine, &command.body)?,
            Kind::KeyRotate => {
                engine.rotate(wall)?;
                Outcome::Done("the next batch has a new epoch".to_owned())
            }
            Kind::Time => match serde_json::from_str::<TimeBody>(&command.body) {
                Ok(body) => {
                    let ahead = wall.as_second().saturating_sub(body.now_s);
                    let chrony = ClockState::ask();
                    let chrony =
                        chrony.map_or("there is no chrony".to_owned(), |clock| clock.words());
                    Outcome::Done(format!(
                        "this clock is {ahead} s ahead; it was not set; {chrony}"
                    ))
                }
                Err(_) => {
                    Outcome::Refused("its body is {\"now_s\": seconds since 1970}".to_owned())
                }
            },
            // These are decided when they come.
            Kind::Disconnect | Kind::Arm | Kind::Reconnect | Kind::LoadLimit => {
                Outcome::NotSupported("a command about the supply does not wait")
            }
            Kind::Message => self.services.message(command, wall)?,
            Kind::Price => self.services.price(&command.body),
            Kind::Tariff => self.services.tariff(&command.id, &command.body, wall)?,
            Kind::DrEvent => self.services.event(&command.body, wall)?,
            Kind::Firmware => self.services.firmware(&command.body, wall)?,
            Kind::Config => match Tuning::read(&command.body) {
                Ok(tuning) => {
                    tuning.keep(&self.folder)?;
                    engine.tune(&tuning);
                    Outcome::Done("it holds from the next batch on".to_owned())
                }
                Err(why) => Outcome::Refused(why),
            },
        })
    }

    /// TAF 6: of a meter, and registers, to which the household has agreed.
    fn read_now(&self, engine: &mut Engine, body: &str) -> anyhow::Result<Outcome> {
        let Ok(body) = serde_json::from_str::<ReadBody>(body) else {
            return Ok(Outcome::Refused(
                "its body is {\"meter\": name}, and registers if not all".to_owned(),
            ));
        };
        let agreed: Vec<&UpstreamStream> = self
            .streams
            .iter()
            .filter(|stream| stream.taf == Taf::OnDemand && stream.meter == body.meter)
            .collect();
        if agreed.is_empty() {
            return Ok(Outcome::Refused(
                "the household has not agreed to be read on demand".to_owned(),
            ));
        }
        let wanted = |obis: ObisCode| {
            agreed.iter().any(|stream| stream.wants(obis))
                && (body.registers.is_empty() || body.registers.contains(&obis))
        };
        let count = engine.outbox().append_latest(&body.meter, wanted)?;
        Ok(Outcome::Done(format!("{count} registers follow")))
    }

    fn store(&self) -> anyhow::Result<()> {
        files::keep(&self.path, &self.waiting, files::For::All)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeBody {
    now_s: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadBody {
    meter: String,
    #[serde(default)]
    registers: Vec<ObisCode>,
}

fn tell(
    engine: &mut Engine,
    command: &Command,
    outcome: &Outcome,
    wall: Timestamp,
) -> anyhow::Result<()> {
    let (status, detail) = match outcome {
        Outcome::Done(detail) => ("done", detail.as_str()),
        Outcome::Accepted(detail) => ("accepted", detail.as_str()),
        Outcome::Refused(detail) => ("refused", detail.as_str()),
        Outcome::NotSupported(detail) => ("not_supported", *detail),
    };
    tracing::info!(
        id = command.id,
        kind = command.kind.name(),
        status,
        detail,
        "command"
    );
    let result = json!({
        "id": command.id,
        "kind": command.kind.name(),
        "counter": command.counter,
        "status": status,
        "detail": detail,
        "at": wall.to_string(),
    });
    engine
        .outbox()
        .append_text(RESULTS, wall.as_second(), &result.to_string())?;
    Ok(())
}
