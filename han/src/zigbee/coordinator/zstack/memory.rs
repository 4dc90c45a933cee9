//! What was read of the stick's memory, and the network that it means.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Network;
use crate::zigbee::coordinator::network::{LinkKey, Stack};
use crate::zigbee::znp::nv::{
    self, Address, ApsKey, NetworkKey, Nib, SecurityMaterial, TcLinkKey, item, table,
};

/// Counters are kept for any network under this name.
const ANY: u64 = u64::MAX;

/// Items and entries of tables as they were read.
#[derive(Default)]
pub(super) struct Memory {
    items: BTreeMap<u16, Zeroizing<Vec<u8>>>,
    tables: BTreeMap<u16, Vec<Zeroizing<Vec<u8>>>>,
}

impl std::fmt::Debug for Memory {
    // It holds keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory {
    pub(super) fn keep_item(&mut self, id: u16, octets: Option<&[u8]>) {
        match octets {
            Some(octets) => {
                self.items.insert(id, Zeroizing::new(octets.to_vec()));
            }
            None => {
                self.items.remove(&id);
            }
        }
    }

    /// Keeps an entry; the first one begins the table anew.
    pub(super) fn keep_entry(&mut self, id: u16, place: u16, octets: &[u8]) {
        let entries = self.tables.entry(id).or_default();
        if place == 0 {
            entries.clear();
        }
        entries.push(Zeroizing::new(octets.to_vec()));
    }

    pub(super) fn item(&self, id: u16) -> Option<&[u8]> {
        self.items.get(&id).map(|octets| octets.as_slice())
    }

    pub(super) fn entries(&self, id: u16) -> impl Iterator<Item = &[u8]> {
        let entries = self.tables.get(&id).into_iter().flatten();
        entries.map(|entry| entry.as_slice())
    }

    pub(super) fn nib(&self) -> Option<Nib> {
        Nib::read(self.item(item::NIB)?)
    }

    /// The network; `None` when the stick is in none.
    pub(super) fn network(&self, coordinator: u64) -> Option<Network> {
        let nib = self.nib().filter(Nib::is_formed)?;
        if self.item(item::IS_ON_A_NETWORK) != Some(&[1]) {
            return None;
        }
        let NetworkKey { sequence, key } = NetworkKey::read(self.item(item::ACTIVE_KEY)?)?;
        let seed = self.item(item::TC_LINK_KEY_SEED)?.try_into().ok()?;
        let mut network = Network {
            stack: Stack::ZStack,
            extended_pan: nib.extended_pan(),
            pan: nib.pan(),
            channel: nib.channel(),
            update_id: nib.update_id(),
            key,
            key_sequence: sequence,
            frame_counter: 0,
            link_key: Zeroizing::new(seed),
            link_keys: Vec::new(),
            coordinator,
        };
        self.renew(&mut network);
        Some(network)
    }

    /// Takes what changes while a network works: its counter, and which devices have keys.
    pub(super) fn renew(&self, network: &mut Network) {
        let entries = || {
            self.entries(table::SECURITY_MATERIAL)
                .filter_map(SecurityMaterial::read)
        };
        let own = entries().find(|entry| entry.extended_pan == network.extended_pan);
        let any = || entries().find(|entry| entry.extended_pan == ANY);
        if let Some(entry) = own.or_else(any) {
            network.frame_counter = entry.frame_counter;
        }
        let hashed = self
            .entries(table::TC_LINK_KEYS)
            .filter_map(TcLinkKey::read)
            .filter(|entry| entry.ieee != 0)
            .map(|entry| LinkKey {
                ieee: entry.ieee,
                key: nv::link_key(&network.link_key, entry.ieee, entry.shift),
                sent: entry.sent,
                received: entry.received,
            });
        let hashed: Vec<LinkKey> = hashed.collect();
        let own = self.own_keys();
        let is_own = |one: &LinkKey| own.iter().any(|other| other.ieee == one.ieee);
        network.link_keys = hashed.into_iter().filter(|one| !is_own(one)).collect();
        network.link_keys.extend(own);
    }

    /// Keys that are none of the seed's.
    fn own_keys(&self) -> Vec<LinkKey> {
        let table = self.item(item::APS_LINK_KEY_TABLE).unwrap_or_default();
        let entry = |(address, key): (u16, u16)| {
            let address = self.entries(table::ADDRESSES).nth(address.into())?;
            let address = Address::read(address).filter(Address::is_set)?;
            let key = ApsKey::read(self.entries(table::APS_KEYS).nth(key.into())?)?;
            Some(LinkKey {
                ieee: address.ieee,
                key: key.key.clone(),
                sent: key.sent,
                received: key.received,
            })
        };
        let found = nv::read_link_key_table(table);
        found.into_iter().filter_map(entry).collect()
    }
}
