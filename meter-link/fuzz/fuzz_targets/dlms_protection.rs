//! Messages that tell their key or are signed: any octets give nothing, and what is sealed comes back only
//! as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::dlms::apdu::{Apdu, GeneralHeader};
use meter_link::dlms::security::agreement::AgreementKey;
use meter_link::dlms::security::ecdsa::SigningKey;
use meter_link::dlms::security::{GeneralCipher, KeyChoice, Protected, SecurityControl};
use meter_link::key::Key;

fuzz_target!(|bytes: &[u8]| {
    let [kind, at, flip, rest @ ..] = bytes else {
        return;
    };
    let (suite, length) = if kind & 4 == 0 { (1, 32) } else { (2, 48) };
    let (Some(key), Some(own), Some(signing)) = (
        Key::from_octets(&vec![0x5A; 16 * usize::from(suite)]),
        AgreementKey::from_octets(&vec![3; length]).ok(),
        SigningKey::from_octets(&vec![7; length]).ok(),
    ) else {
        return;
    };
    // Both sides have the same keys.
    let choice = match kind & 3 {
        0 => KeyChoice::Identified,
        1 => KeyChoice::Wrapped {
            master: key.clone(),
        },
        2 => KeyChoice::Static {
            own: own.clone(),
            peer: own.public_key(),
        },
        _ => KeyChoice::OnePass {
            peer: own.public_key(),
            own,
            verifying: signing.verifying_key(),
            signing: signing.clone(),
        },
    };
    let cipher = GeneralCipher {
        choice: &choice,
        encryption: &key,
        authentication: &key,
    };
    let header = GeneralHeader {
        transaction_id: vec![1, 2, 3],
        originator: b"WSM00001".to_vec(),
        recipient: b"WTL00001".to_vec(),
        ..GeneralHeader::default()
    };
    let open = |octets: &[u8]| match Apdu::decode(octets) {
        Ok((Apdu::GeneralCiphering(message), _)) => {
            let content = Protected::decode(&message.content).ok()?;
            cipher
                .open(&message.header, message.key.as_ref(), content)
                .ok()
        }
        Ok((Apdu::GeneralSigning(message), _)) => signing
            .verifying_key()
            .verifies(&message)
            .then_some(message.content),
        _ => None,
    };
    for tag in [0xDD, 0xDF] {
        assert_eq!(
            open(&[&[tag], rest].concat()),
            None,
            "nobody else has the keys"
        );
    }
    let control = SecurityControl::AUTHENTICATED_ENCRYPTED.in_suite(suite);
    let mut random = |octets: &mut [u8]| octets.fill(*at | 1);
    let Ok(sealed) = cipher.seal(header.clone(), control, 7, rest, &mut random) else {
        return;
    };
    let signed = signing.general_signing(header, rest.to_vec());
    for whole in [Apdu::GeneralCiphering(sealed), Apdu::GeneralSigning(signed)] {
        let octets = whole.to_vec();
        assert_eq!(open(&octets).as_deref(), Some(rest));
        let mut spoiled = octets.clone();
        let place = usize::from(*at) * spoiled.len() / 256;
        if let Some(octet) = spoiled.get_mut(place) {
            *octet ^= flip;
        }
        let same = Apdu::decode(&spoiled).is_ok_and(|(apdu, _)| apdu == whole);
        assert!(
            same || open(&spoiled).is_none(),
            "a changed message says something"
        );
    }
});
