use proptest::prelude::*;

use super::super::apdu::{BlockTransfer, DataNotification};
use super::super::data::Data;
use super::super::hdlc::{Address, Control, LLC_RESPONSE};
use super::super::wrapper::Datagram;
use super::*;

fn push(number: u32) -> Vec<u8> {
    // No message begins so.
    let octets = (0x80..0xC0).chain(0x80..0xA4).collect();
    let body = Data::Structure(vec![Data::Uint32(number), Data::OctetString(octets)]);
    let at = None;
    Apdu::DataNotification(DataNotification {
        invoke: number,
        at,
        body,
    })
    .to_vec()
}

fn blocks(message: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = message.chunks(size).len();
    (1..)
        .zip(message.chunks(size))
        .map(|(number, octets)| {
            let block = BlockTransfer {
                last: usize::from(number) == count,
                streaming: false,
                window: 0,
                number,
                acknowledged: 0,
                octets: octets.to_vec(),
            };
            Apdu::BlockTransfer(block).to_vec()
        })
        .collect()
}

fn frame(information: &[u8], segmented: bool, control: Control) -> Vec<u8> {
    let server = Address::server(1, None, None).unwrap();
    hdlc::encode(
        &Address::client(1),
        &server,
        control,
        segmented,
        information,
    )
    .unwrap()
}

const UI: Control = Control::Ui { poll: true };

fn with_llc(apdu: &[u8]) -> Vec<u8> {
    [&LLC_RESPONSE[..], apdu].concat()
}

fn all(bytes: &[u8], slice: usize) -> Vec<Found> {
    let mut deframer = Deframer::recording();
    let mut found = Vec::new();
    for part in bytes.chunks(slice) {
        deframer.push(part);
        found.extend(std::iter::from_fn(|| deframer.poll()));
    }
    deframer.finish();
    found.extend(std::iter::from_fn(|| deframer.poll()));
    found
}

fn messages(found: &[Found]) -> Vec<Vec<u8>> {
    let apdus = found.iter().filter_map(|found| found.apdu.clone().ok());
    apdus.collect()
}

/// The same two messages, carried in every way.
fn carried() -> Vec<(Framing, Vec<u8>)> {
    let (one, two) = (push(1), push(2));
    let information = |send| Control::Information {
        send,
        receive: 0,
        poll: true,
    };
    let segmented = |message: &[u8]| -> Vec<u8> {
        let message = with_llc(message);
        let count = message.chunks(40).len();
        let frames = (0..).zip(message.chunks(40));
        frames
            .flat_map(|(number, part)| {
                frame(part, usize::from(number) + 1 < count, information(number))
            })
            .collect()
    };
    let in_blocks = |message: &[u8]| -> Vec<u8> {
        let blocks = blocks(message, 50);
        blocks
            .iter()
            .flat_map(|block| frame(block, false, UI))
            .collect()
    };
    let wrapped = |message: &[u8]| {
        let datagram = Datagram {
            source: 1,
            destination: 16,
            apdu: message.to_vec(),
        };
        datagram.to_bytes().unwrap()
    };
    vec![
        (
            Framing::Hdlc,
            [&one, &two]
                .map(|apdu| frame(&with_llc(apdu), false, UI))
                .concat(),
        ),
        (
            Framing::Hdlc,
            [&one, &two].map(|apdu| segmented(apdu)).concat(),
        ),
        (
            Framing::Hdlc,
            [&one, &two].map(|apdu| in_blocks(apdu)).concat(),
        ),
        (
            Framing::Mbus,
            [&one, &two]
                .map(|apdu| mbus::encode(apdu, 0xFF, [1, 0x67]))
                .concat(),
        ),
        (
            Framing::Wrapper,
            [&one, &two].map(|apdu| wrapped(apdu)).concat(),
        ),
        (Framing::Raw, [one.clone(), two.clone()].concat()),
        (Framing::Raw, [with_llc(&one), with_llc(&two)].concat()),
        (
            Framing::Raw,
            [blocks(&one, 30), blocks(&two, 30)].concat().concat(),
        ),
    ]
}

#[test]
fn carried_in_every_way() {
    for (number, (framing, bytes)) in carried().iter().enumerate() {
        for slice in [1, 13, 10_000] {
            let found = all(bytes, slice);
            assert_eq!(messages(&found), [push(1), push(2)], "{number}");
            assert_eq!(found.len(), 2, "{number}");
            assert!(found.iter().all(|found| found.framing == Some(*framing)));
            let [first, second] = &found[..] else {
                panic!("two");
            };
            assert_eq!(first.offset, 0);
            assert_eq!(second.offset, first.length, "{number}");
            assert_eq!(second.offset + second.length, bytes.len() as u64);
        }
    }
}

