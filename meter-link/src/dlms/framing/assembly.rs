//! Puts segments and blocks together.

use std::collections::VecDeque;

use super::super::apdu::{Apdu, tag};
use super::super::gbt::{BlockError, Blocks, MAX_MESSAGE};
use super::super::{hdlc, mbus, wrapper::Datagram};
use super::{Fault, Found, FrameInfo, Framing};

/// A message that has begun: its segments, and around them its blocks.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    framing: Option<Framing>,
    frames: Vec<FrameInfo>,
    start: u64,
    /// Where the last frame begins and ends.
    last: (u64, u64),
    /// Segments so far, while more are to come.
    segments: Option<Vec<u8>>,
    /// Number that the next segment must have, where segments have numbers.
    next: Option<u8>,
    /// Source and destination of the segments.
    sides: (Vec<u8>, Vec<u8>),
    blocks: Blocks,
}

impl Assembly {
    pub(super) const fn is_open(&self) -> bool {
        self.segments.is_some() || self.blocks.is_inside()
    }

    /// Takes note of a frame at its place.
    fn add(&mut self, framing: Framing, offset: u64, length: u64, frame: Option<FrameInfo>) {
        if !self.is_open() {
            self.frames.clear();
            self.start = offset;
        }
        self.framing = Some(framing);
        self.frames.extend(frame);
        self.last = (offset, offset + length);
    }

    /// What was found at the place of all frames so far.
    fn emit(&mut self, apdu: Result<Vec<u8>, Fault>, warnings: Vec<&'static str>) -> Found {
        self.segments = None;
        self.next = None;
        self.blocks = Blocks::default();
        Found {
            framing: self.framing,
            frames: std::mem::take(&mut self.frames),
            offset: self.start,
            length: self.last.1.saturating_sub(self.start),
            apdu,
            warnings,
        }
    }

    /// Gives up what has begun.
    pub(super) fn flush(&mut self, found: &mut VecDeque<Found>) {
        if let Some(segments) = &self.segments {
            // One meter marks no segment as the last.
            let whole = self.framing == Some(Framing::Mbus)
                && Apdu::decode(segments).is_ok_and(|(_, rest)| rest.is_empty());
            if whole {
                let segments = segments.clone();
                self.segments = None;
                self.complete(segments, vec!["no segment is marked as the last"], found);
            } else {
                found.push_back(self.emit(Err(Fault::Segment), Vec::new()));
            }
        }
        if self.blocks.is_inside() {
            let expected = self.blocks.expected();
            let missing = BlockError::Missing { expected, found: 0 };
            found.push_back(self.emit(Err(Fault::Block(missing)), Vec::new()));
        }
    }

    pub(super) fn hdlc(
        &mut self,
        piece: &hdlc::Piece,
        base: u64,
        tail: Option<&VecDeque<u8>>,
        found: &mut VecDeque<Found>,
    ) {
        let offset = base + piece.offset;
        let parsed = piece.frame().map(hdlc::Frame::parse);
        let Some(Ok(frame)) = parsed else {
            self.between(found);
            let cut = tail.is_some_and(|tail| is_cut(tail, piece.length));
            let fault = if cut { Fault::Cut } else { Fault::Noise };
            let framing = Some(Framing::Hdlc);
            found.push_back(Found::nothing(framing, offset, piece.length, fault));
            return;
        };
        let info = FrameInfo::Hdlc {
            length: frame.length(),
            segmented: frame.segmented(),
            destination: frame.destination().to_vec(),
            source: frame.source().to_vec(),
            control: frame.control_byte(),
            hcs_ok: frame.hcs_ok(),
            fcs_ok: frame.fcs_ok(),
            block: None,
        };
        // The flag that closes the frame may open the next one; it counts here.
        let length = piece.length + 1;
        if !frame.fcs_ok() || !frame.hcs_ok() {
            self.add(Framing::Hdlc, offset, length, Some(info));
            let check = match frame.hcs_ok() {
                true => "frame check sequence",
                false => "header check sequence",
            };
            found.push_back(self.emit(Err(Fault::Check(check)), Vec::new()));
            return;
        }
        let number = match frame.control() {
            hdlc::Control::Information { send, .. } => Some(send),
            hdlc::Control::Ui { .. } => None,
            // Connecting, acknowledging and releasing carry no message.
            _ => return,
        };
        if frame.information().is_empty() {
            return;
        }
        let sides = (frame.source().to_vec(), frame.destination().to_vec());
        if self.segments.is_some() {
            if sides == self.sides && number.is_some() && self.next == number.map(following) {
                // The last frame once more.
                return;
            }
            if sides != self.sides || number != self.next.filter(|_| number.is_some()) {
                found.push_back(self.emit(Err(Fault::Segment), Vec::new()));
            }
        }
        self.add(Framing::Hdlc, offset, length, Some(info));
        self.sides = sides;
        self.next = number.map(following);
        let segmented = frame.segmented();
        self.segment(frame.information(), segmented, found);
    }

