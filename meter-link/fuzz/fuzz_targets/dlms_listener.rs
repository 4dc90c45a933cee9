//! DLMS: any bytes on a line, whole and in two slices, and as a recording.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use meter_link::dlms::framing::{Deframer, Found};
use meter_link::dlms::listener::{Config, Listener};
use meter_link::session::Session;

fn find(slices: [&[u8]; 2]) -> Vec<Found> {
    let mut deframer = Deframer::recording();
    let mut found = Vec::new();
    for slice in slices {
        deframer.push(slice);
        found.extend(std::iter::from_fn(|| deframer.poll()));
    }
    deframer.finish();
    found.extend(std::iter::from_fn(|| deframer.poll()));
    found
}

fuzz_target!(|bytes: &[u8]| {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    assert_eq!(find([bytes, &[]]), find([first, second]));
    let start = Instant::now();
    let mut listener = Listener::new(Config::default());
    for (at, slice) in [first, second, bytes].into_iter().enumerate() {
        let now = start + Duration::from_secs(at as u64);
        listener.handle_timeout(now);
        listener.handle_input(slice, now);
        while listener.poll_action().is_some() {}
    }
});
