//! What the conversations on a powerline have in common: they are told frames and the time, and
//! asked what to send. None knows a socket or a clock.

use std::collections::VecDeque;
use std::time::Instant;

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

/// Frames and events that wait to be taken.
#[derive(Debug)]
pub(crate) struct Outbox<E> {
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
