//! A simulated device: its descriptors, attributes, reports and its meter.

use std::collections::{BTreeMap, BTreeSet};

use han::zigbee::zcl::write::{self, Attribute, Reporting};
use han::zigbee::zcl::{Direction, Frame, FrameType, Message};
use han::zigbee::zdo;
use han::{Record, Value};

use super::energy_services::EnergyServices;
use super::upgrade::Upgrade;

/// Where a message of the application goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aps {
    /// The profile.
    pub profile: u16,
    /// The cluster.
    pub cluster: u16,
    /// The sender's endpoint.
    pub src_endpoint: u8,
    /// The receiver's endpoint.
    pub dst_endpoint: u8,
    /// Whether it is encrypted with the key of device and coordinator.
    pub secured: bool,
}

impl Aps {
    /// Where the answer goes.
    #[must_use]
    pub const fn back(self) -> Self {
        Self {
            src_endpoint: self.dst_endpoint,
            dst_endpoint: self.src_endpoint,
            ..self
        }
    }
}

/// A message that a device sends, so many milliseconds from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How long it takes, ms.
    pub after_ms: u64,
    /// Where it goes.
    pub aps: Aps,
    /// What it says.
    pub payload: Vec<u8>,
}

/// A part of a device with clusters of its own.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its number.
    pub id: u8,
    /// Its profile.
    pub profile: u16,
    /// What it is.
    pub device: u16,
    /// Clusters whose attributes it has.
    pub inputs: Vec<u16>,
    /// Clusters that it uses.
    pub outputs: Vec<u16>,
}

/// What a load draws.
#[derive(Clone, Debug)]
pub enum Curve {
    /// Always the same, W.
    Constant(u32),
    /// From so many seconds of the day on so many watts, in ascending order; 0 before the first.
    Day(Vec<(u32, u32)>),
}

impl Curve {
    fn watts(&self, ms: u64) -> u32 {
        match self {
            Self::Constant(watts) => *watts,
            Self::Day(steps) => {
                let second = u32::try_from(ms / 1000 % 86_400).unwrap_or(0);
                let now = steps.iter().rev().find(|(from, _)| *from <= second);
                now.map_or(0, |(_, watts)| *watts)
            }
        }
    }
}

/// What a plug measures, and the truth.
#[derive(Clone, Debug)]
pub struct Load {
    /// What hangs on it.
    pub curve: Curve,
    /// Whether its relay is on.
    pub on: bool,
    /// What has passed it, in microwatt-seconds: the truth.
    pub energy_uws: u128,
    /// The register's multiplier; 0: the attribute is missing.
    pub multiplier: u32,
    /// The register's divisor.
    pub divisor: u32,
    /// What is added to the register, for wraps and resets.
    pub offset: i128,
    at_ms: u64,
}

impl Load {
    /// A load whose register counts watt-hours.
    #[must_use]
    pub const fn new(curve: Curve) -> Self {
        Self {
            curve,
            on: true,
            energy_uws: 0,
            multiplier: 1,
            divisor: 1000,
            offset: 0,
            at_ms: 0,
        }
    }

    /// What it draws now, W.
    #[must_use]
    pub fn watts(&self, ms: u64) -> u32 {
        if self.on { self.curve.watts(ms) } else { 0 }
    }

    /// What has passed it, Wh.
    #[must_use]
    pub fn energy_wh(&self) -> f64 {
        self.energy_uws as f64 / 3.6e9
    }

    /// The register, in its own units, modulo 2 to the 48th.
    #[must_use]
    pub fn register(&self) -> u64 {
        let divisor = u128::from(self.divisor.max(1));
        let raw =
            self.energy_uws * divisor / (u128::from(self.multiplier.max(1)) * 3_600_000_000_000);
        let raw = i128::try_from(raw).unwrap_or(0) + self.offset;
        u64::try_from(raw.rem_euclid(1 << 48)).unwrap_or(0)
    }

