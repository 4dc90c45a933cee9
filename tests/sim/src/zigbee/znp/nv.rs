//! The memory that outlives a start, and the requests that read and write it.

use std::collections::BTreeMap;

use han::zigbee::znp::nv::{
    self as layout, Address, ApsKey, NetworkKey, Nib, SecurityMaterial, TcLinkKey, item, table,
};

use super::Znp;

/// Entries of the tables of devices; a stick has some hundred.
const DEVICES: u16 = 40;
/// Networks for which a counter is kept.
const NETWORKS: u16 = 4;
/// It is there already, or was not there.
const NOT_THERE: u8 = 9;
const INVALID: u8 = 2;
const FAILED: u8 = 10;
const BAD_LENGTH: u8 = 12;

/// Items and tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    items: BTreeMap<u16, Vec<u8>>,
    tables: BTreeMap<(u16, u16), Vec<u8>>,
}

impl Memory {
    /// The memory of a stick that was never in a network.
    pub(super) fn new() -> Self {
        let mut memory = Self::default();
        memory.clear_configuration();
        memory.clear_network();
        memory
    }

    fn clear_configuration(&mut self) {
        for (id, octets) in [
            (item::EXTENDED_ADDRESS, Znp::EUI64.to_le_bytes().to_vec()),
            (item::STARTUP_OPTION, vec![0]),
            (item::LOGICAL_TYPE, vec![0]),
            (item::ZDO_DIRECT_CALLBACK, vec![0]),
            (item::CONCENTRATOR_ENABLE, vec![0]),
            (item::CONCENTRATOR_DISCOVERY, vec![60]),
            // Cache of routes, ages of children and routes, time of broadcasts.
            (0x0036, vec![0]),
            (0x0038, vec![10]),
            (0x003E, vec![1]),
            (0x0030, vec![20]),
            (item::CHANNELS, 0x0000_0800_u32.to_le_bytes().to_vec()),
            (item::PAN, vec![0xFF, 0xFF]),
            (item::EXTENDED_PAN, vec![0; 8]),
            (item::USE_EXTENDED_PAN, vec![0; 8]),
            (item::PRECONFIGURED_KEY, vec![0; 16]),
            (item::PRECONFIGURED_KEYS_ENABLE, vec![1]),
        ] {
            self.items.insert(id, octets);
        }
    }

    fn clear_network(&mut self) {
        let key = vec![0; 17];
        for (id, octets) in [
            (item::NIB, Nib::empty().octets().to_vec()),
            (item::IS_ON_A_NETWORK, vec![0]),
            (item::ACTIVE_KEY, key.clone()),
            (item::ALTERNATE_KEY, key),
            (item::NETWORK_KEY, vec![0; 24]),
            (item::TC_LINK_KEY_SEED, vec![0; 16]),
            (
                item::APS_LINK_KEY_TABLE,
                vec![0; 2 + 6 * usize::from(DEVICES)],
            ),
        ] {
            self.items.insert(id, octets);
        }
        for (id, capacity, empty) in [
            (table::ADDRESSES, DEVICES, Address::EMPTY.octets()),
            (table::TC_LINK_KEYS, DEVICES, TcLinkKey::default().octets()),
            (table::APS_KEYS, DEVICES, ApsKey::default().octets()),
            (table::SECURITY_MATERIAL, NETWORKS, vec![0; 12]),
        ] {
            for place in 0..capacity {
                self.tables.insert((id, place), empty.clone());
            }
        }
    }

    /// What a start does to it; true when a network was forgotten.
    pub(super) fn boot(&mut self) -> bool {
        let option = self.items.get(&item::STARTUP_OPTION);
        let option = option
            .and_then(|option| option.first())
            .copied()
            .unwrap_or(0);
        let was_formed = self.formed().is_some();
        if option & 1 != 0 {
            self.clear_configuration();
        }
        if option & 2 != 0 {
            self.clear_network();
        }
        let fresh = Self::new();
        for (id, octets) in fresh.items {
            self.items.entry(id).or_insert(octets);
        }
        was_formed && self.formed().is_none()
    }

