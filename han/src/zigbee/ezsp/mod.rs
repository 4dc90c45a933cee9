//! EZSP, the commands of a Silicon Labs coprocessor (UG100, section 3): their headers and names.
//!
//! A host asks for the version with the header of old (three octets); from version 8 on all that
//! follows has five. [`HeaderForm`] says which one, and [`Frame::parse`] reads either.

mod layouts;
mod names;
mod session;

pub use session::{CommandError, Event, Failure, Refusal, Session, Token};

use std::ops::RangeInclusive;

use crate::layout::{self, Reader, Truncated, Unwritable};
use crate::value::Record;

/// How long a header is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderForm {
    /// Not known yet: told from the frame itself.
    #[default]
    Unknown,
    /// Three octets, or five where the third is FF: before version 8.
    Legacy,
    /// Five octets: from version 8 on.
    Extended,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The host asks.
    Command,
    /// The coprocessor answers.
    Response,
    /// The coprocessor reports.
    Callback,
}

/// A frame, with its parameters unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The number that command and answer have in common.
    pub sequence: u8,
    /// What it is.
    pub kind: FrameKind,
    /// Which command.
    pub id: u16,
    /// The octets after the header.
    pub parameters: &'a [u8],
    /// The form of its header.
    pub form: HeaderForm,
}

/// A frame shorter than its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} octets are too few for the header of an EZSP frame")]
pub struct TooShort(pub usize);

/// The command that asks for the version.
pub const VERSION: u16 = 0x0000;

/// The first version whose frames have headers of five octets.
pub const FIRST_EXTENDED_VERSION: u8 = 8;

const RESPONSE: u8 = 0x80;
const CALLBACK_TYPE: u8 = 0x18;
/// The third octet of a header: more octets of a legacy one follow.
const LEGACY_ESCAPE: u8 = 0xFF;
/// The high octet of the frame control of an extended header: frame format version 1.
const FORMAT_VERSION: u8 = 0x01;

impl<'a> Frame<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// When it is shorter than its header.
    pub fn parse(octets: &'a [u8], form: HeaderForm) -> Result<Self, TooShort> {
        let too_short = TooShort(octets.len());
        let &[sequence, control, third] = octets.first_chunk().ok_or(too_short)?;
        let long = octets.split_first_chunk::<5>();
        let extended = match form {
            HeaderForm::Extended => true,
            HeaderForm::Legacy => false,
            HeaderForm::Unknown => third & 0x03 == FORMAT_VERSION && long.is_some(),
        };
        let (id, parameters) = match long {
            Some((&[.., low, high], rest)) if extended => (u16::from_le_bytes([low, high]), rest),
            None if extended => return Err(too_short),
            // The fourth octet is a second frame control.
            Some((&[.., id], rest)) if third == LEGACY_ESCAPE => (id.into(), rest),
            _ if third == LEGACY_ESCAPE => return Err(too_short),
            _ => (third.into(), octets.get(3..).unwrap_or_default()),
        };
        let kind = match control {
            _ if control & RESPONSE == 0 => FrameKind::Command,
            _ if control & CALLBACK_TYPE == 0 => FrameKind::Response,
            _ => FrameKind::Callback,
        };
        Ok(Self {
            sequence,
            kind,
            id,
            parameters,
            form: if extended {
                HeaderForm::Extended
            } else {
                HeaderForm::Legacy
            },
        })
    }

    /// The form of the headers after this frame, if it tells: the answer that names the version.
    #[must_use]
    pub fn announces(&self) -> Option<HeaderForm> {
        let version = self.parameters.first();
        match (self.kind, self.id, version) {
            (FrameKind::Response, VERSION, Some(&version)) => {
                Some(if version >= FIRST_EXTENDED_VERSION {
                    HeaderForm::Extended
                } else {
                    HeaderForm::Legacy
                })
            }
            _ => None,
        }
    }
}

/// A command as a frame with a header of five octets; the version is asked for with three.
#[must_use]
pub fn command(sequence: u8, id: u16, parameters: &[u8], form: HeaderForm) -> Vec<u8> {
    let [low, high] = id.to_le_bytes();
    let mut frame = match form {
        HeaderForm::Extended => vec![sequence, 0, FORMAT_VERSION, low, high],
        HeaderForm::Unknown | HeaderForm::Legacy if high == 0 && low != LEGACY_ESCAPE => {
            vec![sequence, 0, low]
        }
        HeaderForm::Unknown | HeaderForm::Legacy => vec![sequence, 0, LEGACY_ESCAPE, 0, low],
    };
    frame.extend_from_slice(parameters);
    frame
}

/// The callback for a message of ours that was delivered, or not.
pub const MESSAGE_SENT: u16 = 0x003F;

/// The callback for a message that came.
pub const INCOMING_MESSAGE: u16 = 0x0045;

