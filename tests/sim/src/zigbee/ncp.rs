//! The coprocessor: the serial link, the frames of EZSP, and the network that it keeps.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use han::zigbee::ash::{Frame as AshFrame, Link, LinkEvent, Side};
use han::zigbee::ezsp::{self, Frame, FrameKind, HeaderForm};
use han::zigbee::zdo;
use han::{Record, Value};

use super::commands::APS_ENCRYPTION;
use super::device::Aps;
use super::mesh::{Arrival, Mesh, STEP_MS};
use super::serve::Coprocessor;
use super::utility::Utility;

/// What goes wrong between the client and the coprocessor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// So many of a thousand octets to the client are changed.
    pub noise_per_mille: u64,
    /// Every n-th acknowledgement is lost.
    pub lose_ack_every: u32,
    /// So many resets are answered with an error in place of the start.
    pub errors_at_start: u32,
    /// Nothing is said any more.
    pub silent: bool,
    /// No message is taken: too many are under way.
    pub message_limit: bool,
    /// The network's key cannot be exchanged.
    pub refuses_keys: bool,
}

/// A network as the coprocessor keeps it over resets.
#[derive(Clone, Debug)]
pub struct Network {
    pub(super) parameters: Record,
    pub(super) key: [u8; 16],
    pub(super) key_sequence: u8,
    pub(super) trust_center_key: [u8; 16],
    pub(super) bitmask: u16,
    /// Never lower than before.
    pub frame_counter: u32,
    /// 1 where it leads the network, 3 as an end device of another's.
    pub(super) node_type: u8,
    pub(super) nwk: u16,
    pub(super) trust_center: u64,
}

impl Network {
    /// The key of the network.
    #[must_use]
    pub const fn key(&self) -> [u8; 16] {
        self.key
    }
}

/// The simulated coprocessor.
#[derive(Debug)]
pub struct Ncp {
    /// What is wrong with it.
    pub faults: Faults,
    /// What its radio reaches.
    pub mesh: Mesh,
    /// A utility's meter whose network it can join.
    pub utility: Option<Utility>,
    /// Energy that a scan finds, per channel from 11 to 26, dBm.
    pub energy_dbm: [i8; 16],
    /// Its address for life.
    pub eui64: u64,
    /// The commands it was asked, by number of the command.
    pub asked: BTreeMap<u16, u32>,
    pub(super) version: u8,
    pub(super) network: Option<Network>,
    pub(super) is_up: bool,
    pub(super) link_keys: Vec<Option<(u64, [u8; 16])>>,
    pub(super) transient_keys: Vec<(u64, [u8; 16])>,
    pub(super) security: Option<Record>,
    pub(super) next_counter: u32,
    /// Where the counter of the network stood that was left last.
    pub(super) last_counter: u32,
    /// How often the parent is polled, ms, and how often it may miss.
    pub(super) poll: Option<(u64, Option<u64>)>,
    pub(super) polled_ms: u64,
    pub(super) poll_misses: u64,
    pub(super) config: BTreeMap<u8, u16>,
    pub(super) policies: BTreeMap<u8, u8>,
    pub(super) endpoints: Vec<Record>,
    pub(super) permitted_until: BTreeMap<u16, u64>,
    pub(super) now_ms: u64,
    /// Callbacks with the time when they are due.
    later: Vec<(u64, u16, Record)>,
    link: Link,
    form: HeaderForm,
    sequence: u8,
    start: Instant,
    stepped_ms: u64,
    random: u64,
    acks: u32,
    aps_counter: u8,
    out: VecDeque<Vec<u8>>,
}

impl Ncp {
    /// A coprocessor of a protocol version, 13 to 19, that is in no network.
    #[must_use]
    pub fn new(version: u8, mesh: Mesh, now: Instant) -> Self {
        Self {
            faults: Faults::default(),
            mesh,
            utility: None,
            energy_dbm: [-80; 16],
            eui64: 0x000B_57FF_FE12_3456,
            asked: BTreeMap::new(),
            version,
            network: None,
            is_up: false,
            link_keys: vec![None; 12],
            transient_keys: Vec::new(),
            security: None,
            next_counter: 0,
            last_counter: 0,
            poll: None,
            polled_ms: 0,
            poll_misses: 0,
            config: BTreeMap::new(),
            policies: BTreeMap::new(),
            endpoints: Vec::new(),
            permitted_until: BTreeMap::new(),
            now_ms: 0,
            later: Vec::new(),
            link: Link::new(Side::Coprocessor),
            form: HeaderForm::Unknown,
            sequence: 0,
            start: now,
            stepped_ms: 0,
            random: 0x9E37_79B9_7F4A_7C15,
            acks: 0,
            aps_counter: 0,
            out: VecDeque::new(),
        }
    }

    /// The stick is exchanged for an empty one; the devices have noticed nothing.
    pub fn exchange(&mut self) {
        let mesh = std::mem::take(&mut self.mesh);
        *self = Self {
            utility: self.utility.take(),
            now_ms: self.now_ms,
            stepped_ms: self.stepped_ms,
            ..Self::new(self.version, mesh, self.start)
        };
    }