    pub(super) fn item(&self, id: u16) -> &[u8] {
        self.items.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn put(&mut self, id: u16, octets: Vec<u8>) {
        self.items.insert(id, octets);
    }

    pub(super) fn entries(&self, id: u16) -> impl Iterator<Item = &[u8]> {
        let entries = self.tables.range((id, 0)..=(id, u16::MAX));
        entries.map(|(_, entry)| entry.as_slice())
    }

    pub(super) fn put_entry(&mut self, id: u16, place: u16, octets: Vec<u8>) {
        self.tables.insert((id, place), octets);
    }

    /// The first place that a test takes for free.
    pub(super) fn free(&self, id: u16, is_free: impl Fn(&[u8]) -> bool) -> Option<u16> {
        let mut entries = (0..).zip(self.entries(id));
        entries
            .find(|(_, entry)| is_free(entry))
            .map(|(place, _)| place)
    }

    pub(super) fn eui64(&self) -> u64 {
        let octets = self.item(item::EXTENDED_ADDRESS).first_chunk();
        octets.map_or(0, |octets| u64::from_le_bytes(*octets))
    }

    /// The network that it keeps.
    pub(super) fn formed(&self) -> Option<Nib> {
        let nib = Nib::read(self.item(item::NIB)).filter(Nib::is_formed);
        nib.filter(|_| self.item(item::IS_ON_A_NETWORK) == [1])
    }

    /// Number and key of the network's key.
    pub(super) fn key(&self) -> (u8, [u8; 16]) {
        let key = NetworkKey::read(self.item(item::ACTIVE_KEY));
        key.map_or((0, [0; 16]), |key| (key.sequence, *key.key))
    }

    /// The counter as it was written last.
    pub(super) fn counter(&self) -> u32 {
        let name = self.formed().map(|nib| nib.extended_pan());
        let mut entries = self
            .entries(table::SECURITY_MATERIAL)
            .filter_map(SecurityMaterial::read);
        let own = entries.find(|entry| Some(entry.extended_pan) == name);
        own.map_or(0, |entry| entry.frame_counter)
    }

    /// Writes the counter.
    pub(super) fn count(&mut self, frame_counter: u32) {
        let Some(extended_pan) = self.formed().map(|nib| nib.extended_pan()) else {
            return;
        };
        let is_its = |entry: &[u8]| {
            SecurityMaterial::read(entry).is_some_and(|one| one.extended_pan == extended_pan)
        };
        let place = self.free(table::SECURITY_MATERIAL, is_its).unwrap_or(0);
        let entry = SecurityMaterial {
            frame_counter,
            extended_pan,
        };
        self.put_entry(table::SECURITY_MATERIAL, place, entry.octets());
    }

    /// The key that a device has and that is none of the seed's.
    pub(super) fn aps_key(&self, ieee: u64) -> Option<[u8; 16]> {
        let table = layout::read_link_key_table(self.item(item::APS_LINK_KEY_TABLE));
        table.into_iter().find_map(|(address, key)| {
            let address = Address::read(self.entries(table::ADDRESSES).nth(address.into())?)?;
            let key = ApsKey::read(self.entries(table::APS_KEYS).nth(key.into())?)?;
            (address.ieee == ieee).then_some(*key.key)
        })
    }

    /// The place of a device in the table of addresses; it is made when it has none.
    pub(super) fn address(&mut self, ieee: u64, nwk: u16, user: u8) -> Option<u16> {
        let is_its =
            |entry: &[u8]| Address::read(entry).is_some_and(|address| address.ieee == ieee);
        let is_free = |entry: &[u8]| Address::read(entry).is_some_and(|one| !one.is_set());
        let found = self.free(table::ADDRESSES, is_its);
        let place = found.or_else(|| self.free(table::ADDRESSES, is_free))?;
        let known = self.entries(table::ADDRESSES).nth(place.into());
        let known = known.and_then(Address::read).filter(Address::is_set);
        let entry = Address {
            user: known.map_or(0, |known| known.user) | user,
            nwk,
            ieee,
        };
        self.put_entry(table::ADDRESSES, place, entry.octets());
        Some(place)
    }

    /// Takes a key of a device that is none of the seed's.
    pub(super) fn put_aps_key(&mut self, ieee: u64, nwk: u16, key: [u8; 16]) -> bool {
        let mut known = layout::read_link_key_table(self.item(item::APS_LINK_KEY_TABLE));
        let Some(address) = self.address(ieee, nwk, Address::SECURED) else {
            return false;
        };
        let entry = ApsKey {
            key: key.into(),
            ..ApsKey::default()
        };
        let place = match known.iter().find(|(of, _)| *of == address) {
            Some((_, place)) => *place,
            None => {
                let empty = ApsKey::default().octets();
                let Some(place) = self.free(table::APS_KEYS, |entry| entry == empty) else {
                    return false;
                };
                known.push((address, place));
                place
            }
        };
        self.put_entry(table::APS_KEYS, place, entry.octets());
        let length = self.item(item::APS_LINK_KEY_TABLE).len();
        let Some(table) = layout::write_link_key_table(&known, length) else {
            return false;
        };
        self.put(item::APS_LINK_KEY_TABLE, table);
        true
    }

    /// The answer to a request for an item; `None` for another request.
    pub(super) fn answer(&mut self, id: u16, request: &[u8]) -> Option<Vec<u8>> {
        let short = |at: usize| {
            let octets = request.get(at..)?.first_chunk()?;
            Some(u16::from_le_bytes(*octets))
        };
        let octet = |at: usize| request.get(at).copied();
        Some(match id {
            // ITEM_INIT: item, length, and what it begins with.
            0x0107 => {
                let (item, length) = (short(0)?, short(2)?);
                if self.items.contains_key(&item) {
                    return Some(vec![0]);
                }
                let mut octets = request.get(5..)?.to_vec();
                octets.resize(length.into(), 0xFF);
                self.items.insert(item, octets);
                vec![NOT_THERE]
            }
            0x0108 => read(self.items.get(&short(0)?), octet(2)?.into(), 248),
            0x011C => read(self.items.get(&short(0)?), short(2)?.into(), 246),
            0x0109 => vec![write(
                self.items.get_mut(&short(0)?),
                octet(2)?.into(),
                request.get(4..)?,
            )],
            0x011D => vec![write(
                self.items.get_mut(&short(0)?),
                short(2)?.into(),
                request.get(6..)?,
            )],
            0x0112 => {
                let (item, length) = (short(0)?, short(2)?);
                match self.items.get(&item).map(Vec::len) {
                    None => vec![NOT_THERE],
                    Some(found) if found != usize::from(length) => vec![BAD_LENGTH],
                    Some(_) => {
                        self.items.remove(&item);
                        vec![0]
                    }
                }
            }
            0x0113 => {
                let length = self.items.get(&short(0)?).map_or(0, Vec::len);
                u16::try_from(length).ok()?.to_le_bytes().to_vec()
            }
            0x0130..=0x0135 => self.answer_table(id, request)?,
            _ => return None,
        })
    }

    /// The answer to a request for an entry: subsystem, table, place, and more.
    fn answer_table(&mut self, id: u16, request: &[u8]) -> Option<Vec<u8>> {
        let short = |at: usize| {
            let octets = request.get(at..)?.first_chunk()?;
            Some(u16::from_le_bytes(*octets))
        };
        let key = (short(1)?, short(3)?);
        if request.first() != Some(&1) {
            return Some(vec![INVALID]);
        }
        Some(match id {
            0x0130 => {
                let length = usize::from(short(5)?);
                self.tables.entry(key).or_insert_with(|| vec![0xFF; length]);
                vec![0]
            }
            0x0131 => vec![match self.tables.remove(&key) {
                Some(_) => 0,
                None => FAILED,
            }],
            0x0132 => {
                let length = self.tables.get(&key).map_or(0, Vec::len);
                u32::try_from(length).ok()?.to_le_bytes().to_vec()
            }
            0x0133 => {
                let length = request.get(7).copied()?;
                read(self.tables.get(&key), short(5)?.into(), length.into())
            }
            0x0134 => vec![write(
                self.tables.get_mut(&key),
                short(5)?.into(),
                request.get(8..)?,
            )],
            _ => vec![write(self.tables.get_mut(&key), 0, request.get(6..)?)],
        })
    }
}

fn read(of: Option<&Vec<u8>>, from: usize, most: usize) -> Vec<u8> {
    let Some(octets) = of.and_then(|octets| octets.get(from..)) else {
        return vec![INVALID, 0];
    };
    let part = octets.get(..most).unwrap_or(octets);
    let mut answer = vec![0, u8::try_from(part.len()).unwrap_or(0)];
    answer.extend_from_slice(part);
    answer
}

fn write(to: Option<&mut Vec<u8>>, from: usize, octets: &[u8]) -> u8 {
    let place = to.and_then(|to| to.get_mut(from..from + octets.len()));
    match place {
        Some(place) => {
            place.copy_from_slice(octets);
            0
        }
        None => FAILED,
    }
}
