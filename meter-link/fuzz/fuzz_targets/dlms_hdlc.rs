//! HDLC frames and wrapper datagrams: any bytes, whole and in two slices, give the same good
//! frames; a link that hears them neither panics nor grows.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use meter_link::dlms::hdlc::{Address, Frame, Link, LinkConfig, Parameters, Piece, Splitter};
use meter_link::dlms::wrapper;

fn frames(slices: [&[u8]; 2]) -> Vec<Vec<u8>> {
    let mut splitter = Splitter::new();
    let mut pieces = Vec::new();
    for mut slice in slices {
        pieces.extend(std::iter::from_fn(|| splitter.pull(&mut slice)));
    }
    pieces.extend(std::iter::from_fn(|| splitter.finish()));
    let good = pieces.iter().filter_map(Piece::frame);
    let good = good.filter(|bytes| Frame::parse(bytes).is_ok_and(|frame| frame.fcs_ok()));
    good.map(<[u8]>::to_vec).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let whole = frames([bytes, &[]]);
    assert_eq!(whole, frames([first, second]));
    let mut splitter = wrapper::Splitter::new();
    let mut input = bytes;
    while splitter.pull(&mut input).is_some() {}
    drop(Parameters::from_information(bytes));
    let Some(server) = Address::server(1, None, None) else { return };
    let mut link = Link::new(LinkConfig::new(Address::client(16), server));
    let mut now = Instant::now();
    link.connect(now);
    for part in bytes.chunks(24) {
        now += Duration::from_millis(300);
        link.handle_input(part, now);
        link.handle_timeout(now);
        while link.poll_transmit().is_some() {}
        while link.poll_event().is_some() {}
        drop(link.send(part, now));
    }
});
