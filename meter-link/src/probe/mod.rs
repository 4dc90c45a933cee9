//! Finds out what is at a port: protocol, speed, framing, which meter, and what is missing.
//!
//! A [`Probe`] listens first and asks afterwards, what disturbs least first. It is a
//! [`Session`](crate::session::Session), told bytes and the time, and has its verdict within
//! [`LONGEST`]. Only sound messages count: what fails its check is noise. Nothing that it sends
//! changes anything in a meter: sign-ons, identifications and readings of registers.
//!
//! Left out: M-Bus meters that answer only when asked, and Modbus units beyond 3, since asking all
//! 247 takes minutes.

mod ask;
mod ears;
mod finding;
mod links;
mod plan;
mod search;

pub use finding::{Finding, Missing, Protocol, Verdict};
pub use search::{Probe, Progress};

use std::time::Duration;

/// A verdict takes no longer.
pub const LONGEST: Duration = Duration::from_secs(90);
