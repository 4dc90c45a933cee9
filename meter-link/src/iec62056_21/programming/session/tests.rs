//! The reader against a simulated meter, in virtual time.

use super::*;

/// A meter of mode C that knows a password, some data sets and a profile in blocks.
struct Meter {
    password: &'static str,
    baud: u32,
    /// Speed after the acknowledgement, if not as agreed.
    follows: Option<u32>,
    inside: bool,
    blocks: Vec<&'static str>,
    next_block: usize,
    last: Vec<u8>,
    spoil: u8,
    /// Says nothing to so many commands.
    deaf: u8,
    naks: u8,
    echo: bool,
    heard: Vec<(u32, Vec<u8>)>,
    written: Vec<String>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            password: "00000000",
            baud: 300,
            follows: None,
            inside: false,
            blocks: vec![
                "P.01(0260301001500)(00)(15)(1)(1.5)(kW)\r\n(0.1)\r\n",
                "(0.2)\r\n(0.3)\r\n",
                "(0.4)\r\n",
            ],
            next_block: 0,
            last: Vec::new(),
            spoil: 0,
            deaf: 0,
            naks: 0,
            echo: false,
            heard: Vec::new(),
            written: Vec::new(),
        }
    }
}

fn block(data: &str, end: u8) -> Vec<u8> {
    let mut bytes = vec![0x02];
    bytes.extend(data.as_bytes());
    bytes.push(end);
    let check = encode::block_check(&bytes[1..]);
    bytes.push(check);
    bytes
}

impl Meter {
    /// What it answers, if it hears at all.
    fn hear(&mut self, bytes: &[u8], line: Line) -> Vec<u8> {
        self.heard.push((line.baud, bytes.to_vec()));
        if line.baud == 300 && bytes.starts_with(b"/?") {
            self.baud = 300;
            self.inside = false;
            return b"/ISk5MT174-0001\r\n".to_vec();
        }
        if line.baud != self.baud {
            return Vec::new();
        }
        if bytes.first() == Some(&ACK) && bytes.len() == 6 {
            assert_eq!(bytes[3], b'1', "programming is asked for");
            let agreed = super::super::super::identification::baud(char::from(bytes[2]));
            self.baud = self.follows.or(agreed).unwrap();
            self.last = encode::command("P0", "(4711)");
            return self.last.clone();
        }
        if self.deaf > 0 {
            self.deaf -= 1;
            return Vec::new();
        }
        let mut answer = match bytes {
            [NAK] => self.last.clone(),
            [ACK] => self.block(),
            _ if self.naks > 0 => {
                self.naks -= 1;
                return vec![NAK];
            }
            _ => self.command(bytes),
        };
        self.last.clone_from(&answer);
        if self.spoil > 0 {
            self.spoil -= 1;
            if let Some(byte) = answer.get_mut(3) {
                *byte ^= 1;
            }
        }
        answer
    }

    fn block(&mut self) -> Vec<u8> {
        let data = self.blocks[self.next_block];
        self.next_block += 1;
        let end = if self.next_block == self.blocks.len() {
            0x03
        } else {
            0x04
        };
        block(data, end)
    }

    fn command(&mut self, bytes: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let password = format!("({})", self.password);
        match text.get(1..3) {
            Some("P1") if text.contains(&password) => {
                self.inside = true;
                vec![ACK]
            }
            Some("P1") => encode::command("B0", ""),
            Some("B0") => Vec::new(),
            _ if !self.inside => block("(ER04)", 0x03),
            Some("R1") if text.contains("1.8.0()") => block("1.8.0(0000123.4*kWh)", 0x03),
            Some("R5") => block("P.01(0260301001500)(00)(15)(1)(1.5)(kW)(0.7)", 0x03),
            Some("R6") => {
                self.next_block = 0;
                self.block()
            }
            Some("W1") => {
                self.written.push(text[4..text.len() - 2].to_owned());
                vec![ACK]
            }
            _ => block("(ER05)", 0x03),
        }
    }
}

