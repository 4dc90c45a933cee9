//! The physical layer (EN 13757-4, clauses 5 to 10): from chips to frames and back.
//!
//! A receiver of software-defined radio hands over chips. Here the synchronisation word is looked
//! for, the line code is taken off, and the frame's CRCs are checked. Frequency, chip rate, code
//! and synchronisation word of each mode are data ([`LinkMode::parameters`]); demodulation is left
//! to the radio.
//!
//! ```
//! use meter_link::wmbus::frame::{self, FrameFormat};
//! use meter_link::wmbus::phy::{self, LinkMode};
//! let frame = [0x09, 0x44, 0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03];
//! let sent = frame::with_crcs(&frame, FrameFormat::A).ok_or("too long")?;
//! let chips = phy::encode(LinkMode::T1, FrameFormat::A, &sent).ok_or("no such format")?;
//! let received = phy::receive(LinkMode::T1, &chips)?;
//! assert_eq!(received.bytes, frame);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chips;
mod manchester;
mod mode;
mod three_of_six;

pub use chips::{PhyError, Received, encode, receive};
pub use mode::{Coding, Direction, LinkMode, Parameters, Sync};
