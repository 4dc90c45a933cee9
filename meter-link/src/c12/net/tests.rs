use proptest::prelude::*;

use super::*;
use crate::c12::service::{Password, Request, ResponseCode};
use crate::key::Key;

fn unhex(text: &str) -> Vec<u8> {
    crate::key::octets(text).unwrap()
}

/// C12.22-2008, Annex G, example 8: the request and the key.
const EXAMPLE: &str = "604fa20580037bc175a60480027b04a803020103ac0fa20da00ba109800102810448f3d061be2a282881268841d10cda76206811b36f781489a11997773e117cb07aa3aa40374a7107c50da7f799c5d4e8";
const KEY: &str = "01020304050607080102030405060708";

fn keys() -> Keys {
    Keys::from([(2, Key::from_hex(KEY).unwrap())])
}

fn example() -> Outgoing {
    Outgoing {
        called: ".123.8437".parse().unwrap(),
        called_invocation_id: None,
        calling: ".123.4".parse().unwrap(),
        calling_invocation_id: 3,
        services: vec![
            Service::Request(Request::Security {
                password: Password::new(*b"PASSWORD            "),
                user_id: Some(2),
            }),
            Service::Request(Request::ReadOffset {
                table: 1,
                offset: 16,
                count: 16,
            }),
        ],
    }
}

#[test]
fn the_standards_example_is_opened() {
    let apdu = Apdu::parse(&unhex(EXAMPLE)).unwrap();
    assert_eq!(apdu.called.as_ref().unwrap().to_string(), ".123.8437");
    assert_eq!(apdu.calling.as_ref().unwrap().to_string(), ".123.4");
    assert_eq!(
        (apdu.calling_invocation_id, apdu.key_id),
        (Some(3), Some(2))
    );
    assert_eq!(apdu.security_mode(), Some(SecurityMode::Ciphered));
    assert_eq!(apdu.response_control(), Some(ResponseControl::Always));
    let opened = apdu.open(&keys()).unwrap();
    assert!(opened.authenticated);
    assert_eq!(opened.services, example().services);
    assert_eq!(apdu.open(&Keys::new()), Err(OpenError::NoKey(2)));
    let wrong = Keys::from([(2, Key::from_hex(&"5a".repeat(16)).unwrap())]);
    assert_eq!(
        apdu.open(&wrong),
        Err(OpenError::Check(eax::EaxError::Check))
    );
    let long = Keys::from([(2, Key::from_hex(&"5a".repeat(32)).unwrap())]);
    assert_eq!(apdu.open(&long), Err(OpenError::Check(eax::EaxError::Key)));
}

#[test]
fn the_standards_example_is_made_bit_by_bit() {
    let key = Key::from_hex(KEY).unwrap();
    let protection = Protection::Keyed {
        key: &key,
        key_id: 2,
        iv: [0x48, 0xF3, 0xD0, 0x61],
        encrypt: true,
    };
    assert_eq!(example().to_bytes(protection).unwrap(), unhex(EXAMPLE));
}

#[test]
fn one_changed_bit_gives_nothing() {
    let octets = unhex(EXAMPLE);
    for place in 0..octets.len() * 8 {
        let mut changed = octets.clone();
        changed[place / 8] ^= 1 << (place % 8);
        let opened = Apdu::parse(&changed).map(|apdu| apdu.open(&keys()));
        assert!(!matches!(opened, Ok(Ok(_))), "bit {place}");
    }
    for length in 0..octets.len() {
        assert_eq!(Apdu::parse(&octets[..length]), Err(ApduError::Truncated));
    }
}

#[test]
fn clear_text_is_taken_only_without_a_key() {
    let key = Key::from_hex(KEY).unwrap();
    let clear = Apdu::parse(&example().to_bytes(Protection::Clear).unwrap()).unwrap();
    assert_eq!(clear.open(&keys()), Err(OpenError::Unauthenticated));
    let opened = clear.open(&Keys::new()).unwrap();
    assert!(!opened.authenticated && opened.services == example().services);
    let protection = Protection::Keyed {
        key: &key,
        key_id: 2,
        iv: [1; 4],
        encrypt: false,
    };
    let octets = example().to_bytes(protection).unwrap();
    let checked = Apdu::parse(&octets).unwrap();
    assert_eq!(checked.security_mode(), Some(SecurityMode::Authenticated));
    assert!(checked.open(&keys()).unwrap().authenticated);
    for place in 0..octets.len() * 8 {
        let mut changed = octets.clone();
        changed[place / 8] ^= 1 << (place % 8);
        let opened = Apdu::parse(&changed).map(|apdu| apdu.open(&keys()));
        assert!(!matches!(opened, Ok(Ok(_))), "bit {place}");
    }
}

