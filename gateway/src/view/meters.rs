//! The meters as the API shows them, and how fresh each is.

mod parts;

use std::collections::BTreeMap;

use han::zigbee::devices::REPORT_EVERY_S;
use jiff::{SignedDuration, Timestamp};
use meter_link::model::{self, DayColor, Indications, ObisCode, Quality, Unit};
use rust_decimal::Decimal;
use wattle_api::{Freshness, Medium, Meter, MeterTariff, Outage, Register};

use crate::channel;
use crate::config::{MeterConfig, Part, Protocol, Role};
use crate::store::{
    Doubt, Field, LastField, LastReading, RegisterKey, StoredTelegram, check_name, quality_name,
};

const LIVE: SignedDuration = SignedDuration::from_secs(15);
const LOST: SignedDuration = SignedDuration::from_mins(5);
/// A radio meter sends every few seconds or twice a day, and some telegrams are lost on the air.
const RADIO_LIVE: SignedDuration = SignedDuration::from_hours(1);
const RADIO_LOST: SignedDuration = SignedDuration::from_hours(24);
/// A plug tells a power that stays the same once a minute, and one word may be lost.
const PLUG_LIVE: SignedDuration = SignedDuration::from_secs(3 * REPORT_EVERY_S as i64);

/// All configured meters, and behind them those that report through them, as they are heard.
#[derive(Debug)]
pub(super) struct Meters(Vec<MeterView>);

