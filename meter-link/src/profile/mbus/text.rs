//! Records as text, bits and bare integers, as drivers need them.

use rust_decimal::Decimal;

use super::file::TextForm;
use crate::mbus::{self, Record, Value};

/// The record's bytes as an unsigned number, or its digits.
pub(super) fn bits(record: &Record<'_>) -> Option<u64> {
    if record.is_bcd() {
        let number = mbus::bcd(record.data)?;
        // A minus sign makes the bits of a negative number.
        return i64::try_from(number).ok().map(i64::cast_unsigned);
    }
    (record.is_integer() && record.data.len() <= 8).then(|| mbus::unsigned(record.data))
}

/// The record's integer without scale; `None` when it has none.
pub(super) fn integer(record: &Record<'_>, unsigned: bool) -> Option<Decimal> {
    if record.is_bcd() {
        return Decimal::try_from_i128_with_scale(mbus::bcd(record.data)?, 0).ok();
    }
    if !record.is_integer() || record.data.len() > 8 {
        return None;
    }
    Some(if unsigned {
        Decimal::from(mbus::unsigned(record.data))
    } else {
        Decimal::from(mbus::signed(record.data))
    })
}

/// BCD whose digits are all F: the meter has nothing to say.
pub(super) fn is_empty_bcd(record: &Record<'_>) -> bool {
    record.is_bcd() && record.data.iter().all(|byte| *byte == 0xFF)
}

/// A 32-bit real as the exact number that it is, in the record's unit unless raw.
pub(super) fn exact_real(record: &Record<'_>, raw: bool) -> Option<Decimal> {
    let octets = <[u8; 4]>::try_from(record.data).ok()?;
    let number = mbus::exact_real(u32::from_le_bytes(octets))?;
    if raw {
        Some(number)
    } else {
        record.scale(number)
    }
}

/// A date or time as text. Month 13 to 15 is how meters say that nothing was ever stored: an empty
/// text. `None` for a date that is incomplete otherwise.
pub(super) fn time(record: &Record<'_>) -> Option<String> {
    match record.value() {
        Value::Date(date) => Some(date.to_string()),
        Value::Datetime { at, seconds, .. } => Some(
            at.strftime(if seconds { "%F %T" } else { "%F %H:%M" })
                .to_string(),
        ),
        Value::MarkedInvalid(at) => Some(at.strftime("%F %H:%M").to_string()),
        _ => {
            let month = match record.data {
                [_, high] | [_, _, _, high] | [_, _, _, _, high, _] => high & 0x0F,
                _ => 0,
            };
            (month > 12).then(String::new)
        }
    }
}

/// A record as text in one of the forms.
pub(super) fn of(record: &Record<'_>, form: TextForm) -> String {
    let forward: Vec<u8> = record.data.to_vec();
    let reversed: Vec<u8> = record.data.iter().rev().copied().collect();
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect::<String>()
    };
    let is_text = !record.is_bcd() && is_printable(record.data);
    match form {
        TextForm::Time => time(record).unwrap_or_default(),
        TextForm::Hex => hex(&forward),
        TextForm::Forward if is_text => characters(&forward),
        TextForm::Forward => hex(&forward),
        TextForm::Reversed if is_text => characters(&reversed),
        TextForm::Reversed => hex(&reversed),
    }
}

fn characters(bytes: &[u8]) -> String {
    let printable = bytes.iter().filter(|byte| **byte != 0);
    printable.map(|byte| char::from(*byte)).collect()
}

/// Characters of ASCII, behind any number of zero bytes; zeros alone are a number.
fn is_printable(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let rest = bytes.get(zeros..).unwrap_or_default();
    !rest.is_empty() && rest.iter().all(|byte| (0x20..0x7F).contains(byte))
}
