//! What is known of the network, for everyone who asks, and the way in for requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use han::zigbee::coordinator::{ChannelEnergy, Network, advise};
use han::zigbee::devices::{Device, Link, Measured};
use han::zigbee::install_code::InstallCode;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use wattle_api::{
    Zigbee, ZigbeeChannel, ZigbeeChannels, ZigbeeComfort, ZigbeeDemand, ZigbeeDevice,
    ZigbeeFirmware, ZigbeeFirmwareFile, ZigbeeLink, ZigbeeMap, ZigbeeState, ZigbeeUtility,
};

/// Requests that may wait.
const QUEUE: usize = 16;

/// Devices are let in for so long where nobody says how long, s.
pub const JOIN_S: u8 = 120;
/// And so long at most, s.
pub const LONGEST_JOIN_S: u8 = 254;

/// What is asked of the network.
#[derive(Debug)]
pub enum Request {
    /// Let devices in: all, or the one with this install code.
    Join {
        /// For so many seconds; 0 ends it.
        seconds: u8,
        /// The one device.
        code: Option<Box<(u64, InstallCode)>>,
    },
    /// Switch a relay.
    Switch {
        /// The device.
        ieee: u64,
        /// On or off.
        on: bool,
    },
    /// Let a device have firmware: the newest, or this version.
    Upgrade {
        /// The device.
        ieee: u64,
        /// The version.
        version: Option<u32>,
        /// It may be older than what the device runs.
        downgrade: bool,
    },
    /// Let a device have no firmware any more.
    CallUpgradeOff {
        /// The device.
        ieee: u64,
    },
    /// Measure how busy the channels are, and ask who hears whom.
    Survey,
    /// Exchange the network's key.
    RotateKey,
    /// Give a foreign network up.
    Replace,
}

/// A request with the way back.
#[derive(Debug)]
pub struct Asked {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Result<(), &'static str>>,
}

/// What is known; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    zigbee: Zigbee,
    devices: BTreeMap<u64, ZigbeeDevice>,
    way_in: Option<mpsc::Sender<Asked>>,
}

impl Board {
    /// What is known now.
    #[must_use]
    pub fn zigbee(&self, now: Timestamp) -> Zigbee {
        let inside = self.lock();
        let mut zigbee = inside.zigbee.clone();
        zigbee.joining_until = zigbee.joining_until.filter(|until| *until > now);
        zigbee.devices = inside.devices.values().cloned().collect();
        zigbee
    }

