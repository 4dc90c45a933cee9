//! TIC: any bytes, whole and in two slices, give the same frames.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::tic::{Event, Splitter, Tariff, day_profile, telegram};

fn read(slices: [&[u8]; 2]) -> Vec<Event> {
    let mut splitter = Splitter::new();
    let mut events = Vec::new();
    for mut slice in slices {
        while let Some(event) = splitter.pull(&mut slice) {
            events.push(event);
        }
    }
    while let Some(event) = splitter.finish() {
        events.push(event);
    }
    events
}

fuzz_target!(|bytes: &[u8]| {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let whole = read([bytes, &[]]);
    let mut end = 0;
    for event in &whole {
        assert!(event.offset >= end && event.length > 0);
        end = event.offset + event.length;
        if let Ok(frame) = &event.found {
            assert_eq!(frame.raw.len() as u64, event.length);
            let _ = (telegram(frame), Tariff::of(frame));
            let _ = frame.value("PJOURF+1").and_then(day_profile);
        }
    }
    assert!(end <= bytes.len() as u64);
    assert_eq!(whole, read([first, second]));
});
