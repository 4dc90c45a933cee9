//! A coordinator and its devices on the simulated stick, in virtual time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod house;

use std::time::Duration;

use han::Value;
use han::zigbee::coordinator::{self, Network, Policy, advise};
use han::zigbee::devices::{Event, Measured};
use han::zigbee::install_code::InstallCode;
use rust_decimal::Decimal;
use wattle_sim::zigbee::device::{Curve, Device};
use wattle_sim::zigbee::{Ncp, kinds};

use house::{House, PLUG, is_foreign, is_up, policy};

fn plug(watts: u32) -> Device {
    kinds::plug(PLUG, 0x1A01, Curve::Constant(watts))
}

#[test]
fn r2_a_network_is_formed_within_five_seconds_and_carried_on_after_a_restart() {
    for version in [13, 14] {
        let mut house = House::with_plug(version, plug(100));
        let begun = house.start;
        let formed = house.events.iter().find(|(_, event)| is_up(event));
        let (at, _) = formed.expect("it came up");
        assert!(*at - begun < Duration::from_secs(5), "{:?}", *at - begun);
        let known = house.backup();
        assert!(known.frame_counter > 0);

        let mut again = house.restarted(known.clone());
        let network = again.up();
        assert!(network.is(&known));
        assert!(network.frame_counter >= known.frame_counter);
        again.interviewed(PLUG);
    }
}

#[test]
fn r2_a_foreign_network_is_refused_until_its_owner_gives_it_up() {
    let house = House::with_plug(13, plug(100));
    let other = Policy {
        fresh: Network::from_random(20, &[0x77; 42]),
        ..policy(None)
    };
    let before = house.ncp.network().map(|network| network.frame_counter);
    let mut stranger = House::with(house.ncp, other, &[], house.start, house.now);
    assert!(stranger.wait(30, is_foreign).is_some());
    stranger.run(60);
    assert!(!stranger.home.coordinator.is_up());
    assert!(
        stranger.ncp.network().map(|network| network.frame_counter) >= before,
        "it still is there"
    );
    stranger.home.coordinator.replace();
    stranger.home.start(stranger.now);
    let network = stranger.up();
    assert_eq!((network.channel, network.pan), (20, 0x3777));
}

#[test]
fn r8_a_backup_is_restored_to_an_empty_stick_and_the_plug_still_hears() {
    let mut house = House::with_plug(13, plug(100));
    let known = house.backup();
    // Frames that were sent after the backup was made.
    house.run(600);
    let mesh = std::mem::take(&mut house.ncp.mesh);
    house.ncp = Ncp::new(14, mesh, house.start);
    let mut restored = house.restarted(known.clone());
    let network = restored.up();
    assert!(network.is(&known) && network.frame_counter > known.frame_counter);
    restored.interviewed(PLUG);
    assert!(restored.home.switch(PLUG, false, restored.now));
    restored.run(5);
    assert!(restored.device().load.as_ref().is_some_and(|load| !load.on));
}

#[test]
fn r8_a_backup_that_lists_no_device_is_enough_once_they_speak() {
    let mut house = House::with_plug(13, plug(100));
    let known = house.backup();
    house.run(60);
    house.ncp.exchange();
    let mut restored = House::with(house.ncp, policy(Some(known)), &[], house.start, house.now);
    restored.up();
    restored.run(120);
    assert!(restored.device().unicasts > 0);
    assert!(
        restored
            .home
            .device(PLUG)
            .is_some_and(han::zigbee::devices::Device::is_interviewed)
    );
}

#[test]
fn r3_a_device_with_an_install_code_joins_with_it_alone() {
    let code =
        InstallCode::parse("83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5").expect("published");
    let mut device = plug(5);
    device.link_key = Some(*code.link_key());
    let mut house = House::new(13, vec![device]);
    house.up();
    house.permit();
    house.run(30);
    assert!(
        house.home.device(PLUG).is_none(),
        "the well-known key does not open it"
    );
    house
        .home
        .coordinator
        .allow(PLUG, &code.link_key(), house.now);
    house.interviewed(PLUG);
}

#[test]
fn r4_a_plug_is_interviewed_in_eight_messages_and_three_seconds() {
    let mut house = House::new(14, vec![plug(100)]);
    house.up();
    house.permit();
    house.wait(60, |event| {
        matches!(event, Event::Network(coordinator::Event::Device { .. }))
    });
    let joined = house.now;
    let unicasts = house.interviewed(PLUG);
    assert!(unicasts <= 8, "{unicasts}");
    assert!(
        house.now - joined <= Duration::from_secs(3),
        "{:?}",
        house.now - joined
    );
    let device = house.home.device(PLUG).expect("it joined");
    assert_eq!(device.names.model.as_deref(), Some("WS-Plug"));
    assert_eq!(device.endpoint_with(0x0702), Some(1));
}

