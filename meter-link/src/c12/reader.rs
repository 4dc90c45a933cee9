//! Reads a meter again and again: a [`Session`] for the driver of a serial port.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::client::{self, Event, FORGET};
use super::interpret::{Assignments, Entry};
use super::load_profile::{self, ProfileReader, Progress};
use super::modem::{Dialling, GUARD, HANG_UP, Modem, Step};
use super::net;
use super::service::{Request, ResponseCode, table_data};
use super::side::{Seconds, Side};
use super::table::{Clock, Table, TableError, Tables};
use crate::dlms::client::CounterStore;
use crate::dlms::client::job::Outcome;
use crate::model::{Check, MeterId, MeterTime, RegisterValue, Telegram, Value};
use crate::session::{Action, Line, Rejected, Session};

/// How a meter is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How a session is opened.
    pub client: client::Config,
    /// Line at the start of a session, 9600 8N1 by the standard.
    pub line: Line,
    /// From the start of one session to the start of the next.
    pub period: Duration,
    /// What sources measure, where the meter does not tell.
    pub assignments: Assignments,
    /// C12.21: how the meter is called; `None` for a line that is up.
    pub modem: Option<Modem>,
    /// The load profile whose missing rows are read; `None` for none.
    pub profile: Option<load_profile::Config>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client: client::Config::default(),
            line: Line::eight_none(9_600),
            period: Duration::from_secs(60),
            assignments: Assignments::new(),
            modem: None,
            profile: None,
        }
    }
}

/// Tables that say what the others mean; they are read again after [`REFRESH`].
const MEANING: [u16; 9] = [1, 5, 11, 12, 15, 16, 21, 22, 27];
/// Tables that are read each time.
const READINGS: [u16; 4] = [3, 52, 23, 28];
/// How long it is believed that a meter is configured as before.
const REFRESH: Duration = Duration::from_secs(3_600);
/// Octets of a telegram that are kept for the raw ring.
const MAX_RAW: usize = 64 * 1024;

#[derive(Debug)]
enum State {
    /// Nothing to do before this instant.
    Resting(Option<Instant>),
    /// The modem is called.
    Dialling(Dialling),
    /// The client is at work.
    Reading,
    /// The telegram is told; the load profile is read.
    Profiling(Box<ProfileReader>),
    /// Everything is told; the client takes its leave.
    Leaving,
    /// The modem is taken out of its call: what was sent of [`HANG_UP`], and when more is due.
    HangingUp {
        sent: usize,
        due: Instant,
        next: Instant,
    },
}

/// A [`Session`] that reads a meter, again and again. [`Session::restart`] starts it.
#[derive(Debug)]
pub struct MeterReader {
    config: Config,
    side: Side,
    state: State,
    /// The last reading came to its end.
    ended_well: bool,
    actions: VecDeque<Action>,
    tables: Tables,
    /// Tables to be read in this session.
    due: VecDeque<u16>,
    meaning_read: Option<Instant>,
    next: Option<Instant>,
    /// When the load profile is due again.
    profile_due: Option<Instant>,
    raw: Vec<u8>,
}

