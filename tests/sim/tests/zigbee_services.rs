//! The energy services interface with a display and a load-control device of the simulated stick,
//! in virtual time: keys, prices, events, messages, the time, and what tshark makes of every frame.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod house;
mod smart_energy;

use han::Value;
use han::zigbee::key_establishment::{Refusal, Suite, TestAuthority};
use han::zigbee::services::{
    self, EventStatus, Importance, LoadEvent, LocalTime, Mirror, Notice, Price, Tier,
};
use wattle_sim::zigbee::authority::random;
use wattle_sim::zigbee::energy_services::{CANCELLED, SUPERSEDED};
use wattle_sim::zigbee::mesh::Heard;

use house::{House, UTC};
use smart_energy::{DISPLAY, HEATER, QUARTER, has_tshark, read};

fn price(start: u32, minutes: u16, per_kwh: &str, label: &str, tier: u8) -> Price {
    Price {
        start,
        minutes,
        per_kwh: per_kwh.parse().expect("a number"),
        label: label.to_owned(),
        tier: (tier > 0).then_some(Tier {
            number: tier,
            of: 3,
        }),
    }
}

fn prices() -> Vec<Price> {
    vec![
        price(QUARTER - 900, 15, "0.2987", "Nacht", 1),
        price(QUARTER, 15, "0.3412", "Tag", 2),
        price(QUARTER + 900, 30, "0.45678", "Spitzenlast am Abend", 3),
        price(QUARTER + 2700, 15, "-0.012", "Sonne", 0),
    ]
}

fn event(key: &str, start: u32, minutes: u16) -> LoadEvent {
    LoadEvent {
        key: key.to_owned(),
        // Water heaters.
        classes: 0x0004,
        start,
        minutes,
        criticality: 3,
        heating_setpoint: Some(1900),
        cooling_setpoint: None,
        average_load_percent: Some(-20),
        duty_cycle_percent: None,
        randomised: true,
    }
}

fn notice(key: &str, confirm: bool) -> Notice {
    Notice {
        key: key.to_owned(),
        text: "Morgen von 9 bis 10 Uhr wird der Zähler getauscht, es gibt keinen Strom.".to_owned(),
        start: UTC,
        minutes: Some(600),
        importance: Importance::High,
        confirm,
    }
}

#[test]
fn r17_keys_are_come_to_over_the_air_and_the_rest_goes_encrypted_alone() {
    for suite in [Suite::One, Suite::Two] {
        let mut house = House::secured(suite);
        house.home.services.set_prices(978, prices(), house.utc());
        house.run(120);
        let (ours, theirs): (Vec<Heard>, Vec<Heard>) = house
            .ncp
            .mesh
            .heard
            .take()
            .expect("they were noted")
            .into_iter()
            .partition(|heard| heard.aps.cluster == 0x0800);
        assert!(ours.iter().all(|heard| !heard.aps.secured) && ours.len() >= 6);
        assert!(theirs.iter().all(|heard| heard.aps.secured) && !theirs.is_empty());
        assert!(!house.at(DISPLAY).prices.is_empty());
        assert_eq!(house.home.services.secured().len(), 2);
        // Without the key nobody is served: as if another had sent it.
        house.at_mut(DISPLAY).link_key = Some([0; 16]);
        let before = house.at(DISPLAY).prices.len();
        house.run_to(QUARTER + 60);
        assert_eq!(house.at(DISPLAY).prices.len(), before);
    }
}

#[test]
fn r17_what_is_asked_in_the_clear_is_refused() {
    let mut house = House::serving(Suite::One);
    house.at_mut(DISPLAY).identity = None;
    house.up();
    house.home.services.set_prices(978, prices(), house.utc());
    house.permit();
    house.run(180);
    let display = house.at(DISPLAY);
    assert_eq!(display.prices, []);
    let refused = |cluster| display.refusals.contains(&(cluster, 0x7E));
    assert!(refused(0x0700) && refused(0x0703), "{:?}", display.refusals);
    assert!(display.attributes.is_empty());
}

#[test]
fn r17_a_certificate_of_another_authority_gets_no_key() {
    let mut house = House::serving(Suite::One);
    // The same name, another key: only the confirmation shows it.
    let stranger = TestAuthority::new(Suite::One, 0x7761_7474_6C65_0001, &[0x18; 20]);
    let other = stranger.and_then(|authority| authority.identity(DISPLAY, random));
    house.at_mut(DISPLAY).identity = other.ok();
    house.up();
    house.permit();
    house.key(HEATER);
    house.run(120);
    let refused = house.services().contains(&services::Event::KeyRefused {
        ieee: DISPLAY,
        refusal: Refusal::BadKeyConfirm,
    });
    // Both find out; who does first depends on who confirms first.
    let ended = house.services().iter().any(|event| {
        matches!(
            event,
            services::Event::KeyRefused {
                ieee: DISPLAY,
                refusal: Refusal::ByOther(_)
            }
        )
    });
    assert!(refused || ended, "{:?}", house.services());
    assert_eq!(house.at(DISPLAY).link_key, None);
    assert!(!house.home.services.secured().contains(&DISPLAY));
}