#[test]
fn r4_an_interview_goes_on_after_a_reset_and_a_sleeper_completes() {
    let mut house = House::new(13, kinds::home());
    house.up();
    house.permit();
    house.wait(60, |event| {
        matches!(event, Event::Network(coordinator::Event::Device { .. }))
    });
    house.wait(1, |_| false);
    house.ncp.watchdog(house.now);
    let lost = house.wait(30, |event| {
        matches!(event, Event::Network(coordinator::Event::Lost(_)))
    });
    assert!(lost.is_some());
    house.home.start(house.now);
    house.up();
    house.permit();
    house.run(120);
    let open: Vec<_> = house
        .home
        .devices()
        .filter(|device| !device.is_interviewed())
        .map(|device| device.ieee)
        .collect();
    assert_eq!((house.home.devices().count(), open), (8, Vec::new()));
    let sleeper = house.home.device(0x0012_4B00_0000_0007);
    assert!(sleeper.is_some_and(|device| device.names.battery));
}

#[test]
fn a_device_that_answers_single_reads_alone_is_known_too() {
    let mut device = plug(60);
    device.misbehaviour.single_reads_only = true;
    let mut house = House::new(13, vec![device]);
    house.up();
    house.permit();
    house.run(900);
    assert!(
        house
            .home
            .device(PLUG)
            .is_some_and(|device| device.energy.is_scaled())
    );
}

#[test]
fn r5_power_is_told_within_two_seconds_and_a_flood_is_capped_without_losing_energy() {
    let mut house = House::with_plug(13, plug(100));
    house.run(30);
    if let Some(load) = house.device().load.as_mut() {
        load.curve = Curve::Constant(1500);
    }
    let changed = house.now;
    house.run(10);
    let told = house
        .powers()
        .into_iter()
        .find(|(at, power)| *at >= changed && *power == Decimal::from(1500));
    let (at, _) = told.expect("it was told");
    assert!(at - changed <= Duration::from_secs(2), "{:?}", at - changed);

    let mut device = plug(3000);
    device.misbehaviour.flood_hz = 10;
    let mut house = House::with_plug(14, device);
    let from = house.now;
    house.run(600);
    let told = house
        .powers()
        .into_iter()
        .filter(|(at, _)| *at >= from)
        .count();
    assert!((1..=601).contains(&told), "{told}");
    let counted = house.energies().last().copied();
    let truth = house
        .device()
        .load
        .as_ref()
        .map(|load| load.energy_wh() / 1000.0)
        .unwrap_or_default();
    let truth = Decimal::try_from(truth).unwrap_or_default();
    // A report comes once a minute: 50 Wh at most are on their way.
    assert!(
        counted.is_some_and(|counted| (truth - counted).abs() <= Decimal::new(6, 2)),
        "{counted:?} {truth}"
    );
}

#[test]
fn r12_a_label_is_within_a_second_of_the_load_it_names() {
    // Each step lasts longer than the shortest distance of reports.
    let steps: Vec<(u32, u32)> = (0..40)
        .map(|step| (60 + step * 7, 200 * (step % 5)))
        .collect();
    let mut device = plug(0);
    if let Some(load) = device.load.as_mut() {
        load.curve = Curve::Day(steps.clone());
    }
    let mut house = House::with_plug(13, device);
    house.run(60 + 7 * 41);
    let start = house.start;
    for (second, watts) in steps.into_iter().skip(1) {
        let changed = start + Duration::from_secs(second.into());
        let power = Decimal::from(watts);
        let told = house
            .powers()
            .into_iter()
            .find(|(at, told)| *at >= changed && *told == power);
        let (at, _) = told.expect("it was told");
        assert!(at - changed <= Duration::from_secs(1), "{:?}", at - changed);
    }
}

#[test]
fn r5_a_plug_that_never_reports_is_asked_every_half_minute() {
    let mut device = plug(700);
    device.misbehaviour.never_reports = true;
    let mut house = House::with_plug(13, device);
    house.run(120);
    let before = house.device().unicasts;
    house.run(600);
    let asked = house.device().unicasts - before;
    // Power and energy, each once in 30 s.
    assert!((36..=42).contains(&asked), "{asked}");
    assert!(house.energies().len() > 15);
}

