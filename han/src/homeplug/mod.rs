//! HomePlug AV and Green PHY (IEEE 1901): management messages and keys.
//!
//! A management message entry (MME) is an Ethernet frame of type 88E1 to an adapter or between
//! adapters. [`Mme`] reads and writes its header (HomePlug AV specification 1.1, 11.1), [`name`]
//! knows the message types, and [`fields`] reads those whose layout is public. [`keys`] makes the
//! keys of a network from its password, [`slac`] matches a car and its charging station.
//! [`Reassembler`] puts messages together that came in several frames; adapters of Broadcom's make
//! have messages of their own ([`mediaxtream`]).
//!
//! Left out: the power line itself (beacons, tone maps), which is the adapters' business; encrypted
//! payloads; and what CM_SC_JOIN carries, of which no layout is public (its name is known).
//!
//! ```
//! use han::homeplug::{Mme, fields, name};
//!
//! // An adapter says that it bridges to one host.
//! let frame = [
//!     0x02, 0, 0, 0, 0, 1, 0x04, 0x65, 0x65, 0, 0, 2, 0x88, 0xE1, // Ethernet
//!     1, 0x21, 0x60, 0, 0, // version 1, CM_BRG_INFO.CNF, not fragmented
//!     1, 7, 1, 0xDC, 0x0E, 0xA1, 0x11, 0x67, 0x08,
//! ];
//! let mme = Mme::parse(&frame)?;
//! assert_eq!(name(mme.mmtype, mme.oui), "CM_BRG_INFO.CNF");
//! assert_eq!(fields(&mme)?.and_then(|fields| fields.number("bridge_tei")), Some(7));
//! # Ok::<(), han::homeplug::MmeError>(())
//! ```

pub mod avln;
mod fragments;
pub mod keys;
mod layouts;
pub mod mediaxtream;
mod mme;
mod mmtype;
pub mod push_button;
mod session;
pub mod slac;

pub use fragments::{Reassembler, Whole};
pub use layouts::{fields, write_fields};
pub use mme::{ETHERTYPE, Fragment, Mme, MmeError, OUI_QUALCOMM};
pub use mmtype::{MmType, Variant, name};
pub use session::Session;
