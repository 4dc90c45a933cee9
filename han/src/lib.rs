//! The home area network of the gateway: Zigbee devices and the powerline network.
//!
//! This crate will hold the codecs, sessions and drivers of two networks, each in its own module:
//!
//! - Zigbee through a coprocessor on a serial port (ASH and EZSP, ZNP), the Zigbee Cluster
//!   Library and the Smart Energy profile (0x0109);
//! - HomePlug Green PHY (IEEE 1901) management messages, keys and SLAC (ISO 15118-3).
//!
//! Nothing of either is written yet, and the gateway does not claim otherwise: it offers no
//! setting, command or screen for a network that this crate cannot run.
