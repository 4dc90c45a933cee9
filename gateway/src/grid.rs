//! What the utility and the grid's operator ask of the home, from whatever protocol: one list,
//! and the household's word on it.
//!
//! Whoever speaks such a protocol puts its events here and follows the choices. A choice outlives
//! a restart: it is kept in `grid-events.json` in the state folder until its event is over.

mod charging;
pub(crate) mod follow;

use crate::files;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use wattle_api::{GridEvent, OptState};

/// Events that are shown; the later ones of a sender beyond it are left out.
pub const MAX_EVENTS: usize = 64;
/// How long a choice is kept after its event was seen last.
const KEEP: SignedDuration = SignedDuration::from_hours(48);

/// All events by their source, and the choices; clones are the same.
#[derive(Clone)]
pub struct Board {
    events: Arc<Mutex<BTreeMap<&'static str, Vec<GridEvent>>>>,
    choices: Arc<watch::Sender<Choices>>,
    /// Charging outlets and the cars at them.
    outlets: Arc<Mutex<charging::Outlets>>,
    file: Option<PathBuf>,
}

/// What the household said, by the event's identifier.
pub type Choices = BTreeMap<String, Choice>;

/// The household's word on one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Whether it takes part.
    pub opt: OptState,
    /// When its event was seen last.
    pub seen: Timestamp,
}

/// Why a choice is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// There is no such event any more.
    #[error("there is no such event, or it is over")]
    Unknown,
    /// It is not the household's to choose.
    #[error("the utility leaves no choice in this event")]
    Binding,
    /// It could not be written.
    #[error("the choice could not be kept; it was not taken")]
    NotKept,
}

impl Default for Board {
    fn default() -> Self {
        Self::new(None, Choices::new())
    }
}

impl Board {
    /// A board whose choices are kept in this folder.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let file = folder.join("grid-events.json");
        let choices = match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(file = %file.display(), %error, "the choices on events are not used");
                Choices::new()
            }),
            Err(_) => Choices::new(),
        };
        Self::new(Some(file), choices)
    }

    fn new(file: Option<PathBuf>, choices: Choices) -> Self {
        Self {
            events: Arc::default(),
            choices: Arc::new(watch::Sender::new(choices)),
            outlets: Arc::default(),
            file,
        }
    }

    /// The events that are not over, the next first, with the household's choices.
    #[must_use]
    pub fn events(&self, now: Timestamp) -> Vec<GridEvent> {
        let choices = self.choices.borrow();
        let all = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let open = |event: &&GridEvent| event.end.is_none_or(|end| end > now);
        let mut events: Vec<GridEvent> = all.values().flatten().filter(open).cloned().collect();
        for event in &mut events {
            if let Some(choice) = choices.get(&event.id).filter(|_| event.may_opt_out) {
                event.opt = choice.opt;
            }
        }
        events.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
        events.truncate(MAX_EVENTS);
        events
    }

    /// Puts all events of a source in the place of its earlier ones. Choices on events that are
    /// gone for long are forgotten.
    pub fn put(&self, source: &'static str, events: Vec<GridEvent>, now: Timestamp) {
        let changed = self.choices.send_if_modified(|choices| {
            for event in &events {
                if let Some(choice) = choices.get_mut(&event.id) {
                    choice.seen = now;
                }
            }
            let before = choices.len();
            choices.retain(|_, choice| now.duration_since(choice.seen) < KEEP);
            choices.len() != before
        });
        if changed && let Err(error) = self.keep(&self.choices.borrow()) {
            tracing::warn!(%error, "the choices on events are not kept");
        }
        let mut all = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(source, events);
    }

    /// Takes the household's word on an event.
    ///
    /// # Errors
    /// [`ChoiceError`]; nothing has changed then.
    pub fn choose(
        &self,
        id: &str,
        opt: OptState,
        now: Timestamp,
    ) -> Result<GridEvent, ChoiceError> {
        let find = || self.events(now).into_iter().find(|event| event.id == id);
        let event = find().ok_or(ChoiceError::Unknown)?;
        if !event.may_opt_out {
            return Err(ChoiceError::Binding);
        }
        let mut choices = self.choices.borrow().clone();
        choices.insert(id.to_owned(), Choice { opt, seen: now });
        self.keep(&choices).map_err(|error| {
            tracing::warn!(%error, "a choice on an event could not be kept");
            ChoiceError::NotKept
        })?;
        self.choices.send_replace(choices);
        find().ok_or(ChoiceError::Unknown)
    }

    /// Follows the choices.
    #[must_use]
    pub fn choices(&self) -> watch::Receiver<Choices> {
        self.choices.subscribe()
    }

    fn keep(&self, choices: &Choices) -> std::io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        files::replace(file, &serde_json::to_vec(choices)?, files::For::All)
    }
}

