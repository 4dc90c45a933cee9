//! Wireless M-Bus (EN 13757-4) as gas, water and heat meters speak it, and OMS on top of it.
//!
//! Sources: EN 13757-4:2019 (link layer, extended link layer), EN 13757-7:2018 (transport layer,
//! security), OMS Specification Volume 2, issue 4. Application data are those of [`crate::mbus`].
//! Left out: the extended link layer of variable length (CI 86), security mode 13.
//!
//! - [`phy`] finds frames in the chips that a software radio receives;
//! - [`receiver`] talks to the sticks and programs that receive them;
//! - [`frame`] takes the link layer's CRCs off;
//! - [`Decoder`] goes through the layers, decrypts and authenticates;
//! - [`two_way`] talks back to meters that listen;
//! - [`Refusal`] says why a telegram gives no value.

mod afl;
mod compact;
mod decoder;
mod diehl;
mod ell;
mod fragments;
pub mod frame;
mod keys;
pub mod phy;
pub mod receiver;
mod refusal;
mod replay;
mod security;
pub mod two_way;

pub use compact::{CompactError, FormatStore};
pub use decoder::{Decoded, Decoder, Envelope, Opened, numbers};
pub use diehl::{Interpretation, interpretation, prios};
pub use keys::{KeyRing, MeterKey};
pub use refusal::Refusal;
pub use replay::ReplayGuard;
pub(crate) use security::open_access_number_cbc;
pub use security::{Mode, Proof, Security};
