//! What the conversations on a powerline have in common: they are told frames and the time, and
//! asked what to send. None knows a socket or a clock.

use std::collections::VecDeque;
use std::time::Instant;

use super::layouts::fields;
use super::mme::Mme;
use crate::value::Record;

/// One side of a conversation.
///
/// The owner calls [`handle_frame`](Session::handle_frame) with what came, or
/// [`handle_timeout`](Session::handle_timeout) once the instant of
/// [`poll_timeout`](Session::poll_timeout) has passed; then
/// [`poll_transmit`](Session::poll_transmit) and [`poll_event`](Session::poll_event) until both
/// give nothing.
pub trait Session {
    /// What it has to tell.
    type Event;

    /// Takes an Ethernet frame of type 88E1 that came at `now`. Others are ignored.
    fn handle_frame(&mut self, frame: &[u8], now: Instant);

    /// Takes note that `now` has come.
    fn handle_timeout(&mut self, now: Instant);

    /// The next frame to send.
    fn poll_transmit(&mut self) -> Option<Vec<u8>>;

    /// The next thing that happened.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When `handle_timeout` must be called at the latest.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// A conversation in management messages with one step that is due at a time, as most are.
pub trait Dialogue {
    /// What it has to tell.
    type Event;

    /// Takes a message whose fields are known.
    fn take(&mut self, mme: &Mme<'_>, fields: &Record, now: Instant);

    /// Does what was due.
    fn step(&mut self, now: Instant);

    /// When the next step is due.
    fn due(&self) -> Option<Instant>;

    /// What waits to be taken.
    fn outbox(&mut self) -> &mut Outbox<Self::Event>;
}

impl<D: Dialogue> Session for D {
    type Event = D::Event;

    fn handle_frame(&mut self, frame: &[u8], now: Instant) {
        let Ok(mme) = Mme::parse(frame) else { return };
        if let Ok(Some(fields)) = fields(&mme) {
            self.take(&mme, &fields, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.due().is_some_and(|due| now >= due) {
            self.step(now);
        }
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox().frames.pop_front()
    }

    fn poll_event(&mut self) -> Option<D::Event> {
        self.outbox().events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due()
    }
}

/// Frames and events that wait to be taken.
#[derive(Debug)]
pub struct Outbox<E> {
    pub(crate) frames: VecDeque<Vec<u8>>,
    pub(crate) events: VecDeque<E>,
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            events: VecDeque::new(),
        }
    }
}