    /// Whether there is a stick.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.lock().way_in.is_some()
    }

    /// Asks something of the network.
    ///
    /// # Errors
    /// A sentence that says why it cannot be done.
    pub async fn ask(&self, request: Request) -> Result<(), &'static str> {
        const NOBODY: &str = "the Zigbee stick cannot be reached, or has too much to do";
        let way_in = self.lock().way_in.clone();
        let way_in = way_in.ok_or("no [zigbee] port is configured")?;
        let (answer, answered) = oneshot::channel();
        way_in
            .try_send(Asked { request, answer })
            .map_err(|_| NOBODY)?;
        let patience = std::time::Duration::from_secs(5);
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(answer)) => answer,
            _ => Err(NOBODY),
        }
    }

    /// Where requests come in from now on.
    pub(super) fn requests(&self) -> mpsc::Receiver<Asked> {
        let (way_in, requests) = mpsc::channel(QUEUE);
        self.lock().way_in = Some(way_in);
        requests
    }

    pub(super) fn state(&self, state: ZigbeeState, reason: Option<String>) {
        let mut inside = self.lock();
        (inside.zigbee.state, inside.zigbee.reason) = (state, reason);
        if state != ZigbeeState::Up {
            // A value from before is no value of now.
            for device in inside.devices.values_mut() {
                (device.power_w, device.voltage_v, device.on) = (None, None, None);
            }
        }
    }

    pub(super) fn offline(&self, reason: String) {
        self.state(ZigbeeState::Offline, Some(reason));
    }

    pub(super) fn up(&self, network: &Network) {
        self.state(ZigbeeState::Up, None);
        self.name(network.extended_pan, network.pan, network.channel);
        self.lock().zigbee.key_sequence = Some(network.key_sequence);
    }

    pub(super) fn foreign(&self, extended_pan: u64, pan: u16, channel: u8) {
        let reason = "the stick carries a network that is not this gateway's; it is left alone";
        self.state(ZigbeeState::Foreign, Some(reason.to_owned()));
        self.name(extended_pan, pan, channel);
    }

    /// What is known of the utility's meter.
    pub(super) fn utility(&self, utility: ZigbeeUtility) {
        self.lock().zigbee.utility = Some(utility);
    }

    pub(super) fn name(&self, extended_pan: u64, pan: u16, channel: u8) {
        let mut inside = self.lock();
        inside.zigbee.extended_pan = Some(format!("{extended_pan:016x}"));
        inside.zigbee.pan = Some(format!("{pan:04x}"));
        inside.zigbee.channel = Some(channel);
    }

    pub(super) fn joining(&self, until: Option<Timestamp>) {
        self.lock().zigbee.joining_until = until;
    }

    pub(super) fn devices<'d>(&self, devices: impl Iterator<Item = &'d Device>, now: Timestamp) {
        let mut inside = self.lock();
        for device in devices {
            let entry = inside
                .devices
                .entry(device.ieee)
                .or_insert_with(|| blank(device.ieee));
            entry.manufacturer.clone_from(&device.names.manufacturer);
            entry.model.clone_from(&device.names.model);
            entry.interviewed = device.is_interviewed();
            entry.lqi = device.lqi;
            let ago = device
                .last_heard
                .map(|heard| Instant::now().saturating_duration_since(heard));
            entry.last_heard = ago.map(|ago| now - ago);
            entry.missed = device.missed_for(Instant::now()).is_some();
        }
    }

    pub(super) fn measured(&self, ieee: u64, measured: &Measured) {
        let mut inside = self.lock();
        let device = inside.devices.entry(ieee).or_insert_with(|| blank(ieee));
        match measured {
            Measured::PowerW(power) => device.power_w = Some(*power),
            Measured::EnergyKwh(energy) => {
                (device.energy_kwh, device.energy_quarantined) = (Some(*energy), false);
            }
            Measured::EnergyQuarantined => device.energy_quarantined = true,
            Measured::VoltageV(voltage) => device.voltage_v = Some(*voltage),
            Measured::On(on) => device.on = Some(*on),
            Measured::TemperatureC(temperature) => device.temperature_c = Some(*temperature),
            Measured::HeatingSetpointC(setpoint) => device.heating_setpoint_c = Some(*setpoint),
            _ => {}
        }
    }

    pub(super) fn demand(&self, demand: Option<ZigbeeDemand>, comfort: Vec<ZigbeeComfort>) {
        let mut inside = self.lock();
        (inside.zigbee.demand, inside.zigbee.comfort) = (demand, comfort);
    }

    pub(super) fn firmware(&self, known: Vec<ZigbeeFirmware>) {
        self.lock().zigbee.firmware = known;
    }

    pub(super) fn files(&self, files: Vec<ZigbeeFirmwareFile>) {
        self.lock().zigbee.firmware_files = files;
    }

    pub(super) fn channels(&self, found: &[ChannelEnergy], now: Timestamp) {
        let energy = found.iter().map(|one| ZigbeeChannel {
            channel: one.channel,
            dbm: one.energy_dbm,
        });
        self.lock().zigbee.channels = Some(ZigbeeChannels {
            measured_at: now,
            best: advise(found),
            energy: energy.collect(),
        });
    }

    /// Takes who hears whom; `ieee` tells the address for life of one in the network.
    pub(super) fn map(&self, links: &[Link], ieee: impl Fn(u16) -> Option<u64>, now: Timestamp) {
        let links = links.iter().filter_map(|link| {
            // Whoever has left meanwhile hears nobody.
            let at = match link.at {
                0 => None,
                nwk => Some(format!("{:016x}", ieee(nwk)?)),
            };
            Some(ZigbeeLink {
                at,
                ieee: format!("{:016x}", link.ieee),
                lqi: link.lqi,
                child: link.relationship == 1,
            })
        });
        self.lock().zigbee.map = Some(ZigbeeMap {
            asked_at: now,
            links: links.collect(),
        });
    }

    pub(super) fn left(&self, ieee: u64) {
        self.lock().devices.remove(&ieee);
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn blank(ieee: u64) -> ZigbeeDevice {
    ZigbeeDevice {
        ieee: format!("{ieee:016x}"),
        manufacturer: None,
        model: None,
        interviewed: false,
        last_heard: None,
        missed: false,
        lqi: None,
        on: None,
        power_w: None,
        energy_kwh: None,
        energy_quarantined: false,
        voltage_v: None,
        temperature_c: None,
        heating_setpoint_c: None,
    }
}
