//! Both envelopes: there and back, sizes, and no bit that can be turned.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use rust_decimal::Decimal;
use wattle_relay::batch::{self, Row};
use wattle_relay::cose::{self, Context, EpochKey, Message};
use wattle_relay::{Certificate, Curve, PrivateKey, Refusal, cms, issue};

const CURVES: [Curve; 4] = [
    Curve::P256,
    Curve::P384,
    Curve::BrainpoolP256,
    Curve::BrainpoolP384,
];

fn party(curve: Curve, name: &str) -> (Certificate, PrivateKey) {
    let key = PrivateKey::generate(curve).unwrap();
    let certificate = issue::self_signed(&key, name, "20260101000000Z", "20460101000000Z").unwrap();
    (certificate, key)
}

fn key() -> EpochKey {
    EpochKey::new(2_026_113, &[9; 16]).unwrap()
}

fn context() -> Context {
    Context {
        device: "wattle-a1b2c3".to_owned(),
        stream: "7/1ISK0000000001/1-0:1.8.0".to_owned(),
        first: 9_601,
        last: 9_696,
    }
}

/// A day of quarter-hours of a home, in the tenths of watt-hours that its meter tells.
fn day() -> (u16, Vec<u8>) {
    let mut value = 54_301_577;
    let mut state = 7_u32;
    let rows: Vec<Row> = (0..96)
        .map(|place| {
            // The numbers of a linear congruential generator: a base load, and more in the evening.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let evening = if (68..92).contains(&place) { 2_500 } else { 0 };
            value += i64::from(state >> 24) + 420 + evening;
            Row {
                at_s: 1_774_000_800 + 900 * place,
                value: Decimal::new(value, 1),
                status: 0,
                captured_s: 0,
            }
        })
        .collect();
    batch::encode(30, &rows).unwrap()
}

fn sealed_cose(signer: &PrivateKey, payload: &[u8]) -> Vec<u8> {
    let context = context();
    let message = Message {
        context: &context,
        format: Some(batch::PLAIN),
        payload,
    };
    cose::seal(message, signer, &key(), cose::iv(2_026_113, 77)).unwrap()
}

#[test]
fn a_day_of_quarter_hours_fits_the_budget() {
    let (certificate, signer) = party(Curve::P256, "gw");
    let (format, octets) = day();
    let context = context();
    let message = Message {
        context: &context,
        format: Some(format),
        payload: &octets,
    };
    let cose = cose::seal(message, &signer, &key(), cose::iv(1, 1)).unwrap();
    let (recipient, _) = party(Curve::P256, "emt");
    let cms = cms::seal(
        &octets,
        (&certificate, &signer),
        cms::Included::Nothing,
        &recipient,
    )
    .unwrap();
    println!(
        "96 quarter-hours: batch {} B, COSE {} B, CMS {} B",
        octets.len(),
        cose.len(),
        cms.len()
    );
    assert!(cose.len() <= 400, "{} octets", cose.len());
    assert!(cms.len() <= 760, "{} octets", cms.len());
}

#[test]
fn cose_opens_for_who_has_the_key_and_trusts_the_signer() {
    for curve in [Curve::P256, Curve::P384] {
        let (_, signer) = party(curve, "gw");
        let sealed = sealed_cose(&signer, b"hello");
        let trusted = [signer.public().clone()];
        let opened = cose::open(&sealed, |_| Some(key()), &trusted).unwrap();
        assert_eq!(
            (opened.payload.as_slice(), opened.context),
            (&b"hello"[..], context())
        );
        let refusal = |keys: &dyn Fn(u32) -> Option<EpochKey>, trusted: &[_]| {
            cose::open(&sealed, keys, trusted).unwrap_err()
        };
        assert_eq!(refusal(&|_| None, &trusted), Refusal::NoKey);
        assert_eq!(
            refusal(&|_| EpochKey::new(2_026_113, &[8; 16]), &trusted),
            Refusal::DecryptFailed
        );
        assert_eq!(
            refusal(&|_| Some(key().down()), &trusted),
            Refusal::DecryptFailed
        );
        let (_, other) = party(curve, "other");
        assert_eq!(
            refusal(&|_| Some(key()), &[other.public().clone()]),
            Refusal::UntrustedSigner
        );
    }
    let (_, brainpool) = party(Curve::BrainpoolP256, "gw");
    let context = context();
    let message = Message {
        context: &context,
        format: None,
        payload: b"",
    };
    assert_eq!(
        cose::seal(message, &brainpool, &key(), [0; 12]),
        Err(cose::SealError::Curve)
    );
}

