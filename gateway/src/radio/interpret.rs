//! A decoded telegram as what the gateway keeps: registers, named fields, the main index.

use meter_link::mbus::{
    self, Content, DeviceAddress, FieldValue, Identification, ManufacturerData, Quantity, Record,
};
use meter_link::model::{Check, RegisterValue};
use meter_link::profile::mbus::{Driver, Source, in_unit};
use meter_link::wmbus::{Decoded, Envelope, Mode, Opened, Proof, Refusal};
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

/// Less than a record at the end of a payload is a CRC that was left in.
const LEFT_IN_CRC: usize = 2;

/// Reads a telegram whose check was right: by its driver if there is one, else by its records.
pub(super) fn reading(
    decoded: &Decoded,
    frame: &[u8],
    driver: Option<&Driver>,
    key: Option<&[u8]>,
) -> Result<Reading, Refusal> {
    let opened = decoded.outcome.as_ref().map_err(Clone::clone)?;
    let Some(envelope) = &decoded.envelope else {
        return Err(Refusal::Truncated {
            layer: "link layer",
        });
    };
    let (records, manufacturer_data, failure) = records_of(opened, envelope);
    let read = driver.map(|driver| {
        driver.read(&Source {
            records: &records,
            manufacturer_data: manufacturer_data.map(|data| data.bytes),
            payload: &opened.payload,
            frame,
            link_address: envelope.sender,
            status: envelope.status,
            key,
        })
    });
    let layout_fits = read.as_ref().is_some_and(|read| read.layout_fits);
    let rest = match &failure {
        Some(Refusal::NotStandard(error)) => {
            opened.record_bytes().len().saturating_sub(error.offset())
        }
        _ => usize::MAX,
    };
    let whole = failure.is_none() || driver.is_some() && rest <= LEFT_IN_CRC;
    if let (Some(refusal), false, false) = (failure, whole, layout_fits) {
        return Err(refusal);
    }
    let records = if whole { records.as_slice() } else { &[] };
    let device_type = envelope.meter.device_type;
    let headline = mbus::headline(records, device_type).and_then(|place| records.get(place));
    let mut registers = mbus::registers(records, device_type);
    let (told, by_driver) = match read {
        Some(read) => (read.fields, Some(read.index)),
        None => (mbus::derived(records), None),
    };
    let of_record = headline.and_then(|record| Some((record.value().number()?, record.unit()?)));
    let of_field = by_driver
        .flatten()
        .and_then(|place| in_unit(told.get(place)?));
    let index = of_record.or(of_field);
    if let (true, Some((value, unit))) = (registers.is_empty(), index) {
        let quantity = match unit.name() {
            "m3" => Quantity::Volume,
            _ => Quantity::Energy,
        };
        registers.extend(mbus::index(device_type, quantity, unit, value));
    }
    let index_name = match by_driver {
        Some(place) => place
            .and_then(|place| told.get(place))
            .map(|field| field.name.to_string()),
        None => headline.and_then(|record| {
            let named = mbus::derived(std::slice::from_ref(record));
            Some(named.into_iter().next()?.name.to_string())
        }),
    };
    let fields = told.into_iter().map(|field| Field {
        value: text(&field.value),
        is_number: field.value.number().is_some(),
        is_index: index_name.as_deref() == Some(&*field.name),
        name: field.name.to_string(),
    });
    Ok(Reading {
        registers,
        fields: fields.collect(),
        index: index.map(|(value, unit)| (value, mbus::suffix(unit))),
    })
}

impl Reading {
    /// Adds the energy of a volume of gas.
    pub(super) fn add_gas_energy(&mut self, kwh_per_m3: Decimal) {
        if let Some((volume, "m3")) = self.index
            && let Some(energy) = volume.checked_mul(kwh_per_m3)
        {
            self.fields.push(Field {
                name: "total_energy_kwh".to_owned(),
                value: Some(energy.round_dp(3).to_string()),
                is_number: true,
                is_index: true,
            });
        }
    }
}

type Parts<'a> = (
    Vec<Record<'a>>,
    Option<ManufacturerData<'a>>,
    Option<Refusal>,
);

/// The records up to the first that is none, what stands behind them, and why they end.
fn records_of<'a>(opened: &'a Opened, envelope: &Envelope) -> Parts<'a> {
    if opened.content == Content::Manufacturer {
        let refusal = Refusal::Proprietary(envelope.ci);
        return (Vec::new(), None, Some(refusal));
    }
    let mut parser = opened.records();
    let mut records = Vec::new();
    let mut failure = None;
    for record in parser.by_ref() {
        match record {
            Ok(record) => records.push(record),
            Err(error) => failure = Some(Refusal::NotStandard(error)),
        }
    }
    (records, parser.manufacturer_data(), failure)
}

/// The number of a meter behind a radio converter that sends its whole address as enhanced
/// identification.
pub(super) fn number_in_records(opened: &Opened) -> Option<Identification> {
    const ENHANCED: [u8; 2] = [0x07, 0x79];
    let mut records = opened.records().map_while(Result::ok);
    let record = records.find(|record| record.key() == ENHANCED)?;
    let address = <[u8; 8]>::try_from(record.data).ok()?;
    Some(DeviceAddress::from_long_header(address).identification)
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
