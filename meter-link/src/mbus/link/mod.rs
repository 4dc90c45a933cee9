//! The wired link layer of M-Bus (EN 13757-2, clause 5) and its master.
//!
//! - [`Frame`]: the acknowledgement E5, short, control and long frames, and their checksums.
//! - [`Splitter`] finds frames in a stream.
//! - [`Master`] talks to slaves: reads them by primary or secondary address, in several telegrams
//!   where they have that many, finds them (with wildcards and collisions), and sets their address
//!   and speed. It is told bytes and the time and asked what to do.
//! - [`Slave`] is the other side, for simulators and tests.
//!
//! ```
//! use meter_link::mbus::link::Frame;
//! let request = Frame::short(0x7B, 5).to_bytes();
//! assert_eq!(request, [0x10, 0x7B, 0x05, 0x80, 0x16]);
//! assert_eq!(Frame::decode(&request)?, (Frame::short(0x7B, 5), 5));
//! # Ok::<(), meter_link::mbus::link::LinkError>(())
//! ```

mod address;
mod exchange;
mod frame;
mod master;
mod slave;
mod splitter;

pub use address::{Pattern, SecondaryAddress};
pub use frame::{Frame, LinkError, control};
pub use master::{Config, Failure, Job, Master, Outcome, Step, Target};
pub use slave::Slave;
pub use splitter::{Event, Splitter};

/// Speeds of EN 13757-2, clause 4.3, in baud; most meters know 300, 2400 and 9600.
pub const SPEEDS: [u32; 8] = [300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400];

/// The control information that sets a slave to a speed (EN 13757-3, clause 7): B8 to BF.
#[must_use]
pub fn speed_ci(baud: u32) -> Option<u8> {
    let place = SPEEDS.iter().position(|speed| *speed == baud)?;
    u8::try_from(place).ok().map(|place| 0xB8 + place)
}