/// Runs both to the end; the outcomes, and how long it took.
fn run(session: &mut Programming, meter: &mut Meter) -> (Vec<Outcome>, Duration) {
    let start = Instant::now();
    let mut now = start;
    let mut line = session.line();
    let mut answer: Option<(Instant, Vec<u8>)> = None;
    let mut outcomes = Vec::new();
    session.restart(now);
    loop {
        while let Some(action) = session.poll_action() {
            match action {
                Action::SetLine(wanted) => line = wanted,
                Action::Send(bytes) => {
                    now += sending_time(bytes.len(), line.baud);
                    let said = meter.hear(&bytes, line);
                    // The meter changes its speed 300 ms after the acknowledgement.
                    let mut heard = if meter.echo { bytes } else { Vec::new() };
                    heard.extend(said);
                    answer = Some((now + Duration::from_millis(300), heard));
                }
                Action::Rejected(_) => {}
                other => panic!("{other:?}"),
            }
        }
        outcomes.extend(std::iter::from_fn(|| session.poll_outcome()));
        if session.is_over() {
            return (outcomes, now - start);
        }
        let due = answer.as_ref().map(|(at, _)| *at);
        let next = [due, session.poll_timeout()].into_iter().flatten().min();
        now = now.max(next.expect("something is to come"));
        if due.is_some_and(|due| due <= now) {
            let (_, bytes) = answer.take().unwrap();
            for chunk in bytes.chunks(5) {
                let noise: Vec<u8> = chunk.iter().map(|byte| byte | 0x80).collect();
                let fits = line.baud == meter.baud || bytes.starts_with(b"/");
                session.handle_input(if fits { chunk } else { &noise }, now);
            }
        } else {
            session.handle_timeout(now);
        }
        assert!(now - start < Duration::from_secs(600), "it ends");
    }
}

fn read(set: &str) -> Task {
    Task::Read {
        kind: 1,
        set: set.to_owned(),
    }
}

fn p1(password: &str) -> Access {
    Access::P1(Password::new(password).unwrap())
}

fn session(tasks: Vec<Task>) -> Programming {
    Programming::new(Config::default(), p1("00000000"), tasks)
}

#[test]
fn a_password_a_register_a_clock_and_a_profile() {
    let mut meter = Meter::default();
    let write = Task::Write {
        kind: 1,
        set: "0.9.1(123456)".to_owned(),
    };
    let tasks = vec![
        read("1.8.0()"),
        write,
        Task::profile(true, "", ""),
        read("9.9.9()"),
    ];
    let mut session = session(tasks);
    let (outcomes, _) = run(&mut session, &mut meter);
    assert_eq!(session.operand(), Some("(4711)"));
    let energy = &outcomes[0].result.as_ref().unwrap()[0];
    assert_eq!(
        (energy.address.as_str(), energy.groups[0].value.as_str()),
        ("1.8.0", "0000123.4")
    );
    assert_eq!(outcomes[1].result, Ok(Vec::new()));
    assert_eq!(meter.written, ["0.9.1(123456)"]);
    let profile = super::super::Profile::read(outcomes[2].result.as_ref().unwrap()).unwrap();
    assert_eq!(profile.rows.len(), 4);
    let code = "ER05".to_owned();
    assert_eq!(outcomes[3].result, Err(Refusal::Error { code }));
    // The frames of the second implementation, at the agreed speed; and leave was taken.
    let sent: Vec<_> = meter
        .heard
        .iter()
        .map(|(baud, bytes)| (*baud, bytes.as_slice()))
        .collect();
    assert_eq!(sent[1], (300, &b"\x06051\r\n"[..]));
    assert_eq!(sent[2], (9600, &b"\x01P1\x02(00000000)\x03a"[..]));
    assert_eq!(sent[3], (9600, &b"\x01R1\x021.8.0()\x03\x5a"[..]));
    assert_eq!(sent.last(), Some(&(9600, &b"\x01B0\x03q"[..])));
}

