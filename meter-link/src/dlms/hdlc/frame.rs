//! One frame (IEC 62056-46, clause 6.4): format, addresses, control, header check, information,
//! frame check.

use super::address::{self, Address};
use super::{Control, FLAG};
use crate::crc;

/// Longest frame in bytes, from its format field through its frame check: what eleven bits hold.
pub const MAX_FRAME: usize = 0x7FF;

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The first four bits are not 1010.
    #[error("{0:02X} is no frame format of type 3 (IEC 62056-46, 6.4.2.1)")]
    Format(u8),
    /// The length field tells another length than there are bytes.
    #[error("the length field says {declared} bytes, there are {present}")]
    Length {
        /// By the length field.
        declared: usize,
        /// Given.
        present: usize,
    },
    /// An address does not end within four bytes, or the frame ends before its check.
    #[error("the frame ends within its header")]
    Header,
}

/// A frame longer than [`MAX_FRAME`] was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes; its length field holds at most {MAX_FRAME}")]
pub struct TooLong(pub usize);

/// A view of a frame's bytes without its flags.
///
/// [`Frame::parse`] checks the structure, so that no accessor can fail; whether the two check
/// sequences are right is asked with [`Frame::hcs_ok`] and [`Frame::fcs_ok`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    segmented: bool,
    length: u16,
    destination: &'a [u8],
    source: &'a [u8],
    control: u8,
    hcs_ok: bool,
    fcs_ok: bool,
    information: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the bytes between two flags.
    ///
    /// # Errors
    /// [`FrameError`] when they have not the structure of a frame. A wrong check is no error here.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let &[format, length_low, ..] = bytes else {
            return Err(FrameError::Header);
        };
        let length = declared([format, length_low]).ok_or(FrameError::Format(format))?;
        if length != bytes.len() {
            return Err(FrameError::Length {
                declared: length,
                present: bytes.len(),
            });
        }
        let header = Header::at_front(bytes).ok_or(FrameError::Header)?;
        let (checked, fcs) = bytes.split_last_chunk().ok_or(FrameError::Header)?;
        let fcs_ok = crc::x25(checked) == u16::from_le_bytes(*fcs);
        let (hcs_ok, information) = match checked.get(header.length..) {
            None => return Err(FrameError::Header),
            // Without information, one check sequence stands for both.
            Some([]) => (fcs_ok, [].as_slice()),
            Some(rest) => {
                let (hcs, information) = rest.split_first_chunk().ok_or(FrameError::Header)?;
                let head = checked.get(..header.length).unwrap_or_default();
                (crc::x25(head) == u16::from_le_bytes(*hcs), information)
            }
        };
        Ok(Self {
            segmented: format & 0x08 != 0,
            length: u16::from_be_bytes([format & 0x07, length_low]),
            destination: header.destination,
            source: header.source,
            control: header.control,
            hcs_ok,
            fcs_ok,
            information,
        })
    }

    /// The length field: bytes of the whole frame without its flags.
    #[must_use]
    pub const fn length(&self) -> u16 {
        self.length
    }

    /// True when the information goes on in the next frame.
    #[must_use]
    pub const fn segmented(&self) -> bool {
        self.segmented
    }

    /// The destination address as sent, one to four bytes.
    #[must_use]
    pub const fn destination(&self) -> &'a [u8] {
        self.destination
    }

    /// The source address as sent, one to four bytes.
    #[must_use]
    pub const fn source(&self) -> &'a [u8] {
        self.source
    }

    /// The control byte as sent.
    #[must_use]
    pub const fn control_byte(&self) -> u8 {
        self.control
    }

    /// What the control byte says.
    #[must_use]
    pub const fn control(&self) -> Control {
        Control::from_byte(self.control)
    }

    /// True when the header check sequence is right; that of the frame where there is no other.
    #[must_use]
    pub const fn hcs_ok(&self) -> bool {
        self.hcs_ok
    }

    /// True when the frame check sequence is right.
    #[must_use]
    pub const fn fcs_ok(&self) -> bool {
        self.fcs_ok
    }

    /// The information field, LLC header included; empty where there is none.
    #[must_use]
    pub const fn information(&self) -> &'a [u8] {
        self.information
    }
}

