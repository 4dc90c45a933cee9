use std::collections::BTreeMap;

use super::*;
use crate::c12::service::framed;

/// A device with two blocks of four quarter-hours, one channel of watt-hours, statuses, and a clock of
/// Middle Europe that changes in summer.
struct Device {
    tables: BTreeMap<u16, Vec<u8>>,
    parts: bool,
    /// Requests for profile data.
    asked: Vec<Request>,
}

fn unhex(text: &str) -> Vec<u8> {
    crate::key::octets(&text.replace(' ', "")).unwrap()
}

/// A block: its end, and (common status, channel's status, watt-hours).
fn block(end: [u8; 5], intervals: &[(u8, u8, u8)]) -> Vec<u8> {
    let mut octets = end.to_vec();
    for (common, status, wh) in intervals {
        octets.extend([common << 4 | status, *wh, 0]);
    }
    octets.resize(5 + 4 * 3, 0);
    octets
}

fn device(parts: bool) -> Device {
    // Summer time ended on 2026-10-25 at 03:00: the first block has it in its first two intervals
    // and ends at 02:30 of winter time. In the second one the power failed for an hour.
    let data = [
        block(
            [26, 10, 25, 2, 30],
            &[(1, 0, 1), (1, 0, 2), (0, 0, 3), (0, 0, 4)],
        ),
        block([26, 10, 25, 4, 0], &[(2, 2, 5), (0, 0, 6)]),
    ];
    let tables = [
        (
            0,
            unhex(
                "020a8a 53494d20 02 00 08 40 02 00 09 00 00 00 01 00 011801000000 30e001 000000000000000000",
            ),
        ),
        (11, unhex("00 01 00 00 00 00 02 01")),
        (12, unhex("00400200")),
        (16, unhex("11")),
        (52, unhex("1a0a19040500 60")),
        (53, unhex("000000 3c 3c00")),
        (61, unhex("00000000 0004 02 0200 0400 01 0f")),
        (62, unhex("00 00 00 02")),
        (63, unhex("24 0200 0100 07000000 0000 0200")),
        (64, data.concat()),
    ];
    Device {
        tables: BTreeMap::from(tables),
        parts,
        asked: Vec::new(),
    }
}

impl Device {
    fn answer(&mut self, request: &Request) -> (ResponseCode, Vec<u8>) {
        let table = request.table().unwrap();
        if table == 64 {
            self.asked.push(request.clone());
        }
        let octets = &self.tables[&table];
        let part = match request {
            Request::ReadOffset { .. } if !self.parts => return (ResponseCode(4), Vec::new()),
            Request::ReadOffset { offset, count, .. } => {
                let at = usize::try_from(*offset).unwrap();
                &octets[at..(at + usize::from(*count)).min(octets.len())]
            }
            _ => octets,
        };
        (ResponseCode::OK, framed(part))
    }
}

fn read(device: &mut Device, since: Option<DateTime>) -> Result<Vec<ProfileRows>, String> {
    let mut tables = Tables::new();
    for table in [0, 11, 12, 16] {
        tables.insert(table, device.tables[&table].clone());
    }
    let config = Config {
        since,
        ..Config::new(64)
    };
    let mut reader = ProfileReader::new(config, tables, Assignments::new());
    let mut found = Vec::new();
    loop {
        match reader.poll(16)? {
            Progress::Ask(request) => {
                let (code, payload) = device.answer(&request);
                reader.answer(code, &payload);
            }
            Progress::Rows(rows) => found.push(*rows),
            Progress::Done => return Ok(found),
        }
    }
}

fn shown(found: &[ProfileRows]) -> Vec<String> {
    let rows = found.iter().flat_map(ProfileRows::iter);
    rows.map(|(row, values)| {
        let value = match values {
            [Some(Value::Number(number))] => number.to_string(),
            other => format!("{other:?}"),
        };
        format!(
            "{} {:#04x} {value}",
            row.at.iso().unwrap(),
            row.status.unwrap()
        )
    })
    .collect()
}

const ROWS: [&str; 6] = [
    "2026-10-25T02:45:00+02:00 0x01 1",
    "2026-10-25T03:00:00+02:00 0x01 2",
    "2026-10-25T02:15:00+01:00 0x00 3",
    "2026-10-25T02:30:00+01:00 0x00 4",
    "2026-10-25T03:45:00+01:00 0x22 5",
    "2026-10-25T04:00:00+01:00 0x00 6",
];

