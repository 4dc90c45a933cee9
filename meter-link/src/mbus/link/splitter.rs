//! Finds frames in a stream of bytes.

use super::frame::{Frame, LinkError};
use crate::window::Window;

/// The longest frame has 261 bytes.
const WINDOW: usize = 1_024;

/// A frame, or a stretch that holds none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Place of its first byte in the stream.
    pub offset: u64,
    /// How many bytes it takes.
    pub length: u64,
    /// The frame, or what is wrong with the stretch: of its first byte that begins a frame, or of
    /// its first byte.
    pub found: Result<Frame, LinkError>,
}

/// Cuts a stream into frames. Holds at most 1 KiB of it.
#[derive(Debug, Default)]
pub struct Splitter {
    window: Window,
    error: Option<LinkError>,
}

impl Splitter {
    /// A splitter at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True while bytes wait for more.
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

    /// Gives up waiting: the next event of what is there, until `None`.
    #[must_use]
    pub fn finish(&mut self) -> Option<Event> {
        self.step(true).or_else(|| self.tell_noise())
    }

    fn step(&mut self, end: bool) -> Option<Event> {
        while !self.window.bytes().is_empty() {
            match Frame::decode(self.window.bytes()) {
                Ok((frame, length)) => {
                    if self.window.noise() > 0 {
                        return self.tell_noise();
                    }
                    let stretch = self.window.take(length);
                    return Some(Event {
                        offset: stretch.offset,
                        length: stretch.length,
                        found: Ok(frame),
                    });
                }
                Err(LinkError::Truncated { .. }) if !end => return None,
                Err(error) => {
                    // A frame that is wrong says more than a byte that begins none.
                    if matches!(self.error, None | Some(LinkError::Start { .. })) {
                        self.error = Some(error);
                    }
                    self.window.give_up(1, 1);
                }
            }
        }
        None
    }

    fn tell_noise(&mut self) -> Option<Event> {
        let stretch = self.window.tell_noise()?;
        let error = self.error.take().unwrap_or(LinkError::Truncated {
            announced: 1,
            there: 0,
        });
        Some(Event {
            offset: stretch.offset,
            length: stretch.length,
            found: Err(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(slices: &[&[u8]]) -> Vec<Event> {
        let mut splitter = Splitter::new();
        let mut events = Vec::new();
        for mut slice in slices.iter().copied() {
            while let Some(event) = splitter.pull(&mut slice) {
                events.push(event);
            }
        }
        while let Some(event) = splitter.finish() {
            events.push(event);
        }
        events
    }

    #[test]
    fn noise_around_frames() {
        let frame = Frame::long(0x08, 5, 0x72, &[1, 2, 3, 4]);
        let bytes = frame.to_bytes();
        let mut stream = vec![0x00, 0x68, 0x68];
        stream.extend_from_slice(&bytes);
        stream.extend_from_slice(&bytes[..6]);
        let found = events(&[&stream]);
        assert_eq!(found.len(), 3);
        assert!(found[0].found.is_err() && found[0].length == 3);
        assert_eq!((&found[1].found, found[1].offset), (&Ok(frame), 3));
        assert!(matches!(found[2].found, Err(LinkError::Truncated { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x68), Just(0x10), Just(3)], 0..600),
            at in 0usize..600,
        ) {
            let (first, second) = bytes.split_at(at.min(bytes.len()));
            let whole = events(&[&bytes]);
            prop_assert_eq!(&whole, &events(&[first, second]));
            let total: u64 = whole.iter().map(|event| event.length).sum();
            prop_assert_eq!(total, bytes.len() as u64);
        }
    }
}
