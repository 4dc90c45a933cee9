//! Messages of the utility to the household, and that they were read.
//!
//! They are kept in `messages.json` in the state folder until they are over. Where the sender asks for
//! a confirmation, it is the result of the command that brought the message.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wattle_api::{Importance, Message, Notice, NoticeCode, Severity};

use crate::bus::{Bus, Event};
use crate::files;

/// Messages that are kept at most.
const MOST: usize = 32;
/// How long one without an end is kept.
const KEEP: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The messages; clones are the same.
#[derive(Clone)]
pub struct Board {
    path: PathBuf,
    bus: Bus,
    kept: Arc<Mutex<Vec<Kept>>>,
    shown: Arc<Mutex<Vec<Notice>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    message: Message,
    /// The number of the command that waits for its result.
    #[serde(default)]
    asked_by: Option<u64>,
}

/// What became of a message whose sender asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// Its name.
    pub(crate) id: String,
    /// The number of the command that brought it.
    pub(crate) counter: u64,
    /// When it was confirmed; `None` when nobody did in time.
    pub(crate) confirmed_at: Option<Timestamp>,
}

/// Why a confirmation is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmError {
    /// There is no such message any more.
    #[error("there is no such message, or it is over")]
    Unknown,
    /// It could not be written.
    #[error("the confirmation could not be kept; it was not taken")]
    NotKept,
}

impl Board {
    /// The messages of a state folder.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn open(folder: &Path, bus: Bus) -> anyhow::Result<Self> {
        let path = folder.join("messages.json");
        let kept = files::recall(&path)?.unwrap_or_default();
        Ok(Self {
            path,
            bus,
            kept: Arc::new(Mutex::new(kept)),
            shown: Arc::default(),
        })
    }

    /// Those that are in force or to come, the newest first.
    #[must_use]
    pub fn all(&self, now: Timestamp) -> Vec<Message> {
        let kept = self.kept();
        let open = kept.iter().filter(|kept| !kept.is_over(now));
        let mut all: Vec<Message> = open.map(|kept| kept.message.clone()).collect();
        all.sort_by(|a, b| (b.start, &b.id).cmp(&(a.start, &a.id)));
        all
    }

    /// Takes a message, or another text for one. `asked_by` is the command that waits for somebody to
    /// confirm it. False when there are too many.
    ///
    /// # Errors
    /// The disk cannot be written; then it was not taken.
    pub(crate) fn take(
        &self,
        message: Message,
        asked_by: Option<u64>,
        now: Timestamp,
    ) -> anyhow::Result<bool> {
        let mut kept = self.kept();
        let mut changed = kept.clone();
        changed.retain(|one| one.message.id != message.id && !one.is_done(now));
        if changed.len() >= MOST {
            return Ok(false);
        }
        changed.push(Kept { message, asked_by });
        self.keep(&mut kept, changed)?;
        Ok(true)
    }

    /// Takes a message back; false when there is none of this name.
    ///
    /// # Errors
    /// The disk cannot be written; then it stays.
    pub(crate) fn cancel(&self, id: &str) -> anyhow::Result<bool> {
        let mut kept = self.kept();
        let mut changed = kept.clone();
        changed.retain(|one| one.message.id != id);
        let found = changed.len() != kept.len();
        self.keep(&mut kept, changed)?;
        Ok(found)
    }

    /// Somebody has read a message.
    ///
    /// # Errors
    /// [`ConfirmError`]; nothing has changed then.
    pub fn confirm(&self, id: &str, now: Timestamp) -> Result<Message, ConfirmError> {
        let mut kept = self.kept();
        let mut changed = kept.clone();
        let found = changed
            .iter_mut()
            .find(|one| one.message.id == id && !one.is_over(now));
        let found = found.ok_or(ConfirmError::Unknown)?;
        // Twice is as good as once, and the first time counts.
        let message = &mut found.message;
        message.confirmed_at = message.confirmed_at.or(Some(now));
        let message = message.clone();
        self.keep(&mut kept, changed).map_err(|error| {
            tracing::warn!(%error, "a confirmation could not be kept");
            ConfirmError::NotKept
        })?;
        Ok(message)
    }

    /// What the senders have not been told yet.
    pub(crate) fn answered(&self, now: Timestamp) -> Vec<Answered> {
        let kept = self.kept();
        let answered = kept.iter().filter_map(|one| {
            let settled = one.message.confirmed_at.is_some() || one.is_over(now);
            settled.then_some(Answered {
                id: one.message.id.clone(),
                counter: one.asked_by?,
                confirmed_at: one.message.confirmed_at,
            })
        });
        answered.collect()
    }

    /// The senders of these are told.
    ///
    /// # Errors
    /// The disk cannot be written; then they will be told again.
    pub(crate) fn told(&self, ids: &[String], now: Timestamp) -> anyhow::Result<()> {
        let mut kept = self.kept();
        let mut changed = kept.clone();
        for one in &mut changed {
            if ids.contains(&one.message.id) {
                one.asked_by = None;
            }
        }
        changed.retain(|one| !one.is_done(now));
        self.keep(&mut kept, changed)
    }

    /// Tells the household of those that are in force and were not confirmed.
    pub(crate) fn show(&self, now: Timestamp) {
        let notices: Vec<Notice> = self
            .all(now)
            .iter()
            .filter(|message| message.start <= now && message.confirmed_at.is_none())
            .map(notice)
            .collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != notices {
            shown.clone_from(&notices);
            self.bus.send(Event::Notices {
                source: "messages".to_owned(),
                notices,
            });
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, kept: &mut Vec<Kept>, changed: Vec<Kept>) -> anyhow::Result<()> {
        if changed != *kept {
            files::keep(&self.path, &changed, files::For::All)?;
            *kept = changed;
        }
        Ok(())
    }
}

