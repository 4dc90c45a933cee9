//! The keys of the head-end and of its devices: folders and a database behind a [`Recipient`].

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio_postgres::GenericClient;
use wattle_relay::cose::Opened;
use wattle_relay::recipient::{Devices, Received, Recipient};
use wattle_relay::{Certificate, PrivateKey, Refusal};

use crate::Common;

/// Certificates of devices, DEVICE.crt. Read anew each time: devices come and are revoked.
pub(crate) struct Folder(PathBuf);

impl Devices for Folder {
    fn one(&self, device: &str) -> Option<Certificate> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_name = device.chars().all(legal) && !device.starts_with('.');
        let path = self.0.join(format!("{device}.crt"));
        is_name.then(|| certificate(&path).ok()).flatten()
    }

    fn all(&self) -> Vec<Certificate> {
        let files = std::fs::read_dir(&self.0).into_iter().flatten();
        files
            .filter_map(|file| certificate(&file.ok()?.path()).ok())
            .collect()
    }
}

pub(crate) type Keys = Recipient<Folder>;

pub(crate) fn recipient(common: &Common) -> Result<Keys> {
    let own = private_key(&common.file("headend.key"))?;
    let certificate = certificate(&common.file("headend.crt")).ok();
    Ok(Recipient::new(
        own,
        certificate,
        Folder(common.file("devices")),
    ))
}

/// Opens a message with what the database knows; `None` when it announced a key, which is kept as it came.
/// What cannot be opened is an error that is a [`Refusal`].
pub(crate) async fn open(
    keys: &mut Keys,
    db: &impl GenericClient,
    octets: &[u8],
) -> Result<Option<Opened>> {
    let mut received = keys.open(octets)?;
    if let Received::NoKey { device, epoch } = &received {
        announced(keys, db, device, Some(*epoch)).await?;
        received = keys.open(octets)?;
    }
    match received {
        Received::Message(opened) => Ok(Some(opened)),
        Received::Announced { device, epoch } => {
            let insert = "INSERT INTO epoch_key VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            let epoch = i64::from(epoch);
            db.execute(insert, &[&device, &epoch, &octets]).await?;
            Ok(None)
        }
        _ => Err(Refusal::NoKey.into()),
    }
}

/// Takes note of a key that a device has announced: of this epoch, or the newest.
pub(crate) async fn announced(
    keys: &mut Keys,
    db: &impl GenericClient,
    device: &str,
    epoch: Option<u32>,
) -> Result<()> {
    let select = "SELECT announcement FROM epoch_key
        WHERE device = $1 AND epoch = coalesce($2, epoch) ORDER BY epoch DESC LIMIT 1";
    let epoch = epoch.map(i64::from);
    let row = db.query_opt(select, &[&device, &epoch]).await?;
    keys.announced(row.ok_or(Refusal::NoKey)?.get(0))?;
    Ok(())
}

pub(crate) fn certificate(path: &Path) -> Result<Certificate> {
    Ok(Certificate::read(&std::fs::read(path)?)?)
}

pub(crate) fn private_key(path: &Path) -> Result<PrivateKey> {
    let read = || anyhow::Ok(PrivateKey::read(&std::fs::read(path)?)?);
    read().with_context(|| path.display().to_string())
}
