//! Rows of a load profile in the store.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use gateway::bus::Bus;
use gateway::store::{Settings, Store};
use jiff::tz::TimeZone;
use meter_link::dlms::apdu::GetResult;
use meter_link::dlms::client::job::{
    Job, Outcome, ProfileJob, ProfileQuery, ProfileRows, Scene, Step,
};
use meter_link::dlms::client::{Answer, Request};
use meter_link::dlms::data::{ClockStatus, Data, DateTime};
use meter_link::model::ObisCode;

const PROFILE: ObisCode = ObisCode([1, 0, 99, 1, 0, 255]);

/// What a job makes of these minutes and values.
fn rows(values: &[(i8, u32)]) -> ProfileRows {
    let scene = Scene {
        now: "2026-03-01T00:00:00Z".parse().unwrap(),
        secured: false,
    };
    let column = |class, name: [u8; 6]| {
        Data::Structure(vec![
            Data::Uint16(class),
            Data::OctetString(name.to_vec()),
            Data::Int8(2),
            Data::Uint16(0),
        ])
    };
    let columns = vec![
        column(8, [0, 0, 1, 0, 0, 255]),
        column(3, ObisCode::ACTIVE_ENERGY_IMPORT.0),
    ];
    let elements = values.iter().map(|(minute, value)| {
        let at = jiff::civil::date(2026, 2, 1).at(12, *minute, 0, 0);
        let at = DateTime::new(at, Some(-60), ClockStatus(0));
        let at = Data::OctetString(at.0.to_vec());
        Data::Structure(vec![at, Data::Uint32(*value)])
    });
    let scale = Data::Structure(vec![Data::Int8(-3), Data::Enum(30)]);
    let answers = [
        vec![Data::Array(columns), Data::Uint32(900), Data::Uint32(9)],
        vec![scale],
    ];
    let elements = Data::Array(elements.collect()).to_vec();
    let mut job = ProfileJob::new(ProfileQuery::all(PROFILE));
    let mut step = job.step(None, &scene);
    for answer in answers {
        assert!(matches!(step, Step::Ask(Request::Get(_))));
        let answer = answer.into_iter().map(GetResult::Data).collect();
        step = job.step(Some(Answer::Get(answer)), &scene);
    }
    assert!(matches!(step, Step::Ask(Request::GetEncoded(_))));
    match job.step(Some(Answer::Encoded(elements)), &scene) {
        Step::Done(Outcome::Profile(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_are_kept_once_and_resumed_from() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        folder: folder.path().to_owned(),
        zone: TimeZone::UTC,
        readings_days: 30,
        raw_megabytes: 0,
    };
    let store = Store::open(&settings, Bus::default()).unwrap();
    let profiles = store.profiles();
    assert_eq!(profiles.last("house", PROFILE).unwrap(), None);
    assert_eq!(
        profiles.store("house", &rows(&[(0, 1), (15, 2)])).unwrap(),
        2
    );
    assert_eq!(
        profiles.store("house", &rows(&[(15, 2), (30, 3)])).unwrap(),
        1
    );
    // The clock was set back: the same time with another value is another row, and the last.
    assert_eq!(profiles.store("house", &rows(&[(15, 4)])).unwrap(), 1);
    let last = profiles.last("house", PROFILE).unwrap().unwrap();
    assert_eq!(last.iso().as_deref(), Some("2026-02-01T12:15:00+01:00"));
    assert_eq!(profiles.last("garage", PROFILE).unwrap(), None);
    let path = folder.path().join("wattle.db");
    let db = rusqlite::Connection::open(path).unwrap();
    let row: (i64, String) = db
        .query_row(
            "SELECT at_s, \"values\" FROM profile_row ORDER BY id LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(row, (1_769_943_600, "[null,\"0.001\"]".to_owned()));
}
