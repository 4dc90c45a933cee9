//! Compact profiles: a series of values in one record (EN 13757-3, annex F).

use jiff::{Span, civil};
use rust_decimal::Decimal;

use super::record::Record;
use super::value::{self, Value};

/// VIFEs that make a record a profile.
const INVERSE: u8 = 0x13;
const WITH_REGISTER: u8 = 0x1E;
const PLAIN: u8 = 0x1F;

/// One value of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Storage number: one more than the slot before, the first one more than the profile's.
    pub storage: u64,
    /// The value in the profile's unit; `None` when the meter has none.
    pub value: Option<Decimal>,
    /// When it was taken, where the base has a date and the slots a distance in time.
    pub at: Option<civil::DateTime>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Increment {
    Absolute,
    Increments,
    Decrements,
    Difference,
}

/// The values of a profile, the one nearest to the base first; `None` for a record that is none.
/// `records` are those of the telegram: the base value and base date stand among them.
#[must_use]
pub fn slots(profile: &Record<'_>, records: &[Record<'_>]) -> Option<Vec<Slot>> {
    let kind = profile.vifes().iter().map(|vife| vife & 0x7F);
    let kind = kind
        .into_iter()
        .find(|it| [INVERSE, WITH_REGISTER, PLAIN].contains(it))?;
    let (&[control, spacing], data) = profile.data.split_first_chunk::<2>()?;
    let increment = match control >> 6 {
        0 => Increment::Absolute,
        1 => Increment::Increments,
        2 => Increment::Decrements,
        _ => Increment::Difference,
    };
    let length = value::length_of_dif(control & 0x0F);
    if length == 0 || data.len() % length != 0 {
        return None;
    }
    let step = step(control >> 4 & 3, spacing)?;
    let is_base = |record: &&Record<'_>| {
        record.storage == profile.storage
            && record.tariff == profile.tariff
            && record.subunit == profile.subunit
            && record.header != profile.header
    };
    let mut base = records
        .iter()
        .filter(is_base)
        .find(|it| it.meaning.quantity == profile.meaning.quantity && it.is_unmodified())
        .and_then(|it| it.value().number());
    let mut at = records
        .iter()
        .filter(is_base)
        .find_map(|it| match it.value() {
            Value::Date(date) => Some(date.to_datetime(civil::Time::midnight())),
            Value::Datetime { at, .. } => Some(at),
            _ => None,
        });
    let mut slots = Vec::with_capacity(data.len() / length);
    let chunks = data.chunks_exact(length);
    let ordered: Vec<&[u8]> = if kind == PLAIN {
        chunks.rev().collect()
    } else {
        chunks.collect()
    };
    for (index, octets) in ordered.into_iter().enumerate() {
        at = at.and_then(|at| step.shifted(at, kind == INVERSE));
        let unsigned = matches!(increment, Increment::Increments | Increment::Decrements);
        let number = if octets.iter().all(|octet| *octet == 0xFF) {
            None
        } else {
            value::profile_number(control & 0x0F, octets, unsigned)
                .and_then(|number| profile.scale(number))
        };
        // An invalid increment ends the profile: what follows cannot be summed up.
        let value = match (increment, number) {
            (Increment::Absolute, number) => number,
            (_, None) => break,
            (_, Some(number)) if kind != INVERSE => Some(number),
            (Increment::Decrements, Some(number)) => base.and_then(|it| it.checked_add(number)),
            (_, Some(number)) => base.and_then(|it| it.checked_sub(number)),
        };
        if increment != Increment::Absolute && kind == INVERSE {
            base = value;
        }
        slots.push(Slot {
            storage: profile
                .storage
                .saturating_add(1 + u64::try_from(index).unwrap_or(0)),
            value,
            at,
        });
    }
    Some(slots)
}

/// The distance of two slots in time (table F.8).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    NotInTime,
    Span(i64),
    HalfMonth,
    Months(i64),
}

const fn step(unit: u8, spacing: u8) -> Option<Step> {
    Some(match (spacing, unit) {
        (0, _) => Step::NotInTime,
        (1..=250, 0) => Step::Span(spacing as i64),
        (1..=250, 1) => Step::Span(60 * spacing as i64),
        (1..=250, 2) => Step::Span(3_600 * spacing as i64),
        (1..=250, _) => Step::Span(86_400 * spacing as i64),
        (253, 3) => Step::HalfMonth,
        (254, 1) => Step::Months(6),
        (254, 2) => Step::Months(3),
        (254, 3) => Step::Months(1),
        _ => return None,
    })
}

impl Step {
    fn shifted(self, at: civil::DateTime, back: bool) -> Option<civil::DateTime> {
        let sign = if back { -1 } else { 1 };
        match self {
            Self::NotInTime => None,
            Self::Span(seconds) => at
                .checked_add(Span::new().try_seconds(sign * seconds).ok()?)
                .ok(),
            Self::Months(months) => {
                let shifted = at
                    .checked_add(Span::new().try_months(sign * months).ok()?)
                    .ok()?;
                // The end of a month is followed by the end of another.
                let at_end = at.date() == at.date().last_of_month();
                let date = shifted.date();
                let date = if at_end { date.last_of_month() } else { date };
                Some(date.to_datetime(shifted.time()))
            }
            Self::HalfMonth => {
                let first = |at: civil::DateTime| at.with().day(1).build().ok();
                let middle = |at: civil::DateTime| at.with().day(16).build().ok();
                let second_half = at.day() >= 16;
                match (back, second_half) {
                    (true, true) => first(at),
                    (true, false) => middle(first(at)?.checked_sub(Span::new().months(1)).ok()?),
                    (false, false) => middle(at),
                    (false, true) => first(at)?.checked_add(Span::new().months(1)).ok(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mbus::Records;

    #[test]
    fn monthly_absolute_values_backwards() {
        // Base of storage 8: 203 on 2026-02-01, then three months before it; the last is invalid.
        let hex = "8A046E030282046C41328D04EE13083AFE99005200FFFF";
        let payload = crate::key::octets(hex).unwrap();
        let records: Vec<_> = Records::new(&payload).collect::<Result<_, _>>().unwrap();
        let slots = slots(&records[2], &records).unwrap();
        let shown: Vec<_> = slots
            .iter()
            .map(|slot| {
                let value = slot.value.map(|it| it.to_string()).unwrap_or_default();
                format!("{} {value} {}", slot.storage, slot.at.unwrap().date())
            })
            .collect();
        assert_eq!(
            shown,
            ["9 99 2026-01-01", "10 52 2025-12-01", "11  2025-11-01"]
        );
    }
}
