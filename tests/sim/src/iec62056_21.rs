//! A meter that answers requests by IEC 62056-21 (2002), mode C: sign-on at 300 baud, 7E1, an
//! agreed change of speed, a readout with its block check character, and its repetition on NAK.
//!
//! [`Dialogue`] is the meter's side without any port or clock; [`Meter`] runs it behind a pty. The
//! speed of the far end is read from the pty, and what is said at the wrong one is not understood,
//! in either direction. Without a password the meter has no programming mode and falls silent when
//! asked for it; with one it has [`programming`].

mod meter;
pub mod programming;

use std::time::{Duration, Instant};

use crate::actor::Pace;
use crate::household::Curve;
use crate::uart;
pub use meter::Meter;
use programming::{Inside, Reply};

/// The speed of the sign-on (clause 6.3.14, identification character 0).
pub const SIGN_ON_BAUD: u32 = 300;

const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;

/// What goes wrong, on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Every n-th readout has a wrong block check character; 0 for none.
    pub wrong_bcc_every: u32,
    /// Every n-th request is not answered; 0 for none.
    pub silent_every: u32,
    /// Proposes its speed, and stays at 300 baud all the same.
    pub keeps_its_speed: bool,
}

/// What a meter is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Three letters of the maker. A small third letter promises an answer from 20 ms on, a
    /// capital one from 200 ms on (clause 6.3.2); the meter takes a little longer.
    pub manufacturer: [u8; 3],
    /// What follows the speed in the identification, at most 16 characters.
    pub identification: String,
    /// The device address, which is the number on the nameplate.
    pub address: String,
    /// The speed it proposes, as a character `0` to `6`: 300, 600, 1,200 … 19,200 baud.
    pub speed: char,
    /// What lets a reader into programming mode; `None` for a meter without.
    pub password: Option<String>,
    /// How fast bytes leave.
    pub pace: Pace,
    /// What goes wrong.
    pub faults: Faults,
    /// What it counts.
    pub load: Curve,
}

impl Config {
    /// A meter of the maker `WSM` with number 87654321 that proposes 9,600 baud.
    #[must_use]
    pub fn new(load: Curve) -> Self {
        Self {
            manufacturer: *b"WSM",
            identification: "SIM-C1".to_owned(),
            address: "87654321".to_owned(),
            speed: '5',
            password: None,
            pace: Pace::Line,
            faults: Faults::default(),
            load,
        }
    }

    fn reaction(&self) -> Duration {
        let [_, _, third] = self.manufacturer;
        Duration::from_millis(if third.is_ascii_lowercase() { 30 } else { 250 })
    }
}

/// The speed behind an identification character of modes C and E.
#[must_use]
pub const fn baud(character: char) -> Option<u32> {
    Some(match character {
        '0' => 300,
        '1' => 600,
        '2' => 1_200,
        '3' => 2_400,
        '4' => 4_800,
        '5' => 9_600,
        '6' => 19_200,
        _ => return None,
    })
}

/// A readout that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The second it belongs to, in Unix seconds.
    pub unix_s: u64,
    /// 1.8.0 in watt-hours.
    pub import_wh: u64,
    /// 2.8.0 in watt-hours.
    pub export_wh: u64,
    /// 16.7.0 in watts.
    pub power_w: i64,
    /// The speed at which it was sent.
    pub baud: u32,
    /// Whether the block check character was right, and the far end at the same speed.
    pub sound: bool,
    /// Whether it was a repetition after NAK.
    pub repeated: bool,
}

/// What the meter says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The characters.
    pub bytes: Vec<u8>,
    /// The speed to send them at.
    pub baud: u32,
    /// The silence before.
    pub after: Duration,
    /// The truth, if it is a readout.
    pub readout: Option<Sent>,
}

#[derive(Clone, Debug)]
enum State {
    /// Waits for a request at 300 baud.
    Idle,
    /// Has identified itself; without an acknowledgement it reads out at 300 baud (mode C, a).
    Identified { until: Instant },
    /// Has sent a readout and would send it again.
    ReadOut {
        until: Instant,
        baud: u32,
        last: Sent,
    },
    /// In programming mode.
    Inside {
        until: Instant,
        baud: u32,
        inside: Inside,
    },
}

/// How long the meter stays in programming mode without hearing anything.
const PROGRAMMING_TIME: Duration = Duration::from_secs(60);

/// How long the meter waits for the reader (clause 6.4.3.2: 1,500 to 2,200 ms).
const READER_TIME: Duration = Duration::from_millis(2_200);