#[test]
fn r9_displays_get_the_present_price_and_the_next_within_five_seconds_of_a_change() {
    let mut house = House::secured(Suite::One);
    house.home.services.set_prices(978, prices(), house.utc());
    house.run_to(QUARTER + 2700 + 120);
    let display = house.at(DISPLAY);
    for start in [QUARTER, QUARTER + 900, QUARTER + 2700] {
        let told = |(at, fields): &&(u32, han::Record)| {
            *at >= start && fields.number("start_time") == Some(start.into())
        };
        let (at, _) = display.prices.iter().find(told).expect("it was told");
        assert!(at - start < 5, "{at} {start}");
        // It was known before it began.
        let before = |(at, fields): &(u32, han::Record)| {
            *at < start && fields.number("start_time") == Some(start.into())
        };
        assert!(display.prices.iter().any(before), "{start}");
    }
    let of = |start: u32| {
        let found = display
            .prices
            .iter()
            .rev()
            .find(|(_, fields)| fields.number("start_time") == Some(start.into()));
        found.expect("it was told").1.clone()
    };
    let peak = of(QUARTER + 900);
    assert_eq!(
        (peak.number("price"), peak.number("trailing_digit")),
        (Some(45_678), Some(5))
    );
    assert_eq!(
        peak.field("rate_label"),
        Some(&Value::Text("Spitzenlast".to_owned()))
    );
    assert_eq!(
        (peak.number("price_tier"), peak.number("duration_min")),
        (Some(3), Some(30))
    );
    let below = of(QUARTER + 2700);
    assert_eq!(below.number("price"), Some(0));
    assert_eq!(
        below.field("rate_label"),
        Some(&Value::Text("below zero".to_owned()))
    );
    let acknowledged = house
        .services()
        .into_iter()
        .filter_map(|event| match event {
            services::Event::PriceAcknowledged { ieee, start } => Some((ieee, start)),
            _ => None,
        });
    let acknowledged: std::collections::BTreeSet<_> = acknowledged.collect();
    let all: Vec<u32> = prices().iter().map(|price| price.start).collect();
    assert_eq!(
        acknowledged.into_iter().collect::<Vec<_>>(),
        all.iter()
            .map(|start| (DISPLAY, *start))
            .collect::<Vec<_>>()
    );
}

#[test]
fn r9_a_price_that_is_not_acknowledged_is_said_three_times_and_no_more() {
    let mut house = House::secured(Suite::One);
    house.at_mut(DISPLAY).acknowledges = false;
    let one = price(QUARTER - 900, 1440, "0.30", "flat", 0);
    house.run(60);
    let before = house.at(DISPLAY).prices.len();
    house.home.services.set_prices(978, vec![one], house.utc());
    house.run(600);
    assert_eq!(house.at(DISPLAY).prices.len() - before, 3);
}

#[test]
fn r10_events_are_told_begun_opted_out_of_and_called_off() {
    let mut house = House::secured(Suite::One);
    let now = house.utc();
    let events = vec![
        event("peak", QUARTER, 30),
        event("later", QUARTER + 7200, 15),
    ];
    house.home.services.set_events(events.clone(), now);
    house.run_to(QUARTER + 70);
    assert_eq!(house.at(HEATER).sheds(), Some(true));
    let begun = house
        .at(HEATER)
        .events
        .iter()
        .find(|event| event.start < QUARTER + 60);
    assert!(
        begun.is_some_and(|event| event.start >= QUARTER),
        "random, after the start"
    );
    assert_eq!(
        house.statuses("peak"),
        [EventStatus::Received, EventStatus::Started]
    );
    assert_eq!(house.statuses("later"), [EventStatus::Received]);

    house.at_mut(HEATER).opts_out = true;
    house.run(10);
    assert_eq!(house.at(HEATER).sheds(), Some(false));
    assert_eq!(house.statuses("peak").last(), Some(&EventStatus::OptedOut));
    house.at_mut(HEATER).opts_out = false;
    house.run(10);
    assert_eq!(house.at(HEATER).sheds(), Some(true));
    house.run_to(QUARTER + 1800 + 10);
    assert_eq!(house.at(HEATER).sheds(), Some(false));
    assert_eq!(house.statuses("peak").last(), Some(&EventStatus::Completed));

    // One of two is called off by its number.
    let other = event("other", QUARTER + 14_400, 15);
    let now = house.utc();
    house
        .home
        .services
        .set_events(vec![events[1].clone(), other.clone()], now);
    house.run(10);
    house.home.services.set_events(vec![other.clone()], now);
    house.run(10);
    assert_eq!(
        house.statuses("later").last(),
        Some(&EventStatus::Cancelled)
    );
    // One that changes takes the place of what it was.
    let changed = LoadEvent {
        minutes: 60,
        ..other
    };
    house.home.services.set_events(
        vec![changed.clone(), event("third", QUARTER + 28_800, 5)],
        now,
    );
    house.run(10);
    let told: Vec<u8> = house
        .at(HEATER)
        .events
        .iter()
        .map(|event| event.status)
        .collect();
    assert!(
        told.contains(&CANCELLED) || told.contains(&SUPERSEDED),
        "{told:?}"
    );
    // And all at once.
    house.home.services.set_events(Vec::new(), now);
    house.run(10);
    assert_eq!(
        house.statuses("third").last(),
        Some(&EventStatus::Cancelled)
    );
    let open = house
        .at(HEATER)
        .events
        .iter()
        .filter(|event| event.status < 3);
    assert_eq!(open.count(), 0);
}

