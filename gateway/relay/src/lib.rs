//! The sealed relay upstream: readings travel to the utility's head-end so that no broker between
//! can read or alter them, and signed commands come back.
//!
//! Pure: no clock, no network, no database. Envelopes are [`cose`] (the default) and [`cms`] (for
//! head-ends of smart meter gateways); what is not opened has a [`Refusal`] and tells nothing.

pub mod ack;
pub mod batch;
pub mod cbor;
mod certificate;
pub mod cms;
pub mod command;
pub mod cose;
mod curve;
mod der;
pub mod disconnect;
pub mod epoch;
pub mod issue;
pub mod limit;
mod name;
mod pem;
pub mod recipient;
mod refusal;
pub mod safety;
mod wishes;

pub use certificate::{Certificate, KeyError, PrivateKey, PublicKey, names_of};
pub use curve::{Curve, Hash};
pub use pem::{base64, of_base64, to_pem};
pub use refusal::Refusal;
pub use wishes::Wishes;
