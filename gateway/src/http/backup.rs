//! Backup and restore, all data of the home as a file, and erasure.
//!
//! A backup is a gzipped tar of `manifest.json` (schema, versions, SHA-256) and `wattle.db`. Keys of
//! meters, users and tokens stand outside the database and are in no backup.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Extension, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use wattle_api::{Caller, LogBook};

use super::{Api, Problem, blocking};
use crate::store::copy;

pub(super) const BACKUP: &str = "/api/v1/backup";
pub(super) const RESTORE: &str = "/api/v1/restore";
pub(super) const EXPORT_ALL: &str = "/api/v1/privacy/export";
pub(super) const ERASE: &str = "/api/v1/privacy/erase";

const FORMAT: u32 = 1;
/// Longest backup that is taken, packed and unpacked.
const MAX_BYTES: u64 = 4 << 30;
/// What must stay free on the disk.
const SPARE: u64 = 32 << 20;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(BACKUP, get(backup))
        .route(RESTORE, post(restore).layer(DefaultBodyLimit::disable()))
        .route(EXPORT_ALL, get(export_all))
        .route(ERASE, post(erase))
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    gateway: String,
    version: String,
    schema: u32,
    made_at: Timestamp,
    /// SHA-256 of `wattle.db`, hex digits.
    sha256: String,
}

/// Says that everything shall be erased.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Erase {
    /// The word `erase`, so that nobody erases by accident.
    confirm: Confirm,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Confirm {
    Erase,
}

/// What erasure leaves.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Erased {
    /// In words.
    remains: Vec<&'static str>,
}

async fn backup(Shared(api): Shared<Api>) -> Result<Response, Problem> {
    let made = made(&api, "backup", write_backup).await?;
    api.log(LogBook::System, "backup", "A backup was made.");
    let day = api.today();
    sent(made, &format!("wattle-{day}.backup.tar.gz")).await
}

async fn export_all(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let made = made(&api, "export", super::export::write_all).await?;
    let text = format!("{} took a copy of all data.", caller.name);
    api.log(LogBook::Consumer, "export", &text);
    let day = api.today();
    sent(made, &format!("wattle-{day}.data.tar.gz")).await
}

/// Writes a file in a folder of its own, one at a time.
async fn made(
    api: &Api,
    name: &'static str,
    write: fn(&Api, &Path, &Path) -> anyhow::Result<()>,
) -> Result<PathBuf, Problem> {
    let turn = std::sync::Arc::clone(&api.heavy).acquire_owned().await;
    let api = api.clone();
    blocking(move || {
        let _turn = turn;
        let folder = api.keeping.state_dir.join(format!("{name}.tmp"));
        let file = api.keeping.state_dir.join(format!("{name}.tar.gz"));
        let _ = std::fs::remove_dir_all(&folder);
        let made = room(&api.keeping.state_dir, 2 * api.readers.octets())
            .and_then(|()| Ok(std::fs::create_dir_all(&folder)?))
            .and_then(|()| write(&api, &folder, &file));
        let _ = std::fs::remove_dir_all(&folder);
        made.map_err(|error| Problem::internal(&format!("{name}: {error:#}")))?;
        Ok(file)
    })
    .await
}

/// Sends a file and removes its name: the disk has the room back when it was sent.
async fn sent(path: PathBuf, name: &str) -> Result<Response, Problem> {
    let gone = |error: std::io::Error| Problem::internal(&error.to_string());
    let file = tokio::fs::File::open(&path).await.map_err(gone)?;
    let length = file.metadata().await.map_err(gone)?.len();
    tokio::fs::remove_file(&path).await.map_err(gone)?;
    let body = Body::from_stream(tokio_util::io::ReaderStream::new(file));
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, body).into_response())
}

fn write_backup(api: &Api, folder: &Path, file: &Path) -> anyhow::Result<()> {
    let database = folder.join("wattle.db");
    api.readers.copy_to(&database)?;
    let state = api.state.borrow().clone();
    let manifest = Manifest {
        format: FORMAT,
        gateway: state.gateway.id.clone(),
        version: state.gateway.version.clone(),
        schema: api.readers.schema()?,
        made_at: api.clock.now(),
        sha256: sha256(&database)?,
    };
    std::fs::write(
        folder.join("manifest.json"),
        serde_json::to_string_pretty(&manifest)?,
    )?;
    pack(folder, file, &["manifest.json", "wattle.db"])
}

/// Packs files of a folder, in this order.
pub(super) fn pack(folder: &Path, file: &Path, names: &[&str]) -> anyhow::Result<()> {
    let packed = GzEncoder::new(std::fs::File::create(file)?, Compression::fast());
    let mut tar = tar::Builder::new(packed);
    tar.mode(tar::HeaderMode::Deterministic);
    for name in names {
        tar.append_path_with_name(folder.join(name), name)?;
    }
    tar.into_inner()?.finish()?.sync_all()?;
    Ok(())
}