#[test]
fn cms_opens_on_every_curve() {
    for curve in CURVES {
        let (gateway, signer) = party(curve, "gw");
        let (market, private) = party(curve, "emt");
        for included in [cms::Included::Certificate, cms::Included::Nothing] {
            let sealed = cms::seal(b"hello", (&gateway, &signer), included, &market).unwrap();
            let trusted = [gateway.clone()];
            let options = cms::Options {
                recipient: Some((&market, &private)),
                trusted: &trusted,
                allow_cbc: false,
            };
            let opened = cms::open(&sealed, options).unwrap();
            assert_eq!(opened.payload.as_slice(), b"hello");
            let others = cms::Options {
                recipient: Some((&gateway, &signer)),
                ..options
            };
            assert_eq!(
                cms::open(&sealed, others).unwrap_err(),
                Refusal::WrongRecipient
            );
            let (stranger, _) = party(curve, "other");
            let stranger = [stranger];
            let strict = cms::Options {
                trusted: &stranger,
                ..options
            };
            assert_eq!(
                cms::open(&sealed, strict).unwrap_err(),
                Refusal::UntrustedSigner
            );
        }
    }
}

/// Every bit of `sealed`, turned one at a time, every cut and an octet more: all refused.
fn no_change_passes(sealed: &[u8], open: impl Fn(&[u8]) -> Result<(), Refusal>) {
    open(sealed).unwrap();
    let mut changed = sealed.to_vec();
    for place in 0..sealed.len() {
        for bit in 0..8 {
            changed[place] ^= 1 << bit;
            assert!(
                open(&changed).is_err(),
                "bit {bit} of octet {place} made no difference"
            );
            changed[place] ^= 1 << bit;
        }
        let cut = open(&sealed[..place]);
        assert!(
            matches!(cut, Err(Refusal::Truncated | Refusal::Malformed(_))),
            "cut to {place}: {cut:?}"
        );
    }
    changed.push(0);
    assert_eq!(open(&changed), Err(Refusal::TrailingData));
}

#[test]
fn no_bit_of_a_cose_batch_can_be_turned() {
    let (_, signer) = party(Curve::P256, "gw");
    let trusted = [signer.public().clone()];
    let sealed = sealed_cose(&signer, &day().1);
    // Whoever turns a bit of the epoch meets the same key: the tag alone has to tell.
    no_change_passes(&sealed, |octets| {
        cose::open(octets, |_| Some(key()), &trusted).map(drop)
    });
}

#[test]
fn no_bit_of_a_cms_batch_can_be_turned() {
    for included in [cms::Included::Nothing, cms::Included::Certificate] {
        let (gateway, signer) = party(Curve::P256, "gw");
        let (market, private) = party(Curve::P256, "emt");
        let trusted = [gateway.clone()];
        let options = cms::Options {
            recipient: Some((&market, &private)),
            trusted: &trusted,
            allow_cbc: false,
        };
        let payload = if included == cms::Included::Nothing {
            day().1
        } else {
            vec![7; 8]
        };
        let sealed = cms::seal(&payload, (&gateway, &signer), included, &market).unwrap();
        no_change_passes(&sealed, |octets| cms::open(octets, options).map(drop));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]
    #[test]
    fn any_octets_are_refused(octets: Vec<u8>) {
        let (gateway, signer) = (*PARTY).clone();
        let trusted = [gateway.clone()];
        let options = cms::Options { recipient: Some((&gateway, &signer)), trusted: &trusted, allow_cbc: true };
        assert!(cms::open(&octets, options).is_err());
        assert!(cose::open(&octets, |_| Some(key()), &[signer.public().clone()]).is_err());
        let _ = Certificate::read_all(&octets);
        let _ = PrivateKey::read(&octets);
    }
}

static PARTY: std::sync::LazyLock<(Certificate, PrivateKey)> =
    std::sync::LazyLock::new(|| party(Curve::P256, "gw"));
