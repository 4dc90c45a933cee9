//! M-Bus records and wired responses: any bytes are read without a panic, none twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::mbus::{DeviceType, Records, Response, derived, headline, slots};

fuzz_target!(|bytes: &[u8]| {
    for records in [Records::new(bytes), Records::msb_first(bytes)] {
        let records: Vec<_> = records.flatten().collect();
        let length: usize = records.iter().map(|it| it.header.len() + it.data.len()).sum();
        assert!(length <= bytes.len());
        for record in &records {
            let _ = (record.value(), record.plain_unit_text(), slots(record, &records));
        }
        let _ = (derived(&records), headline(&records, DeviceType(4)));
    }
    if let Some((ci, rest)) = bytes.split_first() {
        let _ = Response::read(*ci, rest);
    }
});
