//! Cuts frames out of a stream: STX, groups, ETX.

use std::collections::VecDeque;

use super::group::{Damage, Group, MAX_GROUP, Mode, without_parity};

const STX: u8 = 0x02;
const ETX: u8 = 0x03;
/// Ends a historic frame early, when the Euridis bus needs the meter.
const EOT: u8 = 0x04;
const LF: u8 = b'\n';
const CR: u8 = b'\r';

/// Longest frame read, in bytes. A three-phase producer's in standard mode has about 2,000.
pub const MAX_FRAME: usize = 16 * 1024;

/// Whether a frame is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// From STX to ETX.
    Complete,
    /// Its beginning or its end is missing, or both. Of its groups only the whole ones are here.
    Partial,
}

/// A frame with at least one thing in it that has the form of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether it is whole.
    pub extent: Extent,
    /// How the meter sends, told from the separator of the first intact group, or of the first
    /// that has one.
    pub mode: Mode,
    /// Its groups in the order sent, damaged ones too.
    pub groups: Vec<Group>,
    /// All its bytes, as received.
    pub raw: Vec<u8>,
}

impl Frame {
    /// Value of the first intact group with this label.
    #[must_use]
    pub fn value(&self, label: &str) -> Option<&str> {
        let named = self.groups.iter().filter(|group| group.label == label);
        named.filter_map(Group::value).next()
    }

    /// Number of damaged groups.
    #[must_use]
    pub fn damaged(&self) -> usize {
        let damaged = |group: &&Group| group.fields.is_err();
        self.groups.iter().filter(damaged).count()
    }

    /// True for the short frame that a three-phase meter in historic mode sends again and again
    /// while a phase draws more than was subscribed: `ADIR1` to `ADIR3` and the currents.
    #[must_use]
    pub fn is_overload_warning(&self) -> bool {
        ["ADIR1", "ADIR2", "ADIR3"]
            .iter()
            .any(|label| self.value(label).is_some())
    }
}

/// Bytes that belong to no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no group of a frame")]
pub struct Noise;

/// A frame or a stretch of noise, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Place of its first byte in the stream.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What it is.
    pub found: Result<Frame, Noise>,
}

/// Cuts frames out of a stream given in slices of any size.
///
/// Groups end at LF, CR or ETX, so one lost byte costs one group or none. What comes before the
/// first LF or STX is not read, since its beginning may be missing. Line ends between frames are
/// passed over in silence. Holds at most [`MAX_FRAME`] bytes and the groups in them.
#[derive(Debug, Default)]
pub struct Splitter {
    /// Bytes taken so far.
    taken: u64,
    open: Option<OpenFrame>,
    /// Length of the bytes in front of the open frame, or up to now, that are none.
    noise: u64,
    /// Whether there is more in the noise than line ends.
    audible: bool,
    events: VecDeque<Event>,
}

#[derive(Debug, Default)]
struct OpenFrame {
    from_stx: bool,
    raw: Vec<u8>,
    groups: Vec<(Option<Mode>, Group)>,
    /// Where in `raw` the group begins that is not complete.
    group_at: usize,
}

impl Splitter {
    /// A splitter at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes off the front of `input` until a frame is complete; `None` once `input` is
    /// empty and nothing more can be said.
    pub fn pull(&mut self, input: &mut &[u8]) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let (byte, rest) = input.split_first()?;
            *input = rest;
            self.push(*byte);
        }
    }

    /// Ends the stream: call until it returns `None`.
    pub fn finish(&mut self) -> Option<Event> {
        self.close(Extent::Partial);
        self.tell_noise(self.taken);
        self.events.pop_front()
    }

    /// The number of intact groups in the frame that has begun.
    #[must_use]
    pub fn intact_so_far(&self) -> usize {
        let groups = self.open.iter().flat_map(|open| &open.groups);
        groups.filter(|(_, group)| group.fields.is_ok()).count()
    }

    fn push(&mut self, byte: u8) {
        // Marks of a line whose parity was left in the characters.
        let (received, byte) = match (byte, without_parity(byte)) {
            (0x80.., Some(mark @ (STX | CR | EOT))) => (byte, mark),
            _ => (byte, byte),
        };
        if byte == STX {
            self.close(Extent::Partial);
        }
        if self.open.is_none() && matches!(byte, STX | LF) {
            self.open = Some(OpenFrame {
                from_stx: byte == STX,
                ..OpenFrame::default()
            });
        }
        self.taken += 1;
        let Some(open) = &mut self.open else {
            self.noise += 1;
            self.audible |= !matches!(byte, CR | 0);
            return;
        };
        if matches!(byte, LF | CR | ETX) {
            open.end_group();
        }
        open.raw.push(received);
        let whole = open.from_stx;
        match byte {
            STX | LF | CR => open.group_at = open.raw.len(),
            ETX if whole => self.close(Extent::Complete),
            ETX | EOT => self.close(Extent::Partial),
            _ => {}
        }
        // Without any mark, the cut is between two groups.
        let is_too_long = |open: &OpenFrame| match byte {
            CR => open.raw.len() >= MAX_FRAME - MAX_GROUP,
            _ => open.raw.len() >= MAX_FRAME,
        };
        if self.open.as_ref().is_some_and(is_too_long) {
            self.close(Extent::Partial);
        }
    }

    fn close(&mut self, extent: Extent) {
        let Some(open) = self.open.take() else {
            return;
        };
        let length = open.raw.len() as u64;
        match open.frame(extent) {
            Ok(frame) => {
                let offset = self.taken - length;
                self.tell_noise(offset);
                self.events.push_back(Event {
                    offset,
                    length,
                    found: Ok(frame),
                });
            }
            Err(audible) => {
                self.noise += length;
                self.audible |= audible;
            }
        }
    }

    /// The noise that ends at `end`, once.
    fn tell_noise(&mut self, end: u64) {
        let length = std::mem::take(&mut self.noise);
        if std::mem::take(&mut self.audible) {
            self.events.push_back(Event {
                offset: end - length,
                length,
                found: Err(Noise),
            });
        }
    }
}

impl OpenFrame {
    fn end_group(&mut self) {
        match self.raw.get(self.group_at..) {
            None | Some([] | [STX]) => {}
            Some(content) => self.groups.push(Group::parse(content)),
        }
    }

    /// The frame; or, when nothing in it looks like a group, whether there is more than marks.
    fn frame(self, extent: Extent) -> Result<Frame, bool> {
        let intact = |(mode, group): &(Option<Mode>, Group)| mode.filter(|_| group.fields.is_ok());
        let looks = |(mode, group): &(Option<Mode>, Group)| mode.filter(|_| looks_right(group));
        let mut told = self.groups.iter().filter_map(intact);
        let mut guessed = self.groups.iter().filter_map(looks);
        let Some(mode) = told.next().or_else(|| guessed.next()) else {
            return Err(!self.raw.iter().all(|byte| matches!(*byte, LF | CR)));
        };
        let same = |(own, group): (Option<Mode>, Group)| match group.fields {
            Ok(_) if own != Some(mode) => Group {
                fields: Err(Damage::Separator),
                ..group
            },
            _ => group,
        };
        Ok(Frame {
            extent,
            mode,
            groups: self.groups.into_iter().map(same).collect(),
            raw: self.raw,
        })
    }
}

/// A damaged group that is one all the same, rather than noise: its label could be one.
fn looks_right(group: &Group) -> bool {
    let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '+' || c == '-';
    group.label.len() >= 3 && group.label.chars().all(legal)
}

#[cfg(test)]
mod tests;
