//! Any text is refused as an object of OpenADR 3 and a document of IEEE 2030.5, or read.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use wattle_billing::grid::openadr3::{self, Object};
use wattle_billing::grid::sep2;

fuzz_target!(|text: &str| {
    if let Ok(Object::Event(event)) = openadr3::read(text) {
        let _ = event.intervals(Some(Timestamp::UNIX_EPOCH));
    }
    if let Ok(root) = sep2::read(text) {
        let _ = sep2::json(&root);
    }
});
