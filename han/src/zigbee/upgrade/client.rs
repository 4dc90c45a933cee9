//! What is known of a device that takes firmware, and how far it is.

use std::time::{Duration, Instant};

use super::image::ImageKind;

/// What a device runs, as it has said itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// Which firmware is for it.
    pub kind: ImageKind,
    /// The version that it runs.
    pub version: u32,
    /// The version of its hardware, where it tells that.
    pub hardware: Option<u16>,
}

/// A version that a device is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Of which firmware.
    pub kind: ImageKind,
    /// Which version.
    pub version: u32,
}

/// Why a device did not get what it was to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It has fetched all and found that the image is not right for it, or damaged.
    #[error("the device refuses the image: it is damaged, or not signed for it")]
    Refused,
    /// It has given up.
    #[error("the device has given up")]
    GivenUp,
    /// It needs more files than this one.
    #[error("the device needs further files with this one")]
    MoreNeeded,
    /// The file is no longer there.
    #[error("the file is no longer in the folder")]
    Gone,
    /// It has installed the image and does not run it.
    #[error("the device runs another version than the one that it has fetched")]
    Unchanged,
    /// It ended with another number.
    #[error("the device ended with status {0:02x}")]
    Ended(u8),
}

impl Failure {
    pub(super) const fn from_status(status: u8) -> Self {
        match status {
            0x95 => Self::GivenUp,
            0x96 => Self::Refused,
            0x99 => Self::MoreNeeded,
            other => Self::Ended(other),
        }
    }
}

/// How far a device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Nothing is asked for.
    #[default]
    Idle,
    /// It is to get an image, and waits for its turn or does not answer.
    Waiting,
    /// It was told that there is something for it.
    Called,
    /// It fetches.
    Fetching {
        /// So many octets so far.
        octets: u32,
        /// Of so many.
        of: u32,
    },
    /// It has all of it, and installs it.
    Installing,
    /// It did not get it.
    Failed(Failure),
}

/// What is known of a device's firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// The device's address for life.
    pub ieee: u64,
    /// What it runs, once it has said so.
    pub runs: Option<Runs>,
    /// The newest version that there is for it, if that is newer than what it runs.
    pub newer: Option<u32>,
    /// What it is to get.
    pub wish: Option<Wish>,
    /// How far it is.
    pub stage: Stage,
}

/// A device is called so often before it has to wait, and so long after each call.
const CALLS: u8 = 3;
const CALL_AGAIN: Duration = Duration::from_secs(300);
/// A device that did not answer is called again after so long.
const LATER: Duration = Duration::from_secs(3600);
/// One that is only asked what it runs, after so long.
const DAY: Duration = Duration::from_secs(86_400);
/// A device that fetches and says nothing for so long gives its turn to the next.
const SILENCE: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Client {
    pub(super) endpoint: u8,
    pub(super) runs: Option<Runs>,
    pub(super) wish: Option<Wish>,
    pub(super) stage: Stage,
    /// Calls without an answer.
    calls: u8,
    /// When something is to be done about it.
    pub(super) due: Option<Instant>,
}

/// What follows when a device was silent for too long.
pub(super) enum Next {
    /// It is called.
    Call,
    /// It waits, and another one has its turn.
    Wait,
}

impl Client {
    /// It was called; the next call is due later.
    pub(super) fn called(&mut self, now: Instant) {
        self.calls += 1;
        self.due = Some(now + CALL_AGAIN);
    }

    /// It fetches: something of it was heard.
    pub(super) fn fetches(&mut self, octets: u32, of: u32, now: Instant) {
        self.stage = Stage::Fetching { octets, of };
        (self.calls, self.due) = (0, Some(now + SILENCE));
    }

    pub(super) fn installs(&mut self, now: Instant) {
        self.stage = Stage::Installing;
        (self.calls, self.due) = (0, Some(now + CALL_AGAIN));
    }

    /// What is to be done now that it was silent until it was due.
    pub(super) fn overdue(&mut self, now: Instant) -> Next {
        let is_silent = matches!(self.stage, Stage::Fetching { .. });
        if self.calls < CALLS && !is_silent {
            return Next::Call;
        }
        self.wait(now);
        Next::Wait
    }

    /// It is called again much later.
    pub(super) fn wait(&mut self, now: Instant) {
        if !matches!(self.stage, Stage::Installing | Stage::Idle) {
            self.stage = Stage::Waiting;
        }
        let pause = if self.wish.is_some() { LATER } else { DAY };
        (self.calls, self.due) = (0, Some(now + pause));
    }

    pub(super) fn end(&mut self, stage: Stage) {
        (self.wish, self.stage) = (None, stage);
        (self.calls, self.due) = (0, None);
    }
}