impl Kept {
    fn is_over(&self, now: Timestamp) -> bool {
        match self.message.end {
            Some(end) => end <= now,
            None => now.duration_since(self.message.start) > KEEP,
        }
    }

    /// True when nobody waits for anything of it.
    fn is_done(&self, now: Timestamp) -> bool {
        self.is_over(now) && self.asked_by.is_none()
    }
}

fn notice(message: &Message) -> Notice {
    Notice {
        severity: match message.importance {
            Importance::Critical => Severity::Alarm,
            Importance::High => Severity::Warning,
            Importance::Low | Importance::Medium => Severity::Info,
        },
        code: NoticeCode::Other,
        meter: None,
        text: format!("The utility writes: {}", message.text),
        since: message.start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + second).unwrap()
    }

    fn message(id: &str, start: i64, end: Option<i64>) -> Message {
        Message {
            id: id.to_owned(),
            text: "water is cut".to_owned(),
            importance: Importance::High,
            start: at(start),
            end: end.map(at),
            confirm: true,
            confirmed_at: None,
        }
    }

    fn board(folder: &Path) -> Board {
        Board::open(folder, Bus::default()).unwrap()
    }

    #[test]
    fn a_confirmation_outlives_a_restart_until_it_was_told() {
        let folder = tempfile::tempdir().unwrap();
        let first = board(folder.path());
        assert!(
            first
                .take(message("a", 0, Some(100)), Some(7), at(0))
                .unwrap()
        );
        assert!(first.take(message("b", 50, None), None, at(0)).unwrap());
        let ids = |board: &Board, now| -> Vec<String> {
            let all = board.all(at(now)).into_iter();
            all.map(|message| message.id).collect()
        };
        assert_eq!(ids(&first, 0), ["b", "a"]);
        assert_eq!(first.answered(at(1)), []);
        assert_eq!(first.confirm("x", at(1)), Err(ConfirmError::Unknown));
        first.confirm("a", at(2)).unwrap();
        first.confirm("a", at(3)).unwrap();
        let again = board(folder.path());
        let want = Answered {
            id: "a".to_owned(),
            counter: 7,
            confirmed_at: Some(at(2)),
        };
        assert_eq!(again.answered(at(3)), [want]);
        again.told(&["a".to_owned()], at(3)).unwrap();
        assert_eq!(again.answered(at(3)), []);
        assert_eq!(ids(&again, 99), ["b", "a"]);
        assert_eq!(ids(&again, 100), ["b"]);
        assert_eq!(again.confirm("a", at(100)), Err(ConfirmError::Unknown));
        assert!(again.cancel("b").unwrap());
        assert!(!again.cancel("b").unwrap());
    }

    #[test]
    fn one_that_nobody_confirms_is_told_as_that_and_room_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let board = board(folder.path());
        board
            .take(message("a", 0, Some(10)), Some(1), at(0))
            .unwrap();
        let [answered] = &board.answered(at(10))[..] else {
            panic!("{:?}", board.answered(at(10)));
        };
        assert_eq!(answered.confirmed_at, None);
        for number in 1..MOST {
            let name = number.to_string();
            assert!(board.take(message(&name, 0, None), None, at(0)).unwrap());
        }
        assert!(!board.take(message("more", 0, None), None, at(0)).unwrap());
        // Told and over, it makes room.
        board.told(&["a".to_owned()], at(10)).unwrap();
        assert!(board.take(message("more", 0, None), None, at(10)).unwrap());
    }
}