async fn restore(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<StatusCode, Problem> {
    put_back(&api, &caller, body.into_data_stream()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a backup in, checks it and has the daemon begin again with it.
pub(super) async fn put_back<S, E>(api: &Api, caller: &Caller, body: S) -> Result<(), Problem>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::error::Error + Send + Sync + 'static,
{
    let turn = std::sync::Arc::clone(&api.heavy).acquire_owned().await;
    let folder = api.keeping.state_dir.join("restore.tmp");
    let packed = folder.join("backup.tar.gz");
    let received = receive(&api.keeping.state_dir, &folder, &packed, body).await;
    let state_dir = api.keeping.state_dir.clone();
    let (own, at) = (folder.clone(), packed.clone());
    let staged = match received {
        Ok(()) => {
            blocking(move || {
                let unpacked = unpack(&at, &own).map_err(|error| {
                    Problem::rule(format!("this is no backup that can be used: {error:#}"))
                })?;
                copy::stage_restore(&state_dir, &unpacked).map_err(|error| {
                    Problem::rule(format!("this is no backup that can be used: {error}"))
                })
            })
            .await
        }
        Err(error) => Err(Problem::rule(format!("the backup did not come: {error:#}"))),
    };
    let _ = tokio::fs::remove_dir_all(&folder).await;
    drop(turn);
    staged?;
    let text = format!("{} put a backup in the place of the data.", caller.name);
    api.log(LogBook::System, "restore", &text);
    api.keeping.reload.notify_one();
    Ok(())
}

async fn receive<S, E>(
    state_dir: &Path,
    folder: &Path,
    packed: &Path,
    mut stream: S,
) -> anyhow::Result<()>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::error::Error + Send + Sync + 'static,
{
    let _ = tokio::fs::remove_dir_all(folder).await;
    tokio::fs::create_dir_all(folder).await?;
    let mut file = tokio::fs::File::create(packed).await?;
    let mut octets: u64 = 0;
    let mut checked: u64 = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        octets += u64::try_from(chunk.len())?;
        anyhow::ensure!(octets <= MAX_BYTES, "it is longer than 4 GiB");
        if octets - checked > 1 << 20 {
            room(state_dir, 0)?;
            checked = octets;
        }
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(())
}

/// Unpacks a backup and checks it against its manifest.
fn unpack(packed: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut tar = tar::Archive::new(GzDecoder::new(std::fs::File::open(packed)?));
    let mut manifest: Option<Manifest> = None;
    let database = folder.join("wattle.db");
    for entry in tar.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        if name == Path::new("manifest.json") {
            let mut text = String::new();
            entry.by_ref().take(64 * 1024).read_to_string(&mut text)?;
            manifest = Some(serde_json::from_str(&text).context("manifest.json")?);
        } else if name == Path::new("wattle.db") {
            let length = entry.header().size()?;
            anyhow::ensure!(length <= MAX_BYTES, "its database is longer than 4 GiB");
            room(folder, length)?;
            let mut file = std::fs::File::create(&database)?;
            std::io::copy(&mut entry.by_ref().take(MAX_BYTES), &mut file)?;
            file.flush()?;
        }
    }
    let manifest = manifest.context("it has no manifest.json")?;
    anyhow::ensure!(
        manifest.format == FORMAT,
        "its form is {}, this version knows {FORMAT}",
        manifest.format
    );
    anyhow::ensure!(
        database.exists() && sha256(&database)? == manifest.sha256,
        "its database is damaged: the SHA-256 is not that of the manifest"
    );
    Ok(database)
}

async fn erase(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Json(Erase {
        confirm: Confirm::Erase,
    }): Json<Erase>,
) -> Result<Json<Erased>, Problem> {
    erase_all(&api, &caller).await?;
    Ok(Json(Erased {
        remains: copy::REMAINS.to_vec(),
    }))
}

/// Has the daemon begin again without what it has measured and learnt.
pub(super) async fn erase_all(api: &Api, caller: &Caller) -> Result<(), Problem> {
    let state_dir = api.keeping.state_dir.clone();
    blocking(move || Ok(copy::stage_erasure(&state_dir)?)).await?;
    let text = format!("{} had all data erased.", caller.name);
    api.log(LogBook::System, "erasure", &text);
    api.keeping.reload.notify_one();
    Ok(())
}

/// An error when the disk has no room for so many octets more.
#[allow(
    clippy::useless_conversion,
    reason = "machines of 32 bits count blocks in u32"
)]
fn room(folder: &Path, octets: u64) -> anyhow::Result<()> {
    let disk = nix::sys::statvfs::statvfs(folder)?;
    let free = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
    anyhow::ensure!(
        free >= octets.saturating_add(SPARE),
        "the disk is too full for it"
    );
    Ok(())
}

fn sha256(path: &Path) -> anyhow::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut chunk)?;
        let Some(octets) = chunk.get(..length).filter(|octets| !octets.is_empty()) else {
            break;
        };
        hash.update(octets);
    }
    Ok(crate::hex::encode(&hash.finalize()))
}
