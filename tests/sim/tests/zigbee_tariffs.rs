//! Block tariffs, calendars, an account that is paid in advance, and tunnels, at a display of the
//! simulated stick in virtual time; tshark reads every frame of them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails is a test that fails"
)]

mod house;
mod smart_energy;

use han::Value;
use han::zigbee::key_establishment::Suite;
use han::zigbee::services::{Account, Block, BlockTariff, BlockTier, Calendar, Event, Price, Tier};
use rust_decimal::Decimal;
use wattle_sim::zigbee::energy_services::Tunnel;
use wattle_sim::zigbee::mesh::Heard;

use house::{House, UTC};
use smart_energy::{DISPLAY, Fields, QUARTER, has_tshark, read};

fn block(up_to_wh: Option<u64>, per_kwh: &str) -> Block {
    Block {
        up_to_wh,
        per_kwh: per_kwh.parse().expect("a number"),
    }
}

/// Two tiers, three blocks in each: 300 and 1000 kWh in the month.
fn tariff() -> BlockTariff {
    let tier = |number: u8, prices: [&str; 3]| BlockTier {
        number,
        blocks: vec![
            block(Some(300_000), prices[0]),
            block(Some(1_000_000), prices[1]),
            block(None, prices[2]),
        ],
    };
    BlockTariff {
        label: "Stufentarif mit Nachtstrom".to_owned(),
        start: UTC - 86_400,
        minutes: 43_200,
        tiers: vec![
            tier(1, ["0.21", "0.2475", "0.3"]),
            tier(2, ["0.31", "0.35", "0.4"]),
        ],
        together: true,
    }
}

fn calendar() -> Calendar {
    Calendar {
        name: "Tag und Nacht".to_owned(),
        start: UTC,
        days: vec![vec![(0, 1), (360, 2), (1320, 1)], vec![(0, 1)]],
        week: [0, 0, 0, 0, 0, 1, 1],
        special: vec![(2026, 12, 25, 5, 1)],
    }
}

fn account() -> Account {
    Account {
        balance: Decimal::new(-1234, 3),
        at: UTC - 60,
        low: true,
        emergency: Some(Decimal::new(5, 0)),
        emergency_in_use: true,
        exhausted: false,
        debt: Decimal::new(12_345, 2),
    }
}

impl House {
    /// With a display that has a key and hears of all of it.
    fn telling(tunnel: Option<Tunnel>) -> Self {
        let mut house = Self::serving(Suite::One);
        house.at_mut(DISPLAY).tunnel = tunnel;
        let services = &mut house.home.services;
        services.offer_tunnels(Some(0));
        let price = Price {
            start: QUARTER - 900,
            minutes: 60,
            per_kwh: Decimal::new(21, 2),
            label: "Nacht".to_owned(),
            tier: Some(Tier { number: 1, of: 2 }),
        };
        services.set_prices(978, vec![price], UTC);
        services.set_blocks(978, Some(tariff()));
        services.set_calendar(Some(calendar()));
        services.set_account(Some(account()));
        house.up();
        house.permit();
        house.key(DISPLAY);
        house.run(120);
        house
    }

    fn read_at_display(&self, cluster: u16, attribute: u16) -> Option<Value> {
        self.at(DISPLAY)
            .attributes
            .get(&(cluster, attribute))
            .cloned()
    }

    /// Has whoever is reached through tunnels say everything back.
    fn echo(&mut self, seconds: u64) {
        let mut looked_at = 0;
        for _ in 0..seconds {
            self.run(1);
            let (utc, said) = (self.utc(), self.services());
            for event in said.iter().skip(looked_at) {
                if let Event::TunnelData { tunnel, octets } = event {
                    self.home.services.tunnel_send(*tunnel, octets, utc);
                }
            }
            looked_at = said.len();
        }
    }

    fn tunnel(&self) -> &Tunnel {
        self.at(DISPLAY).tunnel.as_ref().expect("it wants one")
    }
}

