//! Security modes of the transport layer (EN 13757-7, clause 7.6 and 9) and of the extended link
//! layer (EN 13757-4, clause 13.2.10).
//!
//! Modes 5, 7, 10 and the extended link layer's were checked with telegrams of real meters or of
//! other implementations. For modes 8 and 9 no telegram with its key is published: they follow the
//! header, key derivation and nonce of mode 10 and are tested against themselves only. A telegram
//! in them gives a value only when its MAC or tag verifies.

use std::fmt;

use aes_gcm::aes::Aes128;
use cbc::cipher::{BlockDecryptMut, KeyInit, KeyIvInit, StreamCipher, block_padding::NoPadding};
use ccm::aead::AeadInPlace;
use ccm::consts::{U8, U12, U13};
use cmac::{Cmac, Mac};
use jiff::civil;

use super::keys::MeterKey;
use super::refusal::Refusal;
use crate::mbus::{DeviceAddress, Header};

/// What a payload begins with behind every cipher but the link layer's.
const KNOWN_BYTES: [u8; 2] = [0x2F, 0x2F];

/// By what a telegram was encrypted or authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A security mode of the transport layer; 0 is none.
    Transport(u8),
    /// AES-128 in counter mode in the extended link layer.
    EllCtr,
}

impl Mode {
    /// `"5"`, `"ell-ctr"` …
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Transport(mode) => mode.to_string(),
            Self::EllCtr => "ell-ctr".to_owned(),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(mode) => write!(f, "security mode {mode}"),
            Self::EllCtr => f.write_str("ell-ctr"),
        }
    }
}

/// What was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Nothing.
    None,
    /// The known bytes 2F 2F, which tell a wrong key from a right one and not much more.
    KnownBytes,
    /// A checksum of the maker's own inside of the ciphertext.
    Checksum,
    /// The CRC of the payload, inside of the ciphertext.
    PayloadCrc,
    /// A CMAC over the message.
    Cmac,
    /// The tag of AES-CCM.
    CcmTag,
    /// The tag of AES-GCM.
    GcmTag,
}

impl Proof {
    /// The name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::KnownBytes => "2f2f",
            Self::Checksum => "checksum",
            Self::PayloadCrc => "payload_crc",
            Self::Cmac => "cmac",
            Self::CcmTag => "ccm_tag",
            Self::GcmTag => "gcm_tag",
        }
    }

    /// True for a cryptographic check.
    #[must_use]
    pub const fn is_authentication(self) -> bool {
        matches!(self, Self::Cmac | Self::CcmTag | Self::GcmTag)
    }

    /// The same in the words of the model.
    #[must_use]
    pub const fn check(self) -> crate::model::Check {
        use crate::model::Check;
        match self {
            // The link layer's CRC was right, at the receiver or here.
            Self::None | Self::PayloadCrc => Check::Crc,
            Self::KnownBytes | Self::Checksum => Check::KnownBytes,
            Self::Cmac => Check::Mac,
            Self::CcmTag | Self::GcmTag => Check::Tag,
        }
    }
}

/// How a telegram was protected, and what of it was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Security {
    /// By which mode.
    pub mode: Mode,
    /// What was verified.
    pub proof: Proof,
    /// The message counter or session number.
    pub counter: Option<u32>,
    /// The header announces encryption and the payload is plain.
    pub clear_payload: bool,
}

impl Security {
    pub(super) const NONE: Self = Self {
        mode: Mode::Transport(0),
        proof: Proof::None,
        counter: None,
        clear_payload: false,
    };
}

/// Everything about a message that its opening needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed<'a> {
    pub(super) header: &'a Header,
    /// The message from the CI field of the transport layer on.
    pub(super) message: &'a [u8],
    /// The meter's address, by which keys are derived and vectors made.
    pub(super) meter: DeviceAddress,
    /// Message control, counter, MAC and message length of the authentication sublayer.
    pub(super) authentication: Option<&'a Authentication>,
    /// Days on which it may have been sent (mode 3).
    pub(super) days: &'a [civil::Date],
}

/// What the authentication sublayer carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Authentication {
    pub(super) control: Option<u8>,
    pub(super) counter: Option<u32>,
    pub(super) mac: Vec<u8>,
    pub(super) message_length: Option<u16>,
}

