//! C12.22: any octets as a stream, whole and in two slices, opened and put together.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::c12::net::{Element, Event, Keys, Reassembler, Splitter};
use meter_link::key::Key;

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
    let mut keys = Keys::new();
    if let Ok(key) = Key::from_hex(&"5a".repeat(16)) {
        keys.insert(0, key);
    }
    let mut reassembler = Reassembler::new();
    let mut length = 0;
    for event in &whole {
        assert_eq!(event.offset, length);
        length += event.length;
        if let Element::Apdu(apdu, _) = &event.element {
            let _ = apdu.open(&Keys::new());
            let _ = apdu.open(&keys);
            let _ = reassembler.push((**apdu).clone());
        }
    }
    assert_eq!(length, bytes.len() as u64);
    assert_eq!(whole, read([first, second]));
});
