//! The supply for whoever asks: commands of the utility, the person's button, the relay itself.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use meter_link::dlms::client::job::{RelayCommand, RelayReport};
use rust_decimal::Decimal;
use serde::Deserialize;
use wattle_api::{LogBook, SupplySwitch};
use wattle_relay::command::{Kind, Signed};
use wattle_relay::disconnect::{Action, Denial, Policy, Situation, State};

use super::kept::Kept;
use super::orders::Orders;
use super::told::{notices, told};
use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::config::DisconnectConfig;
use crate::store::{Logbooks, Readers};
use crate::upstream::ClockState;

/// An outdoor temperature older than this says nothing of now.
const FRESH: Duration = Duration::from_secs(2 * 3_600);
/// Characters of a reason, and of whom to call, at most.
const LONGEST: usize = 150;

/// What the supply works with.
pub struct Settings {
    /// The installer's word.
    pub config: DisconnectConfig,
    /// State folder.
    pub state_dir: PathBuf,
    /// The outdoor temperature.
    pub readers: Readers,
    /// Where every step is written.
    pub logbooks: Logbooks,
    /// Says what the household must know.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
    /// The home's time zone.
    pub zone: TimeZone,
    /// To the relay.
    pub orders: Orders,
}

/// The supply. Clones are the same one.
#[derive(Clone)]
pub struct Board {
    settings: Arc<Settings>,
    policy: Arc<Policy>,
    path: PathBuf,
    kept: Arc<Mutex<Kept>>,
}

/// What a disconnection must say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Announcement {
    reason: String,
    contact: String,
}

impl Board {
    /// The supply of a state folder.
    ///
    /// # Errors
    /// What is remembered cannot be read: then nothing may be switched.
    pub fn open(settings: Settings) -> anyhow::Result<Self> {
        let path = settings.state_dir.join("supply.json");
        let kept = Kept::load(&path)?;
        Ok(Self {
            policy: Arc::new(settings.config.policy()),
            settings: Arc::new(settings),
            path,
            kept: Arc::new(Mutex::new(kept)),
        })
    }

