//! Layouts put together by hand from the standard's record definitions, in both byte orders.

use proptest::prelude::*;

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    crate::key::octets(&text.replace(' ', "")).unwrap()
}

/// Table 00 with tables 0 to 79 and the given controls.
fn general(control1: u8, control2: u8, control3: u8) -> Vec<u8> {
    let mut octets = vec![control1, control2, control3];
    octets.extend(b"SIM \x02\x00\x08\x40\x02\x00\x0A\x00\x02\x00\x01\x00");
    // 64 only of the four tables of profile data.
    octets.extend([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0xFF]);
    octets.extend([0; 2]);
    octets.extend([0; 10]);
    octets
}

fn read(tables: &[(u16, &str)], control1: u8, control2: u8, control3: u8) -> Tables {
    let mut read = Tables::new();
    read.insert(0, general(control1, control2, control3));
    for (table, octets) in tables {
        read.insert(*table, unhex(octets));
    }
    read
}

fn json(tables: &Tables, table: u16) -> serde_json::Value {
    let decoded = tables.decode(table).unwrap();
    assert_eq!(decoded.extra, 0, "table {table}");
    serde_json::to_value(decoded.table).unwrap()
}

#[test]
fn all_eight_bits_of_each_octet() {
    let mut octets = unhex("02 0a 0a");
    octets.extend(b"SIM \x02\x00\x08\x40\x02\x00\x02\x00\x01\x00\x01\x00");
    octets.extend(unhex("8181 05 0000"));
    let mut tables = Tables::new();
    for length in 0..octets.len() {
        tables.insert(0, octets[..length].to_vec());
        assert!(matches!(tables.decode(0), Err(TableError::Short { .. })));
    }
    octets.push(0xEE);
    tables.insert(0, octets);
    let found = tables.general().unwrap();
    assert_eq!(found.manufacturer.as_deref(), Some("SIM"));
    assert_eq!(found.std_tables_used, [0, 7, 8, 15]);
    assert_eq!(found.std_proc_used, [0, 2]);
    assert_eq!(tables.decode(0).unwrap().extra, 1);
}

#[test]
fn registers_in_both_orders() {
    // Demand reset count, dates, cumulative demand; two sums, one demand, one coincident value, one
    // occurrence, one tariff.
    let limits = "16 00 00 02 01 01 01 01 01 01";
    let little = "05 15cd5b070000 e80300000000 1a0b16101e 640000000000 0a000000 07000000 \
                  010000000000 020000000000 1a0b16101e 030000000000 04000000 05000000";
    let tables = read(
        &[
            (21, limits),
            (22, "00 01 02 01 03 00"),
            (23, little),
            (27, "02 01"),
            (28, "39050000 d20400000000"),
        ],
        0x02,
        0x02,
        0x8A,
    );
    let want = serde_json::json!({
        "nbr_demand_resets": 5,
        "total": {
            "summations": ["123456789", "1000"],
            "demands": [{
                "event_time": ["2026-11-22T16:30:00"],
                "cum_demand": "100",
                "demand": ["10"],
            }],
            "coincidents": [["7"]],
        },
        "tiers": [{
            "summations": ["1", "2"],
            "demands": [{
                "event_time": ["2026-11-22T16:30:00"],
                "cum_demand": "3",
                "demand": ["4"],
            }],
            "coincidents": [["5"]],
        }],
    });
    assert_eq!(json(&tables, 23), want);
    assert_eq!(json(&tables, 22)["max_demands"], serde_json::json!([0]));
    assert_eq!(
        json(&tables, 28),
        serde_json::json!({ "present_demands": [{ "demand": "1337" }], "present_values": ["1234"] })
    );
    let big = "05 0000075bcd15 0000000003e8 1a0b16101e 000000000064 0000000a 00000007 \
               000000000001 000000000002 1a0b16101e 000000000003 00000004 00000005";
    let tables = read(&[(21, limits), (23, big)], 0x03, 0x02, 0x8A);
    assert_eq!(json(&tables, 23), want);
}

#[test]
fn units_follow_their_sources() {
    let tables = read(
        &[
            (11, "20 02 00 00 00 01 02 03"),
            (12, "00410200 02c80300"),
            (
                15,
                "0a00000000000000 0000000000000000 00 0100000000000000 0200000000000000",
            ),
            (16, "11 00 39"),
        ],
        0x02,
        0x02,
        0x8B,
    );
    let (sources, units) = (tables.sources().unwrap(), tables.units().unwrap());
    let first = sources.unit(0, &units).unwrap();
    assert_eq!((first.id_code, first.time_base, first.quadrants), (0, 1, 9));
    assert_eq!(sources.unit(1, &units), None);
    let third = sources.unit(2, &units).unwrap();
    assert_eq!(
        (third.id_code, third.multiplier, third.quadrants),
        (2, 1, 15)
    );
    assert_eq!(third.exponent(), 2);
    let constants = tables.constants().unwrap();
    let of_third = sources.constants(2, &constants).unwrap();
    assert_eq!(of_third.multiplier.to_string(), "10");
    assert_eq!(of_third.ratios[0].ratio_p1.to_string(), "2");
    assert!(sources.entries[2].constants_to_be_applied);
}

