use proptest::prelude::*;

use super::*;
use crate::dlms::data::{AttributeDescriptor, Data, DateTime};
use crate::dlms::security::{Cipher, Protected, SecurityControl};
use crate::key::{Key, octets};
use crate::model::ObisCode;

fn hex(text: &str) -> Vec<u8> {
    octets(&text.replace([' ', '\n'], "")).unwrap()
}

/// Reads all of `text` and writes the same again.
fn both_ways(text: &str) -> Apdu {
    let bytes = hex(text);
    let (apdu, rest) = Apdu::decode(&bytes).unwrap();
    assert!(rest.is_empty(), "{text}");
    assert_eq!(apdu.to_vec(), bytes, "{text}");
    for cut in 0..bytes.len() {
        assert!(Apdu::decode(&bytes[..cut]).is_err(), "{text} cut at {cut}");
    }
    apdu
}

/// Green Book, 11.1.2 and 11.1.4: association with low level security and logical names.
#[test]
fn association_of_the_green_book() {
    let request = both_ways(
        "6036 a109060760857405080101 8a020780 8b0760857405080201 ac0a80083132333435363738
         be10040e 01000000065f1f0400007e1f04b0",
    );
    let Apdu::Aarq(request) = request else {
        panic!("{request:?}");
    };
    assert_eq!(request.context, Context::LogicalName);
    let shown = request.authentication.unwrap();
    assert_eq!(shown.mechanism, Mechanism::Low);
    assert_eq!(shown.value.as_deref(), Some(&b"12345678"[..]));
    let (Apdu::InitiateRequest(initiate), []) =
        Apdu::decode(&request.information.unwrap()).unwrap()
    else {
        panic!("no InitiateRequest");
    };
    assert!(initiate.response_allowed);
    assert_eq!((initiate.version, initiate.max_pdu_size), (6, 1200));
    let (get, signing) = (Conformance::GET, Conformance::GENERAL_PROTECTION);
    assert!(initiate.conformance.has(get) && !initiate.conformance.has(signing));

    let response = both_ways(
        "6129 a109060760857405080101 a203020100 a305a103020100
         be10040e 0800065f1f040000501f01f40007",
    );
    let Apdu::Aare(response) = response else {
        panic!("{response:?}");
    };
    assert_eq!(response.result, AssociationResult::Accepted);
    assert_eq!(response.diagnostic, Diagnostic::User(0));
    let (Apdu::InitiateResponse(initiate), []) =
        Apdu::decode(&response.information.unwrap()).unwrap()
    else {
        panic!("no InitiateResponse");
    };
    assert_eq!((initiate.max_pdu_size, initiate.vaa_name), (500, 7));
}

/// Green Book, table 38: glo-InitiateRequest of suite 0.
#[test]
fn ciphered_initiate_request_of_the_green_book() {
    let plain = "01011000112233445566778899aabbccddeeff0000065f1f0400007e1f04b0";
    both_ways(plain);
    let sealed = both_ways(
        "21303001234567801302ff8a7874133d414ced25b42534d28db0047720606b175bd52211be6841db204d39ee
         6fdb8e356855",
    );
    let Apdu::Ciphered(sealed) = sealed else {
        panic!("{sealed:?}");
    };
    assert_eq!(sealed.ciphering, Ciphering::glo_of(1).unwrap());
    let key = Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
    let auth_key = Key::from_hex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf").unwrap();
    let cipher = Cipher {
        encryption: &key,
        authentication: &auth_key,
    };
    let title = *b"MMM\0\0\xBC\x61\x4E";
    let protected = Protected::decode(&sealed.content).unwrap();
    assert_eq!(cipher.open(title, &protected).unwrap(), hex(plain));
    let control = SecurityControl::AUTHENTICATED_ENCRYPTED;
    let again = cipher
        .seal(control, title, 0x0123_4567, &hex(plain))
        .unwrap();
    assert_eq!(again, protected);
    for bit in 0..8 * sealed.content.len() {
        let mut spoiled = sealed.content.clone();
        spoiled[bit / 8] ^= 1 << (bit % 8);
        let opened = Protected::decode(&spoiled).map(|message| cipher.open(title, &message));
        assert!(!matches!(opened, Ok(Ok(_))), "bit {bit}");
    }
}

