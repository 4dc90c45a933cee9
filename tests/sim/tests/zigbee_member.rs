//! The stick in the network of a utility's meter, in virtual time: it joins by its install code,
//! comes to a key from certificates, reads what the meter shows, and finds it again.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod house;
mod smart_energy;

use std::time::{Duration, Instant};

use han::Value;
use han::zigbee::install_code::InstallCode;
use han::zigbee::key_establishment::{Refusal, Suite};
use han::zigbee::member::{CHANNELS, Event, Member, Membership, MeterValue, Obstacle, Policy};
use rust_decimal::Decimal;
use wattle_sim::zigbee::authority::{identity, random};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::mesh::{Heard, Mesh};
use wattle_sim::zigbee::utility::Utility;
use wattle_sim::zigbee::{Coprocessor, Ncp};

use house::UTC;
use smart_energy::{has_tshark, read};

/// The code of Base Device Behavior 13-0402, 10.1.2, and another one.
const CODE: &str = "83FED3407A939723A5C639B26916D505C3B5";
const OTHER: &str = "966B9F3EF98AE6059708";
const IMPORT_WH: u32 = 12_345_678;
const EXPORT_WH: u32 = 4_321;

fn link_key(code: &str) -> [u8; 16] {
    *InstallCode::parse(code).expect("a right code").link_key()
}

fn policy(ncp: &Ncp, suite: Suite, known: Option<Membership>) -> Policy {
    Policy {
        link_key: link_key(CODE).into(),
        extended_pan: None,
        known,
        identity: identity(suite, ncp.eui64),
        random,
        channels: CHANNELS,
    }
}

struct Place {
    member: Member,
    ncp: Ncp,
    now: Instant,
    events: Vec<(Instant, Event)>,
}

impl Place {
    fn new(version: u8, utility: Utility) -> Self {
        Self::with(version, utility, Suite::One)
    }

    fn with(version: u8, mut utility: Utility, suite: Suite) -> Self {
        let now = Instant::now();
        let mut ncp = Ncp::new(version, Mesh::new(Vec::new(), UTC), now);
        utility.registered.insert(ncp.eui64, link_key(CODE));
        ncp.utility = Some(utility);
        let policy = policy(&ncp, suite, None);
        Self::of(ncp, policy, now)
    }

    fn of(ncp: Ncp, policy: Policy, now: Instant) -> Self {
        let mut member = Member::new(policy);
        member.set_clock(ncp.utc(), now);
        member.start(now);
        Self {
            member,
            ncp,
            now,
            events: Vec::new(),
        }
    }

    /// The same stick with a gateway that was started anew and knows this network.
    fn restarted(self, known: Option<Membership>) -> Self {
        let policy = policy(&self.ncp, Suite::One, known);
        Self::of(self.ncp, policy, self.now)
    }

    fn utility(&mut self) -> &mut Utility {
        self.ncp.utility.as_mut().expect("there is one")
    }

    fn wait(&mut self, patience_s: u64, wanted: impl Fn(&Event) -> bool) -> Option<Event> {
        let end = self.now + Duration::from_secs(patience_s);
        loop {
            loop {
                let (out, back) = (self.member.poll_transmit(), self.ncp.poll_transmit());
                if out.is_none() && back.is_none() {
                    break;
                }
                self.ncp.handle_octets(&out.unwrap_or_default(), self.now);
                let back = back.unwrap_or_default();
                if !back.is_empty() {
                    self.member.handle_octets(&back, self.now);
                }
            }
            let mut found = None;
            while let Some(event) = self.member.poll_event() {
                if found.is_none() && wanted(&event) {
                    found = Some(event.clone());
                }
                self.events.push((self.now, event));
            }
            if found.is_some() {
                return found;
            }
            let due = [self.member.poll_timeout(), self.ncp.poll_timeout()];
            let due = due.into_iter().flatten().min().unwrap_or(end).max(self.now);
            self.now = due.min(end);
            self.ncp.handle_timeout(self.now);
            self.member.handle_timeout(self.now);
            if due >= end {
                return None;
            }
        }
    }

