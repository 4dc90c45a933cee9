//! The network's key is exchanged while the network works, in virtual time.

#![allow(clippy::panic, reason = "a helper that fails is a test that fails")]

mod house;

use han::zigbee::coordinator::{Coordinator, Event as NetworkEvent, Network, Policy};
use han::zigbee::devices::{Event, Home};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::kinds;

use house::{House, PLUG, policy};

const KEY: [u8; 16] = *b"the next key...!";

fn told(house: &mut House) -> Network {
    let found = house.wait(10, |event| {
        matches!(event, Event::Network(NetworkEvent::NextKey(_)))
    });
    match found {
        Some(Event::Network(NetworkEvent::NextKey(next))) => next,
        _ => panic!("the next key is not told"),
    }
}

/// The network under its next key.
fn exchanged(house: &mut House) -> Network {
    let found = house.wait(60, |event| {
        matches!(event, Event::Network(NetworkEvent::Up { .. }))
    });
    match found {
        Some(Event::Network(NetworkEvent::Up { network, .. })) => network,
        _ => panic!("the key is not exchanged"),
    }
}

#[test]
fn devices_follow_to_the_next_key_and_one_that_missed_it_comes_back() {
    for version in [13, 14] {
        let mut house = House::with_plug(version, kinds::plug(PLUG, 0x1A01, Curve::Constant(100)));
        let before = house.backup();
        assert!(house.home.coordinator.rotate_key(&KEY, house.now));
        assert!(
            !house.home.coordinator.rotate_key(&KEY, house.now),
            "one at a time"
        );
        let next = told(&mut house);
        assert_eq!(
            (*next.key, next.key_sequence),
            (KEY, before.key_sequence + 1)
        );
        assert_eq!(house.ncp.network().unwrap().key(), *before.key, "not yet");
        let up = exchanged(&mut house);
        assert_eq!((*up.key, up.key_sequence), (KEY, before.key_sequence + 1));
        assert_eq!(house.ncp.network().unwrap().key(), KEY);
        assert!(house.home.switch(PLUG, false, house.now));
        house.run(5);
        assert!(!house.device().load.as_ref().unwrap().on);

        // The plug is without power while the key is exchanged once more.
        house.device().misbehaviour.silent = true;
        assert!(house.home.coordinator.rotate_key(&[7; 16], house.now));
        exchanged(&mut house);
        house.device().misbehaviour.silent = false;
        house.run(60);
        assert!(house.home.switch(PLUG, true, house.now));
        house.run(5);
        assert!(house.device().load.as_ref().unwrap().on, "it has come back");
    }
}

#[test]
fn a_crash_between_the_two_keys_does_not_make_the_network_a_strangers() {
    let mut house = House::with_plug(14, kinds::plug(PLUG, 0x1A01, Curve::Constant(100)));
    let before = house.backup();
    assert!(house.home.coordinator.rotate_key(&KEY, house.now));
    let next = told(&mut house);
    exchanged(&mut house);
    // What was kept last is the network with the old key, and the next one.
    let kept = Policy {
        next: Some(next),
        ..policy(Some(before.clone()))
    };
    house.home = Home::new(Coordinator::new(kept), &[(PLUG, 0x1A01)]);
    house.home.start(house.now);
    assert_eq!(*house.up().key, KEY);
    // Without it the network would be left alone.
    house.home = Home::new(Coordinator::new(policy(Some(before))), &[(PLUG, 0x1A01)]);
    house.home.start(house.now);
    let foreign = house.wait(30, |event| {
        matches!(event, Event::Network(NetworkEvent::Foreign { .. }))
    });
    assert!(foreign.is_some());
}

#[test]
fn a_stick_that_refuses_keeps_its_key() {
    let mut house = House::with_plug(14, kinds::plug(PLUG, 0x1A01, Curve::Constant(100)));
    let before = house.backup();
    house.ncp.faults.refuses_keys = true;
    assert!(house.home.coordinator.rotate_key(&KEY, house.now));
    let stays = house.wait(10, |event| {
        matches!(event, Event::Network(NetworkEvent::KeyStays))
    });
    assert!(stays.is_some());
    assert_eq!(house.ncp.network().unwrap().key(), *before.key);
    assert!(house.home.switch(PLUG, false, house.now));
}