    /// Milliseconds since it was made.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Seconds since 2000 UTC.
    #[must_use]
    pub fn utc(&self) -> u32 {
        self.mesh.utc(self.now_ms)
    }

    /// The network that it keeps.
    #[must_use]
    pub const fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// It starts again by itself, as after a watchdog.
    pub fn watchdog(&mut self, now: Instant) {
        self.restart();
        self.link.reset(3, now);
    }

    /// Major and minor number of the firmware that speaks its version.
    pub(super) const fn firmware(&self) -> (u8, u8) {
        match self.version {
            ..14 => (7, 4),
            14 | 15 => (8, 0),
            16 => (8, 1),
            17 | 18 => (8, 2),
            _ => (9, 0),
        }
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 1000 < per_mille
    }

    /// What a restart forgets: all but the network and the keys.
    fn restart(&mut self) {
        self.is_up = false;
        self.poll = None;
        self.form = HeaderForm::Unknown;
        self.endpoints.clear();
        self.config.clear();
        self.policies.clear();
        self.transient_keys.clear();
        self.permitted_until.clear();
        self.later.clear();
        if let Some(network) = self.network.as_mut() {
            // A start may lose what was counted since the counter was last written.
            network.frame_counter = network.frame_counter.saturating_add(0x1000);
        }
    }

    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.start).as_millis();
        self.now_ms = u64::try_from(passed).unwrap_or(u64::MAX);
        while self.stepped_ms + STEP_MS <= self.now_ms {
            self.stepped_ms += STEP_MS;
            self.mesh.pass(self.stepped_ms, self.eui64);
            self.pass_membership();
            if self.stepped_ms.is_multiple_of(10 * STEP_MS) {
                self.admit();
            }
        }
    }

    fn take_link_events(&mut self, now: Instant) {
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Connected { .. } => self.restart(),
                LinkEvent::Received(octets) => self.take_frame(&octets, now),
                LinkEvent::Lost(_) => self.is_up = false,
            }
        }
    }

    fn take_frame(&mut self, octets: &[u8], now: Instant) {
        let Ok(frame) = Frame::parse(octets, self.form) else {
            return;
        };
        if frame.kind != FrameKind::Command {
            return;
        }
        *self.asked.entry(frame.id).or_default() += 1;
        self.sequence = frame.sequence;
        if frame.id == ezsp::VERSION {
            let form = frame.form;
            let fields = Record::new()
                .with("version", Value::Unsigned(self.version.into()))
                .with("stack_type", Value::Unsigned(2))
                .with(
                    "stack_version",
                    Value::Unsigned(
                        u64::from(self.firmware().0) << 12
                            | u64::from(self.firmware().1) << 8
                            | 0x20,
                    ),
                );
            self.form = HeaderForm::Extended;
            self.respond(frame.id, &fields, form, now);
            return;
        }
        let request = ezsp::read_request(frame.id, self.version, frame.parameters);
        let answer = match request {
            Some(Ok(fields)) => self.answer(frame.id, &fields),
            _ => None,
        };
        match answer {
            Some(fields) => self.respond(frame.id, &fields, HeaderForm::Extended, now),
            None => {
                // EZSP_ERROR_INVALID_FRAME_ID.
                let fields = self.status(0x36);
                self.respond(ezsp::INVALID_COMMAND, &fields, HeaderForm::Extended, now);
            }
        }
        self.flush(now);
    }

    fn respond(&mut self, id: u16, fields: &Record, form: HeaderForm, now: Instant) {
        let written = ezsp::write_response(id, self.version, fields);
        debug_assert!(written.is_ok(), "{id:04x}: {written:?}");
        let frame = ezsp::response(self.sequence, id, &written.unwrap_or_default(), form, false);
        // A link that is lost has nobody to tell.
        let _ = self.link.send(frame, now);
    }

    /// Tells the client something after so many milliseconds.
    pub(super) fn tell(&mut self, after_ms: u64, id: u16, fields: Record) {
        self.later.push((self.now_ms + after_ms, id, fields));
    }

    fn flush(&mut self, now: Instant) {
        self.hear_utility();
        for arrival in self.mesh.arrived(self.now_ms) {
            let is_read = !arrival.aps.secured || self.has_key_of(arrival.nwk);
            if self.is_up && is_read {
                let fields = self.incoming(&arrival);
                self.tell(0, ezsp::INCOMING_MESSAGE, fields);
            }
        }
        let now_ms = self.now_ms;
        let (due, later): (Vec<_>, Vec<_>) =
            self.later.drain(..).partition(|(at, ..)| *at <= now_ms);
        self.later = later;
        for (_, id, fields) in due {
            if id == 0x0024 {
                self.joined(&fields);
            }
            let written = ezsp::write_response(id, self.version, &fields);
            debug_assert!(written.is_ok(), "{id:04x}: {written:?}");
            let form = HeaderForm::Extended;
            let frame = ezsp::response(self.sequence, id, &written.unwrap_or_default(), form, true);
            // A link that is lost has nobody to tell.
            let _ = self.link.send(frame, now);
        }
    }

    /// A device that was let in comes alive.
    fn joined(&mut self, fields: &Record) {
        let ieee = fields.number("eui64").unwrap_or(0);
        let parent = u16::try_from(fields.number("parent").unwrap_or(0)).unwrap_or(0);
        self.mesh.join(ieee, parent, self.now_ms);
    }

    /// Whether the table of link keys has the one that a device has.
    pub(super) fn has_key_of(&self, nwk: u16) -> bool {
        let device = self.mesh.by_nwk(nwk);
        let key = device.and_then(|device| {
            let link_key = device.energy_services.as_ref()?.link_key?;
            Some((device.ieee, link_key))
        });
        key.is_some() && self.link_keys.contains(&key)
    }

    pub(super) fn incoming(&mut self, arrival: &Arrival) -> Record {
        self.aps_counter = self.aps_counter.wrapping_add(1);
        let aps = aps_record(arrival.aps, self.aps_counter);
        let message_type = if arrival.broadcast { 4 } else { 0 };
        let rssi = i64::from(arrival.lqi) / 4 - 100;
        Record::new()
            .with("message_type", Value::Unsigned(message_type))
            .with("aps", Value::Record(aps))
            .with("lqi", Value::Unsigned(arrival.lqi.into()))
            .with("rssi_dbm", Value::Signed(rssi))
            .with("nwk", Value::id16(arrival.nwk))
            .with("eui64", Value::ieee(arrival.ieee))
            .with("binding_index", Value::Unsigned(0xFF))
            .with("address_index", Value::Unsigned(0xFF))
            .with("timestamp", Value::Unsigned(0))
            .with("message", Value::Octets(arrival.payload.clone()))
    }

    /// An answer of the coprocessor's own device objects.
    pub(super) fn loop_back(&mut self, aps: Aps, cluster: u16, tsn: u8, fields: &Record) {
        let Ok(payload) = zdo::encode(cluster, tsn, fields) else {
            return;
        };
        let arrival = Arrival {
            at_ms: self.now_ms,
            nwk: 0,
            ieee: self.eui64,
            aps: Aps {
                cluster,
                ..aps.back()
            },
            broadcast: false,
            payload,
            lqi: 255,
        };
        let fields = self.incoming(&arrival);
        self.tell(1, ezsp::INCOMING_MESSAGE, fields);
    }

    pub(super) fn status(&self, status: u64) -> Record {
        Record::new().with("status", Value::Unsigned(status))
    }
}

