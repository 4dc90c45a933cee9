//! The kinds of devices that the mesh has.

use han::Value;
use han::zigbee::key_establishment::Suite;

use super::authority::identity;
use super::device::{Curve, Device, Endpoint, Load};
use super::energy_services::EnergyServices;
use super::upgrade::Upgrade;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn basic(device: Device, model: &str, battery: bool) -> Device {
    device
        .with(1, 0x0000, 0x0000, 0x20, Value::Unsigned(8))
        .with(1, 0x0000, 0x0001, 0x20, Value::Unsigned(1))
        .with(1, 0x0000, 0x0002, 0x20, Value::Unsigned(1))
        .with(1, 0x0000, 0x0003, 0x20, Value::Unsigned(1))
        .with(1, 0x0000, 0x0004, 0x42, text("wattle simulation"))
        .with(1, 0x0000, 0x0005, 0x42, text(model))
        .with(1, 0x0000, 0x0006, 0x42, text("20260101"))
        .with(
            1,
            0x0000,
            0x0007,
            0x30,
            Value::Unsigned(if battery { 3 } else { 1 }),
        )
        .with(1, 0x0000, 0x4000, 0x42, text("1.0.0"))
}

fn endpoint(profile: u16, device: u16, inputs: &[u16], outputs: &[u16]) -> Endpoint {
    Endpoint {
        id: 1,
        profile,
        device,
        inputs: inputs.to_vec(),
        outputs: outputs.to_vec(),
    }
}

/// A smart plug with a relay and a meter that counts watt-hours.
#[must_use]
pub fn plug(ieee: u64, nwk: u16, curve: Curve) -> Device {
    let mut device = basic(Device::new(ieee, nwk), "WS-Plug", false)
        .with(1, 0x0006, 0x0000, 0x10, Value::Bool(true))
        .with(1, 0x0006, 0x4003, 0x30, Value::Unsigned(0xFF))
        .with(1, 0x0702, 0x0000, 0x25, Value::Unsigned(0))
        .with(1, 0x0702, 0x0200, 0x18, Value::Unsigned(0))
        .with(1, 0x0702, 0x0300, 0x30, Value::Unsigned(0))
        .with(1, 0x0702, 0x0301, 0x22, Value::Unsigned(1))
        .with(1, 0x0702, 0x0302, 0x22, Value::Unsigned(1000))
        .with(1, 0x0702, 0x0306, 0x18, Value::Unsigned(0))
        .with(1, 0x0702, 0x0400, 0x2A, Value::Signed(0))
        .with(1, 0x0B04, 0x0505, 0x21, Value::Unsigned(2300))
        .with(1, 0x0B04, 0x0508, 0x21, Value::Unsigned(0))
        .with(1, 0x0B04, 0x050B, 0x29, Value::Signed(0))
        .with(1, 0x0B04, 0x0600, 0x21, Value::Unsigned(1))
        .with(1, 0x0B04, 0x0601, 0x21, Value::Unsigned(10))
        .with(1, 0x0B04, 0x0602, 0x21, Value::Unsigned(1))
        .with(1, 0x0B04, 0x0603, 0x21, Value::Unsigned(1000))
        .with(1, 0x0B04, 0x0604, 0x21, Value::Unsigned(1))
        .with(1, 0x0B04, 0x0605, 0x21, Value::Unsigned(10));
    let inputs = [0x0000, 0x0003, 0x0004, 0x0006, 0x0702, 0x0B04];
    device.endpoints = vec![endpoint(0x0104, 0x0051, &inputs, &[0x0019])];
    device.load = Some(Load::new(curve));
    device
}

/// A plug that looks for firmware.
#[must_use]
pub fn upgradable_plug(ieee: u64, nwk: u16, curve: Curve) -> Device {
    let mut device = plug(ieee, nwk, curve);
    device.upgrade = Some(Upgrade::default());
    device
}

/// A plug whose divisor is 0, so that nobody can know what it has counted.
#[must_use]
pub fn plug_without_divisor(ieee: u64, nwk: u16, curve: Curve) -> Device {
    let mut device = plug(ieee, nwk, curve);
    device.set(1, 0x0702, 0x0302, Value::Unsigned(0));
    device
}

