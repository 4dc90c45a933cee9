//! M-Bus: the application layer that wired (EN 13757-2) and wireless meters (EN 13757-4) share.
//!
//! Source: EN 13757-3:2018. Bytes become [`Records`] of exact values without knowing the meter.
//! Left out: types K, L and M, whose octets are given as sent.

pub mod link;
mod modifier;
mod quantity;
mod record;
mod time;
mod value;
mod vif;

pub use modifier::Modifier;
pub use quantity::{Quantity, Unit};
pub use record::{Function, MAX_EXTENSIONS, ManufacturerData, Record, RecordError, Records};
pub use value::{Kind, Value, bcd, exact_real, signed, unsigned};
pub use vif::Meaning;
