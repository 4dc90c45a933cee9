//! What the targets of DLMS messages that tell their key have in common.

use meter_link::dlms::apdu::{Apdu, GeneralHeader};
use meter_link::dlms::security::{GeneralCipher, Protected, SecurityControl};

/// The header of every message.
pub fn header() -> GeneralHeader {
    GeneralHeader {
        transaction_id: vec![1, 2, 3],
        originator: b"WSM00001".to_vec(),
        recipient: b"WTL00001".to_vec(),
        ..GeneralHeader::default()
    }
}

/// What a message of general-ciphering says to whoever has the key.
pub fn open(cipher: &GeneralCipher<'_>, octets: &[u8]) -> Option<Vec<u8>> {
    let Ok((Apdu::GeneralCiphering(message), _)) = Apdu::decode(octets) else {
        return None;
    };
    let content = Protected::decode(&message.content).ok()?;
    cipher
        .open(&message.header, message.key.as_ref(), content)
        .ok()
}

/// A message that carries `plain`, with its octets.
pub fn sealed(cipher: &GeneralCipher<'_>, suite: u8, seed: u8, plain: &[u8]) -> Option<Apdu> {
    let control = SecurityControl::AUTHENTICATED_ENCRYPTED.in_suite(suite);
    let mut random = |octets: &mut [u8]| octets.fill(seed | 1);
    let message = cipher.seal(header(), control, 7, plain, &mut random).ok()?;
    Some(Apdu::GeneralCiphering(message))
}

/// A message comes back as it was, and says nothing once an octet of it is changed.
pub fn holds(whole: &Apdu, at: u8, flip: u8, plain: &[u8], open: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let octets = whole.to_vec();
    assert_eq!(open(&octets).as_deref(), Some(plain));
    let mut spoiled = octets;
    let place = usize::from(at) * spoiled.len() / 256;
    if let Some(octet) = spoiled.get_mut(place) {
        *octet ^= flip;
    }
    let same = Apdu::decode(&spoiled).is_ok_and(|(apdu, _)| apdu == *whole);
    assert!(
        same || open(&spoiled).is_none(),
        "a changed message says something"
    );
}