/// Whatever byte is damaged, no message comes out that was not sent.
#[test]
fn one_damaged_byte() {
    for (framing, bytes) in carried() {
        if framing == Framing::Raw || framing == Framing::Wrapper {
            continue;
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x21;
            let mut deleted = bytes.clone();
            deleted.remove(at);
            for damaged in [changed, deleted, bytes[..at].to_vec(), bytes[at..].to_vec()] {
                let found = all(&damaged, 10_000);
                for message in messages(&found) {
                    // Nothing tells the last segment of a message from a short message.
                    let reads = Apdu::decode(&message).is_ok();
                    let sent = [1, 2]
                        .map(push)
                        .iter()
                        .any(|sent| message.starts_with(sent));
                    assert!(sent || !reads, "{framing:?} {at}");
                }
                assert!(!found.is_empty() || damaged.is_empty());
            }
        }
    }
}

#[test]
fn what_is_wrong_is_told() {
    let one = frame(&with_llc(&push(1)), false, UI);
    let mut spoiled = one.clone();
    spoiled[30] ^= 1;
    let found = all(&spoiled, 9);
    assert_eq!(found[0].apdu, Err(Fault::Check("frame check sequence")));
    assert_eq!(found[0].frames.len(), 1);
    assert_eq!(all(&one[..60], 9)[0].apdu, Err(Fault::Cut));
    let (_, in_blocks) = &carried()[2];
    let second = in_blocks[1..]
        .iter()
        .position(|byte| *byte == 0x7E)
        .unwrap()
        + 2;
    let found = all(&in_blocks[second..], 9);
    let missing = gbt::BlockError::Missing {
        expected: 1,
        found: 2,
    };
    assert_eq!(found[0].apdu, Err(Fault::Block(missing)));
    let mbus = mbus::encode(&push(1).repeat(4), 1, [1, 0x67]);
    assert_eq!(all(&mbus[..256], 9)[0].apdu, Err(Fault::Segment));
    let second = 4 + usize::from(mbus[1]) + 2;
    assert_eq!(all(&mbus[second..], 9)[0].apdu, Err(Fault::Segment));
    assert_eq!(all(b"nothing at all", 9)[0].apdu, Err(Fault::Noise));
}

#[test]
fn stray_bytes_stay_with_their_message() {
    let bytes = [&push(1)[..], &[0; 18]].concat();
    let found = all(&bytes, 9);
    assert_eq!(messages(&found), std::slice::from_ref(&bytes));
    assert_eq!(found[0].length, bytes.len() as u64);
}

#[test]
fn a_line_finds_its_framing_behind_noise() {
    for (framing, bytes) in &carried()[..4] {
        let mut deframer = Deframer::line();
        deframer.push(&[0x00, 0x7E, 0xA0, 0x68, 0x03, 0x03, 0x11]);
        deframer.finish();
        assert_eq!(deframer.poll().unwrap().apdu, Err(Fault::Noise));
        assert_eq!(deframer.framing(), None);
        for part in bytes.chunks(7) {
            deframer.push(part);
        }
        deframer.finish();
        assert_eq!(deframer.framing(), Some(*framing));
        let found: Vec<Found> = std::iter::from_fn(|| deframer.poll()).collect();
        assert_eq!(messages(&found), [push(1), push(2)]);
    }
}

#[test]
fn what_begins_first_counts_in_whatever_slices_it_comes() {
    // An answer in the wrapper whose octet string is a frame of M-Bus.
    let mut apdu = vec![0xC4, 0x01, 0xC1, 0x00, 0x09, 0x0C];
    apdu.extend([
        0x68, 0x03, 0x03, 0x68, 0x53, 0xFF, 0x00, 0x52, 0x16, 0, 0, 0,
    ]);
    let mut bytes = vec![0, 1, 0, 1, 0, 16, 0, 18];
    bytes.extend(&apdu);
    for slice in 1..=bytes.len() {
        let found = all(&bytes, slice);
        assert_eq!(found.len(), 1, "in slices of {slice}");
        assert_eq!(found[0].apdu.as_ref(), Ok(&apdu), "in slices of {slice}");
    }
}

proptest! {
    #[test]
    fn any_bytes(
        bytes in proptest::collection::vec(prop_oneof![
            Just(0x7Eu8), Just(0xA0), Just(0x68), Just(0x16), Just(0xE0), Just(0x0F), 0u8..9, 0u8..
        ], 0..400),
        slice in 1usize..50,
    ) {
        let found = all(&bytes, slice);
        prop_assert_eq!(&found, &all(&bytes, bytes.len().max(1)));
        prop_assert_eq!(found.is_empty(), bytes.is_empty() || bytes.iter().all(|byte| *byte == 0x7E));
        for found in found {
            prop_assert!(found.offset + found.length <= bytes.len() as u64 + 1);
        }
    }
}
