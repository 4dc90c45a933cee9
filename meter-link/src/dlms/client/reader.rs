//! Reads a meter again and again: registers each period, the profile and the clock now and then.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::association::{Client, Random};
use super::config::{CarrierConfig, ClientConfig};
use super::counter::CounterStore;
use super::job::{
    CalendarJob, Catalogue, ClockJob, ClockPolicy, Job, Outcome, ProfileJob, ProfileQuery,
    RegisterSpec, RegistersJob, RegistersRead,
};
use super::runner::{Runner, RunnerEvent, WallClock};
use crate::key::hex;
use crate::model::{Check, MeterId, ObisCode, Telegram, Value};
use crate::session::{Action, Line, Rejected, Session};

/// `0-0:96.1.0*255`: the meter's serial number.
const SERIAL: ObisCode = ObisCode([0, 0, 96, 1, 0, 255]);
/// `0-0:42.0.0*255`: the name of its logical device, which nobody else has.
const DEVICE_NAME: ObisCode = ObisCode([0, 0, 42, 0, 0, 255]);

/// From one reading of the calendar to the next: meters change it a few times in their life.
const CALENDAR_PERIOD: Duration = Duration::from_secs(86_400);

/// What is read of a meter, and when.
#[derive(Clone, Debug)]
pub struct ReaderConfig {
    /// How the meter is reached.
    pub client: ClientConfig,
    /// Registers that are read each period.
    pub registers: Vec<RegisterSpec>,
    /// From the start of one reading to the start of the next.
    pub period: Duration,
    /// From a failed reading to the next. A meter that still holds an association refuses another
    /// until it has forgotten the first.
    pub retry_after: Duration,
    /// The profile whose missing rows are read.
    pub profile: Option<ProfileQuery>,
    /// From one reading of the profile to the next.
    pub profile_period: Duration,
    /// What is done about the clock, each time the profile is read.
    pub clock: Option<ClockPolicy>,
    /// The tariff calendar is read, at first and once a day.
    pub calendar: bool,
}

/// A [`Session`] that reads a meter again and again. [`Session::restart`] starts it.
pub struct Reader {
    config: ReaderConfig,
    runner: Runner,
    catalogue: Catalogue,
    meter: Option<MeterId>,
    /// Failures of jobs that were told and have not changed since.
    told: Vec<String>,
    next: Option<Instant>,
    next_profile: Option<Instant>,
    next_calendar: Option<Instant>,
    actions: VecDeque<Action>,
    check: Check,
    /// What of the reading under way is still to come.
    due: VecDeque<Due>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Identity,
    Registers,
    Clock,
    Profile,
    Calendar,
}

impl Reader {
    /// A reader that does nothing until [`Session::restart`].
    #[must_use]
    pub fn new(
        config: ReaderConfig,
        counters: Box<dyn CounterStore>,
        random: Random,
        wall: WallClock,
    ) -> Self {
        let ciphering = config.client.ciphering.as_ref();
        let tagged = ciphering.is_some_and(|ciphering| ciphering.control.is_authenticated());
        let check = match (&config.client.carrier, tagged) {
            (_, true) => Check::Tag,
            (CarrierConfig::Hdlc(_), false) => Check::Crc,
            (CarrierConfig::Wrapper(_), false) => Check::None,
        };
        let client = Client::new(config.client.clone(), counters, random);
        Self {
            runner: Runner::new(client, wall),
            config,
            catalogue: Catalogue::default(),
            meter: None,
            told: Vec::new(),
            next: None,
            next_profile: None,
            next_calendar: None,
            actions: VecDeque::new(),
            check,
            due: VecDeque::new(),
        }
    }

    fn begin(&mut self, now: Instant) {
        self.next = Some(now + self.config.period);
        let mut jobs: Vec<Box<dyn Job>> = Vec::new();
        self.due.clear();
        if self.meter.is_none() {
            let specs = [SERIAL, DEVICE_NAME].map(RegisterSpec::from).into();
            jobs.push(Box::new(RegistersJob::new(specs, Catalogue::default())));
            self.due.push_back(Due::Identity);
        }
        let registers = self.config.registers.clone();
        jobs.push(Box::new(RegistersJob::new(
            registers,
            self.catalogue.clone(),
        )));
        self.due.push_back(Due::Registers);
        if self.config.calendar && self.next_calendar.is_none_or(|due| due <= now) {
            self.next_calendar = Some(now + CALENDAR_PERIOD);
            jobs.push(Box::new(CalendarJob::default()));
            self.due.push_back(Due::Calendar);
        }
        if self.next_profile.is_none_or(|due| due <= now) {
            self.next_profile = Some(now + self.config.profile_period);
            if let Some(policy) = self.config.clock {
                jobs.push(Box::new(ClockJob::new(policy)));
                self.due.push_back(Due::Clock);
            }
            if let Some(query) = &self.config.profile {
                jobs.push(Box::new(ProfileJob::new(query.clone())));
                self.due.push_back(Due::Profile);
            }
        }
        self.runner.start(jobs, now);
    }

