//! Radio receivers: what the sticks that people own send over their serial port, and how they are
//! asked to listen.
//!
//! - [`Kind`] names them, with speed and framing.
//! - [`Splitter`] cuts a receiver's stream into radio frames and answers, one file per framing.
//! - [`Listener`] is the session: it finds out what is at the port, sets it up, and notices when it
//!   has gone silent or forgotten what it was told.
//!
//! ```
//! use meter_link::wmbus::receiver::{Found, Kind, Splitter};
//! let mut splitter = Splitter::new(Kind::Im871a);
//! // An iM871A: 11 bytes of a frame (L is the length of the payload), RSSI, CRC.
//! let stream = [0xA5, 0x42, 0x03, 0x0A, 0x44, 0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03, 0x78, 0x9A];
//! let mut input = stream.as_slice();
//! let event = splitter.pull(&mut input).ok_or("a frame")?;
//! let Ok(Found::Frame(frame)) = event.found else { return Err("no frame".into()) };
//! assert_eq!(frame.bytes.len(), 11);
//! assert_eq!(frame.rssi_dbm, Some(-45));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod amb8465;
mod cul;
mod dialogue;
mod im871a;
mod iu891a;
mod kind;
mod lines;
mod listener;
mod look;
mod rc1180;
mod splitter;

use crate::wmbus::frame::{self, Crcs, FrameError, Stripped};
use crate::wmbus::phy::LinkMode;

pub use dialogue::ModeSet;
pub use kind::Kind;
pub use lines::{Line, LineError, line};
pub use listener::{Condition, Config, Listener};
pub use splitter::{Event, Splitter};

/// Encoders and constants of the receivers' side, for simulated receivers.
pub mod encode {
    pub use super::amb8465::encode as amb8465;
    pub use super::cul::encode as cul;
    pub use super::im871a::encode as im871a;
    pub use super::iu891a::encode as iu891a;
    pub use super::rc1180::encode as rc1180;
}

/// A frame that a receiver heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadioFrame {
    /// L, C, M, A, CI … as the receiver handed it over.
    pub bytes: Vec<u8>,
    /// Whether the link layer's CRCs are still in it.
    pub crcs: Crcs,
    /// Signal strength in dBm, by the receiver's own unit; `None` where it tells none.
    pub rssi_dbm: Option<i16>,
    /// A figure of signal strength that is no dBm, as given.
    pub rssi_raw: Option<i32>,
    /// The link mode, where the receiver tells.
    pub link_mode: Option<LinkMode>,
    /// The receiver's own time stamp as given (ISO 8601, with a blank or a T), if there is one.
    pub stamp: Option<String>,
}

impl RadioFrame {
    /// The frame without CRCs, which have been checked if they were there.
    ///
    /// # Errors
    /// [`FrameError`] when it is damaged or cut.
    pub fn strip(&self) -> Result<Stripped<'_>, FrameError> {
        frame::strip(&self.bytes, self.crcs)
    }
}

/// What a receiver answered to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which command it belongs to, in the receiver's own numbering; 0 for text.
    pub code: u16,
    /// Its content.
    pub payload: Vec<u8>,
}

/// Something in a receiver's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A radio frame.
    Frame(RadioFrame),
    /// An answer to a command.
    Answer(Answer),
}

/// A stretch of a receiver's stream that gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The receiver's own checksum is wrong.
    #[error("the checksum of the receiver's message is wrong")]
    Checksum,
    /// The receiver says that the radio frame's CRC was wrong.
    #[error("the receiver says that the frame's CRC is wrong")]
    FlaggedWrong,
    /// The receiver, or the end of the stream, cut the frame.
    #[error("the receiver cut the frame: {announced} bytes announced, {there} there")]
    Truncated {
        /// Bytes announced.
        announced: usize,
        /// Bytes there.
        there: usize,
    },
    /// Hex digits do not pair up: the receiver cut the line.
    #[error("the receiver cut the line: its hex digits do not pair up")]
    OddDigits,
    /// No message of this receiver begins there.
    #[error("bytes that are no message of this receiver")]
    Noise,
}
