//! What must outlive the daemon: what makes the network, sealed, its devices' addresses, what their
//! registers have counted, and who has a key of its own.

use std::path::{Path, PathBuf};

use anyhow::Context;
use han::zigbee::coordinator::{LinkKey, Network, Stack};
use han::zigbee::devices::energy::Kept as Register;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::files;
use crate::vault::Vault;

/// What a sealed network opens for.
const NETWORK: &str = "zigbee network";

/// Keeps the network; clones are the same file.
pub(super) struct Book {
    file: PathBuf,
    vault: Vault,
    kept: Kept,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The network as JSON, sealed.
    #[serde(default)]
    network: Option<String>,
    /// The same under the key that devices were told last, until it is used.
    #[serde(default)]
    next: Option<String>,
    /// The devices' addresses, for life and in the network.
    #[serde(default)]
    devices: Vec<(u64, u16)>,
    /// What registers have counted.
    #[serde(default)]
    registers: Vec<Counted>,
    /// The devices with keys of their own, by their place in the stick's table; the keys are in the
    /// stick alone.
    #[serde(default)]
    secured: Vec<u64>,
}

/// What the register of a device has counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Counted {
    pub(super) ieee: u64,
    multiplier: u32,
    divisor: u32,
    last: u64,
    total: u128,
    epochs: u32,
    /// When it was kept.
    pub(super) at: Timestamp,
}

impl Counted {
    pub(super) fn new(ieee: u64, kept: Register, at: Timestamp) -> Self {
        Self {
            ieee,
            multiplier: kept.scale.0,
            divisor: kept.scale.1,
            last: kept.last,
            total: kept.total,
            epochs: kept.epochs,
            at,
        }
    }

