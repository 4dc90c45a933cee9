//! MESSAGE: texts of the utility to the household, and that somebody has read them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use wattle_api::{Importance, Message};
use wattle_relay::command::{Command, Kind};

use super::super::commands::Outcome;
use super::{Cancel, Named, Services, known_as};

/// Characters of a message at most.
const LONGEST: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
    #[serde(default)]
    importance: Importance,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    #[serde(default)]
    confirm: bool,
}

impl Services {
    /// MESSAGE: shown to the household, and confirmed by it where that is asked for.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(in super::super) fn message(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> anyhow::Result<Outcome> {
        let Some(board) = &self.reach.messages else {
            return Ok(Outcome::NotSupported("there is nobody to read it"));
        };
        if let Ok(Cancel { cancel }) = serde_json::from_str(&command.body) {
            return Ok(if board.cancel(&known_as(&cancel))? {
                Outcome::Done("it is taken back".to_owned())
            } else {
                Outcome::Refused("there is no such message".to_owned())
            });
        }
        let Ok(body) = serde_json::from_str::<Text>(&command.body) else {
            let why = "its body is {\"text\": text}, and importance, start, end and confirm if there are any, or {\"cancel\": id}";
            return Ok(Outcome::Refused(why.to_owned()));
        };
        let shown = body.text.chars().filter(|c| !c.is_control() || *c == '\n');
        let text: String = shown.take(LONGEST).collect();
        let start = body.start.unwrap_or(now);
        if text.trim().is_empty() || body.end.is_some_and(|end| end <= now || end <= start) {
            return Ok(Outcome::Refused(
                "it says nothing, or is over already".to_owned(),
            ));
        }
        let message = Message {
            id: known_as(&command.id),
            text,
            importance: body.importance,
            start,
            end: body.end,
            confirm: body.confirm,
            confirmed_at: None,
        };
        let asked_by = body.confirm.then_some(command.counter);
        Ok(if !board.take(message, asked_by, now)? {
            Outcome::Refused("too many messages stand open".to_owned())
        } else if body.confirm {
            Outcome::Accepted("the household is asked to confirm it".to_owned())
        } else {
            Outcome::Done("the household is told".to_owned())
        })
    }

    /// What became of messages that were to be confirmed: their names, and results.
    pub(in super::super) fn confirmed(&self, now: Timestamp) -> Named {
        let Some(board) = &self.reach.messages else {
            return Vec::new();
        };
        board.show(now);
        let answered = board.answered(now).into_iter();
        let told = answered.map(|one| {
            let (status, detail) = match one.confirmed_at {
                Some(at) => ("done", format!("the household has confirmed it at {at}")),
                None => ("failed", "nobody confirmed it before it was over".to_owned()),
            };
            let id = one.id.split_once(':').map_or("", |(_, id)| id);
            let result = json!({"id": id, "kind": Kind::Message.name(), "counter": one.counter, "status": status, "detail": detail, "at": now.to_string()});
            (one.id.clone(), result.to_string())
        });
        told.collect()
    }

    /// They are in the outbox.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(in super::super) fn told_confirmed(
        &self,
        told: Named,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let ids: Vec<String> = told.into_iter().map(|(id, _)| id).collect();
        match &self.reach.messages {
            Some(board) if !ids.is_empty() => board.told(&ids, now),
            _ => Ok(()),
        }
    }
}
