//! Wireless layers: any frames, with a key and without, open to records or to a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::wmbus::frame::{self, Crcs};
use meter_link::wmbus::{Decoder, KeyRing, MeterKey, ReplayGuard, numbers};

fuzz_target!(|bytes: &[u8]| {
    let mut keys = KeyRing::default();
    for digits in [32, 16] {
        if let Ok(key) = MeterKey::from_hex(&"5a".repeat(digits / 2)) {
            keys.insert_for_all(key);
        }
    }
    let mut with_keys = Decoder::new(keys);
    with_keys.replay = Some(ReplayGuard::default());
    let mut without = Decoder::default();
    // Several frames, so that fragments, formats and counters meet.
    for part in bytes.split(|byte| *byte == 0xA5) {
        let _ = numbers(part);
        if let Ok(stripped) = frame::strip(part, Crcs::Auto) {
            for decoder in [&mut with_keys, &mut without] {
                let (decoded, _) = decoder.decode_stripped(&stripped, &[]);
                if let Ok(opened) = decoded.outcome {
                    assert!(opened.payload.len() <= 16 * 1024);
                    let _ = opened.records().flatten().count();
                }
            }
        }
    }
});