/// The meter's side of the conversation.
#[derive(Clone, Debug)]
pub struct Dialogue {
    config: Config,
    state: State,
    line: Vec<u8>,
    requests: u32,
    readouts: u32,
}

impl Dialogue {
    /// A meter that waits for a request.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Idle,
            line: Vec::new(),
            requests: 0,
            readouts: 0,
        }
    }

    /// The speed at which the meter listens.
    #[must_use]
    pub const fn listens_at(&self) -> u32 {
        match self.state {
            State::ReadOut { baud, .. } | State::Inside { baud, .. } => baud,
            _ => SIGN_ON_BAUD,
        }
    }

    /// When [`Dialogue::time_out`] is to be called, if nothing is heard.
    #[must_use]
    pub const fn waits_until(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Identified { until }
            | State::ReadOut { until, .. }
            | State::Inside { until, .. } => Some(until),
        }
    }

    /// Takes note that the far end has been silent until `now`.
    pub fn time_out(&mut self, now: Instant, unix_s: u64) -> Option<Answer> {
        match self.state {
            State::Identified { until } if now >= until => {
                Some(self.read_out(SIGN_ON_BAUD, now, unix_s))
            }
            State::ReadOut { until, .. } | State::Inside { until, .. } if now >= until => {
                self.state = State::Idle;
                self.line.clear();
                None
            }
            _ => None,
        }
    }

    /// Hears one character.
    pub fn hear(&mut self, byte: u8, now: Instant, unix_s: u64) -> Option<Answer> {
        let byte = byte & 0x7F;
        if let State::ReadOut { baud, last, .. } = &self.state
            && byte == NAK
        {
            let (baud, last) = (*baud, *last);
            return Some(self.repeat(baud, last, now));
        }
        if let State::Inside { .. } = self.state {
            return self.inside(byte, now, unix_s);
        }
        // A line begins with a slash or an acknowledgement, whatever came before.
        if byte == b'/' || byte == ACK {
            self.line.clear();
        }
        if self.line.len() < 64 {
            self.line.push(byte);
        }
        if !self.line.ends_with(b"\r\n") {
            return None;
        }
        let line = std::mem::take(&mut self.line);
        match line.as_slice() {
            [b'/', b'?', address @ .., b'!', b'\r', b'\n'] if self.is_for_me(address) => {
                self.sign_on(now)
            }
            [ACK, protocol, speed, what, b'\r', b'\n'] => {
                let choice = (*protocol, char::from(*speed), *what);
                self.acknowledged(choice, now, unix_s)
            }
            _ => None,
        }
    }

    /// An empty request is for any meter; leading zeros of an address do not count (clause
    /// 6.3.13).
    fn is_for_me(&self, address: &[u8]) -> bool {
        let bare =
            |text: &[u8]| -> Vec<u8> { text.iter().copied().skip_while(|&c| c == b'0').collect() };
        address.is_empty() || bare(address) == bare(self.config.address.as_bytes())
    }

    fn sign_on(&mut self, now: Instant) -> Option<Answer> {
        self.requests += 1;
        self.state = State::Idle;
        if is_nth(self.requests, self.config.faults.silent_every) {
            return None;
        }
        let mut bytes = vec![b'/'];
        bytes.extend_from_slice(&self.config.manufacturer);
        bytes.extend(self.config.speed.to_string().bytes());
        bytes.extend(self.config.identification.bytes().take(16));
        bytes.extend_from_slice(b"\r\n");
        let after = self.config.reaction();
        let until = now + after + duration(bytes.len(), SIGN_ON_BAUD) + READER_TIME;
        self.state = State::Identified { until };
        Some(Answer {
            bytes,
            baud: SIGN_ON_BAUD,
            after,
            readout: None,
        })
    }

    fn acknowledged(
        &mut self,
        (protocol, speed, what): (u8, char, u8),
        now: Instant,
        unix_s: u64,
    ) -> Option<Answer> {
        let State::Identified { .. } = self.state else {
            return None;
        };
        let agreed = baud(speed).filter(|_| ('0'..=self.config.speed).contains(&speed));
        match (protocol, what, agreed) {
            (b'0', b'0', Some(baud)) if !self.config.faults.keeps_its_speed => {
                Some(self.read_out(baud, now, unix_s))
            }
            (b'0', b'0', _) => Some(self.read_out(SIGN_ON_BAUD, now, unix_s)),
            (b'0', b'1', Some(baud)) if self.config.password.is_some() => {
                let password = self.config.password.clone().unwrap_or_default();
                self.state = State::Inside {
                    until: now + PROGRAMMING_TIME,
                    baud,
                    inside: Inside::new(&password),
                };
                Some(self.said(programming::greeting(), baud))
            }
            _ => {
                self.state = State::Idle;
                None
            }
        }
    }

    fn said(&self, bytes: Vec<u8>, baud: u32) -> Answer {
        Answer {
            bytes,
            baud,
            after: self.config.reaction(),
            readout: None,
        }
    }

    fn inside(&mut self, byte: u8, now: Instant, unix_s: u64) -> Option<Answer> {
        let sent = self.reading(unix_s, 0);
        let values = self.values(&sent);
        let State::Inside {
            until,
            baud,
            inside,
        } = &mut self.state
        else {
            return None;
        };
        *until = now + PROGRAMMING_TIME;
        let baud = *baud;
        let value = |wanted: &str| {
            let mut values = values.iter();
            let (_, value) = values.find(|(address, _)| *address == wanted)?;
            Some(value.clone())
        };
        match inside.hear(byte, &mut self.config.load, unix_s, value) {
            Reply::None => None,
            Reply::Answer(bytes) => Some(self.said(bytes, baud)),
            Reply::Over(bytes) => {
                self.state = State::Idle;
                (!bytes.is_empty()).then(|| self.said(bytes, baud))
            }
        }
    }

    fn read_out(&mut self, baud: u32, now: Instant, unix_s: u64) -> Answer {
        let sent = self.reading(unix_s, baud);
        self.block(baud, sent, now)
    }

    fn reading(&mut self, unix_s: u64, baud: u32) -> Sent {
        let energy = self.config.load.energy(unix_s);
        Sent {
            unix_s,
            import_wh: energy.import_in(3_600),
            export_wh: energy.export_in(3_600),
            power_w: self.config.load.power_w(unix_s),
            baud,
            sound: true,
            repeated: false,
        }
    }

    /// The same values once more, in a block of their own.
    fn repeat(&mut self, baud: u32, last: Sent, now: Instant) -> Answer {
        let again = Sent {
            repeated: true,
            ..last
        };
        self.block(baud, again, now)
    }

    fn block(&mut self, baud: u32, mut sent: Sent, now: Instant) -> Answer {
        self.readouts += 1;
        sent.sound = !is_nth(self.readouts, self.config.faults.wrong_bcc_every);
        let mut bytes = vec![STX];
        bytes.extend_from_slice(self.data_lines(&sent).as_bytes());
        bytes.extend_from_slice(b"!\r\n");
        bytes.push(ETX);
        let bcc = bytes.iter().skip(1).fold(0, |sum, byte| sum ^ byte) & 0x7F;
        bytes.push(if sent.sound { bcc } else { bcc ^ 0x15 });
        let after = self.config.reaction();
        self.state = State::ReadOut {
            until: now + after + duration(bytes.len(), baud) + READER_TIME,
            baud,
            last: sent,
        };
        Answer {
            bytes,
            baud,
            after,
            readout: Some(sent),
        }
    }

    fn data_lines(&self, sent: &Sent) -> String {
        let lines = self.values(sent).into_iter();
        lines
            .map(|(address, value)| format!("{address}({value})\r\n"))
            .collect()
    }

    /// The data sets of a readout.
    fn values(&self, sent: &Sent) -> [(&'static str, String); 7] {
        let kwh = |wh: u64| format!("{:07}.{:03}*kWh", wh / 1_000, wh % 1_000);
        let kw = |w: i64| {
            let sign = if w < 0 { "-" } else { "" };
            let w = w.unsigned_abs();
            format!("{sign}{:02}.{:03}*kW", w / 1_000, w % 1_000)
        };
        let clock = sent.unix_s % 86_400;
        [
            ("F.F", "00000000".to_owned()),
            ("0.0.0", self.config.address.clone()),
            (
                "0.9.1",
                format!(
                    "{:02}:{:02}:{:02}",
                    clock / 3_600,
                    clock / 60 % 60,
                    clock % 60
                ),
            ),
            ("1.8.0", kwh(sent.import_wh)),
            ("2.8.0", kwh(sent.export_wh)),
            ("16.7.0", kw(sent.power_w)),
            ("32.7.0", "230.4*V".to_owned()),
        ]
    }
}

const fn is_nth(count: u32, every: u32) -> bool {
    every != 0 && count.is_multiple_of(every)
}

fn duration(characters: usize, baud: u32) -> Duration {
    let characters = u32::try_from(characters).unwrap_or(u32::MAX);
    Duration::from_secs(1) * characters / (baud / uart::BITS_PER_CHARACTER).max(1)
}

#[cfg(test)]
mod tests;
