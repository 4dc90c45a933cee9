//! One list of all devices of the home, whatever carries them: Zigbee, the powerline, the network.
//!
//! What mDNS finds and what Modbus/TCP meters are read from has an address of the network; the
//! kernel's table of neighbours tells which Ethernet address that is, and the powerline's adapters
//! tell which of them are behind whom. So a device says over which adapter it is reached.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use wattle_api::{
    Adapter, Device, DeviceKind, DeviceVia, FoundKind, FoundService, Meter, Outlet, Powerline,
    Zigbee, ZigbeeDevice,
};

/// Devices that are listed at most.
const MOST: usize = 512;
/// The kernel's neighbours, as this process sees them (`proc(5)`).
const NEIGHBOURS: &str = "/proc/self/net/arp";

/// Ethernet addresses by address of the network.
pub(crate) type Neighbours = BTreeMap<String, String>;

/// What the list is made of.
pub(crate) struct Known<'a> {
    pub(crate) zigbee: &'a Zigbee,
    pub(crate) services: &'a [FoundService],
    pub(crate) powerlines: &'a [Powerline],
    pub(crate) outlets: &'a [Outlet],
    pub(crate) meters: &'a [Meter],
    pub(crate) neighbours: &'a Neighbours,
}

/// All devices, by kind and name.
pub(crate) fn all(known: &Known<'_>) -> Vec<Device> {
    let mut devices: Vec<Device> = known.zigbee.devices.iter().map(of_zigbee).collect();
    devices.extend(known.services.iter().filter_map(of_service));
    for meter in known.meters {
        let Some(host) = modbus_host(meter) else {
            continue;
        };
        let there = devices.iter_mut().find(|device| is_at(device, host));
        match there {
            Some(device) => read_by(device, meter),
            None => devices.push(of_meter(meter, host)),
        }
    }
    place(&mut devices, known);
    devices.extend(known.outlets.iter().filter_map(of_outlet));
    devices.sort_by(|a, b| (a.kind, &a.name, &a.id).cmp(&(b.kind, &b.name, &b.id)));
    devices.truncate(MOST);
    devices
}

/// Reads the kernel's table of neighbours; what cannot be read tells of none.
pub(crate) fn neighbours() -> Neighbours {
    let table = std::fs::read_to_string(NEIGHBOURS).unwrap_or_default();
    parse(&table)
}

/// Lines of address, hardware type, flags, hardware address, mask and device after a headline; an
/// entry without an answer has the flags 0x0.
fn parse(table: &str) -> Neighbours {
    let entries = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let address = columns.next()?;
        let flags = columns.nth(1)?;
        let mac = columns.next()?;
        (flags != "0x0").then(|| (address.to_owned(), mac.to_ascii_lowercase()))
    });
    entries.take(MOST).collect()
}

/// A device of which nothing but its name and place is known.
fn device(id: String, name: &str, kind: DeviceKind, via: DeviceVia) -> Device {
    Device {
        id,
        name: name.to_owned(),
        kind,
        via,
        adapter: None,
        manufacturer: None,
        model: None,
        addresses: Vec::new(),
        last_seen: None,
        meter: None,
        power_w: None,
        energy_kwh: None,
        setup: None,
    }
}

fn of_zigbee(found: &ZigbeeDevice) -> Device {
    let kind = match (found.heating_setpoint_c, found.on) {
        (Some(_), _) => DeviceKind::Thermostat,
        (None, Some(_)) => DeviceKind::Switch,
        (None, None) => DeviceKind::Other,
    };
    let name = found.model.as_deref().unwrap_or(&found.ieee);
    let id = format!("zigbee:{}", found.ieee);
    Device {
        manufacturer: found.manufacturer.clone(),
        model: found.model.clone(),
        last_seen: found.last_heard,
        power_w: found.power_w,
        energy_kwh: found.energy_kwh,
        ..device(id, name, kind, DeviceVia::Zigbee)
    }
}

/// A service that is a device of the home; brokers and servers of others are none.
fn of_service(found: &FoundService) -> Option<Device> {
    let property = |key: &str| {
        let mut all = found.properties.iter();
        let (_, value) = all.find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        (!value.is_empty()).then(|| value.clone())
    };
    let (kind, word) = match found.kind {
        FoundKind::Eebus => (eebus(property("type").as_deref()), "eebus"),
        FoundKind::ModbusTcp => (DeviceKind::Modbus, "modbus"),
        FoundKind::Ieee2030_5 => (DeviceKind::Ieee2030Dot5, "ieee2030.5"),
        _ => return None,
    };
    let id = format!("mdns:{word}:{}", found.name);
    Some(Device {
        manufacturer: property("brand"),
        model: property("model"),
        addresses: found.addresses.clone(),
        last_seen: Some(found.since),
        setup: found.setup.clone(),
        ..device(id, &found.name, kind, DeviceVia::Network)
    })
}

