//! The meters as the API shows them, and how fresh each is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use meter_link::model::{ObisCode, Quality, Unit};
use rust_decimal::Decimal;
use wattle_api::{Freshness, Medium, Meter, Register};

use crate::config::{MeterConfig, Role};
use crate::store::{LastReading, RegisterKey, StoredTelegram, check_name, quality_name};

const LIVE: SignedDuration = SignedDuration::from_secs(15);
const LOST: SignedDuration = SignedDuration::from_mins(5);

/// All configured meters.
#[derive(Debug)]
pub(super) struct Meters(Vec<MeterView>);

/// One of them.
#[derive(Debug)]
pub(super) struct MeterView {
    pub(super) api: Meter,
    role: Role,
    values: BTreeMap<(ObisCode, Unit), Last>,
    period: Option<SignedDuration>,
}

#[derive(Clone, Debug)]
struct Last {
    value: Decimal,
    at: Timestamp,
    quality: &'static str,
    check: String,
}

impl Meters {
    pub(super) fn new(configured: &[MeterConfig]) -> Self {
        let view = |meter: &MeterConfig| MeterView {
            api: Meter {
                name: meter.name.clone(),
                id: None,
                medium: meter.medium,
                manufacturer: None,
                protocol: meter.protocol.name().to_owned(),
                port: meter.port.display().to_string(),
                received_at: None,
                freshness: None,
                telegrams: 0,
                rejected: 0,
                registers: Vec::new(),
            },
            role: meter.role,
            values: BTreeMap::new(),
            period: None,
        };
        Self(configured.iter().map(view).collect())
    }

    /// The electricity meter at the grid connection.
    pub(super) fn grid(&self) -> Option<&MeterView> {
        self.of(Medium::Electricity)
    }

    /// The home's meter of a medium.
    pub(super) fn of(&self, medium: Medium) -> Option<&MeterView> {
        self.0
            .iter()
            .find(|meter| meter.api.medium == medium && meter.role == Role::Grid)
    }

    /// Names and volume registers of gas and water meters.
    pub(super) fn supplies(&self) -> Vec<(String, RegisterKey)> {
        let key = |meter: &MeterView| {
            let serial = meter.api.id.clone()?;
            let (obis, unit) = meter.volume()?;
            Some((meter.api.name.clone(), RegisterKey { serial, obis, unit }))
        };
        [Medium::Gas, Medium::Water]
            .iter()
            .filter_map(|medium| self.of(*medium))
            .filter_map(key)
            .collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &MeterView> {
        self.0.iter()
    }

    pub(super) fn api(&self) -> Vec<Meter> {
        self.0.iter().map(|meter| meter.api.clone()).collect()
    }

    /// True when the telegram's meter or one of its registers was not known yet.
    pub(super) fn is_new(&self, telegram: &StoredTelegram) -> bool {
        let known = self.0.iter().find(|meter| meter.api.name == telegram.name);
        known.is_some_and(|meter| {
            meter.api.id.as_deref() != Some(telegram.serial.as_str())
                || telegram
                    .values
                    .iter()
                    .any(|value| !meter.values.contains_key(&(value.obis, value.unit)))
        })
    }

    pub(super) fn take(&mut self, telegram: &StoredTelegram) {
        let Some(meter) = self
            .0
            .iter_mut()
            .find(|meter| meter.api.name == telegram.name)
        else {
            return;
        };
        if meter.api.id.as_deref() != Some(telegram.serial.as_str()) {
            meter.api.id = Some(telegram.serial.clone());
            meter.values.clear();
        }
        meter.api.manufacturer = telegram
            .manufacturer
            .clone()
            .or(meter.api.manufacturer.take());
        meter.heard(telegram.received_at);
        meter.api.telegrams += 1;
        for value in &telegram.values {
            let key = (value.obis, value.unit);
            if value.quality == Quality::Suspect && meter.values.contains_key(&key) {
                continue;
            }
            let last = Last {
                value: value.value,
                at: telegram.received_at,
                quality: quality_name(value.quality),
                check: check_name(telegram.check).to_owned(),
            };
            meter.values.insert(key, last);
        }
        meter.show();
    }

    /// Takes a reading from the store, as known from before the start.
    pub(super) fn recall(&mut self, reading: &LastReading) {
        let Some(meter) = self
            .0
            .iter_mut()
            .find(|meter| Some(&meter.api.name) == reading.name.as_ref())
        else {
            return;
        };
        meter.api.id = Some(reading.key.serial.clone());
        meter.api.manufacturer.clone_from(&reading.manufacturer);
        meter.api.received_at = meter.api.received_at.max(Some(reading.received_at));
        let last = Last {
            value: reading.value,
            at: reading.received_at,
            quality: quality_name(Quality::Measured),
            check: reading.check.clone(),
        };
        meter
            .values
            .insert((reading.key.obis, reading.key.unit), last);
        meter.show();
    }

    pub(super) fn rejected(&mut self, name: &str) {
        if let Some(meter) = self.0.iter_mut().find(|meter| meter.api.name == name) {
            meter.api.rejected += 1;
        }
    }

    /// Brings every freshness up to date.
    pub(super) fn age(&mut self, now: Timestamp) {
        for meter in &mut self.0 {
            meter.api.freshness = meter.api.received_at.map(|at| meter.freshness(at, now));
        }
    }
}

impl MeterView {
    /// How old a value received at `at` is, by the meter's usual period.
    pub(super) fn freshness(&self, at: Timestamp, now: Timestamp) -> Freshness {
        let age = now.duration_since(at);
        if age <= LIVE.max(self.period.unwrap_or_default() * 3) {
            Freshness::Live
        } else if age <= LOST {
            Freshness::Stale
        } else {
            Freshness::Lost
        }
    }