impl MeterReader {
    /// A reader that does nothing until [`Session::restart`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::of(Side::line(&config.client), config)
    }

    /// The same over a network (C12.22), a TCP connection or `datagrams`: `config.client`, `line`
    /// and `modem` are not used. No number of a message comes twice under one key, for which `counters` and
    /// `seconds` since 1970 see.
    #[must_use]
    pub fn over_network(
        config: Config,
        network: net::client::Config,
        datagrams: bool,
        counters: Box<dyn CounterStore>,
        seconds: Seconds,
    ) -> Self {
        Self::of(Side::network(network, datagrams, counters, seconds), config)
    }

    fn of(side: Side, config: Config) -> Self {
        Self {
            side,
            config,
            ended_well: false,
            state: State::Resting(None),
            actions: VecDeque::new(),
            tables: Tables::new(),
            due: VecDeque::new(),
            meaning_read: None,
            next: None,
            profile_due: None,
            raw: Vec::new(),
        }
    }

    /// The tables read last.
    #[must_use]
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// True between two readings.
    #[must_use]
    pub const fn is_resting(&self) -> bool {
        matches!(self.state, State::Resting(_))
    }

    fn start(&mut self, now: Instant) {
        self.next = Some(now + self.config.period);
        self.ended_well = false;
        self.raw.clear();
        self.actions.push_back(Action::SetLine(self.config.line));
        match &self.config.modem {
            Some(modem) => self.state = State::Dialling(Dialling::start(modem, now)),
            None => self.open(now),
        }
        self.pump(now);
    }

    fn open(&mut self, now: Instant) {
        self.state = State::Reading;
        // What is not read now must not be told as if it were.
        for table in READINGS {
            self.tables.remove(table);
        }
        let fresh = self.meaning_read.is_some_and(|read| now < read + REFRESH);
        self.due = if fresh {
            self.readings()
        } else {
            self.tables = Tables::new();
            self.meaning_read = None;
            VecDeque::from([0])
        };
        self.side.open(now);
    }

    /// Those of the tables that the meter has.
    fn known<const N: usize>(&self, tables: [u16; N]) -> impl Iterator<Item = u16> + use<N> {
        let general = self.tables.general().ok();
        let used = general.map(|general| general.std_tables_used);
        tables
            .into_iter()
            .filter(move |table| used.as_ref().is_some_and(|used| used.contains(table)))
    }

    fn readings(&self) -> VecDeque<u16> {
        self.known(READINGS).collect()
    }

    fn pump(&mut self, now: Instant) {
        if let State::Dialling(dialling) = &mut self.state {
            match dialling.poll() {
                Some(Step::Send(octets)) => self.actions.push_back(Action::Send(octets)),
                Some(Step::Connected) => self.open(now),
                Some(Step::Failed(reason)) => self.failed(&reason, now),
                None => return,
            }
            return self.pump(now);
        }
        while let Some(event) = self.side.poll() {
            match event {
                Event::Send(octets) => self.actions.push_back(Action::Send(octets)),
                Event::SetBaud(baud) => {
                    let line = Line {
                        baud,
                        ..self.config.line
                    };
                    self.actions.push_back(Action::SetLine(line));
                }
                Event::Opened(_) => self.ask(now),
                Event::Answer {
                    request,
                    code,
                    payload,
                } => {
                    self.answered(&request, code, &payload, now);
                }
                Event::Closed => self.rest(now),
                Event::Failed(_) if matches!(self.state, State::Leaving) => self.rest(now),
                Event::Failed(error) => self.failed(&error.to_string(), now),
            }
        }
    }

    /// Asks for the next table, or tells what was read and leaves.
    fn ask(&mut self, now: Instant) {
        if let Some(table) = self.due.pop_front() {
            self.side.request(Request::Read { table }, now);
            return;
        }
        match self.telegram() {
            Ok(telegram) => self.actions.push_back(Action::Telegram(Box::new(telegram))),
            Err(reason) => {
                // Perhaps the meter was configured anew.
                self.meaning_read = None;
                self.reject(&reason);
            }
        }
        let due = self.profile_due.is_none_or(|due| due <= now);
        match self.config.profile.clone().filter(|_| due) {
            Some(profile) => {
                let assigned = self.config.assignments.clone();
                let reader = ProfileReader::new(profile, self.tables.clone(), assigned);
                self.state = State::Profiling(Box::new(reader));
                self.profile(now);
            }
            None => self.leave(now),
        }
    }

    fn leave(&mut self, now: Instant) {
        self.state = State::Leaving;
        self.side.close(now);
    }

    /// Goes on with the load profile.
    fn profile(&mut self, now: Instant) {
        let State::Profiling(reader) = &mut self.state else {
            return;
        };
        let longest = self.side.max_message();
        loop {
            match reader.poll(longest) {
                Ok(Progress::Ask(request)) => return self.side.request(request, now),
                Ok(Progress::Rows(rows)) => {
                    // What was told is not read again in the next session.
                    if let (Some(profile), Some(row)) = (&mut self.config.profile, rows.rows.last())
                    {
                        profile.since = Some(row.at);
                    }
                    let rows = Outcome::Profile(*rows);
                    self.actions.push_back(Action::Found(Box::new(rows)));
                }
                Ok(Progress::Done) => break,
                Err(reason) => {
                    self.reject(&format!("load profile: {reason}"));
                    break;
                }
            }
        }
        let period = self.config.profile.as_ref().map(|profile| profile.period);
        self.profile_due = period.map(|period| now + period);
        self.leave(now);
    }

    fn answered(&mut self, request: &Request, code: ResponseCode, payload: &[u8], now: Instant) {
        if let State::Profiling(reader) = &mut self.state {
            reader.answer(code, payload);
            return self.profile(now);
        }
        let Request::Read { table } = *request else {
            return self.ask(now);
        };
        if code == ResponseCode::OK {
            match table_data(payload) {
                Ok(data) => {
                    self.tables.insert(table, data.to_vec());
                }
                Err(error) => self.reject(&format!("table {table}: {error}")),
            }
        } else if table == 0 {
            // Without it nothing else can be read; others may be missing or locked.
            self.reject(&format!("table 0: {}", code.reason()));
        }
        if table == 0 && self.tables.octets(0).is_some() {
            self.due = self.known(MEANING).collect();
            self.due.extend(self.readings());
            self.meaning_read = Some(now);
        }
        self.ask(now);
    }

    fn telegram(&self) -> Result<Telegram, String> {
        self.tables.general().map_err(|error| error.to_string())?;
        let assigned = &self.config.assignments;
        let mut entries: Vec<Entry> = Vec::new();
        let mut reason = None;
        for table in self.known([23, 28]) {
            match self.tables.registers_of(table, assigned) {
                Ok(found) => {
                    for entry in found {
                        // A present value may be one of the sums.
                        if !entries.iter().any(|other| other.register == entry.register) {
                            entries.push(entry);
                        }
                    }
                }
                Err(TableError::NotRead(_)) => {}
                Err(error) => reason = Some(error.to_string()),
            }
        }
        if entries.is_empty() {
            return Err(reason.unwrap_or_else(|| "the meter gave no registers".to_owned()));
        }
        let (serial, manufacturer) = match self.tables.decode(1).map(|found| found.table) {
            Ok(Table::ManufacturerIdentification(found)) => {
                (Some(found.serial_no), Some(found.manufacturer))
            }
            _ => (None, None),
        };
        let device = match self.tables.decode(5).map(|found| found.table) {
            Ok(Table::DeviceIdentification(found)) => Some(found.device_id),
            _ => None,
        };
        let id = |text: Option<String>| MeterId::new(&text?);
        Ok(Telegram {
            meter: id(serial).or_else(|| id(device)),
            manufacturer: manufacturer.filter(|name| !name.is_empty()),
            time: self.clock(),
            values: entries.iter().map(register).collect(),
            check: if self.side.is_tagged() {
                Check::Tag
            } else if self.side.is_network() {
                Check::None
            } else {
                Check::Crc
            },
            raw: self.raw.clone(),
            ..Telegram::default()
        })
    }

    fn clock(&self) -> Option<MeterTime> {
        match self.tables.decode(52).ok()?.table {
            Table::Clock(clock) => meter_time(&clock),
            _ => None,
        }
    }

    fn reject(&mut self, reason: &str) {
        self.actions.push_back(Action::Rejected(Rejected {
            reason: reason.to_owned(),
            length: 0,
        }));
    }

    fn failed(&mut self, reason: &str, now: Instant) {
        self.reject(reason);
        let earliest = now + FORGET;
        let next = self
            .next
            .map_or(earliest, |next| next.min(now + 4 * FORGET).max(earliest));
        self.rest_until(next, now);
    }

    fn rest(&mut self, now: Instant) {
        self.ended_well = true;
        self.rest_until(self.next.unwrap_or(now).max(now), now);
    }

    fn rest_until(&mut self, next: Instant, now: Instant) {
        self.state = if self.config.modem.is_some() {
            State::HangingUp {
                sent: 0,
                due: now + GUARD,
                next,
            }
        } else {
            State::Resting(Some(next))
        };
    }

    /// Sends the next part of what ends a call; the modem's answers do not matter.
    fn hang_up(&mut self, now: Instant) {
        let State::HangingUp { sent, due, next } = &mut self.state else {
            return;
        };
        if *due > now {
            return;
        }
        if let Some(octets) = HANG_UP.get(*sent) {
            self.actions.push_back(Action::Send(octets.to_vec()));
            *sent += 1;
            *due = now + GUARD;
        } else {
            self.state = State::Resting(Some((*next).max(now)));
        }
    }
}

