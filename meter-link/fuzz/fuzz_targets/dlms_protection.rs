//! Messages that tell their key, named or wrapped: any octets give nothing, what was sealed comes back only
//! as it was, and whatever is read is written again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::dlms::apdu::Apdu;
use meter_link::dlms::security::{GeneralCipher, KeyChoice};
use meter_link::key::Key;
use meter_link_fuzz::{holds, open, sealed};

fuzz_target!(|bytes: &[u8]| {
    let [kind, at, flip, rest @ ..] = bytes else {
        return;
    };
    let suite = if kind & 4 == 0 { 1 } else { 2 };
    let Some(key) = Key::from_octets(&[0x5A; 32][..16 * usize::from(suite)]) else {
        return;
    };
    let choice = match kind & 1 {
        0 => KeyChoice::Identified,
        _ => KeyChoice::Wrapped {
            master: key.clone(),
        },
    };
    let cipher = GeneralCipher {
        choice: &choice,
        encryption: &key,
        authentication: &key,
    };
    for tag in [0xDD, 0xDF] {
        let octets = [&[tag], rest].concat();
        assert_eq!(open(&cipher, &octets), None, "nobody else has the keys");
        if let Ok((apdu, _)) = Apdu::decode(&octets) {
            let again = apdu.to_vec();
            let read = Apdu::decode(&again).map(|(apdu, _)| apdu);
            assert_eq!(read.ok(), Some(apdu), "what was read is not what is written");
        }
    }
    if let Some(whole) = sealed(&cipher, suite, *at, rest) {
        holds(&whole, *at, *flip, rest, |octets| open(&cipher, octets));
    }
});
