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
        let book = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
            Ok(text) => Some(
                serde_json::from_str::<Book>(&text).with_context(|| path.display().to_string())?,
            ),
        };
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
        fs::write(folder.join(CERTIFICATE), &keys.book.certificate)
            .with_context(|| folder.join(CERTIFICATE).display().to_string())?;
        Ok(keys)
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

    /// The device's certificate of its own.
    ///
    /// # Errors
    /// The book holds another text.
    pub fn certificate(&self) -> anyhow::Result<Certificate> {
        Ok(Certificate::read(self.book.certificate.as_bytes())?)
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
        let other = Keys::open(folder.path(), "gw-2", now).unwrap();
        assert_ne!(other.device().secret(), keys.device().secret());
    }
}