#[test]
fn r14_messages_are_shown_confirmed_and_taken_back() {
    let mut house = House::secured(Suite::One);
    house
        .home
        .services
        .set_messages(vec![notice("exchange", true)], house.utc());
    house.run(30);
    let display = house.at(DISPLAY);
    assert_eq!(display.messages.len(), 1);
    let shown = &display.messages[0];
    assert_eq!(shown.number("message_control"), Some(0x88));
    let Some(Value::Text(text)) = shown.field("message") else {
        panic!("{shown:?}");
    };
    assert!(text.starts_with("Morgen von 9 bis 10 Uhr wird der Zähler") && text.ends_with('…'));
    let confirmed = house.services().into_iter().any(|event| {
        matches!(event, services::Event::MessageConfirmed { ieee: DISPLAY, key, .. } if key == "exchange")
    });
    assert!(confirmed);
    house.home.services.set_messages(Vec::new(), house.utc());
    house.run(30);
    assert_eq!(house.at(DISPLAY).taken_back.len(), 1);
}

#[test]
fn r15_devices_read_the_time_of_the_home_and_the_meter() {
    let mut house = House::serving(Suite::One);
    house.home.services.set_mirror(Mirror {
        import_wh: Some(12_345_678),
        export_wh: None,
        power_w: Some(-1500),
    });
    let local = LocalTime {
        offset_s: 3600,
        summer_start: UTC - 1000,
        summer_end: UTC + 10_000_000,
        summer_shift_s: 3600,
    };
    house.home.services.set_local_time(local);
    house.up();
    house.permit();
    house.key(DISPLAY);
    house.run(30);
    let read = |cluster, id| house.at(DISPLAY).attributes.get(&(cluster, id)).cloned();
    let time = read(0x000A, 0x0000)
        .and_then(|time| time.as_u64())
        .expect("it was read");
    let now = u64::from(house.utc());
    assert!(now - time <= 31, "{now} {time}");
    assert_eq!(
        read(0x000A, 0x0007).and_then(|local| local.as_u64()),
        Some(time + 7200)
    );
    assert_eq!(read(0x0702, 0x0000), Some(Value::Unsigned(12_345_678)));
    assert_eq!(read(0x0702, 0x0400), Some(Value::Signed(-1500)));
}

#[test]
fn every_frame_of_the_services_is_clean_in_tshark_and_says_what_was_meant() {
    if !has_tshark() {
        return;
    }
    let mut house = House::serving(Suite::One);
    house.home.services.set_mirror(Mirror {
        import_wh: Some(12_345_678),
        export_wh: Some(999),
        power_w: Some(-1500),
    });
    house.up();
    house.permit();
    house.key(DISPLAY);
    house.key(HEATER);
    let now = house.utc();
    house.home.services.set_prices(978, prices(), now);
    let events = vec![
        event("peak", QUARTER, 30),
        event("later", QUARTER + 7200, 15),
    ];
    house.home.services.set_events(events.clone(), now);
    house
        .home
        .services
        .set_messages(vec![notice("exchange", true)], now);
    house.run_to(QUARTER + 1000);
    let now = house.utc();
    house.home.services.set_events(vec![events[0].clone()], now);
    house.home.services.set_messages(Vec::new(), now);
    house.run(10);
    house.home.services.set_events(events, now);
    house.run(10);
    house.home.services.set_events(Vec::new(), now);
    house.run(10);
    let heard = house.ncp.mesh.heard.take().expect("they were noted");
    let packets = read("zigbee-services", &heard);
    let mut kinds = std::collections::BTreeMap::new();
    for (fields, one) in packets.iter().zip(&heard) {
        check(one, fields);
        let direction_and_command = (
            one.aps.cluster,
            one.payload.first().copied(),
            one.payload.get(2).copied(),
        );
        *kinds.entry(direction_and_command).or_insert(0) += 1;
    }
    println!(
        "{} frames of {} kinds: {kinds:04x?}",
        heard.len(),
        kinds.len()
    );
    let wanted = [
        (0x000A, 0x18, 0x01),
        (0x0700, 0x19, 0x00),
        (0x0701, 0x19, 0x00),
        (0x0701, 0x19, 0x01),
        (0x0701, 0x19, 0x02),
        (0x0702, 0x18, 0x01),
        (0x0703, 0x19, 0x00),
        (0x0703, 0x19, 0x01),
        (0x0800, 0x19, 0x00),
        (0x0800, 0x19, 0x01),
        (0x0800, 0x19, 0x02),
    ];
    for (cluster, control, command) in wanted {
        let found = kinds.keys().any(|(of, first, third)| {
            *of == cluster
                && first.is_some_and(|first| first & 0x0B == control & 0x0B)
                && *third == Some(command)
        });
        assert!(found, "{cluster:04x} {command:02x} was not sent");
    }
}

