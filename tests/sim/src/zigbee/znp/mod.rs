//! Texas Instruments' coprocessor: the frames of ZNP, and the memory in which it keeps its network.

mod messages;
mod network;
mod nv;
mod system;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use han::Record;
use han::zigbee::znp::nv::table;
use han::zigbee::znp::{Frame, FrameKind, Splitter};
use nv::Memory;

use super::mesh::{Mesh, STEP_MS};
use super::serve::Coprocessor;

/// What goes wrong between the client and the coprocessor.
#[derive(Clone, Copy, Debug, Default)]
pub struct ZnpFaults {
    /// So many of a thousand octets to the client are changed.
    pub noise_per_mille: u64,
    /// Every n-th answer is lost.
    pub lose_answer_every: u32,
    /// The check octet of every n-th frame to the client is wrong.
    pub wrong_check_every: u32,
    /// Nothing is said any more.
    pub silent: bool,
    /// No message is taken: too many are under way.
    pub buffer_full: bool,
    /// The network's key cannot be exchanged.
    pub refuses_keys: bool,
}

/// The simulated coprocessor.
#[derive(Debug)]
pub struct Znp {
    /// What is wrong with it.
    pub faults: ZnpFaults,
    /// What its radio reaches.
    pub mesh: Mesh,
    /// Energy that a scan finds, per channel from 11 to 26, 0 to 255.
    pub energy: [u8; 16],
    /// The requests it was asked, by number.
    pub asked: BTreeMap<u16, u32>,
    memory: Memory,
    /// Whether its network works.
    is_up: bool,
    /// Frames sent under the network's key.
    frame_counter: u32,
    next_key: Option<[u8; 16]>,
    /// The channels on which a network is formed, a bit for each.
    channels: u32,
    endpoints: Vec<Record>,
    /// Answers of device objects are passed on, all or those of these clusters.
    callbacks: BTreeSet<u16>,
    install_codes: Vec<(u64, [u8; 16])>,
    needs_install_code: bool,
    permitted_until: BTreeMap<u16, u64>,
    now_ms: u64,
    /// Frames with the time when they are due.
    later: Vec<(u64, Frame)>,
    /// Devices that are let in, with the time when they come alive.
    joining: Vec<(u64, u64, u16)>,
    splitter: Splitter,
    start: Instant,
    stepped_ms: u64,
    random: u64,
    answers: u32,
    frames: u32,
    out: VecDeque<Vec<u8>>,
}

impl Znp {
    /// The address that the maker gave it.
    pub const EUI64: u64 = 0x0012_4B00_21AB_CDEF;

    /// A coprocessor that is in no network.
    #[must_use]
    pub fn new(mesh: Mesh, now: Instant) -> Self {
        Self {
            faults: ZnpFaults::default(),
            mesh,
            energy: [40; 16],
            asked: BTreeMap::new(),
            memory: Memory::new(),
            is_up: false,
            frame_counter: 0,
            next_key: None,
            channels: 0,
            endpoints: Vec::new(),
            callbacks: BTreeSet::new(),
            install_codes: Vec::new(),
            needs_install_code: false,
            permitted_until: BTreeMap::new(),
            now_ms: 0,
            later: Vec::new(),
            joining: Vec::new(),
            splitter: Splitter::default(),
            start: now,
            stepped_ms: 0,
            random: 0x9E37_79B9_7F4A_7C15,
            answers: 0,
            frames: 0,
            out: VecDeque::new(),
        }
    }

    /// The stick is exchanged for an empty one; the devices have noticed nothing.
    pub fn exchange(&mut self) {
        let mesh = std::mem::take(&mut self.mesh);
        *self = Self {
            now_ms: self.now_ms,
            stepped_ms: self.stepped_ms,
            ..Self::new(mesh, self.start)
        };
    }

    /// Milliseconds since it was made.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Its address for life.
    #[must_use]
    pub fn eui64(&self) -> u64 {
        self.memory.eui64()
    }

    /// The 16-bit name and the key of the network that it keeps, with the frames sent under it.
    #[must_use]
    pub fn network(&self) -> Option<(u16, [u8; 16], u32)> {
        let nib = self.memory.formed()?;
        Some((nib.pan(), self.memory.key().1, self.frame_counter))
    }

