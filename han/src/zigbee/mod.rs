//! Zigbee: the traffic with a radio coprocessor, and what devices say.
//!
//! - [`ash`] and [`ezsp`]: Silicon Labs' coprocessors; [`znp`]: Texas Instruments'.
//! - [`zcl`]: the Zigbee Cluster Library with the Smart Energy profile; [`zdo`]: the device
//!   objects.
//! - [`coordinator`]: a network of our own; [`member`]: a meter's, which the stick joins; [`devices`]: what is in it and what it measures.
//! - [`key_establishment`]: keys from certificates, for Smart Energy.
//! - [`services`]: prices, load control, messages and the time for devices of Smart Energy.
//! - [`install_code`]: the code on a device's label; [`ota`]: headers of firmware files;
//!   [`upgrade`]: giving them to devices.
//!
//! Left out: the radio's own layers (IEEE 802.15.4, NWK, APS), which the coprocessor does.

pub mod ash;
pub mod coordinator;
pub mod devices;
pub mod ezsp;
pub mod install_code;
pub mod key_establishment;
pub mod member;
mod mmo;
pub mod ota;
pub mod services;
pub mod upgrade;
pub mod zcl;
pub mod zdo;
pub mod znp;

pub use mmo::matyas_meyer_oseas;
