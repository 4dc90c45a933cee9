//! Firmware for Zigbee devices: the files in the configured folder, and what devices run and are to
//! get, kept in `zigbee-firmware.json` so that a restart goes on.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant, SystemTime};

use han::zigbee::upgrade::{
    Event, Firmware as Known, Image, ImageKind, Runs, Stage, Upgrades, Wish,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use wattle_api::{ZigbeeFirmware, ZigbeeFirmwareFile, ZigbeeUpgradeStage};

use super::Board;
use crate::config::ZigbeeConfig;
use crate::files;
use crate::hex;

/// The folder is looked at so often.
const LOOK: Duration = Duration::from_secs(10);
/// Files at most, and the octets of all.
const FILES: usize = 64;
const ALL: u64 = 32 * 1024 * 1024;
/// What stands beside a file to be compared with it.
const DIGESTS: [&str; 2] = ["sha256", "sha512"];

/// The folder, and what was last kept.
pub(super) struct Firmware {
    folder: Option<PathBuf>,
    file: PathBuf,
    kept: Vec<Kept>,
    looked: Option<Instant>,
    /// What stood in the folder when it was read.
    seen: Option<Listing>,
    reading: Option<Receiver<Option<Read>>>,
}

/// Name, size and time of each file.
type Listing = Vec<(PathBuf, u64, Option<SystemTime>)>;

struct Read {
    listing: Listing,
    images: Vec<Image>,
    files: Vec<ZigbeeFirmwareFile>,
}

/// What is known of a device.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    ieee: u64,
    manufacturer: u16,
    image_type: u16,
    version: u32,
    hardware: Option<u16>,
    /// The version that it is to get.
    wanted: Option<u32>,
}

impl Firmware {
    pub(super) fn new(config: &ZigbeeConfig, folder: &Path, upgrades: &mut Upgrades) -> Self {
        upgrades.set_pace(config.firmware_blocks_per_s);
        let file = folder.join("zigbee-firmware.json");
        let kept = files::recall(&file).unwrap_or_else(|error| {
            tracing::warn!("what Zigbee devices run is not known any more: {error:#}");
            None
        });
        let kept: Vec<Kept> = kept.unwrap_or_default();
        for one in &kept {
            let kind = ImageKind {
                manufacturer: one.manufacturer,
                image_type: one.image_type,
            };
            let runs = Runs {
                kind,
                version: one.version,
                hardware: one.hardware,
            };
            let wish = one.wanted.map(|version| Wish { kind, version });
            upgrades.recall(one.ieee, Some(runs), wish);
        }
        Self {
            folder: config.firmware.clone(),
            file,
            kept,
            looked: None,
            seen: None,
            reading: None,
        }
    }

    /// Takes what has changed in the folder, keeps what is asked for, and tells how far it is; once a
    /// second.
    pub(super) fn run(&mut self, upgrades: &mut Upgrades, board: &Board) {
        self.look(upgrades, board);
        let known: Vec<Known> = upgrades.firmware().collect();
        let kept: Vec<Kept> = known.iter().filter_map(kept).collect();
        if kept != self.kept {
            match files::keep(&self.file, &kept, files::For::All) {
                Ok(()) => self.kept = kept,
                Err(error) => tracing::error!("what Zigbee devices run is not kept: {error:#}"),
            }
        }
        board.firmware(known.iter().map(told).collect());
    }

    /// Files are read beside the network's traffic, and only when something has changed.
    fn look(&mut self, upgrades: &mut Upgrades, board: &Board) {
        if let Some(reading) = &self.reading {
            match reading.try_recv() {
                Ok(Some(read)) => {
                    board.files(read.files);
                    upgrades.set_images(read.images);
                    self.seen = Some(read.listing);
                }
                Ok(None) | Err(TryRecvError::Disconnected) => {}
                Err(TryRecvError::Empty) => return,
            }
            self.reading = None;
        }
        let Some(folder) = self.folder.clone() else {
            return;
        };
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let (tell, told) = channel();
        let seen = self.seen.clone();
        tokio::task::spawn_blocking(move || {
            // Who asked may be gone.
            let _ = tell.send(read(&folder, seen.as_ref()));
        });
        self.reading = Some(told);
    }
}

