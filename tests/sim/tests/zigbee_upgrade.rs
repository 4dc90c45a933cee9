//! Firmware for the devices of the simulated stick, in virtual time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails is a test that fails"
)]

mod house;

use han::zigbee::coordinator;
use han::zigbee::devices::Event;
use han::zigbee::upgrade::{self, Failure, Image, Refusal, Stage};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::kinds;
use wattle_sim::zigbee::upgrade::{Upgrade, firmware};

use house::{House, PLUG};

const OTHER: u64 = PLUG + 1;

impl House {
    /// A home of plugs that take firmware, which have said what they run.
    fn upgradable(change: impl Fn(&mut Upgrade), files: &[Vec<u8>]) -> Self {
        let mut devices = vec![
            kinds::upgradable_plug(PLUG, 0x1A01, Curve::Constant(10)),
            kinds::upgradable_plug(OTHER, 0x1A02, Curve::Constant(10)),
        ];
        for device in &mut devices {
            device.upgrade.iter_mut().for_each(&change);
        }
        let mut house = Self::new(13, devices);
        let images = files
            .iter()
            .map(|file| Image::read(file).expect("it is a file"));
        house.home.upgrades.set_images(images.collect());
        house.up();
        house.permit();
        house.interviewed(PLUG);
        house.run(60);
        house
    }

    fn upgrade(&self, ieee: u64) -> Upgrade {
        let device = self.ncp.mesh.device(ieee).expect("it is there");
        device.upgrade.clone().expect("it fetches")
    }

    fn stage(&self, ieee: u64) -> Stage {
        let mut all = self.home.upgrades.firmware();
        all.find(|one| one.ieee == ieee).expect("it is known").stage
    }

    fn upgrades(&self) -> Vec<upgrade::Event> {
        let events = self.events.iter().filter_map(|(_, event)| match event {
            Event::Upgrade(event) => Some(*event),
            _ => None,
        });
        events.collect()
    }
}

#[test]
fn r16_firmware_arrives_whole_with_a_tenth_lost_after_a_restart_and_a_pause() {
    let file = firmware(2, 6000);
    // A vendor's wrapping stands before it.
    let wrapped = [&[0xAA; 616][..], &file, &[0xBB; 100]].concat();
    let mut house = House::upgradable(|one| one.lose_every = 10, &[wrapped]);
    let told: Vec<_> = house.home.upgrades.firmware().collect();
    assert_eq!(told[0].newer, Some(2));
    assert_eq!(told[0].runs.map(|runs| runs.version), Some(1));
    // Nobody has asked for it.
    assert_eq!(house.upgrade(PLUG).size, 0);
    assert_eq!(house.home.upgrades.ask(PLUG, None, false), Ok(2));
    while house.upgrade(PLUG).image.len() < 2000 {
        house.run(1);
    }
    // While loads are shed devices wait.
    house.home.upgrades.pause(true);
    house.run(5);
    let before = house.upgrade(PLUG).image.len();
    house.run(120);
    let paused = house.upgrade(PLUG);
    assert_eq!(paused.image.len(), before);
    assert!((1..=3).contains(&paused.waited), "{}", paused.waited);
    house.home.upgrades.pause(false);
    house.ncp.watchdog(house.now);
    house.wait(30, |event| {
        matches!(event, Event::Network(coordinator::Event::Lost(_)))
    });
    house.home.start(house.now);
    house.up();
    house.run(900);
    let fetched = house.upgrade(PLUG);
    assert_eq!(fetched.installed, Some(file));
    // Four blocks a second, however often it asks.
    let at = fetched.blocks_at;
    assert!(at.windows(5).all(|five| five[4] - five[0] >= 950), "{at:?}");
    let version = 2;
    let begun = upgrade::Event::Begun {
        ieee: PLUG,
        version,
    };
    let done = upgrade::Event::Done {
        ieee: PLUG,
        version,
    };
    assert_eq!(house.upgrades(), [begun, done]);
    assert_eq!(house.stage(PLUG), Stage::Idle);
    assert_eq!(
        house.home.upgrades.ask(PLUG, None, false),
        Err(Refusal::Same)
    );
}

