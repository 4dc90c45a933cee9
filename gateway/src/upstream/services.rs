//! What commands of the utility are served by: prices, the tariff, events of demand response,
//! notices of firmware. Each is checked as if it had come any other way.

mod message;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use wattle_api::{GridEvent, LogBook, OptState};
use wattle_billing::grid::openadr3;
use wattle_relay::command::{Kind, Signed};

use super::commands::Outcome;
use super::limit::{self, Limits};
use crate::files;
use crate::grid::{Board, Choices};
use crate::messages;
use crate::openadr;
use crate::prices;
use crate::store::Logbooks;
use crate::supply;

/// The source of the board's events, and the beginning of their identifiers.
const SOURCE: &str = "relay";
/// Events that are kept at most.
const EVENTS: usize = 32;
/// Characters of a notice at most.
const LONGEST: usize = 300;

/// What the relay's commands reach.
#[derive(Clone)]
pub struct Reach {
    /// The tariff and its documents.
    pub prices: prices::Settings,
    /// What the utility asks for.
    pub board: Board,
    /// Where it is written down.
    pub logbooks: Logbooks,
    /// Messages to the household.
    pub messages: Option<messages::Board>,
    /// Limits on what the home draws.
    pub limits: limit::Settings,
    /// The switch of the supply, where the utility may open it.
    pub supply: Option<supply::Board>,
}

/// An event of the utility, and what it was told last of the household's word.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    event: GridEvent,
    opt: OptState,
}

/// Results by the names of what they are about.
type Named = Vec<(String, String)>;

/// The services of a gateway.
pub(super) struct Services {
    reach: Reach,
    gateway: String,
    path: PathBuf,
    events: Vec<Told>,
    limits: Limits,
    choices: watch::Receiver<Choices>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    cancel: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Firmware {
    version: String,
    #[serde(default)]
    text: String,
}

impl Services {
    /// The services of a state folder; what was asked for before stands again.
    ///
    /// # Errors
    /// The events cannot be read.
    pub(super) fn open(
        folder: &Path,
        gateway: &str,
        reach: Reach,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let path = folder.join("upstream").join("events.json");
        let events = files::recall(&path)?.unwrap_or_default();
        let choices = reach.board.choices();
        let limits = Limits::open(
            folder,
            reach.limits.clone(),
            reach.board.clone(),
            reach.logbooks.clone(),
            now,
        )?;
        let services = Self {
            reach,
            gateway: gateway.to_owned(),
            path,
            events,
            limits,
            choices,
        };
        services.show(now);
        Ok(services)
    }

    /// PRICE: a price document in the form that the tariff names.
    pub(super) fn price(&self, body: &str) -> Outcome {
        match self.reach.prices.take_document(body) {
            Ok(true) => Outcome::Done("the prices are in force".to_owned()),
            Ok(false) => Outcome::Done("the prices are known already".to_owned()),
            Err(why) => Outcome::Refused(why),
        }
    }

    /// TARIFF: a tariff file.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn tariff(&self, id: &str, body: &str, now: Timestamp) -> anyhow::Result<Outcome> {
        let prices = &self.reach.prices;
        let tariff = match prices.candidate(body) {
            Ok(Some(tariff)) => tariff,
            Ok(None) => {
                let why = "its price documents have not come yet; it cannot be tried";
                return Ok(Outcome::Refused(why.to_owned()));
            }
            Err(error) => {
                return Ok(Outcome::Refused(format!(
                    "this tariff cannot be used: {error}"
                )));
            }
        };
        prices.upload(body)?;
        let said = format!(
            "The utility put the tariff {:?} in force by its command {id}.",
            tariff.name
        );
        for book in [LogBook::Consumer, LogBook::Calibration] {
            self.reach.logbooks.append(book, now, "tariff", &said)?;
        }
        Ok(Outcome::Done(format!("{:?} is in force", tariff.name)))
    }