    /// It starts again by itself, as after a watchdog.
    pub fn watchdog(&mut self) {
        self.reset(2);
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.draw() % 1000 < per_mille
    }

    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// A start forgets all but the memory.
    fn reset(&mut self, reason: u8) {
        self.is_up = false;
        self.endpoints.clear();
        self.callbacks.clear();
        self.install_codes.clear();
        self.needs_install_code = false;
        self.permitted_until.clear();
        self.later.clear();
        self.joining.clear();
        self.next_key = None;
        if self.memory.boot() {
            // The network was to be forgotten, and its devices with it.
            self.mesh.dissolve();
        }
        // What was counted since the counter was written last is skipped.
        self.frame_counter = self.memory.counter().saturating_add(1250);
        self.memory.count(self.frame_counter);
        self.indicate(20, 0x0180, vec![reason, 2, 1, 2, 7, 1]);
    }

    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.start).as_millis();
        self.now_ms = u64::try_from(passed).unwrap_or(u64::MAX);
        while self.stepped_ms + STEP_MS <= self.now_ms {
            self.stepped_ms += STEP_MS;
            self.mesh.pass(self.stepped_ms, self.memory.eui64());
            if self.stepped_ms.is_multiple_of(10 * STEP_MS) {
                self.admit();
            }
        }
    }

    fn take(&mut self, frame: &Frame) {
        *self.asked.entry(frame.id).or_default() += 1;
        match frame.kind {
            FrameKind::Asynchronous if frame.id == 0x0100 => self.reset(0),
            FrameKind::SynchronousRequest => {
                let (id, payload) = match self.answer(frame.id, &frame.payload) {
                    Some(payload) => (frame.id, payload),
                    // Unknown command, and which.
                    None => {
                        let [subsystem, command] = frame.id.to_be_bytes();
                        (0x0000, vec![2, 0x20 | subsystem, command])
                    }
                };
                self.answers += 1;
                if !is_nth(self.answers, self.faults.lose_answer_every) {
                    self.transmit(&Frame {
                        kind: FrameKind::SynchronousResponse,
                        id,
                        payload,
                    });
                }
            }
            _ => {}
        }
        self.flush();
    }

    fn transmit(&mut self, frame: &Frame) {
        let wire = frame.encode();
        debug_assert!(wire.is_some(), "{:04x} is too long", frame.id);
        self.out.extend(wire);
    }

    /// Tells the client something after so many milliseconds.
    fn indicate(&mut self, after_ms: u64, id: u16, payload: Vec<u8>) {
        let frame = Frame {
            kind: FrameKind::Asynchronous,
            id,
            payload,
        };
        self.later.push((self.now_ms + after_ms, frame));
    }

    fn flush(&mut self) {
        for arrival in self.mesh.arrived(self.now_ms) {
            let is_read = !arrival.aps.secured || self.has_key_of(arrival.nwk);
            if self.is_up && is_read {
                self.pass_on(&arrival);
            }
        }
        let now_ms = self.now_ms;
        let (due, joining): (Vec<_>, Vec<_>) =
            self.joining.drain(..).partition(|(at, ..)| *at <= now_ms);
        self.joining = joining;
        for (_, ieee, parent) in due {
            self.mesh.join(ieee, parent, now_ms);
        }
        let (due, later): (Vec<_>, Vec<_>) =
            self.later.drain(..).partition(|(at, _)| *at <= now_ms);
        self.later = later;
        for (_, frame) in due {
            self.transmit(&frame);
        }
    }

    /// Whether the key that a device has is in the table of keys.
    fn has_key_of(&self, nwk: u16) -> bool {
        let device = self.mesh.by_nwk(nwk);
        let key = device.and_then(|device| {
            let link_key = device.energy_services.as_ref()?.link_key?;
            Some((device.ieee, link_key))
        });
        key.is_some_and(|(ieee, key)| self.memory.aps_key(ieee) == Some(key))
    }

    /// Entries of the table of addresses, for a test to look at.
    #[must_use]
    pub fn addresses(&self) -> usize {
        let entries = self.memory.entries(table::ADDRESSES);
        let read = entries.filter_map(han::zigbee::znp::nv::Address::read);
        read.filter(han::zigbee::znp::nv::Address::is_set).count()
    }
}

impl Coprocessor for Znp {
    fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        self.advance(now);
        if self.faults.silent {
            return;
        }
        for &octet in octets {
            if let Some(Ok(frame)) = self.splitter.push(octet) {
                self.take(&frame);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.flush();
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let mut wire = self.out.pop_front()?;
        if self.faults.silent {
            return Some(Vec::new());
        }
        self.frames += 1;
        if is_nth(self.frames, self.faults.wrong_check_every)
            && let Some(check) = wire.last_mut()
        {
            *check ^= 0xFF;
        }
        for octet in &mut wire {
            if self.chance(self.faults.noise_per_mille) {
                *octet ^= 0x04;
            }
        }
        Some(wire)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.start + Duration::from_millis(self.stepped_ms + STEP_MS))
    }

    fn mesh(&mut self) -> &mut Mesh {
        &mut self.mesh
    }
}

const fn is_nth(count: u32, every: u32) -> bool {
    every > 0 && count.is_multiple_of(every)
}
