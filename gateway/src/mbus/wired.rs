//! A readout of a slave on a wired M-Bus, as what the gateway keeps.

use std::path::Path;

use jiff::Timestamp;
use meter_link::mbus::link::{Frame, Pattern, SecondaryAddress};
use meter_link::mbus::{self, DeviceAddress, DeviceType, Response, ResponseError};
use meter_link::model::{Check, MeterId, Telegram};
use meter_link::profile::mbus::{Driver, DriverSet, Source};
use rust_decimal::Decimal;

use super::{Beliefs, Judged, Reading, Told};
use crate::config::{MbusAddress, MeterConfig};
use crate::store::Readers;

/// Why a readout gives no reading.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// A frame is no response with data.
    #[error("the slave's answer holds no data")]
    NoData,
    /// What a response is refused for.
    #[error("telegram {telegram} of the readout: {error}")]
    Response {
        /// Which one, from 1.
        telegram: usize,
        /// Why.
        error: ResponseError,
    },
    /// Another slave has answered.
    #[error("slave {} has answered, which is not the one that was asked", Pattern::from(*.0))]
    Other(SecondaryAddress),
}

/// Reads readouts of one configured meter.
pub(crate) struct WiredMeter {
    /// What its answers must match, if it is asked by secondary address.
    pattern: Option<Pattern>,
    drivers: DriverSet,
    /// The driver it is pinned to.
    driver: Option<String>,
    gas_kwh_per_m3: Option<Decimal>,
    beliefs: Beliefs,
}

impl WiredMeter {
    /// A meter with the drivers of a folder, going on from what is stored.
    ///
    /// # Errors
    /// The store cannot be read, or there is no such driver.
    pub(crate) fn new(
        meter: &MeterConfig,
        drivers_dir: &Path,
        stored: &Readers,
    ) -> anyhow::Result<Self> {
        let mut drivers = crate::drivers::all(drivers_dir);
        if let Some(name) = &meter.driver {
            anyhow::ensure!(
                drivers.by_name(name).is_some(),
                "there is no driver {name:?}; `wattle driver list` names them"
            );
        }
        let pattern = match meter.mbus_address() {
            Some(MbusAddress::Secondary(pattern)) => Some(pattern),
            _ => None,
        };
        Ok(Self {
            pattern,
            drivers,
            driver: meter.driver.clone(),
            gas_kwh_per_m3: super::gas_kwh_per_m3(meter.calorific_value, meter.correction),
            beliefs: Beliefs::of_stored(&stored.open()?.last_fields()?),
        })
    }

    /// Reads the telegrams of a readout, which belong together; with what is believed of their
    /// fields and what is not.
    pub(crate) fn read(
        &mut self,
        frames: &[Frame],
        at: Timestamp,
    ) -> Result<(Telegram, Told), Refusal> {
        let mut responses = Vec::with_capacity(frames.len());
        for (telegram, frame) in (1..).zip(frames) {
            let Frame::Long { ci, data, .. } = frame else {
                return Err(Refusal::NoData);
            };
            let read =
                Response::read(*ci, data).map_err(|error| Refusal::Response { telegram, error })?;
            responses.push(read);
        }
        let first = responses.first().ok_or(Refusal::NoData)?;
        let meter = first.meter;
        let strangers = responses.iter().filter_map(|response| response.meter);
        for other in strangers {
            if Some(other) != meter || !self.is_asked(other) {
                return Err(Refusal::Other(other.into()));
            }
        }
        let device_type = meter.map_or(DeviceType(0x0F), |meter| meter.device_type);
        let records: Vec<_> = responses
            .iter()
            .flat_map(|response| response.records.iter().cloned())
            .collect();
        let driver = self.driver(meter);
        let read = driver.as_deref().map(|driver| {
            driver.read(&Source {
                records: &records,
                manufacturer_data: first.manufacturer_data.map(|data| data.bytes),
                payload: first.payload,
                frame: &[],
                link_address: meter.unwrap_or(DeviceAddress::from_link([0; 8])),
                status: first.status,
                key: None,
            })
        });
        let mut reading = Reading::new(&records, read, device_type, first.status);
        let serial = match (meter, first.identification) {
            (Some(meter), _) => mbus::serial(meter),
            (None, Some(number)) => MeterId::new(&number.to_string()),
            (None, None) => None,
        };
        let doubts = serial.as_ref().map_or_else(Vec::new, |serial| {
            let of = Judged {
                serial: serial.as_str(),
                device_type,
                driver: driver.as_deref(),
                at,
                keep: true,
            };
            self.beliefs.judge(of, &mut reading.fields)
        });
        if let Some(factor) = self.gas_kwh_per_m3
            && !doubts.iter().any(|doubt| doubt.is_index)
        {
            reading.add_gas_energy(factor);
        }
        let telegram = Telegram {
            meter: serial,
            manufacturer: meter.map(|meter| meter.manufacturer.to_string()),
            time: None,
            values: reading.registers,
            check: Check::Checksum,
            hints: Vec::new(),
            raw: frames.iter().flat_map(Frame::to_bytes).collect(),
            channel: None,
            indications: meter_link::model::Indications::default(),
        };
        Ok((telegram, (reading.fields, doubts)))
    }

    fn is_asked(&self, meter: DeviceAddress) -> bool {
        self.pattern.is_none_or(|pattern| {
            Pattern::selects(&pattern.to_bytes(), &SecondaryAddress::from(meter))
        })
    }

    /// The driver it is pinned to, or the one for its address.
    fn driver(&mut self, meter: Option<DeviceAddress>) -> Option<std::sync::Arc<Driver>> {
        match &self.driver {
            Some(name) => self.drivers.by_name(name),
            None => self.drivers.by_address(meter?),
        }
    }
}