/// The answer to a command that the coprocessor does not know.
pub const INVALID_COMMAND: u16 = 0x0058;

/// Protocol versions whose layouts are known, EmberZNet 7.4 to 9. From 14 on the commands that a host
/// of a coordinator uses stayed the same.
pub const VERSIONS: RangeInclusive<u8> = 13..=19;

/// The parameters of a command, with names, in a protocol version.
///
/// # Errors
/// When no layout knows the command, or a field is missing or does not fit.
pub fn write_request(id: u16, version: u8, fields: &Record) -> Result<Vec<u8>, Unwritable> {
    write(layouts::request(id, version), fields)
}

/// The parameters of an answer or a callback, with names.
///
/// # Errors
/// As for [`write_request`].
pub fn write_response(id: u16, version: u8, fields: &Record) -> Result<Vec<u8>, Unwritable> {
    write(layouts::response(id, version), fields)
}

/// What a command asks; `None` when no layout knows it.
///
/// # Errors
/// When it ends within a field.
pub fn read_request(id: u16, version: u8, parameters: &[u8]) -> Option<Result<Record, Truncated>> {
    let layout = layouts::request(id, version)?;
    Some(Reader::new(parameters).record(layout))
}

/// What an answer or a callback says; `None` when no layout knows it.
///
/// # Errors
/// When it ends within a field.
pub fn read_response(id: u16, version: u8, parameters: &[u8]) -> Option<Result<Record, Truncated>> {
    let layout = layouts::response(id, version)?;
    Some(Reader::new(parameters).record(layout))
}

fn write(layout: Option<&[layout::Field]>, fields: &Record) -> Result<Vec<u8>, Unwritable> {
    let layout = layout.ok_or(Unwritable { field: "command" })?;
    let mut parameters = Vec::new();
    layout::write(layout, fields, &mut parameters)?;
    Ok(parameters)
}

/// An answer (`callback` false) or a callback as a frame; the answer to the version's first
/// question has a header of three octets.
#[must_use]
pub fn response(
    sequence: u8,
    id: u16,
    parameters: &[u8],
    form: HeaderForm,
    callback: bool,
) -> Vec<u8> {
    let mut frame = command(sequence, id, parameters, form);
    if let Some(control) = frame.get_mut(1) {
        // Asynchronous callbacks are marked in bits 3 and 4 (UG100, 3.2).
        *control = if callback { RESPONSE | 0x10 } else { RESPONSE };
    }
    frame
}

/// The name of a command.
#[must_use]
pub fn name(id: u16) -> Option<&'static str> {
    let index = names::FRAMES.binary_search_by_key(&id, |(known, _)| *known);
    let found = names::FRAMES.get(index.ok()?)?;
    Some(found.1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_version_is_asked_in_one_form_and_all_else_in_the_other() {
        let asked = command(0, VERSION, &[13], HeaderForm::Unknown);
        assert_eq!(asked, [0, 0, 0, 13]);
        let answer = Frame::parse(&[0, 0x80, 0, 13, 2, 0x50, 0x74], HeaderForm::Unknown);
        let answer = answer.expect("it has a header");
        assert_eq!((answer.kind, answer.id), (FrameKind::Response, VERSION));
        assert_eq!(answer.announces(), Some(HeaderForm::Extended));
        let next = command(1, 0x0114, &[1], HeaderForm::Extended);
        assert_eq!(next, [1, 0, 1, 0x14, 1, 1]);
        let read = Frame::parse(&next, HeaderForm::Unknown).expect("it has a header");
        assert_eq!((read.id, read.parameters), (0x0114, &[1][..]));
        assert_eq!(name(read.id), Some("exportKey"));
    }

    #[test]
    fn callbacks_are_told_from_answers() {
        let frame = Frame::parse(&[9, 0x90, 1, 0x45, 0, 7], HeaderForm::Extended);
        let frame = frame.expect("it has a header");
        assert_eq!(
            (frame.kind, name(frame.id)),
            (FrameKind::Callback, Some("incomingMessageHandler"))
        );
        assert_eq!(Frame::parse(&[1, 0], HeaderForm::Legacy), Err(TooShort(2)));
        assert_eq!(
            Frame::parse(&[1, 0, 1, 2], HeaderForm::Extended),
            Err(TooShort(4))
        );
    }

    #[test]
    fn names_are_in_order() {
        assert!(names::FRAMES.is_sorted_by_key(|(id, _)| *id));
        assert_eq!(name(0xFFFF), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(sequence: u8, id in 0_u16..0x0200, parameters in proptest::collection::vec(any::<u8>(), 0..20)) {
            let wire = command(sequence, id, &parameters, HeaderForm::Extended);
            let read = Frame::parse(&wire, HeaderForm::Extended);
            prop_assert_eq!(read.map(|frame| (frame.id, frame.parameters.to_vec())), Ok((id, parameters)));
        }
    }
}
