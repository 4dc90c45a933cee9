//! What wireless and wired meters on M-Bus have in common once their telegrams are opened, and
//! the readouts of wired ones.

mod beliefs;
mod reading;
mod wired;

use rust_decimal::Decimal;

pub(crate) use beliefs::{Beliefs, Judged};
pub(crate) use reading::{Reading, text};
pub(crate) use wired::WiredMeter;

use crate::store::{Doubt, Field};

/// What a telegram tells by name, and what of it is not believed.
pub(crate) type Told = (Vec<Field>, Vec<Doubt>);

/// The energy of a cubic metre of gas in kWh, correction included.
pub(crate) fn gas_kwh_per_m3(
    calorific_value: Option<Decimal>,
    correction: Option<Decimal>,
) -> Option<Decimal> {
    calorific_value?.checked_mul(correction.unwrap_or(Decimal::ONE))
}
