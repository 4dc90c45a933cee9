use super::*;
use crate::dlms::apdu::Apdu;
use crate::key::octets;

const CLIENT: &[u8; 8] = b"MMM\0\0\xBCaN";
const SERVER: &[u8; 8] = b"MMM\0\0\0\0\x01";

fn key(text: &str) -> Key {
    Key::from_hex(text).unwrap()
}

fn ak() -> Key {
    key("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
}

fn ek() -> Key {
    key("000102030405060708090A0B0C0D0E0F")
}

fn header() -> GeneralHeader {
    GeneralHeader {
        transaction_id: vec![1, 2, 3, 4, 5, 6, 7, 8],
        originator: CLIENT.to_vec(),
        recipient: SERVER.to_vec(),
        ..GeneralHeader::default()
    }
}

fn agreement(octets: &[u8]) -> AgreementKey {
    AgreementKey::from_octets(octets).unwrap()
}

/// Each way of both sides, the client's first.
fn pairs(suite: u8) -> Vec<[KeyChoice; 2]> {
    let length = if suite == 2 { 48 } else { 32 };
    let own = [3, 5].map(|fill| agreement(&vec![fill; length]));
    let sign = [7, 9].map(|fill| SigningKey::from_octets(&vec![fill; length]).unwrap());
    let side = |me: usize, you: usize| {
        let one_pass = KeyChoice::OnePass {
            own: own[me].clone(),
            peer: own[you].public_key(),
            signing: sign[me].clone(),
            verifying: sign[you].verifying_key(),
        };
        let fixed = KeyChoice::Static {
            own: own[me].clone(),
            peer: own[you].public_key(),
        };
        (one_pass, fixed)
    };
    let ((one, fixed), (other, fixed_other)) = (side(0, 1), side(1, 0));
    let master = || KeyChoice::Wrapped { master: ak() };
    let mut pairs = vec![
        [KeyChoice::Identified, KeyChoice::Identified],
        [master(), master()],
    ];
    if suite > 0 {
        pairs.extend([[one, other], [fixed, fixed_other]]);
    }
    pairs
}

#[test]
fn each_way_of_telling_the_key_comes_back() {
    for suite in 0..=2 {
        let encryption = match suite {
            2 => key(&"5a".repeat(32)),
            _ => ek(),
        };
        let authentication = ak();
        let control = SecurityControl::AUTHENTICATED_ENCRYPTED.in_suite(suite);
        let all = pairs(suite);
        for (at, [one, other]) in all.iter().enumerate() {
            let cipher = |choice| GeneralCipher {
                choice,
                encryption: &encryption,
                authentication: &authentication,
            };
            let mut next = 0u8;
            let mut random = |octets: &mut [u8]| {
                next += 1;
                octets.fill(next);
            };
            let mut seal = || {
                let sealed = cipher(one).seal(header(), control, 7, b"plain", &mut random);
                Apdu::GeneralCiphering(sealed.unwrap()).to_vec()
            };
            let (sealed, again) = (seal(), seal());
            // The key is another one each time, where it is made anew.
            let made = matches!(one, KeyChoice::Wrapped { .. } | KeyChoice::OnePass { .. });
            assert_eq!(sealed != again, made);
            let taken = |bytes: &[u8], choice| {
                let Ok((Apdu::GeneralCiphering(message), [])) = Apdu::decode(bytes) else {
                    return None;
                };
                let content = Protected::decode(&message.content).ok()?;
                let told = message.key.as_ref();
                cipher(choice).open(&message.header, told, content).ok()
            };
            assert_eq!(taken(&sealed, other).as_deref(), Some(&b"plain"[..]));
            assert!(
                one.length(suite) + 53 + 5 >= sealed.len(),
                "{suite} {at}: {}",
                sealed.len()
            );
            // Curves are slow without optimisation.
            let step = if at < 2 { 1 } else { 29 };
            for bit in (0..8 * sealed.len()).step_by(step) {
                let mut spoiled = sealed.clone();
                spoiled[bit / 8] ^= 1 << (bit % 8);
                // Any octet but 0 says that a key is told.
                if Apdu::decode(&spoiled) == Apdu::decode(&sealed) {
                    continue;
                }
                assert_eq!(
                    taken(&spoiled, other),
                    None,
                    "suite {suite}, way {at}, bit {bit}"
                );
            }
            // Only the way that was agreed on counts.
            for (way, [_, wrong]) in all.iter().enumerate() {
                assert_eq!(
                    taken(&sealed, wrong).is_some(),
                    way == at,
                    "{suite} {at} {way}"
                );
            }
        }
    }
}

/// What gurux-dlms (Python, 1.0.203) writes as ciphered content for the same fields: tag over security
/// control, authentication key and the fields of the header with their lengths.
#[test]
fn sealed_as_by_another_implementation() {
    let sealed = GeneralCipher {
        choice: &KeyChoice::Identified,
        encryption: &ek(),
        authentication: &ak(),
    }
    .seal(
        GeneralHeader {
            transaction_id: 0x0123_4567_u64.to_be_bytes().to_vec(),
            ..header()
        },
        SecurityControl(0x31),
        0x0123_4567,
        &octets("C0010000080000010000FF0200").unwrap(),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(
        sealed.content,
        octets("3101234567411312FF935A47566827C467BC52D69CE3536A059EF43F2FA4").unwrap()
    );
}

/// The Green Book's request under a key of one-pass Diffie-Hellman: the point of the sender, its
/// signature, and what deciphers to the published ACCESS.request. The authentication key of the
/// example is not published, so that its tag cannot be checked.
#[test]
fn the_green_books_key_of_a_message() {
    let point = "C323C2BD45711DE4688637D919F92E9DB8FB2DFC213A88D21C9DC8DCBA917D81\
                 70511DE1BADB360D50058F794B0960AE11FA28D392CFF907A62D13E3357B1DC0";
    let signature = "B51BE089D0B682863B2217201E73A1A9031968A9B4121DCBC3281A69739AF874\
                     29F5B3AC5471E7B6A04A2C0F2F8A25FD772A317DF97FC5463FEAC248EB8AB8BE";
    let signing = "418073C239FA6125011DE4D6CD2E645780289F761BB21BFB0835CB5585E8B373";
    let signing = SigningKey::from_octets(&octets(signing).unwrap()).unwrap();
    let server = "AAD3FD0732E991CF52A74C66C1F2827DDC53522A2E0A169D7C4FFCC0FB5D6A4D";
    let choice = KeyChoice::OnePass {
        own: agreement(&octets(server).unwrap()),
        peer: agreement(&[1; 32]).public_key(),
        signing: signing.clone(),
        verifying: signing.verifying_key(),
    };
    let (encryption, authentication) = (ek(), ak());
    let cipher = GeneralCipher {
        choice: &choice,
        encryption: &encryption,
        authentication: &authentication,
    };
    let told = [octets(point).unwrap(), octets(signature).unwrap()].concat();
    let agreed = |told| cipher.key_of(&header(), Some(&KeyInfo::Agreed(vec![ONE_PASS], told)));
    let key = agreed(told.clone()).unwrap();
    assert_eq!(
        key,
        Key::from_hex("59A71FD81C929A86A99438DA17A66C05").unwrap()
    );
    let content = Protected {
        control: SecurityControl(0x21),
        invocation_counter: 0,
        content: octets("F435069679270C5BF4425EE5777402A6C8D51C620E").unwrap(),
        tag: None,
    };
    let plain = crate::dlms::security::gcm::decipher(&key, *CLIENT, &content).unwrap();
    assert_eq!(
        plain,
        octets("D94000000000040100010000600100FF0201000800").unwrap()
    );
    for bit in (0..8 * told.len()).step_by(37) {
        let mut spoiled = told.clone();
        spoiled[bit / 8] ^= 1 << (bit % 8);
        assert!(agreed(spoiled).is_err(), "{bit}");
    }
    // Some put the number of the scheme in front of what they sign.
    let point = octets(point).unwrap();
    let numbered = signing.sign(&[&[ONE_PASS], &point[..]].concat());
    assert_eq!(agreed([point, numbered].concat()).unwrap(), key);
    assert!(agreed(Vec::new()).is_err());
}
