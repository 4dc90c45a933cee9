//! The reader against a simulated meter, in virtual time.

use super::super::identification::baud;
use super::*;
use crate::model::Telegram;
use crate::session::Parity;

/// A meter that hears and says something only at its own speed.
struct Meter {
    ident: &'static str,
    address: &'static str,
    block: Vec<u8>,
    baud: u32,
    /// Speed after the acknowledgement; the proposal when `None`.
    follows: Option<u32>,
    spoil: u8,
    /// From the acknowledgement to the data, in milliseconds.
    reaction: u64,
    answer: Option<(Instant, Vec<u8>)>,
    heard: Vec<(u32, Vec<u8>)>,
}

impl Meter {
    fn new(ident: &'static str) -> Self {
        Self {
            ident,
            address: "",
            block: encode::data_block("0.0.0(12345678)\r\n1.8.0(0000123.4*kWh)\r\n!\r\n"),
            baud: 300,
            follows: None,
            spoil: 0,
            reaction: 450,
            answer: None,
            heard: Vec::new(),
        }
    }

    fn hear(&mut self, bytes: &[u8], line: Line, now: Instant) {
        self.heard.push((line.baud, bytes.to_vec()));
        let request = encode::request(self.address);
        let later = |ms| now + Duration::from_millis(ms);
        if line.baud == 300 && (bytes == request || bytes == b"/?!\r\n") {
            self.baud = 300;
            let mut answer = self.ident.as_bytes().to_vec();
            let identification = Identification::parse(&answer).unwrap();
            match identification.mode {
                Mode::A => answer.extend(&self.block),
                Mode::B => {
                    self.answer = Some((later(300), answer));
                    return;
                }
                _ => {}
            }
            self.answer = Some((later(200), answer));
        } else if line.baud == self.baud && bytes.first() == Some(&0x06) {
            let code = char::from(bytes[2]);
            self.baud = self.follows.or(baud(code)).unwrap();
            self.answer = Some((later(self.reaction), self.data()));
        } else if line.baud == self.baud && bytes == [NAK] {
            self.answer = Some((later(200), self.data()));
        }
    }

    fn data(&mut self) -> Vec<u8> {
        let mut block = self.block.clone();
        if self.spoil > 0 {
            self.spoil -= 1;
            block[10] ^= 1;
        }
        block
    }
}

#[derive(Debug, PartialEq)]
enum Told {
    Telegram(Box<Telegram>),
    Rejected(String),
}

/// Runs reader and meter until `until` after the start; what was told, and when.
fn run(reader: &mut ReadoutReader, meter: &mut Meter, until: Duration) -> Vec<(Duration, Told)> {
    let start = Instant::now();
    let mut now = start;
    let mut line = reader.line();
    let mut told = Vec::new();
    reader.restart(now);
    loop {
        while let Some(action) = reader.poll_action() {
            match action {
                Action::SetLine(wanted) => line = wanted,
                Action::Send(bytes) => {
                    now += sending_time(bytes.len(), line.baud);
                    meter.hear(&bytes, line, now);
                }
                Action::Telegram(telegram) => told.push((now - start, Told::Telegram(telegram))),
                Action::Rejected(rejected) => {
                    told.push((now - start, Told::Rejected(rejected.reason)));
                }
                other => panic!("no part of this protocol: {other:?}"),
            }
        }
        let answer = meter.answer.as_ref().map(|(at, _)| *at);
        let next = [answer, reader.poll_timeout()].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next - start <= until) else {
            return told;
        };
        now = now.max(next);
        if answer == Some(next) {
            let (_, bytes) = meter.answer.take().unwrap();
            let understood = line.baud == meter.baud;
            // A mode B meter changes right behind its identification.
            if let Some(found) = Identification::parse(&bytes)
                && found.mode == Mode::B
            {
                meter.baud = found.baud().unwrap();
                meter.answer = Some((now + Duration::from_millis(400), meter.block.clone()));
            }
            for chunk in bytes.chunks(7) {
                let noise: Vec<u8> = chunk
                    .iter()
                    .map(|byte| byte.rotate_left(3) | 0x80)
                    .collect();
                reader.handle_input(if understood { chunk } else { &noise }, now);
            }
        } else {
            reader.handle_timeout(now);
        }
    }
}

