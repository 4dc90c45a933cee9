use super::*;

/// A home whose loads do what they are told, unless they are stuck.
struct House {
    engine: Engine,
    now: i64,
    base_w: i64,
    /// Number, watts when on, on, stuck.
    plugs: Vec<(u64, i64, bool, bool)>,
    setpoint: Decimal,
    events: Vec<(i64, Event)>,
}

const HEATING: u64 = 100;
const START: i64 = 1_780_272_000;

fn watts(number: i64) -> Decimal {
    Decimal::from(number)
}

fn plug(id: u64, class: u8) -> Load {
    Load {
        id,
        class,
        means: Means::Relay,
        least_on_s: 0,
        least_off_s: 60,
        longest_off_s: None,
    }
}

fn heating() -> Load {
    Load {
        means: Means::Setpoint(Decimal::from(18)),
        ..plug(HEATING, 2)
    }
}

fn less(depth: u8, from: i64, to: i64) -> Call {
    Call {
        key: "peak".to_owned(),
        start: START + from,
        end: START + to,
        what: Wanted::Less(depth),
    }
}

impl House {
    fn new(settings: Settings, loads: Vec<Load>, plugs: &[(u64, i64)]) -> Self {
        Self {
            engine: Engine::new(settings, loads, &[]),
            now: START,
            base_w: 300,
            plugs: plugs
                .iter()
                .map(|(id, watts)| (*id, *watts, true, false))
                .collect(),
            setpoint: Decimal::new(2150, 2),
            events: Vec::new(),
        }
    }

    fn drawn(&self) -> i64 {
        let on = self.plugs.iter().filter(|(_, _, on, _)| *on);
        self.base_w + on.map(|(_, watts, ..)| watts).sum::<i64>()
    }

    fn tell(&mut self) {
        for (id, draws, on, _) in &self.plugs {
            let power = if *on { *draws } else { 0 };
            self.engine.take_on(*id, *on, self.now);
            self.engine.take_power(*id, watts(power), self.now);
        }
        self.engine.take_setpoint(HEATING, self.setpoint, self.now);
        self.engine.take_import(watts(self.drawn()), self.now);
    }

    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += 1;
            self.tell();
            self.engine.handle_time(self.now);
            while let Some(action) = self.engine.poll_action() {
                match action {
                    Action::Switch { id, on } => {
                        let found = self.plugs.iter_mut().find(|plug| plug.0 == id);
                        let found = found.expect("it is there");
                        found.2 = on || found.3;
                    }
                    Action::HeatTo { celsius, .. } => self.setpoint = celsius,
                }
            }
            while let Some(event) = self.engine.poll_event() {
                self.events.push((self.now, event));
            }
        }
    }

    fn on(&self) -> Vec<u64> {
        let on = self.plugs.iter().filter(|(_, _, on, _)| *on);
        on.map(|(id, ..)| *id).collect()
    }
}

#[test]
fn r10_a_call_sheds_its_classes_and_everything_is_given_back_exactly() {
    let loads = vec![plug(1, 1), plug(2, 2), plug(3, 3), heating()];
    let mut house = House::new(Settings::default(), loads, &[(1, 120), (2, 2000), (3, 800)]);
    house.engine.set_calls(vec![less(2, 60, 1860)]);
    house.run(59);
    assert_eq!(house.on(), [1, 2, 3]);
    house.run(5);
    assert_eq!(house.on(), [3]);
    assert_eq!(house.setpoint, Decimal::from(18));
    house.run(1800);
    // One at a time, half a minute apart.
    let back: Vec<i64> = house
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::Restored { .. }))
        .map(|(at, _)| at - START - 1860)
        .collect();
    assert_eq!(back, [1]);
    house.run(120);
    assert_eq!(house.on(), [1, 2, 3]);
    assert_eq!(house.setpoint, Decimal::new(2150, 2));
    assert!(house.engine.kept().is_empty());
    let proofs = house.events.iter().filter(|(_, event)| {
        matches!(event, Event::Shed { id: 2, before_w: Some(before), after_w: Some(after) }
            if *before == watts(2000) && after.is_zero())
    });
    assert_eq!(proofs.count(), 1);
}

#[test]
fn r10_a_restart_in_the_middle_gives_back_what_was() {
    let loads = vec![plug(1, 1), heating()];
    let mut house = House::new(Settings::default(), loads.clone(), &[(1, 500)]);
    house.engine.set_calls(vec![less(2, 0, 600)]);
    house.run(30);
    let kept = house.engine.kept();
    assert_eq!(kept.len(), 2);
    house.engine = Engine::new(Settings::default(), loads, &kept);
    house.engine.set_calls(vec![less(2, 0, 600)]);
    house.run(30);
    assert_eq!(house.on(), Vec::<u64>::new());
    house.run(700);
    assert_eq!(
        (house.on(), house.setpoint),
        (vec![1], Decimal::new(2150, 2))
    );
}

