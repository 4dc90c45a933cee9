//! A simulated meter of the American standards: C12.18 through an optical head, C12.21 behind a
//! modem, with C12.19 tables; [`network`] puts the same meter behind C12.22.
//!
//! termineter reads it, which has nothing of meter-link in it (`tests/c12/run`). It counts watt-
//! hours delivered and received, keeps a demand of the last quarter of an hour, tells power and
//! voltage, and has a load profile of eight days.

pub mod network;
mod tables;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use meter_link::c12::client::Dialect;
use meter_link::c12::link::{self, Event, Link};
use meter_link::c12::service::{Request, ResponseCode, Timing, baud, checksum};

use crate::actor::Pace;
use crate::at_work::AtWork;
use crate::household::Curve;
use crate::sml::unix_now;
use crate::uart::{self, Framing};

pub use tables::{PROFILE_DAYS, ProfileRow, Reading};

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Every n-th transmission has a wrong bit at its end; 0 for none.
    pub damage_every: u32,
    /// Every n-th transmission is lost; 0 for none.
    pub lose_every: u32,
    /// Every n-th read is answered with "device busy"; 0 for none.
    pub busy_every: u32,
}

/// What a meter is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Optical port, or behind a modem.
    pub dialect: Dialect,
    /// Number of the device; 0 on an optical port.
    pub identity: u8,
    /// Maker, four characters.
    pub manufacturer: String,
    /// Serial number, up to 16 characters.
    pub serial: String,
    /// What opens writing.
    pub password: String,
    /// Numbers in tables have their most significant octet first.
    pub big_endian: bool,
    /// The meter tells what its sources measure (tables 11, 12 and 16).
    pub units: bool,
    /// The fastest speed it agrees to, as a code of the negotiate service.
    pub baud_code: u8,
    /// Octets of the longest packet it agrees to.
    pub packet_size: u16,
    /// It asks for the authentication service of C12.21.
    pub wants_des: bool,
    /// How fast bytes leave.
    pub pace: Pace,
    /// What goes wrong.
    pub faults: Faults,
    /// What it counts.
    pub load: Curve,
}

impl Config {
    /// An optical meter of the maker `WSM` with number 1234567890.
    #[must_use]
    pub fn new(load: Curve) -> Self {
        Self {
            dialect: Dialect::C12_18,
            identity: 0,
            manufacturer: "WSM".to_owned(),
            serial: "1234567890".to_owned(),
            password: "SECRET".to_owned(),
            big_endian: false,
            units: true,
            baud_code: 6,
            packet_size: 512,
            wants_des: false,
            pace: Pace::Line,
            faults: Faults::default(),
            load,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Base,
    Identified,
    Session { secure: bool },
}

/// The application of a meter: services in, answers out.
#[derive(Clone, Debug)]
pub struct Application {
    config: Config,
    state: State,
    reads: u32,
    told: Vec<Reading>,
}

impl Application {
    /// A meter nobody talks to.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Base,
            reads: 0,
            told: Vec::new(),
        }
    }

    /// What the meter is.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The readings that were told since the last call.
    pub fn told(&mut self) -> Vec<Reading> {
        std::mem::take(&mut self.told)
    }

    /// The load profile as the meter tells it, oldest row first.
    #[must_use]
    pub fn profile(&mut self, unix_s: u64) -> Vec<ProfileRow> {
        tables::profile_rows(&mut self.config.load, unix_s)
    }

    /// Answers a request of a session that began with the identify service.
    pub fn answer(&mut self, request: &Request, unix_s: u64) -> Vec<u8> {
        let ok = |payload: &[u8]| [&[0], payload].concat();
        let refused = |code: u8| vec![code];
        match (request, self.state) {
            (Request::Identify, _) => {
                self.state = State::Identified;
                let standard = match self.config.dialect {
                    Dialect::C12_18 => 0,
                    Dialect::C12_21 => 2,
                };
                let features: &[u8] = if self.config.wants_des {
                    &[1, 1, 0, 0]
                } else {
                    &[0]
                };
                ok(&[&[standard, 1, 0], features].concat())
            }
            (Request::Terminate, _) | (Request::Disconnect, _) => {
                self.state = State::Base;
                ok(&[])
            }
            (Request::TimingSetup(timing), State::Identified)
                if self.config.dialect == Dialect::C12_21 =>
            {
                ok(&[
                    timing.traffic_s,
                    timing.inter_character_s,
                    timing.response_s,
                    timing.retries,
                ])
            }
            (
                Request::Negotiate {
                    packet_size,
                    packets,
                    bauds,
                },
                State::Identified,
            ) => {
                let size = (*packet_size).min(self.config.packet_size);
                let agreed = bauds
                    .iter()
                    .copied()
                    .filter(|code| *code <= self.config.baud_code);
                let mut payload = size.to_be_bytes().to_vec();
                payload.push(*packets);
                payload.extend(agreed.max().or(bauds.first().map(|_| 0)));
                ok(&payload)
            }
            (Request::Logon { .. }, State::Identified) => {
                self.state = State::Session { secure: false };
                ok(&[])
            }
            (Request::Security { password, .. }, State::Session { .. }) => {
                let sent: Vec<u8> = password.octets().to_vec();
                let sent = sent.trim_ascii_end();
                let sent = sent.split(|octet| *octet == 0).next().unwrap_or_default();
                let right = !self.config.wants_des && sent == self.config.password.as_bytes();
                self.state = State::Session { secure: right };
                if right { ok(&[]) } else { refused(3) }
            }
            (Request::Logoff, State::Session { .. }) => {
                self.state = State::Identified;
                ok(&[])
            }
            (Request::Wait { .. }, _) => ok(&[]),
            (Request::Read { .. } | Request::ReadOffset { .. }, State::Session { .. }) => {
                self.read(request, unix_s)
            }
            (Request::Write { .. } | Request::WriteOffset { .. }, State::Session { secure }) => {
                // Accepted and forgotten.
                if secure { ok(&[]) } else { refused(3) }
            }
            (Request::Other { .. } | Request::ReadIndex { .. }, _) => refused(2),
            _ => refused(0x0A),
        }
    }

