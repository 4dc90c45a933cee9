//! Octets of another implementation.

use super::*;

const DEVICE: u64 = 0x0012_4B00_0000_0001;

fn seed() -> [u8; 16] {
    (0x10..0x20).collect::<Vec<u8>>().try_into().expect("16")
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(std::str::from_utf8);
    pairs
        .map(|pair| u8::from_str_radix(pair.expect("ASCII"), 16).expect("hex"))
        .collect()
}

/// The octets are those that zigpy-znp 1.1.1 makes of the same values for a CC2652.
#[test]
fn entries_are_laid_out_as_another_implementation_does() {
    let key = link_key(&seed(), DEVICE, 3);
    assert_eq!(hex(&key[..]), "1214151617530b1a1a1c1d1e1f5b0312");
    assert_eq!(shift_of(&seed(), DEVICE, &key), Some(3));
    assert_eq!(shift_of(&seed(), DEVICE + 1, &key), None);

    let tc_link_key = TcLinkKey {
        sent: 1,
        received: 0x0102_0304,
        ieee: DEVICE,
        shift: 3,
    };
    let wire = unhex("010000000403020101000000004b120002000300");
    assert_eq!(tc_link_key.octets(), wire);
    assert_eq!(TcLinkKey::read(&wire), Some(tc_link_key));

    let address = Address {
        user: 3,
        nwk: 0x1A01,
        ieee: DEVICE,
    };
    let wire = unhex("03ff011a01000000004b1200");
    assert_eq!(address.octets(), wire);
    assert_eq!(Address::read(&wire), Some(address));

    let material = SecurityMaterial {
        frame_counter: 0x0102_0304,
        extended_pan: DEVICE,
    };
    let wire = unhex("0403020101000000004b1200");
    assert_eq!(material.octets(), wire);
    assert_eq!(SecurityMaterial::read(&wire), Some(material));

    let key = ApsKey {
        key: Zeroizing::new(seed()),
        sent: 1,
        received: 2,
    };
    let wire = unhex("101112131415161718191a1b1c1d1e1f0100000002000000");
    assert_eq!(key.octets(), wire);
    assert!(ApsKey::read(&wire) == Some(key));

    let wire = unhex("01000500010001ff");
    assert_eq!(write_link_key_table(&[(5, 1)], 8), Some(wire.clone()));
    assert_eq!(read_link_key_table(&wire), [(5, 1)]);
    assert_eq!(write_link_key_table(&[(5, 1)], 7), None);
}

#[test]
fn the_information_base_is_patched_as_another_implementation_does() {
    let wire = unhex(concat!(
        "000000000000000000000000050000000000000000000000140000000000000000000000",
        "621a0000000010000000000000000000000000000001000000004b120001000000000000",
        "000000000000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000700"
    ));
    let mut nib = Nib::empty();
    assert!(!nib.is_formed());
    nib.set(20, 0x1A62, DEVICE, 7);
    assert_eq!(hex(nib.octets()), hex(&wire));
    let again = Nib::read(&wire).expect("its length");
    assert!(again.is_formed());
    assert_eq!(
        (again.channel(), again.pan(), again.extended_pan()),
        (20, 0x1A62, DEVICE)
    );
    assert_eq!(again.update_id(), 7);
    assert!(Nib::read(&wire[1..]).is_none());
}
