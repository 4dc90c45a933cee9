//! What the meter's own attributes say (Metering, 07-5356 19, annex D.3), in kWh and W.

use std::time::Instant;

use rust_decimal::Decimal;

use crate::value::{Record, Value};
use crate::zigbee::devices::energy::{Register, Verdict};

/// More than the connection of a household carries, three phases of 125 A: 86 kW.
const MOST_W: u64 = 100_000;

/// A value that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MeterValue {
    /// Drawn from the grid so far, kWh.
    ImportKwh(Decimal),
    /// Fed into the grid so far, kWh.
    ExportKwh(Decimal),
    /// Drawn now, W; negative while more is fed in.
    PowerW(Decimal),
    /// The meter's number.
    Serial(String),
    /// The utility's name for the place.
    Site(String),
    /// The status octet (D.3.2.2.2.1): 0 all is well.
    Status(u8),
    /// Multiplier or divisor is missing or 0, so that nobody knows what is counted.
    NoScale,
    /// It counts in a unit other than kWh (D.3.2.2.4.1); nothing of it is taken.
    OtherUnit(u8),
    /// A register made a leap that cannot be; it was not taken.
    Refused(u64),
}

/// The meter's registers.
#[derive(Debug)]
pub(super) struct Meter {
    unit: Option<u8>,
    multiplier: Option<u32>,
    divisor: Option<u32>,
    import: Register,
    export: Register,
    serial: Option<String>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            unit: None,
            multiplier: None,
            divisor: None,
            import: Register::of(MOST_W),
            export: Register::of(MOST_W),
            serial: None,
        }
    }
}

impl Meter {
    /// Whether its unit and scale are known.
    pub(super) fn is_scaled(&self) -> bool {
        self.unit == Some(0) && self.import.is_scaled()
    }

    /// Takes the attributes of an answer or a report.
    pub(super) fn take(&mut self, records: &[&Record], now: Instant) -> Vec<MeterValue> {
        let mut told = Vec::new();
        let mut is_scale = false;
        for record in records {
            let Some(value) = record.field("value") else {
                continue;
            };
            match record.number("attribute") {
                Some(0x0300) => {
                    self.unit = octet(value);
                    is_scale = true;
                }
                Some(0x0301) => self.multiplier = number24(value),
                Some(0x0302) => self.divisor = number24(value),
                _ => {}
            }
        }
        if is_scale {
            self.import.set_scale(self.multiplier, self.divisor);
            self.export.set_scale(self.multiplier, self.divisor);
            match self.unit {
                Some(0) if !self.import.is_scaled() => told.push(MeterValue::NoScale),
                Some(0) => {}
                unit => told.push(MeterValue::OtherUnit(unit.unwrap_or(0xFF))),
            }
        }
        for record in records {
            if let Some(value) = record.field("value") {
                told.extend(self.take_one(record.number("attribute"), value, now));
            }
        }
        told
    }

    fn take_one(&mut self, id: Option<u64>, value: &Value, now: Instant) -> Option<MeterValue> {
        match id? {
            0x0000 | 0x0001 if !self.is_scaled() => None,
            0x0000 => energy(&mut self.import, value, now, MeterValue::ImportKwh),
            0x0001 => energy(&mut self.export, value, now, MeterValue::ExportKwh),
            0x0200 => octet(value).map(MeterValue::Status),
            0x0307 => words(value).map(MeterValue::Site),
            0x0308 => {
                let serial = words(value)?;
                if self.serial.as_ref().is_some_and(|known| *known != serial) {
                    // Another meter counts from another number.
                    *self = Self::default();
                }
                self.serial = Some(serial.clone());
                Some(MeterValue::Serial(serial))
            }
            0x0400 => self.power(value).map(MeterValue::PowerW),
            _ => None,
        }
    }

    /// Instantaneous demand, in kW by the same scale (D.3.2.2.5.1).
    fn power(&self, value: &Value) -> Option<Decimal> {
        let &Value::Signed(raw) = value else {
            return None;
        };
        // 800000 means that there is no value (Zigbee Cluster Library, 2.6.2).
        let raw = Some(raw).filter(|raw| *raw != -0x80_0000 && self.is_scaled())?;
        let (multiplier, divisor) = (self.multiplier?, self.divisor?);
        let watts = Decimal::from(raw)
            .checked_mul(Decimal::from(multiplier))?
            .checked_mul(Decimal::ONE_THOUSAND)?
            .checked_div(Decimal::from(divisor))?;
        (watts.abs() <= Decimal::from(MOST_W)).then(|| watts.normalize())
    }
}

