//! What Z-Stack 3.x.0 keeps in its non-volatile memory of a network: the items and tables, and how
//! their octets are laid out on a CC26x2 or CC13x2 (structures of C, aligned to their members, least
//! octet first).
//!
//! These are no part of the interface's document (SWRA198); they follow the headers of the stack
//! (`ZComDef.h`, `nwk.h`, `AddrMgr.h`, `APSMEDE.h`, `ZDSecMgr.h`). Left out: Z-Stack 3.0.x of the
//! CC253x, whose structures are packed and whose tables are single items.

mod entries;

pub use entries::{Address, ApsKey, SecurityMaterial, TcLinkKey};
use zeroize::Zeroizing;

/// Items, by the number of the old memory.
pub mod item {
    /// The stick's address for life.
    pub const EXTENDED_ADDRESS: u16 = 0x0001;
    /// What is forgotten at the next start: 1 the configuration, 2 the network.
    pub const STARTUP_OPTION: u16 = 0x0003;
    /// [`Nib`](super::Nib).
    pub const NIB: u16 = 0x0021;
    /// The 64-bit name of the network.
    pub const EXTENDED_PAN: u16 = 0x002D;
    /// Routers learn the way to the coordinator from it.
    pub const CONCENTRATOR_ENABLE: u16 = 0x0032;
    /// How often, in seconds.
    pub const CONCENTRATOR_DISCOVERY: u16 = 0x0033;
    /// The network's key, after its number.
    pub const ACTIVE_KEY: u16 = 0x003A;
    /// The key that comes next, or the same.
    pub const ALTERNATE_KEY: u16 = 0x003B;
    /// The name of a network that is formed.
    pub const USE_EXTENDED_PAN: u16 = 0x0047;
    /// Keys of devices that are not made of the seed: which device has which.
    pub const APS_LINK_KEY_TABLE: u16 = 0x004C;
    /// 1 when the stick is in a network.
    pub const IS_ON_A_NETWORK: u16 = 0x0055;
    /// 55 when a host has set the stick up: what other coordinators look at.
    pub const IS_CONFIGURED: u16 = 0x0060;
    /// The key of a network that is formed.
    pub const PRECONFIGURED_KEY: u16 = 0x0062;
    /// Whether devices are expected to have that key.
    pub const PRECONFIGURED_KEYS_ENABLE: u16 = 0x0063;
    /// The key with its counter, of old.
    pub const NETWORK_KEY: u16 = 0x0082;
    /// The 16-bit name of a network that is formed; FFFF: any.
    pub const PAN: u16 = 0x0083;
    /// Channels, a bit for each.
    pub const CHANNELS: u16 = 0x0084;
    /// 0: coordinator.
    pub const LOGICAL_TYPE: u16 = 0x0087;
    /// Answers of the device objects are passed to the host.
    pub const ZDO_DIRECT_CALLBACK: u16 = 0x008F;
    /// From this the link key of each device follows ([`link_key`](super::link_key)).
    pub const TC_LINK_KEY_SEED: u16 = 0x0101;
}

/// Tables, by the number of the new memory; an entry is a sub-item.
pub mod table {
    /// [`Address`](super::Address).
    pub const ADDRESSES: u16 = 0x0001;
    /// [`TcLinkKey`](super::TcLinkKey).
    pub const TC_LINK_KEYS: u16 = 0x0004;
    /// [`ApsKey`](super::ApsKey).
    pub const APS_KEYS: u16 = 0x0006;
    /// [`SecurityMaterial`](super::SecurityMaterial).
    pub const SECURITY_MATERIAL: u16 = 0x0007;
}

fn octets<const N: usize>(of: &[u8], at: usize) -> Option<[u8; N]> {
    of.get(at..)?.first_chunk().copied()
}

fn octet(of: &[u8], at: usize) -> Option<u8> {
    of.get(at).copied()
}

fn u16_at(of: &[u8], at: usize) -> Option<u16> {
    octets(of, at).map(u16::from_le_bytes)
}

fn u32_at(of: &[u8], at: usize) -> Option<u32> {
    octets(of, at).map(u32::from_le_bytes)
}

fn u64_at(of: &[u8], at: usize) -> Option<u64> {
    octets(of, at).map(u64::from_le_bytes)
}

/// The network information base: what the stack knows of its network. Octets of it that mean
/// nothing here are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nib([u8; Self::LENGTH]);

impl Nib {
    /// Octets of it.
    pub const LENGTH: usize = 116;
    const SECURITY_LEVEL: usize = 12;
    const ADDRESS: usize = 22;
    const CHANNEL: usize = 24;
    const PAN: usize = 36;
    const CHANNELS: usize = 40;
    const EXTENDED_PAN: usize = 57;
    const HAS_KEY: usize = 65;
    const UPDATE_ID: usize = 114;

    /// Reads it; `None` when it has another length.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    /// One that says nothing of a network.
    #[must_use]
    pub fn empty() -> Self {
        let mut nib = Self([0; Self::LENGTH]);
        nib.put(Self::SECURITY_LEVEL, &[5]);
        nib.put(Self::ADDRESS, &[0xFE, 0xFF]);
        nib.put(Self::PAN, &[0xFF, 0xFF]);
        nib
    }

