//! The network layer: ANSI C12.22-2008 (IEEE 1703), over TCP and UDP port 1153 (RFC 6142).
//!
//! Messages are application protocol data units: ACSE with the titles of both sides, around EPSEM
//! with one or more services of [`crate::c12::service`]. They may be checked and encrypted with
//! EAX'. Left out: registration with a master relay, the C12.22 communication module interface,
//! and the DES mechanism of the 2006 edition.
//!
//! ```
//! use meter_link::c12::net::{Apdu, Keys, Outgoing, Protection, Service};
//! use meter_link::c12::service::Request;
//!
//! let message = Outgoing {
//!     called: ".123.8437".parse()?,
//!     called_invocation_id: None,
//!     calling: ".123.4".parse()?,
//!     calling_invocation_id: 3,
//!     services: vec![Service::Request(Request::Read { table: 1 })],
//! };
//! let octets = message.to_bytes(Protection::Clear)?;
//! let read = Apdu::parse(&octets)?;
//! assert_eq!(read.open(&Keys::new())?.services, message.services);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apdu;
mod ber;
pub mod client;
pub mod eax;
pub mod host;
mod stream;
#[cfg(test)]
mod tests;
mod title;

pub use apdu::{
    Apdu, ApduError, Body, Keys, MAX_APDU, OpenError, Opened, Outgoing, Protection,
    ResponseControl, SecurityMode, Service, TAG,
};
pub use stream::{Element, Event, Reassembler, Splitter};
pub use title::{ApTitle, ParseTitleError};

/// Port of TCP and UDP (RFC 6142).
pub const PORT: u16 = 1153;
