//! OSGP: any octets as data units with any digest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::osgp::{OmaKey, Pdu, Response, digest};

fuzz_target!(|bytes: &[u8]| {
    let Ok(key) = OmaKey::from_hex(&"df".repeat(12)) else { return };
    drop(digest(&key, bytes));
    let _ = Pdu::parse(bytes, &key);
    if let Ok(pdu) = Pdu::parse_unverified(bytes) {
        let _ = Response::parse(bytes, &pdu, &key);
        if let Ok(octets) = pdu.to_bytes(&key) {
            assert_eq!(Pdu::parse(&octets, &key), Ok(pdu));
        }
    }
});
