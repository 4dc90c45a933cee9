//! The network: forming it, starting it, letting devices in, and its keys.

use han::zigbee::znp::nv::{Address, NetworkKey, Nib, TcLinkKey, item, table};

use super::Znp;

/// States of the coprocessor (SWRA198, 3.12.2.19).
const STARTING: u8 = 8;
pub(super) const COORDINATOR: u8 = 9;

impl Znp {
    /// The state that it tells.
    pub(super) const fn state(&self) -> u8 {
        if self.is_up { COORDINATOR } else { 0 }
    }

    /// Starts the network that is kept; 1 when there is none.
    pub(super) fn start_up(&mut self) -> u8 {
        if self.memory.formed().is_none() {
            return 1;
        }
        self.come_up();
        0
    }

    fn come_up(&mut self) {
        self.is_up = true;
        self.indicate(50, 0x05C0, vec![STARTING]);
        self.indicate(150, 0x05C0, vec![COORDINATOR]);
    }

    /// Forms a network; one that is kept is started and nothing is formed.
    pub(super) fn commission(&mut self, mode: u8) -> u8 {
        if mode != 4 {
            return 1;
        }
        // Formation has failed where a network is kept.
        let outcome = if self.memory.formed().is_some() {
            8
        } else {
            self.form();
            0
        };
        self.come_up();
        self.indicate(160, 0x0F80, vec![outcome, 2, 0]);
        0
    }

    fn form(&mut self) {
        let wanted = self.memory.item(item::PAN).first_chunk().copied();
        let pan = match wanted.map(u16::from_le_bytes) {
            Some(pan) if pan < 0xFFFE => pan,
            _ => u16::try_from(self.draw() % 0xFFF0).unwrap_or(1),
        };
        let name = self.memory.item(item::USE_EXTENDED_PAN).first_chunk();
        let name = name.copied().map_or(0, u64::from_le_bytes);
        let name = if name == 0 { self.memory.eui64() } else { name };
        let channel = u8::try_from(self.channels.trailing_zeros()).unwrap_or(11);
        let mut nib = Nib::empty();
        nib.set(channel.min(26), pan, name, 0);
        let key = self.memory.item(item::PRECONFIGURED_KEY).try_into();
        let key = NetworkKey {
            sequence: 0,
            key: key.unwrap_or([0; 16]).into(),
        };
        let seed = [self.draw().to_le_bytes(), self.draw().to_le_bytes()].concat();
        self.memory.put(item::NIB, nib.octets().to_vec());
        self.memory.put(item::IS_ON_A_NETWORK, vec![1]);
        self.memory.put(item::ACTIVE_KEY, key.octets());
        self.memory.put(item::ALTERNATE_KEY, key.octets());
        self.memory.put(item::TC_LINK_KEY_SEED, seed);
        self.frame_counter = 0;
        self.memory.count(0);
    }

    /// A frame goes out; the counter is written now and then.
    pub(super) fn count_frame(&mut self) {
        self.frame_counter = self.frame_counter.saturating_add(1);
        if self.frame_counter.saturating_sub(self.memory.counter()) >= 1000 {
            self.memory.count(self.frame_counter);
        }
    }

    pub(super) fn permit(&mut self, parent: u16, seconds: u8) {
        let until = self.now_ms + u64::from(seconds) * 1000;
        self.permitted_until.insert(parent, until);
    }

    /// Lets in one device that wants to join, and one that comes back.
    pub(super) fn admit(&mut self) {
        if !self.is_up {
            return;
        }
        if let Some(device) = self.mesh.next_to_return() {
            let (ieee, nwk, parent) = (device.ieee, device.nwk, device.parent);
            self.let_in(ieee, nwk, parent);
        }
        let now = self.now_ms;
        let until = &self.permitted_until;
        let permits = |parent: u16| until.get(&parent).is_some_and(|until| now < *until);
        let (codes, only_codes) = (&self.install_codes, self.needs_install_code);
        let knows = |ieee: u64, link_key: Option<[u8; 16]>| match link_key {
            None => !only_codes,
            Some(own) => codes.contains(&(ieee, own)),
        };
        if let Some(device) = self.mesh.next_to_join(permits, knows) {
            let (ieee, nwk, parent) = (device.ieee, device.nwk, device.parent);
            self.let_in(ieee, nwk, parent);
        }
    }

    fn let_in(&mut self, ieee: u64, nwk: u16, parent: u16) {
        let child = if parent == 0 { Address::CHILD } else { 0 };
        self.memory.address(ieee, nwk, child | Address::SECURED);
        let is_its = |entry: &[u8]| TcLinkKey::read(entry).is_some_and(|one| one.ieee == ieee);
        let is_free = |entry: &[u8]| TcLinkKey::read(entry).is_some_and(|one| one.ieee == 0);
        if self.memory.free(table::TC_LINK_KEYS, is_its).is_none()
            && let Some(place) = self.memory.free(table::TC_LINK_KEYS, is_free)
        {
            let shift = u8::try_from(self.draw() % 16).unwrap_or(0);
            let entry = TcLinkKey {
                sent: 0,
                received: 0,
                ieee,
                shift,
            };
            self.memory
                .put_entry(table::TC_LINK_KEYS, place, entry.octets());
        }
        let parts = [
            &nwk.to_le_bytes()[..],
            &ieee.to_le_bytes(),
            &parent.to_le_bytes(),
        ];
        self.indicate(0, 0x05CA, parts.concat());
        self.joining.push((self.now_ms, ieee, parent));
    }

    /// Devices are told the key that is used next.
    pub(super) fn tell_key(&mut self, sequence: u8, key: [u8; 16]) -> u8 {
        if self.faults.refuses_keys || !self.is_up {
            return 1;
        }
        let next = NetworkKey {
            sequence,
            key: key.into(),
        };
        self.memory.put(item::ALTERNATE_KEY, next.octets());
        self.next_key = Some(key);
        self.mesh.tell_key(key);
        0
    }

    /// The next key is used.
    pub(super) fn use_key(&mut self, sequence: u8) -> u8 {
        let Some(key) = self.next_key.take() else {
            return 1;
        };
        self.mesh.switch_key();
        let active = NetworkKey {
            sequence,
            key: key.into(),
        };
        self.memory.put(item::ACTIVE_KEY, active.octets());
        self.frame_counter = 0;
        self.memory.count(0);
        0
    }
}