#[test]
fn one_device_at_a_time_fetches_also_by_pages() {
    let file = firmware(2, 3000);
    let change = |one: &mut Upgrade| (one.pages, one.lose_every) = (true, 7);
    let mut house = House::upgradable(change, std::slice::from_ref(&file));
    assert_eq!(house.home.upgrades.ask(PLUG, None, false), Ok(2));
    assert_eq!(house.home.upgrades.ask(OTHER, None, false), Ok(2));
    while house.upgrade(PLUG).installed.is_none() {
        assert_eq!(house.upgrade(OTHER).blocks_at, []);
        assert!(house.stage(PLUG) != Stage::Idle);
        house.run(1);
    }
    house.run(300);
    assert_eq!(house.upgrade(PLUG).installed.as_ref(), Some(&file));
    assert_eq!(house.upgrade(OTHER).installed, Some(file));
}

#[test]
fn who_does_not_answer_lets_the_next_one_have_its_turn() {
    let mut house = House::upgradable(|_| {}, &[firmware(2, 1000)]);
    house.device().misbehaviour.silent = true;
    assert_eq!(house.home.upgrades.ask(PLUG, None, false), Ok(2));
    assert_eq!(house.home.upgrades.ask(OTHER, None, false), Ok(2));
    house.run(1200);
    assert!(house.upgrade(OTHER).installed.is_some());
    assert_eq!(house.stage(PLUG), Stage::Waiting);
    house.device().misbehaviour.silent = false;
    house.run(4000);
    assert!(house.upgrade(PLUG).installed.is_some());
}

#[test]
fn no_device_gets_what_is_not_for_it_or_older_unasked() {
    let mut house = House::upgradable(
        |one| one.version = 5,
        &[firmware(4, 1000), firmware(3, 900)],
    );
    let upgrades = &mut house.home.upgrades;
    assert_eq!(upgrades.ask(PLUG, None, false), Err(Refusal::Older));
    assert_eq!(upgrades.ask(PLUG, None, true), Err(Refusal::Older));
    assert_eq!(upgrades.ask(PLUG, Some(3), false), Err(Refusal::Older));
    assert_eq!(upgrades.ask(PLUG, Some(9), true), Err(Refusal::NoImage));
    assert_eq!(upgrades.ask(1, None, false), Err(Refusal::Unable));
    assert_eq!(upgrades.ask(PLUG, Some(3), true), Ok(3));
    house.run(120);
    assert_eq!(house.upgrade(PLUG).version, 3);
    // The other one is of another kind by now: what was put there is not for it.
    let other = house.ncp.mesh.device_mut(OTHER).expect("it is there");
    other
        .upgrade
        .iter_mut()
        .for_each(|one| (one.kind, one.asks) = ((0x1234, 2), true));
    house.run(10);
    assert_eq!(
        house.home.upgrades.ask(OTHER, Some(3), true),
        Err(Refusal::NoImage)
    );
    assert_eq!(house.upgrade(OTHER).size, 0);
}

#[test]
fn what_goes_wrong_is_told_and_ends() {
    let mut house = House::upgradable(|one| one.refuses = true, &[firmware(2, 1000)]);
    assert_eq!(house.home.upgrades.ask(PLUG, None, false), Ok(2));
    house.run(120);
    assert_eq!(house.stage(PLUG), Stage::Failed(Failure::Refused));
    house
        .device()
        .upgrade
        .iter_mut()
        .for_each(|one| (one.refuses, one.stays) = (false, true));
    assert_eq!(house.home.upgrades.ask(PLUG, None, false), Ok(2));
    house.run(600);
    assert_eq!(house.stage(PLUG), Stage::Failed(Failure::Unchanged));
    // The file is taken away while it is fetched.
    house
        .device()
        .upgrade
        .iter_mut()
        .for_each(|one| one.stays = false);
    assert_eq!(house.home.upgrades.ask(PLUG, None, false), Ok(2));
    house.run(2);
    house.home.upgrades.set_images(Vec::new());
    house.run(10);
    assert_eq!(house.stage(PLUG), Stage::Failed(Failure::Gone));
    assert_eq!(house.upgrade(PLUG).size, 0);
    // What nobody asks for any more is not given out.
    house
        .home
        .upgrades
        .set_images(vec![Image::read(&firmware(2, 4000)).expect("it is one")]);
    assert_eq!(house.home.upgrades.ask(PLUG, None, false), Ok(2));
    house.run(5);
    house.home.upgrades.call_off(PLUG);
    house.run(10);
    assert_eq!(
        (house.stage(PLUG), house.upgrade(PLUG).size),
        (Stage::Idle, 0)
    );
    assert_eq!(house.upgrade(PLUG).version, 1);
}
