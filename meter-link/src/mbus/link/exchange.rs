//! One request and its reply, with repetitions (EN 13757-2, clauses 4.5 and 5.5).

use std::time::{Duration, Instant};

use super::frame::{Frame, LinkError, control};
use super::splitter::Splitter;
use crate::session::{Line, Parity};

/// A slave answers within 330 bit times and 50 ms (EN 13757-2, clause 5.5.3).
const ANSWER_BITS: u32 = 330;
const ANSWER_EXTRA: Duration = Duration::from_millis(50);
/// Within a frame there is no pause; a line that is idle for so many bit times is free.
const IDLE_BITS: u32 = 33;
/// Start, eight data bits, parity, stop.
const BITS_PER_BYTE: u32 = 11;

/// What a request is to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// E5.
    Ack,
    /// A slave's data, from this primary address if one is given.
    Data(Option<u8>),
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With E5 where E5 or data were expected.
    Ack,
    /// With a slave's data.
    Data(Frame),
    /// Nothing came.
    Silence,
    /// Something came that is no reply: damage, or several slaves at once.
    Garbled,
}

/// How patient the master is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) baud: u32,
    /// What converters, USB and networks add.
    pub(super) slack: Duration,
}

impl Timing {
    fn bits(self, bits: u32) -> Duration {
        Duration::from_secs(1).saturating_mul(bits) / self.baud.max(1)
    }

    fn bytes(self, count: usize) -> Duration {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.bits(count.saturating_mul(BITS_PER_BYTE))
    }

    /// From the moment a request is handed over until its reply must have begun.
    fn answer(self, sent: usize) -> Duration {
        self.bytes(sent) + self.bits(ANSWER_BITS) + ANSWER_EXTRA + self.slack
    }

    /// The silence that ends a reply.
    fn idle(self) -> Duration {
        self.bits(IDLE_BITS) + self.slack
    }

    pub(super) const fn line(self) -> Line {
        Line {
            baud: self.baud,
            data_bits: 8,
            parity: Parity::Even,
        }
    }
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    request: Vec<u8>,
    reply: Reply,
    tries: u8,
    timing: Timing,
    splitter: Splitter,
    /// Bytes of the request that a converter may send back.
    echo: usize,
    heard: bool,
    /// A reply that came; the line must be idle before the next request.
    ended: Option<Ended>,
    due: Instant,
}

impl Exchange {
    /// Begins an exchange; the request is to be sent now.
    pub(super) fn new(
        request: &Frame,
        reply: Reply,
        tries: u8,
        timing: Timing,
        now: Instant,
    ) -> Self {
        let request = request.to_bytes();
        Self {
            due: now + timing.answer(request.len()),
            echo: request.len(),
            request,
            reply,
            tries: tries.saturating_sub(1),
            timing,
            splitter: Splitter::new(),
            heard: false,
            ended: None,
        }
    }

    pub(super) fn request(&self) -> &[u8] {
        &self.request
    }

    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn input(&mut self, bytes: &[u8], now: Instant) {
        let mut bytes = self.without_echo(bytes);
        if bytes.is_empty() {
            return;
        }
        self.heard = true;
        self.due = now + self.timing.idle();
        while let Some(event) = self.splitter.pull(&mut bytes) {
            self.take(event.found);
        }
    }

    /// A request begins with 10 or 68 and its reply with another byte: E5 after 68, 68 after 10.
    /// So the first byte tells whether the converter sends back what it is given.
    fn without_echo<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let sent = self.request.len();
        if self.echo == sent && bytes.first() != self.request.first() && !bytes.is_empty() {
            self.echo = 0;
        }
        let echoed = self.echo.min(bytes.len());
        self.echo -= echoed;
        bytes.get(echoed..).unwrap_or_default()
    }

    fn take(&mut self, found: Result<Frame, LinkError>) {
        let ended = match found {
            Ok(Frame::Ack) => Ended::Ack,
            Ok(frame) if self.is_reply(&frame) => Ended::Data(frame),
            _ => Ended::Garbled,
        };
        // Acknowledgements of several slaves come as several; anything else behind a reply
        // means that not one slave alone has answered.
        self.ended = Some(match (self.ended.take(), ended) {
            (None, ended) => ended,
            (Some(Ended::Ack), Ended::Ack) => Ended::Ack,
            _ => Ended::Garbled,
        });
    }

    fn is_reply(&self, frame: &Frame) -> bool {
        let Reply::Data(from) = self.reply else {
            return false;
        };
        frame.control().is_some_and(control::is_response)
            && (from.is_none() || frame.address() == from)
    }

    /// What to do when the line has been idle for long enough: `None` to send the request again.
    pub(super) fn timeout(&mut self, now: Instant) -> Option<Ended> {
        while let Some(event) = self.splitter.finish() {
            self.take(event.found);
        }
        let ended = match self.ended.take() {
            Some(ended @ (Ended::Ack | Ended::Data(_))) => return Some(ended),
            Some(other) => other,
            None if self.heard => Ended::Garbled,
            None => Ended::Silence,
        };
        if self.tries == 0 {
            return Some(ended);
        }
        self.tries -= 1;
        self.heard = false;
        self.echo = self.request.len();
        self.due = now + self.timing.answer(self.request.len());
        None
    }
}
