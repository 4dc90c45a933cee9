//! The client against a simulated meter of another make: `dlms_meter_sim.py`, which needs Python
//! with `cryptography`. Over HDLC, through mode E and over the wrapper; without security, with a
//! password and with GMAC; on good lines and on bad ones.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

#[path = "dlms_client/meter.rs"]
mod meter;

use meter::{Meter, Reached, run};
use meter_link::dlms::client::job::{
    Catalogue, ClockJob, ClockPolicy, Job, JobError, ObjectsJob, Outcome, ProfileJob, ProfileQuery,
    ProfileRow, RegisterSpec, RegistersJob, RelayCommand, RelayJob,
};
use meter_link::dlms::client::{ClientError, RunnerEvent};
use meter_link::model::{ObisCode, Value};

const PROFILE: ObisCode = ObisCode([1, 0, 99, 1, 0, 255]);
const RELAY: ObisCode = ObisCode([0, 0, 96, 3, 10, 255]);

fn profile() -> Box<dyn Job> {
    Box::new(ProfileJob::new(ProfileQuery::all(PROFILE)))
}

/// Every value of row `i` as the simulator's head defines it.
fn check(rows: &[Row], count: usize) {
    assert_eq!(rows.len(), count);
    let start: jiff::Timestamp = "2025-12-31T23:00:00Z".parse().unwrap();
    for (i, (row, values)) in (0i64..).zip(rows) {
        assert_eq!(
            row.instant.unwrap(),
            start + jiff::SignedDuration::from_secs(900 * i)
        );
        assert_eq!(row.status, Some(u64::try_from(i % 256).unwrap()));
        let want = [
            120_000_000 + 137 * i + (i * i) % 97,
            900_000 + 11 * (i % 96),
        ];
        for (value, want) in values[2..].iter().zip(want) {
            assert_eq!(value, &Some(Value::Number(want.into())), "row {i}");
        }
    }
}

/// A row and the values of its columns.
type Row = (ProfileRow, Vec<Option<Value>>);

fn rows_of(events: Vec<RunnerEvent>) -> Vec<Row> {
    let mut rows = Vec::new();
    for event in events {
        match event {
            RunnerEvent::Outcome(Outcome::Profile(part)) => {
                assert_eq!(part.gaps, []);
                let part = part.iter();
                rows.extend(part.map(|(row, values)| (row.clone(), values.to_vec())));
            }
            RunnerEvent::Finished(None) => {}
            other => panic!("{other:?}"),
        }
    }
    rows
}

fn whole_profile(reached: Reached, auth: &str, faults: &[&str]) {
    let Some(meter) = Meter::start(reached, auth, faults) else {
        return;
    };
    let ran = run(&meter, [profile()]);
    check(&rows_of(ran.events), 2_880);
    println!(
        "{reached:?} {auth} {faults:?}: 2880 rows in {:?}, {:?}",
        ran.took, ran.counts
    );
}

#[test]
fn the_whole_profile_over_hdlc() {
    for auth in ["none", "low", "gmac"] {
        whole_profile(Reached::Hdlc, auth, &[]);
    }
}

#[test]
fn the_whole_profile_through_mode_e() {
    for auth in ["none", "low", "gmac"] {
        whole_profile(Reached::ModeE, auth, &[]);
    }
}

#[test]
fn the_whole_profile_over_the_wrapper() {
    for auth in ["none", "low", "gmac"] {
        whole_profile(Reached::Wrapper, auth, &[]);
    }
}

const FAULTS: [&str; 5] = ["--drop", "13", "--corrupt", "17", "--noise"];

#[test]
fn the_whole_profile_on_a_bad_line() {
    whole_profile(Reached::Hdlc, "none", &FAULTS);
}

#[test]
fn the_whole_profile_on_a_bad_line_with_a_password() {
    whole_profile(Reached::Hdlc, "low", &FAULTS);
}

#[test]
fn the_whole_profile_on_a_bad_line_with_gmac() {
    whole_profile(Reached::Hdlc, "gmac", &FAULTS);
}

