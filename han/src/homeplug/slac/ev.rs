//! A car's side of SLAC.

use std::time::{Duration, Instant};

use super::super::mme::Mme;
use super::super::session::{Dialogue, Outbox};
use super::{
    ATTEN_CHAR, BATCH_INTERVAL, BROADCAST, CNF, Failure, IND, MNBC_SOUND, Match, PARAM, REQ,
    RESPONSE, RESULTS, RETRIES, RSP, SLAC_MATCH, SOUNDS, START_ATTEN_CHAR, STARTS, array, frame,
    header, mac, mean, number, numbers, octets,
};
use crate::homeplug::keys::NetworkKey;
use crate::value::{Record, Value};

/// What a car knows of itself.
#[derive(Clone, Debug)]
pub struct EvConfig {
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Its identifier.
    pub id: [u8; 17],
    /// A station that hears it more weakly than this is not the one at the cable, in dB.
    pub limit_db: u8,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvEvent {
    /// A station was found and has given its key.
    Matched(Match),
    /// None was.
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Asking who is there.
    Probing { asked: u8 },
    /// Telling that sounds come.
    Starting { told: u8 },
    /// Sounding; so many sounds are left.
    Sounding { left: u8 },
    /// Waiting for what the stations heard.
    Listening,
    /// Asking the chosen one.
    Choosing { asked: u8 },
    /// Matched or failed.
    Ended,
}

/// A car's side of one session.
#[derive(Debug)]
pub struct Ev {
    config: EvConfig,
    run_id: [u8; 8],
    random: [u8; 16],
    state: State,
    due: Option<Instant>,
    /// How many sounds the stations want, and for how many 100 ms they listen.
    sounds: u8,
    listening: u8,
    /// The stations that have answered, and whether each has told what it heard.
    stations: Vec<(MacAddress, bool)>,
    best: Option<Station>,
    outbox: Outbox<EvEvent>,
}

type MacAddress = [u8; 6];

/// More stations than this are not in reach of one car.
const MOST_STATIONS: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Station {
    mac: MacAddress,
    attenuation_db: u8,
}

impl Ev {
    /// Begins a session at `now`; its number and the sounds' random octets are chosen by the
    /// owner, anew for each session.
    #[must_use]
    pub fn new(config: EvConfig, run_id: [u8; 8], random: [u8; 16], now: Instant) -> Self {
        let mut ev = Self {
            config,
            run_id,
            random,
            state: State::Probing { asked: 0 },
            due: None,
            sounds: SOUNDS,
            listening: super::SOUNDING,
            stations: Vec::new(),
            best: None,
            outbox: Outbox::default(),
        };
        ev.step(now);
        ev
    }

    fn wait(&mut self, state: State, until: Instant) {
        self.state = state;
        self.due = Some(until);
    }

    fn end(&mut self, event: EvEvent) {
        self.state = State::Ended;
        self.due = None;
        self.outbox.events.push_back(event);
    }

    fn send(&mut self, to: [u8; 6], mmtype: u16, fields: &Record) {
        let frame = frame(to, self.config.mac, mmtype, fields);
        self.outbox.frames.push_back(frame);
    }

    fn heard(&mut self, station: [u8; 6], fields: &Record, now: Instant) {
        self.answer(station, fields);
        let Some(attenuation_db) = mean(&numbers(fields, "aag")) else {
            return;
        };
        let is_better = |best: Station| attenuation_db < best.attenuation_db;
        if self.best.is_none_or(is_better) {
            self.best = Some(Station {
                mac: station,
                attenuation_db,
            });
        }
        self.meet(station);
        let known = self
            .stations
            .iter_mut()
            .find(|(known, _)| *known == station);
        if let Some((_, has_told)) = known {
            *has_told = true;
        }
        // Nobody else is to be waited for.
        if self.state == State::Listening && self.stations.iter().all(|(_, has_told)| *has_told) {
            self.step(now);
        }
    }

    fn meet(&mut self, station: MacAddress) {
        let is_new = self.stations.iter().all(|(known, _)| *known != station);
        if is_new && self.stations.len() < MOST_STATIONS {
            self.stations.push((station, false));
        }
    }

    fn answer(&mut self, station: [u8; 6], fields: &Record) {
        let answer = header()
            .with("source_address", Value::Mac(self.config.mac))
            .with("run_id", octets(&self.run_id))
            .with(
                "source_id",
                octets(&array::<17>(fields, "source_id").unwrap_or_default()),
            )
            .with(
                "resp_id",
                octets(&array::<17>(fields, "resp_id").unwrap_or_default()),
            )
            .with("result", number(0));
        self.send(station, ATTEN_CHAR | RSP, &answer);
    }

