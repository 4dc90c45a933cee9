//! Any octets are refused as what stands within a sealed message, or read; what is read of a batch
//! is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wattle_relay::ack::Ack;
use wattle_relay::batch;

fuzz_target!(|octets: &[u8]| {
    let _ = Ack::decode(octets);
    let Some((first, payload)) = octets.split_first() else {
        return;
    };
    let count = u64::from(*first) + 1;
    for format in [None, Some(batch::PLAIN), Some(batch::COMPRESSED)] {
        let Ok((unit, rows)) = batch::decode(format, payload, count) else {
            continue;
        };
        assert_eq!(rows.len() as u64, count);
        let (again, written) = batch::encode(unit, &rows).expect("what was read can be written");
        let read = batch::decode(Some(again), &written, count);
        assert_eq!(read.expect("what was written can be read"), (unit, rows));
    }
});