#[test]
fn the_whole_profile_through_mode_e_on_a_bad_line() {
    whole_profile(Reached::ModeE, "gmac", &FAULTS);
}

/// Nothing but the tag tells a changed byte behind the wrapper, so there is no such test without
/// ciphering.
#[test]
fn the_whole_profile_over_a_bad_wrapper() {
    whole_profile(Reached::Wrapper, "gmac", &FAULTS);
}

#[test]
fn registers_clock_and_objects() {
    for reached in [Reached::Hdlc, Reached::Wrapper] {
        for auth in ["none", "low", "gmac"] {
            let Some(meter) = Meter::start(reached, auth, &[]) else {
                return;
            };
            let specs = [
                "0-0:96.1.0",
                "0-0:1.0.0",
                "1-0:1.8.0",
                "1-0:16.7.0",
                "1-0:14.7.0",
                "1-0:32.7.0",
                "1-0:99.99.0",
            ];
            let specs: Vec<RegisterSpec> = specs.map(|spec| spec.parse().unwrap()).into();
            let registers = RegistersJob::new(specs, Catalogue::default());
            let ran = run(
                &meter,
                [
                    Box::new(registers) as Box<dyn Job>,
                    Box::new(ClockJob::new(ClockPolicy::Set)),
                    Box::new(ObjectsJob::new()),
                ],
            );
            let [
                RunnerEvent::Outcome(Outcome::Registers(read)),
                RunnerEvent::Outcome(Outcome::Clock(clock)),
                RunnerEvent::Outcome(Outcome::Objects(objects)),
                RunnerEvent::Finished(None),
            ] = &ran.events[..]
            else {
                panic!("{:?}", ran.events);
            };
            let shown: Vec<_> = read
                .values
                .iter()
                .map(|value| match &value.value {
                    Value::Number(number) => format!(
                        "{} {number} {}",
                        value.register,
                        value.unit.map(|unit| unit.to_string()).unwrap_or_default()
                    ),
                    Value::Text(text) => format!("{} {text}", value.register),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(
                shown,
                [
                    "0-0:96.1.0*255 SIM0000000012345",
                    "1-0:1.8.0*255 123456789 Wh",
                    "1-0:16.7.0*255 -1234 W",
                    "1-0:14.7.0*255 50.02 Hz",
                    "1-0:32.7.0*255 230.1 V",
                ]
            );
            assert!(read.time.is_some());
            assert_eq!(read.refused.len(), 1);
            assert!(clock.set && clock.ahead_after_s.is_some());
            assert!(objects.len() > 15);
            let energy = objects.iter().find(|object| {
                object.instance == ObisCode::ACTIVE_ENERGY_IMPORT && object.class == 3
            });
            assert!(energy.is_some());
        }
    }
}

#[test]
fn the_relay_is_switched_in_a_secured_association_alone() {
    let switch = |command| Box::new(RelayJob::new(RELAY, command)) as Box<dyn Job>;
    let Some(meter) = Meter::start(Reached::Hdlc, "gmac", &[]) else {
        return;
    };
    let ran = run(
        &meter,
        [
            switch(RelayCommand::Disconnect),
            switch(RelayCommand::Reconnect),
        ],
    );
    let states = ran.events.iter().filter_map(|event| match event {
        RunnerEvent::Outcome(Outcome::Relay(report)) => Some(report.connected),
        _ => None,
    });
    let states: Vec<_> = states.collect();
    assert_eq!(states, [false, true], "{:?}", ran.events);
    let meter = Meter::start(Reached::Hdlc, "low", &[]).unwrap();
    let ran = run(&meter, [switch(RelayCommand::Disconnect)]);
    assert_eq!(ran.events[0], RunnerEvent::JobFailed(JobError::NotSecured));
    assert!(!meter.log().contains("relay"));
}

/// Behind a value, some servers send what happens to lie in their buffer.
#[test]
fn stray_bytes_are_passed_over() {
    for reached in [Reached::Hdlc, Reached::Wrapper] {
        let Some(meter) = Meter::start(reached, "gmac", &["--trailing"]) else {
            return;
        };
        let ran = run(&meter, [profile()]);
        check(&rows_of(ran.events), 2_880);
        assert!(ran.stray > 0);
    }
}

#[test]
fn a_meter_that_repeats_its_counter_is_refused() {
    let Some(meter) = Meter::start(Reached::Hdlc, "gmac", &["--bad-ic"]) else {
        return;
    };
    let ran = run(&meter, [profile()]);
    let [RunnerEvent::Finished(Some(ClientError::Replay { .. }))] = &ran.events[..] else {
        panic!("{:?}", ran.events);
    };
}

#[test]
fn a_counter_that_is_too_low_is_corrected() {
    for reached in [Reached::Hdlc, Reached::Wrapper] {
        let Some(mut meter) = Meter::start(reached, "gmac", &[]) else {
            return;
        };
        let specs = || vec![RegisterSpec::from(ObisCode::ACTIVE_ENERGY_IMPORT)];
        let read = || Box::new(RegistersJob::new(specs(), Catalogue::default())) as Box<dyn Job>;
        assert_eq!(run(&meter, [read()]).events.len(), 2);
        // A client that has lost its numbers and does not ask for them first.
        meter.forget_counter = true;
        let ran = run(&meter, [read()]);
        assert_eq!(ran.events.len(), 2);
        assert_eq!(ran.events[1], RunnerEvent::Finished(None));
    }
}

#[test]
fn wrong_keys_and_passwords_are_told() {
    let Some(mut meter) = Meter::start(Reached::Wrapper, "gmac", &[]) else {
        return;
    };
    meter.wrong_key = true;
    let ran = run(&meter, [profile()]);
    assert!(
        matches!(&ran.events[..], [RunnerEvent::Finished(Some(_))]),
        "{:?}",
        ran.events
    );
    let mut meter = Meter::start(Reached::Hdlc, "low", &[]).unwrap();
    meter.wrong_key = true;
    let ran = run(&meter, [profile()]);
    assert!(
        matches!(
            &ran.events[..],
            [RunnerEvent::Finished(Some(ClientError::Refused { .. }))]
        ),
        "{:?}",
        ran.events
    );
}

/// Bytes that dribble in, with losses and noise between. `make test-dribble` reads the whole profile
/// with five milliseconds from byte to byte.
#[test]
fn bytes_come_one_by_one() {
    let given = |name, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let dribble_ms = given("WATTLE_DRIBBLE_MS", "1");
    let rows = given("WATTLE_DRIBBLE_ROWS", "100");
    let slowly = [
        "--dribble",
        &dribble_ms,
        "--rows",
        &rows,
        "--seconds",
        "7200",
    ];
    let faults = [&FAULTS[..], &slowly].concat();
    let Some(mut meter) = Meter::start(Reached::Hdlc, "gmac", &faults) else {
        return;
    };
    // Bytes that are far apart must not look like a silence.
    meter.real_time = true;
    let ran = run(&meter, [profile()]);
    check(&rows_of(ran.events), rows.parse().unwrap());
    println!(
        "{dribble_ms} ms from byte to byte: {rows} rows in {:?}, {:?}",
        ran.took, ran.counts
    );
}

/// Only what is missing crosses the line.
#[test]
fn only_missing_rows_are_read() {
    let Some(meter) = Meter::start(Reached::Wrapper, "gmac", &[]) else {
        return;
    };
    let all = rows_of(run(&meter, [profile()]).events);
    let query = ProfileQuery {
        since: Some(all[2_860].0.at),
        ..ProfileQuery::all(PROFILE)
    };
    let ran = run(&meter, [Box::new(ProfileJob::new(query)) as Box<dyn Job>]);
    let rows = rows_of(ran.events);
    assert_eq!(rows.len(), 19);
    assert_eq!(rows[0].0.at, all[2_861].0.at);
    assert!(ran.received < 3_000, "{} bytes", ran.received);
}
