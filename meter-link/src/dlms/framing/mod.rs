//! Finds messages in a stream whatever carries them: HDLC, wired M-Bus, the wrapper of TCP, or
//! nothing at all. Segments of HDLC and M-Bus and blocks of general block transfer are put
//! together; of an incomplete set nothing is given.

mod assembly;
mod detect;

use std::collections::VecDeque;

use super::apdu::Apdu;
use super::{gbt, hdlc, mbus, wrapper};
use assembly::Assembly;
use detect::Evidence;

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// HDLC frames.
    Hdlc,
    /// Long frames of wired M-Bus.
    Mbus,
    /// The wrapper of TCP and UDP.
    Wrapper,
    /// Messages one after the other.
    Raw,
}

/// A frame that took part in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameInfo {
    /// HDLC.
    Hdlc {
        /// The length field, 11 bits.
        length: u16,
        /// The information goes on in the next frame.
        segmented: bool,
        /// Destination address as sent.
        destination: Vec<u8>,
        /// Source address as sent.
        source: Vec<u8>,
        /// Control field as sent.
        control: u8,
        /// The header check sequence is right.
        hcs_ok: bool,
        /// The frame check sequence is right.
        fcs_ok: bool,
        /// Number of the block of general block transfer that it brought, and whether the last.
        block: Option<(u16, bool)>,
    },
    /// Wired M-Bus.
    Mbus {
        /// Length byte as sent.
        length: u8,
        /// Control field.
        control: u8,
        /// Address field.
        address: u8,
        /// Control information.
        information: u8,
        /// The checksum is right.
        checksum_ok: bool,
    },
    /// The wrapper.
    Wrapper {
        /// Wrapper port of the sender.
        source: u16,
        /// Wrapper port of the receiver.
        destination: u16,
        /// Bytes of the message.
        length: usize,
    },
}

/// Why a stretch of the stream gives no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A check of a frame is wrong.
    #[error("the {0} is wrong")]
    Check(&'static str),
    /// The stream ends, or falls silent, inside a frame.
    #[error("the stream ends inside a frame")]
    Cut,
    /// A segment of the message did not come.
    #[error("a segment of the message is missing")]
    Segment,
    /// A block of the message did not come.
    #[error(transparent)]
    Block(gbt::BlockError),
    /// The message is longer than is kept.
    #[error("the message is too long")]
    TooLong,
    /// No frame is here.
    #[error("these bytes are no message")]
    Noise,
}

/// A message or a stretch without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What carried it, where that was told.
    pub framing: Option<Framing>,
    /// Frames that took part, in order.
    pub frames: Vec<FrameInfo>,
    /// Place of its first byte in the stream.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// The message (without LLC bytes), or why there is none.
    pub apdu: Result<Vec<u8>, Fault>,
    /// What was strange about it.
    pub warnings: Vec<&'static str>,
}

impl Found {
    fn nothing(framing: Option<Framing>, offset: u64, length: u64, fault: Fault) -> Self {
        Self {
            framing,
            frames: Vec::new(),
            offset,
            length,
            apdu: Err(fault),
            warnings: Vec::new(),
        }
    }
}

/// Bytes that may wait until it is clear what carries the messages. A message that nothing
/// carries can only be told from noise at the end of the stream.
const MAX_UNDECIDED: usize = 256 * 1024;
/// The same for a line, on which something always carries them.
const MAX_UNDECIDED_LINE: usize = 8 * 1024;

/// Finds messages in a stream given in slices of any size.
///
/// ```
/// use meter_link::dlms::framing::{Deframer, Framing};
/// let mut deframer = Deframer::recording();
/// deframer.push(&[0x0F, 0, 0, 0, 1, 0, 0x11, 5]);
/// deframer.finish();
/// let found = deframer.poll().ok_or("nothing")?;
/// assert_eq!(found.framing, Some(Framing::Raw));
/// assert_eq!(found.apdu?.len(), 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Deframer {
    allow_raw: bool,
    state: State,
    /// Place of the first byte that the state was given.
    base: u64,
    assembly: Assembly,
    found: VecDeque<Found>,
}