#[test]
fn a_short_clear_text_is_refused() {
    let eax = eax::Eax::new(&[1; 16]).unwrap();
    assert_eq!(
        eax.authenticate(&[0; 16], b"body"),
        Err(eax::EaxError::ClearText)
    );
    assert!(eax.authenticate(&[0; 17], b"body").is_ok());
}

#[test]
fn segments_are_put_together_in_any_order() {
    let answer = Outgoing {
        called_invocation_id: Some(3),
        services: vec![Service::Response {
            code: ResponseCode::OK,
            payload: vec![0x5A; 700],
        }],
        ..example()
    };
    let whole = answer.to_bytes(Protection::Clear).unwrap();
    let mut units = answer.segments(&whole, 128);
    assert_eq!(units.len(), whole.len().div_ceil(128));
    units.swap(0, 3);
    let last = units.pop().unwrap();
    let mut reassembler = Reassembler::new();
    // Each comes twice.
    for unit in units.iter().flat_map(|unit| [unit, unit]) {
        let apdu = Apdu::parse(unit).unwrap();
        assert!(matches!(apdu.body, Body::Segment { total, .. } if total == whole.len()));
        assert_eq!(apdu.open(&Keys::new()), Err(OpenError::Segment));
        assert!(reassembler.push(apdu).unwrap().is_none());
    }
    assert_eq!(reassembler.pending(), 1);
    let found = reassembler
        .push(Apdu::parse(&last).unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(found.open(&Keys::new()).unwrap().services, answer.services);
    assert_eq!(reassembler.pending(), 0);
}

#[test]
fn units_in_a_stream() {
    let octets = unhex(EXAMPLE);
    let mut stream = vec![1, 2, 0x60, 0x80];
    stream.extend(&octets);
    stream.extend(&octets);
    stream.extend(&octets[..40]);
    let mut splitter = Splitter::new();
    let mut found = Vec::new();
    for part in stream.chunks(7) {
        let mut part = part;
        while let Some(event) = splitter.pull(&mut part) {
            found.push(event);
        }
    }
    while let Some(event) = splitter.finish() {
        found.push(event);
    }
    let kinds: Vec<_> = found
        .iter()
        .map(|event| (event.offset, event.length))
        .collect();
    assert_eq!(kinds, [(0, 4), (4, 81), (85, 81), (166, 40)]);
    assert_eq!(found[0].element, Element::Noise);
    assert!(matches!(found[2].element, Element::Apdu(..)));
    assert_eq!(found[3].element, Element::Rejected(ApduError::Truncated));
}

/// An empty unit was one when its end was the end of a slice, and noise otherwise.
#[test]
fn slices_do_not_matter() {
    let octets = unhex("6000632c");
    for cut in 0..=octets.len() {
        let mut splitter = Splitter::new();
        for mut part in [&octets[..cut], &octets[cut..]] {
            assert_eq!(splitter.pull(&mut part), None);
        }
        let event = splitter.finish().unwrap();
        assert_eq!((event.length, event.element), (4, Element::Noise));
    }
}

proptest! {
    #[test]
    fn any_octets_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        flips in proptest::collection::vec((0usize..81, any::<u8>()), 0..4),
    ) {
        let mut changed = unhex(EXAMPLE);
        for (place, mask) in flips {
            changed[place] ^= mask;
        }
        for octets in [&bytes, &changed] {
            let mut splitter = Splitter::new();
            let mut input = octets.as_slice();
            let mut total = 0;
            let mut reassembler = Reassembler::new();
            while let Some(event) = splitter.pull(&mut input).or_else(|| splitter.finish()) {
                prop_assert_eq!(event.offset, total);
                total += event.length;
                if let Element::Apdu(apdu, _) = event.element {
                    let _ = apdu.open(&keys());
                    let _ = reassembler.push(*apdu);
                }
            }
            prop_assert_eq!(total, octets.len() as u64);
        }
    }
}