#[test]
fn r11_the_limit_of_the_quarter_hour_is_kept_with_the_least_important_loads() {
    let settings = Settings {
        limit_w: Some(watts(4200)),
        ..Settings::default()
    };
    let loads = vec![plug(1, 1), plug(2, 2), plug(3, 3)];
    let mut house = House::new(settings, loads, &[(1, 900), (2, 2000), (3, 1500)]);
    let mut drawn = 0;
    for quarter in 0..4 {
        drawn = 0;
        for _ in 0..900 {
            house.run(1);
            drawn += house.drawn();
        }
        assert!(drawn / 900 <= 4200, "{quarter}: {}", drawn / 900);
    }
    // 4.7 kW are asked for: the first 900 W are enough.
    assert!(drawn / 900 > 3500, "{}", drawn / 900);
    assert!(house.on().contains(&2) && house.on().contains(&3));
    // The home draws more by itself: the next ones go.
    house.base_w = 2500;
    house.run(900);
    drawn = 0;
    for _ in 0..900 {
        house.run(1);
        drawn += house.drawn();
    }
    assert!(drawn / 900 <= 4200, "{}", drawn / 900);
    assert!(!house.on().contains(&1));
    // And back again, when there is room for all.
    house.base_w = 0;
    house.plugs[1].1 = 1000;
    house.run(1800);
    assert_eq!(house.on(), [1, 2, 3]);
}

#[test]
fn r11_a_load_that_does_not_shed_is_noticed_and_the_next_one_goes() {
    let settings = Settings {
        limit_w: Some(watts(3000)),
        ..Settings::default()
    };
    let mut house = House::new(
        settings,
        vec![plug(1, 1), plug(2, 2)],
        &[(1, 2000), (2, 2000)],
    );
    house.plugs[0].3 = true;
    house.run(120);
    assert!(
        house
            .events
            .iter()
            .any(|(_, event)| *event == Event::NotShed { id: 1 })
    );
    assert_eq!(house.on(), [1]);
}

#[test]
fn r11_a_load_that_sheds_within_the_second_and_then_is_silent_is_proved() {
    let mut engine = Engine::new(Settings::default(), vec![plug(1, 1)], &[]);
    engine.set_calls(vec![less(1, 0, 3600)]);
    engine.take_on(1, true, START);
    engine.take_power(1, watts(2000), START);
    engine.handle_time(START);
    engine.take_on(1, false, START);
    engine.handle_time(START + 1);
    assert_eq!(
        engine.poll_event(),
        None,
        "the power of before proves nothing"
    );
    engine.take_power(1, watts(0), START);
    engine.handle_time(START + 2);
    assert!(matches!(
        engine.poll_event(),
        Some(Event::Shed { id: 1, .. })
    ));
}

#[test]
fn r10_what_somebody_switches_on_stays_on() {
    let mut house = House::new(
        Settings::default(),
        vec![plug(1, 1), plug(2, 1)],
        &[(1, 500), (2, 500)],
    );
    house.engine.set_calls(vec![less(1, 0, 3600)]);
    house.run(60);
    assert_eq!(house.on(), Vec::<u64>::new());
    house.plugs[0].2 = true;
    house.run(60);
    assert_eq!(house.on(), [1]);
    assert!(
        house
            .events
            .iter()
            .any(|(_, event)| *event == Event::Overridden { id: 1 })
    );
    // The household takes no part at all.
    house.engine.set_calls(Vec::new());
    house.run(120);
    assert_eq!(house.on(), [1, 2]);
}

#[test]
fn r11_a_fridge_rests_only_a_few_minutes_and_then_runs_as_long() {
    let fridge = Load {
        longest_off_s: Some(600),
        ..plug(1, 1)
    };
    let mut house = House::new(Settings::default(), vec![fridge], &[(1, 90)]);
    house.engine.set_calls(vec![less(1, 0, 7200)]);
    let (mut off, mut longest) = (0, 0);
    for _ in 0..7200 {
        house.run(1);
        off = if house.on().is_empty() { off + 1 } else { 0 };
        longest = longest.max(off);
    }
    assert!((590..=610).contains(&longest), "{longest}");
}

#[test]
fn nothing_stays_shed_for_ever() {
    let settings = Settings {
        longest_s: 3600,
        ..Settings::default()
    };
    let mut house = House::new(settings, vec![plug(1, 1)], &[(1, 500)]);
    house.engine.set_calls(vec![less(3, 0, i64::MAX / 2)]);
    house.run(3700);
    let restored = |(_, event): &&(i64, Event)| *event == Event::Restored { id: 1 };
    assert_eq!(house.events.iter().filter(restored).count(), 1);
}

#[test]
fn without_a_meter_nothing_is_shed_for_a_limit() {
    let settings = Settings {
        limit_w: Some(watts(100)),
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, vec![plug(1, 1)], &[]);
    engine.take_on(1, true, START);
    engine.take_power(1, watts(2000), START);
    engine.handle_time(START + 1);
    assert_eq!(engine.poll_action(), None);
}
