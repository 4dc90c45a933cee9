//! A day of the simulated home in virtual time: prices by the time of day, an event in the evening
//! peak, a limit on the quarter-hour, the household's no, and every watt-hour.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use han::demand::{self, Action, Call, Engine, Load, Means, Settings, Wanted};
use han::zigbee::devices::{Event, Measured};
use han::zigbee::key_establishment::Suite;
use han::zigbee::services::Price;
use rust_decimal::Decimal;
use wattle_sim::zigbee::authority::{identity, random};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::kinds;

use house::{House, UTC};

const DISHWASHER: u64 = 0x0012_4B00_0000_0001;
const BOILER: u64 = 0x0012_4B00_0000_0002;
const AQUARIUM: u64 = 0x0012_4B00_0000_0003;
const THERMOSTAT: u64 = 0x0012_4B00_0000_0004;
const DISPLAY: u64 = 0x0012_4B00_0000_0005;
const LIMIT_W: i64 = 4200;
const HOUR: u32 = 3600;
/// The day's first second, at a full quarter of an hour.
const MIDNIGHT: u32 = UTC / 900 * 900 + 900;
/// Zigbee counts from 2000, the engine from 1970.
const EPOCH: i64 = 946_684_800;

struct Day {
    house: House,
    engine: Engine,
    seen: usize,
    /// Truth at the meter, watt-seconds by quarter-hour.
    quarters: BTreeMap<u32, i64>,
    shed: BTreeSet<u64>,
    restored: BTreeSet<u64>,
}

fn load(id: u64, class: u8, means: Means) -> Load {
    Load {
        id,
        class,
        means,
        least_on_s: 0,
        least_off_s: 120,
        longest_off_s: None,
    }
}

impl Day {
    fn new() -> Self {
        let offset = MIDNIGHT - UTC;
        let at = |hours: u32, minutes: u32| hours * HOUR + minutes * 60 + offset;
        let washing = Curve::Day(vec![(0, 0), (at(17, 30), 1800), (at(22, 30), 0)]);
        let heating_water = Curve::Day(vec![(0, 1500), (at(20, 0), 0)]);
        let devices = vec![
            kinds::plug(DISHWASHER, 0x1A01, washing),
            kinds::plug(BOILER, 0x1A02, heating_water),
            kinds::plug(AQUARIUM, 0x1A03, Curve::Constant(600)),
            kinds::thermostat(THERMOSTAT, 0x1A04),
            kinds::display(DISPLAY, 0x1A05),
        ];
        let mut house = House::new(14, devices);
        let own = identity(Suite::One, house.ncp.eui64).expect("it is in range");
        house.home.services.identify(own, random);
        let settings = Settings {
            limit_w: Some(Decimal::from(LIMIT_W)),
            ..Settings::default()
        };
        let loads = vec![
            load(DISHWASHER, 1, Means::Relay),
            load(BOILER, 2, Means::Relay),
            load(AQUARIUM, 2, Means::Relay),
            load(THERMOSTAT, 2, Means::Setpoint(Decimal::from(18))),
        ];
        Self {
            house,
            engine: Engine::new(settings, loads, &[]),
            seen: 0,
            quarters: BTreeMap::new(),
            shed: BTreeSet::new(),
            restored: BTreeSet::new(),
        }
    }

    fn utc(&self) -> u32 {
        self.house.home.utc(self.house.now).expect("it has a clock")
    }

    fn setpoint(&self) -> i64 {
        let device = self.house.ncp.mesh.device(THERMOSTAT).expect("it is there");
        match device.value(1, 0x0201, 0x0012) {
            Some(han::Value::Signed(setpoint)) => *setpoint,
            other => panic!("{other:?}"),
        }
    }

    fn is_on(&self, ieee: u64) -> bool {
        let device = self.house.ncp.mesh.device(ieee).expect("it is there");
        device.load.as_ref().is_some_and(|load| load.on)
    }

    /// What the home draws: plugs, the heat pump behind the thermostat, and all else.
    fn import(&self) -> i64 {
        let ms = self.house.ncp.now_ms();
        let plugs = self.house.ncp.mesh.devices.iter();
        let plugs = plugs.filter_map(|device| Some(i64::from(device.load.as_ref()?.watts(ms))));
        let heating = if self.setpoint() > 1900 { 1200 } else { 300 };
        plugs.sum::<i64>() + heating + 250
    }

    /// One second: what devices say goes to the engine, what it wants is done.
    fn second(&mut self) {
        self.house.run(1);
        let now = i64::from(self.utc()) + EPOCH;
        let events = self.house.events.get(self.seen..).unwrap_or_default();
        for (_, event) in events {
            let Event::Measured { ieee, measured } = event else {
                continue;
            };
            match measured {
                Measured::PowerW(power) => self.engine.take_power(*ieee, *power, now),
                Measured::On(on) => self.engine.take_on(*ieee, *on, now),
                Measured::HeatingSetpointC(celsius) => {
                    self.engine.take_setpoint(*ieee, *celsius, now);
                }
                _ => {}
            }
        }
        self.seen = self.house.events.len();
        let import = self.import();
        *self.quarters.entry(self.utc() / 900).or_default() += import;
        self.engine.take_import(Decimal::from(import), now);
        self.engine.handle_time(now);
        let instant: Instant = self.house.now;
        while let Some(action) = self.engine.poll_action() {
            let sent = match action {
                Action::Switch { id, on } => self.house.home.switch(id, on, instant),
                Action::HeatTo { id, celsius } => self.house.home.heat_to(id, celsius, instant),
            };
            assert!(sent, "{action:?}");
        }
        while let Some(event) = self.engine.poll_event() {
            match event {
                demand::Event::Shed { id, .. } => drop(self.shed.insert(id)),
                demand::Event::Restored { id } => drop(self.restored.insert(id)),
                other => panic!("{other:?} at {}", self.utc() - MIDNIGHT),
            }
        }
    }

