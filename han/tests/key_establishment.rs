//! Key establishment against certificates of the test authority and exchanges that an independent
//! implementation has computed, in both suites.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use han::zigbee::key_establishment::{Confirms, KeyError, Party, Suite};
use serde_json::Value;

fn rows(kind: &str) -> Vec<Value> {
    let corpus = std::env::var_os("WATTLE_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let file = corpus.join("han/zigbee/cbke.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: no {}; set WATTLE_CORPUS", file.display());
        return Vec::new();
    };
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let rows: Vec<Value> = rows.filter(|row: &Value| row["kind"] == kind).collect();
    assert!(!rows.is_empty());
    rows
}

fn octets(row: &Value, name: &str) -> Vec<u8> {
    let text = row[name].as_str().unwrap();
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let octet =
        |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(octet).collect()
}

fn suite(row: &Value) -> Suite {
    if row["suite"] == 1 {
        Suite::One
    } else {
        Suite::Two
    }
}

#[test]
fn certificates_give_the_public_keys_of_their_owners() {
    for row in rows("ecqv") {
        let suite = suite(&row);
        let (certificate, authority) = (octets(&row, "cert"), octets(&row, "ca_public"));
        let public = suite.public_key(&certificate, &authority).unwrap();
        assert_eq!(public, octets(&row, "device_public"));
        let pair = suite.key_pair(&octets(&row, "private_key")).unwrap();
        assert_eq!(
            pair.public(),
            public,
            "the private key is the certificate's"
        );
        // Another authority, a changed certificate: another key, or none.
        assert_ne!(suite.public_key(&certificate, &public), Ok(public.clone()));
        let mut changed = certificate.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_ne!(suite.public_key(&changed, &authority), Ok(public));
        let short = suite.public_key(certificate.split_last().unwrap().1, &authority);
        assert_eq!(short, Err(KeyError::Point));
    }
}

#[test]
fn both_sides_agree_and_confirm() {
    for row in rows("key_establishment") {
        let suite = suite(&row);
        let pair = |name: &str| suite.key_pair(&octets(&row, name)).unwrap();
        let (one, one_ephemeral) = (pair("initiator_private"), pair("initiator_eph_private"));
        let (two, two_ephemeral) = (pair("responder_private"), pair("responder_eph_private"));
        assert_eq!(one.public(), octets(&row, "initiator_public"));
        assert_eq!(two_ephemeral.public(), octets(&row, "responder_eph_public"));
        let here = suite.agree(&one, &one_ephemeral, two.public(), two_ephemeral.public());
        let there = suite.agree(&two, &two_ephemeral, one.public(), one_ephemeral.public());
        let keys = here.unwrap().keys();
        assert!(keys == there.unwrap().keys());
        assert_eq!(keys.mac_key.to_vec(), octets(&row, "mac_key"));
        assert_eq!(keys.link_key.to_vec(), octets(&row, "link_key"));

        let address = |name: &str| u64::from_str_radix(row[name].as_str().unwrap(), 16).unwrap();
        let initiator = Party {
            ieee: address("initiator_eui"),
            ephemeral: one_ephemeral.public(),
        };
        let responder = Party {
            ieee: address("responder_eui"),
            ephemeral: two_ephemeral.public(),
        };
        for (by, name) in [
            (Confirms::Initiator, "mac_u"),
            (Confirms::Responder, "mac_v"),
        ] {
            let mac: [u8; 16] = octets(&row, name).try_into().unwrap();
            assert_eq!(keys.confirmation(by, initiator, responder), mac);
            assert!(keys.confirms(&mac, by, initiator, responder));
            let mut wrong = mac;
            wrong[15] ^= 1;
            assert!(!keys.confirms(&wrong, by, initiator, responder));
            assert!(
                !keys.confirms(&mac, by, responder, initiator),
                "the sides are not exchanged"
            );
        }
        // A replayed ephemeral key gives other keys.
        let replayed = suite
            .agree(&one, &one, two.public(), two_ephemeral.public())
            .unwrap();
        assert!(replayed.keys() != keys);
    }
}

#[test]
fn keys_out_of_range_are_refused() {
    assert_eq!(
        Suite::One.key_pair(&[0; 21]).unwrap_err(),
        KeyError::Private
    );
    assert_eq!(
        Suite::Two.key_pair(&[0xFF; 36]).unwrap_err(),
        KeyError::Private
    );
    let pair = Suite::One.key_pair(&[7]).unwrap();
    assert!(
        Suite::One
            .agree(&pair, &pair, &[2; 22], pair.public())
            .is_err()
    );
}
