//! What every protocol is translated into: one typed model of a meter's registers.
//!
//! No floating point number appears here. A value that a meter did not send is absent, never 0.

mod indication;
mod obis;
mod quality;
mod quantity;
mod reading;
mod unit;

pub use indication::{DayColor, Indications, Outage, TariffIndication};
pub use obis::{ObisCode, ParseObisError};
pub use quality::{Check, Quality};
pub use quantity::{ScaleError, plain, scaled};
pub use reading::{Channel, Hint, Medium, MeterId, MeterTime, RegisterValue, Telegram, Value};
pub use unit::Unit;
