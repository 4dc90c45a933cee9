//! Wired link layer: any bytes give frames that encode to themselves; a master survives them.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use meter_link::mbus::link::{Config, Job, Master, Pattern, Splitter, Target};

fuzz_target!(|bytes: &[u8]| {
    let mut splitter = Splitter::new();
    let mut input = bytes;
    let mut total = 0;
    while let Some(event) = splitter.pull(&mut input).or_else(|| splitter.finish()) {
        if let Ok(frame) = &event.found {
            assert_eq!(frame.to_bytes().len() as u64, event.length);
        }
        total += event.length;
    }
    assert_eq!(total, bytes.len() as u64);

    let mut master = Master::new(Config::default());
    let mut now = Instant::now();
    for job in [
        Job::Read(Target::Primary(5)),
        Job::Scan(0..=3),
        Job::Search("0000000F".parse::<Pattern>().unwrap_or_default()),
        Job::SetAddress(Target::Primary(1), 2),
    ] {
        master.start(job, now);
    }
    let mut pieces = bytes.chunks(9);
    while let Some(due) = master.poll_timeout() {
        if let Some(piece) = pieces.next() {
            now += Duration::from_millis(1);
            master.handle_input(piece, now);
        } else {
            now = due;
            master.handle_timeout(now);
        }
        while master.poll_step().is_some() {}
        while master.poll_outcome().is_some() {}
    }
});