    pub(super) const fn register(&self) -> Register {
        Register {
            scale: (self.multiplier, self.divisor),
            last: self.last,
            total: self.total,
            epochs: self.epochs,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Plain {
    /// Whether Z-Stack formed it, and not EmberZNet.
    #[serde(default)]
    is_zstack: bool,
    extended_pan: u64,
    pan: u16,
    channel: u8,
    update_id: u8,
    key: u128,
    key_sequence: u8,
    frame_counter: u32,
    link_key: u128,
    /// Keys of devices: whose, the key, frames sent and received.
    #[serde(default)]
    link_keys: Vec<(u64, u128, u32, u32)>,
    coordinator: u64,
}

impl Book {
    /// Reads the book in the state folder; there is none before the first network.
    ///
    /// # Errors
    /// The book is there and cannot be read: a network must not be formed over it unseen.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("zigbee.json");
        let kept = files::recall(&file)?.unwrap_or_default();
        let vault = Vault::open(folder)?;
        Ok(Self { file, vault, kept })
    }

    /// The network, if one is known.
    ///
    /// # Errors
    /// It was sealed by another gateway.
    pub(super) fn network(&self) -> anyhow::Result<Option<Network>> {
        self.unseal(self.kept.network.as_ref())
    }

    /// The network under its next key, if devices were told one.
    ///
    /// # Errors
    /// It was sealed by another gateway.
    pub(super) fn next(&self) -> anyhow::Result<Option<Network>> {
        self.unseal(self.kept.next.as_ref())
    }

    fn unseal(&self, sealed: Option<&String>) -> anyhow::Result<Option<Network>> {
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let text = self.vault.unseal(NETWORK, sealed)?;
        let plain: Plain = serde_json::from_str(&text).context("the network in zigbee.json")?;
        let link_key = |&(ieee, key, sent, received): &(u64, u128, u32, u32)| LinkKey {
            ieee,
            key: Zeroizing::new(key.to_be_bytes()),
            sent,
            received,
        };
        Ok(Some(Network {
            stack: if plain.is_zstack {
                Stack::ZStack
            } else {
                Stack::EmberZnet
            },
            extended_pan: plain.extended_pan,
            pan: plain.pan,
            channel: plain.channel,
            update_id: plain.update_id,
            key: Zeroizing::new(plain.key.to_be_bytes()),
            key_sequence: plain.key_sequence,
            frame_counter: plain.frame_counter,
            link_key: Zeroizing::new(plain.link_key.to_be_bytes()),
            link_keys: plain.link_keys.iter().map(link_key).collect(),
            coordinator: plain.coordinator,
        }))
    }

    /// The devices' addresses, for life and in the network.
    pub(super) fn devices(&self) -> &[(u64, u16)] {
        &self.kept.devices
    }

    /// Keeps a network; it is the only one then.
    ///
    /// # Errors
    /// The disk is full, or gone.
    pub(super) fn keep_network(&mut self, network: &Network) -> anyhow::Result<()> {
        (self.kept.network, self.kept.next) = (Some(self.seal(network)?), None);
        self.write()
    }

    /// Keeps the network under its next key beside the present one.
    ///
    /// # Errors
    /// The disk is full, or gone.
    pub(super) fn keep_next(&mut self, network: &Network) -> anyhow::Result<()> {
        self.kept.next = Some(self.seal(network)?);
        self.write()
    }

    fn seal(&self, network: &Network) -> anyhow::Result<String> {
        let link_key = |one: &LinkKey| {
            let key = u128::from_be_bytes(*one.key);
            (one.ieee, key, one.sent, one.received)
        };
        let plain = Plain {
            is_zstack: network.stack == Stack::ZStack,
            extended_pan: network.extended_pan,
            pan: network.pan,
            channel: network.channel,
            update_id: network.update_id,
            key: u128::from_be_bytes(*network.key),
            key_sequence: network.key_sequence,
            frame_counter: network.frame_counter,
            link_key: u128::from_be_bytes(*network.link_key),
            link_keys: network.link_keys.iter().map(link_key).collect(),
            coordinator: network.coordinator,
        };
        let text = Zeroizing::new(serde_json::to_string(&plain)?);
        self.vault.seal(NETWORK, &text)
    }

    /// Keeps the devices' addresses, if they have changed.
    ///
    /// # Errors
    /// The disk is full, or gone.
    pub(super) fn keep_devices(&mut self, devices: Vec<(u64, u16)>) -> anyhow::Result<()> {
        if devices == self.kept.devices {
            return Ok(());
        }
        self.kept.devices = devices;
        self.write()
    }

    /// What registers have counted.
    pub(super) fn registers(&self) -> &[Counted] {
        &self.kept.registers
    }

    /// The devices with keys of their own.
    pub(super) fn secured(&self) -> &[u64] {
        &self.kept.secured
    }

    /// Keeps what registers have counted.
    ///
    /// # Errors
    /// The disk is full, or gone.
    pub(super) fn keep_registers(&mut self, registers: Vec<Counted>) -> anyhow::Result<()> {
        self.kept.registers = registers;
        self.write()
    }

    /// Keeps who has a key, if that has changed.
    ///
    /// # Errors
    /// The disk is full, or gone.
    pub(super) fn keep_secured(&mut self, secured: &[u64]) -> anyhow::Result<()> {
        if secured == self.kept.secured {
            return Ok(());
        }
        self.kept.secured = secured.to_vec();
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        files::keep(&self.file, &self.kept, files::For::Owner)
    }
}

/// The addresses of the plugs that were counted before; none when the book cannot be read, which
/// the part says when it opens it.
pub(super) fn plugs(folder: &Path) -> Vec<u64> {
    let text = std::fs::read(folder.join("zigbee.json")).unwrap_or_default();
    let kept: Kept = serde_json::from_slice(&text).unwrap_or_default();
    kept.registers.iter().map(|one| one.ieee).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_kept_sealed_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let network = Network::from_random(15, &[0xA5; 42]);
        let mut book = Book::open(folder.path()).unwrap();
        assert_eq!(book.network().unwrap(), None);
        book.keep_network(&network).unwrap();
        book.keep_devices(vec![(1, 2)]).unwrap();
        let text = std::fs::read_to_string(folder.path().join("zigbee.json")).unwrap();
        let key = u128::from_be_bytes([0xA5; 16]).to_string();
        assert!(!text.contains("a5a5a5a5") && !text.contains(&key));
        let again = Book::open(folder.path()).unwrap();
        assert_eq!(again.network().unwrap().as_ref(), Some(&network));
        let next = Network {
            key_sequence: 1,
            ..network.clone()
        };
        book.keep_next(&next).unwrap();
        let between = Book::open(folder.path()).unwrap();
        assert_eq!(between.network().unwrap(), Some(network));
        assert_eq!(between.next().unwrap().as_ref(), Some(&next));
        book.keep_network(&next).unwrap();
        assert_eq!(Book::open(folder.path()).unwrap().next().unwrap(), None);
        assert_eq!(again.devices(), [(1, 2)]);
        let register = Register {
            scale: (1, 1000),
            last: 7,
            total: 1 << 70,
            epochs: 2,
        };
        let counted = Counted::new(0x12, register, Timestamp::UNIX_EPOCH);
        book.keep_registers(vec![counted]).unwrap();
        book.keep_secured(&[0x12]).unwrap();
        let again = Book::open(folder.path()).unwrap();
        assert_eq!(again.registers()[0].register(), register);
        assert_eq!(again.secured(), [0x12]);
        assert_eq!(plugs(folder.path()), [0x12]);
        std::fs::write(folder.path().join("zigbee.json"), "{").unwrap();
        assert!(
            Book::open(folder.path()).is_err(),
            "no network is formed over a broken book"
        );
    }
}
