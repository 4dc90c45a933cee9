//! Chips: any of them, in any mode, give a sound frame or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::wmbus::phy::{self, LinkMode};

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, chips)) = bytes.split_first() else {
        return;
    };
    let mode = LinkMode::ALL[usize::from(first) % LinkMode::ALL.len()];
    if let Ok(received) = phy::receive(mode, chips) {
        assert_eq!(received.bytes.len(), usize::from(received.bytes[0]) + 1);
    }
});
