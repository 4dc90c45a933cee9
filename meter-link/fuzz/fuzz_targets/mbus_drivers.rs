//! Drivers: any payload is read by every driver without a panic; any text is a driver or an error.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use meter_link::mbus::{DeviceAddress, Records};
use meter_link::profile::mbus::{Driver, DriverSet, Source};

static DRIVERS: LazyLock<Vec<Arc<Driver>>> = LazyLock::new(|| {
    let mut set = DriverSet::builtin();
    let names: Vec<String> = set.names().map(str::to_owned).collect();
    names.iter().filter_map(|name| set.by_name(name)).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let mut records = Records::new(bytes);
    let read: Vec<_> = records.by_ref().flatten().collect();
    let source = Source {
        records: &read,
        manufacturer_data: records.manufacturer_data().map(|data| data.bytes),
        payload: bytes,
        frame: bytes,
        link_address: DeviceAddress::from_link([0; 8]),
        status: bytes.first().copied(),
        key: Some(&[0x5A; 16]),
    };
    let first = bytes.first().copied().map_or(0, usize::from);
    if let Some(driver) = DRIVERS.get(first % DRIVERS.len().max(1)) {
        let _ = driver.read(&source);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Driver::parse(text);
    }
});