/// Makes a frame with both flags.
///
/// # Errors
/// [`TooLong`] when the frame would exceed [`MAX_FRAME`] bytes.
pub fn encode(
    destination: &Address,
    source: &Address,
    control: Control,
    segmented: bool,
    information: &[u8],
) -> Result<Vec<u8>, TooLong> {
    let header = 2 + destination.as_bytes().len() + source.as_bytes().len() + 1;
    let length = match information.len() {
        0 => header + 2,
        length => header + 2 + length + 2,
    };
    let field = u16::try_from(length)
        .ok()
        .filter(|_| length <= MAX_FRAME)
        .ok_or(TooLong(length))?;
    let mut bytes = Vec::with_capacity(length + 2);
    bytes.push(FLAG);
    let format = 0xA000 | if segmented { 0x0800 } else { 0 } | field;
    bytes.extend(format.to_be_bytes());
    bytes.extend(destination.as_bytes());
    bytes.extend(source.as_bytes());
    bytes.push(control.to_byte());
    check(&mut bytes);
    if !information.is_empty() {
        bytes.extend(information);
        check(&mut bytes);
    }
    bytes.push(FLAG);
    Ok(bytes)
}

/// Adds the check sequence of all bytes behind the opening flag.
fn check(bytes: &mut Vec<u8>) {
    let crc = crc::x25(bytes.get(1..).unwrap_or_default());
    bytes.extend(crc.to_le_bytes());
}

/// The length in a format field; `None` for another format type.
pub(super) fn declared([format, low]: [u8; 2]) -> Option<usize> {
    (format & 0xF0 == 0xA0).then(|| usize::from(u16::from_be_bytes([format & 0x07, low])))
}

/// The fields in front of the first check sequence.
pub(super) struct Header<'a> {
    destination: &'a [u8],
    source: &'a [u8],
    control: u8,
    /// Bytes from the format field through the control field.
    pub(super) length: usize,
}

impl<'a> Header<'a> {
    /// The header of the frame that begins here; `None` while it is not whole or never will be.
    pub(super) fn at_front(frame: &'a [u8]) -> Option<Self> {
        let rest = frame.get(2..)?;
        let (destination, rest) = rest.split_at_checked(address::length(rest)?)?;
        let (source, rest) = rest.split_at_checked(address::length(rest)?)?;
        Some(Self {
            destination,
            source,
            control: *rest.first()?,
            length: 2 + destination.len() + source.len() + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        crate::key::octets(text).unwrap()
    }

    /// What gurux-dlms 1.0.203 sends (`snrmRequest`, `disconnectRequest`) to logical device 1 with
    /// the physical addresses 17 and 300.
    #[test]
    fn frames_of_another_client() {
        let bytes = hex("A01A0223219375C681800D0501C80602020008040000000371EE");
        let frame = Frame::parse(&bytes).unwrap();
        assert!(frame.hcs_ok() && frame.fcs_ok() && !frame.segmented());
        assert_eq!(frame.length(), 26);
        assert_eq!(frame.destination(), [0x02, 0x23]);
        assert_eq!(frame.source(), [0x21]);
        assert_eq!(frame.control(), Control::Snrm { poll: true });
        assert_eq!(frame.information().len(), 16);
        let disconnect = Control::Disc { poll: true };
        let server = Address::server(1, Some(300), None).unwrap();
        assert_eq!(
            encode(&server, &Address::client(16), disconnect, false, &[]).unwrap(),
            hex("7EA00A0002045921535A367E")
        );
    }

    #[test]
    fn made_frames_are_read() {
        let server = Address::server(1, Some(17), Some(4)).unwrap();
        let control = Control::Information {
            send: 1,
            receive: 2,
            poll: true,
        };
        for information in [&[][..], &[0], &[0x7E; 100]] {
            let bytes = encode(&server, &Address::client(16), control, true, information).unwrap();
            let frame = Frame::parse(&bytes[1..bytes.len() - 1]).unwrap();
            assert!(frame.hcs_ok() && frame.fcs_ok() && frame.segmented());
            assert_eq!(frame.information(), information);
            assert_eq!(frame.destination(), server.as_bytes());
            assert_eq!(frame.control(), control);
        }
        let long = encode(
            &server,
            &Address::client(1),
            control,
            false,
            &[0; MAX_FRAME - 11],
        );
        assert_eq!(long, Err(TooLong(MAX_FRAME + 1)));
    }

    /// Every flipped bit is seen by the frame check, every cut by the length.
    #[test]
    fn damage_is_seen() {
        let control = Control::Ui { poll: true };
        let server = Address::server(1, None, None).unwrap();
        let bytes = encode(&Address::client(1), &server, control, false, &[1, 2, 3]).unwrap();
        let inner = &bytes[1..bytes.len() - 1];
        for at in 0..inner.len() * 8 {
            let mut damaged = inner.to_vec();
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(!Frame::parse(&damaged).is_ok_and(|frame| frame.fcs_ok()));
        }
        for length in 0..inner.len() {
            assert!(Frame::parse(&inner[..length]).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(0u8.., 0..80)) {
            let _ = Frame::parse(&bytes);
        }
    }
}
