//! Drivers: each owns one port, pumps one [`Session`](crate::session::Session) and knows no
//! protocol. A port that cannot be opened or is lost is tried again for ever.

mod bus;
mod modbus;
mod place;
mod probe;
mod replay;
mod serial;

use std::time::Duration;

use crate::model::Telegram;
use crate::session::Rejected;

pub use bus::{Bus, Receipt, Stream, Turn};
pub use modbus::{ModbusMeter, run_modbus};
pub use place::{ParsePlaceError, Place};
pub use probe::run_probe;
pub use replay::replay;
pub use serial::{HeadPower, SerialPort, run};

/// What a driver tells the one who started it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortEvent {
    /// The port was opened.
    Opened,
    /// The port could not be opened, or was lost. Sent once per outage, not once per attempt.
    Lost {
        /// What the system said, in words.
        reason: String,
        /// How long until the next attempt; later attempts may be further apart.
        retry_in: Duration,
    },
    /// A message that passed its check.
    Telegram(Box<Telegram>),
    /// Input that did not.
    Rejected(Rejected),
}
