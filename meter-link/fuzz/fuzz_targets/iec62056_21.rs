//! IEC 62056-21: any bytes, whole and in two slices, give the same messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::iec62056_21::{Event, Message, Splitter, telegram};

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
    for event in &whole {
        if let Message::Readout(readout) = &event.message {
            let _ = telegram(readout);
        }
    }
    assert_eq!(whole, read([first, second]));
});