#[derive(Debug)]
enum State {
    Undecided(Vec<u8>),
    Hdlc(Box<HdlcState>),
    Mbus(mbus::Splitter),
    Wrapper(WrapperState),
}

#[derive(Debug, Default)]
struct HdlcState {
    splitter: hdlc::Splitter,
    /// The last bytes of the stream, to tell a frame that was cut from noise.
    tail: VecDeque<u8>,
}

#[derive(Debug, Default)]
struct WrapperState {
    splitter: wrapper::Splitter,
    /// Bytes in datagrams so far.
    passed: u64,
    /// Noise told so far.
    told: u64,
}

impl Deframer {
    fn new(allow_raw: bool) -> Self {
        Self {
            allow_raw,
            state: State::Undecided(Vec::new()),
            base: 0,
            assembly: Assembly::default(),
            found: VecDeque::new(),
        }
    }

    /// For a recording, in which anything may carry messages.
    #[must_use]
    pub fn recording() -> Self {
        Self::new(true)
    }

    /// For a serial line: HDLC or M-Bus.
    #[must_use]
    pub fn line() -> Self {
        Self::new(false)
    }

    /// What carries the messages, once that is clear.
    #[must_use]
    pub const fn framing(&self) -> Option<Framing> {
        match self.state {
            State::Undecided(_) => None,
            State::Hdlc(_) => Some(Framing::Hdlc),
            State::Mbus(_) => Some(Framing::Mbus),
            State::Wrapper(_) => Some(Framing::Wrapper),
        }
    }

    /// The next message or stretch without one.
    pub fn poll(&mut self) -> Option<Found> {
        self.found.pop_front()
    }

