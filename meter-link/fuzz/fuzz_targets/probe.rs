//! A probe of a port at which anything is heard at any time: it has its verdict within its time.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use meter_link::probe::{LONGEST, Probe};
use meter_link::session::Session;

fuzz_target!(|bytes: &[u8]| {
    let mut probe = match bytes.first() {
        Some(0..128) => Probe::serial(),
        _ => Probe::network(),
    };
    let start = Instant::now();
    let mut now = start;
    probe.restart(now);
    let mut said = bytes.split(|byte| *byte == 0xA5);
    while probe.verdict().is_none() {
        while probe.poll_action().is_some() || probe.poll_progress().is_some() {}
        match said.next() {
            Some(chunk) => {
                now += Duration::from_millis(300);
                probe.handle_input(chunk, now);
            }
            None => now = probe.poll_timeout().unwrap_or(now).max(now),
        }
        probe.handle_timeout(now);
    }
    assert!(now - start <= LONGEST + Duration::from_secs(300 * bytes.len() as u64));
});
