//! SLAC: which car hangs on which charging station (ISO 15118-3, clause 9 and annex A; HomePlug
//! Green PHY 1.1, 13.7).
//!
//! Every adapter in reach hears a car, so a car sounds, stations measure how weakly they hear it,
//! and the car takes the one that hears it best. Then both share a network of their own.
//!
//! [`Evse`] is a station's side, [`Ev`] a car's. What came of it is a [`Match`]. Both end a session
//! that stands still and begin anew.

mod ev;
mod evse;

pub use ev::{Ev, EvConfig, EvEvent};
pub use evse::{Evse, EvseConfig, EvseEvent};

use std::time::Duration;

use super::keys::NetworkKey;
use super::layouts::write_fields;
use super::mme::{Fragment, Mme};
use super::mmtype::MmType;
use crate::value::{Record, Value};

/// What a car and a station have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The other side's MAC address.
    pub peer: [u8; 6],
    /// The other side's identifier.
    pub peer_id: [u8; 17],
    /// The number of the session.
    pub run_id: [u8; 8],
    /// The key of their network.
    pub key: NetworkKey,
    /// The identifier of their network.
    pub nid: [u8; 7],
    /// The mean attenuation between them in dB.
    pub attenuation_db: u8,
}

/// Why a session came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No station answered.
    #[error("no charging station answered")]
    NoStation,
    /// No station told what it heard.
    #[error("no charging station reported what it heard of the sounds")]
    NoAttenuation,
    /// No station is close enough to be at the other end of the cable.
    #[error("every charging station hears the car too weakly: {0} dB at best")]
    TooFar(u8),
    /// The other side fell silent.
    #[error("the other side stopped answering")]
    Silent,
    /// The station's own adapter reported nothing of the sounds.
    #[error("the own adapter measured no sound")]
    NotHeard,
}

pub(crate) const BROADCAST: [u8; 6] = [0xFF; 6];

const PARAM: u16 = 0x6064;
const START_ATTEN_CHAR: u16 = 0x6068;
const ATTEN_CHAR: u16 = 0x606C;
const MNBC_SOUND: u16 = 0x6074;
const SLAC_MATCH: u16 = 0x607C;
const ATTEN_PROFILE: u16 = 0x6084;

const REQ: u16 = 0;
const CNF: u16 = 1;
const IND: u16 = 2;
const RSP: u16 = 3;

/// C_EV_match_MNBC: how many sounds a station asks for.
const SOUNDS: u8 = 10;
/// C_EV_start_atten_char_inds: how often the start is told.
const STARTS: u8 = 3;
/// C_EV_match_retry: how often a request is sent again.
const RETRIES: u8 = 2;
/// TT_match_response: how long an answer may take.
const RESPONSE: Duration = Duration::from_millis(200);
/// TP_EV_batch_msg_interval: from one sound to the next, 20 to 50 ms.
const BATCH_INTERVAL: Duration = Duration::from_millis(30);
/// TT_EVSE_match_MNBC: how long a station listens for sounds, in units of 100 ms.
const SOUNDING: u8 = 6;
/// TT_EV_atten_results: how long a car waits for what stations heard.
const RESULTS: Duration = Duration::from_millis(1200);
/// TT_match_sequence: how long a station waits for the next step of a car.
const SEQUENCE: Duration = Duration::from_millis(400);
/// TT_EVSE_match_session: how long a station waits for a car to choose.
const CHOICE: Duration = Duration::from_secs(10);

/// The frame of a message with these fields.
fn frame(destination: [u8; 6], source: [u8; 6], mmtype: u16, fields: &Record) -> Vec<u8> {
    let mmtype = MmType(mmtype);
    // The fields are made in this module for the layout of this type.
    let payload = write_fields(mmtype, fields).unwrap_or_default();
    let mme = Mme {
        destination,
        source,
        mmv: 1,
        mmtype,
        fragment: Some(Fragment::default()),
        oui: None,
        payload: &payload,
    };
    mme.to_frame()
}

/// Application type 0 (a car and its station), no security.
fn header() -> Record {
    Record::new()
        .with("application_type", Value::Unsigned(0))
        .with("security_type", Value::Unsigned(0))
}

fn number(value: u8) -> Value {
    Value::Unsigned(value.into())
}

fn octets(value: &[u8]) -> Value {
    Value::Octets(value.to_vec())
}

/// The octets of a field of exactly so many.
fn array<const N: usize>(fields: &Record, name: &str) -> Option<[u8; N]> {
    match fields.field(name)? {
        Value::Octets(octets) => octets.as_slice().try_into().ok(),
        _ => None,
    }
}

fn mac(fields: &Record, name: &str) -> Option<[u8; 6]> {
    match fields.field(name)? {
        Value::Mac(mac) => Some(*mac),
        _ => None,
    }
}

/// The numbers of a list.
fn numbers(fields: &Record, name: &str) -> Vec<u8> {
    let Some(Value::List(values)) = fields.field(name) else {
        return Vec::new();
    };
    let numbers = values.iter().filter_map(Value::as_u64);
    numbers
        .filter_map(|number| u8::try_from(number).ok())
        .collect()
}