    fn pump(&mut self, now: Instant) {
        while let Some(event) = self.runner.poll_event() {
            match event {
                RunnerEvent::Outcome(Outcome::Registers(read)) => match self.due.pop_front() {
                    Some(Due::Identity) => self.meter = identity(&read),
                    _ => self.registers(read),
                },
                RunnerEvent::Outcome(Outcome::Profile(rows)) => {
                    // The next reading begins behind what was read.
                    if let (Some(query), Some(row)) = (&mut self.config.profile, rows.rows.last()) {
                        query.since = Some(row.at);
                    }
                    if !rows.rows.is_empty() {
                        let outcome = Outcome::Profile(rows);
                        self.actions.push_back(Action::Found(Box::new(outcome)));
                    }
                }
                RunnerEvent::Outcome(outcome) => {
                    self.due.pop_front();
                    self.actions.push_back(Action::Found(Box::new(outcome)));
                }
                RunnerEvent::JobFailed(error) => {
                    self.due.pop_front();
                    self.reject(error.to_string());
                }
                RunnerEvent::Finished(None) => self.due.clear(),
                RunnerEvent::Finished(Some(error)) => {
                    self.actions.push_back(Action::Rejected(Rejected {
                        reason: error.to_string(),
                        length: 0,
                    }));
                    self.again();
                    let retry = now + self.config.retry_after;
                    self.next = Some(self.next.map_or(retry, |next| next.max(retry)));
                }
            }
        }
    }

    /// What was not done is done with the next reading.
    fn again(&mut self) {
        if self.due.contains(&Due::Profile) {
            self.next_profile = None;
        }
        if self.due.contains(&Due::Calendar) {
            self.next_calendar = None;
        }
    }

    fn registers(&mut self, read: RegistersRead) {
        self.catalogue = read.catalogue;
        for refused in read.refused {
            self.reject(refused.to_string());
        }
        if read.values.is_empty() {
            return;
        }
        self.actions.push_back(Action::Telegram(Box::new(Telegram {
            meter: self.meter.clone(),
            time: read.time,
            values: read.values,
            check: self.check,
            ..Telegram::default()
        })));
    }

    /// What the meter refuses each time is told once.
    fn reject(&mut self, reason: String) {
        if !self.told.contains(&reason) {
            self.told.push(reason.clone());
            let length = 0;
            self.actions
                .push_back(Action::Rejected(Rejected { reason, length }));
        }
    }
}

/// The serial number, or the name of the device where there is none.
fn identity(read: &RegistersRead) -> Option<MeterId> {
    read.values.iter().find_map(|value| match &value.value {
        Value::Text(text) => MeterId::new(text),
        Value::Octets(octets) if octets.iter().all(u8::is_ascii_graphic) => {
            MeterId::new(&String::from_utf8_lossy(octets))
        }
        Value::Octets(octets) => MeterId::new(&hex(octets)),
        Value::Number(number) => MeterId::new(&number.to_string()),
        Value::Flag(_) => None,
    })
}

impl Session for Reader {
    fn line(&self) -> Line {
        self.runner.client().line()
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.runner.handle_input(bytes, now);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.runner.is_running() {
            self.runner.handle_timeout(now);
        } else if self.next.is_some_and(|next| next <= now) {
            self.begin(now);
        }
        self.pump(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.runner
            .poll_action()
            .or_else(|| self.actions.pop_front())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.runner.is_running() {
            true => self.runner.poll_timeout(),
            false => self.next,
        }
    }

    fn is_at_rest(&self) -> bool {
        !self.runner.is_running() && self.actions.is_empty()
    }

    fn restart(&mut self, now: Instant) {
        self.again();
        self.runner.restart();
        self.actions.clear();
        self.due.clear();
        self.next = Some(now);
    }
}
