//! A meter that answers requests by IEC 62056-21 (2002), mode C: sign-on at 300 baud, 7E1, an
//! agreed change of speed, a readout with its block check character, and its repetition on NAK.
//!
//! [`Dialogue`] is the meter's side without any port or clock; [`Meter`] runs it behind a pty. The
//! speed of the far end is read from the pty, and what is said at the wrong one is not understood,
//! in either direction. Programming mode is refused: the meter falls silent, as one without it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actor::{Handle, Pace};
use crate::household::Curve;
use crate::log::Log;
use crate::sml::unix_now;
use crate::uart::{self, Framing};

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
}

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
            State::ReadOut { baud, .. } => baud,
            _ => SIGN_ON_BAUD,
        }
    }

    /// When [`Dialogue::time_out`] is to be called, if nothing is heard.
    #[must_use]
    pub const fn waits_until(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Identified { until } | State::ReadOut { until, .. } => Some(until),
        }
    }

    /// Takes note that the far end has been silent until `now`.
    pub fn time_out(&mut self, now: Instant, unix_s: u64) -> Option<Answer> {
        match self.state {
            State::Identified { until } if now >= until => {
                Some(self.read_out(SIGN_ON_BAUD, now, unix_s))
            }
            State::ReadOut { until, .. } if now >= until => {
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
            _ => {
                self.state = State::Idle;
                None
            }
        }
    }

    fn read_out(&mut self, baud: u32, now: Instant, unix_s: u64) -> Answer {
        let energy = self.config.load.energy(unix_s);
        let sent = Sent {
            unix_s,
            import_wh: energy.import_in(3_600),
            export_wh: energy.export_in(3_600),
            power_w: self.config.load.power_w(unix_s),
            baud,
            sound: true,
            repeated: false,
        };
        self.block(baud, sent, now)
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
        let kwh = |wh: u64| format!("{:07}.{:03}*kWh", wh / 1_000, wh % 1_000);
        let kw = |w: i64| {
            let sign = if w < 0 { "-" } else { "" };
            let w = w.unsigned_abs();
            format!("{sign}{:02}.{:03}*kW", w / 1_000, w % 1_000)
        };
        let clock = sent.unix_s % 86_400;
        let mut text = String::with_capacity(256);
        for (address, value) in [
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
        ] {
            text.push_str(address);
            text.push('(');
            text.push_str(&value);
            text.push_str(")\r\n");
        }
        text
    }
}

const fn is_nth(count: u32, every: u32) -> bool {
    every != 0 && count.is_multiple_of(every)
}

fn duration(characters: usize, baud: u32) -> Duration {
    let characters = u32::try_from(characters).unwrap_or(u32::MAX);
    Duration::from_secs(1) * characters / (baud / uart::BITS_PER_CHARACTER).max(1)
}

/// A meter at work.
#[derive(Debug)]
pub struct Meter {
    handle: Handle,
    log: Arc<Log<Sent>>,
}

/// How long the meter looks at the line at a time.
const LOOK: Duration = Duration::from_millis(200);

