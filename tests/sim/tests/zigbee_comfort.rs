//! R13: a day of a thermostat that follows the price within the household's bounds, in virtual time.

mod house;

use han::Value;
use han::comfort::{Engine, Place, Thermostat};
use han::zigbee::devices::{Event, Measured};
use rust_decimal::Decimal;
use wattle_sim::zigbee::kinds;

use house::{House, PLUG};

const HOUR: u64 = 3600;

/// Half an hour, ten seconds at a time: what the thermostat says goes to the engine, what that
/// wants goes to the thermostat.
fn live(house: &mut House, engine: &mut Engine, place: Place) {
    for _ in 0..180 {
        let seen = house.events.len();
        house.run(10);
        for (_, event) in house.events.iter().skip(seen) {
            if let Event::Measured {
                measured: Measured::HeatingSetpointC(celsius),
                ..
            } = event
            {
                engine.take_setpoint(PLUG, *celsius);
            }
        }
        let passed = house.now.duration_since(house.start).as_secs();
        engine.handle_price(place, i64::try_from(passed).unwrap_or(i64::MAX));
        while let Some(action) = engine.poll_action() {
            assert!(house.home.heat_to(action.id, action.celsius, house.now));
        }
    }
}

fn setpoint(house: &mut House) -> Option<Value> {
    house.device().value(1, 0x0201, 0x0012).cloned()
}

#[test]
fn r13_a_thermostat_follows_the_price_within_its_bounds_and_is_restored_exactly() {
    let thermostat = |id| Thermostat {
        id,
        lowest: Decimal::new(195, 1),
        highest: Decimal::new(225, 1),
        shift: Decimal::TWO,
    };
    let mut house = House::new(13, vec![kinds::thermostat(PLUG, 0x1A01)]);
    house.up();
    house.permit();
    house.interviewed(PLUG);
    assert_eq!(setpoint(&mut house), Some(Value::Signed(2100)));
    let first = house.events.iter().find_map(|(_, event)| match event {
        Event::Measured {
            measured: Measured::HeatingSetpointC(celsius),
            ..
        } => Some(*celsius),
        _ => None,
    });
    let mut engine = Engine::new(vec![thermostat(PLUG)], &[]);
    engine.take_setpoint(PLUG, first.expect("the interview tells it"));
    let mut lowest_and_highest = (2100, 2100);
    // 21 °C is set; 2 K more are cut to 22.5, 2 K less to 19.5.
    for (hours, place, wanted) in [
        (0..6, Place::Low, 2250),
        (6..17, Place::Usual, 2100),
        (17..21, Place::High, 1950),
        (21..24, Place::Low, 2250),
    ] {
        for hour in hours {
            live(&mut house, &mut engine, place);
            live(&mut house, &mut engine, place);
            if hour == 18 {
                // The daemon starts anew while it is dear.
                engine = Engine::new(vec![thermostat(PLUG)], &engine.kept());
            }
            let Some(Value::Signed(now)) = setpoint(&mut house) else {
                panic!("it has none");
            };
            assert_eq!(now, wanted, "{hour} o'clock");
            lowest_and_highest.0 = lowest_and_highest.0.min(now);
            lowest_and_highest.1 = lowest_and_highest.1.max(now);
        }
    }
    live(&mut house, &mut engine, Place::Usual);
    assert_eq!(setpoint(&mut house), Some(Value::Signed(2100)), "exactly");
    assert_eq!(engine.kept(), []);
    let passed = house.now.duration_since(house.start).as_secs();
    assert!(passed >= 24 * HOUR);
    println!("a day between {lowest_and_highest:?} hundredths of a degree, 2100 before and after");
}
