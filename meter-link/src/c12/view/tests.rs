use super::*;
use crate::c12::interpret::Assignments;
use crate::c12::table::{Table, Tables};

fn code(text: &str) -> ObisCode {
    text.parse().unwrap()
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Reads all tables that table 00 names, as a reader does.
fn read(view: &View, contents: &Contents) -> Tables {
    let identity = Identity {
        manufacturer: "WTL".to_owned(),
        model: "wattle".to_owned(),
        firmware: (0, 1),
        serial: "1WSM0000000001".to_owned(),
    };
    let mut tables = Tables::new();
    let octets = view.table(0, &identity, contents).unwrap().unwrap();
    assert!(tables.insert(0, octets));
    let Table::GeneralConfiguration(general) = tables.decode(0).unwrap().table else {
        panic!("no table 00");
    };
    for table in general.std_tables_used {
        let octets = view.table(table, &identity, contents).unwrap().unwrap();
        assert!(tables.insert(table, octets));
        assert_eq!(tables.decode(table).unwrap().extra, 0, "table {table}");
    }
    tables
}

#[test]
fn a_reader_finds_the_registers() {
    let wanted = [
        ("1-0:1.8.0*255", Unit::WattHour, "5540346.5"),
        ("1-0:1.8.1*255", Unit::WattHour, "5000000.25"),
        ("1-0:1.8.2*255", Unit::WattHour, "540346.25"),
        ("1-0:2.8.0*255", Unit::WattHour, "17"),
        ("1-0:16.7.0*255", Unit::Watt, "-312.4"),
        ("1-0:36.7.0*255", Unit::Watt, "101"),
        ("1-0:32.7.0*255", Unit::Volt, "230.1"),
        ("1-0:51.7.0*255", Unit::Ampere, "0.44"),
        ("1-0:3.8.0*255", Unit::VarHour, "12.000001"),
    ];
    let mut registers: Vec<(ObisCode, Unit)> = wanted
        .iter()
        .map(|(register, unit, _)| (code(register), *unit))
        .collect();
    // Neither has a name in these tables, and a wrong unit is no register of theirs.
    registers.push((code("1-0:14.7.0*255"), Unit::Hertz));
    registers.push((code("1-0:31.7.0*255"), Unit::Volt));
    let contents = Contents {
        now_s: 1_790_000_000,
        values: wanted
            .iter()
            .map(|(register, _, value)| (code(register), number(value)))
            .collect(),
        profile: Vec::new(),
    };
    let view = View::new(&registers, &BTreeSet::new());
    let tables = read(&view, &contents);
    let none = Assignments::new();
    let mut found = tables.registers_of(23, &none).unwrap();
    found.extend(tables.registers_of(28, &none).unwrap());
    let mut found: Vec<_> = found
        .into_iter()
        .map(|entry| {
            (
                entry.register.to_string(),
                entry.unit.unwrap(),
                entry.value.normalize(),
            )
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut want: Vec<_> = wanted
        .iter()
        .map(|(register, unit, value)| ((*register).to_owned(), *unit, number(value).normalize()))
        .collect();
    want.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, want);
    let Table::Clock(clock) = tables.decode(52).unwrap().table else {
        panic!("no clock");
    };
    assert_eq!(clock.time.as_deref(), Some("2026-09-21T14:13:20Z"));
    assert_eq!((clock.day_of_week, clock.gmt_flag), (1, true));
    let Table::ManufacturerIdentification(own) = tables.decode(1).unwrap().table else {
        panic!("no table 01");
    };
    assert_eq!(
        (own.manufacturer.as_str(), own.serial_no.as_str()),
        ("WTL", "1WSM0000000001")
    );
}

#[test]
fn a_reader_finds_the_quarter_hours() {
    let import = code("1-0:1.8.0*255");
    let registers = [
        (import, Unit::WattHour),
        (code("1-0:2.8.0*255"), Unit::WattHour),
    ];
    let view = View::new(
        &registers,
        &registers.iter().map(|(code, _)| *code).collect(),
    );
    assert_eq!(view.channels(), [import, code("1-0:2.8.0*255")]);
    // Forty days and five quarter-hours, with a hole.
    let end = 20_000 * DAY_S + 5 * INTERVAL_S;
    let all: Vec<i64> = (0..40 * 96 + 5)
        .map(|back| end - back * INTERVAL_S)
        .collect();
    let amounts = |factor: i64| -> Amounts {
        let known = all.iter().filter(|end| **end % 7_000 != 300);
        known
            .map(|end| {
                (
                    *end,
                    (
                        Decimal::new(end / INTERVAL_S * factor % 10_007, 3),
                        end % 11 != 0,
                    ),
                )
            })
            .collect()
    };
    let contents = Contents {
        now_s: end + 400,
        values: registers
            .iter()
            .map(|(code, _)| (*code, Decimal::ONE))
            .collect(),
        profile: vec![amounts(1), amounts(-3)],
    };
    let tables = read(&view, &contents);
    let found = tables.profile_rows(64).unwrap();
    // All blocks but the newest are full.
    assert_eq!(found.len(), 30 * 96 + 5);
    let holes = found.iter().filter(|row| row.channels[0].is_none()).count();
    assert!(holes > 0 && holes < found.len() / 2, "{holes}");
    for (row, back) in found.iter().rev().zip(0..) {
        let end = end - back * INTERVAL_S;
        let at = row.end.unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        assert_eq!(at.timestamp().as_second(), end);
        for (channel, amounts) in row.channels.iter().zip(&contents.profile) {
            // In millionths of the unit, as table 12 says of the source.
            let million = Decimal::from(1_000_000);
            let amount = amounts.get(&end).map(|(amount, _)| *amount * million);
            assert_eq!(*channel, amount, "{end}");
        }
    }
}

#[test]
fn what_cannot_be_told_exactly_is_not_told() {
    let registers = [(code("1-0:1.8.0*255"), Unit::WattHour)];
    let view = View::new(&registers, &BTreeSet::new());
    let table = |value: Option<&str>| {
        let values = value
            .map(|value| (registers[0].0, number(value)))
            .into_iter()
            .collect();
        let contents = Contents {
            values,
            ..Contents::default()
        };
        view.table(23, &Identity::default(), &contents)
    };
    assert_eq!(
        table(Some("0.000001")),
        Ok(Some(vec![1, 0, 0, 0, 0, 0, 0, 0]))
    );
    assert_eq!(table(Some("0.0000001")), Err(NotReady));
    assert_eq!(table(Some("9999999999999")), Err(NotReady));
    assert_eq!(table(None), Err(NotReady));
    assert_eq!(
        view.table(99, &Identity::default(), &Contents::default()),
        Ok(None)
    );
    let nothing = View::new(&[], &BTreeSet::new());
    assert_eq!(nothing.used(), [0, 1, 3, 5, 52]);
}