    /// Power at the connection in W, import positive: the signed register, or import less export.
    pub(super) fn power_w(&self) -> Option<(Decimal, Timestamp)> {
        let watts = |obis| {
            self.values
                .get(&(obis, Unit::Watt))
                .map(|last| (last.value, last.at))
        };
        watts(ObisCode::ACTIVE_POWER_NET).or_else(|| {
            let (import, at) = watts(ObisCode::ACTIVE_POWER_IMPORT)?;
            let export =
                watts(ObisCode::ACTIVE_POWER_EXPORT).map_or(Decimal::ZERO, |(export, _)| export);
            Some((import - export, at))
        })
    }

    /// Sum of registers and when the newest of them was read; `None` unless all are known.
    pub(super) fn sum(&self, registers: &[RegisterKey]) -> Option<(Decimal, Timestamp)> {
        let mut total = Decimal::ZERO;
        let mut newest = None;
        for key in registers {
            let last = self.values.get(&(key.obis, key.unit))?;
            total += last.value;
            newest = newest.max(Some(last.at));
        }
        Some((total, newest?))
    }

    /// The volume register's value in m³.
    pub(super) fn volume_m3(&self) -> Option<(Decimal, Timestamp)> {
        let last = self.values.get(&self.volume()?)?;
        Some((last.value, last.at))
    }

    fn volume(&self) -> Option<(ObisCode, Unit)> {
        let is_volume = |(obis, unit): &&(ObisCode, Unit)| {
            obis.is_cumulative() && matches!(unit, Unit::CubicMetre | Unit::CorrectedCubicMetre)
        };
        self.values.keys().find(is_volume).copied()
    }

    /// Learns the period as a slowly following mean of the distances.
    fn heard(&mut self, at: Timestamp) {
        if let Some(before) = self.api.received_at.replace(at) {
            let distance = at.duration_since(before);
            if distance > SignedDuration::ZERO
                && distance <= SignedDuration::from_hours(2)
                && self.api.telegrams > 0
            {
                self.period = Some(
                    self.period
                        .map_or(distance, |known| (known * 3 + distance) / 4),
                );
            }
        }
    }

    fn show(&mut self) {
        let register = |((obis, unit), last): (&(ObisCode, Unit), &Last)| Register {
            obis: obis.to_string(),
            value: last.value,
            unit: unit.to_string(),
            received_at: last.at,
            quality: last.quality.to_owned(),
            check: last.check.clone(),
        };
        self.api.registers = self.values.iter().map(register).collect();
    }
}
