//! Simulated powerline adapters, each behind an Ethernet port of its own.
//!
//! They answer the management messages that hosts send to the adapter at their port (versions,
//! network, keys), carry the messages of SLAC between all hosts, report what they heard of sounds,
//! and pass ordinary frames between adapters with the same key only. Whatever is attached to the
//! ports takes them for adapters: open-plc-utils' `plcstat`, `plctool`, `pev` and `evse` do.
//!
//! It is a simulation of what adapters say, not of a power line: rates and attenuations are the
//! numbers that it was started with.

mod line;
mod mediaxtream;
mod modem;
mod ports;

pub use line::{Faults, PowerLine};
pub use modem::Modem;
pub use ports::serve;
