//! A Zigbee stick of either kind that answers whatever it likes: the coordinator never panics, and
//! what it holds stays bounded.
#![no_main]

use std::time::Instant;

use han::zigbee::ash;
use han::zigbee::coordinator::{Aps, Coordinator, Event, Network, Policy, Stack};
use han::zigbee::znp::{Frame, FrameKind, Splitter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Some((&kind, rest)) = octets.split_first() else {
        return;
    };
    let stack = match kind % 3 {
        0 => Some(Stack::ZStack),
        1 => Some(Stack::EmberZnet),
        _ => None,
    };
    let mut now = Instant::now();
    let mut coordinator = Coordinator::new(Policy {
        known: (kind & 0x80 != 0).then(|| Network::from_random(15, &[kind; 42])),
        next: None,
        fresh: Network::from_random(20, &[0x5A; 42]),
        replace: kind & 0x40 != 0,
        stack,
    });
    coordinator.start(now);
    // The stick's part is a list of what it says: how, how long, and the octets.
    let mut said = rest;
    while let Some((&[how, length], following)) = said.split_first_chunk::<2>() {
        let length = usize::from(length).min(following.len());
        let (payload, following) = following.split_at(length);
        said = following;
        let mut splitter = Splitter::default();
        let mut asked = None;
        while let Some(wire) = coordinator.poll_transmit() {
            let frames = wire.iter().filter_map(|&octet| splitter.push(octet));
            for frame in frames.flatten() {
                asked = Some(frame.id);
            }
        }
        let spoken = match how % 6 {
            // The answer that is waited for.
            0 | 1 => frame(FrameKind::SynchronousResponse, asked.unwrap_or(0), payload),
            // An indication; the start of a stick is one.
            2 => frame(FrameKind::Asynchronous, 0x0400 | u16::from(how), payload),
            3 => frame(
                FrameKind::Asynchronous,
                [0x0180, 0x05C0, 0x05FF, 0x05B8][usize::from(how >> 6)],
                payload,
            ),
            4 => ash::Frame::Data {
                number: how >> 4 & 7,
                acknowledged: how >> 5,
                retransmitted: false,
                payload: payload.to_vec(),
            }
            .encode(),
            _ => payload.to_vec(),
        };
        coordinator.handle_octets(&spoken, now);
        if how & 0x08 != 0
            && let Some(due) = coordinator.poll_timeout()
        {
            now = due;
            coordinator.handle_timeout(now);
        }
        while let Some(event) = coordinator.poll_event() {
            if matches!(event, Event::Up { .. }) {
                let aps = Aps {
                    profile: 0x0104,
                    cluster: 6,
                    own_endpoint: 1,
                    endpoint: 1,
                    secured: false,
                };
                coordinator.permit(60, None, true, now);
                coordinator.send(0x1A01, aps, vec![1, 2, 3], now);
                coordinator.scan(now);
                coordinator.snapshot(now);
            }
        }
    }
});

fn frame(kind: FrameKind, id: u16, payload: &[u8]) -> Vec<u8> {
    let payload = payload.to_vec();
    Frame { kind, id, payload }.encode().unwrap_or_default()
}