/// A number from 0 to `most` that belongs to this gateway and this event, for starts that are to be
/// spread: a restart does not change it.
pub(crate) fn share(gateway: &str, event: &str, most: i64) -> i64 {
    let digest = Sha256::new()
        .chain_update(gateway)
        .chain_update([0])
        .chain_update(event)
        .finalize();
    let first: [u8; 8] = digest.first_chunk().copied().unwrap_or_default();
    // The top bit is cut, so that it is not negative.
    let number = i64::from_be_bytes(first) & i64::MAX;
    number % most.saturating_add(1).max(1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use wattle_api::GridEventKind;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + hours * 3600).unwrap()
    }

    /// A request to shed load, in hours from a moment of June 2026.
    pub(crate) fn event(id: &str, start: i64, end: i64) -> GridEvent {
        GridEvent {
            id: id.to_owned(),
            name: None,
            kind: GridEventKind::LoadShed,
            start: at(start),
            end: Some(at(end)),
            level: None,
            text: None,
            steps: Vec::new(),
            priority: None,
            opt: OptState::In,
            may_opt_out: true,
        }
    }

    #[test]
    fn choices_outlive_a_restart_and_end_after_their_event() {
        let folder = tempfile::tempdir().unwrap();
        let board = Board::open(folder.path());
        let bound = GridEvent {
            may_opt_out: false,
            ..event("c", 0, 9)
        };
        board.put("a", vec![event("b", 3, 4), event("a", 1, 2), bound], at(0));
        let ids = |now| -> Vec<String> {
            let events = board.events(at(now));
            events.into_iter().map(|event| event.id).collect()
        };
        assert_eq!(ids(0), ["c", "a", "b"]);
        assert_eq!(ids(2), ["c", "b"]);
        assert_eq!(
            board.choose("x", OptState::Out, at(0)),
            Err(ChoiceError::Unknown)
        );
        assert_eq!(
            board.choose("a", OptState::Out, at(2)),
            Err(ChoiceError::Unknown)
        );
        assert_eq!(
            board.choose("c", OptState::Out, at(0)),
            Err(ChoiceError::Binding)
        );
        let mut choices = board.choices();
        assert_eq!(
            board.choose("b", OptState::Out, at(0)).unwrap().opt,
            OptState::Out
        );
        assert!(choices.has_changed().unwrap());
        choices.mark_unchanged();

        let again = Board::open(folder.path());
        again.put("a", vec![event("b", 3, 4)], at(1));
        assert_eq!(again.events(at(1))[0].opt, OptState::Out);
        again.put("a", Vec::new(), at(50));
        assert!(Board::open(folder.path()).choices.borrow().is_empty());
    }

    #[test]
    fn a_choice_that_cannot_be_kept_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let board = Board::open(&folder.path().join("gone"));
        board.put("a", vec![event("b", 3, 4)], at(0));
        assert_eq!(
            board.choose("b", OptState::Out, at(0)),
            Err(ChoiceError::NotKept)
        );
        assert_eq!(board.events(at(0))[0].opt, OptState::In);
    }
}
