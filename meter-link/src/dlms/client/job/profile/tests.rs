//! A profile that grows, breaks off, jumps and forgets.

use jiff::tz::TimeZone;

use super::*;
use crate::dlms::apdu::DataAccessResult;
use crate::dlms::hdlc::Disconnected;
use crate::model::Value;

const PROFILE_NAME: ObisCode = ObisCode([1, 0, 99, 1, 0, 255]);
const IMPORT: ObisCode = ObisCode::ACTIVE_ENERGY_IMPORT;

fn scene() -> Scene {
    Scene {
        now: "2026-10-26T00:00:00Z".parse().unwrap(),
        secured: false,
    }
}

fn time(civil: &str, offset_hours: i16, summer: bool) -> DateTime {
    let status = crate::dlms::data::ClockStatus(if summer { 0x80 } else { 0 });
    DateTime::new(civil.parse().unwrap(), Some(-60 * offset_hours), status)
}

fn row(at: DateTime, status: u8, import: u32) -> Data {
    Data::Structure(vec![
        Data::OctetString(at.0.to_vec()),
        Data::Uint8(status),
        Data::Uint32(import),
    ])
}

fn description() -> Answer {
    let column = |class, name: ObisCode| {
        Data::Structure(vec![
            Data::Uint16(class),
            Data::OctetString(name.0.to_vec()),
            Data::Int8(2),
            Data::Uint16(0),
        ])
    };
    Answer::Get(vec![
        GetResult::Data(Data::Array(vec![
            column(8, ObisCode([0, 0, 1, 0, 0, 255])),
            column(1, ObisCode([0, 0, 96, 10, 1, 255])),
            column(3, IMPORT),
        ])),
        GetResult::Data(Data::Uint32(900)),
        GetResult::Data(Data::Uint32(96)),
    ])
}

fn scaler() -> Answer {
    let scale = Data::Structure(vec![Data::Int8(-1), Data::Enum(30)]);
    Answer::Get(vec![GetResult::Data(scale)])
}

/// A job that has read what the profile is; the request for rows that follows.
fn begun(since: Option<DateTime>) -> (ProfileJob, Selected) {
    let mut job = ProfileJob::new(ProfileQuery {
        since,
        ..ProfileQuery::all(PROFILE_NAME)
    });
    job.step(None, &scene());
    job.step(Some(description()), &scene());
    let step = job.step(Some(scaler()), &scene());
    (job, asked(step))
}

fn asked(step: Step) -> Selected {
    match step {
        Step::Ask(Request::GetEncoded(selected)) => selected,
        other => panic!("{other:?}"),
    }
}

fn whole(rows: Vec<Data>) -> Option<Answer> {
    Some(Answer::Encoded(Data::Array(rows).to_vec()))
}

fn done(step: Step) -> ProfileRows {
    match step {
        Step::Done(Outcome::Profile(rows)) | Step::Yield(Outcome::Profile(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

fn from_of(selected: &Selected) -> String {
    let access = selected.access.as_ref().unwrap();
    assert_eq!(access.selector, 1);
    let from = access.parameters.elements().unwrap()[1].date_time();
    from.unwrap().iso().unwrap()
}

#[test]
fn everything_at_first_and_then_what_is_missing() {
    let (mut job, request) = begun(None);
    assert_eq!(request.access, None);
    let first = time("2026-10-24T12:00:00", 2, true);
    let rows = done(job.step(whole(vec![row(first, 0, 1234)]), &scene()));
    let (_, values) = rows.iter().next().unwrap();
    let number = values[2].as_ref().and_then(Value::number);
    assert_eq!(number.unwrap().to_string(), "123.4");
    assert_eq!(
        rows.rows[0].instant.unwrap().to_string(),
        "2026-10-24T10:00:00Z"
    );
    let (mut job, request) = begun(Some(first));
    assert_eq!(from_of(&request), "2026-10-24T09:00:00+02:00");
    let second = time("2026-10-24T12:15:00", 2, true);
    let rows = vec![
        row(time("2026-10-24T11:45:00", 2, true), 0, 1200),
        row(first, 0, 1234),
        row(second, 0, 1240),
    ];
    let rows = done(job.step(whole(rows), &scene()));
    assert_eq!(rows.rows.len(), 1);
    assert_eq!(rows.rows[0].at, second);
    assert_eq!(rows.gaps, []);
}

#[test]
fn a_gap_is_told_with_its_status() {
    let (mut job, _) = begun(None);
    let rows = vec![
        row(time("2026-10-24T12:00:00", 2, true), 0, 1),
        row(time("2026-10-24T13:00:00", 2, true), 0x80, 2),
    ];
    let gaps = done(job.step(whole(rows), &scene())).gaps;
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].missing, gaps[0].status), (3, Some(0x80)));
    assert!(!gaps[0].clock_changed);
}

/// In autumn the hour from two to three comes twice, in spring it is left out: no gap either way.
#[test]
fn summer_time_is_no_gap() {
    let (mut job, _) = begun(None);
    let rows = vec![
        row(time("2026-10-25T02:45:00", 2, true), 0, 1),
        row(time("2026-10-25T02:00:00", 1, false), 8, 2),
        row(time("2026-10-25T02:15:00", 1, false), 0, 3),
    ];
    let found = done(job.step(whole(rows), &scene()));
    assert_eq!((found.rows.len(), found.gaps.len()), (3, 0));
    let (mut job, _) = begun(None);
    let rows = vec![
        row(time("2026-03-29T01:45:00", 1, false), 0, 1),
        row(time("2026-03-29T03:00:00", 2, true), 8, 2),
    ];
    assert_eq!(done(job.step(whole(rows), &scene())).gaps, []);
}

/// A meter without deviation, in a zone that is configured.
#[test]
fn the_zone_tells_what_the_meter_does_not() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let instants = RowInstants { zone: Some(zone) };
    let at = |civil: &str, status: u8| {
        let status = crate::dlms::data::ClockStatus(status);
        instants.of(DateTime::new(civil.parse().unwrap(), None, status))
    };
    let is = |text: &str| Some(text.parse::<jiff::Timestamp>().unwrap());
    assert_eq!(at("2026-10-25T02:30:00", 0x80), is("2026-10-25T00:30:00Z"));
    assert_eq!(at("2026-10-25T02:30:00", 0), is("2026-10-25T01:30:00Z"));
    assert_eq!(at("2026-10-25T02:30:00", 0xFF), None);
    assert_eq!(at("2026-07-01T12:00:00", 0xFF), is("2026-07-01T10:00:00Z"));
}

