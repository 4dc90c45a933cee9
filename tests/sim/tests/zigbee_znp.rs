//! A coordinator and its devices on the simulated stick of Texas Instruments, in virtual time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod house;

use std::time::{Duration, Instant};

use han::zigbee::coordinator::{self, Network, Policy, Stack};
use han::zigbee::devices::Event;
use han::zigbee::install_code::InstallCode;
use rust_decimal::Decimal;
use wattle_sim::zigbee::device::{Curve, Device, Load};
use wattle_sim::zigbee::{Ncp, Znp, ZnpFaults, kinds, mesh::Mesh};

use house::{House, PLUG, UTC, is_foreign, is_up, policy};

fn plug(watts: u32) -> Device {
    kinds::plug(PLUG, 0x1A01, Curve::Constant(watts))
}

fn house(devices: Vec<Device>) -> House<Znp> {
    let start = Instant::now();
    let znp = Znp::new(Mesh::new(devices, UTC), start);
    House::fresh(znp, start)
}

fn with_plug(plug: Device) -> House<Znp> {
    house(vec![plug]).joined()
}

fn is_lost(event: &Event) -> bool {
    matches!(event, Event::Network(coordinator::Event::Lost(_)))
}

#[test]
fn r2_a_network_is_formed_within_five_seconds_and_carried_on_after_a_restart() {
    let mut house = with_plug(plug(100));
    let formed = house.events.iter().find(|(_, event)| is_up(event));
    let (at, _) = formed.expect("it came up");
    assert!(
        *at - house.start < Duration::from_secs(5),
        "{:?}",
        *at - house.start
    );
    let known = house.backup();
    assert_eq!(known.stack, Stack::ZStack);
    let in_stick = house.ncp.network().expect("it is formed");
    assert_eq!((known.pan, *known.key), (in_stick.0, in_stick.1));
    assert_eq!(known.link_keys.len(), 1, "the plug has a key of its own");

    let begun = house.now;
    let mut again = house.restarted(known.clone());
    let network = again.up();
    assert!(network.is(&known) && network.frame_counter >= known.frame_counter);
    assert!(again.now - begun < Duration::from_secs(5));
    again.interviewed(PLUG);
    assert!(again.home.switch(PLUG, false, again.now));
    again.run(5);
    assert!(again.device().load.as_ref().is_some_and(|load| !load.on));
}

#[test]
fn r2_a_foreign_network_is_refused_unstarted_until_its_owner_gives_it_up() {
    let house = with_plug(plug(100));
    let before = house.ncp.network();
    let other = Policy {
        fresh: Network::from_random(20, &[0x77; 42]),
        ..policy(None)
    };
    let started = house.ncp.asked.get(&0x0540).copied();
    let mut stranger = House::with(house.ncp, other, &[], house.start, house.now);
    assert!(stranger.wait(30, is_foreign).is_some());
    stranger.run(60);
    assert!(!stranger.home.coordinator.is_up());
    assert_eq!(
        stranger.ncp.network().map(|(pan, key, _)| (pan, key)),
        before.map(|(pan, key, _)| (pan, key))
    );
    assert_eq!(stranger.ncp.asked.get(&0x0540).copied(), started);
    stranger.home.coordinator.replace();
    stranger.home.start(stranger.now);
    let network = stranger.up();
    assert_eq!((network.channel, network.pan), (20, 0x3777));
}

#[test]
fn r3_a_device_with_an_install_code_joins_with_it_alone() {
    let code =
        InstallCode::parse("83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5").expect("published");
    let mut device = plug(5);
    device.link_key = Some(*code.link_key());
    let mut house = house(vec![device]);
    house.up();
    house.permit();
    house.run(30);
    assert!(house.home.device(PLUG).is_none());
    let now = house.now;
    house.home.coordinator.allow(PLUG, &code.link_key(), now);
    house.interviewed(PLUG);
}

