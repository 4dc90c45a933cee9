//! P1: any bytes, whole and in two slices, give the same messages, and frames open to nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::key::Key;
use meter_link::p1::{Event, Keys, Message, Splitter, readings};

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
    let mut keys = Keys { no_auth: true, system_title: Some([7; 8]), ..Keys::default() };
    if let Ok(key) = Key::from_hex(&"5a".repeat(16)) {
        keys.encryption.insert(None, key);
    }
    for event in &whole {
        match &event.message {
            Message::Telegram(telegram) => drop(readings(telegram, false)),
            Message::Ciphered(frame) => drop(frame.open(&keys)),
            Message::Rejected(_) => {}
        }
    }
    assert_eq!(whole, read([first, second]));
});