#[test]
fn damage_refusals_and_silence_are_repeated() {
    type Fault = fn(&mut Meter);
    let cases: [(Fault, bool); 7] = [
        (|meter| meter.spoil = 2, true),
        (|meter| meter.naks = 2, true),
        (|meter| meter.echo = true, true),
        (|meter| meter.password = "12345678", false),
        (|meter| meter.spoil = 200, false),
        (|meter| meter.naks = 200, false),
        (|meter| meter.deaf = 200, false),
    ];
    for (index, (fault, works)) in cases.into_iter().enumerate() {
        let mut meter = Meter::default();
        fault(&mut meter);
        let mut session = session(vec![read("1.8.0()"), Task::profile(false, "", "")]);
        let (outcomes, took) = run(&mut session, &mut meter);
        assert_eq!(outcomes.len(), 2);
        let all = outcomes.iter().all(|outcome| outcome.result.is_ok());
        assert_eq!(all, works, "{index}: {outcomes:?}");
        assert!(took < Duration::from_secs(60), "{index}: {took:?}");
    }
}

#[test]
fn a_wrong_password_is_told() {
    let mut session = Programming::new(Config::default(), p1("7"), vec![read("1.8.0()")]);
    let (outcomes, _) = run(&mut session, &mut Meter::default());
    assert_eq!(outcomes[0].result, Err(Refusal::Ended));
    assert!(!format!("{session:?} {:?}", p1("secret")).contains("secret"));
}

#[test]
fn blocks_are_asked_for_again_one_by_one() {
    let mut meter = Meter::default();
    let mut session = session(vec![Task::profile(true, "", "")]);
    meter.spoil = 1;
    let (outcomes, _) = run(&mut session, &mut meter);
    let sets = outcomes[0].result.as_ref().unwrap();
    assert_eq!(super::super::Profile::read(sets).unwrap().rows.len(), 4);
}

#[test]
fn a_meter_that_does_not_follow_is_spoken_to_slower() {
    let mut meter = Meter {
        follows: Some(4800),
        ..Meter::default()
    };
    let mut session = session(vec![read("1.8.0()")]);
    let (outcomes, _) = run(&mut session, &mut meter);
    assert!(outcomes[0].result.is_ok(), "{outcomes:?}");
    assert!(meter.heard.iter().any(|(baud, _)| *baud == 4800));
}

#[test]
fn the_gap_is_the_one_that_was_set() {
    for gap in [0, 20, 400, 500, 9_000] {
        let config = Config {
            switch_gap: Some(Duration::from_millis(gap)),
            ..Config::default()
        };
        let mut session = Programming::new(config, Access::Open, vec![read("1.8.0()")]);
        let start = Instant::now();
        session.restart(start);
        session.handle_timeout(start);
        session.handle_input(b"/ISk5MT174-0001\r\n", start);
        // Six characters of ten bits at 300 Bd take 200 ms.
        let due = start + Duration::from_millis(200 + gap.min(500));
        assert_eq!(session.poll_timeout(), Some(due));
    }
}

#[test]
fn no_meter_and_no_command() {
    let mut meter = Meter {
        baud: 1,
        ..Meter::default()
    };
    let config = Config {
        line: Line::seven_even(600),
        ..Config::default()
    };
    let mut session = Programming::new(config, Access::Open, vec![read("1.8.0()")]);
    let (outcomes, took) = run(&mut session, &mut meter);
    assert!(matches!(outcomes[0].result, Err(Refusal::SignOn { .. })));
    assert!(took < Duration::from_secs(30));
    for (kind, set) in [
        (0, "1.8.0()"),
        (7, "1.8.0()"),
        (1, "1.8.0"),
        (1, "1.8.0(\u{3})"),
    ] {
        let set = set.to_owned();
        assert!(!Task::Read { kind, set }.is_sound());
    }
    for password in ["", "(x)", "a b", "123456789012345678901234567890123"] {
        assert_eq!(Password::new(password), None);
    }
}