impl Sealed<'_> {
    /// The bytes behind the header.
    pub(super) fn body(&self) -> &[u8] {
        self.message.get(self.header.length..).unwrap_or_default()
    }

    /// True when the body is plain, whatever the header announces.
    pub(super) fn is_clear(&self) -> bool {
        self.body().starts_with(&KNOWN_BYTES)
    }

    pub(super) fn counter(&self) -> Option<u32> {
        let own = self.header.configuration.counter;
        own.or_else(|| self.authentication.and_then(|it| it.counter))
    }

    fn mode(&self) -> Mode {
        Mode::Transport(self.header.configuration.mode())
    }

    /// Opens the body with one key.
    pub(super) fn open(&self, key: &MeterKey) -> Result<(Vec<u8>, Proof), Refusal> {
        let mode = self.mode();
        let aes = || {
            key.aes().ok_or(Refusal::WrongKey {
                mode,
                check: "it is no key of 16 octets",
            })
        };
        match self.header.configuration.mode() {
            2 | 3 => self.open_des(key),
            5 => self.open_cbc_iv(aes()?),
            7 => self.open_cbc_mac(aes()?),
            8 => self.open_ctr_mac(aes()?),
            9 => self.open_gcm(aes()?),
            10 => self.open_ccm(aes()?),
            13 => Err(Refusal::UnsupportedMode(
                13,
                "TLS is a session with the meter, which a recording does not hold",
            )),
            other => Err(Refusal::UnsupportedMode(other, "it is not known here")),
        }
    }

    /// Modes 2 and 3; the low configuration byte counts encrypted octets.
    fn open_des(&self, key: &MeterKey) -> Result<(Vec<u8>, Proof), Refusal> {
        let mode = self.mode();
        let wrong = |check| Refusal::WrongKey { mode, check };
        let key = key.des().ok_or(wrong("it is no key of 8 octets"))?;
        let encrypted = usize::from(self.header.configuration.field.to_le_bytes()[0]);
        let zero = [[0; 8]];
        let by_day: Vec<[u8; 8]> = self.days.iter().map(|day| self.day_vector(*day)).collect();
        let vectors = if mode == Mode::Transport(2) {
            zero.as_slice()
        } else {
            by_day.as_slice()
        };
        for vector in vectors {
            let mut body = self.body().to_vec();
            let part = whole_blocks::<8>(&mut body, encrypted)?;
            decrypt_cbc::<cbc::Decryptor<des::Des>>(key, vector, part);
            if body.starts_with(&KNOWN_BYTES) {
                return Ok((body, Proof::KnownBytes));
            }
        }
        Err(wrong("2F 2F does not come out of it"))
    }

    /// The vector of mode 3: identification, maker and day of sending as type G.
    fn day_vector(&self, day: civil::Date) -> [u8; 8] {
        let [i0, i1, i2, i3] = self.meter.identification.0;
        let [m0, m1] = self.meter.manufacturer.0.to_le_bytes();
        let year = day.year().rem_euclid(100).to_le_bytes()[0];
        let low = day.day().cast_unsigned() | year << 5;
        let high = day.month().cast_unsigned() | year << 1 & 0xF0;
        [i0, i1, i2, i3, m0, m1, low, high]
    }

    /// Mode 5: AES-128-CBC, the vector from address and access number (clause 9.4.5).
    fn open_cbc_iv(&self, key: &[u8; 16]) -> Result<(Vec<u8>, Proof), Refusal> {
        let mut vector = [self.header.access_number.unwrap_or(0); 16];
        vector
            .iter_mut()
            .zip(self.meter.to_link())
            .for_each(|(to, from)| *to = from);
        let body = self.decrypted_blocks(key, &vector)?;
        if !body.starts_with(&KNOWN_BYTES) {
            return Err(Refusal::WrongKey {
                mode: self.mode(),
                check: "2F 2F does not come out of it",
            });
        }
        Ok((body, Proof::KnownBytes))
    }

    /// Mode 7: AES-128-CBC with derived keys, authenticated by the sublayer's CMAC (clause 9.4.7).
    fn open_cbc_mac(&self, key: &[u8; 16]) -> Result<(Vec<u8>, Proof), Refusal> {
        let mode = self.mode();
        let failed = |check| Refusal::AuthenticationFailed { mode, check };
        let authentication = self.authentication.ok_or(failed("missing MAC"))?;
        let counter = self.counter().ok_or(failed("missing message counter"))?;
        let (encryption, mac) = if self.header.configuration.extension[0] >> 4 & 3 == 1 {
            (
                self.derived(key, 0x00, counter),
                self.derived(key, 0x01, counter),
            )
        } else {
            (*key, *key)
        };
        if authentication.mac.is_empty() {
            return Err(failed("missing MAC"));
        }
        let mut check = cmac(&mac);
        check.update(authentication.control.as_slice());
        if let Some(counter) = authentication.counter {
            check.update(&counter.to_le_bytes());
        }
        if let Some(length) = authentication.message_length {
            check.update(&length.to_le_bytes());
        }
        check.update(self.message);
        check
            .verify_truncated_left(&authentication.mac)
            .map_err(|_| failed("MAC"))?;
        let body = self.decrypted_blocks(&encryption, &[0; 16])?;
        if !body.is_empty() && !body.starts_with(&KNOWN_BYTES) {
            return Err(Refusal::WrongKey {
                mode,
                check: "2F 2F does not come out of it",
            });
        }
        Ok((body, Proof::Cmac))
    }

    fn decrypted_blocks(&self, key: &[u8; 16], vector: &[u8; 16]) -> Result<Vec<u8>, Refusal> {
        let mut body = self.body().to_vec();
        let encrypted = 16 * self.header.configuration.encrypted_blocks();
        let part = whole_blocks::<16>(&mut body, encrypted)?;
        decrypt_cbc::<cbc::Decryptor<Aes128>>(key, vector, part);
        Ok(body)
    }

    /// Mode 10: AES-128-CCM, header authenticated, message counter in the header (clause 9.4.10).
    fn open_ccm(&self, key: &[u8; 16]) -> Result<(Vec<u8>, Proof), Refusal> {
        let (key, counter, mut body, tag) = self.authenticated_parts(key, 8, "tag")?;
        let mut nonce = [0; 13];
        let fields = self.nonce_fields([0].as_slice(), counter);
        nonce
            .iter_mut()
            .zip(fields)
            .for_each(|(to, from)| *to = from);
        ccm::Ccm::<Aes128, U8, U13>::new(&key.into())
            .decrypt_in_place_detached(
                &nonce.into(),
                self.header_bytes(),
                &mut body,
                tag.as_slice().into(),
            )
            .map_err(|_| self.failed("tag"))?;
        Ok((body, Proof::CcmTag))
    }

    /// Mode 9: as mode 10 with AES-128-GCM and a tag of 12 bytes.
    fn open_gcm(&self, key: &[u8; 16]) -> Result<(Vec<u8>, Proof), Refusal> {
        let (key, counter, mut body, tag) = self.authenticated_parts(key, 12, "tag")?;
        let mut nonce = [0; 12];
        let fields = self.nonce_fields(&[], counter);
        nonce
            .iter_mut()
            .zip(fields)
            .for_each(|(to, from)| *to = from);
        aes_gcm::AesGcm::<Aes128, U12, U12>::new(&key.into())
            .decrypt_in_place_detached(
                &nonce.into(),
                self.header_bytes(),
                &mut body,
                tag.as_slice().into(),
            )
            .map_err(|_| self.failed("tag"))?;
        Ok((body, Proof::GcmTag))
    }

    /// Mode 8: AES-128 in counter mode, header and ciphertext authenticated by a CMAC of 8 bytes.
    fn open_ctr_mac(&self, key: &[u8; 16]) -> Result<(Vec<u8>, Proof), Refusal> {
        let master = *key;
        let (key, counter, mut body, tag) = self.authenticated_parts(key, 8, "MAC")?;
        let mut check = cmac(&self.derived(&master, 0x01, counter));
        check.update(self.header_bytes());
        check.update(&counter.to_le_bytes());
        check.update(&body);
        check
            .verify_truncated_left(&tag)
            .map_err(|_| self.failed("MAC"))?;
        let mut block = [0; 16];
        let fields = self.nonce_fields([0].as_slice(), counter);
        block
            .iter_mut()
            .zip(fields)
            .for_each(|(to, from)| *to = from);
        ctr::Ctr32BE::<Aes128>::new(&key.into(), &block.into()).apply_keystream(&mut body);
        Ok((body, Proof::Cmac))
    }

    /// Key, counter, ciphertext and tag of modes 8 to 10.
    fn authenticated_parts(
        &self,
        key: &[u8; 16],
        tag_length: usize,
        what: &'static str,
    ) -> Result<Parts, Refusal> {
        let configuration = &self.header.configuration;
        let counter = configuration.counter.ok_or(self.failed(what))?;
        if configuration.extension[1] & 0x0F != 1 {
            return Err(Refusal::UnsupportedMode(
                configuration.mode(),
                "the length of its tag is not known here",
            ));
        }
        let key = match configuration.extension[0] >> 4 & 3 {
            0 => *key,
            1 => self.derived(key, 0x00, counter),
            _ => {
                return Err(Refusal::UnsupportedMode(
                    configuration.mode(),
                    "its key derivation is not known here",
                ));
            }
        };
        let mut body = self.body().to_vec();
        let at = body.len().checked_sub(tag_length);
        let tag = body.split_off(at.ok_or(Refusal::Truncated {
            layer: "authentication tag",
        })?);
        Ok((key, counter, body, tag))
    }

    /// Maker, identification, version, type, what is between, counter with its high byte first.
    fn nonce_fields(&self, between: &'static [u8], counter: u32) -> impl Iterator<Item = u8> {
        let address = self.meter.to_link();
        let counter = counter.to_be_bytes();
        address
            .into_iter()
            .chain(between.iter().copied())
            .chain(counter)
    }

    /// CI field to configuration extension: what modes 8 to 10 authenticate of the header.
    fn header_bytes(&self) -> &[u8] {
        let length = self.header.authenticated_length;
        self.message.get(..length).unwrap_or_default()
    }

    fn failed(&self, check: &'static str) -> Refusal {
        Refusal::AuthenticationFailed {
            mode: self.mode(),
            check,
        }
    }

    /// A key for one message: CMAC over constant, counter and identification (clause 9.6.2).
    fn derived(&self, key: &[u8; 16], constant: u8, counter: u32) -> [u8; 16] {
        let mut derivation = cmac(key);
        derivation.update(&[constant]);
        derivation.update(&counter.to_le_bytes());
        derivation.update(&self.meter.identification.0);
        derivation.update(&[0x07; 7]);
        derivation.finalize().into_bytes().into()
    }
}