    /// `DR_EVENT`: an event of OpenADR 3, or `{"cancel": its id}`.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn event(&mut self, body: &str, now: Timestamp) -> anyhow::Result<Outcome> {
        if let Ok(Cancel { cancel }) = serde_json::from_str(body) {
            let id = known_as(&cancel);
            let before = self.events.len();
            self.events.retain(|told| told.event.id != id);
            if self.events.len() == before {
                return Ok(Outcome::Refused("there is no such event".to_owned()));
            }
            self.keep(now)?;
            return Ok(Outcome::Done("it is called off".to_owned()));
        }
        let asked = match self.read(body, now) {
            Ok(asked) => asked,
            Err(why) => return Ok(Outcome::Refused(why)),
        };
        self.forget(now);
        let full = self.events.len() >= EVENTS;
        let same = |told: &&mut Told| told.event.id == asked.id;
        match self.events.iter_mut().find(same) {
            Some(told) => told.event = asked,
            None if full => {
                return Ok(Outcome::Refused("too many events stand open".to_owned()));
            }
            None => {
                let opt = asked.opt;
                self.events.push(Told { event: asked, opt });
            }
        }
        self.keep(now)?;
        Ok(Outcome::Done("the household is told".to_owned()))
    }

    fn read(&self, body: &str, now: Timestamp) -> Result<GridEvent, String> {
        let event = openadr3::event(body).map_err(|error| error.to_string())?;
        let intervals = openadr::events::intervals(&event, &self.gateway, now)
            .map_err(|error| error.to_string())?;
        let asked = openadr::events::grid_event(&event, &intervals)
            .ok_or("the event asks for nothing; prices come by PRICE")?;
        if asked.end.is_some_and(|end| end <= now) {
            return Err("the event is over".to_owned());
        }
        Ok(GridEvent {
            id: known_as(event.id.as_deref().unwrap_or_default()),
            ..asked
        })
    }

    /// FIRMWARE: written down and nothing else; installing belongs to the image.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn firmware(&self, body: &str, now: Timestamp) -> anyhow::Result<Outcome> {
        let Ok(notice) = serde_json::from_str::<Firmware>(body) else {
            let why = "its body is {\"version\": text}, and text if there is more to say";
            return Ok(Outcome::Refused(why.to_owned()));
        };
        let plain = |text: &str| -> String {
            let shown = text.chars().filter(|character| !character.is_control());
            shown.take(LONGEST).collect()
        };
        let said = format!(
            "The utility says that software {} is to be had. {}",
            plain(&notice.version),
            plain(&notice.text)
        );
        let books = &self.reach.logbooks;
        books.append(LogBook::System, now, "firmware", said.trim_end())?;
        Ok(Outcome::Done(
            "it is written down; nothing is installed from here".to_owned(),
        ))
    }

    /// What the household has said of events since it was told last, as results.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn said(&mut self, now: Timestamp) -> anyhow::Result<Vec<String>> {
        if !self.choices.has_changed().unwrap_or(false) {
            return Ok(Vec::new());
        }
        let choices = self.choices.borrow_and_update().clone();
        let mut said = Vec::new();
        for told in &mut self.events {
            let word = choices
                .get(&told.event.id)
                .map_or(OptState::In, |choice| choice.opt);
            if std::mem::replace(&mut told.opt, word) != word {
                let id = told.event.id.split_once(':').map_or("", |(_, id)| id);
                let status = match word {
                    OptState::In => "opted_in",
                    OptState::Out => "opted_out",
                };
                let text = json!({"event": id, "kind": "DR_EVENT", "status": status, "at": now.to_string()});
                said.push(text.to_string());
            }
        }
        if !said.is_empty() {
            self.keep(now)?;
        }
        Ok(said)
    }

    /// LOAD_LIMIT: for the rules of the home to decide.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn limit(&mut self, signed: &Signed, now: Timestamp) -> anyhow::Result<Outcome> {
        self.limits.command(signed, now)
    }

    /// What was drawn under limits that are over: their names, and results.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn proved(&self, now: Timestamp) -> anyhow::Result<Named> {
        self.limits.proved(now)
    }

    /// They are in the outbox.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn told_limits(&mut self, told: Named, now: Timestamp) -> anyhow::Result<()> {
        let ids: Vec<String> = told.into_iter().map(|(id, _)| id).collect();
        self.limits.told(&ids, now)
    }

    /// DISCONNECT, ARM, RECONNECT: for the rules of the home to decide.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn switch(&self, signed: &Signed, now: Timestamp) -> anyhow::Result<Outcome> {
        let Some(supply) = &self.reach.supply else {
            return Ok(Outcome::NotSupported("no relay is in this gateway's hands"));
        };
        let command = &signed.command;
        let later = command.execute_at_s > now.as_second();
        if later && command.kind != Kind::Disconnect {
            let why = "it has no later time: the person at the home says when";
            return Ok(Outcome::Refused(why.to_owned()));
        }
        Ok(match supply.command(signed, now)? {
            Ok(detail) if command.kind == Kind::Disconnect => Outcome::Accepted(detail),
            Ok(detail) => Outcome::Done(detail),
            Err(why) => Outcome::Refused(why),
        })
    }

    /// What became of the supply since the head-end was told last, as results.
    pub(super) fn switched(&self) -> Vec<String> {
        let supply = self.reach.supply.as_ref();
        supply.map(supply::Board::results).unwrap_or_default()
    }

    /// The first of them are in the outbox.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn told_switched(&self, count: usize) -> anyhow::Result<()> {
        match &self.reach.supply {
            Some(supply) if count > 0 => supply.forget_results(count),
            _ => Ok(()),
        }
    }

    fn forget(&mut self, now: Timestamp) {
        let open = |told: &Told| told.event.end.is_none_or(|end| end > now);
        self.events.retain(open);
    }

    fn keep(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.forget(now);
        files::keep(&self.path, &self.events, files::For::All)?;
        self.show(now);
        Ok(())
    }

    fn show(&self, now: Timestamp) {
        let events = self.events.iter().map(|told| told.event.clone()).collect();
        self.reach.board.put(SOURCE, events, now);
    }
}

fn known_as(id: &str) -> String {
    format!("{SOURCE}:{id}")
}
