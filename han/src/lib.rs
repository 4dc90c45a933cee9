//! The home area network of the gateway: Zigbee devices and the powerline network.
//!
//! - [`zigbee`]: what travels between the gateway and a radio coprocessor on a serial port (ASH,
//!   EZSP, ZNP), and what Zigbee devices say through it: the Zigbee Cluster Library, the Zigbee
//!   Device Objects, the Smart Energy profile (0109), install codes, firmware files.
//! - [`demand`]: which loads are shed, and given back, for an event or a limit.
//! - [`comfort`]: thermostats that follow the price within the household's bounds.
//! - [`homeplug`]: management messages and keys of HomePlug AV and Green PHY (IEEE 1901).
//!
//! All but the `driver` (a feature) is pure: it knows octets, and neither ports nor clocks. The messages of both
//! networks are lists of plain fields, so their layouts are tables ([`layout`]) that one reader
//! and one writer follow, and what a message carries is a [`Record`].

pub mod comfort;
pub mod demand;
#[cfg(feature = "driver")]
pub mod driver;
pub mod homeplug;
pub mod layout;
mod value;
pub mod zigbee;

pub use value::{Record, Value};
