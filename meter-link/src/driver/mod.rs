//! Drivers: each owns one port, pumps one [`Session`] and knows no
//! protocol. A port that cannot be opened or is lost is tried again for ever.

mod bus;
mod counters;
mod mbus;
mod modbus;
mod place;
mod probe;
mod replay;
mod serial;
mod shared;
mod stream;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::dlms::client::job::Outcome;
use crate::mbus::link::Frame;
use crate::model::Telegram;
use crate::session::{Rejected, Session};
use crate::wmbus::receiver::{Condition, RadioFrame};

pub use bus::{Bus, Receipt, Stream, Turn};
pub use counters::FileCounters;
pub use mbus::{MbusMeter, mbus_job, run_mbus};
pub use modbus::{ModbusMeter, run_modbus};
pub use place::{ParsePlaceError, Place};
pub use probe::run_probe;
pub use replay::replay;
pub use serial::{HeadPower, SerialPort, run};
pub use shared::run_shared;
pub use stream::{Endpoint, run_stream};

/// Keeps the port of a meter open and pumps `session`: a device file, a TCP connection for
/// `tcp:host:port`, or datagrams to and from `udp:host:port`.
pub async fn run_at(
    place: &Place,
    power: HeadPower,
    session: &mut dyn Session,
    events: mpsc::Sender<PortEvent>,
    stop: CancellationToken,
) {
    match place {
        Place::Tcp(address) => {
            let endpoint = Endpoint::Tcp(address.clone());
            run_stream(&endpoint, session, events, stop).await;
        }
        Place::Udp(address) => {
            let endpoint = Endpoint::Datagrams(address.clone());
            run_stream(&endpoint, session, events, stop).await;
        }
        Place::Serial(path) => {
            let port = SerialPort {
                path: path.clone(),
                power,
            };
            run(&port, session, events, stop).await;
        }
    }
}

/// What a driver tells the one who started it.
#[derive(Clone, Debug, PartialEq)]
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
    /// The telegrams of a readout of a slave on a wired M-Bus.
    Mbus(Vec<Frame>),
    /// What a meter was found to hold beside its registers.
    Found(Box<Outcome>),
    /// A radio frame of some meter.
    Frame(Box<RadioFrame>),
    /// A receiver's condition has changed.
    Condition(Condition),
}