/// Forms from the Green Book's examples of services (chapter 14).
#[test]
fn services_both_ways() {
    for text in [
        // GET: normal, with selective access, next, with list; answers.
        "c001c1 0001 0080 8080 00ff 02 00"
            .replace("0080 8080 00ff", "0000800000ff")
            .as_str(),
        "c001c1 0007 0100630100ff 02 01 01 0204 0204 12 0008 09 06 0000010000ff 0f 02 12 0000
         09 0c 07e1010107000000008000ff 09 0c 07e10102 07000000008000ff 0100",
        "c002c1 00000001",
        "c003c1 02 0001 0000800000ff 02 00 0001 0000800100ff 02 00",
        "c401c1 00 0903010203",
        "c401c1 01 0b",
        "c402c1 00 00000001 00 05 0102030405",
        "c402c1 01 00000002 01 0f",
        "c403c1 02 00 1101 01 04",
        // SET.
        "c101c1 0001 0000800000ff 02 00 0903010203",
        "c102c1 0001 0000800000ff 02 00 00 00000001 03 010203",
        "c103c1 01 00000002 03 010203",
        "c104c1 02 0001 0000800000ff 02 00 0001 0000800100ff 02 00 02 1101 1102",
        "c105c1 01 0001 0000800000ff 02 00 01 00000001 02 1101",
        "c501c1 00",
        "c502c1 00000001",
        "c503c1 00 00000002",
        "c504c1 02 00 04 00000003",
        "c505c1 02 00 03",
        // ACTION.
        "c301c1 000f 0000280000ff 01 01 0903010203",
        "c301c1 0046 0000600300aff 01 00"
            .replace("0000600300aff", "000060030aff")
            .as_str(),
        "c302c1 00000001",
        "c303c1 01 0046 000060030aff 01 01 0f00",
        "c304c1 0046 000060030aff 01 00 00000001 02 0f00",
        "c305c1 01 0046 000060030aff 01 01 00000001 02 0f00",
        "c306c1 01 00000002 02 0f00",
        "c701c1 00 00",
        "c701c1 00 01 00 0903010203",
        "c701c1 03 01 01 03",
        "c702c1 01 00000001 02 0f00",
        "c703c1 02 00 00 0b 00",
        "c704c1 00000001",
        // Short names.
        "0501 02 fa00",
        "0502 04 fa08 01 0f00 05 0001",
        "0501 06 00 0001 02 aabb",
        "0c02 00 1101 01 03",
        "0c01 02 01 0001 02 aabb",
        "0c01 03 0002",
        "0601 02 fa08 01 1101",
        "0601 07 00 0001 01 0902aabb",
        "0d03 00 01 04 02 0001",
        "1601 02 fa08 01 1101",
        "1800 01 02 fa08 01 1101",
        // Failures.
        "0e010603",
        "d80101",
        "d8010600000100",
        // Unasked.
        "c200 0001 0000600100ff 02 1101",
        "c2010c07e60b0c0610360000ffc400 0001 0000600100ff 02 1101",
        "0f00000001 00 0201 1101",
        "0f00000001 0c07e60b0c0610360000ffc400 0201 1101",
        // ACCESS.
        "d9 40000000 00 03 01 0001 0000600100ff 02 02 0001 0000600100ff 02 03 0046 000060030aff 01
         03 00 1101 0f00",
        "d9 40000000 00 01 04 0007 0100630100ff 02 02 00 01 00",
        "da 40000000 00 00 02 1101 00 02 01 00 03 00",
        // Release.
        "6203 800100",
        "6303 800100",
        "6200",
        // Protection and blocks.
        "c8 06 20 00000001 aa",
        "d0 06 20 00000001 aa",
        "db 08 4d4d4d0000bc614e 06 20 00000001 aa",
        "dc 08 4d4d4d0000bc614e 06 20 00000001 aa",
        "dd 01 01 08 4d4d4d0000bc614e 08 4d4d4d0000000001 00 00 01 00 00 06 20 00000001 aa",
        "dd 01 01 00 00 00 00 01 01 00 02 aabb 06 20 00000001 aa",
        "dd 01 01 00 00 00 00 01 02 01 02 02 aabb 06 20 00000001 aa",
        "df 01 01 08 4d4d4d0000bc614e 00 00 00 03 d80101 02 aabb",
        "e0 c0 0003 0000 03 aabbcc",
    ] {
        both_ways(text);
    }
}

#[test]
fn a_date_with_the_tag_of_an_octet_string() {
    // Kaifa's form: 0F, invoke, then 09 0C in place of 0C.
    let bytes = hex("0f40000000 090c07e60b0c0610360000ffc400 0201 1101");
    let (Apdu::DataNotification(push), []) = Apdu::decode(&bytes).unwrap() else {
        panic!("no DataNotification");
    };
    let at = DateTime([0x07, 0xE6, 0x0B, 0x0C, 6, 16, 54, 0, 0, 0xFF, 0xC4, 0]);
    assert_eq!(push.at, Some(at));
    assert_eq!(push.body, Data::Structure(vec![Data::Uint8(1)]));
}

#[test]
fn stray_bytes_are_given_back() {
    let bytes = hex("c401c1 00 1101 0000000000");
    let (apdu, rest) = Apdu::decode(&bytes).unwrap();
    assert_eq!((apdu.name(), rest), ("get_response", &[0; 5][..]));
}

#[test]
fn rows_with_untagged_descriptors() {
    let bytes = hex("0f00000001 00 0202 1601 0102
        0202 0001 0000600101ff 02 0903414243
        0202 0003 0100010700ff 02 06000007a4");
    let (Apdu::DataNotification(push), []) = Apdu::decode(&bytes).unwrap() else {
        panic!("no DataNotification");
    };
    let rows = push.body.elements().unwrap()[1].elements().unwrap();
    let descriptor = AttributeDescriptor {
        class: 3,
        instance: ObisCode::ACTIVE_POWER_IMPORT,
        attribute: 2,
    };
    let row = vec![Data::Attribute(descriptor), Data::Uint32(0x07A4)];
    assert_eq!(rows[1], Data::Structure(row));
    assert_eq!(Apdu::DataNotification(push).to_vec(), bytes);
    let error = Apdu::decode(&bytes[..bytes.len() - 1]).unwrap_err();
    assert_eq!(error.fault, Fault::Short);
}

#[test]
fn a_password_is_not_printed() {
    let shown = Authentication {
        mechanism: Mechanism::Low,
        value: Some(b"hunter22".to_vec()),
    };
    let text = format!("{shown:?}");
    assert!(!text.contains("hunter") && !text.contains("104, 117"));
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), first in any::<u8>()) {
        let mut bytes = bytes;
        bytes.insert(0, first);
        if let Ok((apdu, _)) = Apdu::decode(&bytes) {
            // What was understood is written so that it is understood alike.
            let again = apdu.to_vec();
            prop_assert_eq!(Apdu::decode(&again), Ok((apdu, &[][..])));
        }
    }
}
