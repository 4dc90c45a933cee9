//! LOAD_LIMIT: limits of the utility on the list of what is asked of the home, and whether they were kept.
//!
//! Whoever obeys limits (Zigbee loads, charging outlets, a home automation) finds them there beside those
//! of demand response. What the meter says of the quarter-hours within one is the command's last result.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wattle_api::{GridEvent, GridEventKind, LogBook, OptState};
use wattle_relay::command::{Command, Kind, Signed};
use wattle_relay::limit::{self, Limit, Policy};

use super::commands::Outcome;
use super::time::ClockState;
use crate::files;
use crate::grid::Board;
use crate::store::{Logbooks, QUARTER_S, Readers};
use crate::usage::{self, Quarters};

/// The source of the board's events, and the beginning of their identifiers.
const SOURCE: &str = "limit";
/// Limits that stand or wait for their proof at most.
const MOST: usize = 8;
/// Characters of a reason at most.
const LONGEST: usize = 150;
/// How long after its end the last quarter-hour of a limit is in the store.
const SETTLED_S: i64 = 1_800;

/// What limits reach.
#[derive(Clone)]
pub struct Settings {
    /// The rules of this home; nothing is limited where there are none.
    pub policy: Option<Policy>,
    /// What the meter says.
    pub readers: Readers,
    /// Name of the meter at the grid.
    pub meter: Option<String>,
}

/// The limits.
pub(super) struct Limits {
    settings: Settings,
    board: Board,
    logbooks: Logbooks,
    path: PathBuf,
    standing: Vec<Standing>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    id: String,
    counter: u64,
    limit_w: u32,
    start: Timestamp,
    end: Timestamp,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    limit_w: u32,
    start: Option<Timestamp>,
    end: Timestamp,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    cancel: String,
}

impl Limits {
    /// The limits of a state folder; what stood before stands again.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn open(
        folder: &Path,
        settings: Settings,
        board: Board,
        logbooks: Logbooks,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let path = folder.join("upstream").join("limits.json");
        let standing = files::recall(&path)?.unwrap_or_default();
        let limits = Self {
            settings,
            board,
            logbooks,
            path,
            standing,
        };
        limits.show(now);
        Ok(limits)
    }

    /// Takes a command.
    ///
    /// # Errors
    /// The disk cannot be written, and nothing was done.
    pub(super) fn command(&mut self, signed: &Signed, now: Timestamp) -> anyhow::Result<Outcome> {
        let Some(policy) = self.settings.policy else {
            return Ok(Outcome::NotSupported(
                "this home takes no limits: there is no [load_limit]",
            ));
        };
        let command = &signed.command;
        let outcome = match serde_json::from_str::<Cancel>(&command.body) {
            Ok(Cancel { cancel }) => self.cancel(signed, &cancel, now)?,
            Err(_) => self.put(signed, policy, now)?,
        };
        let said = match &outcome {
            Outcome::Accepted(text) | Outcome::Done(text) | Outcome::Refused(text) => text,
            Outcome::NotSupported(text) => *text,
        };
        self.note(now, &format!("LOAD_LIMIT {}: {said}", command.id))?;
        Ok(outcome)
    }

    fn put(&mut self, signed: &Signed, policy: Policy, now: Timestamp) -> anyhow::Result<Outcome> {
        let command = &signed.command;
        let Ok(body) = serde_json::from_str::<Body>(&command.body) else {
            let why = "its body is {\"limit_w\": watts, \"end\": time}, and start and reason if there are any, or {\"cancel\": id}";
            return Ok(Outcome::Refused(why.to_owned()));
        };
        let start = body.start.unwrap_or_else(|| {
            let at = Timestamp::from_second(command.execute_at_s).unwrap_or(now);
            at.max(now)
        });
        let asked = Limit {
            limit_w: body.limit_w,
            start_s: start.as_second(),
            end_s: body.end.as_second(),
        };
        let off_s = ClockState::ask().and_then(|clock| clock.off_s());
        if let Err(denial) = limit::judge(signed, asked, policy, now.as_second(), off_s) {
            return Ok(Outcome::Refused(denial.to_string()));
        }
        if self.standing.len() >= MOST {
            return Ok(Outcome::Refused("too many limits stand open".to_owned()));
        }
        let plain = body
            .reason
            .chars()
            .filter(|character| !character.is_control());
        let mut changed = self.standing.clone();
        changed.push(Standing {
            id: command.id.clone(),
            counter: command.counter,
            limit_w: body.limit_w,
            start,
            end: body.end,
            reason: plain.take(LONGEST).collect(),
        });
        self.keep(changed, now)?;
        Ok(Outcome::Accepted(format!(
            "{} W from {start} to {}; what was drawn is told afterwards",
            body.limit_w, body.end
        )))
    }

    fn cancel(&mut self, signed: &Signed, id: &str, now: Timestamp) -> anyhow::Result<Outcome> {
        if let Err(denial) = limit::may_be(signed, now.as_second()) {
            return Ok(Outcome::Refused(denial.to_string()));
        }
        let mut changed = self.standing.clone();
        changed.retain(|one| one.id != id);
        if changed.len() == self.standing.len() {
            return Ok(Outcome::Refused("there is no such limit".to_owned()));
        }
        self.keep(changed, now)?;
        Ok(Outcome::Done("it is called off".to_owned()))
    }

    /// The results of those that are over and whose quarter-hours are in the store, and their names.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn proved(&self, now: Timestamp) -> anyhow::Result<Vec<(String, String)>> {
        let over = |one: &&Standing| now.as_second() >= one.end.as_second() + SETTLED_S;
        let ripe = |one: &&Standing| over(one) || (one.end <= now && one.quarters().is_none());
        let mut proved = Vec::new();
        for one in self.standing.iter().filter(ripe) {
            let (status, detail) = self.proof(one)?;
            let result = json!({
                "id": one.id,
                "kind": Kind::LoadLimit.name(),
                "counter": one.counter,
                "status": status,
                "detail": detail,
                "at": now.to_string(),
            });
            proved.push((one.id.clone(), result.to_string()));
        }
        Ok(proved)
    }

    fn proof(&self, one: &Standing) -> anyhow::Result<(&'static str, String)> {
        let (Some((from, to)), Some(meter)) = (one.quarters(), &self.settings.meter) else {
            return Ok((
                "done",
                "it is over; no whole quarter-hour lay within it".to_owned(),
            ));
        };
        let reader = self.settings.readers.open()?;
        let quarters = usage::quarters(&reader, meter, from, to)?;
        Ok(judged(&quarters, one.limit_w))
    }

    /// Those are told: they go.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn told(&mut self, ids: &[String], now: Timestamp) -> anyhow::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut changed = self.standing.clone();
        changed.retain(|one| !ids.contains(&one.id));
        for id in ids {
            self.note(now, &format!("LOAD_LIMIT {id}: it is over"))?;
        }
        self.keep(changed, now)
    }

    fn keep(&mut self, changed: Vec<Standing>, now: Timestamp) -> anyhow::Result<()> {
        files::keep(&self.path, &changed, files::For::All)?;
        self.standing = changed;
        self.show(now);
        Ok(())
    }

    fn note(&self, now: Timestamp, said: &str) -> anyhow::Result<()> {
        for book in [LogBook::Calibration, LogBook::Consumer] {
            self.logbooks.append(book, now, "limit", said)?;
        }
        Ok(())
    }

    fn show(&self, now: Timestamp) {
        let events = self.standing.iter().map(Standing::event).collect();
        self.board.put(SOURCE, events, now);
    }
}

