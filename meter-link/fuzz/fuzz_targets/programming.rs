//! IEC 62056-21 programming mode: a meter that says anything at any time; the conversation ends.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use meter_link::iec62056_21::Config;
use meter_link::iec62056_21::programming::{Access, Password, Profile, Programming, Task};
use meter_link::session::Session;

fuzz_target!(|bytes: &[u8]| {
    let read = Task::Read { kind: 1, set: "1.8.0()".to_owned() };
    let tasks = vec![read, Task::profile(true, "", "")];
    let access = Password::new("00000000").map_or(Access::Open, Access::P1);
    let mut session = Programming::new(Config::default(), access, tasks);
    let mut now = Instant::now();
    let mut outcomes = 0;
    session.restart(now);
    // An identification first, so that most inputs come further than the sign-on.
    let mut said: Vec<&[u8]> = vec![b"/ISk5MT174-0001\r\n"];
    said.extend(bytes.split(|byte| *byte == 0xFF));
    let mut said = said.into_iter();
    for _ in 0..10_000 {
        while session.poll_action().is_some() {}
        while let Some(outcome) = session.poll_outcome() {
            outcomes += 1;
            if let Ok(sets) = outcome.result {
                drop(Profile::read(&sets));
            }
        }
        if session.is_over() {
            break;
        }
        match said.next() {
            Some(chunk) => {
                now += Duration::from_millis(100);
                session.handle_input(chunk, now);
            }
            None => now = session.poll_timeout().unwrap_or(now).max(now),
        }
        session.handle_timeout(now);
    }
    assert!(session.is_over() && outcomes == 2);
});
