//! Keys at rest, of meters, of the Zigbee network and of the relay: sealed with AES-256-GCM under a key of this gateway's own.
//!
//! That key is the systemd credential `radio-seal`, or else a file beside the store that only the
//! daemon may read. Whoever has a copy of the book alone, such as a backup, has no meter's key.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use anyhow::Context;
use zeroize::Zeroizing;

use crate::hex;

const NONCE: usize = 12;
const CREDENTIAL: &str = "radio-seal";
const FILE: &str = "radio.seal";

/// Seals and opens.
pub(crate) struct Vault(Aes256Gcm);

impl Vault {
    /// The vault of this gateway; its key is made the first time.
    ///
    /// # Errors
    /// The key's file can neither be read nor made, or holds something else.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|credentials| Path::new(&credentials).join(CREDENTIAL))
            .filter(|path| path.exists());
        let path = credential.unwrap_or_else(|| folder.join(FILE));
        let octets = match std::fs::read(&path) {
            Ok(octets) => Zeroizing::new(octets),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(&path)?,
            Err(error) => return Err(error).context(path.display().to_string()),
        };
        anyhow::ensure!(
            octets.len() == 32,
            "{}: a sealing key has 32 octets",
            path.display()
        );
        Ok(Self(Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&octets))))
    }

    /// Seals a meter's key; it opens for that meter alone.
    ///
    /// # Errors
    /// There are no random numbers to be had.
    pub(crate) fn seal(&self, meter: &str, key: &str) -> anyhow::Result<String> {
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        let payload = Payload {
            msg: key.as_bytes(),
            aad: meter.as_bytes(),
        };
        let sealed = self
            .0
            .encrypt(Nonce::from_slice(&nonce), payload)
            .map_err(|_| anyhow::anyhow!("a key could not be sealed"))?;
        Ok(hex::encode(&[&nonce[..], &sealed].concat()))
    }

    /// Opens a meter's key.
    ///
    /// # Errors
    /// It was sealed by another gateway, for another meter, or was altered.
    pub(crate) fn unseal(&self, meter: &str, sealed: &str) -> anyhow::Result<Zeroizing<String>> {
        let broken = || anyhow::anyhow!("the key of meter {meter} was sealed by another gateway");
        let octets = hex::decode(sealed).ok_or_else(broken)?;
        let (nonce, sealed) = octets.split_at_checked(NONCE).ok_or_else(broken)?;
        let payload = Payload {
            msg: sealed,
            aad: meter.as_bytes(),
        };
        let opened = self
            .0
            .decrypt(Nonce::from_slice(nonce), payload)
            .map_err(|_| broken())?;
        let opened = Zeroizing::new(opened);
        let text = std::str::from_utf8(&opened).map_err(|_| broken())?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

fn make(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(vec![0; 32]);
    random(&mut octets)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    file.write_all(&octets)?;
    file.sync_all()?;
    Ok(octets)
}

fn random(octets: &mut [u8]) -> anyhow::Result<()> {
    let mut source = std::fs::File::open("/dev/urandom").context("/dev/urandom")?;
    source.read_exact(octets).context("/dev/urandom")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str = "000102030405060708090A0B0C0D0E0F";

    #[test]
    fn a_key_opens_for_its_meter_and_its_gateway_alone() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        let sealed = vault.seal("12345678", KEY).unwrap();
        assert!(!sealed.contains(KEY));
        assert_ne!(sealed, vault.seal("12345678", KEY).unwrap());
        let again = Vault::open(folder.path()).unwrap();
        assert_eq!(again.unseal("12345678", &sealed).unwrap().as_str(), KEY);
        assert!(again.unseal("12345679", &sealed).is_err());
        let other = tempfile::tempdir().unwrap();
        let other = Vault::open(other.path()).unwrap();
        assert!(other.unseal("12345678", &sealed).is_err());
        for text in ["", "00", "zz", &sealed[2..]] {
            assert!(vault.unseal("12345678", text).is_err());
        }
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }
}