    pub(super) fn mbus(&mut self, piece: &mbus::Piece, base: u64, found: &mut VecDeque<Found>) {
        let offset = base + piece.offset;
        let parsed = match &piece.kind {
            mbus::PieceKind::Frame(bytes) => mbus::Frame::parse(bytes),
            _ => None,
        };
        let Some(frame) = parsed else {
            self.between(found);
            let fault = match piece.kind {
                mbus::PieceKind::Cut => Fault::Cut,
                _ => Fault::Noise,
            };
            let framing = Some(Framing::Mbus);
            found.push_back(Found::nothing(framing, offset, piece.length, fault));
            return;
        };
        let info = FrameInfo::Mbus {
            length: frame.length,
            control: frame.control,
            address: frame.address,
            information: frame.information,
            checksum_ok: frame.checksum_ok,
        };
        if !frame.checksum_ok {
            self.add(Framing::Mbus, offset, piece.length, Some(info));
            found.push_back(self.emit(Err(Fault::Check("checksum")), Vec::new()));
            return;
        }
        if self.segments.is_some() && self.next != Some(frame.number()) {
            self.flush(found);
        }
        let begins = self.segments.is_none();
        self.add(Framing::Mbus, offset, piece.length, Some(info));
        if begins && frame.number() != 0 {
            found.push_back(self.emit(Err(Fault::Segment), Vec::new()));
            return;
        }
        self.next = Some((frame.number() + 1) & 0x0F);
        self.segment(frame.segment, !frame.is_last(), found);
    }

    pub(super) fn wrapper(&mut self, datagram: Datagram, offset: u64, found: &mut VecDeque<Found>) {
        let length = datagram.apdu.len();
        let info = FrameInfo::Wrapper {
            source: datagram.source,
            destination: datagram.destination,
            length,
        };
        let whole = (length + super::wrapper::HEADER) as u64;
        self.add(Framing::Wrapper, offset, whole, Some(info));
        self.complete(datagram.apdu, Vec::new(), found);
    }

    pub(super) fn raw(
        &mut self,
        apdu: Vec<u8>,
        offset: u64,
        length: u64,
        found: &mut VecDeque<Found>,
    ) {
        self.add(Framing::Raw, offset, length, None);
        self.complete(apdu, Vec::new(), found);
    }

    /// Bytes that follow the last message and begin none belong to it.
    pub(super) fn trailing(&self, bytes: &[u8], found: &mut VecDeque<Found>) {
        if let Some(Found {
            apdu: Ok(apdu),
            length,
            ..
        }) = found.back_mut()
        {
            apdu.extend_from_slice(bytes);
            *length += bytes.len() as u64;
        }
    }

    /// Gives up what has begun before the last frame, which begins something new.
    fn give_up_before_last(&mut self, error: BlockError, found: &mut VecDeque<Found>) {
        let own = self.frames.pop();
        let (begins, ends) = self.last;
        self.last = (self.start, begins);
        found.push_back(self.emit(Err(Fault::Block(error)), Vec::new()));
        self.frames.extend(own);
        self.start = begins;
        self.last = (begins, ends);
    }

    /// Noise between frames: a segment was lost in it, for all one knows.
    fn between(&mut self, found: &mut VecDeque<Found>) {
        if self.segments.is_some() {
            found.push_back(self.emit(Err(Fault::Segment), Vec::new()));
        }
    }

    fn segment(&mut self, octets: &[u8], more: bool, found: &mut VecDeque<Found>) {
        let mut message = self.segments.take().unwrap_or_default();
        if message.len() + octets.len() > MAX_MESSAGE {
            found.push_back(self.emit(Err(Fault::TooLong), Vec::new()));
            return;
        }
        message.extend_from_slice(octets);
        if more {
            self.segments = Some(message);
            return;
        }
        self.next = None;
        let (_, apdu) = hdlc::split_llc(&message);
        self.complete(apdu.to_vec(), Vec::new(), found);
    }

    /// A message as the link layer has it, which may be a block of one.
    fn complete(
        &mut self,
        apdu: Vec<u8>,
        warnings: Vec<&'static str>,
        found: &mut VecDeque<Found>,
    ) {
        let block = match apdu.first() {
            Some(&tag::GENERAL_BLOCK_TRANSFER) => Apdu::decode(&apdu).ok(),
            _ => None,
        };
        let Some((Apdu::BlockTransfer(block), _)) = block else {
            if self.blocks.is_inside() {
                let expected = self.blocks.expected();
                let missing = BlockError::Missing { expected, found: 0 };
                self.give_up_before_last(missing, found);
            }
            found.push_back(self.emit(Ok(apdu), warnings));
            return;
        };
        if let Some(FrameInfo::Hdlc { block: told, .. }) = self.frames.last_mut() {
            *told = Some((block.number, block.last));
        }
        match self.blocks.take(&block) {
            Ok(None) => {}
            Ok(Some(message)) => found.push_back(self.emit(Ok(message), warnings)),
            Err(error @ BlockError::Missing { found: 1, .. }) => {
                self.give_up_before_last(error, found);
                if let Ok(Some(message)) = self.blocks.take(&block) {
                    found.push_back(self.emit(Ok(message), warnings));
                }
            }
            Err(error) => found.push_back(self.emit(Err(Fault::Block(error)), Vec::new())),
        }
    }
}

/// The sequence number after this one.
const fn following(number: u8) -> u8 {
    (number + 1) & 7
}

/// True when the last `length` bytes begin a frame that is longer.
fn is_cut(tail: &VecDeque<u8>, length: u64) -> bool {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    // The flag in front may not have counted as noise.
    let skip = tail.len().saturating_sub(length.saturating_add(1));
    let octet = |at: usize| tail.get(at).copied();
    (skip..tail.len()).any(|at| {
        octet(at) == Some(hdlc::FLAG)
            && octet(at + 1).is_some_and(|format| {
                let length = u16::from_be_bytes([format & 0x07, octet(at + 2).unwrap_or(0xFF)]);
                format & 0xF0 == 0xA0 && usize::from(length) > tail.len() - at - 1
            })
    })
}
