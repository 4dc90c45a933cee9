//! Which values are believed. A driver sets limits, or those of the quantity hold; what was stored
//! is what the next value is held against, also after a restart.

use std::collections::HashMap;

use jiff::Timestamp;
use meter_link::mbus::DeviceType;
use meter_link::model;
use meter_link::profile::mbus::{Driver, Limits};
use rust_decimal::Decimal;

use crate::store::{Doubt, Field, LastField};

/// The last value of every field that was believed, by the meter's serial number and the field's
/// name.
#[derive(Debug, Default)]
pub(crate) struct Beliefs(HashMap<(String, String), (Decimal, Timestamp)>);

/// Whose values are judged, and by what.
#[derive(Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) serial: &'a str,
    pub(crate) device_type: DeviceType,
    pub(crate) driver: Option<&'a Driver>,
    /// When its telegram came.
    pub(crate) at: Timestamp,
    /// True when the values are what the next ones are held against.
    pub(crate) keep: bool,
}

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

    /// Takes out of `fields` what is not believed, with the reason.
    pub(crate) fn judge(&mut self, of: Judged<'_>, fields: &mut Vec<Field>) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        fields.retain(|field| match self.doubt(of, field) {
            None => true,
            Some(doubt) => {
                doubts.push(doubt);
                false
            }
        });
        doubts
    }

    fn doubt(&mut self, of: Judged<'_>, field: &Field) -> Option<Doubt> {
        let text = field.value.as_ref().filter(|_| field.is_number)?;
        let value = model::plain(text)?;
        let set = of.driver.and_then(|driver| driver.limits(&field.name));
        let limits = set
            .cloned()
            .unwrap_or_else(|| Limits::usual(&field.name, field.is_index, of.device_type));
        let key = (of.serial.to_owned(), field.name.clone());
        let known = self.0.get(&key).copied();
        // One from before, read late, is held against nothing.
        let earlier = known.filter(|(_, at)| *at <= of.at);
        if let Err(reason) = limits.judge(earlier, value, of.at) {
            return Some(Doubt {
                field: field.name.clone(),
                value: text.clone(),
                reason,
                is_index: field.is_index,
            });
        }
        if of.keep && known.is_none_or(|(_, at)| at <= of.at) {
            self.0.insert(key, (value, of.at));
        }
        None
    }
}