    fn pass(&mut self, ms: u64) {
        // In steps of a second, so that a step of the curve counts from its own second on.
        while self.at_ms < ms {
            let to = (self.at_ms / 1000 * 1000 + 1000).min(ms);
            let passed = u128::from(to - self.at_ms);
            self.energy_uws += u128::from(self.watts(self.at_ms)) * passed * 1000;
            self.at_ms = to;
        }
    }
}

/// What goes wrong with a device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Misbehaviour {
    /// It reports its power so many times a second, whatever was asked.
    pub flood_hz: u32,
    /// It takes the configuration of reports and never reports.
    pub never_reports: bool,
    /// Every n-th report of energy is 1,000 times too large.
    pub spike_every: u32,
    /// It answers a read of more than one attribute with nothing.
    pub single_reads_only: bool,
    /// It is out of reach.
    pub silent: bool,
}

#[derive(Clone, Debug)]
struct Report {
    endpoint: u8,
    cluster: u16,
    how: Reporting,
    sent_ms: u64,
    last: Option<Value>,
}

/// A device of the mesh.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its address for life.
    pub ieee: u64,
    /// Its address in the network.
    pub nwk: u16,
    /// The node through which it is heard.
    pub parent: u16,
    /// Whether it is in a network.
    pub joined: bool,
    /// Whether it looks for a network to join.
    pub wants_to_join: bool,
    /// Whether it has the network's next key.
    pub has_next_key: bool,
    /// It has an old key of the network, and comes back through the trust centre.
    pub is_lost: bool,
    /// Whether it passes on what others say.
    pub router: bool,
    /// How long it takes to answer, ms; a sleepy one wakes seldom.
    pub latency_ms: u64,
    /// The key with which it joins, when it has an install code.
    pub link_key: Option<[u8; 16]>,
    /// How well it is heard, 0 to 255.
    pub lqi: u8,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Its attributes, by endpoint, cluster and number.
    pub attributes: BTreeMap<(u8, u16, u16), Attribute>,
    /// What it measures.
    pub load: Option<Load>,
    /// What goes wrong with it.
    pub misbehaviour: Misbehaviour,
    /// What it does with prices, events and messages.
    pub energy_services: Option<EnergyServices>,
    /// Its search for firmware.
    pub upgrade: Option<Upgrade>,
    /// Clusters that are bound to the coordinator, by endpoint.
    pub bindings: BTreeSet<(u8, u16)>,
    /// How many messages have come for it alone.
    pub unicasts: u32,
    reports: Vec<Report>,
    tsn: u8,
    flooded_ms: u64,
    spikes: u32,
}

impl Device {
    /// A device with this address, outside any network.
    #[must_use]
    pub fn new(ieee: u64, nwk: u16) -> Self {
        Self {
            ieee,
            nwk,
            parent: 0,
            joined: false,
            wants_to_join: true,
            has_next_key: false,
            is_lost: false,
            router: true,
            latency_ms: 20,
            link_key: None,
            lqi: 200,
            endpoints: Vec::new(),
            attributes: BTreeMap::new(),
            load: None,
            misbehaviour: Misbehaviour::default(),
            energy_services: None,
            upgrade: None,
            bindings: BTreeSet::new(),
            unicasts: 0,
            reports: Vec::new(),
            tsn: 0,
            flooded_ms: 0,
            spikes: 0,
        }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, endpoint: u8, cluster: u16, id: u16, type_id: u8, value: Value) -> Self {
        let attribute = Attribute { id, type_id, value };
        self.attributes.insert((endpoint, cluster, id), attribute);
        self
    }

    /// Sets the value of an attribute that it has.
    pub fn set(&mut self, endpoint: u8, cluster: u16, id: u16, value: Value) {
        if let Some(attribute) = self.attributes.get_mut(&(endpoint, cluster, id)) {
            attribute.value = value;
        }
    }

    /// The value of an attribute.
    #[must_use]
    pub fn value(&self, endpoint: u8, cluster: u16, id: u16) -> Option<&Value> {
        Some(&self.attributes.get(&(endpoint, cluster, id))?.value)
    }

