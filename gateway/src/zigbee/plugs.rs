//! Plugs as meters: each that counts is a submeter of the home, with a name, in the store, in MQTT
//! and in the API like any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use han::zigbee::devices::Measured;
use jiff::Timestamp;
use meter_link::model::{
    Check, Indications, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value,
};
use rust_decimal::Decimal;
use tokio::sync::mpsc;

use super::book;
use crate::bus::{Bus, Event};
use crate::config::{Config, MeterConfig, Protocol};
use crate::store::Incoming;

/// The state of a meter that says whether the plug's relay is `on` or `off`.
pub const RELAY: &str = "relay";
/// `1-0:32.7.0*255`: voltage of phase 1.
const VOLTAGE: ObisCode = ObisCode([1, 0, 32, 7, 0, 255]);

/// Adds the plugs that were counted before and that the configuration does not name, so that they
/// are known from the start.
pub fn adopt_known(config: &mut Config) {
    if !config.zigbee.is_on() || config.zigbee.is_display() {
        return;
    }
    for ieee in book::plugs(&config.gateway.state_dir) {
        let known = |meter: &MeterConfig| meter.zigbee_address() == Some(ieee);
        if !config.meters.iter().any(known) {
            config.meters.extend(unnamed(ieee));
        }
    }
}

/// The configuration of a plug that nobody has named.
fn unnamed(ieee: u64) -> Option<MeterConfig> {
    let mut table = toml::Table::new();
    let mut put = |key: &str, value: String| drop(table.insert(key.to_owned(), value.into()));
    put("name", format!("plug {:06x}", ieee & 0x00FF_FFFF));
    put("protocol", Protocol::Zigbee.name().to_owned());
    put("id", format!("{ieee:016x}"));
    put("role", "submeter".to_owned());
    table.try_into().ok()
}

/// The plugs of the network.
pub(super) struct Plugs {
    names: BTreeMap<u64, String>,
    port: String,
    queue: mpsc::Sender<Incoming>,
    bus: Bus,
    measured: BTreeMap<u64, Latest>,
}

/// What a plug has told last.
#[derive(Default)]
struct Latest {
    energy_kwh: Option<Decimal>,
    power_w: Option<Decimal>,
    voltage_v: Option<Decimal>,
    on: Option<bool>,
    is_new: bool,
}

