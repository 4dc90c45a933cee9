//! Listens to a meter that pushes SML.

use std::collections::VecDeque;
use std::time::Instant;

use super::message::File;
use super::transport::{Deframer, Event, Skipped};
use super::{Interpreter, MessageBody};
use crate::profile::QuirkSet;
use crate::session::{Action, Line, Rejected, Session};

/// After so many bytes of noise it is told, although its end is not known.
const TELL_NOISE: u64 = 4096;

/// A [`Session`] that listens: it never sends and needs no time-out.
///
/// Every list of a telegram becomes one [`Telegram`](crate::model::Telegram) with the bytes of
/// the whole telegram in `raw`, at most [`MAX_FRAME`](super::MAX_FRAME) of them.
#[derive(Debug)]
pub struct Listener {
    line: Line,
    quirks: QuirkSet,
    deframer: Deframer,
    actions: VecDeque<Action>,
}

impl Default for Listener {
    fn default() -> Self {
        Self::new(Line::eight_none(9600), QuirkSet::all())
    }
}

impl Listener {
    /// A listener on a line, 9600 8N1 with almost every meter.
    #[must_use]
    pub fn new(line: Line, quirks: QuirkSet) -> Self {
        Self {
            line,
            quirks,
            deframer: Deframer::new(),
            actions: VecDeque::new(),
        }
    }
}

impl Session for Listener {
    fn line(&self) -> Line {
        self.line
    }

    fn handle_input(&mut self, bytes: &[u8], _now: Instant) {
        let mut input = bytes;
        while let Some(event) = self.deframer.pull(&mut input) {
            match event {
                Event::Frame(frame) => {
                    let content = frame.content();
                    read(&content, frame.raw, &self.quirks, &mut self.actions);
                }
                Event::Skipped(skipped) => self.actions.push_back(rejected(&skipped)),
            }
        }
        if self.deframer.skipping() >= TELL_NOISE {
            let noise = self.deframer.take_skipped();
            self.actions.extend(noise.as_ref().map(rejected));
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn restart(&mut self, _now: Instant) {
        self.deframer = Deframer::new();
    }
}

fn read(content: &[u8], raw: &[u8], quirks: &QuirkSet, actions: &mut VecDeque<Action>) {
    let reject = |reason: String, length| Action::Rejected(Rejected { reason, length });
    let file = match File::parse(content, quirks) {
        Ok(file) => file,
        Err(error) => return actions.push_back(reject(error.to_string(), raw.len())),
    };
    for list in file.lists() {
        let (telegram, omitted) = Interpreter::new(list, quirks).telegram(raw);
        actions.push_back(Action::Telegram(Box::new(telegram)));
        // The telegram was taken, so an entry that is no register costs no bytes.
        actions.extend(omitted.iter().map(|entry| reject(entry.to_string(), 0)));
    }
    for message in &file.messages {
        match &message.body {
            MessageBody::Open(_) | MessageBody::Close(_) | MessageBody::GetList(_) => {}
            other => {
                let kind = other.name();
                actions.push_back(reject(format!("{kind} is no list of registers"), 0));
            }
        }
    }
}

fn rejected(skipped: &Skipped) -> Action {
    Action::Rejected(Rejected {
        reason: skipped.fault.to_string(),
        length: usize::try_from(skipped.length).unwrap_or(usize::MAX),
    })
}