    /// What node it is, for its descriptor and for others' lists of neighbours.
    #[must_use]
    pub const fn logical_type(&self) -> u8 {
        if self.router { 1 } else { 2 }
    }

    /// Whether it sleeps between its polls.
    #[must_use]
    pub const fn is_sleepy(&self) -> bool {
        self.latency_ms >= 1000
    }

    fn capability(&self) -> u8 {
        // Router, mains, receiver on when idle, address to be allocated (05-3474, 2.3.2.3.6).
        match (self.router, self.is_sleepy()) {
            (true, _) => 0x8E,
            (false, false) => 0x8C,
            (false, true) => 0x80,
        }
    }

    /// It has joined: it says so, and asks what it needs.
    pub fn announce(&mut self) -> Vec<Sent> {
        self.reports.clear();
        // What it had been told was another network's.
        self.energy_services = self.energy_services.as_ref().map(EnergyServices::as_new);
        let fields = Record::new()
            .with("nwk", Value::id16(self.nwk))
            .with("ieee", Value::ieee(self.ieee))
            .with("capability", Value::Unsigned(self.capability().into()));
        let tsn = self.next_tsn();
        let payload = zdo::encode(0x0013, tsn, &fields).unwrap_or_default();
        vec![Sent {
            after_ms: self.latency_ms,
            aps: Aps {
                profile: 0,
                cluster: 0x0013,
                src_endpoint: 0,
                dst_endpoint: 0,
                secured: false,
            },
            payload,
        }]
    }

    /// What it says of its own accord until `ms`.
    pub fn pass(&mut self, ms: u64, utc: u32, coordinator: u64) -> Vec<Sent> {
        let mut sent = Vec::new();
        self.measure(ms);
        if !self.joined || self.misbehaviour.silent {
            return sent;
        }
        sent.extend(self.due_reports(ms));
        sent.extend(self.flood(ms));
        if let Some(mut services) = self.energy_services.take() {
            sent.extend(services.pass(utc, coordinator, &mut || self.next_tsn()));
            self.act(&services);
            self.energy_services = Some(services);
        }
        if let Some(mut upgrade) = self.upgrade.take() {
            sent.extend(upgrade.pass(ms, &mut || self.next_tsn()));
            self.upgrade = Some(upgrade);
        }
        sent
    }

    /// A device that takes part in an event switches its load by itself.
    fn act(&mut self, services: &EnergyServices) {
        if let (Some(load), Some(shed)) = (self.load.as_mut(), services.sheds()) {
            load.on = !shed;
        }
    }

    fn measure(&mut self, ms: u64) {
        let Some(load) = self.load.as_mut() else {
            return;
        };
        load.pass(ms);
        let (on, watts, register) = (load.on, load.watts(ms), load.register());
        self.set(1, 0x0006, 0x0000, Value::Bool(on));
        self.set(1, 0x0B04, 0x050B, Value::Signed((watts * 10).into()));
        self.set(
            1,
            0x0B04,
            0x0508,
            Value::Unsigned((u64::from(watts) * 1000) / 230),
        );
        self.set(1, 0x0702, 0x0400, Value::Signed(watts.into()));
        self.set(1, 0x0702, 0x0000, Value::Unsigned(register));
    }

    fn due_reports(&mut self, ms: u64) -> Vec<Sent> {
        let mut sent = Vec::new();
        if self.misbehaviour.never_reports {
            return sent;
        }
        let mut reports = std::mem::take(&mut self.reports);
        for report in &mut reports {
            if !self.bindings.contains(&(report.endpoint, report.cluster)) {
                continue;
            }
            let key = (report.endpoint, report.cluster, report.how.id);
            let Some(attribute) = self.attributes.get(&key).cloned() else {
                continue;
            };
            let passed = ms.saturating_sub(report.sent_ms);
            let changed = report
                .last
                .as_ref()
                .is_none_or(|last| differs(last, &attribute.value, &report.how));
            let may = passed >= u64::from(report.how.min_s) * 1000;
            let must = passed >= u64::from(report.how.max_s) * 1000;
            if (changed && may) || must {
                report.sent_ms = ms;
                report.last = Some(attribute.value.clone());
                sent.push(self.report(report.endpoint, report.cluster, attribute));
            }
        }
        self.reports = reports;
        sent
    }

