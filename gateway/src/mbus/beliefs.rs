//! Which values are believed: a driver sets limits, and what was stored is what the next value is
//! held against, also after a restart.

use std::collections::HashMap;

use jiff::Timestamp;
use meter_link::model;
use meter_link::profile::mbus::Driver;
use rust_decimal::Decimal;

use crate::store::{Field, LastField};

/// The last value of every field that was believed, by the meter's serial number and the field's
/// name.
#[derive(Debug, Default)]
pub(crate) struct Beliefs(HashMap<(String, String), (Decimal, Timestamp)>);

impl Beliefs {
    /// Goes on from what is stored.
    pub(crate) fn of_stored(fields: &[LastField]) -> Self {
        let number = |last: &LastField| model::plain(last.field.value.as_deref()?);
        let numbers = fields.iter().filter(|last| last.field.is_number);
        let known = numbers.filter_map(|last| {
            let key = (last.serial.clone(), last.field.name.clone());
            Some((key, (number(last)?, last.received_at)))
        });
        Self(known.collect())
    }

    /// Why a telegram's values are not believed, by the limits that the driver sets; with `keep`
    /// they are what the next ones are held against.
    pub(crate) fn judge(
        &mut self,
        serial: &str,
        driver: &Driver,
        fields: &[Field],
        at: Timestamp,
        keep: bool,
    ) -> Option<String> {
        let mut fresh = Vec::new();
        for field in fields.iter().filter(|field| field.is_number) {
            let limits = driver.limits(&field.name);
            let value = field.value.as_deref().and_then(model::plain);
            let (Some(limits), Some(value)) = (limits, value) else {
                continue;
            };
            let key = (serial.to_owned(), field.name.clone());
            let earlier = self.0.get(&key).copied();
            if let Err(implausible) = limits.judge(earlier, value, at) {
                return Some(format!(
                    "{} {value} is not believed: {implausible}",
                    field.name
                ));
            }
            fresh.push((key, (value, at)));
        }
        if keep {
            self.0.extend(fresh);
        }
        None
    }
}