    fn until(&mut self, hours: u32, minutes: u32) {
        while self.utc() < MIDNIGHT + hours * HOUR + minutes * 60 {
            self.second();
        }
    }

    fn energy(&self, ieee: u64) -> Vec<Decimal> {
        let energies = self
            .house
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Measured {
                    ieee: of,
                    measured: Measured::EnergyKwh(energy),
                } if *of == ieee => Some(*energy),
                _ => None,
            });
        energies.collect()
    }
}

fn prices() -> Vec<Price> {
    let price = |from: u32, to: u32, per_kwh: &str, label: &str| Price {
        start: MIDNIGHT + from * HOUR,
        minutes: u16::try_from((to - from) * 60).expect("it is short"),
        per_kwh: per_kwh.parse().expect("a number"),
        label: label.to_owned(),
        tier: None,
    };
    vec![
        price(0, 6, "0.21", "night"),
        price(6, 17, "0.29", "day"),
        price(17, 21, "0.44", "peak"),
        price(21, 30, "0.21", "night"),
    ]
}

#[test]
fn a_day_with_prices_an_event_a_limit_and_a_no() {
    let mut day = Day::new();
    day.house.up();
    day.house.permit();
    day.until(0, 0);
    let now = day.utc();
    day.house.home.services.set_prices(978, prices(), now);
    let devices = day.house.home.devices();
    assert_eq!(devices.filter(|device| device.is_interviewed()).count(), 5);
    day.until(17, 55);
    // Without an event the limit alone holds: 1800 + 1500 + 600 + 1200 + 250 W are too much.
    assert!(!day.is_on(DISHWASHER), "what nobody misses goes first");
    assert!(day.is_on(BOILER) && day.is_on(AQUARIUM));
    assert_eq!(day.setpoint(), 2100);

    let start = i64::from(MIDNIGHT) + EPOCH + 18 * i64::from(HOUR);
    day.engine.set_calls(vec![Call {
        key: "peak".to_owned(),
        start,
        end: start + 2 * i64::from(HOUR),
        what: Wanted::Less(2),
    }]);
    day.until(18, 5);
    for plug in [DISHWASHER, BOILER, AQUARIUM] {
        assert!(!day.is_on(plug), "{plug:x}");
        assert!(day.shed.contains(&plug), "its watts fell: {:?}", day.shed);
    }
    assert_eq!(day.setpoint(), 1800);
    assert_eq!(day.import(), 550);

    // The household takes no part any more.
    day.until(19, 0);
    day.engine.set_calls(Vec::new());
    day.until(19, 20);
    assert!(day.is_on(BOILER) && day.is_on(AQUARIUM));
    assert_eq!(day.setpoint(), 2100, "exactly as before");
    day.until(24, 0);
    assert!(day.is_on(DISHWASHER), "there is room for all");
    assert_eq!(day.engine.kept(), []);
    // The last reports are on their way for a minute.
    day.until(24, 5);

    let most = day.quarters.values().max().copied().unwrap_or_default();
    assert!(most <= LIMIT_W * 900, "{} W", most / 900);
    for plug in [DISHWASHER, BOILER, AQUARIUM] {
        let energies = day.energy(plug);
        assert!(energies.is_sorted());
        let (first, last) = (energies.first().copied(), energies.last().copied());
        let counted = last.expect("it counts") - first.expect("it counts");
        let load = day
            .house
            .ncp
            .mesh
            .device(plug)
            .and_then(|device| device.load.clone());
        let truth = load.expect("it has one").energy_wh() / 1000.0;
        let truth = Decimal::try_from(truth).expect("a number");
        let off = (counted - truth).abs() / truth;
        println!(
            "{plug:016x}: counted {counted} kWh, truth {truth:.4} kWh, off {:.4} %",
            off * Decimal::ONE_HUNDRED
        );
        assert!(off <= Decimal::new(1, 3), "{counted} {truth}");
    }
    let display = day.house.ncp.mesh.device(DISPLAY).expect("it is there");
    let display = display.energy_services.as_ref().expect("it has them");
    for price in prices() {
        let told = display.prices.iter().find(|(at, fields)| {
            *at >= price.start && fields.number("start_time") == Some(price.start.into())
        });
        let (at, _) = told.expect("it was told");
        assert!(at - price.start < 5, "{at}");
    }
    println!("highest quarter-hour {} W of {LIMIT_W} W", most / 900);
}