    fn expect(&mut self, patience_s: u64, wanted: impl Fn(&Event) -> bool) -> Event {
        let found = self.wait(patience_s, wanted);
        found.unwrap_or_else(|| panic!("it did not happen: {:?}", self.events))
    }

    fn key(&mut self) -> Membership {
        match self.expect(60, |event| matches!(event, Event::KeyEstablished(_))) {
            Event::KeyEstablished(network) => network,
            _ => unreachable!(),
        }
    }

    fn import(&mut self, patience_s: u64) -> Decimal {
        let is_import = |event: &Event| matches!(event, Event::Value(MeterValue::ImportKwh(_)));
        match self.expect(patience_s, is_import) {
            Event::Value(MeterValue::ImportKwh(energy)) => energy,
            _ => unreachable!(),
        }
    }

    fn asked(&self, command: u16) -> u32 {
        self.ncp.asked.get(&command).copied().unwrap_or(0)
    }

    fn values(&self) -> Vec<MeterValue> {
        let values = self.events.iter().filter_map(|(_, event)| match event {
            Event::Value(value) => Some(value.clone()),
            _ => None,
        });
        values.collect()
    }

    fn ms(&self) -> u64 {
        self.ncp.now_ms()
    }
}

fn meter() -> Utility {
    Utility::new(Curve::Constant(1500), IMPORT_WH, EXPORT_WH)
}

fn obstacle(wanted: Obstacle) -> impl Fn(&Event) -> bool {
    move |event| *event == Event::Obstacle(wanted)
}

#[test]
fn the_registers_are_the_meters_own_to_the_digit_in_every_version_and_both_suites() {
    for (version, suite) in [
        (13, Suite::One),
        (14, Suite::Two),
        (16, Suite::One),
        (17, Suite::One),
        (18, Suite::One),
        (19, Suite::Two),
    ] {
        let mut place = Place::with(version, meter().with_suite(suite), suite);
        let network = place.key();
        assert!(network.has_key && network.trust_center == place.utility().meter.ieee);
        assert_eq!((network.channel, network.pan), (20, 0x2A17));
        place.import(70);
        let (begun, before) = (place.now, place.asked(0x0034));
        for _ in 0..10 {
            let told = place.import(70);
            // The answer is 20 ms old when it comes, in which 0.008 Wh pass.
            let shown = Decimal::new(
                i64::try_from(place.utility().import_wh()).expect("small"),
                3,
            );
            assert_eq!(told, shown, "EZSP {version}");
        }
        let told = place.values();
        assert!(told.contains(&MeterValue::PowerW(Decimal::from(1500))));
        assert!(told.contains(&MeterValue::ExportKwh(Decimal::new(4_321, 3))));
        assert!(told.contains(&MeterValue::Serial("LG-00471123".to_owned())));
        assert!(told.contains(&MeterValue::Site("Elm Street 12".to_owned())));
        // Demand each ten seconds, the registers each minute, and little else.
        let minutes = (place.now - begun).as_secs_f64() / 60.0;
        let sent = f64::from(place.asked(0x0034) - before);
        assert!(sent / minutes < 8.0, "{sent} messages in {minutes} minutes");
        let powers = told
            .iter()
            .filter(|one| matches!(one, MeterValue::PowerW(_)));
        assert!(powers.count() >= 54);
        assert_eq!((place.utility().replays, place.utility().refused), (0, 0));
    }
}

