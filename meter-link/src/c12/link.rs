//! One side of the data link layer in virtual time: packets, acknowledgements, repetition (C12.18,
//! clause 5.2; C12.21, clause 5.2). Reader and device behave alike.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::assembler::{Assembler, Outcome, packets};
use super::packet::{ACK, Element, NAK, Splitter};

/// Times and sizes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Device the packets are for; 0 on an optical port.
    pub identity: u8,
    /// Octets of the longest packet that is sent, header and CRC included.
    pub packet_size: usize,
    /// Longest wait for an acknowledgement.
    pub ack_timeout: Duration,
    /// Longest gap within a packet.
    pub character_timeout: Duration,
    /// Longest wait for the answer once the request is acknowledged.
    pub response_timeout: Duration,
    /// How often a packet is sent again, and how many wrong ones are refused in a row.
    pub retries: u8,
}

impl Default for Config {
    /// What holds on an optical port before anything is negotiated (C12.18, clause 5.2.7).
    fn default() -> Self {
        Self {
            identity: 0,
            packet_size: 64,
            ack_timeout: Duration::from_secs(2),
            character_timeout: Duration::from_millis(500),
            response_timeout: Duration::from_secs(6),
            retries: 3,
        }
    }
}

/// Why a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No acknowledgement came after all repetitions.
    #[error("a packet was sent {0} times and not acknowledged")]
    NotAcknowledged(u8),
    /// No answer came.
    #[error("the request was acknowledged and not answered")]
    NotAnswered,
    /// Too many wrong packets in a row.
    #[error("{0} packets in a row were damaged")]
    Damaged(u8),
    /// The message takes more than 256 packets.
    #[error("the message is too long")]
    TooLong,
}

/// What a link wants done, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Send these octets.
    Send(Vec<u8>),
    /// The message given last was acknowledged to its last packet.
    Delivered,
    /// A message came.
    Message(Vec<u8>),
    /// The conversation has ended; the link is as new.
    Failed(Failure),
}

/// One side of a link. Call order: see [`crate::session`].
#[derive(Debug)]
pub struct Link {
    config: Config,
    splitter: Splitter,
    assembler: Assembler,
    events: VecDeque<Event>,
    /// Packets that are not acknowledged yet, the one on the line first.
    outgoing: VecDeque<Vec<u8>>,
    sent: u8,
    toggle: bool,
    damaged: u8,
    /// Of the acknowledgement.
    ack_due: Option<Instant>,
    /// Of the next octet of an unfinished packet.
    character_due: Option<Instant>,
    /// Of the answer.
    response_due: Option<Instant>,
    /// Whether an answer is expected when a message was delivered.
    asks: bool,
}

impl Link {
    /// The side that asks.
    #[must_use]
    pub fn reader(config: Config) -> Self {
        Self::new(config, true)
    }

    /// The side that answers.
    #[must_use]
    pub fn device(config: Config) -> Self {
        Self::new(config, false)
    }

    fn new(config: Config, asks: bool) -> Self {
        Self {
            config,
            splitter: Splitter::new(),
            assembler: Assembler::default(),
            events: VecDeque::new(),
            outgoing: VecDeque::new(),
            sent: 0,
            toggle: false,
            damaged: 0,
            ack_due: None,
            character_due: None,
            response_due: None,
            asks,
        }
    }

    /// Times and sizes; those of the next packet.
    pub const fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Forgets everything but times and sizes.
    pub fn reset(&mut self) {
        *self = Self::new(self.config, self.asks);
    }

    /// Sends a message.
    pub fn send(&mut self, message: &[u8], now: Instant) {
        let size = self.config.packet_size;
        let Some(packets) = packets(message, size, self.config.identity, self.toggle) else {
            return self.fail(Failure::TooLong);
        };
        self.toggle ^= packets.len() % 2 == 1;
        self.outgoing = packets
            .iter()
            .map(super::packet::Packet::to_bytes)
            .collect();
        self.response_due = None;
        self.sent = 0;
        self.transmit(now);
    }

    /// Sends the packet in front, for the first time or again.
    fn transmit(&mut self, now: Instant) {
        if let Some(packet) = self.outgoing.front() {
            self.events.push_back(Event::Send(packet.clone()));
            self.sent = self.sent.saturating_add(1);
            self.ack_due = Some(now + self.config.ack_timeout);
        }
    }

    fn repeat(&mut self, now: Instant) {
        if self.sent > self.config.retries {
            return self.fail(Failure::NotAcknowledged(self.sent));
        }
        self.transmit(now);
    }

    fn fail(&mut self, failure: Failure) {
        let mut events = std::mem::take(&mut self.events);
        self.reset();
        events.push_back(Event::Failed(failure));
        self.events = events;
    }

