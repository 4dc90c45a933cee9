//! A charging station's side of SLAC.

use std::time::{Duration, Instant};

use super::super::mme::Mme;
use super::super::session::{Dialogue, Outbox};
use super::{
    ATTEN_CHAR, ATTEN_PROFILE, BROADCAST, CHOICE, CNF, Failure, IND, MNBC_SOUND, Match, PARAM, REQ,
    RESPONSE, RETRIES, RSP, SEQUENCE, SLAC_MATCH, SOUNDING, SOUNDS, START_ATTEN_CHAR, array, frame,
    header, mac, mean, number, numbers, octets,
};
use crate::homeplug::keys::NetworkKey;
use crate::value::{Record, Value};

/// What a station knows of itself.
#[derive(Clone, Debug)]
pub struct EvseConfig {
    /// The MAC address of its host.
    pub mac: [u8; 6],
    /// Its identifier.
    pub id: [u8; 17],
    /// The network that it shares with a car.
    pub nid: [u8; 7],
    /// The key of that network.
    pub key: NetworkKey,
}

/// What happened at a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvseEvent {
    /// A car has taken this station and has its key.
    Matched(Match),
    /// A car began and did not end.
    Failed {
        /// The car.
        car: [u8; 6],
        /// Why.
        failure: Failure,
    },
}

/// The greatest number of groups in which an adapter measures.
const MOST_GROUPS: usize = 64;

#[derive(Debug)]
enum State {
    /// No car.
    Idle,
    /// A car is known and has not begun to sound.
    Known,
    /// Sounds come until the time is over.
    Sounding,
    /// What was heard was told so often, and not answered yet.
    Telling { told: u8 },
    /// The car chooses.
    Waiting,
    /// The car has chosen.
    Matched,
}

/// A station's side, for one car after another.
#[derive(Debug)]
pub struct Evse {
    config: EvseConfig,
    state: State,
    due: Option<Instant>,
    car: [u8; 6],
    run_id: [u8; 8],
    /// Sums of attenuation in each group, and how many measurements they have.
    sums: Vec<u32>,
    measured: u32,
    sounds: u8,
    expected: u8,
    outbox: Outbox<EvseEvent>,
}

impl Evse {
    /// A station that waits for a car.
    #[must_use]
    pub fn new(config: EvseConfig) -> Self {
        Self {
            config,
            state: State::Idle,
            due: None,
            car: [0; 6],
            run_id: [0; 8],
            sums: Vec::new(),
            measured: 0,
            sounds: 0,
            expected: SOUNDS,
            outbox: Outbox::default(),
        }
    }

    /// A car asks who is there.
    fn asked(&mut self, car: [u8; 6], run_id: [u8; 8], now: Instant) {
        let is_same = car == self.car && run_id == self.run_id;
        if !is_same || matches!(self.state, State::Idle) {
            self.car = car;
            self.run_id = run_id;
            self.sums.clear();
            (self.measured, self.sounds) = (0, 0);
            self.state = State::Known;
        }
        if matches!(self.state, State::Known) {
            self.due = Some(now + SEQUENCE);
        }
        let fields = Record::new()
            .with("sound_target", Value::Mac(BROADCAST))
            .with("num_sounds", number(SOUNDS))
            .with("time_out", number(SOUNDING))
            .with("resp_type", number(1))
            .with("forwarding_sta", Value::Mac(car))
            .with("application_type", number(0))
            .with("security_type", number(0))
            .with("run_id", octets(&run_id));
        self.send(car, PARAM | CNF, &fields);
    }

    /// The own adapter has measured a sound.
    fn measured(&mut self, fields: &Record, now: Instant) {
        let is_ours = mac(fields, "pev_mac") == Some(self.car);
        if !is_ours || !matches!(self.state, State::Sounding) {
            return;
        }
        let groups = numbers(fields, "aag");
        if groups.is_empty() || groups.len() > MOST_GROUPS {
            return;
        }
        if self.sums.len() != groups.len() {
            self.sums = vec![0; groups.len()];
            self.measured = 0;
        }
        for (sum, group) in self.sums.iter_mut().zip(groups) {
            *sum += u32::from(group);
        }
        self.measured += 1;
        if self.measured >= self.expected.into() {
            self.tell(0, now);
        }
    }

    fn attenuation(&self) -> Vec<u8> {
        let count = self.measured.max(1);
        let means = self.sums.iter().map(|sum| (sum + count / 2) / count);
        means
            .map(|mean| u8::try_from(mean).unwrap_or(u8::MAX))
            .collect()
    }

