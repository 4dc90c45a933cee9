//! Any text is refused as a price document of every form, or read.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use wattle_billing::price::{Format, Wanted, detect, read};

fuzz_target!(|text: &str| {
    let _ = detect(text);
    for format in Format::ALL {
        let _ = read(text, Some(format), &Wanted::plain(TimeZone::UTC));
    }
});
