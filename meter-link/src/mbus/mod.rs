//! M-Bus: the application layer that wired (EN 13757-2) and wireless meters (EN 13757-4) share.
//!
//! Source: EN 13757-3:2018. Bytes become [`Records`] of exact values without knowing the meter.
//! Left out: types K, L and M, whose octets are given as sent.

mod address;
mod fields;
mod fixed;
mod header;
pub mod link;
mod modifier;
mod profile;
mod quantity;
mod record;
mod registers;
mod response;
mod time;
mod value;
mod vif;

pub use address::{DeviceAddress, DeviceType, Identification, Manufacturer};
pub use fields::{Field, FieldValue, derived, headline, suffix};
pub use fixed::FixedData;
pub use header::{Configuration, Content, Header, HeaderForm, of_ci};
pub use modifier::Modifier;
pub use profile::{Slot, slots};
pub use quantity::{Quantity, Unit};
pub(crate) use record::key_and_data_lengths;
pub use record::{Function, MAX_EXTENSIONS, ManufacturerData, Record, RecordError, Records};
pub use registers::{index, medium, registers, serial};
pub use response::{Response, ResponseError};
pub(crate) use time::decode as decode_time;
pub use value::{Kind, Value, bcd, exact_real, signed, unsigned};
pub use vif::Meaning;