    /// True while bytes wait for more.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.assembly.is_open()
            || match &self.state {
                State::Undecided(bytes) => !bytes.is_empty(),
                // The closing flag of the last frame stays in the splitter.
                State::Hdlc(state) => state.splitter.noise() > 0 || state.tail.len() > 1,
                State::Mbus(splitter) => splitter.is_inside() || splitter.noise() > 0,
                State::Wrapper(state) => state.splitter.is_inside(),
            }
    }

    /// Length of the noise that has not been told yet, in bytes.
    #[must_use]
    pub const fn noise(&self) -> u64 {
        match &self.state {
            State::Hdlc(state) => state.splitter.noise(),
            State::Mbus(splitter) => splitter.noise(),
            State::Undecided(_) | State::Wrapper(_) => 0,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if let State::Undecided(waiting) = &mut self.state {
            waiting.extend_from_slice(bytes);
            let limit = match self.allow_raw {
                true => MAX_UNDECIDED,
                false => MAX_UNDECIDED_LINE,
            };
            match detect::strong(waiting, self.allow_raw, false) {
                Some(evidence) => self.decide(evidence),
                None if waiting.len() > limit => {
                    let length = waiting.len() as u64;
                    waiting.clear();
                    self.give_up(length);
                }
                None => {}
            }
            return;
        }
        self.split(bytes);
    }

    /// Ends the stream, or a burst after which the line fell silent.
    pub fn finish(&mut self) {
        // What only looks like a frame decides nothing beyond this burst.
        let mut forget = None;
        if let State::Undecided(waiting) = &mut self.state {
            let waiting = std::mem::take(waiting);
            let strong = detect::strong(&waiting, self.allow_raw, true);
            match strong.or_else(|| detect::weak(&waiting, self.allow_raw)) {
                Some(Evidence::Raw) => self.raw(&waiting),
                Some(evidence) => {
                    forget = Some(self.base + waiting.len() as u64);
                    self.state = State::Undecided(waiting);
                    self.decide(evidence);
                }
                None if waiting.is_empty() => {}
                None => self.give_up(waiting.len() as u64),
            }
        }
        match &mut self.state {
            State::Undecided(_) => {}
            State::Hdlc(state) => {
                while let Some(piece) = state.splitter.finish() {
                    self.assembly
                        .hdlc(&piece, self.base, Some(&state.tail), &mut self.found);
                }
                state.tail.clear();
            }
            State::Mbus(splitter) => {
                while let Some(piece) = splitter.finish() {
                    self.assembly.mbus(&piece, self.base, &mut self.found);
                }
            }
            State::Wrapper(state) => {
                if state.splitter.is_inside() {
                    let noise = state.splitter.noise();
                    state.splitter.clear();
                    let length = state.splitter.noise() - noise;
                    let offset = self.base + state.passed + noise;
                    let framing = Some(Framing::Wrapper);
                    let cut = Found::nothing(framing, offset, length, Fault::Cut);
                    state.told += length;
                    self.found.push_back(cut);
                }
            }
        }
        self.assembly.flush(&mut self.found);
        if let Some(base) = forget {
            self.state = State::Undecided(Vec::new());
            self.base = base;
        }
    }

    fn give_up(&mut self, length: u64) {
        let noise = Found::nothing(None, self.base, length, Fault::Noise);
        self.found.push_back(noise);
        self.base += length;
    }

    fn decide(&mut self, evidence: Evidence) {
        let State::Undecided(waiting) = &mut self.state else {
            return;
        };
        let waiting = std::mem::take(waiting);
        self.state = match evidence {
            Evidence::Hdlc => State::Hdlc(Box::default()),
            Evidence::Mbus => State::Mbus(mbus::Splitter::default()),
            Evidence::Wrapper => State::Wrapper(WrapperState::default()),
            Evidence::Raw => return,
        };
        self.split(&waiting);
    }

    fn split(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        match &mut self.state {
            State::Undecided(_) => {}
            State::Hdlc(state) => {
                while let Some(piece) = state.splitter.pull(&mut input) {
                    self.assembly.hdlc(&piece, self.base, None, &mut self.found);
                }
                let keep = hdlc::MAX_FRAME + 2;
                let newest = bytes.get(bytes.len().saturating_sub(keep)..);
                state.tail.extend(newest.unwrap_or_default());
                let over = state.tail.len().saturating_sub(keep);
                state.tail.drain(..over);
            }
            State::Mbus(splitter) => {
                while let Some(piece) = splitter.pull(&mut input) {
                    self.assembly.mbus(&piece, self.base, &mut self.found);
                }
            }
            State::Wrapper(state) => {
                while let Some(datagram) = state.splitter.pull(&mut input) {
                    let noise = state.splitter.noise();
                    if noise > state.told {
                        let offset = self.base + state.passed + state.told;
                        let length = noise - state.told;
                        let framing = Some(Framing::Wrapper);
                        let found = Found::nothing(framing, offset, length, Fault::Noise);
                        self.found.push_back(found);
                        state.told = noise;
                    }
                    let offset = self.base + state.passed + noise;
                    state.passed += (wrapper::HEADER + datagram.apdu.len()) as u64;
                    self.assembly.wrapper(datagram, offset, &mut self.found);
                }
            }
        }
    }

    /// Messages one after the other, each as long as it is.
    fn raw(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        let mut begun = false;
        while !rest.is_empty() {
            let offset = self.base + (bytes.len() - rest.len()) as u64;
            let (_, apdu) = hdlc::split_llc(rest);
            let length = Apdu::decode(apdu).map(|(_, behind)| apdu.len() - behind.len());
            let length = match length {
                Ok(length) if !begun || length >= 3 || detect::begins_message(apdu) => length,
                // What stands behind a message and begins none belongs to it.
                _ if begun && !detect::begins_message(apdu) => {
                    self.assembly.trailing(rest, &mut self.found);
                    break;
                }
                // The reason is found again by whoever decodes it.
                _ => apdu.len(),
            };
            let header = rest.len() - apdu.len();
            let (taken, behind) = rest.split_at(header + length);
            let apdu = apdu.get(..length).unwrap_or_default().to_vec();
            self.assembly
                .raw(apdu, offset, taken.len() as u64, &mut self.found);
            rest = behind;
            begun = true;
        }
        self.base += bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests;