/// The time of a meter's clock.
fn meter_time(clock: &Clock) -> Option<MeterTime> {
    let at = clock.at?;
    if clock.gmt_flag {
        let utc = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        return Some(MeterTime::Utc(utc.timestamp()));
    }
    Some(MeterTime::Wall {
        at,
        dst: Some(clock.dst_flag),
    })
}

fn register(entry: &Entry) -> RegisterValue {
    RegisterValue {
        register: entry.register,
        value: Value::Number(entry.value),
        unit: entry.unit,
        status: None,
        captured_at: entry
            .captured_at
            .map(|at| MeterTime::Wall { at, dst: None }),
        quirk: None,
    }
}

impl Session for MeterReader {
    fn line(&self) -> Line {
        self.config.line
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        match &mut self.state {
            State::Resting(_) | State::HangingUp { .. } => return,
            State::Dialling(dialling) => dialling.handle_input(bytes, now),
            State::Reading | State::Profiling(_) | State::Leaving => {
                let room = MAX_RAW.saturating_sub(self.raw.len());
                self.raw.extend(bytes.iter().take(room));
                self.side.handle_input(bytes, now);
            }
        }
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Resting(Some(due)) if *due <= now => return self.start(now),
            State::Resting(_) => return,
            State::HangingUp { .. } => return self.hang_up(now),
            State::Dialling(dialling) => dialling.handle_timeout(now),
            State::Reading | State::Profiling(_) | State::Leaving => self.side.handle_timeout(now),
        }
        self.pump(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Resting(due) => *due,
            State::HangingUp { due, .. } => Some(*due),
            State::Dialling(dialling) => dialling.poll_timeout(),
            State::Reading | State::Profiling(_) | State::Leaving => self.side.poll_timeout(),
        }
    }

    fn restart(&mut self, now: Instant) {
        self.actions.clear();
        self.side.restart(&self.config.client);
        // A host hangs up on who is silent for long; that is no reason to read before its time.
        let rest = self.side.is_network() && self.ended_well;
        let next = self.next.filter(|next| rest && *next > now);
        self.state = State::Resting(Some(next.unwrap_or(now)));
    }
}