#[test]
fn a_block_tariff_is_told_with_its_period_prices_and_thresholds() {
    let mut house = House::telling(None);
    let told = |house: &House, command: u8| {
        let blocks = &house.at(DISPLAY).blocks;
        blocks.iter().filter(|(of, _)| *of == command).count()
    };
    // Once of our own accord, once since the display asked.
    assert_eq!((told(&house, 1), told(&house, 4)), (2, 2));
    let price = &house.at(DISPLAY).prices[0].1;
    assert_eq!(price.number("number_of_block_thresholds"), Some(2));
    let before = house.at(DISPLAY).blocks.len();
    house.run(3600);
    assert_eq!(house.at(DISPLAY).blocks.len(), before);
    // Another month.
    let next = BlockTariff {
        start: UTC + 86_400,
        ..tariff()
    };
    house.home.services.set_blocks(978, Some(next));
    house.run(5);
    let (_, period) = house.at(DISPLAY).blocks[before].clone();
    assert_eq!(
        period.number("block_period_start_time"),
        Some(u64::from(UTC) + 86_400)
    );
    house.home.services.set_blocks(978, None);
    house.run(5);
    assert_eq!(house.at(DISPLAY).blocks.len(), before + 4);
}

#[test]
fn an_account_is_read_and_where_nobody_pays_in_advance_there_is_none() {
    let mut house = House::telling(None);
    // No credit is told that is not there: -1.234 is told as -1.23.
    let read = |house: &House, id| house.read_at_display(0x0705, id);
    assert_eq!(read(&house, 0x0001), Some(Value::Signed(-123)));
    assert_eq!(read(&house, 0x0002), Some(Value::Signed(500)));
    // Low; emergency credit enabled, available, selected, in use.
    assert_eq!(read(&house, 0x0003), Some(Value::Unsigned(0b0011_1110)));
    assert_eq!(read(&house, 0x0503), Some(Value::Unsigned(978)));
    house.home.services.set_account(None);
    let anew = house.at(DISPLAY).as_new();
    *house.at_mut(DISPLAY) = anew;
    house.run(120);
    assert!(house.read_at_display(0x0702, 0x0301).is_some());
    assert_eq!(read(&house, 0x0001), None);
}

#[test]
fn a_tunnel_carries_octets_both_ways_with_and_without_flow_control() {
    for flow_control in [false, true] {
        let says: Vec<u8> = (0..=255).cycle().take(700).collect();
        let tunnel = Tunnel {
            says: says.clone(),
            flow_control,
            closes_after: says.len(),
            ..Tunnel::default()
        };
        let mut house = House::telling(Some(tunnel));
        house.echo(60);
        let tunnel = house.tunnel();
        assert_eq!(tunnel.protocols, Some(vec![0]));
        assert!(
            tunnel.heard == says,
            "{flow_control}: {} octets",
            tunnel.heard.len()
        );
        let closed = |event: &Event| matches!(event, Event::TunnelClosed { .. });
        assert!(house.services().iter().any(closed));
        // It is no more: what is said into it goes nowhere.
        let (id, utc) = (tunnel.id.expect("it had one"), house.utc());
        assert!(!house.home.services.tunnel_send(id, b"late", utc));
    }
}

#[test]
fn a_tunnel_is_refused_closed_when_silent_and_bounded() {
    let tunnel = Tunnel {
        protocol: 3,
        ..Tunnel::default()
    };
    let house = House::telling(Some(tunnel));
    // No such protocol (D.6.2.5.1.1).
    assert_eq!(house.tunnel().refused, Some(3));
    let mut house = House::telling(Some(Tunnel::default()));
    assert!(house.tunnel().id.is_some() && !house.tunnel().closed);
    house.run(400);
    assert!(house.tunnel().closed);
    // One that takes nothing is hung up on, however much is to be said.
    let mut house = House::telling(Some(Tunnel {
        flow_control: true,
        ..Tunnel::default()
    }));
    let id = house.tunnel().id.expect("it has one");
    house
        .ncp
        .mesh
        .device_mut(DISPLAY)
        .expect("it is there")
        .misbehaviour
        .silent = true;
    let utc = house.utc();
    let mut sent = 0;
    while house.home.services.tunnel_send(id, &[0; 500], utc) {
        sent += 500;
    }
    assert!((8000..9000).contains(&sent), "{sent}");
}

