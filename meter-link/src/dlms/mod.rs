//! DLMS/COSEM (IEC 62056-5-3, -6-1, -6-2; Green Book edition 10, Blue Book edition 15).
//!
//! - [`data`] is the typed tree that attributes hold, [`axdr`] its encoding;
//! - [`apdu`] are the messages: xDLMS services and the associations around them;
//! - [`security`] protects messages: suites 0, 1 and 2.

pub mod apdu;
pub mod axdr;
mod compact;
pub mod data;
mod datetime;
pub mod security;
