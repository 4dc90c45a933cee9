//! A stick with Z-Stack 3.x.0, through ZNP.
//!
//! Such a stick rests after a start and tells what network it carries from its memory, so that a
//! stranger's is never even started. A network is formed with names and a key that nobody uses, and
//! written over in the memory then: the stack takes another name when it hears the wanted one in the
//! air, which is so whenever a network that has devices is restored.

mod bring_up;
mod indications;
mod memory;
mod steps;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use memory::Memory;
use steps::Step;

use super::radio::{Outgoing, Radio, RadioEvent};
use super::{Aps, ENDPOINTS, Join, Network, Stack};
use crate::zigbee::znp::nv::table;
use crate::zigbee::znp::{self, RequestError, Session, Token};

/// How long one step of bringing a network up may take: a channel is scanned before a start.
const PATIENCE: Duration = Duration::from_secs(60);
/// Options of a message (SWRA198, 3.2.1.2): acknowledged by the device, encrypted with its key.
const ACKNOWLEDGED: u8 = 0x10;
const SECURED: u8 = 0x40;
/// How far a message may go.
const RADIUS: u8 = 30;
/// The longest message that fits a frame.
const LONGEST: usize = 220;
/// There is no way to the device that the stick knows (Z-Stack, `ZNwkNoRoute`).
const NO_ROUTE: u8 = 0xCD;

/// What is being done; the steps towards it wait in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Connecting,
    Looking,
    /// The coordinator decides what comes next.
    Resting,
    CarryingOn,
    Erasing,
    /// A network is formed that nobody uses.
    Provisional,
    /// It is made the one that is wanted.
    Writing,
    /// The frame counter is read while the network works.
    Snapshot,
}

/// The stick as the coordinator sees it.
#[derive(Debug)]
pub(super) struct ZStack {
    session: Session,
    stage: Stage,
    steps: VecDeque<Step>,
    /// The request of the step under way.
    asked: Option<Token>,
    due: Option<Instant>,
    /// When the memory is looked at again that was not settled.
    again: Option<Instant>,
    memory: Memory,
    eui64: u64,
    is_started: bool,
    found: Network,
    forming: Option<Network>,
    /// Messages whose requests are under way: tag, receiver, whether a confirmation follows.
    sends: BTreeMap<Token, (u8, u16, bool)>,
    /// Messages whose confirmations are waited for, by tag, with the receiver.
    confirmations: BTreeMap<u8, u16>,
    /// The request of an exchange of keys, and whether it is the one to use the next.
    rotation: Option<(Token, bool)>,
    /// Devices are let in until then.
    permitted: Option<Instant>,
    events: VecDeque<RadioEvent>,
}

impl ZStack {
    pub(super) fn new() -> Self {
        Self {
            session: Session::default(),
            stage: Stage::Idle,
            steps: VecDeque::new(),
            asked: None,
            due: None,
            again: None,
            memory: Memory::default(),
            eui64: 0,
            is_started: false,
            found: Network::default(),
            forming: None,
            sends: BTreeMap::new(),
            confirmations: BTreeMap::new(),
            rotation: None,
            permitted: None,
            events: VecDeque::new(),
        }
    }

    fn ask(&mut self, id: u16, payload: Vec<u8>, now: Instant) -> Option<Token> {
        self.session.request(id, payload, now).ok()
    }

    fn lose(&mut self, reason: String) {
        self.stage = Stage::Idle;
        self.rest();
        self.session = Session::default();
        self.events.push_back(RadioEvent::Lost(reason));
    }

    /// Forgets what was under way.
    fn rest(&mut self) {
        self.steps.clear();
        (self.asked, self.due, self.again) = (None, None, None);
        (self.rotation, self.permitted) = (None, None);
        self.sends.clear();
        self.confirmations.clear();
        self.is_started = false;
    }

    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            match event {
                znp::Event::Ready(_) => self.restarted(now),
                znp::Event::Lost(failure) => self.lose(failure.to_string()),
                znp::Event::Indication { id, payload } => {
                    self.take_indication(id, payload, now);
                }
                znp::Event::Answer { token, answer } => self.take_answer(token, answer, now),
            }
        }
    }

    fn take_answer(&mut self, token: Token, answer: Result<Vec<u8>, RequestError>, now: Instant) {
        if self.asked == Some(token) {
            self.asked = None;
            match answer {
                Ok(answer) => self.take_step(&answer, now),
                Err(RequestError::Lost) => {}
                Err(error) => self.miss_step(error, now),
            }
            return;
        }
        let done = answer.is_ok_and(|answer| answer.first() == Some(&0));
        if let Some((_, is_used)) = self.rotation.take_if(|(asked, _)| *asked == token) {
            self.events.push_back(if is_used {
                RadioEvent::KeyUsed(done)
            } else {
                RadioEvent::KeyTold(done)
            });
        } else if let Some((tag, nwk, is_confirmed)) = self.sends.remove(&token) {
            if done && is_confirmed {
                self.confirmations.insert(tag, nwk);
            } else {
                self.events.push_back(RadioEvent::Sent {
                    tag,
                    delivered: done,
                });
            }
        }
    }

    /// Device objects have no confirmations; what they answer says that they were reached.
    fn message(message: &Outgoing) -> Option<(u16, Vec<u8>)> {
        let Outgoing {
            tag,
            nwk,
            aps,
            payload,
        } = message;
        let length = u8::try_from(payload.len())
            .ok()
            .filter(|_| payload.len() <= LONGEST)?;
        let secured = if aps.secured { SECURED } else { 0 };
        let ends = [aps.endpoint, aps.own_endpoint];
        let cluster = aps.cluster.to_le_bytes();
        let how = [*tag, ACKNOWLEDGED | secured, RADIUS];
        Some(if aps.profile == 0 {
            let [low, high] = nwk.to_le_bytes();
            let to = [2, low, high, 0, 0, 0, 0, 0, 0, ends[0], 0, 0, ends[1]];
            let parts = [&to[..], &cluster, &how, &[length, 0], payload];
            (0x0402, parts.concat())
        } else {
            let parts = [
                &nwk.to_le_bytes()[..],
                &ends,
                &cluster,
                &how,
                &[length],
                payload,
            ];
            (0x0401, parts.concat())
        })
    }
}