    fn matched(&mut self, mme: &Mme<'_>, fields: &Record) {
        let Some(best) = self.best.filter(|best| best.mac == mme.source) else {
            return;
        };
        if mac(fields, "pev_mac") != Some(self.config.mac) {
            return;
        }
        let (Some(key), Some(nid), Some(peer_id)) = (
            array(fields, "nmk"),
            array(fields, "nid"),
            array(fields, "evse_id"),
        ) else {
            return;
        };
        self.end(EvEvent::Matched(Match {
            peer: best.mac,
            peer_id,
            run_id: self.run_id,
            key: NetworkKey::new(key),
            nid,
            attenuation_db: best.attenuation_db,
        }));
    }
}

impl Dialogue for Ev {
    type Event = EvEvent;

    fn take(&mut self, mme: &Mme<'_>, fields: &Record, now: Instant) {
        if mme.source == self.config.mac {
            return;
        }
        if array(fields, "run_id") != Some(self.run_id) {
            return;
        }
        let base = mme.mmtype.base();
        match (base, mme.mmtype.0 & 3, self.state) {
            (PARAM, CNF, State::Starting { .. } | State::Sounding { .. }) => self.meet(mme.source),
            (PARAM, CNF, State::Probing { .. }) => {
                self.meet(mme.source);
                let small = |name| {
                    fields
                        .number(name)
                        .and_then(|count| u8::try_from(count).ok())
                };
                self.sounds = small("num_sounds")
                    .filter(|count| *count > 0)
                    .unwrap_or(SOUNDS);
                self.listening = small("time_out").unwrap_or(self.listening);
                self.state = State::Starting { told: 0 };
                self.step(now);
            }
            (ATTEN_CHAR, IND, State::Sounding { .. } | State::Listening)
                if mac(fields, "source_address") == Some(self.config.mac) =>
            {
                self.heard(mme.source, fields, now);
            }
            // Its answer was lost: a station tells again until it is answered.
            (ATTEN_CHAR, IND, State::Choosing { .. }) => self.answer(mme.source, fields),
            (SLAC_MATCH, CNF, State::Choosing { .. }) => self.matched(mme, fields),
            _ => {}
        }
    }

    /// Does what the present state wants done.
    fn step(&mut self, now: Instant) {
        self.due = None;
        match self.state {
            State::Probing { asked } if asked <= RETRIES => {
                let fields = header().with("run_id", octets(&self.run_id));
                self.send(BROADCAST, PARAM | REQ, &fields);
                self.wait(State::Probing { asked: asked + 1 }, now + RESPONSE);
            }
            State::Probing { .. } => self.end(EvEvent::Failed(Failure::NoStation)),
            State::Starting { told } if told < STARTS => {
                let fields = header()
                    .with("num_sounds", number(self.sounds))
                    .with("time_out", number(self.listening))
                    .with("resp_type", number(1))
                    .with("forwarding_sta", Value::Mac(self.config.mac))
                    .with("run_id", octets(&self.run_id));
                self.send(BROADCAST, START_ATTEN_CHAR | IND, &fields);
                self.wait(State::Starting { told: told + 1 }, now + BATCH_INTERVAL);
            }
            State::Starting { .. } => {
                self.state = State::Sounding { left: self.sounds };
                self.step(now);
            }
            State::Sounding { left: 0 } => {
                let all_told = self.stations.iter().all(|(_, has_told)| *has_told);
                let patience = if all_told { Duration::ZERO } else { RESULTS };
                self.wait(State::Listening, now + patience);
            }
            State::Sounding { left } => {
                let fields = header()
                    .with("sender_id", octets(&[0; 17]))
                    .with("countdown", number(left - 1))
                    .with("run_id", octets(&self.run_id))
                    .with("rnd", octets(&self.random));
                self.send(BROADCAST, MNBC_SOUND | IND, &fields);
                self.wait(State::Sounding { left: left - 1 }, now + BATCH_INTERVAL);
            }
            State::Listening => match self.best {
                None => self.end(EvEvent::Failed(Failure::NoAttenuation)),
                Some(best) if best.attenuation_db > self.config.limit_db => {
                    self.end(EvEvent::Failed(Failure::TooFar(best.attenuation_db)));
                }
                Some(_) => {
                    self.state = State::Choosing { asked: 0 };
                    self.step(now);
                }
            },
            State::Choosing { asked } => match self.best {
                Some(best) if asked <= RETRIES => {
                    let fields = header()
                        .with("length", Value::Unsigned(62))
                        .with("pev_id", octets(&self.config.id))
                        .with("pev_mac", Value::Mac(self.config.mac))
                        .with("evse_id", octets(&[0; 17]))
                        .with("evse_mac", Value::Mac(best.mac))
                        .with("run_id", octets(&self.run_id));
                    self.send(best.mac, SLAC_MATCH | REQ, &fields);
                    self.wait(State::Choosing { asked: asked + 1 }, now + RESPONSE);
                }
                _ => self.end(EvEvent::Failed(Failure::Silent)),
            },
            State::Ended => {}
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn outbox(&mut self) -> &mut Outbox<EvEvent> {
        &mut self.outbox
    }
}
