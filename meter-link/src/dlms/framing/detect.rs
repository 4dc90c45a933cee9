//! What carries the messages of a stream, by its bytes.

use super::super::apdu::{Apdu, tag};
use super::super::{hdlc, mbus, wrapper};
use crate::dlms::apdu::Ciphering;

/// What speaks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    Hdlc,
    Mbus,
    Wrapper,
    Raw,
}

/// What begins at a place.
enum Candidate {
    /// A frame whose check is right, or the header of a wrapper around a message.
    Is(Evidence),
    /// Nothing that can be told.
    No,
    /// Perhaps a frame: the bytes end inside it.
    Wait,
}

/// A frame whose check is right, or the header of a wrapper at the start. In a recording what begins
/// earlier counts before what is complete earlier, so that it is told alike in whatever slices it comes;
/// `ended` says that no more comes.
pub(super) fn strong(bytes: &[u8], recording: bool, ended: bool) -> Option<Evidence> {
    let waits = recording && !ended;
    if recording {
        match wrapped(bytes) {
            Candidate::Is(evidence) => return Some(evidence),
            Candidate::Wait if waits => return None,
            Candidate::Wait | Candidate::No => {}
        }
    }
    for at in 0..bytes.len() {
        match framed(bytes.get(at..).unwrap_or_default()) {
            Candidate::Is(evidence) => return Some(evidence),
            Candidate::Wait if waits => return None,
            Candidate::Wait | Candidate::No => {}
        }
    }
    None
}

/// A frame of HDLC or M-Bus at the start.
fn framed(bytes: &[u8]) -> Candidate {
    let is = |right: bool, evidence| match right {
        true => Candidate::Is(evidence),
        false => Candidate::No,
    };
    match bytes {
        [hdlc::FLAG, rest @ ..] => {
            if rest.len() < 2 {
                return Candidate::Wait;
            }
            let Some(length) = hdlc_length(bytes) else {
                return Candidate::No;
            };
            match rest.get(..length).map(hdlc::Frame::parse) {
                None => Candidate::Wait,
                Some(frame) => is(frame.is_ok_and(|frame| frame.fcs_ok()), Evidence::Hdlc),
            }
        }
        [0x68] | [0x68, _] => Candidate::Wait,
        [0x68, length, again] if length == again => Candidate::Wait,
        [0x68, ..] => {
            let Some(counted) = mbus_length(bytes) else {
                return Candidate::No;
            };
            match bytes.get(..counted + 6).map(mbus::Frame::parse) {
                None => Candidate::Wait,
                Some(frame) => is(frame.is_some_and(|frame| frame.checksum_ok), Evidence::Mbus),
            }
        }
        _ => Candidate::No,
    }
}

/// At the end of the stream: what it looks most like.
pub(super) fn weak(bytes: &[u8], allow_raw: bool) -> Option<Evidence> {
    if allow_raw {
        if bytes.starts_with(&[0, 1]) && bytes.len() > wrapper::HEADER {
            let apdu = bytes.get(wrapper::HEADER..).unwrap_or_default();
            if begins_message(apdu) {
                return Some(Evidence::Wrapper);
            }
        }
        let (_, apdu) = hdlc::split_llc(bytes);
        // Short messages happen by chance; the most of the bytes must be one.
        let mostly = |(_, behind): (Apdu, &[u8])| 2 * behind.len() <= apdu.len();
        if begins_message(apdu) || Apdu::decode(apdu).is_ok_and(mostly) {
            return Some(Evidence::Raw);
        }
    }
    let looks = |at: usize| {
        let rest = bytes.get(at..)?;
        match rest.first()? {
            &hdlc::FLAG => {
                let length = hdlc_length(rest)?;
                let closed = rest.get(length + 1) == Some(&hdlc::FLAG);
                let cut = at == 0 && rest.len() <= length;
                (closed || cut).then_some(Evidence::Hdlc)
            }
            0x68 => {
                let counted = mbus_length(rest)?;
                let closed = rest.get(counted + 5) == Some(&0x16);
                (closed || at == 0).then_some(Evidence::Mbus)
            }
            _ => None,
        }
    };
    (0..bytes.len()).find_map(looks)
}

/// A header of the wrapper at the start, around something that begins a message and is as long.
fn wrapped(bytes: &[u8]) -> Candidate {
    let Some((header, apdu)) = bytes.split_first_chunk::<{ wrapper::HEADER }>() else {
        return match bytes {
            [] | [0] | [0, 1, ..] => Candidate::Wait,
            _ => Candidate::No,
        };
    };
    let [0, 1, .., high, low] = header else {
        return Candidate::No;
    };
    match apdu.get(..usize::from(u16::from_be_bytes([*high, *low]))) {
        None => Candidate::Wait,
        Some(apdu) if begins_message(apdu) => Candidate::Is(Evidence::Wrapper),
        Some(_) => Candidate::No,
    }
}

fn hdlc_length(bytes: &[u8]) -> Option<usize> {
    let (format, low) = (*bytes.get(1)?, *bytes.get(2)?);
    let length = usize::from(u16::from_be_bytes([format & 0x07, low]));
    (format & 0xF0 == 0xA0 && length >= 7).then_some(length)
}

fn mbus_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0x68, length, again, 0x68, ..] if length == again => Some(usize::from(*length)),
        _ => None,
    }
}

/// True for the first octets of messages that are told from noise by them.
pub(super) fn begins_message(apdu: &[u8]) -> bool {
    let Some((&first, rest)) = apdu.split_first() else {
        return false;
    };
    match first {
        tag::GENERAL_GLO | tag::GENERAL_DED => matches!(rest.first(), Some(0 | 8)),
        tag::DATA_NOTIFICATION => matches!(rest.get(4), Some(0 | 9 | 12)),
        tag::GENERAL_BLOCK_TRANSFER => rest.len() >= 6,
        tag::GENERAL_CIPHERING | tag::GENERAL_SIGNING => rest.len() >= 6,
        0xC0..=0xC7 => matches!(rest.first(), Some(0..=6)),
        tag::AARQ | tag::AARE => rest.get(1).is_some_and(|field| field & 0x80 != 0),
        tag::INITIATE_REQUEST | tag::INITIATE_RESPONSE => rest.len() >= 10,
        // A length in its shortest form that is not longer than what is there.
        _ if Ciphering::from_tag(first).is_some() => {
            let mut reader = crate::dlms::axdr::Reader::new(rest);
            reader
                .length()
                .is_ok_and(|length| length > 5 && length <= reader.rest().len())
        }
        _ => false,
    }
}