fn energy(told: &[(Duration, Told)]) -> Vec<String> {
    let telegram = |(_, told): &(Duration, Told)| match told {
        Told::Telegram(telegram) => Some(telegram.clone()),
        Told::Rejected(_) => None,
    };
    let number = |telegram: Box<Telegram>| telegram.values.last()?.value.number();
    told.iter()
        .filter_map(telegram)
        .filter_map(number)
        .map(|n| n.to_string())
        .collect()
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn mode_a_stays_at_300() {
    let mut meter = Meter::new("/ABBXV9.00\r\n");
    let told = run(
        &mut ReadoutReader::new(Config::default()),
        &mut meter,
        MINUTE / 2,
    );
    assert_eq!(energy(&told), ["123400"]);
    assert_eq!(meter.heard, [(300, b"/?!\r\n".to_vec())]);
}

#[test]
fn mode_b_changes_without_an_acknowledgement() {
    let mut meter = Meter::new("/SIEC2WR5\r\n");
    let mut reader = ReadoutReader::new(Config::default());
    assert_eq!(
        energy(&run(&mut reader, &mut meter, MINUTE / 2)),
        ["123400"]
    );
    assert_eq!(meter.heard.len(), 1);
}

#[test]
fn mode_c_acknowledges_at_the_old_speed_for_any_gap() {
    for gap in [0, 20, 180, 400, 500, 60_000] {
        let mut meter = Meter::new("/ISk5MT174-0001\r\n");
        meter.reaction = 600;
        let config = Config {
            switch_gap: Some(Duration::from_millis(gap)),
            ..Config::default()
        };
        let told = run(&mut ReadoutReader::new(config), &mut meter, MINUTE / 2);
        let heard: Vec<_> = meter
            .heard
            .iter()
            .map(|(baud, bytes)| (*baud, bytes.as_slice()))
            .collect();
        assert_eq!(heard, [(300, &b"/?!\r\n"[..]), (300, b"\x06050\r\n")]);
        assert_eq!(energy(&told), ["123400"], "{gap} ms");
    }
}

#[test]
fn the_gap_is_kept_between_acknowledgement_and_change() {
    let mut reader = ReadoutReader::new(Config {
        switch_gap: Some(Duration::from_millis(400)),
        ..Config::default()
    });
    let start = Instant::now();
    reader.restart(start);
    reader.handle_timeout(start);
    while reader.poll_action().is_some() {}
    reader.handle_input(b"/?!\r\n/LGZ5\\2ZMD410\r\n", start);
    assert_eq!(
        reader.poll_action(),
        Some(Action::Send(b"\x06050\r\n".to_vec()))
    );
    // Six characters of ten bits at 300 Bd take 200 ms.
    let change = start + Duration::from_millis(600);
    assert_eq!(reader.poll_timeout(), Some(change));
    reader.handle_timeout(change - Duration::from_millis(1));
    assert_eq!(reader.poll_action(), None);
    reader.handle_timeout(change);
    let line = Line {
        baud: 9600,
        data_bits: 7,
        parity: Parity::Even,
    };
    assert_eq!(reader.poll_action(), Some(Action::SetLine(line)));
}

#[test]
fn readouts_repeat_with_their_period() {
    let mut meter = Meter::new("/ISk5MT174-0001\r\n");
    let mut reader = ReadoutReader::new(Config::default());
    let told = run(&mut reader, &mut meter, 10 * MINUTE);
    assert_eq!(energy(&told).len(), 10, "{told:?}");
    let times: Vec<u64> = told.iter().map(|(at, _)| at.as_secs() / 60).collect();
    assert_eq!(times, (0..10).collect::<Vec<_>>());
}

#[test]
fn an_address_is_asked_for() {
    let mut meter = Meter::new("/ISk5MT174-0001\r\n");
    meter.address = "12345678";
    let config = Config {
        address: "12345678".to_owned(),
        ..Config::default()
    };
    let told = run(&mut ReadoutReader::new(config), &mut meter, MINUTE / 2);
    assert_eq!(energy(&told), ["123400"]);
    assert_eq!(meter.heard[0].1, b"/?12345678!\r\n");
}

#[test]
fn a_wrong_check_is_asked_for_again() {
    let mut meter = Meter::new("/ISk5MT174-0001\r\n");
    meter.spoil = 2;
    let told = run(
        &mut ReadoutReader::new(Config::default()),
        &mut meter,
        MINUTE / 2,
    );
    assert_eq!(energy(&told), ["123400"]);
    assert_eq!(told.len(), 3, "two rejections and a telegram: {told:?}");

    let mut meter = Meter::new("/ISk5MT174-0001\r\n");
    meter.spoil = u8::MAX;
    let told = run(
        &mut ReadoutReader::new(Config::default()),
        &mut meter,
        MINUTE,
    );
    assert!(energy(&told).is_empty());
}

#[test]
fn a_meter_that_does_not_follow_is_read_slower() {
    let mut meter = Meter::new("/LGZ5\\2ZMD410\r\n");
    meter.follows = Some(2400);
    let mut reader = ReadoutReader::new(Config::default());
    let told = run(&mut reader, &mut meter, 5 * MINUTE);
    assert!(energy(&told).len() >= 3, "{told:?}");
    assert_eq!(reader.speed_limit(), 2400);
    let failures = told
        .iter()
        .filter(|(_, told)| matches!(told, Told::Rejected(_)))
        .count();
    assert!(failures < 10, "{told:?}");
}

#[test]
fn silence_is_told_and_tried_again() {
    let mut meter = Meter::new("/ISk5MT174-0001\r\n");
    meter.baud = 1;
    let config = Config {
        line: Line::seven_even(600),
        ..Config::default()
    };
    let told = run(&mut ReadoutReader::new(config), &mut meter, 2 * MINUTE);
    assert!(energy(&told).is_empty() && told.len() >= 10, "{told:?}");
}

#[test]
fn mode_d_only_listens() {
    let mut reader = ReadoutReader::new(Config::push());
    let now = Instant::now();
    reader.restart(now);
    assert_eq!(reader.line(), Line::seven_even(2400));
    for _ in 0..3 {
        reader.handle_input(b"/SIE32WR5\r\n1.8.0(1*kWh)", now);
        assert_eq!(reader.poll_action(), None);
        reader.handle_input(b"!\r\n", now);
        assert!(matches!(reader.poll_action(), Some(Action::Telegram(_))));
        assert_eq!((reader.poll_action(), reader.poll_timeout()), (None, None));
    }
}

/// A meter that answers while the reader still listens at the old speed: all that is heard is the
/// end, `0.4*V)` and `!` as it really was once, and no check covers it.
#[test]
fn a_readout_without_its_beginning_is_no_readout() {
    let mut reader = ReadoutReader::new(Config::default());
    let mut meter = Meter::new("/WSM5\\2SIM\r\n");
    meter.block = b"32.7.0(230.4*V)\r\n!\r\n".to_vec();
    let told = run(&mut reader, &mut meter, Duration::from_secs(20));
    assert!(!told.is_empty());
    for (_, told) in told {
        assert!(matches!(told, Told::Rejected(_)), "{told:?}");
    }
}