#[test]
fn clock_and_calendar() {
    let tables = read(
        &[
            (51, "20 03 12 01 01 0200 2300"),
            (52, "1a0b16161905 18"),
            (53, "020000 3c d4fe"),
            (
                54,
                "1ab6 1ab6 21 4c08 41 0138 00 c241 01 00 01 02 03 04 05 06 07 10 11 12 13 14 15 16 17",
            ),
            (55, "1a0b16161905 08 0110"),
        ],
        0x02,
        0x02,
        0x88,
    );
    let clock = json(&tables, 52);
    assert_eq!(clock["time"], "2026-11-22T22:25:05Z");
    assert_eq!(
        (&clock["dst_flag"], &clock["day_of_week"]),
        (&true.into(), &0.into())
    );
    assert_eq!(
        json(&tables, 53),
        serde_json::json!({ "dst_time_eff_s": 7200, "dst_time_amt_min": 60, "time_zone_offset_min": -300 })
    );
    let calendar = json(&tables, 54);
    assert_eq!(calendar["anchor_date"], "2026-12-22");
    assert_eq!(calendar["tier_switches"][0]["switch_min"], 7 * 60);
    assert_eq!(calendar["tier_switches"][1]["new_tier"], 2);
    assert_eq!(calendar["daily_schedules"].as_array().unwrap().len(), 2);
    let state = json(&tables, 55);
    assert_eq!(
        (&state["curr_tier"], &state["season"]),
        (&1.into(), &1.into())
    );
    assert_eq!(state["time"], "2026-11-22T22:25:05");
}

#[test]
fn a_load_profile_is_put_in_order() {
    // Two blocks of two intervals of two channels, extended status; the ring has wrapped: the
    // newest block is the first, with one interval.
    let tables = read(
        &[
            (61, "00010000 5004 02 0200 0200 02 0f"),
            (62, "01 00 00 01 01 01 02 0100 0200 0100 0100"),
            (63, "24 0200 0000 09000000 0000 0100"),
            (
                64,
                "1a0b16160f 00000000 00000000 2000 0500 0600 0000 0000 0000 \
                 1a0b161600 00000000 00000000 0000 0300 0400 0040 0700 0800",
            ),
        ],
        0x02,
        0x02,
        0x88,
    );
    let rows = tables.profile_rows(64).unwrap();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let channels: Vec<_> = row
                .channels
                .iter()
                .map(|c| c.map(|c| c.to_string()))
                .collect();
            (row.end.unwrap().to_string(), row.common_status, channels)
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        shown,
        [
            (
                "2026-11-22T21:45:00".to_owned(),
                Some(0),
                vec![some("3"), some("2")]
            ),
            // The second channel was skipped.
            (
                "2026-11-22T22:00:00".to_owned(),
                Some(0),
                vec![some("7"), None]
            ),
            (
                "2026-11-22T22:15:00".to_owned(),
                Some(2),
                vec![some("5"), some("3")]
            ),
        ]
    );
}

#[test]
fn logs() {
    let tables = read(
        &[
            (71, "07 01 01 01 02 0100 0100"),
            (72, "06 01"),
            (73, "06 01 ffffffffffffffffffff 0300"),
            (
                74,
                "04 0100 0000 05000000 0100 1a0b16161905 0900 0500 0200 0300 aa",
            ),
            (
                76,
                "00 0100 0000 07000000 0000 1a0b16161905 0900 0700 0000 0b08 bbcc",
            ),
        ],
        0x02,
        0x02,
        0x88,
    );
    assert_eq!(json(&tables, 72)["std_events"], serde_json::json!([1, 2]));
    assert_eq!(
        json(&tables, 73)["std_procedures"],
        serde_json::json!([0, 1])
    );
    assert_eq!(
        json(&tables, 74)["entries"][0],
        serde_json::json!({ "time": "2026-11-22T22:25:05", "event_number": 9, "sequence": 5, "user_id": 2, "code": 3, "mfg": false, "argument": "aa" })
    );
    let event = &json(&tables, 76)["entries"][0];
    assert_eq!((&event["code"], &event["mfg"]), (&11.into(), &true.into()));
}

#[test]
fn what_is_missing_is_named() {
    let mut tables = Tables::new();
    tables.insert(23, vec![0; 20]);
    assert_eq!(
        tables.decode(23),
        Err(TableError::Needs {
            table: 23,
            needs: 0
        })
    );
    tables.insert(0, general(2, 2, 0x8A));
    assert_eq!(
        tables.decode(23),
        Err(TableError::Needs {
            table: 23,
            needs: 21
        })
    );
    assert_eq!(tables.decode(5), Err(TableError::NotRead(5)));
    tables.insert(2040, vec![1]);
    assert_eq!(tables.decode(2040), Err(TableError::Unknown(2040)));
    assert!(!tables.insert(9, vec![0; MAX_OCTETS]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_octets_never_panic(
        controls in any::<(u8, u8, u8)>(),
        limits in proptest::collection::vec(any::<u8>(), 0..40),
        octets in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut tables = Tables::new();
        tables.insert(0, general(controls.0, controls.1, controls.2));
        for table in [11, 21, 51, 61, 71] {
            tables.insert(table, limits.clone());
        }
        for table in 0..80 {
            if tables.octets(table).is_none() {
                tables.insert(table, octets.clone());
            }
        }
        for table in 0..80 {
            let _ = tables.decode(table);
        }
        let _ = tables.profile_rows(64);
    }
}
