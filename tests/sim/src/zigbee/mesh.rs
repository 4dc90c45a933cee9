//! What the radio of the simulated coprocessor reaches.

use super::device::{Aps, Device};

/// A message on its way to the coprocessor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it arrives, ms since the start.
    pub at_ms: u64,
    /// The sender's address in the network.
    pub nwk: u16,
    /// The sender's address for life.
    pub ieee: u64,
    /// Where it goes.
    pub aps: Aps,
    /// Whether all were meant.
    pub broadcast: bool,
    /// What it says.
    pub payload: Vec<u8>,
    /// How well it was heard.
    pub lqi: u8,
}

/// The devices, and the messages that are on their way.
#[derive(Clone, Debug, Default)]
pub struct Mesh {
    /// All devices, in a network or not.
    pub devices: Vec<Device>,
    arrivals: Vec<Arrival>,
    /// The key that all devices have, and the highest counter they have seen under it.
    secured: Option<([u8; 16], u32)>,
    /// The key that is used next.
    next_key: Option<[u8; 16]>,
    /// Seconds since 2000 UTC at the start.
    pub utc_start: u32,
    /// Messages of the Smart Energy profile that devices got, when a list is there to take them.
    pub heard: Option<Vec<Heard>>,
}

/// A message that a device got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When, ms since the start.
    pub at_ms: u64,
    /// The device's address in the network.
    pub nwk: u16,
    /// Where it went.
    pub aps: Aps,
    /// What it says.
    pub payload: Vec<u8>,
}

/// How often devices are asked whether they have something to say.
pub(super) const STEP_MS: u64 = 50;

impl Mesh {
    /// A mesh of these devices, none of which is in a network.
    #[must_use]
    pub fn new(devices: Vec<Device>, utc_start: u32) -> Self {
        Self {
            devices,
            arrivals: Vec::new(),
            secured: None,
            next_key: None,
            utc_start,
            heard: None,
        }
    }

    /// The device of an address for life.
    #[must_use]
    pub fn device(&self, ieee: u64) -> Option<&Device> {
        self.devices.iter().find(|device| device.ieee == ieee)
    }

    /// The same, to change it.
    pub fn device_mut(&mut self, ieee: u64) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.ieee == ieee)
    }

    pub(super) fn by_nwk(&self, nwk: u16) -> Option<&Device> {
        self.devices
            .iter()
            .find(|device| device.joined && device.nwk == nwk)
    }

    /// Seconds since 2000 UTC at `ms`.
    #[must_use]
    pub fn utc(&self, ms: u64) -> u32 {
        self.utc_start
            .saturating_add(u32::try_from(ms / 1000).unwrap_or(u32::MAX))
    }

    /// All devices leave.
    pub(super) fn dissolve(&mut self) {
        self.secured = None;
        self.arrivals.clear();
        for device in &mut self.devices {
            device.joined = false;
            device.wants_to_join = true;
        }
    }

    /// A device that wants to join, whose parent lets it and whose key is known.
    pub(super) fn next_to_join(
        &mut self,
        permits: impl Fn(u16) -> bool,
        knows: impl Fn(u64, Option<[u8; 16]>) -> bool,
    ) -> Option<&Device> {
        let device = self
            .devices
            .iter_mut()
            .filter(|device| device.wants_to_join && !device.joined && !device.misbehaviour.silent)
            .find(|device| permits(device.parent) && knows(device.ieee, device.link_key))?;
        device.wants_to_join = false;
        Some(device)
    }

    /// A device with an old key of the network that comes back.
    pub(super) fn next_to_return(&mut self) -> Option<&Device> {
        let mut lost = self.devices.iter_mut();
        let device = lost.find(|one| one.is_lost && !one.misbehaviour.silent)?;
        device.is_lost = false;
        Some(device)
    }

    /// Takes a device into the network; it announces itself.
    pub(super) fn join(&mut self, ieee: u64, parent: u16, ms: u64) {
        let Some(device) = self.devices.iter_mut().find(|device| device.ieee == ieee) else {
            return;
        };
        (device.joined, device.wants_to_join, device.parent) = (true, false, parent);
        let sent = device.announce();
        let (nwk, lqi) = (device.nwk, device.lqi);
        for one in sent {
            self.arrivals.push(Arrival {
                at_ms: ms + one.after_ms + 100,
                nwk,
                ieee,
                aps: one.aps,
                broadcast: true,
                payload: one.payload,
                lqi,
            });
        }
    }

    /// Lets time pass until `ms`.
    pub(super) fn pass(&mut self, ms: u64, coordinator: u64) {
        let utc = self.utc(ms);
        for device in &mut self.devices {
            let sent = device.pass(ms, utc, coordinator);
            self.arrivals.extend(sent.into_iter().map(|one| Arrival {
                at_ms: ms + one.after_ms,
                nwk: device.nwk,
                ieee: device.ieee,
                aps: one.aps,
                broadcast: false,
                payload: one.payload,
                lqi: device.lqi,
            }));
        }
    }

    /// Whether devices take a frame under this key with this counter: a counter that they have seen
    /// is a replay.
    pub(super) fn accepts(&mut self, key: [u8; 16], counter: u32) -> bool {
        let accepted = self
            .secured
            .is_none_or(|(known, seen)| known == key && counter > seen);
        if accepted {
            self.secured = Some((key, counter));
        }
        accepted
    }

    /// Devices that hear it are told the key that is used next.
    pub(super) fn tell_key(&mut self, key: [u8; 16]) {
        self.next_key = Some(key);
        for device in &mut self.devices {
            device.has_next_key = device.joined && !device.misbehaviour.silent;
        }
    }

    /// The next key is used; who was not told it is out until it comes again. `None` when none was
    /// told.
    pub(super) fn switch_key(&mut self) -> Option<[u8; 16]> {
        let key = self.next_key.take()?;
        self.secured = Some((key, 0));
        for device in self.devices.iter_mut().filter(|device| device.joined) {
            if !std::mem::take(&mut device.has_next_key) {
                (device.joined, device.is_lost) = (false, true);
            }
        }
        Some(key)
    }

    /// Delivers a message to one device; false when nobody hears it.
    pub(super) fn deliver(&mut self, nwk: u16, aps: Aps, payload: &[u8], ms: u64) -> bool {
        let utc = self.utc(ms);
        let found = self
            .devices
            .iter_mut()
            .find(|device| device.joined && device.nwk == nwk);
        let Some(device) = found else { return false };
        if let Some(heard) = self.heard.as_mut().filter(|_| aps.profile == 0x0109) {
            heard.push(Heard {
                at_ms: ms,
                nwk,
                aps,
                payload: payload.to_vec(),
            });
        }
        let sent = device.take(aps, payload, ms, utc);
        self.arrivals.extend(sent.into_iter().map(|one| Arrival {
            at_ms: ms + one.after_ms,
            nwk,
            ieee: device.ieee,
            aps: one.aps,
            broadcast: false,
            payload: one.payload,
            lqi: device.lqi,
        }));
        !device.misbehaviour.silent
    }

    /// What has arrived until `ms`, in order.
    pub(super) fn arrived(&mut self, ms: u64) -> Vec<Arrival> {
        let (mut here, there): (Vec<_>, Vec<_>) = self
            .arrivals
            .drain(..)
            .partition(|arrival| arrival.at_ms <= ms);
        self.arrivals = there;
        here.sort_by_key(|arrival| arrival.at_ms);
        here
    }
}
