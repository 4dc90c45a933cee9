//! A decoded telegram as what the gateway keeps: registers, named fields, the main index.

use meter_link::mbus::{self, Content, FieldValue, Record};
use meter_link::model::{Check, RegisterValue};
use meter_link::wmbus::{Decoded, Envelope, Mode, Proof, Refusal};
use rust_decimal::Decimal;

use crate::store::Field;

/// What a telegram says about its meter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) registers: Vec<RegisterValue>,
    pub(super) fields: Vec<Field>,
    /// The main index and its unit.
    pub(super) index: Option<(Decimal, &'static str)>,
}

/// Reads a telegram whose check was right.
pub(super) fn reading(
    decoded: &Decoded,
    gas_kwh_per_m3: Option<Decimal>,
) -> Result<Reading, Refusal> {
    let opened = decoded.outcome.as_ref().map_err(Clone::clone)?;
    let Some(envelope) = &decoded.envelope else {
        return Err(Refusal::Truncated {
            layer: "link layer",
        });
    };
    if opened.content == Content::Manufacturer {
        return Err(Refusal::Proprietary(envelope.ci));
    }
    let records: Vec<Record<'_>> = opened
        .records()
        .collect::<Result<_, _>>()
        .map_err(Refusal::NotStandard)?;
    let device_type = envelope.meter.device_type;
    let headline = mbus::headline(&records, device_type).and_then(|place| records.get(place));
    let index = headline.and_then(|record| {
        let unit = record.unit().map_or("", mbus::suffix);
        Some((record.value().number()?, unit))
    });
    let mut fields: Vec<Field> = mbus::derived(&records)
        .into_iter()
        .map(|field| Field {
            value: text(&field.value),
            is_number: field.value.number().is_some(),
            is_index: false,
            name: field.name.to_string(),
        })
        .collect();
    let index_name = headline.and_then(|record| {
        let wanted = mbus::derived(std::slice::from_ref(record));
        Some(wanted.into_iter().next()?.name)
    });
    for field in &mut fields {
        field.is_index = Some(field.name.as_str()) == index_name.as_deref();
    }
    if let (Some(factor), Some((volume, "m3"))) = (gas_kwh_per_m3, index)
        && let Some(energy) = volume.checked_mul(factor)
    {
        fields.push(Field {
            name: "total_energy_kwh".to_owned(),
            value: Some(energy.round_dp(3).to_string()),
            is_number: true,
            is_index: true,
        });
    }
    Ok(Reading {
        registers: mbus::registers(&records, device_type),
        fields,
        index,
    })
}

/// A value as text: exact decimals, dates as ISO 8601. A clock that the meter marks as invalid is
/// no value.
fn text(value: &FieldValue) -> Option<String> {
    match value {
        FieldValue::Null
        | FieldValue::Datetime {
            marked_invalid: true,
            ..
        } => None,
        FieldValue::Number(number) => Some(number.to_string()),
        FieldValue::Text(text) => Some(text.clone()),
        FieldValue::Date(date) => Some(date.to_string()),
        FieldValue::Datetime { at, .. } => Some(at.to_string()),
        FieldValue::Time(time) => Some(time.to_string()),
    }
}

/// How a telegram was checked. Without encryption it is the CRC of the link layer, which the
/// receiver or this gateway has checked; text from elsewhere may have none.
pub(super) const fn check(envelope: &Envelope, link_checked: bool) -> Check {
    match envelope.security.proof {
        Proof::Cmac => Check::Mac,
        Proof::CcmTag | Proof::GcmTag => Check::Tag,
        Proof::PayloadCrc => Check::Crc,
        Proof::KnownBytes => Check::KnownBytes,
        Proof::Checksum => Check::Checksum,
        _ if link_checked => Check::Crc,
        _ => Check::None,
    }
}

/// True when the telegram was encrypted.
pub(super) fn is_encrypted(envelope: &Envelope) -> bool {
    envelope.security.mode != Mode::Transport(0) && !envelope.security.clear_payload
}

/// True when a telegram was opened, though it gives no reading: the key is right.
pub(super) const fn was_opened(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::UnknownFormat { .. } | Refusal::NotStandard(_) | Refusal::Proprietary(_)
    )
}
