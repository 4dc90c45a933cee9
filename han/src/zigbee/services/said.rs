//! What goes out and what comes back.

use zeroize::Zeroizing;

use super::load_control::EventStatus;
use crate::value::Record;
use crate::zigbee::coordinator::Aps;
use crate::zigbee::key_establishment::Refusal;

/// What was sent is sent again after so many seconds when nobody has confirmed it, so many times.
const AGAIN_S: u32 = 30;
const TRIES: u8 = 3;

/// A message for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The device's address for life.
    pub ieee: u64,
    /// Where.
    pub aps: Aps,
    /// What it says.
    pub payload: Vec<u8>,
}

/// What devices have said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A device and the gateway have come to a key: the stick must have it.
    KeyEstablished {
        /// The device's address for life.
        ieee: u64,
        /// The place of the key in the stick's table.
        place: u8,
        /// The key.
        link_key: Zeroizing<[u8; 16]>,
    },
    /// They have not.
    KeyRefused {
        /// The device's address for life.
        ieee: u64,
        /// Why.
        refusal: Refusal,
    },
    /// A device has a price.
    PriceAcknowledged {
        /// The device's address for life.
        ieee: u64,
        /// When the price begins.
        start: u32,
    },
    /// A device has told how an event goes.
    EventStatus {
        /// The device's address for life.
        ieee: u64,
        /// The event.
        key: String,
        /// How it goes.
        status: EventStatus,
        /// Since when.
        at: u32,
    },
    /// A device wants to speak with a meter.
    TunnelOpened {
        /// The device's address for life.
        ieee: u64,
        /// The tunnel.
        tunnel: u16,
    },
    /// What a device says through its tunnel.
    TunnelData {
        /// The tunnel.
        tunnel: u16,
        /// What.
        octets: Vec<u8>,
    },
    /// A tunnel is no more.
    TunnelClosed {
        /// The tunnel.
        tunnel: u16,
    },
    /// Somebody has confirmed a message at a device.
    MessageConfirmed {
        /// The device's address for life.
        ieee: u64,
        /// The message.
        key: String,
        /// When.
        at: u32,
    },
}

/// A message that the servers make, before it is addressed.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) ieee: u64,
    pub(super) cluster: u16,
    pub(super) command: u8,
    pub(super) fields: Record,
}

/// What goes to a device until it says that it has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    due: u32,
    tries: u8,
}

impl Pending {
    pub(super) const fn first(now: u32) -> Self {
        Self {
            due: now.saturating_add(AGAIN_S),
            tries: 1,
        }
    }

    /// Whether it is to be sent again; counts it.
    pub(super) fn is_due(&mut self, now: u32) -> bool {
        let due = now >= self.due && self.tries < TRIES;
        if due {
            self.tries += 1;
            self.due = now.saturating_add(AGAIN_S);
        }
        due
    }
}

/// A number of 32 bits that belongs to a text, so that a restart does not change it.
pub(super) fn number_of(parts: &[&[u8]]) -> u32 {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let octets: [u8; 4] = digest.finalize().first_chunk().copied().unwrap_or_default();
    // 0 and FFFFFFFF mean something else.
    u32::from_be_bytes(octets).clamp(1, u32::MAX - 1)
}

pub(super) fn number32(fields: &Record, name: &str) -> u32 {
    u32::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0)
}
