//! What a device's answers and reports say: its descriptors, and what it has measured.

use std::time::{Duration, Instant};

use rust_decimal::Decimal;

use super::super::Measured;
use super::super::energy::Verdict;
use super::super::interview::{Ask, Endpoint};
use super::Device;
use crate::zigbee::zcl::clusters::id::{
    BASIC, ELECTRICAL_MEASUREMENT, METERING, ON_OFF, TEMPERATURE, THERMOSTAT,
};
use crate::{Record, Value};

/// Power is told at most so often.
pub(super) const POWER_EVERY: Duration = Duration::from_secs(1);
/// Endpoints of one device at most.
const ENDPOINTS: usize = 16;

impl Device {
    pub(super) fn take_descriptor(&mut self, cluster: u16, fields: &Record) {
        match cluster {
            0x8005 => {
                let Some(Value::List(endpoints)) = fields.field("endpoints") else {
                    return;
                };
                let numbers = endpoints
                    .iter()
                    .filter_map(Value::as_u64)
                    .filter_map(|id| u8::try_from(id).ok());
                // Endpoint 242 is Green Power's.
                let wanted = numbers.filter(|id| (1..=240).contains(id)).take(ENDPOINTS);
                self.asks.extend(wanted.map(Ask::Descriptor));
            }
            0x8004 => {
                let number =
                    |name: &str| u16::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0);
                let list = |name: &str| match fields.field(name) {
                    Some(Value::List(list)) => list
                        .iter()
                        .filter_map(Value::as_u64)
                        .filter_map(|id| u16::try_from(id).ok())
                        .collect(),
                    _ => Vec::new(),
                };
                let id = u8::try_from(number("endpoint")).unwrap_or(0);
                if id != 0 {
                    let endpoint = Endpoint {
                        id,
                        profile: number("profile"),
                        device: number("device"),
                        inputs: list("input_clusters"),
                        outputs: list("output_clusters"),
                    };
                    self.endpoints.insert(id, endpoint);
                }
            }
            _ => {}
        }
    }

    pub(super) fn take_attribute(&mut self, cluster: u16, record: &Record, now: Instant) {
        let Some(value) = record.field("value") else {
            return;
        };
        let id = u16::try_from(record.number("attribute").unwrap_or(0)).unwrap_or(0);
        match (cluster, id) {
            (BASIC, 0x0004) => self.names.manufacturer = name(value),
            (BASIC, 0x0005) => self.names.model = name(value),
            (BASIC, 0x4000) => self.names.firmware = name(value),
            (BASIC, 0x0007) => self.names.battery = value.as_u64() == Some(3),
            (METERING, 0x0301 | 0x0302) | (ELECTRICAL_MEASUREMENT, 0x0600..=0x0605) => {
                // The measurement's numbers and the register's do not overlap.
                if let Some(number) = value.as_u64() {
                    self.scales.insert(id, number);
                }
                if id == 0x0302 {
                    let scale = |id: u16| {
                        self.scales
                            .get(&id)
                            .and_then(|number| u32::try_from(*number).ok())
                    };
                    self.energy.set_scale(scale(0x0301), scale(0x0302));
                }
            }
            (METERING, 0x0000) => self.take_register(value, now),
            (ELECTRICAL_MEASUREMENT, 0x050B) => {
                if let Some(power) = self.scaled(value, 0x0604, -0x8000) {
                    self.take_power(power, now);
                }
            }
            (ELECTRICAL_MEASUREMENT, 0x0505) => {
                if let Some(voltage) = self.scaled(value, 0x0600, 0xFFFF) {
                    self.measured.push(Measured::VoltageV(voltage));
                }
            }
            (ON_OFF, 0x0000) => {
                if let Some(on) = value.as_u64() {
                    self.measured.push(Measured::On(on != 0));
                }
            }
            (TEMPERATURE | THERMOSTAT, 0x0000) => {
                self.measured
                    .extend(hundredths(value).map(Measured::TemperatureC));
            }
            (THERMOSTAT, 0x0012) => {
                self.measured
                    .extend(hundredths(value).map(Measured::HeatingSetpointC));
            }
            _ => {}
        }
    }

    pub(super) fn take_register(&mut self, value: &Value, now: Instant) {
        let Some(raw) = value.as_u64() else { return };
        let measured = match self.energy.take(raw, now) {
            Verdict::Quarantined => Some(Measured::EnergyQuarantined),
            Verdict::Impossible => Some(Measured::EnergyRefused(raw)),
            _ => self.energy.energy_kwh().map(Measured::EnergyKwh),
        };
        self.measured.extend(measured);
    }

    /// A raw quantity of the electrical measurement, with the multiplier of this attribute and the
    /// divisor after it; `None` for the number that means none, and while the scale is not known.
    pub(super) fn scaled(&self, value: &Value, multiplier: u16, invalid: i64) -> Option<Decimal> {
        let raw = integer(value).filter(|raw| *raw != invalid)?;
        let multiplier_of = self.scales.get(&multiplier).filter(|number| **number > 0)?;
        let divisor = self
            .scales
            .get(&(multiplier + 1))
            .filter(|number| **number > 0)?;
        let scaled = Decimal::from(raw) * Decimal::from(*multiplier_of) / Decimal::from(*divisor);
        Some(scaled.normalize())
    }

    pub(super) fn take_power(&mut self, power: Decimal, now: Instant) {
        self.power = Some(power);
        self.tell_power(now);
    }

    /// Power is told at once, and then at most once a second: the latest that came.
    pub(super) fn tell_power(&mut self, now: Instant) {
        let may = self.power_told.is_none_or(|told| now >= told + POWER_EVERY);
        if let (true, Some(power)) = (may, self.power) {
            (self.power_told, self.power) = (Some(now), None);
            self.measured.push(Measured::PowerW(power));
        }
    }

    /// What it has measured since this was last asked.
    pub(in super::super) fn take_measured(&mut self, now: Instant) -> Vec<Measured> {
        self.tell_power(now);
        std::mem::take(&mut self.measured)
    }
}

/// A name as people can read it; `None` when nothing of it can be.
fn name(value: &Value) -> Option<String> {
    let Value::Text(text) = value else {
        return None;
    };
    let text: String = text
        .chars()
        .filter(|character| !character.is_control())
        .take(64)
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn integer(value: &Value) -> Option<i64> {
    match *value {
        Value::Signed(number) => Some(number),
        ref other => i64::try_from(other.as_u64()?).ok(),
    }
}

/// Hundredths of a degree; 8000 means that there is no value (2.6.2).
fn hundredths(value: &Value) -> Option<Decimal> {
    let raw = integer(value).filter(|raw| *raw != -0x8000)?;
    Some(Decimal::new(raw, 2).normalize())
}
