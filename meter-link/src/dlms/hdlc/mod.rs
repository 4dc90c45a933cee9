//! The HDLC link layer of DLMS/COSEM: frames, addresses, and the client's side of a link.
//!
//! Source: IEC 62056-46:2002 + A1:2006, clause 6 (frame format type 3, MAC sublayer) and
//! clause 5 (LLC sublayer). Multi- and broadcasting of clients is left out: a gateway asks one
//! meter at a time.
//!
//! - [`Frame`] is a checked view of the bytes between two flags; [`encode`] makes them;
//! - [`Splitter`] cuts frames out of a stream, by their length and not by their flags;
//! - [`Address`] is what stands in a frame's two address fields;
//! - [`Link`] connects, sends and receives APDUs in segments, and repeats what was lost.
//!
//! ```
//! use meter_link::dlms::hdlc::{Address, Control, Frame, Splitter, encode};
//!
//! let server = Address::server(1, None, None).ok_or("an address")?;
//! let snrm = encode(&server, &Address::client(16), Control::Snrm { poll: true }, false, &[])?;
//! assert_eq!(snrm, [0x7E, 0xA0, 0x07, 0x03, 0x21, 0x93, 0x0F, 0x01, 0x7E]);
//! let mut splitter = Splitter::new();
//! let mut input = snrm.as_slice();
//! let piece = splitter.pull(&mut input).ok_or("a frame")?;
//! let frame = Frame::parse(piece.frame().ok_or("no noise")?)?;
//! assert!(frame.fcs_ok() && frame.source() == [0x21]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod control;
mod frame;
mod link;
mod parameters;
mod splitter;

pub use address::Address;
pub use control::Control;
pub use frame::{Frame, FrameError, MAX_FRAME, TooLong, encode};
pub use link::{Disconnected, Link, LinkConfig, LinkCounts, LinkEvent, MAX_APDU, NotReady};
pub use parameters::Parameters;
pub use splitter::{Piece, PieceKind, Splitter};

/// The byte before and after each frame (clause 6.4.2).
pub const FLAG: u8 = 0x7E;

/// LLC header of what a client sends (clause 5.3.2: destination E6, source E6, quality 00).
pub const LLC_COMMAND: [u8; 3] = [0xE6, 0xE6, 0x00];
/// LLC header of what a server sends (destination E6, source E7).
pub const LLC_RESPONSE: [u8; 3] = [0xE6, 0xE7, 0x00];

/// The LLC header in front of an APDU, if there is one, and the APDU.
///
/// ```
/// use meter_link::dlms::hdlc::{LLC_RESPONSE, split_llc};
/// assert_eq!(split_llc(&[0xE6, 0xE7, 0x00, 0x0F]), (Some(LLC_RESPONSE), [0x0F].as_slice()));
/// assert_eq!(split_llc(&[0x0F]), (None, [0x0F].as_slice()));
/// ```
#[must_use]
pub fn split_llc(information: &[u8]) -> (Option<[u8; 3]>, &[u8]) {
    match information {
        [0xE6, source @ (0xE6 | 0xE7), quality, apdu @ ..] => {
            (Some([0xE6, *source, *quality]), apdu)
        }
        _ => (None, information),
    }
}