impl Standing {
    fn event(&self) -> GridEvent {
        let text = Some(self.reason.clone()).filter(|reason| !reason.is_empty());
        GridEvent {
            id: format!("{SOURCE}:{}", self.id),
            name: None,
            kind: GridEventKind::ImportLimit,
            start: self.start,
            end: Some(self.end),
            level: Some(Decimal::new(self.limit_w.into(), 3).normalize()),
            text,
            steps: Vec::new(),
            priority: Some(0),
            opt: OptState::In,
            may_opt_out: false,
        }
    }

    /// The whole quarter-hours within it, if there are any.
    fn quarters(&self) -> Option<(i64, i64)> {
        let from = self.start.as_second();
        let from = (from + QUARTER_S - 1).div_euclid(QUARTER_S) * QUARTER_S;
        let to = self.end.as_second().div_euclid(QUARTER_S) * QUARTER_S;
        (from < to).then_some((from, to))
    }
}

/// Whether quarter-hours, in kWh, kept a limit.
fn judged(quarters: &Quarters, limit_w: u32) -> (&'static str, String) {
    let whole = quarters.values().filter(|(_, whole)| *whole);
    let highest = whole.map(|(kwh, _)| *kwh * Decimal::from(4_000)).max();
    match highest {
        None => (
            "done",
            "it is over; no quarter-hour of it was metered".to_owned(),
        ),
        Some(watts) => {
            let status = if watts <= Decimal::from(limit_w) {
                "done"
            } else {
                "failed"
            };
            let said = format!(
                "{} W on the mean in the highest of {} quarter-hours, {limit_w} W allowed",
                watts.normalize(),
                quarters.len()
            );
            (status, said)
        }
    }
}

/// A command about limits does not wait in the desk: what it limits has its own time.
pub(super) const fn is_its(command: &Command) -> bool {
    matches!(command.kind, Kind::LoadLimit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(start: &str, end: &str) -> Standing {
        Standing {
            id: "c-1".to_owned(),
            counter: 1,
            limit_w: 4_200,
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
            reason: String::new(),
        }
    }

    #[test]
    fn whole_quarter_hours_prove_it() {
        let one = limit("2026-11-01T10:01:00Z", "2026-11-01T10:59:00Z");
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let want = (at("2026-11-01T10:15:00Z"), at("2026-11-01T10:45:00Z"));
        assert_eq!(one.quarters(), Some(want));
        let short = limit("2026-11-01T10:01:00Z", "2026-11-01T10:29:00Z");
        assert_eq!(short.quarters(), None);
        let kwh = |text: &str| text.parse::<Decimal>().unwrap();
        // 4.2 kW are 1.05 kWh in a quarter-hour.
        let mut quarters = Quarters::from([(want.0, (kwh("1.05"), true))]);
        quarters.insert(want.0 + 900, (kwh("9"), false));
        let (status, said) = judged(&quarters, 4_200);
        assert_eq!(status, "done");
        assert!(said.starts_with("4200 W"), "{said}");
        quarters.insert(want.0 + 900, (kwh("1.0501"), true));
        let (status, said) = judged(&quarters, 4_200);
        assert_eq!(status, "failed");
        assert!(said.starts_with("4200.4 W"), "{said}");
        assert_eq!(judged(&Quarters::new(), 1).0, "done");
    }

    #[test]
    fn it_stands_on_the_board_and_leaves_no_choice() {
        let event = limit("2026-11-01T10:00:00Z", "2026-11-01T11:00:00Z").event();
        assert_eq!(event.level, Some(Decimal::new(42, 1)));
        assert_eq!(event.kind, GridEventKind::ImportLimit);
        assert!(!event.may_opt_out);
    }
}
