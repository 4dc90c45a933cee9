//! What must outlive the daemon: what makes the network, sealed, and its devices' addresses.

use std::path::{Path, PathBuf};

use anyhow::Context;
use han::zigbee::coordinator::Network;
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
    /// The devices' addresses, for life and in the network.
    #[serde(default)]
    devices: Vec<(u64, u16)>,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    extended_pan: u64,
    pan: u16,
    channel: u8,
    update_id: u8,
    key: u128,
    key_sequence: u8,
    frame_counter: u32,
    link_key: u128,
    coordinator: u64,
}

impl Book {
    /// Reads the book in the state folder; there is none before the first network.
    ///
    /// # Errors
    /// The book is there and cannot be read: a network must not be formed over it unseen.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("zigbee.json");
        let kept = match std::fs::read(&file) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| file.display().to_string())?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error).context(file.display().to_string()),
        };
        let vault = Vault::open(folder)?;
        Ok(Self { file, vault, kept })
    }

    /// The network, if one is known.
    ///
    /// # Errors
    /// It was sealed by another gateway.
    pub(super) fn network(&self) -> anyhow::Result<Option<Network>> {
        let Some(sealed) = &self.kept.network else {
            return Ok(None);
        };
        let text = self.vault.unseal(NETWORK, sealed)?;
        let plain: Plain = serde_json::from_str(&text).context("the network in zigbee.json")?;
        Ok(Some(Network {
            extended_pan: plain.extended_pan,
            pan: plain.pan,
            channel: plain.channel,
            update_id: plain.update_id,
            key: Zeroizing::new(plain.key.to_be_bytes()),
            key_sequence: plain.key_sequence,
            frame_counter: plain.frame_counter,
            link_key: Zeroizing::new(plain.link_key.to_be_bytes()),
            coordinator: plain.coordinator,
        }))
    }

    /// The devices' addresses, for life and in the network.
    pub(super) fn devices(&self) -> &[(u64, u16)] {
        &self.kept.devices
    }

    /// Keeps a network.
    ///
    /// # Errors
    /// The disk is full, or gone.
    pub(super) fn keep_network(&mut self, network: &Network) -> anyhow::Result<()> {
        let plain = Plain {
            extended_pan: network.extended_pan,
            pan: network.pan,
            channel: network.channel,
            update_id: network.update_id,
            key: u128::from_be_bytes(*network.key),
            key_sequence: network.key_sequence,
            frame_counter: network.frame_counter,
            link_key: u128::from_be_bytes(*network.link_key),
            coordinator: network.coordinator,
        };
        let text = Zeroizing::new(serde_json::to_string(&plain)?);
        self.kept.network = Some(self.vault.seal(NETWORK, &text)?);
        self.write()
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

    fn write(&self) -> anyhow::Result<()> {
        files::replace(
            &self.file,
            &serde_json::to_vec(&self.kept)?,
            files::For::Owner,
        )
        .with_context(|| self.file.display().to_string())
    }
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
        assert_eq!(again.network().unwrap(), Some(network));
        assert_eq!(again.devices(), [(1, 2)]);
        std::fs::write(folder.path().join("zigbee.json"), "{").unwrap();
        assert!(
            Book::open(folder.path()).is_err(),
            "no network is formed over a broken book"
        );
    }
}
