//! What devices measure, and what happens to them.

use rust_decimal::Decimal;

use super::topology::Link;
use crate::zigbee::coordinator::{Event as NetworkEvent, Incoming};
use crate::zigbee::{services, upgrade};

/// What a device has measured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Measured {
    /// Active power, W; what flows out of the home's devices is negative.
    PowerW(Decimal),
    /// Energy since the register's first value, with that value, kWh; never falls.
    EnergyKwh(Decimal),
    /// A register whose scale is not known: it is not shown.
    EnergyQuarantined,
    /// A value of the register that cannot be, in its own units; it was not counted.
    EnergyRefused(u64),
    /// Voltage, V.
    VoltageV(Decimal),
    /// Whether its relay is on.
    On(bool),
    /// Temperature, °C.
    TemperatureC(Decimal),
    /// The temperature to which is heated, °C.
    HeatingSetpointC(Decimal),
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Something of the network itself.
    Network(NetworkEvent),
    /// A device is known completely.
    Interviewed {
        /// Its address for life.
        ieee: u64,
        /// How many messages that took.
        unicasts: u32,
    },
    /// A device has measured something.
    Measured {
        /// Its address for life.
        ieee: u64,
        /// What.
        measured: Measured,
    },
    /// A device has left.
    Left {
        /// Its address for life.
        ieee: u64,
    },
    /// What a device of the Smart Energy profile has said.
    Service(services::Event),
    /// How a device's new firmware goes.
    Upgrade(upgrade::Event),
    /// Who hears whom, after [`look_around`](super::Home::look_around).
    Topology(Vec<Link>),
    /// A message that nothing here understands.
    Message {
        /// Who sent it: the address for life.
        ieee: u64,
        /// The message.
        incoming: Incoming,
    },
}