#[test]
fn every_frame_of_tariffs_and_tunnels_is_clean_in_tshark_and_says_what_was_meant() {
    if !has_tshark() {
        return;
    }
    let mut house = House::telling(Some(Tunnel {
        says: b"a question of eighty octets, which takes more than one message of sixty octets !"
            .to_vec(),
        flow_control: true,
        ..Tunnel::default()
    }));
    house.echo(30);
    house.run(400);
    let heard = house.ncp.mesh.heard.take().expect("they were noted");
    let packets = read("zigbee-tariffs", &heard);
    let mut kinds = std::collections::BTreeSet::new();
    for (fields, one) in packets.iter().zip(&heard) {
        check(one, fields);
        if let [control, _, command, ..] = one.payload[..] {
            kinds.insert((one.aps.cluster, control & 1 == 1, command));
        }
    }
    println!(
        "{} frames, {} kinds: {kinds:04x?}",
        heard.len(),
        kinds.len()
    );
    let wanted = [
        (0x0700, 0x01),
        (0x0700, 0x04),
        (0x0700, 0x05),
        (0x0700, 0x06),
        (0x0707, 0x00),
        (0x0707, 0x01),
        (0x0707, 0x02),
        (0x0707, 0x04),
        (0x0704, 0x00),
        (0x0704, 0x01),
        (0x0704, 0x03),
        (0x0704, 0x05),
        (0x0704, 0x06),
    ];
    for (cluster, command) in wanted {
        assert!(
            kinds.contains(&(cluster, true, command)),
            "{cluster:04x} {command:02x}"
        );
    }
    assert!(kinds.contains(&(0x0705, false, 0x01)));
}

/// Compares what tshark read with what was meant; panics where they differ.
fn check(one: &Heard, fields: &Fields) {
    let all = |name: &str| {
        let found = fields.iter().filter(|(known, _)| known.ends_with(name));
        found.map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    let field = |name: &str| all(name).first().copied().unwrap_or_default().to_owned();
    let is_command = one.payload.first().is_some_and(|control| control & 1 == 1);
    let Some(command) = one.payload.get(2).filter(|_| is_command) else {
        return;
    };
    match (one.aps.cluster, command) {
        (0x0700, 0x01) => {
            assert_eq!(field("block_period.duration"), "43200");
            assert_eq!(field("price.tariff_type"), "0x00");
        }
        (0x0700, 0x04) => {
            assert_eq!(
                field("tariff_information.tariff_label"),
                "Stufentarif mit Nachtstr"
            );
            assert_eq!(field("number_of_price_tiers_in_use"), "2");
            assert_eq!(field("number_of_block_thresholds_in_use"), "2");
            assert_eq!(field("tier_block_mode"), "0x01");
            assert_eq!(field("block_threshold_divisor"), "1000");
            assert_eq!(field("price.currency"), "0x03d2");
            assert_eq!(field("tariff_information.charging_scheme"), "0x02");
        }
        (0x0700, 0x05) => {
            assert_eq!(
                all("price_matrix.price"),
                ["2100", "2475", "3000", "3100", "3500", "4000"]
            );
            let tiers = all("price_matrix.tier_block_id");
            assert_eq!(tiers, ["0x10", "0x11", "0x12", "0x20", "0x21", "0x22"]);
        }
        (0x0700, 0x06) => assert_eq!(all("price.block_threshold"), ["300000", "1000000"]),
        (0x0707, 0x00) => {
            assert_eq!(field("calendar.name"), "Tag und Nach");
            assert_eq!(field("number_of_day_profiles"), "2");
            assert_eq!(field("number_of_week_profiles"), "1");
        }
        (0x0707, 0x01) if field("calendar.day_id") == "1" => {
            assert_eq!(all("schedule_entry.start_time"), ["0", "360", "1320"]);
            assert_eq!(all("schedule_entry.price_tier"), ["1", "2", "1"]);
        }
        (0x0707, 0x02) => {
            assert_eq!(field("day_id_ref_monday"), "1");
            assert_eq!(field("day_id_ref_sunday"), "2");
        }
        (0x0707, 0x04) => {
            assert_eq!(
                (field("date.year"), field("date.month")),
                ("2026".to_owned(), "12".to_owned())
            );
            assert_eq!(field("calendar.day_id_ref"), "2");
        }
        (0x0704, 0x05) => assert_eq!(field("tun.protocol_count"), "0x01"),
        _ => {}
    }
}
