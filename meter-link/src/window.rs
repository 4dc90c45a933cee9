//! The bytes of a stream that a splitter still looks at, and where they stand in it.

/// A stretch of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Place of its first byte.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
}

/// A bounded window over a stream. Noise is given up at once and only its length is kept, so that
/// one stretch of it is told once, however long it is.
#[derive(Debug, Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    /// Place of `bytes[0]` in the stream.
    base: u64,
    /// Length of the untold noise in front of `bytes`.
    noise: u64,
}

impl Window {
    /// What is looked at.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of the noise that has not been told yet.
    pub(crate) const fn noise(&self) -> u64 {
        self.noise
    }

    /// Takes bytes off the front of `input` until the window holds `limit`; false when it did
    /// already.
    pub(crate) fn fill(&mut self, input: &mut &[u8], limit: usize) -> bool {
        let room = limit.saturating_sub(self.bytes.len());
        let (taken, rest) = input.split_at(room.min(input.len()));
        self.bytes.extend_from_slice(taken);
        *input = rest;
        room > 0
    }

    /// Gives up bytes without a word.
    pub(crate) fn pass(&mut self, length: usize) {
        let length = length.min(self.bytes.len());
        self.bytes.drain(..length);
        self.base += length as u64;
    }

    /// Gives up bytes of which `noise` are to be told.
    pub(crate) fn give_up(&mut self, length: usize, noise: usize) {
        self.noise += noise as u64;
        self.pass(length);
    }

    /// Takes a message off the front, with the untold noise before it.
    pub(crate) fn take(&mut self, length: usize) -> Stretch {
        let offset = self.base - std::mem::take(&mut self.noise);
        self.pass(length);
        Stretch {
            offset,
            length: self.base - offset,
        }
    }

    /// The untold noise, once.
    pub(crate) fn tell_noise(&mut self) -> Option<Stretch> {
        let length = std::mem::take(&mut self.noise);
        (length > 0).then(|| Stretch {
            offset: self.base - length,
            length,
        })
    }
}
