//! The gateway's own keys: made here, kept sealed, never leaving.
//!
//! `upstream.json` in the state folder holds the device's key and those of the epochs, each sealed
//! with the same vault as meters' keys; `upstream.crt` beside it is what the head-end is given.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use wattle_relay::cose::EpochKey;
use wattle_relay::{Certificate, Curve, PrivateKey, issue, to_pem};
use zeroize::Zeroizing;

use super::identity::Identity;
use crate::files;
use crate::hex;
use crate::vault::Vault;

const FILE: &str = "upstream.json";
const CERTIFICATE: &str = "upstream.crt";
const DEVICE: &str = "upstream device key";
/// Years for which the device's certificate of its own is good.
const YEARS: i64 = 20;

#[derive(Debug, Serialize, Deserialize)]
struct Book {
    device: String,
    key: String,
    certificate: String,
    /// What the utility's authority has issued for the key, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued: Option<String>,
    epoch: Option<Epoch>,
    previous: Option<Epoch>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Epoch {
    number: u32,
    key: String,
    made_s: i64,
}

/// The keys of this gateway.
pub struct Keys {
    path: PathBuf,
    vault: Vault,
    book: Book,
    device: PrivateKey,
    epoch: EpochKey,
    previous: Option<EpochKey>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({}, epoch {})", self.book.device, self.epoch.epoch)
    }
}

impl Keys {
    /// The keys in the state folder; made the first time, or when the device has another name.
    ///
    /// # Errors
    /// The folder cannot be used, or the keys were sealed by another gateway.
    pub fn open(folder: &Path, device: &str, now: Timestamp) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let vault = Vault::open(folder)?;
        let path = folder.join(FILE);
        let book = files::recall::<Book>(&path)?;
        let book = match book.filter(|book| book.device == device) {
            Some(book) => book,
            None => make(&vault, device, now)?,
        };
        let secret = unhex(&vault.unseal(DEVICE, &book.key)?)?;
        let mut keys = Self {
            device: PrivateKey::of(Curve::P256, &secret)?,
            // Replaced below: a book without an epoch is one that was just made.
            epoch: EpochKey::new(0, &[0; 16]).context("16 octets")?,
            previous: None,
            path,
            vault,
            book,
        };
        match keys.book.epoch.clone() {
            Some(epoch) => {
                keys.epoch = keys.unseal(&epoch)?;
                let previous = keys.book.previous.clone();
                keys.previous = previous.map(|epoch| keys.unseal(&epoch)).transpose()?;
            }
            None => keys.rotate(now)?,
        }
        keys.show()?;
        Ok(keys)
    }

    /// Writes what the head-end is given.
    fn show(&self) -> anyhow::Result<()> {
        let path = self.path.with_file_name(CERTIFICATE);
        let shown = self.book.issued.as_ref().unwrap_or(&self.book.certificate);
        files::replace(&path, shown.as_bytes(), files::For::All)
            .with_context(|| path.display().to_string())
    }

    /// What the utility's authority has issued for the key, if it has.
    ///
    /// # Errors
    /// The book holds another text.
    pub(super) fn identity(&self) -> anyhow::Result<Option<Identity>> {
        let issued = self.book.issued.as_ref();
        issued
            .map(|pem| Identity::of_pem(pem, &self.device))
            .transpose()
    }

    /// Takes what the utility's authority has issued.
    ///
    /// # Errors
    /// It did not reach the disk; then the old one stays.
    pub(super) fn certify(&mut self, identity: &Identity) -> anyhow::Result<()> {
        let before = self.book.issued.replace(identity.to_pem());
        if let Err(error) = self.store() {
            self.book.issued = before;
            return Err(error);
        }
        self.show()
    }

    /// Makes the key of a new epoch; the one before still opens what comes.
    ///
    /// # Errors
    /// It did not reach the disk; then the old one stays.
    pub fn rotate(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let mut key = Zeroizing::new([0; 16]);
        getrandom::fill(key.as_mut_slice())
            .map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
        let number = u32::try_from(now.as_second())
            .unwrap_or(0)
            .max(self.epoch.epoch.saturating_add(1));
        let made = EpochKey::new(number, key.as_slice()).context("16 octets")?;
        let epoch = Epoch {
            number,
            key: self
                .vault
                .seal(&name(number), &hex::encode(key.as_slice()))?,
            made_s: now.as_second(),
        };
        let before = (self.book.epoch.clone(), self.book.previous.clone());
        self.book.previous = self.book.epoch.replace(epoch);
        if let Err(error) = self.store() {
            (self.book.epoch, self.book.previous) = before;
            return Err(error);
        }
        let old = std::mem::replace(&mut self.epoch, made);
        self.previous = self.book.previous.as_ref().map(|_| old);
        Ok(())
    }

    /// True when the epoch's key is older than so many days.
    #[must_use]
    pub fn is_due(&self, now: Timestamp, days: u8) -> bool {
        let made_s = self.book.epoch.as_ref().map_or(0, |epoch| epoch.made_s);
        now.as_second() - made_s > i64::from(days) * 86_400
    }

    /// The device's own key.
    #[must_use]
    pub const fn device(&self) -> &PrivateKey {
        &self.device
    }

    /// The device's certificate: the one of the utility's authority, or that of its own.
    ///
    /// # Errors
    /// The book holds another text.
    pub fn certificate(&self) -> anyhow::Result<Certificate> {
        let known = self.book.issued.as_ref().unwrap_or(&self.book.certificate);
        Ok(Certificate::read(known.as_bytes())?)
    }

    /// The present epoch's key.
    #[must_use]
    pub const fn epoch(&self) -> &EpochKey {
        &self.epoch
    }

    /// The key of an epoch that is still known.
    #[must_use]
    pub fn of_epoch(&self, number: u32) -> Option<&EpochKey> {
        let known = std::iter::once(&self.epoch).chain(&self.previous);
        known.into_iter().find(|key| key.epoch == number)
    }

    fn unseal(&self, epoch: &Epoch) -> anyhow::Result<EpochKey> {
        let key = unhex(&self.vault.unseal(&name(epoch.number), &epoch.key)?)?;
        EpochKey::new(epoch.number, &key).context("a key of an epoch has 16 octets")
    }

    /// Writes the book; it is on the disk when this returns.
    fn store(&self) -> anyhow::Result<()> {
        let book = serde_json::to_vec_pretty(&self.book)?;
        files::replace(&self.path, &book, files::For::Owner)
            .with_context(|| self.path.display().to_string())
    }
}

