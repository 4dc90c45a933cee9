//! Joining by push button: two adapters whose buttons are pressed within two minutes form a network
//! (HomePlug AV 1.1, 10.3.1.3, simple connect; MS_PB_ENC as Qualcomm Atheros's tools send it).
//!
//! [`PushButton`] presses the button of the adapter at the own port. Somebody presses the other
//! one. As with a key, the adapter's confirmation only says that the button counts; what tells is
//! the network in which the adapter finds itself, and that there is company in it that was not
//! there before.

use std::time::{Duration, Instant};

use super::avln::{LOCAL_ADAPTER, NW_INFO_CNF, Network, network, network_request};
use super::layouts::write_fields;
use super::mme::Mme;
use super::mmtype::MmType;
use super::session::{Dialogue, Outbox};
use crate::value::{Record, Value};

const PB_ENC_REQ: MmType = MmType(0x8000);
const PB_ENC_CNF: MmType = MmType(0x8001);
const JOIN: u64 = 1;

/// How long an answer may take, and how often is asked.
const PATIENCE: Duration = Duration::from_millis(400);
const ROUNDS: u8 = 3;
/// How often the adapter is asked for its network meanwhile.
const STEP: Duration = Duration::from_secs(2);
/// The other button counts for two minutes; forming the network takes a little longer.
const WINDOW: Duration = Duration::from_secs(135);

/// What came of pressing the button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushButtonEvent {
    /// The adapter has taken the press: now the other button.
    Pressed,
    /// The adapter is in a network with others that it was not in before.
    Joined(Network),
    /// No other button was pressed in time.
    Nobody,
    /// The adapter does not take part in this.
    Refused,
    /// No adapter answered.
    NoAdapter,
}

/// Presses the button of the adapter at the own port.
#[derive(Debug)]
pub struct PushButton {
    mac: [u8; 6],
    state: State,
    /// The network before, as far as it was told: `Some(None)` when the adapter was in none.
    before: Option<Option<Network>>,
    due: Option<Instant>,
    outbox: Outbox<PushButtonEvent>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Asked for the network so often.
    Before {
        asked: u8,
    },
    /// Pressed so often.
    Pressing {
        asked: u8,
    },
    /// Waiting for company since.
    Waiting {
        since: Instant,
    },
    Ended,
}

impl PushButton {
    /// Begins at `now`, from a host with this address.
    #[must_use]
    pub fn new(mac: [u8; 6], now: Instant) -> Self {
        let mut button = Self {
            mac,
            state: State::Before { asked: 0 },
            before: None,
            due: None,
            outbox: Outbox::default(),
        };
        button.step(now);
        button
    }

    fn end(&mut self, event: PushButtonEvent) {
        self.state = State::Ended;
        self.due = None;
        self.outbox.events.push_back(event);
    }

    /// Whether there is company that was not there before.
    fn is_new(&self, found: &Network) -> bool {
        let before = self.before.iter().flatten();
        let known = before
            .filter(|before| before.nid == found.nid)
            .flat_map(|before| &before.stations)
            .map(|station| station.mac);
        let known: Vec<[u8; 6]> = known.collect();
        found
            .stations
            .iter()
            .any(|station| !station.is_local && !known.contains(&station.mac))
    }
}

impl Dialogue for PushButton {
    type Event = PushButtonEvent;

    fn take(&mut self, mme: &Mme<'_>, fields: &Record, now: Instant) {
        match (mme.mmtype, self.state) {
            (NW_INFO_CNF, State::Before { .. }) => {
                self.before = Some(network(fields, mme.source));
                self.state = State::Pressing { asked: 0 };
                self.step(now);
            }
            (PB_ENC_CNF, State::Pressing { .. }) => {
                if fields.number("status") != Some(0) {
                    return self.end(PushButtonEvent::Refused);
                }
                self.outbox.events.push_back(PushButtonEvent::Pressed);
                self.state = State::Waiting { since: now };
                self.due = Some(now + STEP);
            }
            (NW_INFO_CNF, State::Waiting { .. }) => {
                let found = network(fields, mme.source);
                if let Some(found) = found.filter(|found| self.is_new(found)) {
                    self.end(PushButtonEvent::Joined(found));
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, now: Instant) {
        match self.state {
            State::Before { asked } if asked < ROUNDS => {
                self.state = State::Before { asked: asked + 1 };
                self.outbox.frames.push_back(network_request(self.mac));
                self.due = Some(now + PATIENCE);
            }
            State::Before { .. } => self.end(PushButtonEvent::NoAdapter),
            State::Pressing { asked } if asked < ROUNDS => {
                self.state = State::Pressing { asked: asked + 1 };
                self.outbox.frames.push_back(press(self.mac));
                self.due = Some(now + PATIENCE);
            }
            // It answers other messages, so that it is there and does not know this one.
            State::Pressing { .. } => self.end(PushButtonEvent::Refused),
            State::Waiting { since } if now.saturating_duration_since(since) >= WINDOW => {
                self.end(PushButtonEvent::Nobody);
            }
            State::Waiting { .. } => {
                self.outbox.frames.push_back(network_request(self.mac));
                self.due = Some(now + STEP);
            }
            State::Ended => {}
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn outbox(&mut self) -> &mut Outbox<PushButtonEvent> {
        &mut self.outbox
    }
}

/// MS_PB_ENC.REQ: join. Messages of the station's maker have no organisation in them.
fn press(source: [u8; 6]) -> Vec<u8> {
    let action = Record::new().with("action", Value::Unsigned(JOIN));
    let payload = write_fields(PB_ENC_REQ, &action).unwrap_or_default();
    let mme = Mme {
        destination: LOCAL_ADAPTER,
        source,
        mmv: 0,
        mmtype: PB_ENC_REQ,
        fragment: None,
        oui: None,
        payload: &payload,
    };
    mme.to_frame()
}
