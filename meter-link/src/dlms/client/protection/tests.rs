use super::*;
use crate::dlms::apdu::{GetRequest, Rlrq};
use crate::dlms::client::config::Signing;
use crate::dlms::data::AttributeDescriptor;
use crate::dlms::security::agreement::AgreementKey;
use crate::dlms::security::ecdsa::SigningKey;

fn random() -> Random {
    Box::new(|octets| octets.fill(0x5A))
}

fn protection(general: bool, dedicated: bool) -> Protection {
    let key = |text| Key::from_hex(text).unwrap();
    let config = CipheringConfig {
        envelope: if general {
            Envelope::General
        } else {
            Envelope::Services
        },
        ..CipheringConfig::new(
            *b"MMM\0\0\xBCaN",
            key("000102030405060708090A0B0C0D0E0F"),
            key("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"),
        )
    };
    let mut protection = Protection::new(&config).unwrap();
    protection.server = Some(*b"MMM\0\0\xBCaN");
    if dedicated {
        let key = key("0F0E0D0C0B0A09080706050403020100");
        protection.dedicate(&key).unwrap();
    }
    protection
}

/// The example of the Green Book (edition 8, table 37): a GET of the clock under SC 30,
/// counter 01234567.
#[test]
fn the_green_books_request() {
    let clock = AttributeDescriptor {
        class: 8,
        instance: "0-0:1.0.0".parse().unwrap(),
        attribute: 2,
    };
    let request = Apdu::GetRequest(GetRequest::Normal {
        invoke: 0,
        attribute: clock.into(),
    });
    assert_eq!(
        request.to_vec(),
        crate::key::octets("C001000008000001 0000FF0200".replace(' ', "").as_str()).unwrap()
    );
    let sealed = protection(false, false)
        .seal(&request, 0x0123_4567, &mut random())
        .unwrap();
    let want = "C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B";
    assert_eq!(sealed, crate::key::octets(want).unwrap());
}

#[test]
fn each_way_of_ciphering_comes_back() {
    let request = Apdu::Rlrq(Rlrq::default());
    let get = Apdu::GetRequest(GetRequest::Next {
        invoke: 1,
        block: 2,
    });
    for (general, dedicated, message, tag) in [
        (false, false, &get, 0xC8),
        (false, true, &get, 0xD0),
        (true, false, &get, 0xDB),
        (true, true, &get, 0xDC),
        (false, false, &request, 0xDB),
    ] {
        let mut protection = protection(general, dedicated);
        let sealed = protection.seal(message, 7, &mut random()).unwrap();
        assert_eq!(sealed[0], tag);
        let (Apdu::Ciphered(ciphered), []) = Apdu::decode(&sealed).unwrap() else {
            panic!("not ciphered");
        };
        assert_eq!(protection.open(&ciphered).unwrap(), message.to_vec());
        let again = protection.open(&ciphered);
        let replay = ClientError::Replay {
            counter: 7,
            last: 7,
        };
        assert_eq!(again, Err(replay));
        for bit in 0..ciphered.content.len() * 8 {
            let mut damaged = ciphered.clone();
            damaged.content[bit / 8] ^= 1 << (bit % 8);
            assert!(protection.open(&damaged).is_err(), "{bit}");
        }
    }
}

const CLIENT: SystemTitle = *b"MMM\0\0\xBCaN";
const SERVER: SystemTitle = *b"MMM\0\0\0\0\x01";

/// Both ends of an association; the meter's end is one like the client's, the other way round.
fn ends(keyed: bool, inside: Option<bool>) -> [Protection; 2] {
    let sign = [7, 9].map(|fill| SigningKey::from_octets(&[fill; 32]).unwrap());
    let agree = [3, 5].map(|fill| AgreementKey::from_octets(&[fill; 32]).unwrap());
    let end = |me: usize, you: usize, title, server| {
        let choice = KeyChoice::Static {
            own: agree[me].clone(),
            peer: agree[you].public_key(),
        };
        let config = CipheringConfig {
            envelope: if keyed {
                Envelope::Keyed(choice)
            } else {
                Envelope::Services
            },
            signing: inside.map(|inside| Signing {
                own: sign[me].clone(),
                meter: sign[you].verifying_key(),
                inside,
            }),
            control: SecurityControl::AUTHENTICATED_ENCRYPTED.in_suite(1),
            ..CipheringConfig::new(
                title,
                Key::from_hex("000102030405060708090A0B0C0D0E0F").unwrap(),
                Key::from_hex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF").unwrap(),
            )
        };
        let mut protection = Protection::new(&config).unwrap();
        protection.server = Some(server);
        protection
    };
    [end(0, 1, CLIENT, SERVER), end(1, 0, SERVER, CLIENT)]
}

#[test]
fn keyed_and_signed_messages_come_back_once_and_undamaged() {
    let get = Apdu::GetRequest(GetRequest::Next {
        invoke: 1,
        block: 2,
    });
    for keyed in [false, true] {
        for inside in [None, Some(false), Some(true)] {
            let [mut client, mut meter] = ends(keyed, inside);
            let sealed = client.seal(&get, 7, &mut random()).unwrap();
            let first = match (keyed, inside) {
                (_, Some(false)) => 0xDF,
                (true, _) => 0xDD,
                (false, Some(true)) => 0xDB,
                (false, None) => 0xC8,
            };
            assert_eq!(sealed[0], first);
            assert!(sealed.len() <= get.to_vec().len() + client.overhead());
            // The meter that answers has heard the number of the transaction.
            meter.transaction = Some(7u64.to_be_bytes().to_vec());
            let mut take = |bytes: &[u8]| {
                let (apdu, []) = Apdu::decode(bytes).ok()? else {
                    return None;
                };
                // A refusal in plain carries no value.
                let taken = meter.unprotect(apdu).ok();
                taken.filter(|(apdu, _)| !is_plain_allowed(apdu))
            };
            // The tag in front of a ciphered service is not protected itself.
            for bit in (8..8 * sealed.len()).step_by(13) {
                let mut spoiled = sealed.clone();
                spoiled[bit / 8] ^= 1 << (bit % 8);
                // Any octet but 0 says that a key is told.
                let same = Apdu::decode(&spoiled) == Apdu::decode(&sealed);
                assert!(same || take(&spoiled).is_none(), "{keyed} {inside:?} {bit}");
            }
            assert_eq!(take(&sealed), Some((get.clone(), 0)));
            assert_eq!(take(&sealed), None, "replayed");
            // Less protection than agreed on is none.
            for (other, less) in [(!keyed, inside), (keyed, inside.map(|inside| !inside))] {
                if (other, less) != (keyed, inside) {
                    let [mut other, _] = ends(other, less);
                    assert_eq!(take(&other.seal(&get, 8, &mut random()).unwrap()), None);
                }
            }
            if inside.is_some() {
                let [mut unsigned, _] = ends(keyed, None);
                assert_eq!(take(&unsigned.seal(&get, 9, &mut random()).unwrap()), None);
            }
        }
    }
}

#[test]
fn an_answer_to_another_request_is_none() {
    let get = Apdu::GetRequest(GetRequest::Next {
        invoke: 1,
        block: 2,
    });
    let [mut client, mut meter] = ends(true, None);
    let answer = meter.seal(&get, 7, &mut random()).unwrap();
    client.seal(&get, 8, &mut random()).unwrap();
    let (apdu, _) = Apdu::decode(&answer).unwrap();
    assert_eq!(client.unprotect(apdu), Err(ClientError::OtherTransaction));
}
