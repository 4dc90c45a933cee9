//! The link between a host and a coprocessor: reset, numbering, acknowledgement and repetition
//! (UG101, sections 2.2 and 5). It is told octets and the time, and asked what to send.
//!
//! Either side is the same but for the reset: the host asks for it, the coprocessor reports it.
//! Whatever is sent arrives once and in order, or the link says that it is lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{CANCEL, Damage, Frame, Splitter};

/// Time to wait for an acknowledgement: at the start, at least, at most (T_RX_ACK).
const ACK_START: Duration = Duration::from_millis(1600);
const ACK_LEAST: Duration = Duration::from_millis(400);
const ACK_MOST: Duration = Duration::from_millis(3200);
/// So many in a row without one, and the other side is taken for dead (ACK_TIMEOUTS).
const ACK_TIMEOUTS: u8 = 4;
/// Time for a coprocessor to start again (T_RSTACK_MAX), and how often it is asked.
const RESTART: Duration = Duration::from_millis(3200);
const RESTARTS: u8 = 5;
/// Frames that may be under way at once (TX_K); numbers go from 0 to 7.
const WINDOW: usize = 5;
/// Frames that wait to be sent at most.
const WAITING: usize = 256;

/// Which end of the link this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The gateway.
    Host,
    /// The radio stick.
    Coprocessor,
}

/// What happened on the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// Both sides have begun anew; host: with the code that the coprocessor gave.
    Connected {
        /// Why the coprocessor started ([`super::reset_name`]).
        code: u8,
    },
    /// A frame of the layer above arrived.
    Received(Vec<u8>),
    /// The link is lost; what was under way may or may not have arrived.
    Lost(LinkFailure),
}

/// Why a link is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFailure {
    /// The coprocessor did not start again.
    #[error("the radio stick does not answer a reset")]
    NoReset,
    /// The other side acknowledges nothing any more.
    #[error("the radio stick stopped answering")]
    Silent,
    /// The coprocessor has given up, with this code.
    #[error("the radio stick has failed with code {0:02x}")]
    Failed(u8),
    /// The coprocessor has started again by itself, with this code.
    #[error("the radio stick has started again by itself with code {0:02x}")]
    Restarted(u8),
}

/// A frame could not be taken: too many are waiting, or the link is not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link to the radio stick is not connected, or has too much to send")]
pub struct NotTaken;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Nothing is sent and nothing taken.
    Idle,
    /// A reset was asked for so often.
    Resetting {
        asked: u8,
    },
    Connected,
}

/// One end of the link.
#[derive(Debug)]
pub struct Link {
    side: Side,
    state: State,
    splitter: Splitter,
    /// Octets to send.
    out: VecDeque<Vec<u8>>,
    events: VecDeque<LinkEvent>,
    /// Frames that wait for room in the window.
    waiting: VecDeque<Vec<u8>>,
    /// Frames that were sent and not acknowledged, the oldest first.
    under_way: VecDeque<Vec<u8>>,
    /// The number of the oldest of them.
    oldest: u8,
    /// The number of the frame that is expected next.
    expected: u8,
    /// A NAK was sent and what it asked for has not come yet.
    rejecting: bool,
    due: Option<Instant>,
    sent_at: Option<Instant>,
    patience: Duration,
    timeouts: u8,
    damaged: u64,
}

impl Link {
    /// A link at rest.
    #[must_use]
    pub fn new(side: Side) -> Self {
        Self {
            side,
            state: State::Idle,
            splitter: Splitter::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            waiting: VecDeque::new(),
            under_way: VecDeque::new(),
            oldest: 0,
            expected: 0,
            rejecting: false,
            due: None,
            sent_at: None,
            patience: ACK_START,
            timeouts: 0,
            damaged: 0,
        }
    }

    /// Begins anew at `now`. The host asks the coprocessor to start again; the coprocessor reports
    /// that it did, with this code.
    pub fn reset(&mut self, code: u8, now: Instant) {
        self.clear();
        self.splitter = Splitter::default();
        match self.side {
            Side::Host => self.ask_reset(0, now),
            Side::Coprocessor => {
                self.transmit(&Frame::ResetAck { version: 2, code });
                self.state = State::Connected;
                self.events.push_back(LinkEvent::Connected { code });
            }
        }
    }