    /// To the relay.
    #[must_use]
    pub fn orders(&self) -> &Orders {
        &self.settings.orders
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a command, whose signatures and counter were checked. Writes to the disk.
    ///
    /// # Errors
    /// It cannot be kept, and nothing was done.
    pub(crate) fn command(
        &self,
        signed: &Signed,
        now: Timestamp,
    ) -> anyhow::Result<Result<String, String>> {
        let command = &signed.command;
        let mut text = String::new();
        if command.kind == Kind::Disconnect {
            match serde_json::from_str::<Announcement>(&command.body) {
                Ok(said) => text = format!("{} {}", plain(&said.reason), plain(&said.contact)),
                Err(_) => {
                    let why =
                        "its body is {\"reason\": text, \"contact\": text}, for the household";
                    return Ok(Err(why.to_owned()));
                }
            }
        }
        let world = self.world(now);
        let mut kept = self.kept();
        let mut changed = kept.clone();
        let before = changed.supply.state.clone();
        let taken = changed.supply.command(signed, &text, &self.policy, world);
        let said = match (&taken, changed.supply.state.clone()) {
            (Err(denial), _) => Err(denial.to_string()),
            (Ok(()), State::Announced { at_s, .. }) => {
                changed.begin(command);
                changed.text = text;
                Ok(format!("announced; the relay opens at {}", instant(at_s)))
            }
            (Ok(()), State::On) => {
                let detail = format!("called off by {}", command.id);
                changed.end("called_off", &detail, now);
                Ok("the disconnection is called off".to_owned())
            }
            (Ok(()), _) => Ok("the person at the home may switch on".to_owned()),
        };
        tracing::info!(id = command.id, ?before, after = ?changed.supply.state, "the supply");
        self.keep(&mut kept, changed, now)?;
        Ok(said)
    }

    /// The person presses the button. Writes to the disk.
    ///
    /// # Errors
    /// It cannot be kept, and nothing was done.
    pub fn press(&self) -> anyhow::Result<Result<SupplySwitch, Denial>> {
        let now = self.settings.clock.now();
        let mut kept = self.kept();
        let mut changed = kept.clone();
        match changed.supply.button(now.as_second()) {
            Ok(action) => {
                changed.moving = Some(action);
                changed.ordered = false;
            }
            Err(denial) => return Ok(Err(denial)),
        }
        self.keep(&mut kept, changed, now)?;
        Ok(Ok(told(&kept)))
    }

    /// Where the supply stands.
    #[must_use]
    pub fn told(&self) -> SupplySwitch {
        told(&self.kept())
    }

    /// What is to be done with the relay now. Before it is told to move, that is on the disk.
    ///
    /// # Errors
    /// It cannot be kept, and nothing is to be done.
    pub(super) fn due(&self) -> anyhow::Result<Option<RelayCommand>> {
        let now = self.settings.clock.now();
        let mut kept = self.kept();
        let mut changed = kept.clone();
        if changed.moving.is_none() {
            let State::Announced { at_s, .. } = changed.supply.state else {
                return Ok(None);
            };
            if now.as_second() < at_s {
                return Ok(None);
            }
            let world = self.world(now);
            changed.moving = changed.supply.tick(&self.policy, world);
            changed.ordered = false;
            if changed.moving.is_none() {
                let why = changed.supply.steps.last().cloned().unwrap_or_default();
                changed.end("refused", since(&why), now);
                self.keep(&mut kept, changed, now)?;
                return Ok(None);
            }
        }
        if changed.ordered {
            // It was told already. Where it stands is for it to say, once a minute.
            return Ok(None);
        }
        let command = match changed.moving {
            Some(Action::Open) => RelayCommand::Disconnect,
            Some(Action::Close) => RelayCommand::Reconnect,
            None => return Ok(None),
        };
        changed.ordered = true;
        self.keep(&mut kept, changed, now)?;
        Ok(Some(command))
    }

    /// Takes note of what the relay says; true when it is known where it stands.
    ///
    /// # Errors
    /// It cannot be kept.
    pub(super) fn settle(
        &self,
        command: RelayCommand,
        answer: Result<RelayReport, String>,
    ) -> anyhow::Result<bool> {
        let now = self.settings.clock.now();
        let mut kept = self.kept();
        let mut changed = kept.clone();
        let known = match answer {
            Ok(report) => {
                // Ready for reconnection: the button of the meter itself closes it.
                let closed = report.connected || report.control_state == 2;
                settled(&mut changed, closed, now);
                true
            }
            Err(why) => {
                tracing::warn!(?command, why, "the relay");
                if changed.moving.is_some() {
                    changed.wrong = Some(format!("nobody knows where the relay stands: {why}"));
                }
                false
            }
        };
        if changed != *kept {
            self.keep(&mut kept, changed, now)?;
        }
        Ok(known)
    }

    /// Results that the head-end has not been told.
    pub(crate) fn results(&self) -> Vec<String> {
        self.kept().results.clone()
    }

    /// The first of them are on their way.
    ///
    /// # Errors
    /// It cannot be kept, and they will be told again.
    pub(crate) fn forget_results(&self, count: usize) -> anyhow::Result<()> {
        let mut kept = self.kept();
        let mut changed = kept.clone();
        changed.results.drain(..count.min(changed.results.len()));
        let now = self.settings.clock.now();
        self.keep(&mut kept, changed, now)
    }

    /// Tells the household.
    pub(super) fn show(&self) {
        let now = self.settings.clock.now();
        let notices = notices(&self.kept(), &self.settings.zone, now);
        self.settings.bus.send(Event::Notices {
            source: "supply".to_owned(),
            notices,
        });
    }

    /// Onto the disk and into the books first; then it holds.
    fn keep(
        &self,
        kept: &mut MutexGuard<'_, Kept>,
        mut changed: Kept,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let steps = std::mem::take(&mut changed.supply.steps);
        for step in &steps {
            let books = &self.settings.logbooks;
            for book in [LogBook::Calibration, LogBook::Consumer] {
                books.append(book, now, "supply", &format!("Supply: {}", since(step)))?;
            }
        }
        changed.save(&self.path)?;
        let shown = notices(&changed, &self.settings.zone, now);
        let before = notices(kept, &self.settings.zone, now);
        **kept = changed;
        if !steps.is_empty() || shown != before {
            self.settings.bus.send(Event::Notices {
                source: "supply".to_owned(),
                notices: shown,
            });
        }
        Ok(())
    }

    /// The world, for the rules.
    fn world(&self, now: Timestamp) -> Situation {
        let local = now.to_zoned(self.settings.zone.clone());
        Situation {
            now_s: now.as_second(),
            hour: u8::try_from(local.hour()).unwrap_or(u8::MAX),
            clock_off_s: ClockState::ask().and_then(|clock| clock.off_s()),
            outdoor_c: self.outdoor_c(now),
        }
    }

    /// The outdoor temperature, as the meter says that the installer named.
    fn outdoor_c(&self, now: Timestamp) -> Option<Decimal> {
        let outdoor = &self.settings.config.outdoor;
        let fields = match self
            .settings
            .readers
            .open()
            .and_then(|reader| reader.last_fields())
        {
            Ok(fields) => fields,
            Err(error) => {
                tracing::warn!(%error, "the outdoor temperature");
                return None;
            }
        };
        let fresh = |at: Timestamp| {
            let age = now.duration_since(at);
            age.as_secs() >= 0 && age.unsigned_abs() <= FRESH
        };
        let field = fields.into_iter().find(|last| {
            last.name.as_deref() == Some(outdoor.meter.as_str())
                && last.field.name == outdoor.field
                && fresh(last.received_at)
        })?;
        field.field.value?.parse().ok()
    }
}

/// The relay stands there.
fn settled(kept: &mut Kept, closed: bool, now: Timestamp) {
    let now_s = now.as_second();
    if let Some(action) = kept.moving {
        if !kept.ordered {
            // It was looked at before it is told to move.
            return;
        }
        (kept.moving, kept.ordered) = (None, false);
        let wanted = action == Action::Close;
        if closed == wanted {
            let detail = if wanted {
                "the relay is closed"
            } else {
                "the relay is open, read back"
            };
            kept.wrong = None;
            kept.supply.done(now_s, action);
            kept.end("done", detail, now);
        } else {
            kept.supply.not_done(now_s, action);
            let detail = "the relay did not move";
            kept.wrong = Some(detail.to_owned());
            kept.end("failed", detail, now);
        }
        return;
    }
    let is_wrong = kept.supply.read_back(now_s, closed);
    let word = if closed { "closed" } else { "open" };
    let wrong = is_wrong.then(|| format!("the relay is {word} and should not be"));
    if wrong == kept.wrong {
        // It was said before.
        kept.supply.steps.clear();
    }
    kept.wrong = wrong;
}

/// A step without the time in front of it, which the books write themselves.
fn since(step: &str) -> &str {
    step.split_once(' ').map_or(step, |(_, text)| text)
}

fn instant(at_s: i64) -> String {
    Timestamp::from_second(at_s).unwrap_or_default().to_string()
}

fn plain(text: &str) -> String {
    let shown = text.chars().filter(|character| !character.is_control());
    shown.take(LONGEST).collect()
}
