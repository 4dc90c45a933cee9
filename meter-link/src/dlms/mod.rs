//! DLMS/COSEM: the layers between a byte stream and the objects of a meter.
//!
//! Sources: IEC 62056-46 (HDLC), IEC 62056-47 (wrapper), IEC 62056-5-3 (application layer),
//! IEC 62056-6-1 and -6-2 (OBIS codes, interface classes); the Green Book (edition 10) and the
//! Blue Book (edition 15) of the DLMS User Association.
//!
//! - [`hdlc`], [`mbus`] and [`wrapper`] carry messages over serial lines and networks, [`gbt`] puts
//!   their blocks together, [`framing`] finds out which of them it is;
//! - [`apdu`] are the messages: xDLMS services and the associations around them;
//! - [`data`] is the typed tree that attributes hold, [`axdr`] its encoding;
//! - [`class`] names what attributes of interface classes hold;
//! - [`security`] protects messages: suites 0, 1 and 2;
//! - [`receive`] opens and reads a message, [`interpret`] finds registers in what it says;
//! - [`listener`] is the session that listens to a meter that pushes, [`server`] lets others read.

pub mod apdu;
pub mod axdr;
pub mod class;
pub mod client;
mod compact;
pub mod data;
mod datetime;
pub mod framing;
pub mod gbt;
pub mod hdlc;
pub mod interpret;
pub mod listener;
pub mod mbus;
pub mod receive;
pub mod security;
pub mod server;
pub mod wrapper;