/// Key, counter, ciphertext and tag.
type Parts = ([u8; 16], u32, Vec<u8>, Vec<u8>);

fn cmac(key: &[u8; 16]) -> Cmac<Aes128> {
    <Cmac<Aes128> as KeyInit>::new(key.into())
}

/// The front of `body` that is encrypted.
fn whole_blocks<const BLOCK: usize>(body: &mut [u8], length: usize) -> Result<&mut [u8], Refusal> {
    if !length.is_multiple_of(BLOCK) {
        return Err(Refusal::Truncated {
            layer: "last encrypted block",
        });
    }
    let missing = length.saturating_sub(body.len());
    body.get_mut(..length).ok_or(Refusal::CutBlock { missing })
}

fn decrypt_cbc<D: KeyIvInit + BlockDecryptMut>(key: &[u8], vector: &[u8], blocks: &mut [u8]) {
    // Key and vector have the cipher's lengths and `blocks` are whole, so that nothing can fail.
    if let Ok(cipher) = D::new_from_slices(key, vector) {
        let _ = cipher.decrypt_padded_mut::<NoPadding>(blocks);
    }
}

/// Decrypts the one block behind an access number and another byte, with the vector of mode 5. The
/// form is the maker's (Apator NA-1); there is nothing to check it by but what comes out.
pub(crate) fn open_access_number_cbc(
    bytes: &[u8],
    sender: DeviceAddress,
    key: &[u8; 16],
) -> Option<Vec<u8>> {
    let mut vector = [*bytes.first()?; 16];
    vector
        .iter_mut()
        .zip(sender.to_link())
        .for_each(|(to, from)| *to = from);
    let mut block = bytes.get(2..18)?.to_vec();
    decrypt_cbc::<cbc::Decryptor<Aes128>>(key, &vector, &mut block);
    Some(block)
}

