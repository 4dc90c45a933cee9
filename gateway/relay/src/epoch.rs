//! Keys of epochs: made on the device, told to the head-end by HPKE (RFC 9180).
//!
//! ```text
//! [device, epoch, 18([ protected, {}, enc || sealed key, signature ])]
//! ```
//! DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode; who sent it is told by the
//! device's signature. The same announcement may be sent as often as it takes.

use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::DhP256HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};
use crate::certificate::{PrivateKey, PublicKey};
use crate::cose::{self, Context, EpochKey, Message, SealError};
use crate::curve::Curve;
use crate::refusal::Refusal;

/// Content format of an announcement.
pub const ANNOUNCEMENT: u16 = 65_003;
const INFO: &[u8] = b"wattle relay: key of an epoch";
/// Octets of an encapsulated key of P-256.
const ENCAPSULATED: usize = 65;

/// Whose key an announcement tells.
#[derive(Debug)]
pub struct Announced {
    /// The device.
    pub device: String,
    /// Its key.
    pub key: EpochKey,
    /// Which of the trusted signed, by its place.
    pub signer: usize,
}

fn context(device: &str, epoch: u32) -> Context {
    Context {
        device: device.to_owned(),
        stream: "key".to_owned(),
        first: epoch.into(),
        last: epoch.into(),
    }
}

/// Binds the sealed key to its device and epoch.
fn aad(device: &str, epoch: u32) -> Vec<u8> {
    let mut aad = Writer::default();
    aad.array(2).text(device).unsigned(epoch.into());
    aad.into_octets()
}

/// An announcement of a key for a head-end, whose key is on P-256.
///
/// # Errors
/// The head-end's key is on another curve, or the device's key signs nothing in COSE.
pub fn announce(
    device: &str,
    key: &EpochKey,
    head_end: &PublicKey,
    signer: &PrivateKey,
) -> Result<Vec<u8>, SealError> {
    if head_end.curve != Curve::P256 {
        return Err(SealError::Curve);
    }
    let recipient = <DhP256HkdfSha256 as Kem>::PublicKey::from_bytes(&head_end.point)
        .map_err(|_| SealError::Cipher)?;
    let (encapsulated, sealed) = hpke::single_shot_seal::<AesGcm128, HkdfSha256, DhP256HkdfSha256>(
        &OpModeS::Base,
        &recipient,
        INFO,
        key.secret(),
        &aad(device, key.epoch),
    )
    .map_err(|_| SealError::Cipher)?;
    let payload = [encapsulated.to_bytes().as_slice(), &sealed].concat();
    let context = context(device, key.epoch);
    let message = Message {
        context: &context,
        format: Some(ANNOUNCEMENT),
        payload: &payload,
    };
    let mut out = Writer::default();
    out.array(3).text(device).unsigned(key.epoch.into());
    out.bytes(&cose::sign(message, signer)?);
    Ok(out.into_octets())
}

/// The device that an announcement names, **which nobody has vouched for**: to find its trusted
/// signers by.
///
/// # Errors
/// It has not the form.
pub fn announcer(octets: &[u8]) -> Result<&str, Refusal> {
    let mut from = Reader::new(octets);
    from.array_of(3)?;
    from.text()
}

/// Takes an announcement.
///
/// # Errors
/// It has not the form, is for another head-end, or nobody of the trusted signed it.
pub fn accept(
    octets: &[u8],
    private: &PrivateKey,
    trusted: &[PublicKey],
) -> Result<Announced, Refusal> {
    let mut from = Reader::new(octets);
    from.array_of(3)?;
    let device = from.text()?;
    let epoch =
        u32::try_from(from.unsigned()?).map_err(|_| Refusal::Malformed("an epoch of 32 bits"))?;
    let signed = from.bytes()?;
    from.end()?;
    let signed = cose::verify(signed, &context(device, epoch), trusted)?;
    if signed.format != Some(ANNOUNCEMENT) {
        return Err(Refusal::Unsupported("another content format"));
    }
    let (encapsulated, sealed) = signed
        .payload
        .split_at_checked(ENCAPSULATED)
        .ok_or(Refusal::Truncated)?;
    let failed = |_| Refusal::DecryptFailed;
    let encapsulated =
        <DhP256HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated).map_err(failed)?;
    let secret =
        <DhP256HkdfSha256 as Kem>::PrivateKey::from_bytes(private.secret()).map_err(failed)?;
    let key = hpke::single_shot_open::<AesGcm128, HkdfSha256, DhP256HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &encapsulated,
        INFO,
        sealed,
        &aad(device, epoch),
    )
    .map_err(failed)?;
    let key = Zeroizing::new(key);
    let key = EpochKey::new(epoch, &key).ok_or(Refusal::Malformed("a key of 16 or 32 octets"))?;
    Ok(Announced {
        device: device.to_owned(),
        key,
        signer: signed.signer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reaches_the_head_end_it_is_for() {
        let party = || PrivateKey::generate(Curve::P256).unwrap();
        let (device, head_end, other) = (party(), party(), party());
        let key = EpochKey::new(7, &[3; 16]).unwrap();
        let octets = announce("gw-1", &key, head_end.public(), &device).unwrap();
        let trusted = [other.public().clone(), device.public().clone()];
        let taken = accept(&octets, &head_end, &trusted).unwrap();
        assert_eq!(
            (taken.device.as_str(), taken.key.epoch, taken.signer),
            ("gw-1", 7, 1)
        );
        assert_eq!(taken.key.secret(), key.secret());
        assert_eq!(announcer(&octets), Ok("gw-1"));
        assert_eq!(
            accept(&octets, &other, &trusted).unwrap_err(),
            Refusal::DecryptFailed
        );
        assert_eq!(
            accept(&octets, &head_end, &trusted[..1]).unwrap_err(),
            Refusal::UntrustedSigner
        );
        for place in 0..octets.len() {
            for bit in 0..8 {
                let mut changed = octets.clone();
                changed[place] ^= 1 << bit;
                assert!(
                    accept(&changed, &head_end, &trusted).is_err(),
                    "bit {bit} of {place}"
                );
            }
        }
    }
}