/// The mean of what was heard in all groups, in dB, rounded.
fn mean(groups: &[u8]) -> Option<u8> {
    let count = u32::try_from(groups.len())
        .ok()
        .filter(|count| *count > 0)?;
    let sum: u32 = groups.iter().map(|&group| u32::from(group)).sum();
    u8::try_from((sum + count / 2) / count).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::session::Session;
    use super::*;

    const EV_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const EVSE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

    /// A line between a car and a station, with an adapter that measures sounds.
    struct Rig {
        ev: Ev,
        evse: Evse,
        now: Instant,
        attenuation: u8,
        /// Loses every n-th frame.
        lose_every: usize,
        sent: usize,
        ev_events: Vec<EvEvent>,
        evse_events: Vec<EvseEvent>,
    }

    impl Rig {
        fn new(attenuation: u8, lose_every: usize) -> Self {
            let now = Instant::now();
            let ev = EvConfig {
                mac: EV_MAC,
                id: [7; 17],
                limit_db: 40,
            };
            let evse = EvseConfig {
                mac: EVSE_MAC,
                id: [9; 17],
                nid: [1; 7],
                key: NetworkKey::new([3; 16]),
            };
            Self {
                ev: Ev::new(ev, [5; 8], [6; 16], now),
                evse: Evse::new(evse),
                now,
                attenuation,
                lose_every,
                sent: 0,
                ev_events: Vec::new(),
                evse_events: Vec::new(),
            }
        }

        fn is_lost(&mut self) -> bool {
            self.sent += 1;
            self.lose_every > 0 && self.sent.is_multiple_of(self.lose_every)
        }

        fn exchange(&mut self) {
            loop {
                let (from_ev, from_evse) = (self.ev.poll_transmit(), self.evse.poll_transmit());
                if from_ev.is_none() && from_evse.is_none() {
                    break;
                }
                if let Some(frame) = from_ev
                    && !self.is_lost()
                {
                    self.evse.handle_frame(&frame, self.now);
                    if Mme::parse(&frame).is_ok_and(|mme| mme.mmtype.0 == MNBC_SOUND | IND) {
                        let heard = self.heard();
                        self.evse.handle_frame(&heard, self.now);
                    }
                }
                if let Some(frame) = from_evse
                    && !self.is_lost()
                {
                    self.ev.handle_frame(&frame, self.now);
                }
            }
            self.ev_events
                .extend(std::iter::from_fn(|| self.ev.poll_event()));
            self.evse_events
                .extend(std::iter::from_fn(|| self.evse.poll_event()));
        }

        fn heard(&self) -> Vec<u8> {
            let groups = vec![number(self.attenuation); 58];
            let fields = Record::new()
                .with("pev_mac", Value::Mac(EV_MAC))
                .with("num_groups", number(58))
                .with("aag", Value::List(groups));
            frame(EVSE_MAC, EVSE_MAC, ATTEN_PROFILE | IND, &fields)
        }

        fn run(&mut self, limit: Duration) {
            let end = self.now + limit;
            self.exchange();
            while self.now < end && self.ev_events.is_empty() {
                let due = [self.ev.poll_timeout(), self.evse.poll_timeout()];
                self.now = due.into_iter().flatten().min().unwrap_or(end).max(self.now);
                self.ev.handle_timeout(self.now);
                self.evse.handle_timeout(self.now);
                self.exchange();
            }
        }
    }

    #[test]
    fn a_car_and_a_station_find_each_other() {
        let mut rig = Rig::new(12, 0);
        rig.run(Duration::from_secs(5));
        let expected = Match {
            peer: EVSE_MAC,
            peer_id: [9; 17],
            run_id: [5; 8],
            key: NetworkKey::new([3; 16]),
            nid: [1; 7],
            attenuation_db: 12,
        };
        assert_eq!(rig.ev_events, [EvEvent::Matched(expected.clone())]);
        let theirs = Match {
            peer: EV_MAC,
            peer_id: [7; 17],
            ..expected
        };
        assert_eq!(rig.evse_events, [EvseEvent::Matched(theirs)]);
    }

    #[test]
    fn lost_frames_are_made_up_for() {
        for lose_every in 5..30 {
            let mut rig = Rig::new(12, lose_every);
            rig.run(Duration::from_secs(5));
            let matched = matches!(*rig.ev_events, [EvEvent::Matched(_)]);
            assert!(matched, "every {lose_every}: {:?}", rig.ev_events);
        }
    }

    #[test]
    fn a_distant_station_and_silence_are_told() {
        let mut far = Rig::new(55, 0);
        far.run(Duration::from_secs(5));
        assert_eq!(far.ev_events, [EvEvent::Failed(Failure::TooFar(55))]);
        let mut silent = Rig::new(12, 1);
        silent.run(Duration::from_secs(5));
        assert_eq!(silent.ev_events, [EvEvent::Failed(Failure::NoStation)]);
    }

    #[test]
    fn means_are_rounded() {
        assert_eq!(mean(&[1, 2]), Some(2));
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[255; 58]), Some(255));
    }
}