    fn flood(&mut self, ms: u64) -> Vec<Sent> {
        let hz = u64::from(self.misbehaviour.flood_hz);
        if hz == 0 || ms < self.flooded_ms + 1000 / hz {
            return Vec::new();
        }
        self.flooded_ms = ms;
        let attribute = self.attributes.get(&(1, 0x0B04, 0x050B)).cloned();
        let sent = attribute.map(|attribute| self.report(1, 0x0B04, attribute));
        sent.into_iter().collect()
    }

    fn report(&mut self, endpoint: u8, cluster: u16, mut attribute: Attribute) -> Sent {
        if (cluster, attribute.id) == (0x0702, 0) && self.misbehaviour.spike_every > 0 {
            self.spikes += 1;
            if self.spikes.is_multiple_of(self.misbehaviour.spike_every)
                && let Value::Unsigned(register) = &mut attribute.value
            {
                *register = *register * 1000 % (1 << 48);
            }
        }
        let tsn = self.next_tsn();
        let direction = Direction::ServerToClient;
        let payload = write::attributes(tsn, direction, 0x0A, &[attribute]).unwrap_or_default();
        Sent {
            after_ms: 10,
            aps: Aps {
                profile: 0x0104,
                cluster,
                src_endpoint: endpoint,
                dst_endpoint: 1,
                secured: false,
            },
            payload,
        }
    }

    /// Takes a message for it; gives its answers.
    pub fn take(&mut self, aps: Aps, payload: &[u8], ms: u64, utc: u32) -> Vec<Sent> {
        self.measure(ms);
        self.unicasts += 1;
        if self.misbehaviour.silent {
            return Vec::new();
        }
        let answers = if aps.profile == 0 {
            self.answer_zdo(aps, payload)
        } else {
            self.answer_zcl(aps, payload, ms, utc)
        };
        let latency = self.latency_ms;
        let mut sent = answers;
        for one in &mut sent {
            one.after_ms += latency;
        }
        sent
    }

    fn answer_zdo(&mut self, aps: Aps, payload: &[u8]) -> Vec<Sent> {
        let Ok(message) = zdo::Message::decode(aps.cluster, payload) else {
            return Vec::new();
        };
        let number = |name: &str| message.fields.number(name).unwrap_or(0);
        let ok = || {
            Record::new()
                .with("status", Value::Unsigned(0))
                .with("nwk", Value::id16(self.nwk))
        };
        let fields = match aps.cluster {
            0x0002 => ok()
                .with("logical_type", Value::Unsigned(self.logical_type().into()))
                .with("capability", Value::Unsigned(self.capability().into()))
                .with("manufacturer", Value::id16(0x1234))
                .with("max_buffer", Value::Unsigned(82))
                .with("max_incoming", Value::Unsigned(128))
                .with("server_mask", Value::Unsigned(0))
                .with("max_outgoing", Value::Unsigned(128)),
            0x0004 => {
                let wanted = number("endpoint");
                let found = self
                    .endpoints
                    .iter()
                    .find(|one| u64::from(one.id) == wanted);
                match found {
                    Some(endpoint) => descriptor(ok(), endpoint),
                    None => Record::new()
                        .with("status", Value::Unsigned(0x83))
                        .with("nwk", Value::id16(self.nwk)),
                }
            }
            0x0005 => {
                let endpoints = self.endpoints.iter();
                let endpoints = endpoints
                    .map(|one| Value::Unsigned(one.id.into()))
                    .collect();
                ok().with("endpoints", Value::List(endpoints))
            }
            0x0021 | 0x0022 => {
                let endpoint = u8::try_from(number("src_endpoint")).unwrap_or(0);
                let cluster = u16::try_from(number("cluster")).unwrap_or(0);
                if aps.cluster == 0x0021 {
                    self.bindings.insert((endpoint, cluster));
                } else {
                    self.bindings.remove(&(endpoint, cluster));
                }
                Record::new().with("status", Value::Unsigned(0))
            }
            0x0031 => {
                let parent = Record::new()
                    .with("ext_pan", Value::ieee(0))
                    .with("ieee", Value::ieee(0))
                    .with("nwk", Value::id16(self.parent))
                    .with("device_type", Value::Unsigned(u64::from(self.parent != 0)))
                    .with("rx_on_when_idle", Value::Unsigned(1))
                    .with("relationship", Value::Unsigned(0))
                    .with("permit_joining", Value::Unsigned(0))
                    .with("depth", Value::Unsigned(0))
                    .with("lqi", Value::Unsigned(self.lqi.into()));
                Record::new()
                    .with("status", Value::Unsigned(0))
                    .with("entries", Value::Unsigned(1))
                    .with("start_index", Value::Unsigned(number("start_index")))
                    .with("neighbors", Value::List(vec![Value::Record(parent)]))
            }
            0x0034 => {
                self.joined = false;
                Record::new().with("status", Value::Unsigned(0))
            }
            0x0036 => Record::new().with("status", Value::Unsigned(0)),
            0x0000 | 0x0001 => Record::new()
                .with("status", Value::Unsigned(0))
                .with("ieee", Value::ieee(self.ieee))
                .with("nwk", Value::id16(self.nwk)),
            _ => return Vec::new(),
        };
        let cluster = aps.cluster | 0x8000;
        let aps = Aps {
            cluster,
            ..aps.back()
        };
        let payload = zdo::encode(cluster, message.tsn, &fields);
        payload.map_or_else(
            |_| Vec::new(),
            |payload| {
                vec![Sent {
                    after_ms: 0,
                    aps,
                    payload,
                }]
            },
        )
    }