/// The type that SHIP 1.0.1, 7.3.2 has in its record; makers write it in their own ways.
fn eebus(told: Option<&str>) -> DeviceKind {
    let told = told.unwrap_or_default().to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| told.contains(word));
    if any(&["charg", "evse", "wallbox"]) {
        DeviceKind::ChargingStation
    } else if any(&["heatpump", "heat_pump", "heat pump"]) {
        DeviceKind::HeatPump
    } else if any(&["storage", "battery"]) {
        DeviceKind::Battery
    } else if any(&["inverter", "pvsystem"]) {
        DeviceKind::Inverter
    } else if any(&["energymanagement", "hems"]) {
        DeviceKind::EnergyManager
    } else {
        DeviceKind::Other
    }
}

/// The host of a meter that is read over Modbus/TCP.
fn modbus_host(meter: &Meter) -> Option<&str> {
    let place = meter.port.strip_prefix("tcp:")?;
    let (host, _) = place.rsplit_once(':')?;
    (meter.protocol == "modbus").then_some(host)
}

fn is_at(device: &Device, host: &str) -> bool {
    device.addresses.iter().any(|address| address == host)
}

fn of_meter(meter: &Meter, host: &str) -> Device {
    let id = format!("meter:{}", meter.name);
    let mut found = device(id, &meter.name, DeviceKind::Modbus, DeviceVia::Network);
    found.addresses.push(host.to_owned());
    found.last_seen = meter.received_at;
    read_by(&mut found, meter);
    found
}

/// What a meter says of the device that it reads.
fn read_by(device: &mut Device, meter: &Meter) {
    let value = |codes: &[&str], unit: &str| {
        let mut registers = meter.registers.iter();
        let found = registers.find(|register| {
            codes.iter().any(|code| register.obis.starts_with(code)) && register.unit == unit
        });
        found.map(|register| register.value)
    };
    device.meter = Some(meter.name.clone());
    device.last_seen = meter.received_at.max(device.last_seen);
    device.power_w = value(&["1-0:16.7.0", "1-0:1.7.0"], "W");
    let energy = value(&["1-0:1.8.0"], "Wh");
    device.energy_kwh = energy.and_then(|energy| energy.checked_div(Decimal::ONE_THOUSAND));
}

fn of_outlet(outlet: &Outlet) -> Option<Device> {
    let car = outlet.car.as_ref()?;
    let id = format!("mac:{}", car.mac);
    let name = format!("car at {}", outlet.name);
    Some(Device {
        last_seen: Some(car.since),
        ..device(id, &name, DeviceKind::Car, DeviceVia::Powerline)
    })
}

/// Says of each device behind which adapter it is, and lists the adapters and the other hosts
/// behind them.
fn place(devices: &mut Vec<Device>, known: &Known<'_>) {
    let adapters = known.powerlines.iter().flat_map(|line| &line.adapters);
    for adapter in adapters {
        let called = adapter.name.as_ref().unwrap_or(&adapter.mac);
        // Whoever is behind the own adapter is not reached over the powerline.
        let hosts = hosts(adapter).filter(|_| !adapter.local);
        for mac in hosts {
            let addresses = known.neighbours.iter().filter(|(_, other)| **other == *mac);
            let addresses: Vec<String> = addresses.map(|(address, _)| address.clone()).collect();
            let mut is_known = false;
            for device in devices.iter_mut() {
                if addresses.iter().any(|address| is_at(device, address)) {
                    device.via = DeviceVia::Powerline;
                    device.adapter = Some(called.clone());
                    is_known = true;
                }
            }
            let is_car = |outlet: &Outlet| {
                let car = outlet.car.as_ref();
                car.is_some_and(|car| car.mac.eq_ignore_ascii_case(mac))
            };
            if is_known || known.outlets.iter().any(is_car) {
                continue;
            }
            let id = format!("mac:{mac}");
            devices.push(Device {
                adapter: Some(called.clone()),
                addresses,
                last_seen: Some(adapter.seen_at),
                ..device(id, mac, DeviceKind::Host, DeviceVia::Powerline)
            });
        }
        let id = format!("mac:{}", adapter.mac);
        devices.push(Device {
            model: adapter.version.clone(),
            last_seen: Some(adapter.seen_at),
            ..device(
                id,
                called,
                DeviceKind::PowerlineAdapter,
                DeviceVia::Powerline,
            )
        });
    }
}

