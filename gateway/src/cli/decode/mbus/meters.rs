//! Names and drivers of meters, and what a driver makes of a telegram.

use std::collections::HashMap;
use std::sync::Arc;

use meter_link::mbus::{
    DeviceAddress, DeviceType, Identification, ManufacturerData, Record, derived, headline,
};
use meter_link::profile::mbus::{Driver, DriverReading, DriverSet, Source, in_unit};

use super::options::{self, MeterOption, OptionError};
use super::report::{Headline, Reading};
use super::{DriverArgs, MeterArgs};
use crate::drivers::load_folder;

/// The meters of the command line and all drivers.
pub(super) struct Meters {
    configured: HashMap<Identification, MeterOption>,
    drivers: DriverSet,
}

/// A driver and the name by which it was asked for.
pub(super) struct Chosen {
    pub(super) driver: Arc<Driver>,
    pub(super) name: String,
}

impl From<Arc<Driver>> for Chosen {
    fn from(driver: Arc<Driver>) -> Self {
        let name = driver.id().to_owned();
        Self { driver, name }
    }
}

impl Meters {
    /// Reads names and drivers; a driver file that is not right is told about and left out.
    pub(super) fn new(args: &MeterArgs) -> Result<Self, OptionError> {
        let mut meters = Self {
            configured: options::meters(&args.meters)?,
            drivers: if args.drivers.no_drivers {
                DriverSet::none()
            } else {
                DriverSet::builtin()
            },
        };
        if !args.drivers.no_drivers {
            meters.load(&args.drivers);
            for meter in meters.configured.values() {
                if let Some(name) = &meter.driver
                    && meters.drivers.by_name(name).is_none()
                {
                    return Err(OptionError::UnknownDriver(name.clone()));
                }
            }
        }
        Ok(meters)
    }

    fn load(&mut self, args: &DriverArgs) {
        for folder in &args.drivers {
            for disabled in load_folder(&mut self.drivers, folder) {
                eprintln!("wattle: {disabled}");
            }
        }
    }

    /// True for a meter of the command line.
    pub(super) fn is_configured(&self, number: Identification) -> bool {
        self.configured.contains_key(&number)
    }

    /// What the command line says about a meter that is known by any of these numbers.
    pub(super) fn configured(&self, numbers: &[Identification]) -> Option<&MeterOption> {
        numbers
            .iter()
            .find_map(|number| self.configured.get(number))
    }

    /// The driver of a meter: the one it is pinned to, or the one for its address.
    pub(super) fn driver(
        &mut self,
        numbers: &[Identification],
        address: Option<DeviceAddress>,
    ) -> Option<Chosen> {
        let pinned = self
            .configured(numbers)
            .and_then(|meter| meter.driver.clone());
        if let Some(name) = pinned {
            let driver = self.drivers.by_name(&name)?;
            return Some(Chosen::from(driver));
        }
        self.drivers.by_address(address?).map(Chosen::from)
    }
}

/// The numbers by which a meter may be known from its records: Qundis meters behind a radio
/// converter send their whole address as enhanced identification.
pub(super) fn number_in_records(records: &[Record<'_>]) -> Option<Identification> {
    let record = records.iter().find(|record| record.key() == [0x07, 0x79])?;
    let address = <[u8; 8]>::try_from(record.data).ok()?;
    Some(DeviceAddress::from_long_header(address).identification)
}

/// The values of a telegram: by its driver if there is one, else by the records alone. `None` when
/// the payload is neither of the standard nor of a form that the driver knows.
pub(super) fn interpret<'a>(
    driver: Option<&Driver>,
    source: &Source<'_>,
    records: &'a [Record<'a>],
    records_are_whole: bool,
    manufacturer_data: Option<ManufacturerData<'a>>,
    device_type: DeviceType,
) -> Option<(Reading<'a>, Option<DeviceAddress>)> {
    let read = driver.map(|driver| driver.read(source));
    let layout_fits = read.as_ref().is_some_and(|read| read.layout_fits);
    if !records_are_whole && !layout_fits {
        return None;
    }
    let records = if records_are_whole { records } else { &[] };
    let of_record = headline_of(records, headline(records, device_type));
    let (fields, headline, address) = match read {
        None => (derived(records), of_record, None),
        Some(read) => {
            let headline = of_record.or_else(|| headline_of_field(&read));
            (read.fields, headline, read.address)
        }
    };
    let reading = Reading {
        records,
        fields,
        headline,
        manufacturer_data,
    };
    Some((reading, address))
}

fn headline_of(records: &[Record<'_>], index: Option<usize>) -> Option<Headline> {
    let record = records.get(index?)?;
    Some(Headline {
        record: index,
        quantity: record.meaning.quantity.name(),
        value: record.value().number()?,
        unit: record.unit()?.name(),
    })
}

fn headline_of_field(read: &DriverReading) -> Option<Headline> {
    let (value, unit) = in_unit(read.fields.get(read.index?)?)?;
    Some(Headline {
        record: None,
        quantity: match unit.name() {
            "m3" => "volume",
            "hca" => "heat_cost_allocation",
            _ => "energy",
        },
        value,
        unit: unit.name(),
    })
}
