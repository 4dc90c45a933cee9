//! Cuts a receiver's stream into messages, at any pace and in any pieces.

use super::look::{Cut, Look, cut};
use super::{Damage, Found, Kind};
use crate::window::Window;

/// The longest message of any receiver is a line of text with a whole frame in hex.
const WINDOW: usize = 1_024;

/// A message, or a stretch that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Place of its first byte in the stream.
    pub offset: u64,
    /// How many bytes it takes.
    pub length: u64,
    /// What it is, or what is wrong with it.
    pub found: Result<Found, Damage>,
}

/// Cuts the stream of one kind of receiver. Holds at most 1 KiB of it.
#[derive(Debug)]
pub struct Splitter {
    kind: Kind,
    /// An answer without any framing that is being waited for: its length.
    answer: Option<usize>,
    window: Window,
}

impl Splitter {
    /// A splitter at the start of a stream.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            answer: None,
            window: Window::default(),
        }
    }

    /// Takes the next `length` bytes as an answer, whatever they are: some receivers answer in
    /// their command mode without any framing. `None` ends that.
    pub(super) fn expect_answer(&mut self, length: Option<usize>) {
        self.answer = length;
    }

    /// True while a message is half there.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.window.bytes().is_empty()
    }

    /// The next event of `input`, whose bytes are taken off; `None` when more are needed.
    #[must_use]
    pub fn pull(&mut self, input: &mut &[u8]) -> Option<Event> {
        loop {
            let room = self.window.fill(input, WINDOW);
            if let Some(event) = self.step(false) {
                return Some(event);
            }
            if input.is_empty() || !room {
                return None;
            }
        }
    }

    /// Gives up waiting: the next event of what is there, until `None`. For the end of the stream,
    /// and for a message that has been half there for too long.
    #[must_use]
    pub fn finish(&mut self) -> Option<Event> {
        self.step(true).or_else(|| self.tell_noise())
    }

    /// Noise that has not been told yet, as an event.
    pub(super) fn tell_noise(&mut self) -> Option<Event> {
        let stretch = self.window.tell_noise()?;
        Some(Event {
            offset: stretch.offset,
            length: stretch.length,
            found: Err(Damage::Noise),
        })
    }

    fn step(&mut self, end: bool) -> Option<Event> {
        loop {
            // A window that is full holds no message that could still become whole.
            let last = end || self.window.bytes().len() >= WINDOW;
            let (kind, answer) = (self.kind, self.answer);
            let look = |bytes: &[u8]| match answer {
                Some(length) => super::rc1180::look_answer(bytes, length),
                None => kind.look(bytes),
            };
            match cut(self.window.bytes(), last, look) {
                Cut::More => return None,
                Cut::Noise(length) => self.window.give_up(length, length),
                Cut::Idle(length) if self.window.noise() == 0 => self.window.pass(length),
                Cut::Idle(length) => {
                    let noise = self.tell_noise();
                    self.window.pass(length);
                    return noise;
                }
                Cut::Message(length, found) => {
                    if self.window.noise() > 0 {
                        return self.tell_noise();
                    }
                    self.answer = None;
                    let stretch = self.window.take(length);
                    return Some(Event {
                        offset: stretch.offset,
                        length: stretch.length,
                        found,
                    });
                }
            }
        }
    }
}

impl Kind {
    fn look(self, bytes: &[u8]) -> Look {
        match self {
            Self::Im871a => super::im871a::look(bytes),
            Self::Amb8465 => super::amb8465::look(bytes),
            Self::Cul => super::cul::look(bytes),
            Self::Iu891a => super::iu891a::look(bytes),
            Self::Rc1180 => super::rc1180::look(bytes),
            Self::RtlWmbus | Self::Hex => super::lines::look(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(kind: Kind, slices: &[&[u8]]) -> Vec<Event> {
        let mut splitter = Splitter::new(kind);
        let mut events = Vec::new();
        for mut slice in slices.iter().copied() {
            while let Some(event) = splitter.pull(&mut slice) {
                events.push(event);
            }
            assert!(slice.is_empty());
        }
        while let Some(event) = splitter.finish() {
            events.push(event);
        }
        events
    }

    proptest! {
        /// Any bytes give events in order that do not overlap, however they are sliced.
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..3_000), at in 0usize..3_000) {
            for kind in Kind::ALL {
                let whole = events(kind, &[&bytes]);
                let (first, second) = bytes.split_at(at.min(bytes.len()));
                prop_assert_eq!(&whole, &events(kind, &[first, second]));
                let mut end = 0;
                for event in &whole {
                    prop_assert!(event.offset >= end && event.length > 0);
                    end = event.offset + event.length;
                }
                prop_assert!(end <= bytes.len() as u64);
            }
        }

        /// The same for bytes that look like messages.
        #[test]
        fn near_misses(seed in proptest::collection::vec((0usize..12, any::<u8>()), 0..400), at in 0usize..400) {
            let letters = [0xA5, 0xC2, 0x03, 0xFF, 0xC0, 0x44, 0x93, 0x15, b'b', b'Y', b'\n', 0x0B];
            let bytes: Vec<u8> = seed
                .iter()
                .map(|(letter, any)| letters.get(*letter).copied().unwrap_or(*any))
                .collect();
            for kind in Kind::ALL {
                let (first, second) = bytes.split_at(at.min(bytes.len()));
                prop_assert_eq!(events(kind, &[&bytes]), events(kind, &[first, second]));
            }
        }
    }
}
