//! Any text is refused as a tariff file or makes a bill.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wattle_billing::bill::{Usage, bill};
use wattle_billing::tariff::{LoadOptions, parse};

fuzz_target!(|text: &str| {
    let open = |_: &Path| Ok("{}".to_owned());
    if let Ok(tariff) = parse(text, Path::new("t.toml"), &LoadOptions::default(), &open)
        && let Ok(usage) = Usage::from_csv("interval_start_utc,minutes,kwh_import\n2026-03-01T00:10:00Z,100,3.3\n")
    {
        let _ = bill(&tariff, &usage);
    }
});
