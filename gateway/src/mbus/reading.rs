//! A telegram of a meter on M-Bus, wireless or wired, as what the gateway keeps: registers, named
//! fields, the main index.

use meter_link::mbus::{self, DeviceType, FieldValue, Quantity, Record};
use meter_link::model::RegisterValue;
use meter_link::profile::mbus::{DriverReading, in_unit, status_words};
use rust_decimal::Decimal;

use crate::store::Field;

/// The field of what ails the meter.
const STATUS: &str = "status";

/// What a telegram says about its meter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) registers: Vec<RegisterValue>,
    pub(crate) fields: Vec<Field>,
    /// The main index and its unit.
    pub(crate) index: Option<(Decimal, &'static str)>,
}

impl Reading {
    /// What the records and the header's status byte say, by the names of the driver if one has
    /// read them.
    pub(crate) fn new(
        records: &[Record<'_>],
        read: Option<DriverReading>,
        device_type: DeviceType,
        status: Option<u8>,
    ) -> Self {
        let headline = mbus::headline(records, device_type).and_then(|place| records.get(place));
        let mut registers = mbus::registers(records, device_type);
        let (told, by_driver) = match read {
            Some(read) => (read.fields, Some(read.index)),
            None => (mbus::derived(records), None),
        };
        let of_record =
            headline.and_then(|record| Some((record.value().number()?, record.unit()?)));
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
        let mut fields: Vec<Field> = fields.collect();
        // Drivers have a status of their own, with the maker's bits.
        let has_status = fields.iter().any(|field| field.name == STATUS);
        if let Some(status) = status.filter(|_| !has_status) {
            fields.push(Field {
                name: STATUS.to_owned(),
                value: Some(status_words(status)),
                is_number: false,
                is_index: false,
            });
        }
        Self {
            registers,
            fields,
            index: index.map(|(value, unit)| (value, mbus::suffix(unit))),
        }
    }

    /// Adds the energy of a volume of gas.
    pub(crate) fn add_gas_energy(&mut self, kwh_per_m3: Decimal) {
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

/// A value as text: exact decimals, dates as ISO 8601. A clock that the meter marks as invalid is
/// no value.
pub(crate) fn text(value: &FieldValue) -> Option<String> {
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