#[test]
fn prices_messages_and_the_time_are_told_confirmed_and_clean_in_tshark() {
    let mut place = Place::new(14, meter());
    place.utility().heard = Some(Vec::new());
    place.utility().clock_ahead_s = 90;
    let utc = place.ncp.utc();
    place.utility().publish(41, "Off-peak", 10_120, 1, 0, utc);
    place.key();
    let price = place.expect(60, |event| matches!(event, Event::Price(_)));
    let Event::Price(price) = price else { panic!() };
    assert_eq!(
        (price.per_kwh.to_string(), price.currency, price.tier),
        ("0.10120".to_owned(), 124, Some(1))
    );
    assert_eq!((price.label.as_str(), price.minutes), ("Off-peak", None));
    assert_eq!((price.start, price.told_at), (utc + 90, utc + 90));
    let clock = place.expect(60, |event| matches!(event, Event::Clock(_)));
    let Event::Clock(clock) = clock else { panic!() };
    assert!(clock.abs_diff(place.ncp.utc() + 90) <= 1);

    // What changes is told at once, not when it is asked for next.
    let (ms, utc, at) = (place.ms(), place.ncp.utc(), place.now);
    place.utility().publish(42, "On-peak", 18_050, 3, ms, utc);
    let price = place.expect(60, |event| matches!(event, Event::Price(_)));
    assert!(matches!(&price, Event::Price(price) if price.id == 42));
    assert!(place.now - at < Duration::from_secs(1));
    let ms = place.ms();
    place
        .utility()
        .display(7, "No power on Tuesday from 9 to 10", ms);
    let message = place.expect(60, |event| matches!(event, Event::Message(_)));
    let Event::Message(message) = message else {
        panic!()
    };
    assert_eq!(message.text, "No power on Tuesday from 9 to 10");
    assert_eq!(
        (message.id, message.importance, message.confirm),
        (7, 2, true)
    );
    assert!(place.utility().confirmed.is_empty());
    place.member.confirm(7, place.now);
    place.wait(5, |_| false);
    assert_eq!(place.utility().confirmed, [7]);
    assert!(place.utility().acknowledged.contains(&41));
    assert!(place.utility().acknowledged.contains(&42));
    let ms = place.ms();
    place.utility().take_back(ms);
    place.expect(5, |event| *event == Event::TakenBack(7));

    let heard: Vec<Heard> = place.utility().heard.take().expect("they were noted");
    assert!(heard.len() > 25);
    let in_clear = heard.iter().filter(|one| !one.aps.secured);
    assert!(in_clear.into_iter().all(|one| one.aps.cluster == 0x0800));
    if has_tshark() {
        let packets = read("member", &heard);
        let all: Vec<&(String, String)> = packets.iter().flatten().collect();
        let has = |name: &str, value: &str| {
            let found = all
                .iter()
                .any(|(known, told)| known == name && told == value);
            assert!(found, "no {name} {value}");
        };
        has("zbee_zcl_se.price.publish_price.rate_label", "On-peak");
        has(
            "zbee_zcl_se.msg.message",
            "No power on Tuesday from 9 to 10",
        );
    }
}

#[test]
fn a_code_that_is_not_the_registered_one_is_told_and_tried_again_slowly() {
    let mut place = Place::new(13, meter());
    let eui64 = place.ncp.eui64;
    place.utility().registered.insert(eui64, link_key(OTHER));
    place.expect(60, obstacle(Obstacle::WrongCode));
    place.wait(3600, |_| false);
    let tries = place.utility().associations;
    assert!((4..=8).contains(&tries), "{tries}");
    assert!(!place.member.is_in());
    // The utility corrects it.
    place.utility().registered.insert(eui64, link_key(CODE));
    place.expect(1000, |event| matches!(event, Event::KeyEstablished(_)));
}

#[test]
fn a_network_that_lets_nobody_in_is_looked_at_until_it_does() {
    let mut utility = meter();
    utility.permits_joining = false;
    let mut place = Place::new(14, utility);
    place.expect(60, obstacle(Obstacle::NobodyPermits(1)));
    place.wait(600, |_| false);
    assert_eq!((place.utility().associations, place.asked(0x001F)), (0, 0));
    place.utility().permits_joining = true;
    place.expect(150, |event| matches!(event, Event::Up { joined: true, .. }));

    let mut alone = meter();
    alone.is_there = false;
    Place::new(13, alone).expect(60, obstacle(Obstacle::NobodyThere));
    let mut other = Place::new(13, meter());
    let policy = Policy {
        extended_pan: Some(1),
        ..policy(&other.ncp, Suite::One, None)
    };
    other = Place::of(other.ncp, policy, other.now);
    other.expect(60, obstacle(Obstacle::NotAmong(1)));
}

