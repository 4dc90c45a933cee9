//! Entries of the tables: counters, addresses and keys of devices.

use zeroize::Zeroizing;

use super::{octet, octets, u16_at, u32_at, u64_at};

/// How many frames were sent in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityMaterial {
    /// The counter as it was written last; the stick goes on some hundred further at each start.
    pub frame_counter: u32,
    /// The network's 64-bit name; FFFFFFFFFFFFFFFF: any, 0: an empty entry.
    pub extended_pan: u64,
}

impl SecurityMaterial {
    /// Octets of an entry.
    pub const LENGTH: u8 = 12;

    /// Reads an entry.
    #[must_use]
    pub fn read(of: &[u8]) -> Option<Self> {
        Some(Self {
            frame_counter: u32_at(of, 0)?,
            extended_pan: u64_at(of, 4)?,
        })
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        [
            &self.frame_counter.to_le_bytes()[..],
            &self.extended_pan.to_le_bytes(),
        ]
        .concat()
    }
}

/// A device of the table of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// What needs it: 1 a child of the stick, 2 a key; FF: an empty entry.
    pub user: u8,
    /// Its address in the network.
    pub nwk: u16,
    /// Its address for life.
    pub ieee: u64,
}

impl Address {
    /// Octets of an entry.
    pub const LENGTH: u8 = 12;
    /// A child of the stick.
    pub const CHILD: u8 = 1;
    /// A device with a key of its own.
    pub const SECURED: u8 = 2;
    /// No device.
    pub const EMPTY: Self = Self {
        user: 0xFF,
        nwk: 0xFFFF,
        ieee: u64::MAX,
    };

    /// Reads an entry.
    #[must_use]
    pub fn read(of: &[u8]) -> Option<Self> {
        Some(Self {
            user: octet(of, 0)?,
            nwk: u16_at(of, 2)?,
            ieee: u64_at(of, 4)?,
        })
    }

    /// Whether it names a device.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.user != 0xFF && self.ieee != 0 && self.ieee != u64::MAX
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        [
            &[self.user, 0xFF][..],
            &self.nwk.to_le_bytes(),
            &self.ieee.to_le_bytes(),
        ]
        .concat()
    }
}

/// A device whose link key follows from the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcLinkKey {
    /// Frames sent under the key.
    pub sent: u32,
    /// The highest counter that came under it.
    pub received: u32,
    /// The device; 0: an empty entry.
    pub ieee: u64,
    /// By how many octets the seed is turned.
    pub shift: u8,
}

impl TcLinkKey {
    /// Octets of an entry.
    pub const LENGTH: u8 = 20;

    /// Reads an entry.
    #[must_use]
    pub fn read(of: &[u8]) -> Option<Self> {
        Some(Self {
            sent: u32_at(of, 0)?,
            received: u32_at(of, 4)?,
            ieee: u64_at(of, 8)?,
            shift: octet(of, 18)?,
        })
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        // KeyAttributes: verified by the device, or none.
        let attributes = if self.ieee == 0 { 0xFF } else { 2 };
        [
            &self.sent.to_le_bytes()[..],
            &self.received.to_le_bytes(),
            &self.ieee.to_le_bytes(),
            &[attributes, 0, self.shift, 0],
        ]
        .concat()
    }
}

/// A key of a device that is none of the seed's.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ApsKey {
    /// The key; all 0: an empty entry.
    pub key: Zeroizing<[u8; 16]>,
    /// Frames sent under it.
    pub sent: u32,
    /// The highest counter that came under it.
    pub received: u32,
}

impl ApsKey {
    /// Octets of an entry.
    pub const LENGTH: u8 = 24;

    /// Reads an entry.
    #[must_use]
    pub fn read(of: &[u8]) -> Option<Self> {
        Some(Self {
            key: Zeroizing::new(octets(of, 0)?),
            sent: u32_at(of, 16)?,
            received: u32_at(of, 20)?,
        })
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        [
            &self.key[..],
            &self.sent.to_le_bytes(),
            &self.received.to_le_bytes(),
        ]
        .concat()
    }
}