/// The clock was set back by an hour: rows with old times come behind the last known one.
#[test]
fn rows_behind_a_clock_set_back_are_new() {
    let last = time("2026-10-24T12:00:00", 2, true);
    let (mut job, _) = begun(Some(last));
    let rows = vec![
        row(time("2026-10-24T11:45:00", 2, true), 0, 1),
        row(last, 0, 2),
        row(time("2026-10-24T11:15:00", 2, true), 0x20, 3),
        row(time("2026-10-24T11:30:00", 2, true), 0, 4),
    ];
    let found = done(job.step(whole(rows), &scene()));
    assert_eq!(found.rows.len(), 2);
    assert_eq!(found.gaps.len(), 1);
    assert!(found.gaps[0].clock_changed && found.gaps[0].seconds == -2700);
}

#[test]
fn an_answer_that_breaks_off_goes_on_behind_its_last_row() {
    let (mut job, _) = begun(None);
    let at = |minute: u32| time(&format!("2026-10-24T12:{minute:02}:00"), 2, true);
    let all: Vec<Data> = [0, 15, 30, 45]
        .map(|minute| row(at(minute), 0, minute))
        .into();
    let octets = Data::Array(all.clone()).to_vec();
    let broken = Answer::Interrupted {
        octets: octets[..octets.len() / 2 + 3].to_vec(),
        error: ClientError::NoAnswer,
    };
    let first = done(job.step(Some(broken), &scene()));
    assert_eq!(first.rows.len(), 2);
    let again = asked(job.step(None, &scene()));
    assert!(from_of(&again).starts_with("2026-10-24T09:15"));
    let rest = done(job.step(whole(all[1..].to_vec()), &scene()));
    assert_eq!(rest.rows.len(), 2);
    assert_eq!(rest.gaps, []);
}

#[test]
fn a_meter_without_ranges_is_asked_by_entry() {
    let (mut job, request) = begun(Some(time("2026-10-24T12:00:00", 2, true)));
    assert_eq!(request.access.unwrap().selector, 1);
    let refused = GetResult::Error(DataAccessResult::OtherReason);
    let request = asked(job.step(Some(Answer::Get(vec![refused])), &scene()));
    assert_eq!(request.access.unwrap().selector, 2);
}

#[test]
fn nothing_is_tried_for_ever() {
    let (mut job, _) = begun(None);
    for _ in 0..20 {
        let silence = Answer::Interrupted {
            octets: Vec::new(),
            error: Disconnected::NoAnswer.into(),
        };
        if let Step::Failed(error) = job.step(Some(silence), &scene()) {
            assert_eq!(
                error,
                JobError::Client(ClientError::Link(Disconnected::NoAnswer))
            );
            return;
        }
    }
    panic!("it is still trying");
}

/// Values left out are those of the row before, times left out one period later.
#[test]
fn left_out_values() {
    let (mut job, _) = begun(None);
    let first = time("2026-10-24T12:00:00", 2, true);
    let left_out = Data::Structure(vec![Data::Null, Data::Null, Data::Null]);
    let rows = done(job.step(whole(vec![row(first, 4, 7), left_out]), &scene()));
    let values: Vec<_> = rows.iter().map(|(_, values)| values).collect();
    assert_eq!(values[1], values[0]);
    assert!(values[0][2].is_some());
    assert_eq!(rows.rows[1].status, Some(4));
    assert_eq!(rows.rows[1].at.iso().unwrap(), "2026-10-24T12:15:00+02:00");
    assert_eq!(rows.gaps, []);
}
