use super::*;
use crate::command::Command;

const NOW: i64 = 1_800_000_000;

fn world(now_s: i64) -> Situation {
    Situation {
        now_s,
        hour: 10,
        clock_off_s: Some(0),
        outdoor_c: Some(Decimal::from(15)),
    }
}

fn signed(kind: Kind, execute_at_s: i64) -> Signed {
    let command = Command {
        kind,
        id: "c-1".to_owned(),
        counter: 1,
        not_before_s: NOW - 60,
        not_after_s: NOW + 7_200,
        execute_at_s,
        body: String::new(),
    };
    Signed {
        command,
        signers: vec![0, 1],
    }
}

fn disconnect(supply: &mut Supply, policy: &Policy, world: Situation) -> Result<(), Denial> {
    supply.command(
        &signed(Kind::Disconnect, 0),
        "unpaid; call 123",
        policy,
        world,
    )
}

/// A supply that was disconnected at this time.
fn off(at_s: i64) -> Supply {
    Supply {
        state: State::Off,
        switched_s: vec![at_s],
        steps: Vec::new(),
    }
}

#[test]
fn two_have_to_sign() {
    let mut one = signed(Kind::Disconnect, 0);
    one.signers.truncate(1);
    let mut supply = Supply::default();
    assert_eq!(
        supply.command(&one, "", &Policy::default(), world(NOW)),
        Err(Denial::TwoSigners)
    );
    assert_eq!(supply.state, State::On);
}

#[test]
fn never_where_somebody_lives_by_a_device() {
    let policy = Policy {
        life_support: true,
        ..Policy::default()
    };
    assert_eq!(
        disconnect(&mut Supply::default(), &policy, world(NOW)),
        Err(safety::Denial::LifeSupport.into())
    );
}

#[test]
fn never_with_a_clock_that_is_not_trusted() {
    for clock_off_s in [None, Some(28), Some(-28)] {
        let world = Situation {
            clock_off_s,
            ..world(NOW)
        };
        assert_eq!(
            disconnect(&mut Supply::default(), &Policy::default(), world),
            Err(safety::Denial::Clock.into())
        );
    }
    let near = Situation {
        clock_off_s: Some(-27),
        ..world(NOW)
    };
    assert_eq!(
        disconnect(&mut Supply::default(), &Policy::default(), near),
        Ok(())
    );
}

#[test]
fn never_outside_the_commands_window() {
    for now in [NOW - 61, NOW + 7_201, NOW + 7_200 - ANNOUNCED_S + 1] {
        assert_eq!(
            disconnect(&mut Supply::default(), &Policy::default(), world(now)),
            Err(safety::Denial::Window.into())
        );
    }
}

#[test]
fn never_outside_the_allowed_hours() {
    for hour in [0, 7, 15, 23] {
        let world = Situation { hour, ..world(NOW) };
        assert_eq!(
            disconnect(&mut Supply::default(), &Policy::default(), world),
            Err(Denial::Hours)
        );
    }
}

#[test]
fn never_in_a_temperature_moratorium_nor_without_a_temperature() {
    // At and beyond the limits, to the last digit: 0.00 forbids it, 0.01 does not.
    let degrees = |hundredths| Some(Decimal::new(hundredths, 2));
    for outdoor_c in [
        None,
        degrees(0),
        degrees(-2_000),
        degrees(3_500),
        degrees(3_501),
    ] {
        let world = Situation {
            outdoor_c,
            ..world(NOW)
        };
        assert_eq!(
            disconnect(&mut Supply::default(), &Policy::default(), world),
            Err(Denial::Moratorium)
        );
    }
}

#[test]
fn announced_for_a_minute_and_judged_again_then() {
    let policy = Policy::default();
    let mut supply = Supply::default();
    disconnect(&mut supply, &policy, world(NOW)).unwrap();
    assert!(
        matches!(&supply.state, State::Announced { at_s, text, .. } if *at_s == NOW + 60 && text.contains("123"))
    );
    assert_eq!(supply.tick(&policy, world(NOW + 59)), None);
    let mut cold = supply.clone();
    let frost = Situation {
        outdoor_c: Some(Decimal::from(-5)),
        ..world(NOW + 60)
    };
    assert_eq!((cold.tick(&policy, frost), cold.state), (None, State::On));
    assert_eq!(supply.tick(&policy, world(NOW + 60)), Some(Action::Open));
    assert_eq!(supply.state, State::Off);
    let mut slept = Supply::default();
    disconnect(&mut slept, &policy, world(NOW)).unwrap();
    assert_eq!(
        (slept.tick(&policy, world(NOW + 7_201)), slept.state),
        (None, State::On)
    );
}