#[test]
fn r6_a_day_of_energy_is_exact_through_a_wrap_a_reset_and_spikes() {
    let steps = vec![
        (0, 60),
        (21_600, 2000),
        (23_400, 90),
        (64_800, 1200),
        (72_000, 60),
    ];
    let mut device = kinds::plug(PLUG, 0x1A01, Curve::Day(steps));
    device.misbehaviour.spike_every = 17;
    if let Some(load) = device.load.as_mut() {
        // Three kilowatt-hours before the end of the register's 48 bits.
        load.offset = (1 << 48) - 3000;
    }
    let mut house = House::with_plug(13, device);
    let first = house
        .energies()
        .first()
        .copied()
        .expect("the interview has read it");
    house.run(43_200);
    if let Some(load) = house.device().load.as_mut() {
        // A power cut: the register begins at 0.
        load.offset -= i128::from(load.register());
    }
    house.run(43_200);
    let energies = house.energies();
    assert!(energies.is_sorted(), "it never falls");
    let counted = energies.last().copied().unwrap_or_default() - first;
    let load = house.device().load.clone().expect("a plug has one");
    let truth = Decimal::try_from(load.energy_wh() / 1000.0).unwrap_or_default();
    let off = ((counted - truth) / truth).abs();
    assert!(
        off <= Decimal::new(1, 3),
        "counted {counted} kWh of {truth} kWh"
    );
    let refused = house.events.iter().any(|(_, event)| {
        matches!(
            event,
            Event::Measured {
                measured: Measured::EnergyRefused(_),
                ..
            }
        )
    });
    assert!(refused, "the spikes were seen");
    assert_eq!(
        house.home.device(PLUG).map(|device| device.energy.epochs()),
        Some(1)
    );
}

#[test]
fn r6_a_plug_without_a_divisor_shows_no_energy() {
    let mut house = House::with_plug(
        14,
        kinds::plug_without_divisor(PLUG, 0x1A01, Curve::Constant(40)),
    );
    house.run(600);
    assert_eq!(house.energies(), []);
    let quarantined = |event: &Event| {
        matches!(
            event,
            Event::Measured {
                measured: Measured::EnergyQuarantined,
                ..
            }
        )
    };
    assert!(house.events.iter().any(|(_, event)| quarantined(event)));
    assert!(!house.powers().is_empty());
}

#[test]
fn r7_twenty_resets_lose_no_device() {
    let mut house = House::with_plug(13, plug(100));
    for round in 0..20 {
        house.ncp.watchdog(house.now);
        assert!(
            house
                .wait(30, |event| matches!(
                    event,
                    Event::Network(coordinator::Event::Lost(_))
                ))
                .is_some()
        );
        house.ncp.faults.errors_at_start = round % 3;
        let lost = house.now;
        house.home.start(house.now);
        house.up();
        assert!(house.now - lost <= Duration::from_secs(10));
        assert!(house.home.switch(PLUG, round % 2 == 0, house.now));
        house.run(5);
        assert_eq!(
            house.device().load.as_ref().map(|load| load.on),
            Some(round % 2 == 0)
        );
    }
}

#[test]
fn r13_a_thermostat_is_set_and_says_so() {
    let mut house = House::new(13, vec![kinds::thermostat(PLUG, 0x1A01)]);
    house.up();
    house.permit();
    house.interviewed(PLUG);
    assert!(house.home.heat_to(PLUG, Decimal::new(195, 1), house.now));
    let set = Event::Measured {
        ieee: PLUG,
        measured: Measured::HeatingSetpointC(Decimal::new(195, 1)),
    };
    assert!(house.wait(10, |event| *event == set).is_some());
    assert_eq!(
        house.device().value(1, 0x0201, 0x0012),
        Some(&Value::Signed(1950))
    );
}

#[test]
fn r20_a_scan_tells_the_quietest_channel() {
    let mut house = House::new(13, Vec::new());
    house.ncp.energy_dbm[4] = -50;
    house.ncp.energy_dbm[9] = -91;
    house.up();
    house.home.coordinator.scan(house.now);
    let event = house.wait(10, |event| {
        matches!(event, Event::Network(coordinator::Event::Energy(_)))
    });
    let Some(Event::Network(coordinator::Event::Energy(scan))) = event else {
        panic!("no scan");
    };
    assert_eq!((scan.len(), advise(&scan)), (16, Some(20)));
}

#[test]
fn r20_the_neighbours_of_all_routers_are_told_with_their_quality() {
    let mut devices = kinds::home();
    // One is heard only through another.
    devices[1].parent = 0x1A01;
    devices[1].lqi = 77;
    let mut house = House::new(14, devices);
    house.up();
    house.permit();
    house.run(30);
    // Routers let in too, once they are there.
    house.permit();
    house.run(150);
    house.home.look_around(house.now);
    let found = house.wait(60, |event| matches!(event, Event::Topology(_)));
    let Some(Event::Topology(links)) = found else {
        panic!("nobody answers");
    };
    let near: Vec<u16> = links
        .iter()
        .filter(|link| link.at == 0)
        .map(|link| link.nwk)
        .collect();
    assert_eq!(near.len(), 7, "{links:?}");
    let far = links.iter().find(|link| link.at == 0x1A02);
    let far = far.expect("a router behind a router is asked too");
    assert_eq!((far.nwk, far.lqi), (0x1A01, 77));
}

#[test]
fn a_device_out_of_reach_is_asked_again_for_ever() {
    let mut device = plug(100);
    device.misbehaviour.silent = false;
    let mut house = House::with_plug(13, device);
    house.device().misbehaviour.silent = true;
    house.run(3600);
    house.device().misbehaviour.silent = false;
    let back = house.now;
    house.run(120);
    assert!(house.powers().into_iter().any(|(at, _)| at > back));
}