#[test]
fn devices_without_a_code_stay_out_when_they_are_not_wanted() {
    let mut house = house(vec![plug(5)]);
    house.up();
    house.home.coordinator.permit(200, None, false, house.now);
    house.run(60);
    assert!(house.home.device(PLUG).is_none());
    house.home.coordinator.permit(200, Some(0), true, house.now);
    house.interviewed(PLUG);
}

#[test]
fn r4_all_devices_are_interviewed_also_after_a_reset_in_the_middle() {
    let mut house = house(kinds::home());
    house.up();
    house.permit();
    house.wait(60, |event| {
        matches!(event, Event::Network(coordinator::Event::Device { .. }))
    });
    house.wait(1, |_| false);
    house.ncp.watchdog();
    assert!(house.wait(30, is_lost).is_some());
    house.home.start(house.now);
    house.up();
    house.permit();
    house.run(120);
    let devices = house.home.devices();
    let open: Vec<_> = devices
        .filter(|device| !device.is_interviewed())
        .map(|device| device.ieee)
        .collect();
    assert_eq!((house.home.devices().count(), open), (8, Vec::new()));
}

#[test]
fn r5_power_is_told_within_two_seconds() {
    let mut house = with_plug(plug(100));
    house.run(30);
    if let Some(load) = house.device().load.as_mut() {
        load.curve = Curve::Constant(1500);
    }
    let changed = house.now;
    house.run(10);
    let mut powers = house.powers().into_iter();
    let told = powers.find(|(at, power)| *at >= changed && *power == Decimal::from(1500));
    let (at, _) = told.expect("it was told");
    assert!(at - changed <= Duration::from_secs(2), "{:?}", at - changed);
}

#[test]
fn r7_lost_answers_and_damage_cost_no_device_and_no_value() {
    for faults in [
        ZnpFaults {
            lose_answer_every: 7,
            ..ZnpFaults::default()
        },
        ZnpFaults {
            wrong_check_every: 9,
            ..ZnpFaults::default()
        },
        ZnpFaults {
            noise_per_mille: 1,
            ..ZnpFaults::default()
        },
    ] {
        let mut house = with_plug(plug(1200));
        house.ncp.faults = faults;
        house.run(1800);
        assert!(house.home.coordinator.is_up(), "{faults:?}");
        let energies = house.energies();
        assert!(energies.is_sorted(), "{faults:?}");
        // 0.6 kWh in half an hour; a report comes once a minute.
        let counted = energies.last().copied().unwrap_or_default();
        let load = house.device().load.as_ref().map(Load::energy_wh);
        let truth = Decimal::try_from(load.unwrap_or_default() / 1000.0).unwrap_or_default();
        assert!(
            (truth - counted).abs() <= Decimal::new(10, 2),
            "{counted} of {truth}, {faults:?}"
        );
    }
}

#[test]
fn r7_a_stick_that_falls_silent_is_noticed_and_taken_up_again() {
    let mut house = with_plug(plug(100));
    house.ncp.faults.silent = true;
    let begun = house.now;
    assert!(house.wait(60, is_lost).is_some());
    assert!(house.now - begun <= Duration::from_secs(20));
    house.ncp.faults.silent = false;
    house.home.start(house.now);
    house.up();
    assert!(house.home.switch(PLUG, false, house.now));
    house.run(5);
    assert!(house.device().load.as_ref().is_some_and(|load| !load.on));
}

#[test]
fn r8_a_backup_is_restored_to_an_empty_stick_and_the_plug_still_hears() {
    let mut house = with_plug(plug(100));
    let known = house.backup();
    // Frames that were sent after the backup was made.
    house.run(600);
    house.ncp.exchange();
    let mut restored = house.restarted(known.clone());
    let network = restored.up();
    assert!(network.is(&known) && network.frame_counter > known.frame_counter);
    assert_eq!(network.coordinator, known.coordinator);
    assert_eq!(network.link_key, known.link_key);
    let key = |network: &Network| network.link_keys.first().map(|one| one.key.clone());
    assert_eq!(key(&network), key(&known));
    restored.interviewed(PLUG);
    assert!(restored.home.switch(PLUG, false, restored.now));
    restored.run(5);
    assert!(restored.device().load.as_ref().is_some_and(|load| !load.on));
}