#[test]
fn a_key_that_is_refused_is_told_with_its_reason_and_nothing_is_read() {
    let mut utility = meter();
    utility.refuses_with = Some(1);
    let mut place = Place::new(14, utility);
    let refused = Obstacle::NoKey(Refusal::ByOther(1));
    place.expect(60, obstacle(refused));
    assert!(refused.to_string().contains("not the meter's"), "{refused}");
    place.wait(3600, |_| false);
    assert!(place.values().is_empty());
    place.utility().refuses_with = None;
    place.expect(3700, |event| matches!(event, Event::KeyEstablished(_)));

    // The meter has another suite, and the certificate is another stick's.
    let mut place = Place::with(14, meter().with_suite(Suite::Two), Suite::One);
    place.expect(60, obstacle(Obstacle::NoSuite(1)));
    let wrong = Policy {
        identity: identity(Suite::Two, 0x77),
        ..policy(&place.ncp, Suite::Two, None)
    };
    place.ncp.exchange();
    let mut place = Place::of(place.ncp, wrong, place.now);
    let stick = place.ncp.eui64;
    place.expect(
        60,
        obstacle(Obstacle::OtherStick {
            certificate: 0x77,
            stick,
        }),
    );
}

#[test]
fn a_restart_goes_on_without_joining_or_another_key_and_with_higher_counters() {
    let mut place = Place::new(14, meter());
    let network = place.key();
    place.import(60);
    let counter = place.ncp.network().expect("it is in one").frame_counter;
    let mut place = place.restarted(Some(network));
    place.expect(30, |event| matches!(event, Event::Up { joined: false, .. }));
    place.import(60);
    assert!(place.ncp.network().expect("it is in one").frame_counter > counter);
    assert_eq!((place.asked(0x001A), place.asked(0x001F)), (1, 1));
    assert_eq!(place.asked(0x0020), 0);
    let utility = place.utility();
    assert_eq!((utility.associations, utility.exchanges), (1, 1));
    assert_eq!((utility.replays, utility.refused), (0, 0));

    // The meter has forgotten the key meanwhile: it is come to again.
    place.utility().established = None;
    place.key();
    place.import(60);
    assert_eq!(place.utility().exchanges, 2);

    // Nobody says that the network was joined for this gateway: it is left alone.
    let mut place = place.restarted(None);
    place.expect(30, |event| matches!(event, Event::Foreign(_)));
    place.wait(600, |_| false);
    assert_eq!((place.asked(0x0020), place.asked(0x001F)), (0, 1));
    assert!(place.ncp.network().is_some());
}

#[test]
fn a_meter_that_vanishes_is_told_and_found_again() {
    let mut place = Place::new(13, meter());
    place.key();
    place.import(60);
    place.utility().is_there = false;
    let at = place.now;
    place.expect(120, |event| *event == Event::Gone);
    assert!(place.now - at <= Duration::from_secs(60));
    place.wait(7200, |_| false);
    place.utility().is_there = true;
    let at = place.now;
    place.expect(400, |event| {
        matches!(event, Event::Up { joined: false, .. })
    });
    place.import(60);
    assert!(place.now - at <= Duration::from_secs(330));
    let shown = place.utility().import_wh();
    assert!(place.values().contains(&MeterValue::ImportKwh(Decimal::new(
        i64::try_from(shown).expect("small"),
        3
    ))));
    let utility = place.utility();
    assert_eq!((utility.associations, utility.exchanges), (1, 1));
    assert_eq!(utility.replays, 0);
}

#[test]
fn no_divisor_no_value_and_nobody_speaks_for_the_meter() {
    let mut utility = meter();
    utility.meter.set(1, 0x0702, 0x0302, Value::Unsigned(0));
    let mut place = Place::new(14, utility);
    place.key();
    place.expect(60, |event| *event == Event::Value(MeterValue::NoScale));
    place.wait(600, |_| false);
    let is_number = |value: &MeterValue| {
        matches!(
            value,
            MeterValue::ImportKwh(_) | MeterValue::ExportKwh(_) | MeterValue::PowerW(_)
        )
    };
    assert!(!place.values().iter().any(is_number));
    place
        .utility()
        .meter
        .set(1, 0x0702, 0x0302, Value::Unsigned(1000));
    place.import(120);

    let ms = place.ms();
    place.utility().impostor(99_999_999, ms);
    place.wait(120, |_| false);
    let wrong = MeterValue::ImportKwh(Decimal::new(99_999_999, 3));
    assert!(!place.values().contains(&wrong));
}
