//! Any octets are refused as a sealed message, or opened: nobody has the keys, so that none is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wattle_relay::cms::Options;
use wattle_relay::cose::{self, EpochKey};
use wattle_relay::{Certificate, Curve, PrivateKey, cms, epoch};

fuzz_target!(|octets: &[u8]| {
    let key = EpochKey::new(1, &[7; 16]);
    let secret = [9; 32];
    let Ok(private) = PrivateKey::of(Curve::P256, &secret) else {
        return;
    };
    let trusted = [private.public().clone()];
    let _ = cose::label(octets);
    assert!(cose::open(octets, |_| key.clone(), &trusted).is_err());
    let _ = epoch::announcer(octets);
    assert!(epoch::accept(octets, &private, &trusted).is_err());
    let _ = Certificate::read_all(octets);
    let _ = PrivateKey::read(octets);
    let options = Options {
        recipient: None,
        trusted: &[],
        allow_cbc: true,
    };
    assert!(cms::open(octets, options).is_err());
});