    /// Takes octets that came at `now`.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        let mut input = bytes;
        while let Some(event) = self.splitter.pull(&mut input) {
            self.element(event.element, now);
        }
        let open = self.splitter.pending() > 0;
        self.character_due = open.then(|| now + self.config.character_timeout);
    }

    fn element(&mut self, element: Element, now: Instant) {
        match element {
            Element::Ack => {
                if self.ack_due.is_some() {
                    self.assembler.peer_acknowledged();
                    self.acknowledged(now);
                }
            }
            Element::Nak => {
                if self.ack_due.is_some() {
                    self.repeat(now);
                }
            }
            Element::Noise => {}
            Element::BadCrc | Element::Truncated => {
                self.damaged = self.damaged.saturating_add(1);
                if self.damaged > self.config.retries {
                    return self.fail(Failure::Damaged(self.damaged));
                }
                self.events.push_back(Event::Send(vec![NAK]));
            }
            Element::Packet(packet, crc) => {
                if packet.identity != self.config.identity {
                    return;
                }
                self.damaged = 0;
                self.events.push_back(Event::Send(vec![ACK]));
                match self.assembler.push(&packet, crc) {
                    Outcome::Duplicate | Outcome::OutOfSequence => {}
                    Outcome::Incomplete => self.wait_for_answer(now),
                    Outcome::Message(message) => {
                        // Who answers has understood, even if the acknowledgement got lost.
                        self.outgoing.clear();
                        self.ack_due = None;
                        self.response_due = None;
                        self.events.push_back(Event::Message(message));
                    }
                }
            }
        }
    }

    fn acknowledged(&mut self, now: Instant) {
        self.outgoing.pop_front();
        self.sent = 0;
        self.ack_due = None;
        if self.outgoing.is_empty() {
            self.events.push_back(Event::Delivered);
            self.wait_for_answer(now);
        } else {
            self.transmit(now);
        }
    }

    fn wait_for_answer(&mut self, now: Instant) {
        if self.asks {
            self.response_due = Some(now + self.config.response_timeout);
        }
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let passed = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if passed(self.character_due) {
            self.character_due = None;
            while let Some(event) = self.splitter.flush() {
                self.element(event.element, now);
            }
        }
        if passed(self.ack_due) {
            self.repeat(now);
        }
        if passed(self.response_due) {
            self.fail(Failure::NotAnswered);
        }
    }

    /// The next thing to do or to know.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let dues = [self.ack_due, self.character_due, self.response_due];
        dues.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets of all that is to be sent, and the rest of the events.
    fn drain(link: &mut Link) -> (Vec<Vec<u8>>, Vec<Event>) {
        let (mut sent, mut told) = (Vec::new(), Vec::new());
        while let Some(event) = link.poll() {
            match event {
                Event::Send(octets) => sent.push(octets),
                other => told.push(other),
            }
        }
        (sent, told)
    }

    #[test]
    fn both_sides_over_a_bad_line() {
        let now = Instant::now();
        let small = Config::default();
        let (mut reader, mut device) = (Link::reader(small), Link::device(small));
        let question: Vec<u8> = (0..150).collect();
        let answer: Vec<u8> = (0..=255).cycle().take(700).collect();
        reader.send(&question, now);
        let (mut passed, mut got_question, mut got_answer) = (0, None, None);
        let mut now = now;
        for _ in 0..400 {
            for forward in [true, false] {
                let (from, to) = if forward {
                    (&mut reader, &mut device)
                } else {
                    (&mut device, &mut reader)
                };
                let (sent, told) = drain(from);
                for event in told {
                    match event {
                        Event::Message(message) if forward => got_answer = Some(message),
                        Event::Message(message) => {
                            from.send(&answer, now);
                            got_question = Some(message);
                        }
                        Event::Delivered => {}
                        other => panic!("{other:?}"),
                    }
                }
                for mut octets in sent {
                    passed += 1;
                    match passed % 7 {
                        // Lost, damaged, cut.
                        1 => continue,
                        3 => octets
                            .iter_mut()
                            .last()
                            .into_iter()
                            .for_each(|octet| *octet ^= 1),
                        5 => octets.truncate(octets.len().div_ceil(2)),
                        _ => {}
                    }
                    to.handle_input(&octets, now);
                }
            }
            let idle = reader.events.is_empty() && device.events.is_empty();
            let due = [reader.poll_timeout(), device.poll_timeout()];
            if let (true, Some(due)) = (idle, due.into_iter().flatten().min()) {
                now = due;
                reader.handle_timeout(now);
                device.handle_timeout(now);
            }
        }
        assert_eq!(got_question, Some(question));
        assert_eq!(got_answer, Some(answer));
    }

    #[test]
    fn silence_ends_it() {
        let start = Instant::now();
        let mut link = Link::reader(Config::default());
        link.send(&[0x20], start);
        let (mut now, mut sent) = (start, 0);
        loop {
            let (octets, told) = drain(&mut link);
            sent += octets.len();
            if let Some(Event::Failed(failure)) = told.first() {
                assert_eq!(*failure, Failure::NotAcknowledged(4));
                break;
            }
            now = link.poll_timeout().unwrap();
            link.handle_timeout(now);
        }
        assert_eq!((sent, now - start), (4, Duration::from_secs(8)));
        assert_eq!(link.poll_timeout(), None);
        link.send(&[0x20], now);
        link.handle_input(&[ACK], now);
        now = link.poll_timeout().unwrap();
        link.handle_timeout(now);
        let (_, told) = drain(&mut link);
        assert_eq!(
            told,
            [Event::Delivered, Event::Failed(Failure::NotAnswered)]
        );
    }
}