    fn answer_zcl(&mut self, aps: Aps, payload: &[u8], ms: u64, utc: u32) -> Vec<Sent> {
        let Ok(message) = Message::decode(aps.cluster, payload) else {
            return Vec::new();
        };
        let frame = message.frame;
        let answer = |payload: Vec<u8>| {
            let aps = aps.back();
            vec![Sent {
                after_ms: 0,
                aps,
                payload,
            }]
        };
        if let Some(mut services) = self.energy_services.take() {
            let sent = services.take(aps, &message, utc, &mut || self.next_tsn());
            self.act(&services);
            self.energy_services = Some(services);
            if !sent.is_empty() {
                return sent;
            }
        }
        if frame.frame_type == FrameType::Global {
            return match frame.command {
                0x00 => match self.read(aps, &message) {
                    Some(payload) => answer(payload),
                    None => Vec::new(),
                },
                0x02 => {
                    self.store(aps, &message);
                    answer(write::global(
                        frame.tsn,
                        Direction::ServerToClient,
                        0x04,
                        &[0],
                    ))
                }
                0x06 => {
                    self.configure(aps, &message, ms);
                    answer(write::global(
                        frame.tsn,
                        Direction::ServerToClient,
                        0x07,
                        &[0],
                    ))
                }
                _ => Vec::new(),
            };
        }
        let mut sent = Vec::new();
        if let Some(mut upgrade) = self.upgrade.take() {
            sent.extend(upgrade.take(aps, &message, ms, &mut || self.next_tsn()));
            self.upgrade = Some(upgrade);
        }
        if !sent.is_empty() {
            return sent;
        }
        if (aps.cluster, frame.command) == (0x0004, 0x02) {
            // In no group, with room for eight.
            let direction = Direction::ServerToClient;
            return answer(write::cluster(frame.tsn, direction, 0x02, true, &[8, 0]));
        }
        let status = self.obey(aps, &frame);
        if frame.disable_default_response && status == 0 {
            return Vec::new();
        }
        answer(write::default_response(
            frame.tsn,
            Direction::ServerToClient,
            frame.command,
            status,
        ))
    }

