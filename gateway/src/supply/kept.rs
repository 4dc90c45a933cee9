//! What is remembered of the supply over a loss of power.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wattle_relay::command::Command;
use wattle_relay::disconnect::{Action, Supply};

use crate::files;

/// Results that wait for the relay upstream at most.
const RESULTS: usize = 32;

/// The command whose outcome is still open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    id: String,
    kind: String,
    counter: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// What the rules remember.
    pub(super) supply: Supply,
    /// Reason and whom to call.
    pub(super) text: String,
    /// The relay is to be moved, or was when the program ended.
    pub(super) moving: Option<Action>,
    /// It was told to move; from then on it is only looked at.
    pub(super) ordered: bool,
    /// The relay does not stand where it should, or nobody knows where, and why.
    pub(super) wrong: Option<String>,
    pub(super) open: Option<Open>,
    /// Results that are to go to the head-end.
    pub(super) results: Vec<String>,
}

impl Kept {
    pub(super) fn load(path: &Path) -> anyhow::Result<Self> {
        Ok(files::recall(path)?.unwrap_or_default())
    }

    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        files::keep(path, self, files::For::All)
    }

    /// A command was taken whose outcome comes later.
    pub(super) fn begin(&mut self, command: &Command) {
        self.open = Some(Open {
            id: command.id.clone(),
            kind: command.kind.name().to_owned(),
            counter: command.counter,
        });
    }

    /// Its outcome.
    pub(super) fn end(&mut self, status: &str, detail: &str, now: Timestamp) {
        let Some(Open { id, kind, counter }) = self.open.take() else {
            return;
        };
        tracing::info!(id, kind, status, detail, "command");
        let result = json!({
            "id": id, "kind": kind, "counter": counter,
            "status": status, "detail": detail, "at": now.to_string(),
        });
        if self.results.len() < RESULTS {
            self.results.push(result.to_string());
        }
    }
}