/// Decrypts payload and CRC behind an extended link layer.
pub(super) fn open_ell(key: &[u8; 16], initial_counter: [u8; 16], sealed: &[u8]) -> Vec<u8> {
    let mut opened = sealed.to_vec();
    ctr::Ctr128BE::<Aes128>::new(key.into(), &initial_counter.into()).apply_keystream(&mut opened);
    opened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::octets;

    const KEY: [u8; 16] = [0x5A; 16];

    /// Modes 8 and 9 against themselves: there is no published telegram.
    #[test]
    fn modes_eight_and_nine_open_what_they_seal() {
        let meter = DeviceAddress::from_link([0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03]);
        let plain = octets("2F2F0C1427048502").unwrap();
        for mode in [8u8, 9] {
            let mut message = octets("7A2A00FF").unwrap();
            message.extend([mode, 0x10, 0x01, 7, 0, 0, 0]);
            let header = Header::read(&message).unwrap();
            let sealing = Sealed {
                header: &header,
                message: &message,
                meter,
                authentication: None,
                days: &[],
            };
            let key = sealing.derived(&KEY, 0x00, 7);
            let mut body = plain.clone();
            let tag = if mode == 8 {
                let mut block = [0; 16];
                let fields = sealing.nonce_fields([0].as_slice(), 7);
                block
                    .iter_mut()
                    .zip(fields)
                    .for_each(|(to, from)| *to = from);
                ctr::Ctr32BE::<Aes128>::new(&key.into(), &block.into()).apply_keystream(&mut body);
                let mut check = cmac(&sealing.derived(&KEY, 0x01, 7));
                check.update(sealing.header_bytes());
                check.update(&7u32.to_le_bytes());
                check.update(&body);
                check.finalize().into_bytes()[..8].to_vec()
            } else {
                let mut nonce = [0; 12];
                nonce
                    .iter_mut()
                    .zip(sealing.nonce_fields(&[], 7))
                    .for_each(|(to, from)| *to = from);
                aes_gcm::AesGcm::<Aes128, U12, U12>::new(&key.into())
                    .encrypt_in_place_detached(&nonce.into(), sealing.header_bytes(), &mut body)
                    .unwrap()
                    .to_vec()
            };
            let mut sealed = message.clone();
            sealed.extend(body);
            sealed.extend(tag);
            let open = |message: &[u8]| {
                let sealed = Sealed { message, ..sealing };
                sealed.open(&MeterKey::from_hex(&"5a".repeat(16)).unwrap())
            };
            assert_eq!(open(&sealed).unwrap().0, plain, "mode {mode}");
            for bit in 8 * 11..8 * sealed.len() {
                let mut altered = sealed.clone();
                altered[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(open(&altered).unwrap_err().status(), "auth_failed");
            }
        }
    }

    #[test]
    fn des_with_known_bytes() {
        let plain = octets("2F2F041301000000").unwrap();
        let mut sealed = plain.clone();
        let key = [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF];
        use cbc::cipher::BlockEncryptMut;
        cbc::Encryptor::<des::Des>::new(&key.into(), &[0; 8].into())
            .encrypt_padded_mut::<NoPadding>(&mut sealed, plain.len())
            .unwrap();
        let mut message = octets("7A01000802").unwrap();
        message.extend(&sealed);
        let header = Header::read(&message).unwrap();
        let meter = DeviceAddress::from_link([0; 8]);
        let sealed = Sealed {
            header: &header,
            message: &message,
            meter,
            authentication: None,
            days: &[],
        };
        let right = MeterKey::from_hex("0123456789ABCDEF").unwrap();
        assert_eq!(sealed.open(&right).unwrap(), (plain, Proof::KnownBytes));
        let wrong = MeterKey::from_hex("FEDCBA9876543210").unwrap();
        assert_eq!(sealed.open(&wrong).unwrap_err().status(), "wrong_key");
    }
}
