//! Drivers of gas, water, heat and electricity meters on M-Bus, as data: `*.toml` beside this file
//! and in folders of the user's.
//!
//! A driver names what a meter sends: it selects records of the standard, reads payloads of the
//! maker's own, puts status bits into words and says how the names go. It holds no code: formulas
//! have no loops, layouts only read forward. A file that breaks a rule, or whose own test telegrams
//! do not give what it promises, is not used, and the reason is told.
//!
//! ```
//! use meter_link::profile::mbus::DriverSet;
//!
//! let mut drivers = DriverSet::builtin();
//! assert!(drivers.by_name("iperl").is_some());
//! let error = drivers.add("schema = 1\nid = \"mine\"\nfields = []").unwrap_err();
//! assert!(error.to_string().contains("unknown field"));
//! ```

mod detect;
mod driver;
mod error;
mod expression;
mod file;
mod layout;
mod lookup;
mod name;
mod plausible;
mod select;
mod set;
mod text;
mod units;
mod values;

pub use driver::{Driver, DriverReading, SharedDriver, Source, in_unit};
pub use error::DriverError;
pub use expression::FormulaError;
pub use file::{Role, SCHEMA};
pub use plausible::{Implausible, Limits};
pub use set::{DriverSet, known_formats};

/// The status byte of a transport header in words, without the bits that are the maker's own
/// (EN 13757-7, table 3): `OK`, or `POWER_LOW`, `PERMANENT_ERROR` and the like.
#[must_use]
pub fn status_words(status: u8) -> String {
    lookup::header_status(status & 0x1F, &[])
}