    /// Answers a read.
    pub fn read(&mut self, request: &Request, unix_s: u64) -> Vec<u8> {
        self.reads = self.reads.wrapping_add(1);
        if is_nth(self.reads, self.config.faults.busy_every) {
            return vec![6];
        }
        let Some(table) = request.table() else {
            return vec![2];
        };
        let Some(octets) = tables::table(&mut self.config, table, unix_s, &mut self.told) else {
            return vec![4];
        };
        let part = match request {
            Request::ReadOffset { offset, count, .. } => {
                let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
                let rest = octets.get(offset..).unwrap_or_default();
                rest.get(..usize::from(*count)).unwrap_or(rest)
            }
            _ => &octets,
        };
        let Ok(count) = u16::try_from(part.len()) else {
            return vec![4];
        };
        let mut answer = vec![0];
        answer.extend(count.to_be_bytes());
        answer.extend_from_slice(part);
        answer.push(checksum(part));
        answer
    }
}

const fn is_nth(count: u32, every: u32) -> bool {
    every != 0 && count.is_multiple_of(every)
}

/// What the meter wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this at the speed in force.
    Send(Vec<u8>),
    /// Change the speed.
    SetBaud(u32),
}

/// Speed at which every session begins.
const FIRST_BAUD: u32 = 9_600;

/// The meter's side of the conversation, without any port.
#[derive(Debug)]
pub struct Dialogue {
    application: Application,
    link: Link,
    transmissions: u32,
    /// Takes effect when the answer that agreed to it is acknowledged.
    agreed: Option<Agreed>,
    steps: Vec<Step>,
    /// Silence after which the session is forgotten.
    forget: Option<Instant>,
    patience: Duration,
    modem: Option<ModemState>,
}

#[derive(Clone, Copy, Debug)]
enum Agreed {
    Sizes { packet_size: u16, baud: Option<u32> },
    Timing(Timing),
    Over,
}

/// The modem in front of the meter.
#[derive(Debug, Default)]
struct ModemState {
    online: bool,
    line: Vec<u8>,
}