impl Plugs {
    pub(super) fn new(
        meters: &[MeterConfig],
        port: &str,
        queue: mpsc::Sender<Incoming>,
        bus: Bus,
    ) -> Self {
        let plugs = meters.iter().filter(|one| one.protocol == Protocol::Zigbee);
        let names = plugs.filter_map(|one| Some((one.zigbee_address()?, one.name.clone())));
        Self {
            names: names.collect(),
            port: port.to_owned(),
            queue,
            bus,
            measured: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, ieee: u64, measured: &Measured) {
        let latest = self.measured.entry(ieee).or_default();
        match measured {
            Measured::PowerW(power) => latest.power_w = Some(*power),
            Measured::EnergyKwh(energy) => latest.energy_kwh = Some(*energy),
            Measured::VoltageV(voltage) => {
                latest.voltage_v = Some(*voltage);
                return;
            }
            Measured::On(on) => latest.on = Some(*on),
            _ => return,
        }
        latest.is_new = true;
    }

    /// Whether a device is one of the home's meters, which are missed like any other meter.
    pub(super) fn is_meter(&self, ieee: u64) -> bool {
        self.names.contains_key(&ieee)
    }

    /// The stick is lost: what was measured before says nothing of now.
    pub(super) fn lost(&mut self) {
        self.measured.clear();
        for name in self.names.values().cloned() {
            self.bus.send(Event::CutOff { name });
        }
    }

    /// Hands what is new to the store. When the store is behind, this report is left out: the next
    /// one has the same register and more.
    pub(super) fn store(&mut self, now: Timestamp) {
        for (ieee, latest) in &mut self.measured {
            if !std::mem::take(&mut latest.is_new) {
                continue;
            }
            if latest.power_w.is_none() && latest.energy_kwh.is_none() {
                continue;
            }
            let name = match self.names.get(ieee) {
                Some(name) => name.clone(),
                // Only what counts is a meter; a relay that tells its power alone is not.
                None if latest.energy_kwh.is_none() => continue,
                None => {
                    let Some(meter) = unnamed(*ieee) else {
                        continue;
                    };
                    let name = meter.name.clone();
                    self.names.insert(*ieee, name.clone());
                    self.bus.send(Event::Adopted(Arc::new(meter)));
                    name
                }
            };
            let serial = format!("{ieee:016x}");
            let incoming = Incoming {
                name,
                serial: serial.clone(),
                received_at: now,
                port: self.port.clone(),
                telegram: telegram(&serial, latest),
                fields: Vec::new(),
                counter: None,
                doubts: Vec::new(),
            };
            if self.queue.try_send(incoming).is_err() {
                latest.is_new = true;
            }
        }
    }
}

fn telegram(serial: &str, latest: &Latest) -> Telegram {
    let value = |register, number: Option<Decimal>, unit| {
        Some(RegisterValue {
            register,
            value: Value::Number(number?),
            unit: Some(unit),
            status: None,
            captured_at: None,
            quirk: None,
        })
    };
    let energy = latest
        .energy_kwh
        .map(|kwh| (kwh * Decimal::ONE_THOUSAND).normalize());
    let values = [
        value(ObisCode::ACTIVE_ENERGY_IMPORT, energy, Unit::WattHour),
        value(ObisCode::ACTIVE_POWER_NET, latest.power_w, Unit::Watt),
        value(VOLTAGE, latest.voltage_v, Unit::Volt),
    ];
    let mut indications = Indications::default();
    if let Some(on) = latest.on {
        let state = if on { "on" } else { "off" };
        indications
            .states
            .insert(RELAY.to_owned(), state.to_owned());
    }
    Telegram {
        indications,
        meter: MeterId::new(serial),
        values: values.into_iter().flatten().collect(),
        // Frames on the serial line have a check sum of 16 bits, those on the air another one.
        check: Check::Crc,
        ..Telegram::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plug_is_taken_on_once_it_counts_and_told_in_watt_hours() {
        let (queue, mut stored) = mpsc::channel(4);
        let bus = Bus::default();
        let mut heard = bus.listen();
        let mut plugs = Plugs::new(&[], "stick", queue, bus);
        plugs.take(0xA1B2_C3D4, &Measured::PowerW(Decimal::new(12, 1)));
        plugs.store(Timestamp::UNIX_EPOCH);
        assert!(stored.try_recv().is_err());
        plugs.take(
            0xA1B2_C3D4,
            &Measured::EnergyKwh(Decimal::new(1_234_567, 3)),
        );
        plugs.store(Timestamp::UNIX_EPOCH);
        let incoming = stored.try_recv().unwrap();
        assert_eq!(incoming.name, "plug b2c3d4");
        assert_eq!(incoming.serial, "00000000a1b2c3d4");
        let numbers: Vec<_> = incoming
            .telegram
            .values
            .iter()
            .map(|one| {
                (
                    one.register.to_string(),
                    one.value.number().unwrap().to_string(),
                )
            })
            .collect();
        assert_eq!(
            numbers,
            [
                ("1-0:1.8.0*255".to_owned(), "1234567".to_owned()),
                ("1-0:16.7.0*255".to_owned(), "1.2".to_owned()),
            ]
        );
        assert!(
            matches!(heard.try_recv(), Ok(Event::Adopted(meter)) if meter.name == "plug b2c3d4")
        );
        plugs.store(Timestamp::UNIX_EPOCH);
        assert!(stored.try_recv().is_err(), "nothing is new");
        let folder = tempfile::tempdir().unwrap();
        assert!(book::plugs(folder.path()).is_empty());
    }
}