/// One of them.
#[derive(Debug)]
pub(super) struct MeterView {
    pub(super) api: Meter,
    /// Name of the meter that reports for it, if it does not send itself.
    pub(super) through: Option<String>,
    role: Role,
    part: Option<Part>,
    values: BTreeMap<(ObisCode, Unit), Last>,
    /// Gas: kWh per cubic metre, correction included.
    gas_kwh_per_m3: Option<Decimal>,
    period: Option<SignedDuration>,
    /// The radio stick behind which it is was lost, and it has not been heard since.
    pub(super) is_cut_off: bool,
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
        Self(configured.iter().map(MeterView::configured).collect())
    }

    /// Adds a meter that was taken on; it is the home's of its medium where no other is.
    pub(super) fn adopt(&mut self, meter: &MeterConfig) {
        let role = match self.of(meter.medium) {
            Some(other) if other.api.name != meter.name => Role::Submeter,
            // A plug is nobody's meter at the grid.
            _ => meter.role,
        };
        self.0.retain(|other| other.api.name != meter.name);
        self.0.push(MeterView {
            role,
            ..MeterView::configured(meter)
        });
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

    /// Names and registers of meters whose amount since midnight is told: volumes of gas and water,
    /// energy of solar modules, battery and car.
    pub(super) fn counted(&self) -> Vec<(String, RegisterKey)> {
        let key = |meter: &MeterView, (obis, unit)| {
            let serial = meter.api.id.clone()?;
            Some((meter.api.name.clone(), RegisterKey { serial, obis, unit }))
        };
        let volumes = [Medium::Gas, Medium::Water]
            .into_iter()
            .filter_map(|medium| self.of(medium))
            .filter_map(|meter| key(meter, meter.volume()?));
        let energies = self
            .0
            .iter()
            .filter_map(|meter| key(meter, meter.part_energy()?));
        volumes.chain(energies).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &MeterView> {
        self.0.iter()
    }

    pub(super) fn api(&self) -> Vec<Meter> {
        self.0.iter().map(|meter| meter.api.clone()).collect()
    }

    /// True when the telegram's meter or one of its registers was not known yet.
    pub(super) fn is_new(&self, telegram: &StoredTelegram) -> bool {
        let known = self.named(&telegram.name);
        known.is_none_or(|meter| {
            meter.api.id.as_deref() != Some(telegram.serial.as_str())
                || telegram
                    .values
                    .iter()
                    .any(|value| !meter.values.contains_key(&(value.obis, value.unit)))
        })
    }

    pub(super) fn take(&mut self, telegram: &StoredTelegram) {
        let Some(meter) = self.known_or_adopted(&telegram.name) else {
            return;
        };
        if meter.api.id.as_deref() != Some(telegram.serial.as_str()) {
            meter.api.id = Some(telegram.serial.clone());
            meter.values.clear();
            meter.api.fields.clear();
            meter.api.tariff = None;
            meter.api.states.clear();
            meter.api.outages.clear();
        }
        meter.api.manufacturer = telegram
            .manufacturer
            .clone()
            .or(meter.api.manufacturer.take());
        meter.heard(telegram.received_at);
        meter.is_cut_off = false;
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
        meter.take_fields(&telegram.fields, telegram.received_at);
        meter.doubt(&telegram.doubts, telegram.received_at);
        meter.indicate(&telegram.indications);
        meter.show();
    }

    /// Takes a field from the store, as known from before the start.
    pub(super) fn recall_field(&mut self, last: &LastField) {
        let name = last.name.as_deref();
        let Some(meter) = name.and_then(|name| self.known_or_adopted(name)) else {
            return;
        };
        meter.api.id = Some(last.serial.clone());
        meter.api.manufacturer.clone_from(&last.manufacturer);
        meter.api.received_at = meter.api.received_at.max(Some(last.received_at));
        meter.take_fields(std::slice::from_ref(&last.field), last.received_at);
    }

    /// Takes a reading from the store, as known from before the start.
    pub(super) fn recall(&mut self, reading: &LastReading) {
        let name = reading.name.as_deref();
        let Some(meter) = name.and_then(|name| self.known_or_adopted(name)) else {
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

    /// Takes from the store what a meter told last beside its numbers.
    pub(super) fn recall_indications(&mut self, name: &str, told: &Indications) {
        if let Some(meter) = self.known_or_adopted(name) {
            meter.indicate(told);
        }
    }

    /// The meter of this name.
    pub(super) fn named(&self, name: &str) -> Option<&MeterView> {
        self.0.iter().find(|meter| meter.api.name == name)
    }

    /// The meter of this name; one on a channel of a configured meter is new when it is first
    /// heard of. It is the home's of its medium unless another one is configured to be.
    fn known_or_adopted(&mut self, name: &str) -> Option<&mut MeterView> {
        if let Some(at) = self.0.iter().position(|meter| meter.api.name == name) {
            return self.0.get_mut(at);
        }
        let adopted = self.0.iter().find_map(|through| {
            let medium = channel::medium(&through.api.name, name)?;
            let role = match self.of(medium) {
                None => Role::Grid,
                Some(_) => Role::Submeter,
            };
            let Meter {
                name: other,
                protocol,
                port,
                ..
            } = &through.api;
            through.through.is_none().then(|| MeterView {
                through: Some(other.clone()),
                role,
                ..MeterView::new(name, medium, protocol, port)
            })
        })?;
        self.0.push(adopted);
        self.0.last_mut()
    }

    pub(super) fn cut_off(&mut self, name: &str) {
        if let Some(meter) = self.0.iter_mut().find(|meter| meter.api.name == name) {
            meter.is_cut_off = true;
        }
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
    fn configured(meter: &MeterConfig) -> Self {
        let correction = meter.correction.unwrap_or(Decimal::ONE);
        let factor = meter.calorific_value.map(|value| value * correction);
        Self {
            role: meter.role,
            part: meter.part,
            gas_kwh_per_m3: factor,
            ..Self::new(
                &meter.name,
                meter.medium,
                meter.protocol.name(),
                &meter.port.display().to_string(),
            )
        }
    }

    /// Energy of a volume of gas in kWh, where the factors are known.
    pub(super) fn gas_kwh(&self, volume_m3: Decimal) -> Option<Decimal> {
        volume_m3.checked_mul(self.gas_kwh_per_m3?)
    }

    /// True for a meter that is heard by radio.
    pub(super) fn is_radio(&self) -> bool {
        self.api.protocol == Protocol::Wmbus.name()
    }

    /// True for a plug of the Zigbee network.
    pub(super) fn is_plug(&self) -> bool {
        self.api.protocol == Protocol::Zigbee.name()
    }

    fn take_fields(&mut self, fields: &[Field], at: Timestamp) {
        for field in fields {
            let told = wattle_api::Field {
                name: field.name.clone(),
                value: field.value.clone(),
                received_at: at,
                doubted: None,
            };
            let known = self.api.fields.iter_mut();
            match known.into_iter().find(|known| known.name == field.name) {
                Some(known) if known.received_at <= at => *known = told,
                Some(_) => {}
                None => self.api.fields.push(told),
            }
        }
    }

    /// Marks what is not believed; the last value that was stays.
    fn doubt(&mut self, doubts: &[Doubt], at: Timestamp) {
        for doubt in doubts {
            let told = Some(format!("{}: {}", doubt.value, doubt.reason));
            let known = self.api.fields.iter_mut();
            match known.into_iter().find(|known| known.name == doubt.field) {
                Some(known) if known.received_at <= at => known.doubted = told,
                Some(_) => {}
                None => self.api.fields.push(wattle_api::Field {
                    name: doubt.field.clone(),
                    value: None,
                    received_at: at,
                    doubted: told,
                }),
            }
        }
    }

    fn new(name: &str, medium: Medium, protocol: &str, port: &str) -> Self {
        Self {
            part: None,
            api: Meter {
                name: name.to_owned(),
                id: None,
                medium,
                manufacturer: None,
                protocol: protocol.to_owned(),
                port: port.to_owned(),
                received_at: None,
                freshness: None,
                telegrams: 0,
                rejected: 0,
                registers: Vec::new(),
                fields: Vec::new(),
                tariff: None,
                states: BTreeMap::new(),
                outages: Vec::new(),
            },
            through: None,
            role: Role::default(),
            values: BTreeMap::new(),
            gas_kwh_per_m3: None,
            period: None,
            is_cut_off: false,
        }
    }

    /// How old a value received at `at` is, by the meter's usual period.
    pub(super) fn freshness(&self, at: Timestamp, now: Timestamp) -> Freshness {
        let age = now.duration_since(at);
        let (live, lost) = match self.period {
            _ if self.is_plug() => (PLUG_LIVE, LOST),
            _ if !self.is_radio() => (LIVE, LOST),
            None => (RADIO_LIVE, RADIO_LOST),
            Some(period) => (LOST, RADIO_LIVE.max(period * 12)),
        };
        let is_live = age <= live.max(self.period.unwrap_or_default() * 3);
        if is_live && !self.is_cut_off {
            Freshness::Live
        } else if age <= lost {
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

    /// Takes what was told beside the numbers; a telegram that tells nothing changes nothing.
    fn indicate(&mut self, told: &Indications) {
        if told.is_empty() {
            return;
        }
        let color = |color: DayColor| color.name().to_owned();
        self.api.tariff = told.tariff.as_ref().map(|tariff| MeterTariff {
            number: tariff.number,
            name: tariff.name.clone(),
            color_today: tariff.color_today.map(color),
            color_tomorrow: tariff.color_tomorrow.map(color),
            peak: tariff.peak,
            peak_announced: tariff.peak_announced,
        });
        self.api.states.clone_from(&told.states);
        let outage = |outage: &model::Outage| Outage {
            ended_at: outage.ended_at,
            seconds: outage.seconds,
        };
        self.api.outages = told.outages.iter().map(outage).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use meter_link::model::Check;

    use crate::store::StoredValue;

    pub(super) fn stored(name: &str, obis: [u8; 6], value: i64) -> StoredTelegram {
        StoredTelegram {
            name: name.to_owned(),
            serial: format!("serial of {name}"),
            manufacturer: None,
            received_at: Timestamp::UNIX_EPOCH,
            captured_at: None,
            check: Check::Crc,
            values: vec![StoredValue {
                obis: ObisCode(obis),
                unit: Unit::CubicMetre,
                value: Decimal::from(value),
                quality: Quality::Measured,
                status: None,
            }],
            indications: Indications::default(),
            closed_interval: false,
            doubts: Vec::new(),
            fields: Vec::new(),
        }
    }

    pub(super) fn meters(text: &str) -> Meters {
        let config: crate::config::Config = toml::from_str(text).unwrap();
        Meters::new(&config.meters)
    }

    #[test]
    fn meters_on_channels_appear_by_themselves() {
        let mut meters =
            meters("[[meter]]\nname = \"house\"\nprotocol = \"p1\"\nport = \"/dev/p1\"\n");
        let gas = stored("house gas", [7, 0, 3, 0, 0, 255], 12);
        assert!(meters.is_new(&gas));
        meters.take(&gas);
        meters.take(&stored("house gas 2", [7, 0, 3, 0, 0, 255], 13));
        meters.take(&stored("house water", [8, 0, 1, 0, 0, 255], 14));
        meters.take(&stored("shed gas", [7, 0, 3, 0, 0, 255], 15));
        assert!(!meters.is_new(&gas));
        let names: Vec<String> = meters.api().into_iter().map(|meter| meter.name).collect();
        assert_eq!(names, ["house", "house gas", "house gas 2", "house water"]);
        let gas = meters.of(Medium::Gas).unwrap();
        assert_eq!(gas.api.name, "house gas");
        assert_eq!(gas.volume_m3().unwrap().0, Decimal::from(12));
        assert_eq!(meters.counted().len(), 2);
    }

    #[test]
    fn a_plug_behind_a_lost_stick_is_stale_until_it_is_heard_again() {
        let mut meters = meters(
            "[[meter]]\nname = \"kettle\"\nprotocol = \"zigbee\"\nid = \"00124b0000000001\"\n\
             role = \"submeter\"\n",
        );
        let freshness = |meters: &mut Meters| {
            let at = meters.named("kettle").unwrap().api.received_at.unwrap();
            meters.age(at);
            meters.named("kettle").unwrap().api.freshness
        };
        meters.take(&stored("kettle", [1, 0, 16, 7, 0, 255], 12));
        assert_eq!(freshness(&mut meters), Some(Freshness::Live));
        meters.cut_off("kettle");
        assert_eq!(freshness(&mut meters), Some(Freshness::Stale));
        meters.take(&stored("kettle", [1, 0, 16, 7, 0, 255], 13));
        assert_eq!(freshness(&mut meters), Some(Freshness::Live));
    }

    #[test]
    fn a_plug_that_says_the_same_once_a_minute_is_live() {
        let plug = MeterView::new("kettle", Medium::Electricity, "zigbee", "/dev/ttyUSB0");
        let fresh = |seconds| {
            let heard = Timestamp::UNIX_EPOCH;
            plug.freshness(heard, heard + SignedDuration::from_secs(seconds))
        };
        assert_eq!(
            [130, 190, 310].map(fresh),
            [Freshness::Live, Freshness::Stale, Freshness::Lost]
        );
    }

    #[test]
    fn a_configured_meter_is_the_homes() {
        let text = "[[meter]]\nname = \"house\"\nprotocol = \"p1\"\nport = \"/dev/p1\"\n\
            [[meter]]\nname = \"cellar\"\nmedium = \"gas\"\nprotocol = \"sml\"\nport = \"/dev/o0\"\n";
        let mut meters = meters(text);
        meters.take(&stored("house gas", [7, 0, 3, 0, 0, 255], 12));
        assert_eq!(meters.of(Medium::Gas).unwrap().api.name, "cellar");
    }
}