fn energy(
    register: &mut Register,
    value: &Value,
    now: Instant,
    told: fn(Decimal) -> MeterValue,
) -> Option<MeterValue> {
    let raw = value.as_u64()?;
    match register.take(raw, now) {
        // All ones: the meter has no such register.
        Verdict::Impossible if raw >= (1 << 48) - 1 => None,
        Verdict::Impossible => Some(MeterValue::Refused(raw)),
        _ => register.energy_kwh().map(told),
    }
}

fn octet(value: &Value) -> Option<u8> {
    value.as_u64().and_then(|number| u8::try_from(number).ok())
}

/// A multiplier or divisor of 24 bits; all ones mean that there is none.
fn number24(value: &Value) -> Option<u32> {
    let number = value.as_u64().filter(|number| *number < 0xFF_FFFF)?;
    u32::try_from(number).ok()
}

/// Octets that are text, as text; others as hex.
fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Octets(octets) => {
            let is_text = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ' || *octet == 0;
            if octets.iter().all(is_text) {
                String::from_utf8_lossy(octets).into_owned()
            } else {
                octets.iter().map(|octet| format!("{octet:02x}")).collect()
            }
        }
        _ => return None,
    };
    let text = text.trim_matches(|one: char| one == '\0' || one.is_whitespace());
    let text: String = text
        .chars()
        .filter(|one| !one.is_control())
        .take(64)
        .collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(id: u16, value: Value) -> Record {
        Record::new()
            .with("attribute", Value::id16(id))
            .with("value", value)
    }

    fn take(meter: &mut Meter, records: &[Record], now: Instant) -> Vec<MeterValue> {
        meter.take(&records.iter().collect::<Vec<_>>(), now)
    }

    fn scale(multiplier: u64, divisor: u64) -> Vec<Record> {
        vec![
            record(0x0300, Value::Unsigned(0)),
            record(0x0301, Value::Unsigned(multiplier)),
            record(0x0302, Value::Unsigned(divisor)),
        ]
    }

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn registers_are_scaled_exactly_and_nothing_is_told_without_a_scale() {
        let now = Instant::now();
        let mut meter = Meter::default();
        let energy = |raw| [record(0x0000, Value::Unsigned(raw))];
        assert_eq!(take(&mut meter, &energy(5), now), []);
        assert_eq!(take(&mut meter, &scale(1, 0), now), [MeterValue::NoScale]);
        assert_eq!(take(&mut meter, &energy(5), now), []);
        let demand = [record(0x0400, Value::Signed(250))];
        assert_eq!(take(&mut meter, &demand, now), []);
        // Multiplier 3, divisor 10,000: the unit is 0.3 Wh.
        assert_eq!(take(&mut meter, &scale(3, 10_000), now), []);
        assert_eq!(
            take(&mut meter, &energy(123_456_789), now),
            [MeterValue::ImportKwh(number("37037.0367"))]
        );
        assert_eq!(
            take(&mut meter, &demand, now),
            [MeterValue::PowerW(number("75"))]
        );
    }

    #[test]
    fn marks_of_no_value_leaps_and_other_units_give_nothing() {
        let now = Instant::now();
        let mut meter = Meter::default();
        take(&mut meter, &scale(1, 1000), now);
        let mut at = |id, value, now| take(&mut meter, &[record(id, value)], now);
        let later = now + Duration::from_secs(60);
        assert_eq!(
            at(0x0000, Value::Unsigned(0xFFFF_FFFF_FFF0), now),
            [MeterValue::ImportKwh(number("281474976710.640"))]
        );
        assert_eq!(at(0x0000, Value::Unsigned(0xFFFF_FFFF_FFFF), now), []);
        assert_eq!(at(0x0001, Value::Unsigned(0xFFFF_FFFF_FFFF), now), []);
        assert_eq!(at(0x0400, Value::Signed(-0x80_0000), now), []);
        assert_eq!(
            at(0x0400, Value::Signed(-4_200), now),
            [MeterValue::PowerW(number("-4200"))]
        );
        // Over the end of the 48 bits, by 100 Wh in a minute.
        assert_eq!(
            at(0x0000, Value::Unsigned(84), later),
            [MeterValue::ImportKwh(number("281474976710.740"))]
        );
        assert_eq!(
            at(0x0000, Value::Unsigned(900_000_000), later),
            [MeterValue::Refused(900_000_000)]
        );
        let gas = [record(0x0300, Value::Unsigned(1))];
        assert_eq!(take(&mut meter, &gas, now), [MeterValue::OtherUnit(1)]);
        assert_eq!(
            take(&mut meter, &[record(0x0000, Value::Unsigned(85))], later),
            []
        );
    }
}