    /// Its octets.
    #[must_use]
    pub const fn octets(&self) -> &[u8] {
        &self.0
    }

    fn put(&mut self, at: usize, octets: &[u8]) {
        let place = self.0.get_mut(at..at + octets.len());
        if let Some(place) = place {
            place.copy_from_slice(octets);
        }
    }

    /// Whether it tells of a network: it has a channel, a name and a key.
    #[must_use]
    pub fn is_formed(&self) -> bool {
        self.channel() != 0
            && self.pan() < 0xFFFE
            && octet(&self.0, Self::HAS_KEY).is_some_and(|has_key| has_key != 0)
    }

    /// The channel, 11 to 26; 0: none.
    #[must_use]
    pub fn channel(&self) -> u8 {
        octet(&self.0, Self::CHANNEL).unwrap_or(0)
    }

    /// The 16-bit name.
    #[must_use]
    pub fn pan(&self) -> u16 {
        u16_at(&self.0, Self::PAN).unwrap_or(0xFFFF)
    }

    /// The 64-bit name.
    #[must_use]
    pub fn extended_pan(&self) -> u64 {
        u64_at(&self.0, Self::EXTENDED_PAN).unwrap_or(0)
    }

    /// Counts changes of channel and name.
    #[must_use]
    pub fn update_id(&self) -> u8 {
        octet(&self.0, Self::UPDATE_ID).unwrap_or(0)
    }

    /// Names a network: channel, short and long name, changes of them.
    pub fn set(&mut self, channel: u8, pan: u16, extended_pan: u64, update_id: u8) {
        let channels = 1_u32.checked_shl(channel.into()).unwrap_or(0);
        self.put(Self::SECURITY_LEVEL, &[5]);
        self.put(Self::ADDRESS, &[0, 0]);
        self.put(Self::CHANNEL, &[channel]);
        self.put(Self::PAN, &pan.to_le_bytes());
        self.put(Self::CHANNELS, &channels.to_le_bytes());
        self.put(Self::EXTENDED_PAN, &extended_pan.to_le_bytes());
        self.put(Self::HAS_KEY, &[1]);
        self.put(Self::UPDATE_ID, &[update_id]);
    }
}

/// The key of a network with its number.
#[derive(Clone, PartialEq, Eq)]
pub struct NetworkKey {
    /// The number.
    pub sequence: u8,
    /// The key.
    pub key: Zeroizing<[u8; 16]>,
}

impl NetworkKey {
    /// Reads it.
    #[must_use]
    pub fn read(of: &[u8]) -> Option<Self> {
        Some(Self {
            sequence: octet(of, 0)?,
            key: Zeroizing::new(octets(of, 1)?),
        })
    }

    /// Its 17 octets.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        [&[self.sequence], &self.key[..]].concat()
    }
}

/// Which places of the table of addresses have which places of the table of keys
/// ([`item::APS_LINK_KEY_TABLE`]).
#[must_use]
pub fn read_link_key_table(of: &[u8]) -> Vec<(u16, u16)> {
    let count = usize::from(u16_at(of, 0).unwrap_or(0));
    let entries = of.get(2..).unwrap_or_default().chunks_exact(6).take(count);
    entries
        .filter_map(|entry| {
            // Authenticated.
            let is_used = octet(entry, 4)? == 1;
            is_used.then_some((u16_at(entry, 0)?, u16_at(entry, 2)?))
        })
        .collect()
}

/// The same as octets, as many as the item has; `None` when there are too many.
#[must_use]
pub fn write_link_key_table(entries: &[(u16, u16)], length: usize) -> Option<Vec<u8>> {
    let mut octets = u16::try_from(entries.len()).ok()?.to_le_bytes().to_vec();
    for (address, key) in entries {
        octets.extend_from_slice(&address.to_le_bytes());
        octets.extend_from_slice(&key.to_le_bytes());
        octets.extend_from_slice(&[1, 0xFF]);
    }
    let fits = octets.len() <= length;
    octets.resize(length, 0);
    fits.then_some(octets)
}

/// The link key of a device: the seed, turned left by so many octets, mixed with its address twice.
#[must_use]
pub fn link_key(seed: &[u8; 16], ieee: u64, shift: u8) -> Zeroizing<[u8; 16]> {
    let mut key = Zeroizing::new(*seed);
    key.rotate_left(usize::from(shift % 16));
    for (octet, of_ieee) in key.iter_mut().zip(ieee.to_le_bytes().into_iter().cycle()) {
        *octet ^= of_ieee;
    }
    key
}

/// By how much the seed must be turned for a device to have this key.
#[must_use]
pub fn shift_of(seed: &[u8; 16], ieee: u64, key: &[u8; 16]) -> Option<u8> {
    (0..16).find(|shift| *link_key(seed, ieee, *shift) == *key)
}

#[cfg(test)]
mod tests;