    /// Whether frames can be sent.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// How many damaged frames came since the link was made.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Takes a frame of the layer above, at most 128 octets.
    ///
    /// # Errors
    /// When the link is not connected, or too many frames are waiting.
    pub fn send(&mut self, payload: Vec<u8>, now: Instant) -> Result<(), NotTaken> {
        if !self.is_connected() || self.waiting.len() >= WAITING || payload.len() > 128 {
            return Err(NotTaken);
        }
        self.waiting.push_back(payload);
        self.fill_window(now);
        Ok(())
    }

    /// Takes octets that came at `now`.
    pub fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        for &octet in octets {
            match self.splitter.push(octet) {
                None => {}
                Some(Ok(frame)) => self.take(frame, now),
                Some(Err(damage)) => self.take_damage(damage),
            }
        }
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = None;
        match self.state {
            State::Idle => {}
            State::Resetting { asked } if asked < RESTARTS => self.ask_reset(asked, now),
            State::Resetting { .. } => self.lose(LinkFailure::NoReset),
            State::Connected => {
                self.timeouts += 1;
                if self.timeouts > ACK_TIMEOUTS {
                    self.lose(LinkFailure::Silent);
                    return;
                }
                self.patience = (self.patience * 2).min(ACK_MOST);
                self.repeat(now);
            }
        }
    }

    /// The next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.under_way.clear();
        (self.oldest, self.expected) = (0, 0);
        self.rejecting = false;
        (self.due, self.sent_at) = (None, None);
        (self.patience, self.timeouts) = (ACK_START, 0);
    }

    fn ask_reset(&mut self, asked: u8, now: Instant) {
        // CANCEL drops whatever the coprocessor has half received.
        let mut wire = vec![CANCEL];
        wire.extend(Frame::Reset.encode());
        self.out.push_back(wire);
        self.state = State::Resetting { asked: asked + 1 };
        self.due = Some(now + RESTART);
    }

    fn lose(&mut self, failure: LinkFailure) {
        self.clear();
        self.state = State::Idle;
        self.events.push_back(LinkEvent::Lost(failure));
    }

    fn take(&mut self, frame: Frame, now: Instant) {
        match (self.side, self.state, frame) {
            (Side::Host, State::Resetting { .. }, Frame::ResetAck { code, .. }) => {
                self.clear();
                self.state = State::Connected;
                self.events.push_back(LinkEvent::Connected { code });
            }
            // Some answer a reset with an error first: the next reset is heard.
            (Side::Host, State::Resetting { asked }, Frame::Error { .. }) if asked < RESTARTS => {
                self.due = Some(now + ACK_LEAST);
            }
            (Side::Host, State::Connected, Frame::ResetAck { code, .. }) => {
                self.lose(LinkFailure::Restarted(code));
            }
            (Side::Host, State::Connected, Frame::Error { code, .. }) => {
                self.lose(LinkFailure::Failed(code));
            }
            // Software reset (0B), as the host has asked.
            (Side::Coprocessor, _, Frame::Reset) => self.reset(0x0B, now),
            (_, State::Connected, Frame::Ack { acknowledged, .. }) => {
                self.acknowledge(acknowledged, now);
            }
            (_, State::Connected, Frame::Nak { acknowledged, .. }) => {
                self.acknowledge(acknowledged, now);
                self.repeat(now);
            }
            (
                _,
                State::Connected,
                Frame::Data {
                    number,
                    acknowledged,
                    retransmitted,
                    payload,
                },
            ) => {
                self.acknowledge(acknowledged, now);
                self.receive(number, retransmitted, payload);
            }
            _ => {}
        }
    }

    fn take_damage(&mut self, _damage: Damage) {
        self.damaged += 1;
        self.reject();
    }

    /// Asks once for the frame that is expected.
    fn reject(&mut self) {
        if self.is_connected() && !self.rejecting {
            self.rejecting = true;
            self.transmit(&Frame::Nak {
                acknowledged: self.expected,
                not_ready: false,
            });
        }
    }

    fn receive(&mut self, number: u8, retransmitted: bool, payload: Vec<u8>) {
        if number == self.expected {
            self.expected = (self.expected + 1) & 7;
            self.rejecting = false;
            self.events.push_back(LinkEvent::Received(payload));
        } else if !retransmitted {
            self.reject();
            return;
        }
        self.transmit(&Frame::Ack {
            acknowledged: self.expected,
            not_ready: false,
        });
    }

    /// Everything before this number has arrived.
    fn acknowledge(&mut self, acknowledged: u8, now: Instant) {
        let count = usize::from(acknowledged.wrapping_sub(self.oldest) & 7);
        if count == 0 || count > self.under_way.len() {
            return;
        }
        self.under_way.drain(..count);
        self.oldest = acknowledged;
        self.timeouts = 0;
        if let Some(sent_at) = self.sent_at {
            let took = now.saturating_duration_since(sent_at);
            self.patience = (self.patience * 7 / 8 + took / 2).clamp(ACK_LEAST, ACK_MOST);
        }
        self.sent_at = (!self.under_way.is_empty()).then_some(now);
        self.due = self.sent_at.map(|sent_at| sent_at + self.patience);
        self.fill_window(now);
    }

    fn fill_window(&mut self, now: Instant) {
        while self.under_way.len() < WINDOW {
            let Some(payload) = self.waiting.pop_front() else {
                return;
            };
            self.under_way.push_back(payload.clone());
            let index = self.under_way.len() - 1;
            self.transmit_data(index, payload, false);
            self.sent_at.get_or_insert(now);
            self.due.get_or_insert(now + self.patience);
        }
    }

    /// Sends again all that is under way.
    fn repeat(&mut self, now: Instant) {
        if self.under_way.is_empty() {
            return;
        }
        for (index, payload) in self.under_way.clone().into_iter().enumerate() {
            self.transmit_data(index, payload, true);
        }
        // What was sent twice says nothing about how long an answer takes.
        self.sent_at = None;
        self.due = Some(now + self.patience);
    }

    fn transmit_data(&mut self, index: usize, payload: Vec<u8>, retransmitted: bool) {
        let index = u8::try_from(index & 7).unwrap_or_default();
        self.transmit(&Frame::Data {
            number: (self.oldest + index) & 7,
            acknowledged: self.expected,
            retransmitted,
            payload,
        });
    }

    fn transmit(&mut self, frame: &Frame) {
        self.out.push_back(frame.encode());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A host and a coprocessor on a line that loses or damages octets.
    struct Line {
        host: Link,
        coprocessor: Link,
        now: Instant,
        random: u64,
        damage_per_mille: u64,
        to_host: Vec<Vec<u8>>,
        to_coprocessor: Vec<Vec<u8>>,
        failures: Vec<LinkFailure>,
    }

    impl Line {
        fn new(damage_per_mille: u64, seed: u64) -> Self {
            let now = Instant::now();
            let mut line = Self {
                host: Link::new(Side::Host),
                coprocessor: Link::new(Side::Coprocessor),
                now,
                random: seed | 1,
                damage_per_mille,
                to_host: Vec::new(),
                to_coprocessor: Vec::new(),
                failures: Vec::new(),
            };
            line.host.reset(0, now);
            line
        }

        fn damaged(&mut self, mut wire: Vec<u8>) -> Vec<u8> {
            wire.retain_mut(|octet| {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                let hit = self.random % 1000 < self.damage_per_mille;
                if hit && self.random & 0x1000 != 0 {
                    *octet ^= 0x04;
                    return true;
                }
                !hit
            });
            wire
        }

        fn exchange(&mut self) {
            loop {
                let (out, back) = (self.host.poll_transmit(), self.coprocessor.poll_transmit());
                if out.is_none() && back.is_none() {
                    break;
                }
                if let Some(wire) = out {
                    let wire = self.damaged(wire);
                    self.coprocessor.handle_octets(&wire, self.now);
                }
                if let Some(wire) = back {
                    let wire = self.damaged(wire);
                    self.host.handle_octets(&wire, self.now);
                }
            }
            while let Some(event) = self.host.poll_event() {
                match event {
                    LinkEvent::Received(payload) => self.to_host.push(payload),
                    LinkEvent::Lost(failure) => self.failures.push(failure),
                    LinkEvent::Connected { .. } => {}
                }
            }
            while let Some(event) = self.coprocessor.poll_event() {
                if let LinkEvent::Received(payload) = event {
                    self.to_coprocessor.push(payload);
                }
            }
        }

        fn run(&mut self, steps: usize) {
            for _ in 0..steps {
                self.exchange();
                let due = [self.host.poll_timeout(), self.coprocessor.poll_timeout()];
                let Some(due) = due.into_iter().flatten().min() else {
                    return;
                };
                self.now = due.max(self.now);
                self.host.handle_timeout(self.now);
                self.coprocessor.handle_timeout(self.now);
            }
        }
    }

    fn payloads(count: u8, mark: u8) -> Vec<Vec<u8>> {
        (0..count)
            .map(|index| vec![mark, index, 0x7E, 0x11])
            .collect()
    }

    #[test]
    fn frames_arrive_in_order_in_both_directions() {
        let mut line = Line::new(0, 1);
        line.run(3);
        assert!(line.host.is_connected());
        for payload in payloads(40, 1) {
            line.host.send(payload, line.now).expect("the link is up");
        }
        for payload in payloads(40, 2) {
            line.coprocessor
                .send(payload, line.now)
                .expect("the link is up");
        }
        line.run(100);
        assert_eq!(
            (line.to_coprocessor, line.to_host),
            (payloads(40, 1), payloads(40, 2))
        );
    }

    #[test]
    fn a_dead_stick_and_one_that_restarts_are_told() {
        let now = Instant::now();
        let mut host = Link::new(Side::Host);
        host.reset(0, now);
        let mut resets = 0;
        while let Some(due) = host.poll_timeout() {
            resets += std::iter::from_fn(|| host.poll_transmit()).count();
            host.handle_timeout(due);
        }
        assert_eq!(
            (resets, host.poll_event()),
            (5, Some(LinkEvent::Lost(LinkFailure::NoReset)))
        );

        let mut line = Line::new(0, 1);
        line.run(3);
        let now = line.now;
        let watchdog = Frame::ResetAck {
            version: 2,
            code: 3,
        };
        line.host.handle_octets(&watchdog.encode(), now);
        let lost = LinkEvent::Lost(LinkFailure::Restarted(3));
        assert_eq!(line.host.poll_event(), Some(lost));
        assert_eq!(line.host.send(vec![1], now), Err(NotTaken));
    }

    #[test]
    fn an_error_in_place_of_the_first_answer_is_asked_again() {
        let now = Instant::now();
        let mut host = Link::new(Side::Host);
        host.reset(0, now);
        assert!(host.poll_transmit().is_some());
        let error = Frame::Error {
            version: 2,
            code: 3,
        };
        host.handle_octets(&error.encode(), now);
        let due = host.poll_timeout().expect("it asks again");
        assert!(due <= now + ACK_LEAST);
        host.handle_timeout(due);
        assert!(host.poll_transmit().is_some());
        let started = Frame::ResetAck {
            version: 2,
            code: 0x0B,
        };
        host.handle_octets(&started.encode(), due);
        assert_eq!(host.poll_event(), Some(LinkEvent::Connected { code: 0x0B }));
    }

    #[test]
    fn silence_after_the_start_is_told_after_bounded_time() {
        let mut line = Line::new(0, 1);
        line.run(3);
        let start = line.now;
        line.host.send(vec![1, 2], start).expect("the link is up");
        while let Some(due) = line.host.poll_timeout() {
            line.now = due;
            line.host.handle_timeout(due);
        }
        assert_eq!(
            line.host.poll_event(),
            Some(LinkEvent::Lost(LinkFailure::Silent))
        );
        assert!(line.now - start < Duration::from_secs(16));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damage_costs_time_and_never_order(seed: u64, damage in 0_u64..12) {
            let mut line = Line::new(damage, seed);
            line.run(12);
            prop_assume!(line.host.is_connected() && line.coprocessor.is_connected());
            for payload in payloads(20, 1) {
                line.host.send(payload, line.now).expect("the link is up");
            }
            line.run(200);
            // A lost link may lose its end; what came, came once and in order.
            let sent = payloads(20, 1);
            let came = line.to_coprocessor.len();
            prop_assert_eq!(&line.to_coprocessor[..], &sent[..came]);
            prop_assert!(came == 20 || !line.failures.is_empty());
        }

        #[test]
        fn any_octets_are_taken(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            for side in [Side::Host, Side::Coprocessor] {
                let now = Instant::now();
                let mut link = Link::new(side);
                link.reset(0, now);
                link.handle_octets(&octets, now);
            }
        }
    }
}