impl Coprocessor for Ncp {
    fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        self.advance(now);
        if self.faults.silent {
            return;
        }
        // A reset that is answered with an error never reaches the link.
        if self.faults.errors_at_start > 0
            && octets
                .windows(4)
                .any(|seen| seen == [0xC0, 0x38, 0xBC, 0x7E])
        {
            self.faults.errors_at_start -= 1;
            let error = AshFrame::Error {
                version: 2,
                code: 3,
            };
            self.out.push_back(error.encode());
            return;
        }
        self.link.handle_octets(octets, now);
        self.take_link_events(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.link.handle_timeout(now);
        self.take_link_events(now);
        self.flush(now);
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let mut wire = match self.out.pop_front() {
            Some(wire) => wire,
            None => loop {
                let wire = self.link.poll_transmit()?;
                // An ACK frame: 100 in the highest bits, four octets.
                let is_ack =
                    wire.len() <= 6 && wire.first().is_some_and(|control| control >> 5 == 0b100);
                self.acks += u32::from(is_ack);
                let every = self.faults.lose_ack_every;
                if !(is_ack && every > 0 && self.acks.is_multiple_of(every)) {
                    break wire;
                }
            },
        };
        if self.faults.silent {
            return Some(Vec::new());
        }
        for octet in &mut wire {
            if self.chance(self.faults.noise_per_mille) {
                *octet ^= 0x04;
            }
        }
        Some(wire)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let step = self.start + Duration::from_millis(self.stepped_ms + STEP_MS);
        Some(self.link.poll_timeout().map_or(step, |due| due.min(step)))
    }

    fn mesh(&mut self) -> &mut Mesh {
        &mut self.mesh
    }
}

pub(super) fn aps_record(aps: Aps, sequence: u8) -> Record {
    let options = 0x0140 | if aps.secured { APS_ENCRYPTION } else { 0 };
    Record::new()
        .with("profile", Value::id16(aps.profile))
        .with("cluster", Value::id16(aps.cluster))
        .with("src_endpoint", Value::Unsigned(aps.src_endpoint.into()))
        .with("dst_endpoint", Value::Unsigned(aps.dst_endpoint.into()))
        .with("options", Value::Unsigned(options.into()))
        .with("group", Value::id16(0))
        .with("sequence", Value::Unsigned(sequence.into()))
}