impl Dialogue {
    /// A meter nobody talks to.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let first = link::Config {
            identity: config.identity,
            ..link::Config::default()
        };
        let modem = (config.dialect == Dialect::C12_21).then(ModemState::default);
        Self {
            application: Application::new(config),
            link: Link::device(first),
            transmissions: 0,
            agreed: None,
            steps: Vec::new(),
            forget: None,
            patience: Duration::from_secs(6),
            modem,
        }
    }

    /// The meter behind the conversation.
    pub const fn application(&mut self) -> &mut Application {
        &mut self.application
    }

    /// Hears octets, and says what to do.
    pub fn hear(&mut self, octets: &[u8], now: Instant, unix_s: u64) -> Vec<Step> {
        if self.modem.as_ref().is_some_and(|modem| !modem.online) || octets == b"+++" {
            self.command(octets);
        } else {
            self.link.handle_input(octets, now);
            self.forget = Some(now + self.patience);
            self.pump(now, unix_s);
        }
        std::mem::take(&mut self.steps)
    }

    /// Takes note that `now` has come, and says what to do.
    pub fn time_out(&mut self, now: Instant, unix_s: u64) -> Vec<Step> {
        self.link.handle_timeout(now);
        self.pump(now, unix_s);
        if self.forget.is_some_and(|due| due <= now) {
            self.over();
        }
        std::mem::take(&mut self.steps)
    }

    /// When [`Dialogue::time_out`] is to be called at the latest.
    #[must_use]
    pub fn waits_until(&self) -> Option<Instant> {
        [self.link.poll_timeout(), self.forget]
            .into_iter()
            .flatten()
            .min()
    }

    /// The session is over: everything is as at the start.
    fn over(&mut self) {
        let config = self.application.config();
        let first = link::Config {
            identity: config.identity,
            ..link::Config::default()
        };
        self.application.state = State::Base;
        *self.link.config_mut() = first;
        self.link.reset();
        self.forget = None;
        self.agreed = None;
        self.patience = Duration::from_secs(6);
        self.steps.push(Step::SetBaud(FIRST_BAUD));
        if let Some(modem) = self.modem.as_mut().filter(|modem| modem.online) {
            modem.online = false;
            self.steps.push(Step::Send(b"\r\nNO CARRIER\r\n".to_vec()));
        }
    }

    fn pump(&mut self, now: Instant, unix_s: u64) {
        while let Some(event) = self.link.poll() {
            match event {
                Event::Send(octets) => self.send(octets),
                Event::Message(message) => {
                    let Some(request) = Request::parse(&message) else {
                        continue;
                    };
                    let answer = self.application.answer(&request, unix_s);
                    if answer.first() == Some(&ResponseCode::OK.0) {
                        self.agreed = agreed(&request, &answer);
                    }
                    self.link.send(&answer, now);
                }
                Event::Delivered => match self.agreed.take() {
                    Some(Agreed::Sizes { packet_size, baud }) => {
                        self.link.config_mut().packet_size = packet_size.into();
                        self.steps.extend(baud.map(Step::SetBaud));
                    }
                    Some(Agreed::Timing(timing)) => {
                        let config = self.link.config_mut();
                        config.ack_timeout = Duration::from_secs(timing.response_s.max(1).into());
                        config.retries = timing.retries;
                        self.patience = Duration::from_secs(timing.traffic_s.max(1).into());
                    }
                    Some(Agreed::Over) => self.over(),
                    None => {}
                },
                Event::Failed(_) => self.over(),
            }
        }
    }

    fn send(&mut self, mut octets: Vec<u8>) {
        self.transmissions = self.transmissions.wrapping_add(1);
        let faults = self.application.config().faults;
        if is_nth(self.transmissions, faults.lose_every) {
            return;
        }
        if is_nth(self.transmissions, faults.damage_every)
            && let Some(last) = octets.last_mut()
        {
            *last ^= 0x10;
        }
        self.steps.push(Step::Send(octets));
    }

    /// What a modem of ITU-T V.250 does, as far as a call needs it.
    fn command(&mut self, octets: &[u8]) {
        let Some(modem) = &mut self.modem else { return };
        let mut answer = |text: &str| {
            self.steps
                .push(Step::Send(format!("\r\n{text}\r\n").into_bytes()));
        };
        if octets == b"+++" {
            if modem.online {
                modem.online = false;
                answer("OK");
            }
            return;
        }
        for octet in octets {
            if *octet != b'\r' {
                modem.line.push(*octet);
                continue;
            }
            let line = String::from_utf8_lossy(&modem.line).to_uppercase();
            modem.line.clear();
            // Anything may stand in front of a command.
            match line.rfind("AT").and_then(|start| line.get(start..)) {
                Some(command) if command.starts_with("ATD") => {
                    modem.online = true;
                    answer("CONNECT 9600");
                }
                Some(_) => answer("OK"),
                None => {}
            }
        }
    }
}

fn agreed(request: &Request, answer: &[u8]) -> Option<Agreed> {
    match (request, answer) {
        (Request::Negotiate { .. }, [_, high, low, _, rest @ ..]) => Some(Agreed::Sizes {
            packet_size: u16::from_be_bytes([*high, *low]),
            baud: rest.first().and_then(|code| baud(*code)),
        }),
        (Request::TimingSetup(timing), _) => Some(Agreed::Timing(*timing)),
        (Request::Terminate | Request::Disconnect, _) => Some(Agreed::Over),
        _ => None,
    }
}

/// A meter at work.
pub type Meter = AtWork<Reading>;

/// How long the meter looks at the line at a time.
const LOOK: Duration = Duration::from_millis(100);

impl Meter {
    /// Starts a meter whose port is at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(link: &Path, config: Config) -> io::Result<Self> {
        let pace = config.pace;
        Self::begin("c12-meter", link, move |wire, notes| {
            let mut dialogue = Dialogue::new(config);
            let mut own = FIRST_BAUD;
            let mut raw = Vec::new();
            loop {
                let look = Instant::now() + LOOK;
                let until = dialogue.waits_until().map_or(look, |due| due.min(look));
                if !wire.wait(until, &mut raw) {
                    return;
                }
                let now = Instant::now();
                let steps = if raw.is_empty() {
                    dialogue.time_out(now, unix_now())
                } else {
                    let far = wire.far_speed().unwrap_or(own);
                    let heard = uart::heard(&raw, far, own, Framing::EightNone);
                    raw.clear();
                    dialogue.hear(&heard, now, unix_now())
                };
                for reading in dialogue.application().told() {
                    notes.push(reading);
                }
                for step in steps {
                    match step {
                        Step::SetBaud(baud) => own = baud,
                        Step::Send(octets) => {
                            if !wire.send(&octets, own, Framing::EightNone, pace) {
                                return;
                            }
                        }
                    }
                }
            }
        })
    }
}
