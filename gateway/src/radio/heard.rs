//! The meters that are heard, and the telegrams of theirs that could not be read yet.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use meter_link::mbus::{DeviceAddress, Identification};
use meter_link::wmbus::receiver::RadioFrame;
use rust_decimal::Decimal;
use wattle_api::HeardMeter;

/// Meters kept; of those that nobody has named the one not heard for longest goes first.
const MOST: usize = 500;
/// Telegrams kept of a meter whose telegrams cannot be read yet.
const RING: usize = 16;
/// Frames that may be heard again by another receiver, and for how long that counts as the same.
const RECENT: usize = 64;
const SAME_SECONDS: i64 = 10;

/// A telegram as it was received, without link-layer CRCs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) at: Timestamp,
    pub(super) telegram: Vec<u8>,
    pub(super) rssi_dbm: Option<i16>,
    pub(super) receiver: String,
    pub(super) link_checked: bool,
}

/// A meter that is heard.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) address: DeviceAddress,
    pub(super) encrypted: bool,
    pub(super) mode: String,
    pub(super) status: &'static str,
    pub(super) reason: Option<String>,
    pub(super) rssi_dbm: Option<i16>,
    pub(super) receiver: String,
    pub(super) link_mode: Option<&'static str>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) telegrams: u64,
    pub(super) index: Option<(Decimal, &'static str)>,
    /// The last telegram, for trying keys.
    pub(super) newest: Option<Kept>,
    /// Telegrams that gave no reading, oldest first.
    pub(super) unread: VecDeque<Kept>,
}

impl Heard {
    pub(super) fn new(address: DeviceAddress, at: Timestamp) -> Self {
        Self {
            address,
            encrypted: false,
            mode: "0".to_owned(),
            status: "ok",
            reason: None,
            rssi_dbm: None,
            receiver: String::new(),
            link_mode: None,
            first: at,
            last: at,
            telegrams: 0,
            index: None,
            newest: None,
            unread: VecDeque::new(),
        }
    }

    /// Keeps a telegram that gave no reading.
    pub(super) fn keep(&mut self, kept: Kept) {
        if self.unread.len() >= RING {
            self.unread.pop_front();
        }
        self.unread.push_back(kept);
    }

    pub(super) fn api(&self, name: Option<&str>) -> HeardMeter {
        let address = self.address;
        HeardMeter {
            id: address.identification.to_string(),
            manufacturer: address.manufacturer.to_string(),
            version: format!("{:02x}", address.version),
            device_type: format!("{:02x}", address.device_type.0),
            medium: address.device_type.medium().to_owned(),
            encrypted: self.encrypted,
            security_mode: self.mode.clone(),
            status: self.status.to_owned(),
            reason: self.reason.clone(),
            rssi_dbm: self.rssi_dbm,
            receiver: self.receiver.clone(),
            link_mode: self.link_mode.map(str::to_owned),
            first_heard: self.first,
            last_heard: self.last,
            telegrams: self.telegrams,
            name: name.map(str::to_owned),
            value: self.index.map(|(value, _)| value),
            unit: self.index.map(|(_, unit)| unit.to_owned()),
        }
    }
}

/// All of them, by number.
#[derive(Debug, Default)]
pub(super) struct HeardMeters {
    meters: HashMap<Identification, Heard>,
    recent: VecDeque<(Timestamp, Vec<u8>, Identification)>,
}

impl HeardMeters {
    /// True when another receiver has handed over the same frame a moment ago. Of both, the
    /// stronger signal is remembered.
    pub(super) fn is_copy(
        &mut self,
        frame: &RadioFrame,
        bytes: &[u8],
        receiver: &str,
        at: Timestamp,
    ) -> bool {
        let found = self.recent.iter().find(|(heard, recent, _)| {
            (at.as_second() - heard.as_second()).abs() <= SAME_SECONDS && recent == bytes
        });
        let Some((_, _, id)) = found else {
            return false;
        };
        if let Some(meter) = self.meters.get_mut(id)
            && frame.rssi_dbm > meter.rssi_dbm
        {
            meter.rssi_dbm = frame.rssi_dbm;
            receiver.clone_into(&mut meter.receiver);
        }
        true
    }

    /// Remembers a frame, so that its copies are known.
    pub(super) fn remember(&mut self, bytes: &[u8], id: Identification, at: Timestamp) {
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((at, bytes.to_vec(), id));
    }

    pub(super) fn get(&self, id: Identification) -> Option<&Heard> {
        self.meters.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: Identification) -> Option<&mut Heard> {
        self.meters.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Identification, &Heard)> {
        self.meters.iter()
    }

    /// The meter of an address, new if it was not heard before. `is_named` tells those that are
    /// not to be given up when there are too many.
    pub(super) fn entry(
        &mut self,
        address: DeviceAddress,
        at: Timestamp,
        is_named: impl Fn(Identification) -> bool,
    ) -> &mut Heard {
        let id = address.identification;
        if self.meters.len() >= MOST && !self.meters.contains_key(&id) {
            let strangers = self.meters.iter().filter(|(id, _)| !is_named(**id));
            let oldest = strangers
                .min_by_key(|(_, meter)| meter.last)
                .map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.meters.remove(&oldest);
            }
        }
        self.meters
            .entry(id)
            .or_insert_with(|| Heard::new(address, at))
    }
}
