//! From the groups of a frame to registers.

use rust_decimal::Decimal;

use super::frame::Frame;
use super::group::{Fields, Group};
use super::labels::label;
use super::registers::Horodate;
use crate::model::{Check, MeterId, RegisterValue, Telegram, Value};

/// Length of a meter's address (ADSC, ADCO), all digits.
const ADDRESS_LEN: usize = 12;

/// The registers of a frame: its intact groups with a label of the table and a value of digits
/// only. Apparent power is sent and active power is not, so there is none.
#[must_use]
pub fn telegram(frame: &Frame) -> Telegram {
    let address = frame.value("ADSC").or_else(|| frame.value("ADCO"));
    let is_address =
        |text: &&str| text.len() == ADDRESS_LEN && text.bytes().all(|byte| byte.is_ascii_digit());
    let date = frame.value("DATE").and_then(Horodate::parse);
    Telegram {
        meter: address.filter(is_address).and_then(MeterId::new),
        manufacturer: None,
        time: date.map(Horodate::meter_time),
        values: frame.groups.iter().filter_map(register).collect(),
        check: Check::Checksum,
        channel: None,
        hints: Vec::new(),
        raw: frame.raw.clone(),
    }
}

fn register(group: &Group) -> Option<RegisterValue> {
    let Fields { at, value } = group.fields.as_ref().ok()?;
    let known = label(&group.label)?;
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = value.parse().ok().filter(|_| digits)?;
    let captured = at.as_deref().and_then(Horodate::parse);
    Some(RegisterValue {
        register: known.register,
        value: Value::Number(Decimal::from(number)),
        unit: Some(known.unit),
        status: None,
        captured_at: captured.map(Horodate::meter_time),
        quirk: None,
    })
}