/// The hosts behind an adapter, with those of which only one was told.
fn hosts(adapter: &Adapter) -> impl Iterator<Item = &String> {
    let told = adapter.bridged_mac.iter();
    let more = told.filter(|mac| !adapter.hosts.contains(mac));
    adapter.hosts.iter().chain(more)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use wattle_api::{Medium, PluggedCar, PowerlineStatus, Register};

    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn service(kind: FoundKind, name: &str, address: &str, told: &[(&str, &str)]) -> FoundService {
        let told = told.iter();
        FoundService {
            kind,
            name: name.to_owned(),
            host: format!("{name}.local"),
            addresses: vec![address.to_owned()],
            port: 502,
            properties: told
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            url: None,
            setup: None,
            since: AT,
        }
    }

    fn adapter(last: u8, local: bool, hosts: &[&str]) -> Adapter {
        Adapter {
            mac: format!("00:b0:52:00:00:{last:02x}"),
            name: (!local).then(|| "garage".to_owned()),
            local,
            bridged_mac: None,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            version: None,
            tx_mbit: None,
            rx_mbit: None,
            seen_at: AT,
            alarm: None,
            hours: Vec::new(),
        }
    }

    fn meter(name: &str, port: &str) -> Meter {
        let register = |obis: &str, value: &str, unit: &str| Register {
            obis: obis.to_owned(),
            value: value.parse().unwrap(),
            unit: unit.to_owned(),
            received_at: AT,
            quality: "measured".to_owned(),
            check: "crc".to_owned(),
        };
        Meter {
            name: name.to_owned(),
            id: None,
            medium: Medium::Electricity,
            manufacturer: None,
            protocol: "modbus".to_owned(),
            port: port.to_owned(),
            received_at: Some(AT),
            freshness: None,
            telegrams: 1,
            rejected: 0,
            registers: vec![
                register("1-0:1.8.0*255", "1234500", "Wh"),
                register("1-0:16.7.0*255", "2300", "W"),
            ],
            fields: Vec::new(),
            tariff: None,
            states: BTreeMap::new(),
            outages: Vec::new(),
        }
    }

    #[test]
    fn devices_say_over_which_adapter_they_are_reached() {
        let zigbee: ZigbeeDevice = serde_json::from_value(serde_json::json!({
            "ieee": "00124b0001020304", "model": "TS011F", "interviewed": true, "on": true,
            "power_w": "12.5"
        }))
        .unwrap();
        let zigbee = Zigbee {
            devices: vec![zigbee],
            ..Zigbee::default()
        };
        let services = [
            service(
                FoundKind::Eebus,
                "vitocal",
                "192.0.2.20",
                &[("type", "HeatPumpAppliance"), ("brand", "Simulated")],
            ),
            service(FoundKind::ModbusTcp, "em24", "192.0.2.21", &[]),
            service(FoundKind::MqttBroker, "broker", "192.0.2.22", &[]),
        ];
        let line = Powerline {
            interface: "eth1".to_owned(),
            status: PowerlineStatus::Up,
            trouble: None,
            nid: None,
            answered_at: Some(AT),
            adapters: vec![
                adapter(1, true, &["02:00:00:00:00:01"]),
                adapter(2, false, &["02:00:00:00:00:21", "02:00:00:00:00:99"]),
            ],
        };
        let neighbours = parse(
            "IP address       HW type     Flags       HW address            Mask     Device\n\
             192.0.2.21       0x1         0x2         02:00:00:00:00:21     *        eth1\n\
             192.0.2.20       0x1         0x0         00:00:00:00:00:00     *        eth1\n",
        );
        let outlet = Outlet {
            name: "carport".to_owned(),
            car: Some(PluggedCar {
                mac: "02:00:00:00:00:07".to_owned(),
                attenuation_db: 12,
                since: AT,
            }),
            max_kw: Decimal::from(11),
            limit_kw: Decimal::from(11),
            limited_by: None,
        };
        let devices = all(&Known {
            zigbee: &zigbee,
            services: &services,
            powerlines: &[line],
            outlets: &[outlet],
            meters: &[
                meter("heat pump", "tcp:192.0.2.21:502"),
                meter("sauna", "tcp:192.0.2.30:502"),
                meter("bus", "/dev/ttyUSB0"),
            ],
            neighbours: &neighbours,
        });
        let listed: Vec<String> = devices
            .iter()
            .map(|one| {
                let behind = one.adapter.as_deref().unwrap_or("-");
                format!("{:?} {} {:?} {behind}", one.kind, one.name, one.via)
            })
            .collect();
        let want = [
            "Car car at carport Powerline -",
            "HeatPump vitocal Network -",
            "Modbus em24 Powerline garage",
            "Modbus sauna Network -",
            "Switch TS011F Zigbee -",
            "PowerlineAdapter 00:b0:52:00:00:01 Powerline -",
            "PowerlineAdapter garage Powerline -",
            "Host 02:00:00:00:00:99 Powerline garage",
        ];
        assert_eq!(listed, want);
        let metered = &devices[2];
        assert_eq!(metered.meter.as_deref(), Some("heat pump"));
        assert_eq!(metered.energy_kwh, Some("1234.5".parse().unwrap()));
        assert_eq!(metered.power_w, Some(Decimal::from(2_300)));
    }

    #[test]
    fn makers_words_for_what_they_make() {
        for (told, kind) in [
            ("ChargingStation", DeviceKind::ChargingStation),
            ("Wallbox", DeviceKind::ChargingStation),
            ("HeatPumpAppliance", DeviceKind::HeatPump),
            ("ElectricityStorageSystem", DeviceKind::Battery),
            ("Inverter", DeviceKind::Inverter),
            ("EnergyManagementSystem", DeviceKind::EnergyManager),
            ("Dishwasher", DeviceKind::Other),
        ] {
            assert_eq!(eebus(Some(told)), kind, "{told}");
        }
        assert_eq!(eebus(None), DeviceKind::Other);
    }
}