fn make(vault: &Vault, device: &str, now: Timestamp) -> anyhow::Result<Book> {
    let key = PrivateKey::generate(Curve::P256)?;
    let time = |at: Timestamp| at.strftime("%Y%m%d%H%M%SZ").to_string();
    let end = now
        .to_zoned(jiff::tz::TimeZone::UTC)
        .checked_add(YEARS.years())?
        .timestamp();
    let certificate: Certificate = issue::self_signed(&key, device, &time(now), &time(end))?;
    Ok(Book {
        device: device.to_owned(),
        key: vault.seal(DEVICE, &hex::encode(key.secret()))?,
        certificate: to_pem("CERTIFICATE", certificate.der()),
        issued: None,
        epoch: None,
        previous: None,
    })
}

fn name(epoch: u32) -> String {
    format!("upstream epoch {epoch}")
}

fn unhex(text: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    hex::decode(text)
        .map(Zeroizing::new)
        .context("a key is written in hex digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_outlive_a_restart_and_are_kept_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        let mut keys = Keys::open(folder.path(), "gw-1", now).unwrap();
        let first = keys.epoch().clone();
        keys.rotate(now).unwrap();
        assert!(keys.epoch().epoch > first.epoch);
        let again = Keys::open(folder.path(), "gw-1", now).unwrap();
        assert_eq!(again.device().secret(), keys.device().secret());
        assert_eq!(again.epoch().secret(), keys.epoch().secret());
        assert_eq!(
            again.of_epoch(first.epoch).unwrap().secret(),
            first.secret()
        );
        assert!(!again.is_due(now, 30));
        assert!(again.is_due(now.checked_add(721.hours()).unwrap(), 30));
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(!text.contains(hex::encode(keys.device().secret()).as_str()));
        assert!(!text.contains(hex::encode(keys.epoch().secret()).as_str()));
        let certificate = std::fs::read(folder.path().join(CERTIFICATE)).unwrap();
        let certificate = Certificate::read(&certificate).unwrap();
        assert_eq!(certificate.public(), keys.device().public());
        assert!(certificate.is_valid_at("20261123000000Z"));
        let issued = issue::self_signed(
            keys.device(),
            "gw-1 of them",
            "20260101000000Z",
            "20270101000000Z",
        );
        let issued = Identity::of(vec![issued.unwrap().der().to_vec()], keys.device()).unwrap();
        keys.certify(&issued).unwrap();
        let again = Keys::open(folder.path(), "gw-1", now).unwrap();
        assert_eq!(again.certificate().unwrap().subject(), "CN=gw-1 of them");
        assert_eq!(again.identity().unwrap().unwrap().to_pem(), issued.to_pem());
        let other = Keys::open(folder.path(), "gw-2", now).unwrap();
        assert!(other.identity().unwrap().is_none());
        assert_ne!(other.device().secret(), keys.device().secret());
    }
}