/// A thermostat that takes part in demand response.
#[must_use]
pub fn thermostat(ieee: u64, nwk: u16) -> Device {
    let mut device = basic(Device::new(ieee, nwk), "WS-Thermostat", false)
        .with(1, 0x0201, 0x0000, 0x29, Value::Signed(2080))
        .with(1, 0x0201, 0x0011, 0x29, Value::Signed(2600))
        .with(1, 0x0201, 0x0012, 0x29, Value::Signed(2100))
        .with(1, 0x0201, 0x001B, 0x30, Value::Unsigned(2))
        .with(1, 0x0201, 0x001C, 0x30, Value::Unsigned(4));
    device.endpoints = vec![endpoint(
        0x0104,
        0x0301,
        &[0x0000, 0x0003, 0x0201],
        &[0x000A],
    )];
    device
}

/// An in-home display of the Smart Energy profile: it wants prices and messages.
#[must_use]
pub fn display(ieee: u64, nwk: u16) -> Device {
    let mut device = basic(Device::new(ieee, nwk), "WS-Display", false);
    let outputs = [0x000A, 0x0700, 0x0702, 0x0703, 0x0704, 0x0705, 0x0707];
    device.endpoints = vec![endpoint(0x0109, 0x0502, &[0x0000, 0x0003], &outputs)];
    device.energy_services = Some(EnergyServices::display().with(identity(Suite::One, ieee)));
    device
}

/// A load-control device of the Smart Energy profile with a water heater behind it.
#[must_use]
pub fn load_control(ieee: u64, nwk: u16, curve: Curve) -> Device {
    let mut device = basic(Device::new(ieee, nwk), "WS-LoadControl", false)
        .with(1, 0x0701, 0x0000, 0x20, Value::Unsigned(0))
        .with(1, 0x0701, 0x0001, 0x20, Value::Unsigned(5))
        .with(1, 0x0701, 0x0002, 0x20, Value::Unsigned(0))
        .with(1, 0x0701, 0x0003, 0x21, Value::Unsigned(0x0004));
    device.endpoints = vec![endpoint(
        0x0109,
        0x0504,
        &[0x0000, 0x0003],
        &[0x000A, 0x0701],
    )];
    device.energy_services =
        Some(EnergyServices::load_control(0x0004).with(identity(Suite::One, ieee)));
    device.load = Some(Load::new(curve));
    device
}

/// A temperature sensor on a battery that wakes every three seconds.
#[must_use]
pub fn sensor(ieee: u64, nwk: u16) -> Device {
    let mut device = basic(Device::new(ieee, nwk), "WS-Sensor", true)
        .with(1, 0x0001, 0x0021, 0x20, Value::Unsigned(170))
        .with(1, 0x0402, 0x0000, 0x29, Value::Signed(2150));
    device.endpoints = vec![endpoint(
        0x0104,
        0x0302,
        &[0x0000, 0x0001, 0x0003, 0x0402],
        &[0x0019],
    )];
    device.router = false;
    device.latency_ms = 3000;
    device
}

/// A small home: three plugs, a thermostat, a display, a water heater, a sensor, and a plug that
/// cannot be trusted.
#[must_use]
pub fn home() -> Vec<Device> {
    const OUI: u64 = 0x0012_4B00_0000_0000;
    let kettle = Curve::Day(vec![
        (0, 2),
        (25_200, 2000),
        (25_380, 2),
        (61_200, 2000),
        (61_380, 2),
    ]);
    let washer = Curve::Day(vec![
        (0, 3),
        (36_000, 2100),
        (37_200, 250),
        (41_400, 400),
        (42_000, 3),
    ]);
    vec![
        plug(OUI | 0x01, 0x1A01, Curve::Constant(120)),
        plug(OUI | 0x02, 0x1A02, kettle),
        upgradable_plug(OUI | 0x03, 0x1A03, washer),
        thermostat(OUI | 0x04, 0x1A04),
        display(OUI | 0x05, 0x1A05),
        load_control(OUI | 0x06, 0x1A06, Curve::Constant(2000)),
        sensor(OUI | 0x07, 0x1A07),
        plug_without_divisor(OUI | 0x08, 0x1A08, Curve::Constant(40)),
    ]
}