impl Radio for ZStack {
    fn stack(&self) -> Stack {
        Stack::ZStack
    }

    fn start(&mut self, now: Instant) {
        self.stage = Stage::Connecting;
        self.rest();
        self.forming = None;
        self.session.start(now);
    }

    fn look(&mut self, now: Instant) {
        self.begin(Stage::Looking, steps::look(), now);
    }

    fn carry_on(&mut self, now: Instant) {
        let steps = if self.is_started {
            VecDeque::new()
        } else {
            steps::carry_on()
        };
        self.begin(Stage::CarryingOn, steps, now);
    }

    fn erase(&mut self, now: Instant) {
        self.begin(Stage::Erasing, steps::erase(), now);
    }

    fn form(&mut self, network: &Network, _restored: bool, now: Instant) {
        self.forming = Some(network.clone());
        self.begin(Stage::Provisional, steps::provisional(network), now);
    }

    fn snapshot(&mut self, now: Instant) {
        if self.stage == Stage::Resting && self.is_started {
            let steps = [
                Step::ReadTable(table::SECURITY_MATERIAL, 0),
                Step::ReadTable(table::TC_LINK_KEYS, 0),
            ];
            self.begin(Stage::Snapshot, steps.into(), now);
        }
    }

    fn send(&mut self, message: Outgoing, now: Instant) -> bool {
        let is_confirmed = message.aps.profile != 0;
        let (tag, nwk) = (message.tag, message.nwk);
        let Some((id, payload)) = Self::message(&message) else {
            return false;
        };
        let token = self.ask(id, payload, now);
        self.confirmations.remove(&tag);
        self.sends
            .extend(token.map(|token| (token, (tag, nwk, is_confirmed))));
        token.is_some()
    }

    fn permit(&mut self, seconds: u8, through: Option<u16>, without_code: bool, now: Instant) {
        self.permitted = Some(now + Duration::from_secs(seconds.into()));
        // Only devices with a code of their own, unless all may.
        self.ask(0x0F06, vec![u8::from(!without_code)], now);
        // A broadcast to all routers and the coordinator, or to one of them alone.
        let (mode, nwk) = through.map_or((0x0F, 0xFFFC_u16), |nwk| (2, nwk));
        let [low, high] = nwk.to_le_bytes();
        // Significance 1: the trust centre's policy is in force (05-3474, 2.4.3.3.7).
        self.ask(0x0536, vec![mode, low, high, seconds, 1], now);
    }

    fn allow(&mut self, ieee: u64, key: &[u8; 16], now: Instant) {
        // Format 2: the key that was made of the code.
        let parts = [&[2], &ieee.to_le_bytes()[..], key];
        self.ask(0x0F04, parts.concat(), now);
    }

    fn link_key(&mut self, _place: u8, (ieee, nwk): (u64, u16), key: &[u8; 16], now: Instant) {
        let parts = [&nwk.to_le_bytes()[..], &ieee.to_le_bytes(), key];
        self.ask(0x0523, parts.concat(), now);
    }

    fn scan(&mut self, now: Instant) {
        // The stick itself, channels 11 to 26, 2^3 + 1 symbols of 15.36 ms each, once.
        let request = [0, 0, 2, 0x00, 0xF8, 0xFF, 0x07, 3, 1, 0, 0];
        self.ask(0x0537, request.to_vec(), now);
    }

    fn tell_key(&mut self, key: &[u8; 16], sequence: u8, now: Instant) -> bool {
        let parts = [&[0xFF, 0xFF, sequence], &key[..]];
        let token = self.ask(0x054E, parts.concat(), now);
        self.rotation = token.map(|token| (token, false));
        token.is_some()
    }

    fn use_key(&mut self, sequence: u8, now: Instant) -> bool {
        let token = self.ask(0x054F, vec![0xFF, 0xFF, sequence], now);
        self.rotation = token.map(|token| (token, true));
        token.is_some()
    }

    fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        self.session.handle_octets(octets, now);
        self.take_events(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.take_events(now);
        if self.due.is_some_and(|due| now >= due) {
            self.lose("the radio stick does not bring its network up".to_owned());
        } else if self.again.is_some_and(|again| now >= again) {
            self.again = None;
            self.go_on(now);
        }
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.session.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<RadioEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.session.poll_timeout(), self.due, self.again]
            .into_iter()
            .flatten()
            .min()
    }
}

/// The profile of one of our endpoints.
fn profile_of(endpoint: u8) -> Option<u16> {
    let known = ENDPOINTS.iter().find(|own| own.id == endpoint);
    known.map(|own| own.profile)
}
