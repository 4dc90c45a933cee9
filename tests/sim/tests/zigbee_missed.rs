//! R20: a device that is not heard any more is missed, and one that has nothing to say is not.

mod house;

use std::time::Duration;

use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::kinds;

use house::{House, PLUG};

const HOUR: u64 = 3600;

fn missed_for(house: &House) -> Option<Duration> {
    let device = house.home.device(PLUG);
    device.and_then(|device| device.missed_for(house.now))
}

#[test]
fn r20_a_device_on_mains_is_missed_within_three_quarters_of_an_hour() {
    let mut house = House::with_plug(13, kinds::plug(PLUG, 0x1A01, Curve::Constant(100)));
    house.run(2 * HOUR);
    assert_eq!(missed_for(&house), None);
    house.device().misbehaviour.silent = true;
    house.run(1700);
    assert_eq!(missed_for(&house), None);
    house.run(1000);
    assert!(missed_for(&house).is_some_and(|silent| silent < Duration::from_secs(2800)));
    house.device().misbehaviour.silent = false;
    house.run(180);
    assert_eq!(missed_for(&house), None, "it is back");
}

#[test]
fn r20_a_device_that_has_nothing_to_say_is_asked_and_not_missed() {
    let mut thermostat = kinds::thermostat(PLUG, 0x1A01);
    thermostat.misbehaviour.never_reports = true;
    let mut house = House::new(13, vec![thermostat]);
    house.up();
    house.permit();
    house.interviewed(PLUG);
    house.run(600);
    let before = house.device().unicasts;
    for _ in 0..24 {
        house.run(HOUR);
        assert_eq!(missed_for(&house), None);
    }
    // Once in ten minutes at most.
    let asked = house.device().unicasts - before;
    assert!((72..=145).contains(&asked), "{asked}");
}

#[test]
fn r20_a_sleeper_may_be_silent_for_a_day() {
    let mut house = House::new(13, vec![kinds::sensor(PLUG, 0x1A01)]);
    house.up();
    house.permit();
    house.interviewed(PLUG);
    house.device().misbehaviour.silent = true;
    house.run(24 * HOUR);
    assert_eq!(missed_for(&house), None);
    house.run(2 * HOUR);
    assert!(missed_for(&house).is_some());
}