#[test]
fn it_may_be_called_off_while_it_is_announced() {
    let policy = Policy::default();
    let mut supply = Supply::default();
    disconnect(&mut supply, &policy, world(NOW)).unwrap();
    supply
        .command(&signed(Kind::Reconnect, 0), "", &policy, world(NOW + 10))
        .unwrap();
    assert_eq!(
        (supply.tick(&policy, world(NOW + 100)), supply.state),
        (None, State::On)
    );
}

#[test]
fn a_reconnection_only_arms_and_the_person_presses_the_button() {
    let policy = Policy::default();
    let mut supply = off(NOW - APART_S);
    assert_eq!(supply.button(NOW), Err(Denial::State("off and not armed")));
    supply
        .command(&signed(Kind::Reconnect, 0), "", &policy, world(NOW))
        .unwrap();
    assert_eq!(
        (supply.tick(&policy, world(NOW + 500)), &supply.state),
        (None, &State::Armed)
    );
    assert_eq!(supply.button(NOW), Ok(Action::Close));
    assert_eq!(supply.state, State::On);
}

#[test]
fn ten_minutes_lie_between_two_switchings() {
    let mut supply = Supply {
        state: State::On,
        switched_s: vec![NOW - 599],
        steps: Vec::new(),
    };
    assert_eq!(
        disconnect(&mut supply, &Policy::default(), world(NOW)),
        Err(Denial::TooSoon)
    );
    assert_eq!(
        disconnect(&mut supply, &Policy::default(), world(NOW + 1)),
        Ok(())
    );
    let mut set_back = Supply {
        state: State::On,
        switched_s: vec![NOW + 9_000],
        steps: Vec::new(),
    };
    assert_eq!(
        disconnect(&mut set_back, &Policy::default(), world(NOW)),
        Err(Denial::TooSoon)
    );
    let mut armed = Supply {
        state: State::Armed,
        ..off(NOW - 599)
    };
    assert_eq!(armed.button(NOW), Err(Denial::TooSoon));
}

#[test]
fn six_switchings_a_day() {
    let switched_s: Vec<i64> = (1..=6).rev().map(|place| NOW - 4_000 * place).collect();
    let mut supply = Supply {
        state: State::On,
        switched_s,
        steps: Vec::new(),
    };
    assert_eq!(
        disconnect(&mut supply, &Policy::default(), world(NOW)),
        Err(Denial::TooOften)
    );
}

#[test]
fn a_relay_that_stands_otherwise_is_an_alarm() {
    let mut supply = off(NOW);
    assert!(!supply.read_back(NOW, false));
    assert!(supply.read_back(NOW, true));
    assert!(supply.steps.last().unwrap().contains("ALARM"));
}

#[test]
fn a_loss_of_power_keeps_the_last_state() {
    let policy = Policy::default();
    let mut supply = Supply::default();
    disconnect(&mut supply, &policy, world(NOW)).unwrap();
    let kept = serde_json::to_string(&supply).unwrap();
    let again: Supply = serde_json::from_str(&kept).unwrap();
    assert_eq!(again, supply);
}

#[test]
fn every_step_is_noted() {
    let policy = Policy::default();
    let mut supply = Supply::default();
    disconnect(&mut supply, &policy, world(NOW)).unwrap();
    supply.tick(&policy, world(NOW + 60));
    let hot = Situation {
        outdoor_c: Some(Decimal::from(40)),
        ..world(NOW)
    };
    let _ = disconnect(&mut Supply::default(), &policy, hot);
    supply
        .command(&signed(Kind::Arm, 0), "", &policy, world(NOW + 70))
        .unwrap();
    supply.button(NOW + 700).unwrap();
    assert_eq!(supply.steps.len(), 4, "{:?}", supply.steps);
}

#[test]
fn a_relay_that_does_not_move_leaves_the_supply_where_it_was() {
    let mut supply = off(NOW);
    supply.not_done(NOW + 5, Action::Open);
    assert_eq!(supply.state, State::On);
    assert_eq!(supply.steps, ["1800000005 ALARM: the relay did not open"]);
    supply.not_done(NOW + 6, Action::Close);
    assert_eq!(supply.state, State::Armed);
    // What was tried counts as a switching.
    assert_eq!(supply.button(NOW + 7), Err(Denial::TooSoon));
    supply.done(NOW + 8, Action::Close);
    let last = supply.steps.last().map(String::as_str);
    assert_eq!(last, Some("1800000008 the relay is closed, read back"));
}
