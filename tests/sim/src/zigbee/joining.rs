//! How devices come into the network, and back into it.

use han::{Record, Value};

use super::commands::WILDCARD;
use super::ncp::Ncp;

const JOINED: u16 = 0x0024;

impl Ncp {
    pub(super) fn permit(&mut self, parent: u16, seconds: u64) {
        let until = self.now_ms + seconds * 1000;
        self.permitted_until.insert(parent, until);
    }

    /// Lets in one device that wants to join, whose parent lets it and whose key is known.
    pub(super) fn admit(&mut self) {
        if !self.is_up {
            return;
        }
        self.readmit();
        let now = self.now_ms;
        let permits = |parent: u16| {
            self.permitted_until
                .get(&parent)
                .is_some_and(|until| now < *until)
        };
        let knows = |ieee: u64, link_key: Option<[u8; 16]>| match link_key {
            None => self
                .transient_keys
                .iter()
                .any(|(known, _)| *known == WILDCARD),
            Some(own) => self.transient_keys.contains(&(ieee, own)),
        };
        let Some(device) = self.mesh.next_to_join(permits, knows) else {
            return;
        };
        let record = Record::new()
            .with("nwk", Value::id16(device.nwk))
            .with("eui64", Value::ieee(device.ieee))
            .with("update", Value::Unsigned(1))
            .with("decision", Value::Unsigned(0))
            .with("parent", Value::id16(device.parent));
        self.tell(0, JOINED, record);
    }

    /// A device with an old key of the network comes back: its link key is known.
    fn readmit(&mut self) {
        let Some(device) = self.mesh.next_to_return() else {
            return;
        };
        let record = Record::new()
            .with("nwk", Value::id16(device.nwk))
            .with("eui64", Value::ieee(device.ieee))
            // EmberDeviceUpdate: an unsecured rejoin.
            .with("update", Value::Unsigned(3))
            .with("decision", Value::Unsigned(0))
            .with("parent", Value::id16(device.parent));
        self.tell(0, JOINED, record);
    }
}