    /// Tells the car what was heard.
    fn tell(&mut self, told: u8, now: Instant) {
        let groups = self.attenuation();
        let sounds = u8::try_from(self.measured).unwrap_or(u8::MAX);
        let fields = header()
            .with("source_address", Value::Mac(self.car))
            .with("run_id", octets(&self.run_id))
            .with("source_id", octets(&[0; 17]))
            .with("resp_id", octets(&[0; 17]))
            .with("num_sounds", number(sounds))
            .with(
                "num_groups",
                number(u8::try_from(groups.len()).unwrap_or_default()),
            )
            .with("aag", Value::List(groups.into_iter().map(number).collect()));
        self.send(self.car, ATTEN_CHAR | IND, &fields);
        self.state = State::Telling { told: told + 1 };
        self.due = Some(now + RESPONSE);
    }

    fn chosen(&mut self, fields: &Record) {
        let Some(peer_id) = array(fields, "pev_id") else {
            return;
        };
        let is_new = !matches!(self.state, State::Matched);
        let answer = header()
            .with("length", Value::Unsigned(0x56))
            .with("pev_id", octets(&peer_id))
            .with("pev_mac", Value::Mac(self.car))
            .with("evse_id", octets(&self.config.id))
            .with("evse_mac", Value::Mac(self.config.mac))
            .with("run_id", octets(&self.run_id))
            .with("nid", octets(&self.config.nid))
            .with("nmk", octets(self.config.key.octets()));
        self.send(self.car, SLAC_MATCH | CNF, &answer);
        if is_new {
            self.state = State::Matched;
            self.due = None;
            self.outbox.events.push_back(EvseEvent::Matched(Match {
                peer: self.car,
                peer_id,
                run_id: self.run_id,
                key: self.config.key.clone(),
                nid: self.config.nid,
                attenuation_db: mean(&self.attenuation()).unwrap_or_default(),
            }));
        }
    }

    fn send(&mut self, to: [u8; 6], mmtype: u16, fields: &Record) {
        let frame = frame(to, self.config.mac, mmtype, fields);
        self.outbox.frames.push_back(frame);
    }

    fn fail(&mut self, failure: Failure) {
        self.state = State::Idle;
        let car = self.car;
        self.outbox
            .events
            .push_back(EvseEvent::Failed { car, failure });
    }
}

impl Dialogue for Evse {
    type Event = EvseEvent;

    fn take(&mut self, mme: &Mme<'_>, fields: &Record, now: Instant) {
        let kind = (mme.mmtype.base(), mme.mmtype.0 & 3);
        if kind == (ATTEN_PROFILE, IND) {
            self.measured(fields, now);
            return;
        }
        let Some(run_id) = array::<8>(fields, "run_id") else {
            return;
        };
        if kind == (PARAM, REQ) {
            self.asked(mme.source, run_id, now);
            return;
        }
        if mme.source != self.car || run_id != self.run_id {
            return;
        }
        match (kind, &self.state) {
            ((START_ATTEN_CHAR, IND), State::Known) => {
                let small = |name| {
                    fields
                        .number(name)
                        .and_then(|count| u8::try_from(count).ok())
                };
                self.expected = small("num_sounds")
                    .filter(|count| *count > 0)
                    .unwrap_or(SOUNDS);
                let time_out = small("time_out")
                    .filter(|time| *time > 0)
                    .unwrap_or(SOUNDING);
                self.state = State::Sounding;
                self.due = Some(now + Duration::from_millis(100) * time_out.into());
            }
            // All starts were lost.
            ((MNBC_SOUND, IND), State::Known) => {
                self.state = State::Sounding;
                self.due = Some(now + Duration::from_millis(100) * SOUNDING.into());
                self.sounds = 1;
            }
            ((MNBC_SOUND, IND), State::Sounding) => self.sounds = self.sounds.saturating_add(1),
            ((ATTEN_CHAR, RSP), State::Telling { .. }) => {
                self.state = State::Waiting;
                self.due = Some(now + CHOICE);
            }
            // A car that asks has heard, even when its answer was lost.
            ((SLAC_MATCH, REQ), State::Telling { .. } | State::Waiting | State::Matched) => {
                self.chosen(fields);
            }
            _ => {}
        }
    }

    fn step(&mut self, now: Instant) {
        self.due = None;
        match self.state {
            State::Sounding if self.measured == 0 => self.fail(Failure::NotHeard),
            State::Sounding => self.tell(0, now),
            State::Telling { told } if told <= RETRIES => self.tell(told, now),
            State::Known | State::Telling { .. } | State::Waiting => self.fail(Failure::Silent),
            State::Idle | State::Matched => {}
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn outbox(&mut self) -> &mut Outbox<EvseEvent> {
        &mut self.outbox
    }
}