#[test]
fn the_networks_key_is_exchanged() {
    let mut house = with_plug(plug(100));
    let before = house.backup();
    assert!(house.home.coordinator.rotate_key(&[0xA7; 16], house.now));
    let Some(Event::Network(coordinator::Event::Up { network: after, .. })) = house.wait(60, is_up)
    else {
        panic!("the key is not exchanged: {:?}", house.events);
    };
    assert_eq!(
        (*after.key, after.key_sequence),
        ([0xA7; 16], before.key_sequence + 1)
    );
    assert!(house.home.switch(PLUG, false, house.now));
    house.run(5);
    assert!(house.device().load.as_ref().is_some_and(|load| !load.on));

    house.ncp.faults.refuses_keys = true;
    assert!(house.home.coordinator.rotate_key(&[0xB8; 16], house.now));
    let stays = |event: &Event| matches!(event, Event::Network(coordinator::Event::KeyStays));
    assert!(house.wait(60, stays).is_some());
    assert!(house.home.coordinator.is_up());
}

#[test]
fn r20_channels_are_scanned_and_neighbours_told() {
    let mut house = with_plug(plug(100));
    for (channel, energy) in (11_u8..).zip(&mut house.ncp.energy) {
        *energy = if channel == 20 { 0 } else { 255 };
    }
    house.home.coordinator.scan(house.now);
    let energy = house.wait(30, |event| {
        matches!(event, Event::Network(coordinator::Event::Energy(_)))
    });
    let Some(Event::Network(coordinator::Event::Energy(found))) = energy else {
        panic!("no scan: {:?}", house.events);
    };
    assert_eq!((found.len(), coordinator::advise(&found)), (16, Some(20)));
    house.home.look_around(house.now);
    let map = house.wait(60, |event| matches!(event, Event::Topology(_)));
    let Some(Event::Topology(links)) = map else {
        panic!("no map: {:?}", house.events);
    };
    assert!(links.iter().any(|link| link.nwk == 0x1A01), "{links:?}");
}

#[test]
fn a_full_stick_takes_no_message_and_says_so() {
    let mut house = with_plug(plug(100));
    house.ncp.faults.buffer_full = true;
    assert!(house.home.switch(PLUG, false, house.now));
    house.run(10);
    assert!(house.home.coordinator.is_up());
    house.ncp.faults.buffer_full = false;
    assert!(house.home.switch(PLUG, false, house.now));
    house.run(5);
    assert!(house.device().load.as_ref().is_some_and(|load| !load.on));
}

#[test]
fn whose_stick_it_is_need_not_be_told() {
    // The likelier kind is tried first; either is found behind the other.
    let mut house = with_plug(plug(100));
    let known = house.backup();
    let start = house.start;
    let mesh = Mesh::new(vec![plug(100)], UTC);
    let ember = Ncp::new(13, mesh, start);
    let fresh = Policy {
        known: Some(known.clone()),
        ..policy(None)
    };
    let mut other = House::with(ember, fresh, &[], start, start);
    let Some(Event::Network(coordinator::Event::Lost(reason))) = other.wait(30, is_lost) else {
        panic!("a network of the other maker is not carried on");
    };
    assert!(reason.contains("the other maker"), "{reason}");
    assert!(other.ncp.network().is_none(), "nothing was formed");

    let told = Policy {
        stack: Some(Stack::ZStack),
        ..policy(Some(known))
    };
    let mut house = House::with(house.ncp, told, &[(PLUG, 0x1A01)], start, house.now);
    house.up();
}