    fn obey(&mut self, aps: Aps, frame: &Frame<'_>) -> u8 {
        match (aps.cluster, frame.command, self.load.as_mut()) {
            (0x0006, 0, Some(load)) => load.on = false,
            (0x0006, 1, Some(load)) => load.on = true,
            (0x0006, 2, Some(load)) => load.on = !load.on,
            (0x0700..=0x0703 | 0x0800 | 0x0003 | 0x0004, ..) => {}
            // UNSUP_CLUSTER_COMMAND (2.6.3).
            _ => return 0x81,
        }
        0
    }

    fn read(&self, aps: Aps, message: &Message<'_>) -> Option<Vec<u8>> {
        let Some(Value::List(wanted)) = message.fields.field("attributes") else {
            return None;
        };
        if self.misbehaviour.single_reads_only && wanted.len() > 1 {
            return None;
        }
        let ids = wanted.iter().filter_map(Value::as_u64);
        let records: Vec<_> = ids
            .filter_map(|id| u16::try_from(id).ok())
            .map(|id| {
                let key = (aps.dst_endpoint, aps.cluster, id);
                (id, self.attributes.get(&key).cloned())
            })
            .collect();
        write::read_attributes_response(message.frame.tsn, &records).ok()
    }

    fn store(&mut self, aps: Aps, message: &Message<'_>) {
        for record in groups(message, "records") {
            let id = number16(record, "attribute");
            if let Some(value) = record.field("value") {
                self.set(aps.dst_endpoint, aps.cluster, id, value.clone());
            }
        }
    }

    fn configure(&mut self, aps: Aps, message: &Message<'_>, ms: u64) {
        for record in groups(message, "records") {
            let how = Reporting {
                id: number16(record, "attribute"),
                type_id: u8::try_from(record.number("type").unwrap_or(0)).unwrap_or(0),
                min_s: number16(record, "min_interval"),
                max_s: number16(record, "max_interval"),
                change: record
                    .field("reportable_change")
                    .cloned()
                    .unwrap_or(Value::Null),
            };
            let (endpoint, cluster) = (aps.dst_endpoint, aps.cluster);
            let is_same = |report: &Report| {
                (report.endpoint, report.cluster, report.how.id) == (endpoint, cluster, how.id)
            };
            self.reports.retain(|report| !is_same(report));
            self.reports.push(Report {
                endpoint,
                cluster,
                how,
                sent_ms: ms,
                last: None,
            });
        }
    }

    fn next_tsn(&mut self) -> u8 {
        self.tsn = self.tsn.wrapping_add(1);
        self.tsn
    }
}

/// The groups in a list of a message.
pub(super) fn groups<'m>(message: &'m Message<'_>, name: &str) -> Vec<&'m Record> {
    let Some(Value::List(list)) = message.fields.field(name) else {
        return Vec::new();
    };
    let records = list.iter().filter_map(|one| match one {
        Value::Record(record) => Some(record),
        _ => None,
    });
    records.collect()
}

fn number16(record: &Record, name: &str) -> u16 {
    u16::try_from(record.number(name).unwrap_or(0)).unwrap_or(0)
}

fn descriptor(record: Record, endpoint: &Endpoint) -> Record {
    let list = |clusters: &[u16]| Value::List(clusters.iter().map(|id| Value::id16(*id)).collect());
    record
        .with("endpoint", Value::Unsigned(endpoint.id.into()))
        .with("profile", Value::id16(endpoint.profile))
        .with("device", Value::id16(endpoint.device))
        .with("device_version", Value::Unsigned(1))
        .with("input_clusters", list(&endpoint.inputs))
        .with("output_clusters", list(&endpoint.outputs))
}

fn differs(last: &Value, now: &Value, how: &Reporting) -> bool {
    let number = |value: &Value| match *value {
        Value::Signed(number) => Some(i128::from(number)),
        ref other => other.as_u64().map(i128::from),
    };
    let change = number(&how.change).unwrap_or(1).max(1);
    match (number(last), number(now)) {
        (Some(last), Some(now)) => (last - now).abs() >= change,
        _ => last != now,
    }
}