impl Meter {
    /// Starts a meter whose port is at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(link: &Path, config: Config) -> io::Result<Self> {
        let log = Arc::new(Log::default());
        let notes = Arc::clone(&log);
        let pace = config.pace;
        let handle = Handle::start("iec62056-21-meter", link, move |wire| {
            let mut dialogue = Dialogue::new(config);
            let mut raw = Vec::new();
            loop {
                let until = dialogue.waits_until().unwrap_or(Instant::now() + LOOK);
                if !wire.wait(until.min(Instant::now() + LOOK), &mut raw) {
                    return;
                }
                let own = dialogue.listens_at();
                let far = wire.far_speed().unwrap_or(own);
                // A pty hands bytes over at once; on a line they take their time.
                let mut counted = if pace == Pace::Line { 0 } else { raw.len() };
                while raw.len() > counted {
                    let over = Instant::now() + duration(raw.len() - counted, far);
                    counted = raw.len();
                    while Instant::now() < over && raw.len() == counted {
                        if !wire.wait(over, &mut raw) {
                            return;
                        }
                    }
                }
                let heard = uart::heard(&raw, far, own, Framing::SevenEven);
                raw.clear();
                let now = Instant::now();
                let mut answer = heard
                    .iter()
                    .filter_map(|&byte| dialogue.hear(byte, now, unix_now()))
                    .last();
                if heard.is_empty() {
                    answer = dialogue.time_out(now, unix_now());
                }
                let Some(answer) = answer else { continue };
                while Instant::now() < now + answer.after {
                    // What is said while the meter is about to answer goes unheard.
                    if !wire.wait(now + answer.after, &mut raw) {
                        return;
                    }
                    raw.clear();
                }
                let meets = wire.is_open() && wire.far_speed() == Some(answer.baud);
                if !wire.send(&answer.bytes, answer.baud, Framing::SevenEven, pace) {
                    return;
                }
                if let Some(mut readout) = answer.readout {
                    readout.sound &= meets && wire.is_open();
                    notes.push(readout);
                }
            }
        })?;
        Ok(Self { handle, log })
    }

    /// The device: its path and its cable.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The readouts sent so far, oldest first; the oldest are forgotten after some thousands.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.log.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::household::{INSTALLED, Kind};

    fn dialogue(faults: Faults) -> Dialogue {
        Dialogue::new(Config {
            faults,
            ..Config::new(Curve::new(Kind::Constant { power_w: 360 }, 0))
        })
    }

    fn say(meter: &mut Dialogue, text: &[u8], now: Instant) -> Option<Answer> {
        let heard = text
            .iter()
            .map(|&byte| meter.hear(byte, now, INSTALLED + 36_000));
        heard.flatten().last()
    }

    #[test]
    fn signs_on_changes_speed_reads_out_and_repeats() {
        let (mut meter, now) = (dialogue(Faults::default()), Instant::now());
        assert!(say(&mut meter, b"/?00000001!\r\n", now).is_none());
        let answer = say(&mut meter, b"/?0087654321!\r\n", now).unwrap();
        assert_eq!(answer.bytes, b"/WSM5SIM-C1\r\n");
        assert_eq!((answer.baud, meter.listens_at()), (300, 300));

        let answer = say(&mut meter, b"\x06050\r\n", now).unwrap();
        assert_eq!((answer.baud, meter.listens_at()), (9600, 9600));
        let text = String::from_utf8(answer.bytes.clone()).unwrap();
        assert!(text.contains("1.8.0(0000003.600*kWh)\r\n"), "{text}");
        assert!(text.contains("16.7.0(00.360*kW)\r\n"), "{text}");
        // The block check character is the exclusive or of all after STX, so that together with
        // it nothing is left.
        assert_eq!(answer.bytes.first(), Some(&STX));
        assert_eq!(answer.bytes[1..].iter().fold(0, |sum, b| sum ^ b), 0);

        let again = say(&mut meter, &[NAK], now).unwrap();
        assert_eq!(again.bytes, answer.bytes);
        assert!(again.readout.unwrap().repeated);
        let late = now + Duration::from_secs(60);
        assert!(meter.time_out(late, INSTALLED).is_none());
        assert_eq!(meter.listens_at(), 300);
    }

    #[test]
    fn without_an_acknowledgement_it_reads_out_at_300() {
        let (mut meter, now) = (dialogue(Faults::default()), Instant::now());
        say(&mut meter, b"/?!\r\n", now).unwrap();
        assert!(meter.time_out(now, INSTALLED).is_none());
        let late = meter.waits_until().unwrap();
        assert_eq!(meter.time_out(late, INSTALLED).unwrap().baud, 300);
    }

    #[test]
    fn faults_come_when_they_should() {
        let now = Instant::now();
        let mut meter = dialogue(Faults {
            wrong_bcc_every: 2,
            silent_every: 3,
            keeps_its_speed: true,
        });
        say(&mut meter, b"/?!\r\n", now).unwrap();
        let first = say(&mut meter, b"\x06050\r\n", now).unwrap();
        assert_eq!((first.baud, first.readout.unwrap().sound), (300, true));
        assert!(!say(&mut meter, &[NAK], now).unwrap().readout.unwrap().sound);
        say(&mut meter, b"/?!\r\n", now).unwrap();
        assert!(say(&mut meter, b"/?!\r\n", now).is_none());
        assert!(say(&mut meter, b"\x06050\r\n", now).is_none());
    }
}
