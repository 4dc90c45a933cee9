//! Any slices, any damage.

use proptest::prelude::*;

use super::super::encode;
use super::*;

fn read(slices: &[&[u8]]) -> Vec<Event> {
    let mut splitter = Splitter::new();
    let mut events = Vec::new();
    for slice in slices {
        let mut slice = *slice;
        while let Some(event) = splitter.pull(&mut slice) {
            events.push(event);
        }
    }
    while let Some(event) = splitter.finish() {
        events.push(event);
    }
    events
}

fn good() -> Vec<u8> {
    let block = encode::data_block("1.8.0(0000123.4*kWh)\r\n!\r\n");
    [b"/ISk5MT174-0001\r\n\x06050\r\n".as_slice(), &block].concat()
}

fn readouts(events: &[Event]) -> usize {
    let is = |event: &&Event| matches!(event.message, Message::Readout(_));
    events.iter().filter(is).count()
}

#[test]
fn a_block_check_that_looks_like_an_identification() {
    // Found by fuzzing: the check 2F and what follows it read "/CCCJ...".
    let stream = b"/CCCJJJ+\r\n\x02!\xAD\x021q%y\x03/CCCJJJ+\r\n";
    for cut in 0..stream.len() {
        assert_eq!(
            read(&[&stream[..cut], &stream[cut..]]),
            read(&[stream]),
            "cut at {cut}"
        );
    }
}

#[test]
fn truncations_and_flipped_bits_give_no_readout() {
    let good = good();
    assert_eq!(readouts(&read(&[&good])), 1);
    for length in 0..good.len() {
        assert_eq!(readouts(&read(&[&good[..length]])), 0, "{length}");
    }
    let block = good.iter().position(|&byte| byte == STX).unwrap();
    for at in block + 1..good.len() {
        for bit in 0..7 {
            let mut damaged = good.clone();
            damaged[at] ^= 1 << bit;
            assert_eq!(readouts(&read(&[&damaged])), 0, "byte {at} bit {bit}");
        }
    }
}

#[test]
fn damage_costs_one_readout() {
    let good = good();
    for length in 1..good.len() {
        let stream = [&good[..length], &good, &good].concat();
        assert_eq!(readouts(&read(&[&stream])), 2, "{length}");
    }
}

proptest! {
    #[test]
    fn any_bytes_in_any_slices(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(&b"/AAa5\r\n!()\x01\x02\x03\x06"[..])],
            0..400,
        ),
        cut in 0usize..400,
    ) {
        let cut = cut.min(bytes.len());
        let whole = read(&[&bytes]);
        prop_assert_eq!(&whole, &read(&[&bytes[..cut], &bytes[cut..]]));
        let told: u64 = whole.iter().map(|event| event.length).sum();
        prop_assert!(told <= bytes.len() as u64);
    }
}
