//! Listens to a meter's customer port and finds its speed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::frame::{Event, Frame, Splitter};
use super::group::Mode;
use super::interpret::telegram;
use crate::model::MeterId;
use crate::session::{Action, Line, Rejected, Session};

/// How a meter is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The mode whose speed is tried first.
    pub start: Mode,
    /// Before any frame was understood: after so long without an intact group the other speed is
    /// tried. A group takes 0.1 s at 1,200 baud and frames follow each other at once.
    pub search_after: Duration,
    /// After a frame was understood: how long without an intact group until the search begins
    /// again. Long, so that a disturbed or pulled line does not start one.
    pub lost_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            start: Mode::Standard,
            search_after: Duration::from_secs(10),
            lost_after: Duration::from_secs(60),
        }
    }
}

/// A [`Session`] that listens and changes only the speed of its own end.
///
/// Every frame becomes one [`Telegram`](crate::model::Telegram) of its intact groups. A frame
/// whose address was lost belongs to the meter of the frame before; before any address has come,
/// it is rejected. Another address than before is believed when two frames in a row say so.
#[derive(Debug)]
pub struct Listener {
    config: Config,
    mode: Mode,
    splitter: Splitter,
    actions: VecDeque<Action>,
    deadline: Option<Instant>,
    meter: Option<MeterId>,
    /// An address other than the meter's, seen once.
    stranger: Option<MeterId>,
}

impl Listener {
    /// A listener that does nothing until [`Session::restart`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            mode: config.start,
            config,
            splitter: Splitter::new(),
            actions: VecDeque::new(),
            deadline: None,
            meter: None,
            stranger: None,
        }
    }

    fn take(&mut self, event: Event) {
        let Event { length, found, .. } = event;
        match found {
            Ok(frame) => self.frame(&frame, length),
            Err(noise) => self.reject(noise.to_string(), length),
        }
    }

    fn frame(&mut self, frame: &Frame, length: u64) {
        let damaged = frame.damaged();
        if damaged > 0 {
            let groups = frame.groups.len();
            self.reject(format!("{damaged} of {groups} groups are damaged"), 0);
        }
        let mut telegram = telegram(frame);
        match telegram.meter.take() {
            Some(said) if self.meter.as_ref().is_none_or(|known| *known == said) => {
                self.meter = Some(said);
                self.stranger = None;
            }
            Some(said) if self.stranger.as_ref() == Some(&said) => {
                self.meter = self.stranger.take();
            }
            Some(said) => {
                self.stranger = Some(said);
                return self.reject("another meter's address, once".to_owned(), length);
            }
            None if self.meter.is_none() => {
                return self.reject("a frame without a meter's address".to_owned(), length);
            }
            None => {}
        }
        if !telegram.values.is_empty() {
            telegram.meter.clone_from(&self.meter);
            self.actions.push_back(Action::Telegram(Box::new(telegram)));
        }
    }

    fn reject(&mut self, reason: String, length: u64) {
        self.actions.push_back(Action::Rejected(Rejected {
            reason,
            length: usize::try_from(length).unwrap_or(usize::MAX),
        }));
    }

    const fn patience(&self) -> Duration {
        match self.meter {
            Some(_) => self.config.lost_after,
            None => self.config.search_after,
        }
    }
}

impl Session for Listener {
    /// The speed that is being tried or was found.
    fn line(&self) -> Line {
        Line::seven_even(self.mode.baud())
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        let before = self.splitter.intact_so_far();
        let mut input = bytes;
        let mut understood = false;
        while let Some(event) = self.splitter.pull(&mut input) {
            let intact = |frame: &Frame| frame.groups.iter().any(|group| group.fields.is_ok());
            understood |= event.found.as_ref().is_ok_and(intact);
            self.take(event);
        }
        if understood || self.splitter.intact_so_far() > before {
            self.deadline = Some(now + self.patience());
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.reject(
            format!("no group of a frame at {} baud", self.mode.baud()),
            0,
        );
        self.mode = match self.mode {
            Mode::Historic => Mode::Standard,
            Mode::Standard => Mode::Historic,
        };
        self.splitter = Splitter::new();
        self.actions.push_back(Action::SetLine(self.line()));
        self.deadline = Some(now + self.config.search_after);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The speed stays as it was found; the meter may be another one.
    fn restart(&mut self, now: Instant) {
        self.splitter = Splitter::new();
        self.actions.clear();
        self.meter = None;
        self.stranger = None;
        self.deadline = Some(now + self.config.search_after);
    }
}

#[cfg(test)]
mod tests;
