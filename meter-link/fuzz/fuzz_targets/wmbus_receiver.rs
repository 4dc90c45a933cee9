//! Receivers: any bytes, whole and in two slices, give the same events, and no frame panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::wmbus::receiver::{Event, Found, Kind, Splitter};

fn read(kind: Kind, slices: [&[u8]; 2]) -> Vec<Event> {
    let mut splitter = Splitter::new(kind);
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
    let Some((&first, bytes)) = bytes.split_first() else {
        return;
    };
    let kind = Kind::ALL[usize::from(first) % Kind::ALL.len()];
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    let whole = read(kind, [bytes, &[]]);
    let mut end = 0;
    for event in &whole {
        assert!(event.offset >= end && event.length > 0);
        end = event.offset + event.length;
        if let Ok(Found::Frame(frame)) = &event.found {
            assert!(frame.bytes.len() as u64 <= event.length);
            let _ = frame.strip();
        }
    }
    assert!(end <= bytes.len() as u64);
    assert_eq!(whole, read(kind, [head, tail]));
});
