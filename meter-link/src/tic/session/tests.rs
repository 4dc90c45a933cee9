use super::*;
use crate::tic::encode;

/// A meter and a listener on a line in virtual time: what is said at one speed is heard at
/// another as so much noise.
struct Bench {
    listener: Listener,
    now: Instant,
    line: Line,
    meter: Mode,
    telegrams: Vec<(Option<String>, usize)>,
    rejected: Vec<String>,
    changes: Vec<u32>,
}

impl Bench {
    fn new(meter: Mode, start: Mode) -> Self {
        let mut listener = Listener::new(Config {
            start,
            ..Config::default()
        });
        let now = Instant::now();
        let line = listener.line();
        listener.restart(now);
        Self {
            listener,
            now,
            line,
            meter,
            telegrams: Vec::new(),
            rejected: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// The meter sends `bytes`, one character of ten bits after another.
    fn send(&mut self, bytes: &[u8]) {
        let sent_at = self.meter.baud();
        for byte in bytes {
            self.now += Duration::from_secs(10) / sent_at;
            let heard = match self.line.baud == sent_at {
                true => *byte,
                false => byte.wrapping_mul(181) & 0x7F,
            };
            self.pass_time();
            self.listener.handle_input(&[heard], self.now);
            self.act();
        }
    }

    fn silence(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / 100 {
            self.now += Duration::from_millis(100);
            self.pass_time();
        }
    }

    fn pass_time(&mut self) {
        if self
            .listener
            .poll_timeout()
            .is_some_and(|at| at <= self.now)
        {
            self.listener.handle_timeout(self.now);
            self.act();
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.listener.poll_action() {
            match action {
                Action::SetLine(line) => {
                    self.line = line;
                    self.changes.push(line.baud);
                }
                Action::Telegram(telegram) => {
                    let meter = telegram.meter.map(|id| id.to_string());
                    self.telegrams.push((meter, telegram.values.len()));
                }
                Action::Rejected(rejected) => self.rejected.push(rejected.reason),
                other => panic!("a listener sends nothing: {other:?}"),
            }
        }
    }
}

const ADDRESS: &str = "021234567890";

fn frame(mode: Mode, address: &str) -> Vec<u8> {
    let mut frame = encode::Frame::new(mode);
    match mode {
        Mode::Historic => frame
            .group("ADCO", address)
            .group("BASE", "001234567")
            .group("PAPP", "00750"),
        Mode::Standard => frame
            .group("ADSC", address)
            .group("EAST", "001234567")
            .group("SINSTS", "00750"),
    };
    frame.to_bytes()
}

#[test]
fn the_speed_is_found_from_either_side() {
    for meter in [Mode::Historic, Mode::Standard] {
        for start in [Mode::Historic, Mode::Standard] {
            let mut bench = Bench::new(meter, start);
            let begun = bench.now;
            while bench.telegrams.is_empty() {
                bench.send(&frame(meter, ADDRESS));
                assert!(
                    bench.now - begun < Duration::from_secs(15),
                    "{meter:?} {start:?}"
                );
            }
            let changes: &[u32] = if meter == start { &[] } else { &[meter.baud()] };
            assert_eq!(bench.changes, changes);
            assert_eq!(bench.telegrams.last(), Some(&(Some(ADDRESS.to_owned()), 2)));
            assert_eq!(bench.listener.line(), Line::seven_even(meter.baud()));
        }
    }
}

#[test]
fn a_meter_that_changes_its_mode_is_found_again() {
    let mut bench = Bench::new(Mode::Historic, Mode::Historic);
    bench.send(&frame(Mode::Historic, ADDRESS));
    bench.silence(Duration::from_secs(30));
    assert!(
        bench.changes.is_empty(),
        "a silent half-minute is no reason to search"
    );
    bench.meter = Mode::Standard;
    let told = bench.telegrams.len();
    while bench.telegrams.len() == told {
        bench.send(&frame(Mode::Standard, ADDRESS));
    }
    assert_eq!(bench.changes, [9_600]);
}

#[test]
fn a_silent_line_is_tried_at_both_speeds() {
    let mut bench = Bench::new(Mode::Standard, Mode::Standard);
    bench.silence(Duration::from_secs(45));
    assert_eq!(bench.changes, [1_200, 9_600, 1_200, 9_600]);
    assert!(bench.telegrams.is_empty());
}

#[test]
fn a_reopened_port_begins_at_the_speed_that_was_found() {
    let mut bench = Bench::new(Mode::Historic, Mode::Standard);
    while bench.telegrams.is_empty() {
        bench.send(&frame(Mode::Historic, ADDRESS));
    }
    bench.listener.restart(bench.now);
    assert_eq!(bench.listener.line(), Line::seven_even(1_200));
}

#[test]
fn a_frame_that_lost_its_address_is_the_meters() {
    let mut bench = Bench::new(Mode::Standard, Mode::Standard);
    let mut nameless = frame(Mode::Standard, ADDRESS);
    let at = nameless
        .windows(12)
        .position(|w| w == ADDRESS.as_bytes())
        .unwrap();
    nameless[at] = b'9';
    bench.send(&nameless);
    assert!(bench.telegrams.is_empty(), "nobody's");
    bench.send(&frame(Mode::Standard, ADDRESS));
    bench.send(&nameless);
    let whose = (Some(ADDRESS.to_owned()), 2);
    assert_eq!(bench.telegrams, [whose.clone(), whose]);
}

#[test]
fn another_address_must_be_said_twice() {
    let other = "999999999999";
    let mut bench = Bench::new(Mode::Standard, Mode::Standard);
    for address in [ADDRESS, other, ADDRESS, other, other, other] {
        bench.send(&frame(Mode::Standard, address));
    }
    let whose: Vec<_> = bench
        .telegrams
        .iter()
        .filter_map(|(id, _)| id.as_deref())
        .collect();
    assert_eq!(whose, [ADDRESS, ADDRESS, other, other]);
}
