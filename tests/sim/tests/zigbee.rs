//! The host's session against the simulated stick, in virtual time.

use std::time::{Duration, Instant};

use han::zigbee::ash::LinkFailure;
use han::zigbee::ezsp::{CommandError, Event, Failure, Session, VERSIONS};
use han::{Record, Value};
use wattle_sim::zigbee::{Coprocessor, Ncp, kinds, mesh::Mesh};

struct Line {
    host: Session,
    ncp: Ncp,
    now: Instant,
    events: Vec<Event>,
}

impl Line {
    fn new(version: u8) -> Self {
        let now = Instant::now();
        let mut host = Session::default();
        host.start(now);
        let ncp = Ncp::new(version, Mesh::new(kinds::home(), 800_000_000), now);
        Self {
            host,
            ncp,
            now,
            events: Vec::new(),
        }
    }

    /// Moves octets and time until `until` is among the events, or so long has passed.
    fn run(&mut self, patience_s: u64, until: impl Fn(&Event) -> bool) -> bool {
        let end = self.now + Duration::from_secs(patience_s);
        loop {
            loop {
                let (out, back) = (self.host.poll_transmit(), self.ncp.poll_transmit());
                if out.is_none() && back.is_none() {
                    break;
                }
                self.ncp.handle_octets(&out.unwrap_or_default(), self.now);
                let back = back.unwrap_or_default();
                if !back.is_empty() {
                    self.host.handle_octets(&back, self.now);
                }
            }
            while let Some(event) = self.host.poll_event() {
                let found = until(&event);
                self.events.push(event);
                if found {
                    return true;
                }
            }
            let due = [self.host.poll_timeout(), self.ncp.poll_timeout()];
            let due = due.into_iter().flatten().min().unwrap_or(end).max(self.now);
            if due >= end {
                self.now = end;
                return false;
            }
            self.now = due;
            self.ncp.handle_timeout(due);
            self.host.handle_timeout(due);
        }
    }

    fn ready(&mut self) -> bool {
        self.run(30, |event| matches!(event, Event::Ready { .. }))
    }
}

const GET_EUI64: u16 = 0x0026;

#[test]
fn all_versions_are_agreed_and_answer() {
    for version in VERSIONS {
        let mut line = Line::new(version);
        assert!(line.ready());
        assert_eq!(line.host.version(), version);
        let token = line
            .host
            .command(GET_EUI64, &Record::new(), line.now)
            .unwrap();
        let expected = Record::new().with("eui64", Value::ieee(line.ncp.eui64));
        let answer = Event::Answer {
            token,
            answer: Ok(expected),
        };
        assert!(line.run(5, |event| *event == answer));
    }
}

#[test]
fn an_error_at_the_start_lost_acknowledgements_and_noise_cost_time_alone() {
    let mut line = Line::new(13);
    line.ncp.faults.errors_at_start = 2;
    assert!(line.ready());
    line.ncp.faults.lose_ack_every = 3;
    line.ncp.faults.noise_per_mille = 2;
    for _ in 0..40 {
        let token = line
            .host
            .command(GET_EUI64, &Record::new(), line.now)
            .unwrap();
        let answered = |event: &Event| matches!(event, Event::Answer { token: of, answer: Ok(_) } if *of == token);
        assert!(line.run(60, answered), "{:?}", line.events.last());
    }
}

#[test]
fn a_watchdog_reset_and_silence_are_told_and_the_next_start_works() {
    let mut line = Line::new(14);
    assert!(line.ready());
    line.ncp.watchdog(line.now);
    let restarted = Event::Lost(Failure::Link(LinkFailure::Restarted(3)));
    assert!(line.run(5, |event| *event == restarted));
    line.host.start(line.now);
    assert!(line.ready());

    line.ncp.faults.silent = true;
    let token = line
        .host
        .command(GET_EUI64, &Record::new(), line.now)
        .unwrap();
    assert!(line.run(30, |event| matches!(event, Event::Lost(_))));
    let lost = Event::Answer {
        token,
        answer: Err(CommandError::Lost),
    };
    assert!(line.events.contains(&lost), "whoever asked is answered");
    line.ncp.faults.silent = false;
    line.host.start(line.now);
    assert!(line.ready());
}

#[test]
fn a_silent_stick_is_noticed_without_a_command() {
    let mut line = Line::new(13);
    assert!(line.ready());
    line.ncp.faults.silent = true;
    assert!(line.run(40, |event| matches!(event, Event::Lost(_))));
}
