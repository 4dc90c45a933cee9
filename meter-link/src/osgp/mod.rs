//! Open Smart Grid Protocol (ETSI TS 104 001, CLC/TS 50586): the codec alone.
//!
//! OSGP reads and writes tables of the C12.19 kind over the power line network of EN 14908. Here
//! are the application's data units, its digest, and the decision which sessions are entered.
//! There is no transport: a household gateway is no node of the utility's power line network.
//!
//! **Sessions that offer RC4 alone are refused.** RC4 and the digest are broken: a key comes out of
//! a few thousand observed or a handful of provoked messages (Kursawe, Peters, "Structural
//! Weaknesses in the Open Smart Grid Protocol", 2015; Jovanovic, Neves, "Practical Cryptanalysis of
//! the Open Smart Grid Protocol", 2015), so that what such a session says proves nothing. The
//! digest is kept for recordings in a laboratory. The AES-128 suite of TS 104 001 V2 is not
//! implemented: there is no published message to check an implementation against.

mod digest;
mod pdu;
mod policy;

pub use digest::{Digest, OmaKey, OmaKeyError, digest, verify};
pub use pdu::{MAX_PDU, Pdu, PduError, Request, Response};
pub use policy::{Refusal, Suite, choose};
