//! Any text is refused as a document of readings or read, and what was read can be checked and
//! written.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use wattle_billing::determinants::SupplierCalendar;
use wattle_billing::exchange::{ar2418, csv, green_button, history, influx};
use wattle_billing::readings;
use wattle_billing::vee::{Config, check};

fuzz_target!(|text: &str| {
    let _ = SupplierCalendar::read(text);
    let all = [
        ar2418::import(text).ok(),
        green_button::import(text).ok(),
        history::import(text, &TimeZone::UTC).ok(),
        readings::read(text).ok(),
    ];
    for all in all.into_iter().flatten() {
        let _ = check(&all, &Config { close_with_register: true, registers: true, ..Config::default() });
        let _ = (csv::export(&all), influx::export(&all), green_button::export(&all));
        let _ = ar2418::import(&ar2418::export(&all));
    }
});