/// The hour that comes twice is told apart; the power failure is a gap with its status.
#[test]
fn rows_across_the_end_of_summer_time_and_a_power_failure() {
    for parts in [true, false] {
        let found = read(&mut device(parts), None).unwrap();
        assert_eq!(shown(&found), ROWS);
        let gaps: Vec<_> = found.iter().flat_map(|rows| &rows.gaps).collect();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert_eq!((gaps[0].missing, gaps[0].seconds), (4, 75 * 60));
        assert_eq!((gaps[0].clock_changed, gaps[0].status), (false, Some(0x22)));
        assert_eq!(found[0].columns[0].register, "1-0:1.29.0".parse().unwrap());
        assert_eq!(
            (found[0].period_s, found[0].profile),
            (900, Config::new(64).profile())
        );
    }
}

#[test]
fn only_what_is_missing_is_told() {
    let mut device = device(true);
    let all = read(&mut device, None).unwrap();
    let times: Vec<DateTime> = all
        .iter()
        .flat_map(|rows| &rows.rows)
        .map(|row| row.at)
        .collect();
    for (known, at) in times.iter().enumerate() {
        let found = read(&mut device, Some(*at)).unwrap();
        assert_eq!(shown(&found), ROWS[known + 1..]);
        // Between the fourth row and the fifth, also where they are read apart.
        let gaps: usize = found.iter().map(|rows| rows.gaps.len()).sum();
        assert_eq!(gaps, usize::from(known < 4), "{known}");
    }
    // Three hours behind what is known nothing is looked at.
    device.asked.clear();
    let known = DateTime::new(
        civil::date(2026, 10, 26).at(0, 0, 0, 0),
        Some(-60),
        ClockStatus(0),
    );
    assert_eq!(read(&mut device, Some(known)).unwrap(), []);
    let offsets = device.asked.iter().map(|request| match request {
        Request::ReadOffset { offset, .. } => *offset,
        other => panic!("{other:?}"),
    });
    assert!(offsets.into_iter().all(|offset| offset >= 17));
}

#[test]
fn what_changes_while_it_is_read_is_read_again() {
    // An interval comes with each look at the status, until the block is full.
    let mut device = device(true);
    let mut tables = Tables::new();
    for table in [0, 11, 12, 16] {
        tables.insert(table, device.tables[&table].clone());
    }
    let mut reader = ProfileReader::new(Config::new(64), tables, Assignments::new());
    let mut found = Vec::new();
    loop {
        match reader.poll(64).unwrap() {
            Progress::Ask(request) => {
                let (code, payload) = device.answer(&request);
                if request == (Request::Read { table: 63 }) {
                    let full = device.tables[&63][11] >= 4;
                    if !full {
                        device.tables.get_mut(&63).unwrap()[11] += 1;
                    }
                }
                reader.answer(code, &payload);
            }
            Progress::Rows(rows) => found.push(*rows),
            Progress::Done => break,
        }
    }
    let all: Vec<&ProfileRow> = found.iter().flat_map(|rows| &rows.rows).collect();
    assert_eq!(all.len(), 8);
    let rising = |pair: &[&ProfileRow]| pair[0].instant < pair[1].instant;
    assert!(all.windows(2).all(rising));
}

#[test]
fn refusals_and_damage_are_told_in_words() {
    for (table, octets, part) in [
        (61, Vec::new(), "table 61"),
        (62, unhex("00 00 00 03"), "format of intervals"),
        (64, unhex("00"), "answer"),
    ] {
        let mut device = device(true);
        device.tables.insert(table, octets);
        let error = read(&mut device, None).unwrap_err();
        assert!(error.contains(part), "{table}: {error}");
    }
}

proptest::proptest! {
    #[test]
    fn any_tables_end_it(
        octets in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60), 4),
    ) {
        let mut device = device(true);
        for (table, octets) in (61..).zip(octets) {
            device.tables.insert(table, octets);
        }
        // A device may answer with less than was asked for, and nothing else is of interest here.
        let mut tables = Tables::new();
        tables.insert(0, device.tables[&0].clone());
        let mut reader = ProfileReader::new(Config::new(64), tables, Assignments::new());
        for _ in 0..2_000 {
            let Ok(Progress::Ask(request)) = reader.poll(64) else { break };
            let table = request.table().unwrap_or_default();
            let Some(octets) = device.tables.get(&table) else { break };
            reader.answer(ResponseCode::OK, &framed(octets));
        }
    }
}
