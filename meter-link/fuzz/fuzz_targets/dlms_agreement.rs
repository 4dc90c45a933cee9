//! Messages whose key is agreed on by curves, and signed ones: any octets give nothing, and what was sealed
//! or signed comes back only as it was. The curves make this slow; `dlms_protection` tries the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::dlms::apdu::Apdu;
use meter_link::dlms::security::agreement::AgreementKey;
use meter_link::dlms::security::ecdsa::SigningKey;
use meter_link::dlms::security::{GeneralCipher, KeyChoice};
use meter_link::key::Key;
use meter_link_fuzz::{header, holds, open, sealed};

fuzz_target!(|bytes: &[u8]| {
    let [kind, at, flip, rest @ ..] = bytes else {
        return;
    };
    let (suite, length) = if kind & 4 == 0 { (1, 32) } else { (2, 48) };
    let (Some(key), Some(own), Some(signing)) = (
        Key::from_octets(&[0x5A; 32][..16 * usize::from(suite)]),
        AgreementKey::from_octets(&[3; 48][..length]).ok(),
        SigningKey::from_octets(&[7; 48][..length]).ok(),
    ) else {
        return;
    };
    if kind & 2 == 0 {
        let open = |octets: &[u8]| match Apdu::decode(octets) {
            Ok((Apdu::GeneralSigning(message), _)) => signing
                .verifying_key()
                .verifies(&message)
                .then_some(message.content),
            _ => None,
        };
        assert_eq!(open(&[&[0xDF], rest].concat()), None, "nobody else signs so");
        let signed = Apdu::GeneralSigning(signing.general_signing(header(), rest.to_vec()));
        return holds(&signed, *at, *flip, rest, open);
    }
    // Both sides have the same keys.
    let choice = match kind & 1 {
        0 => KeyChoice::Static {
            own: own.clone(),
            peer: own.public_key(),
        },
        _ => KeyChoice::OnePass {
            peer: own.public_key(),
            own,
            verifying: signing.verifying_key(),
            signing,
        },
    };
    let cipher = GeneralCipher {
        choice: &choice,
        encryption: &key,
        authentication: &key,
    };
    let octets = [&[0xDD], rest].concat();
    assert_eq!(open(&cipher, &octets), None, "nobody else has the keys");
    if let Some(whole) = sealed(&cipher, suite, *at, rest) {
        holds(&whole, *at, *flip, rest, |octets| open(&cipher, octets));
    }
});