/// Reads the folder, unless it is as it was.
fn read(folder: &Path, seen: Option<&Listing>) -> Option<Read> {
    let listed = list(folder);
    let listing = listed.as_ref().map(Clone::clone).unwrap_or_default();
    if seen == Some(&listing) {
        return None;
    }
    if let Err(error) = listed {
        tracing::warn!(folder = %folder.display(), %error, "the firmware cannot be read");
    }
    let (mut images, mut files, mut octets) = (Vec::new(), Vec::new(), 0);
    for (path, size, _) in &listing {
        let is_digest = DIGESTS
            .iter()
            .any(|end| path.extension() == Some(end.as_ref()));
        if is_digest {
            continue;
        }
        octets += size;
        let image = if octets > ALL {
            Err(
                "there is more firmware in the folder than 32 MiB; take out what is not needed"
                    .to_owned(),
            )
        } else {
            image(path)
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Err(problem) = &image {
            tracing::warn!(file = %path.display(), problem, "a firmware file is not given out");
        }
        files.push(file(&name, image.as_ref()));
        images.extend(image);
    }
    Some(Read {
        listing,
        images,
        files,
    })
}

fn list(folder: &Path) -> std::io::Result<Listing> {
    let mut listing: Listing = std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let about = entry
                .path()
                .metadata()
                .ok()
                .filter(std::fs::Metadata::is_file)?;
            Some((entry.path(), about.len(), about.modified().ok()))
        })
        .take(FILES)
        .collect();
    listing.sort();
    Ok(listing)
}

fn image(path: &Path) -> Result<Image, String> {
    let octets = std::fs::read(path).map_err(|error| error.to_string())?;
    for end in DIGESTS {
        let beside = PathBuf::from(format!("{}.{end}", path.display()));
        let Ok(text) = std::fs::read_to_string(&beside) else {
            continue;
        };
        let digest = match end {
            "sha256" => hex::encode(&Sha256::digest(&octets)),
            _ => hex::encode(&Sha512::digest(&octets)),
        };
        // As sha256sum writes it: the digest, then the name.
        let told = text.split_whitespace().next().unwrap_or_default();
        if !told.eq_ignore_ascii_case(&digest) {
            return Err(format!(
                "it does not match {}: fetch it again",
                beside.display()
            ));
        }
    }
    Image::read(&octets).map_err(|error| error.to_string())
}

fn file(name: &str, image: Result<&Image, &String>) -> ZigbeeFirmwareFile {
    let about = image.ok();
    ZigbeeFirmwareFile {
        file: name.to_owned(),
        manufacturer: about.map(|image| format!("{:04x}", image.kind.manufacturer)),
        image_type: about.map(|image| format!("{:04x}", image.kind.image_type)),
        version: about.map(|image| format!("{:08x}", image.version)),
        size: about.map(Image::size),
        problem: image.err().cloned(),
    }
}

fn kept(known: &Known) -> Option<Kept> {
    let runs = known.runs?;
    Some(Kept {
        ieee: known.ieee,
        manufacturer: runs.kind.manufacturer,
        image_type: runs.kind.image_type,
        version: runs.version,
        hardware: runs.hardware,
        wanted: known.wish.map(|wish| wish.version),
    })
}

fn told(known: &Known) -> ZigbeeFirmware {
    let version = |version: u32| format!("{version:08x}");
    let (stage, fetched, reason) = match known.stage {
        Stage::Waiting => (ZigbeeUpgradeStage::Waiting, None, None),
        Stage::Called => (ZigbeeUpgradeStage::Called, None, None),
        Stage::Fetching { octets, of } => (ZigbeeUpgradeStage::Fetching, Some((octets, of)), None),
        Stage::Installing => (ZigbeeUpgradeStage::Installing, None, None),
        Stage::Failed(failure) => (ZigbeeUpgradeStage::Failed, None, Some(failure.to_string())),
        _ => (ZigbeeUpgradeStage::Idle, None, None),
    };
    ZigbeeFirmware {
        ieee: format!("{:016x}", known.ieee),
        installed: known.runs.map(|runs| version(runs.version)),
        newer: known.newer.map(version),
        wanted: known.wish.map(|wish| version(wish.version)),
        stage,
        octets: fetched.map(|(octets, _)| octets),
        size: fetched.map(|(_, of)| of),
        reason,
    }
}

/// Tells what happened in the log.
pub(super) fn log(event: Event) {
    match event {
        Event::Begun { ieee, version } => {
            tracing::info!(device = %format_args!("{ieee:016x}"), version = %format_args!("{version:08x}"), "a Zigbee device fetches firmware");
        }
        Event::Done { ieee, version } => {
            tracing::info!(device = %format_args!("{ieee:016x}"), version = %format_args!("{version:08x}"), "a Zigbee device runs its new firmware");
        }
        Event::Failed { ieee, failure } => {
            tracing::warn!(device = %format_args!("{ieee:016x}"), %failure, "a Zigbee device did not get its firmware");
        }
        _ => {}
    }
}
