//! Messages of the relay in the form of CMS. The label, which COSE protects in a header, is part of
//! what is signed:
//!
//! ```text
//! [1, device, stream, first, last, content format or null, payload]
//! ```
//! in CBOR. So stock tools open and verify a message, and nobody between reads whose it is.

use zeroize::Zeroizing;

use super::{Included, Options, open, seal};
use crate::cbor::{Reader, Writer};
use crate::certificate::{Certificate, PrivateKey, PublicKey};
use crate::cose::{self, Context, Message, SealError};
use crate::refusal::Refusal;

const VERSION: i64 = 1;

/// True for what can only be CMS: a SEQUENCE in DER.
#[must_use]
pub fn is_cms(octets: &[u8]) -> bool {
    octets.first() == Some(&0x30)
}

/// Seals a message for one recipient. Certificates do not go along.
///
/// # Errors
/// As [`seal`].
pub fn seal_message(
    message: Message<'_>,
    signer: (&Certificate, &PrivateKey),
    recipient: &Certificate,
) -> Result<Vec<u8>, SealError> {
    let Context {
        device,
        stream,
        first,
        last,
    } = message.context;
    let mut out = Writer::default();
    out.array(7).int(VERSION).text(device).text(stream);
    out.unsigned(*first).unsigned(*last);
    // 0 is text/plain, which nothing of ours is.
    out.unsigned(message.format.unwrap_or(0).into());
    out.bytes(message.payload);
    let labelled = Zeroizing::new(out.into_octets());
    seal(&labelled, signer, Included::Nothing, recipient)
}

/// Opens a message that is sealed for `recipient` and signed by one of `trusted`.
///
/// # Errors
/// Whatever keeps it from being opened; nothing of the content is told.
pub fn open_message(
    octets: &[u8],
    recipient: (&Certificate, &PrivateKey),
    trusted: &[Certificate],
) -> Result<cose::Opened, Refusal> {
    let options = Options {
        recipient: Some(recipient),
        trusted,
        allow_cbc: false,
    };
    let opened = open(octets, options)?;
    let mut from = Reader::new(&opened.payload);
    from.array_of(7)?;
    if from.int()? != VERSION {
        return Err(Refusal::Unsupported("another version of a message"));
    }
    let context = Context {
        device: from.text()?.to_owned(),
        stream: from.text()?.to_owned(),
        first: from.unsigned()?,
        last: from.unsigned()?,
    };
    let wrong = Refusal::Malformed("a message out of bounds");
    let format = u16::try_from(from.unsigned()?).map_err(|_| wrong)?;
    let payload = Zeroizing::new(from.bytes()?.to_vec());
    from.end()?;
    if context.first > context.last {
        return Err(wrong);
    }
    Ok(cose::Opened {
        context,
        epoch: 0,
        signer: opened.signer,
        content_encryption: opened.content_encryption,
        signature: opened.signature,
        format: (format != 0).then_some(format),
        payload,
    })
}

/// The same as if only `among` had been trusted: the signer by its place among these keys.
///
/// # Errors
/// [`Refusal::UntrustedSigner`].
pub fn signed_by(
    mut opened: cose::Opened,
    trusted: &[Certificate],
    among: &[PublicKey],
) -> Result<cose::Opened, Refusal> {
    let signer = trusted.get(opened.signer).map(Certificate::public);
    let place = signer.and_then(|signer| among.iter().position(|key| key == signer));
    opened.signer = place.ok_or(Refusal::UntrustedSigner)?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Curve;
    use crate::issue;

    fn party(curve: Curve, name: &str) -> (Certificate, PrivateKey) {
        let key = PrivateKey::generate(curve).unwrap();
        let times = ("20260101000000Z", "20460101000000Z");
        let certificate = issue::self_signed(&key, name, times.0, times.1).unwrap();
        (certificate, key)
    }

    fn context() -> Context {
        Context {
            device: "gw-1".to_owned(),
            stream: "7/1WSM/1-0:1.8.0*255".to_owned(),
            first: 41,
            last: 136,
        }
    }

    #[test]
    fn label_and_payload_come_back_from_the_right_signer_alone() {
        for curve in [Curve::P256, Curve::BrainpoolP256] {
            let device = party(Curve::P256, "gw-1");
            let utility = party(curve, "emt");
            let stranger = party(Curve::P256, "stranger");
            let context = context();
            let message = Message {
                context: &context,
                format: Some(65_001),
                payload: b"rows",
            };
            let sealed = seal_message(message, (&device.0, &device.1), &utility.0).unwrap();
            assert!(is_cms(&sealed));
            let to = (&utility.0, &utility.1);
            let trusted = [stranger.0.clone(), device.0.clone()];
            let opened = open_message(&sealed, to, &trusted).unwrap();
            assert_eq!((&opened.context, opened.format), (&context, Some(65_001)));
            assert_eq!(opened.payload.as_slice(), b"rows");
            assert_eq!(opened.signer, 1);
            let again = open_message(&sealed, to, &trusted).unwrap();
            let keys = [device.0.public().clone()];
            assert_eq!(signed_by(again, &trusted, &keys).unwrap().signer, 0);
            let again = open_message(&sealed, to, &trusted).unwrap();
            assert!(signed_by(again, &trusted, &[stranger.0.public().clone()]).is_err());
            assert!(open_message(&sealed, to, &trusted[..1]).is_err());
            let not_to = (&stranger.0, &stranger.1);
            assert!(open_message(&sealed, not_to, &trusted).is_err());
            // Every bit of an envelope is turned in another test.
            for place in (0..sealed.len() * 8).step_by(37) {
                let mut changed = sealed.clone();
                changed[place / 8] ^= 1 << (place % 8);
                assert!(open_message(&changed, to, &trusted).is_err(), "bit {place}");
            }
        }
    }

    #[test]
    fn another_payload_is_no_message() {
        let device = party(Curve::P256, "gw-1");
        let to = (&device.0, &device.1);
        let trusted = [device.0.clone()];
        for payload in [
            &b""[..],
            b"rows",
            &[0x87, 2],
            &[0x87, 1, 0x60, 0x60, 2, 1, 0, 0x40],
        ] {
            let sealed = seal(payload, to, Included::Nothing, &device.0).unwrap();
            assert!(open_message(&sealed, to, &trusted).is_err(), "{payload:?}");
        }
    }
}