/// Compares what tshark read with what was meant; panics where they differ.
fn check(one: &Heard, fields: &[(String, String)]) {
    let field = |name: &str| {
        let found = fields.iter().find(|(known, _)| known.ends_with(name));
        found.map_or("", |(_, text)| text.as_str())
    };
    let is_command = one.payload.first().is_some_and(|control| control & 1 == 1);
    let utc = |seconds: u32| {
        let at = jiff::Timestamp::from_second(i64::from(seconds) + 946_684_800);
        let at = at
            .expect("a time")
            .strftime("%b %e, %Y %H:%M:%S.000000000 UTC");
        at.to_string()
    };
    match (one.aps.cluster, one.payload.get(2)) {
        (0x0700, Some(0)) if is_command => {
            let told = field("price.start_time");
            let meant = prices().into_iter().find(|price| utc(price.start) == told);
            let meant = meant.expect("it begins when one of them begins");
            let (number, digits, label) = match meant.label.as_str() {
                "Nacht" => ("2987", "0x04", "Nacht"),
                "Tag" => ("3412", "0x04", "Tag"),
                "Sonne" => ("0", "0x00", "below zero"),
                _ => ("45678", "0x05", "Spitzenlast"),
            };
            assert_eq!(field("price.price"), number);
            assert_eq!(field("price.trailing_digit"), digits);
            assert_eq!(field("price.rate_label"), label);
            assert_eq!(field("duration_in_minutes"), meant.minutes.to_string());
            let tier = meant.tier.map_or(0, |tier| tier.number);
            assert_eq!(field("price.tier"), format!("0x{tier:02x}"));
            // 978: the euro. Kilowatt-hours.
            assert_eq!(field("price.currency"), "0x03d2");
            assert_eq!(field("price.unit_of_measure"), "0x00");
        }
        (0x0701, Some(0)) if is_command => {
            let meant = [QUARTER, QUARTER + 7200].map(|start| start.to_string());
            assert!(meant.contains(&field("drlc.start_time").to_owned()));
            assert_eq!(field("device_class.water_heater"), "1");
            assert_eq!(field("drlc.device_class"), "0x0004");
            assert_eq!(field("criticality_level"), "0x03");
            assert_eq!(field("heating_temperature_set_point"), "1900");
            assert_eq!(field("cooling_temperature_set_point"), "-32768");
            assert_eq!(field("average_load_adjustment_percentage"), "-20");
            assert_eq!(field("randomize_start_time"), "1");
            assert_eq!(field("randomize_duration_time"), "1");
        }
        (0x0703, Some(0)) if is_command => {
            assert_eq!(field("msg.message.start_time"), UTC.to_string());
            assert_eq!(field("msg.message.duration"), "600");
            assert_eq!(field("ctrl.importance"), "0x02");
            assert_eq!(field("ctrl.confirm"), "1");
            assert!(field("msg.message").starts_with("Morgen von 9 bis 10 Uhr"));
        }
        (0x0800, Some(0)) if is_command => {
            assert_eq!(field("ke.cert.subject"), "00:0b:57:ff:fe:12:34:56");
            assert_eq!(field("ke.attr.suite"), "0x0001");
        }
        (0x0702, Some(1)) if !is_command => {
            let read = |name: &str| {
                fields
                    .iter()
                    .any(|(known, text)| known.ends_with(name) && !text.is_empty())
            };
            assert!(read("attr.uint24") && read("attr.uint48"), "{fields:?}");
        }
        _ => {}
    }
}
