//! Commands to a meter in security mode 7, with the keys that only a gateway derives (OMS
//! Specification Volume 2, clause 9.6: purposes 10 and 11).
//!
//! No published example of this direction was at hand: it is checked by a meter written after the
//! same text.

use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockEncryptMut, KeyIvInit};
use cmac::{Cmac, Mac};

use super::message::long_address;
use crate::mbus::DeviceAddress;

/// CMAC of 8 bytes, message counter.
const MCL: u8 = 0x25;
/// MCL, MCR and MAC are there.
const FCL: [u8; 2] = [0x00, 0x2C];
const AFL: u8 = 0x90;
const AFL_LENGTH: u8 = 15;
const MAC: usize = 8;
/// Command to the meter with a long header.
const CI_COMMAND: u8 = 0x5B;
const FILLER: u8 = 0x2F;
/// Purposes of derived keys, gateway to meter.
const ENCRYPTION: u8 = 0x10;
const AUTHENTICATION: u8 = 0x11;

/// The body of a command, from the authentication layer on: the records, encrypted and
/// authenticated for one meter under a message counter that must never be used twice with `key`.
/// `None` when the records do not fit.
#[must_use]
pub fn seal_mode_7(
    key: &[u8; 16],
    counter: u32,
    meter: DeviceAddress,
    access_number: u8,
    records: &[u8],
) -> Option<Vec<u8>> {
    let counter = counter.to_le_bytes();
    let mut sealed = vec![FILLER, FILLER];
    sealed.extend_from_slice(records);
    sealed.resize(sealed.len().next_multiple_of(16), FILLER);
    let blocks = u8::try_from(sealed.len() / 16)
        .ok()
        .filter(|blocks| *blocks < 16)?;
    let encryption = derived(key, ENCRYPTION, counter, meter);
    let mut cipher = cbc::Encryptor::<Aes128>::new(&encryption.into(), &[0; 16].into());
    for block in sealed.as_chunks_mut::<16>().0 {
        cipher.encrypt_block_mut(block.into());
    }
    let mut transport = vec![CI_COMMAND];
    transport.extend(long_address(meter));
    transport.extend([access_number, 0, blocks << 4, 0x07, 0x10]);
    transport.extend(sealed);

    let mut mac = cmac(&derived(key, AUTHENTICATION, counter, meter));
    mac.update(&[MCL]);
    mac.update(&counter);
    mac.update(&transport);
    let mac: [u8; 16] = mac.finalize().into_bytes().into();

    let mut body = vec![AFL, AFL_LENGTH];
    body.extend(FCL);
    body.push(MCL);
    body.extend(counter);
    body.extend(mac.iter().take(MAC));
    body.extend(transport);
    Some(body)
}

fn derived(key: &[u8; 16], purpose: u8, counter: [u8; 4], meter: DeviceAddress) -> [u8; 16] {
    let mut derivation = cmac(key);
    derivation.update(&[purpose]);
    derivation.update(&counter);
    derivation.update(&meter.identification.0);
    derivation.update(&[7; 7]);
    derivation.finalize().into_bytes().into()
}

fn cmac(key: &[u8; 16]) -> Cmac<Aes128> {
    <Cmac<Aes128> as Mac>::new(key.into())
}

#[cfg(test)]
mod tests {
    use aes_gcm::aes::cipher::BlockDecryptMut;

    use super::*;
    use crate::mbus::{DeviceType, Identification, Manufacturer};

    /// The meter's side, from the text of the standard.
    fn open(key: &[u8; 16], meter: DeviceAddress, body: &[u8]) -> Option<Vec<u8>> {
        let (afl, transport) = body.split_at(17);
        let counter: [u8; 4] = afl[5..9].try_into().unwrap();
        let message = [&[MCL][..], &counter, transport].concat();
        let mut mac = cmac(&derived(key, 0x11, counter, meter));
        mac.update(&message);
        let mac: [u8; 16] = mac.finalize().into_bytes().into();
        if mac[..8] != afl[9..17] {
            return None;
        }
        let mut plain = transport[14..].to_vec();
        let encryption = derived(key, 0x10, counter, meter);
        let mut cipher = cbc::Decryptor::<Aes128>::new(&encryption.into(), &[0; 16].into());
        for block in plain.as_chunks_mut::<16>().0 {
            cipher.decrypt_block_mut(block.into());
        }
        Some(plain)
    }

    #[test]
    fn only_the_meter_with_the_key_opens_it() {
        let meter = DeviceAddress {
            manufacturer: Manufacturer::from_letters("SIM").unwrap(),
            identification: Identification::from_digits("12345678").unwrap(),
            version: 1,
            device_type: DeviceType(0x21),
        };
        // Close the valve: digital output 0.
        let records = [0x01, 0xFD, 0x1A, 0x00];
        let body = seal_mode_7(&[9; 16], 42, meter, 7, &records).unwrap();
        let opened = open(&[9; 16], meter, &body).unwrap();
        assert!(opened.starts_with(&[0x2F, 0x2F, 0x01, 0xFD, 0x1A, 0x00, 0x2F]));
        assert_eq!(open(&[8; 16], meter, &body), None);
        for bit in 8 * 5..8 * body.len() {
            let mut altered = body.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&[9; 16], meter, &altered), None, "bit {bit}");
        }
        assert_eq!(seal_mode_7(&[9; 16], 1, meter, 7, &[0; 250]), None);
    }
}
