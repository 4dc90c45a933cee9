//! A simulated Zigbee coprocessor with a small mesh behind it, on a pty or a TCP port.
//!
//! [`Ncp`] is Silicon Labs' (ASH and EZSP 13 to 19), [`Znp`] Texas Instruments' (ZNP of Z-Stack
//! 3.x.0): octets and the time go in, octets come out, so that tests run it in
//! virtual time. [`serve`] moves its octets. What a client has formed stays in it, as in a stick,
//! while the client is away. [`mesh::Mesh`] is what the radio reaches; every device in it knows the
//! truth to compare with.
//!
//! A [`utility::Utility`] runs a network of its own, which an [`Ncp`] can join.
//!
//! It is no radio: nothing is encrypted, nothing is lost in the air unless a fault says so, and
//! routes are taken as given.

pub mod authority;
mod commands;
pub mod device;
pub mod energy_services;
mod joining;
pub mod kinds;
mod membership;
pub mod mesh;
mod messages;
mod ncp;
mod own;
mod serve;
mod tables;
pub mod upgrade;
pub mod utility;
mod values;
mod znp;

pub use ncp::{Faults, Ncp};
pub use serve::{Coprocessor, Serving, serve, serve_tcp};
pub use znp::{Znp, ZnpFaults};
