//! Firmware for devices (Zigbee Cluster Library, chapter 11): files are offered to the devices they
//! are for, and given out block by block as devices ask; a device that lost a block asks again, one
//! that was away goes on where it stopped. While loads are shed, devices are told to wait.

use std::collections::BTreeMap;

use super::ota::{OtaError, OtaHeader};
use super::zcl::write::cluster;
use super::zcl::{Direction, Message, write_command};
use crate::value::{Record, Value};

/// Octets of a block: what fits a message that is not fragmented.
const BLOCK: usize = 48;
/// Files at most, and the octets of one.
const FILES: usize = 32;
const LARGEST: usize = 4 * 1024 * 1024;
/// A device is told to ask again after so many seconds.
const WAIT_S: u32 = 60;
/// There is no image (2.6.3), and: ask later.
const NO_IMAGE: u8 = 0x98;
const WAIT_FOR_DATA: u8 = 0x97;
const MALFORMED: u8 = 0x80;

/// Why a file is not offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// It is no firmware file.
    #[error(transparent)]
    Header(#[from] OtaError),
    /// It ends before its image does.
    #[error("the file says that its image has {said} octets, and has {has}")]
    Incomplete {
        /// So many it says.
        said: u64,
        /// So many it has.
        has: usize,
    },
    /// There are too many files, or it is too large.
    #[error("at most {FILES} files of {LARGEST} octets are offered")]
    TooMuch,
}

/// How far a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The device's address for life.
    pub ieee: u64,
    /// The version that it fetches.
    pub version: u32,
    /// What it has asked for so far, octets.
    pub offset: u32,
    /// All of it, octets.
    pub size: u32,
    /// It has all; otherwise the number with which it ended, if it has.
    pub ended: Option<u8>,
}

#[derive(Debug)]
struct Image {
    version: u32,
    octets: Vec<u8>,
}

/// The server of firmware.
#[derive(Debug, Default)]
pub struct Upgrades {
    images: BTreeMap<(u16, u16), Image>,
    paused: bool,
    progress: BTreeMap<u64, Progress>,
}

impl Upgrades {
    /// Offers a file, in place of an older one for the same devices.
    ///
    /// # Errors
    /// [`UpgradeError`]; nothing has changed then.
    pub fn offer(&mut self, file: &[u8]) -> Result<(), UpgradeError> {
        let header = OtaHeader::find(file)?;
        let said = header.image_size();
        let rest = file.get(header.offset..).unwrap_or_default();
        let size = usize::try_from(said).unwrap_or(usize::MAX);
        let octets = rest.get(..size).ok_or(UpgradeError::Incomplete {
            said,
            has: rest.len(),
        })?;
        let number = |name| u16::try_from(header.fields.number(name).unwrap_or(0)).unwrap_or(0);
        let key = (number("manufacturer"), number("image_type"));
        let version = header.fields.number("file_version").unwrap_or(0);
        let is_new = !self.images.contains_key(&key);
        if octets.len() > LARGEST || (is_new && self.images.len() >= FILES) {
            return Err(UpgradeError::TooMuch);
        }
        let image = Image {
            version: u32::try_from(version).unwrap_or(0),
            octets: octets.to_vec(),
        };
        self.images.insert(key, image);
        Ok(())
    }

    /// Lets devices wait, or go on.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// How far each device is.
    pub fn progress(&self) -> impl Iterator<Item = &Progress> {
        self.progress.values()
    }

    /// The answer to a message of the cluster, if it is a question.
    pub(super) fn take(&mut self, ieee: u64, message: &Message<'_>, now: u32) -> Option<Vec<u8>> {
        let frame = message.frame;
        if frame.direction != Direction::ClientToServer {
            return None;
        }
        let fields = &message.fields;
        let number = |name: &str| u32::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0);
        let id = |name: &str| u16::try_from(number(name)).unwrap_or(0);
        let key = (id("manufacturer"), id("image_type"));
        let image = self.images.get(&key);
        let (command, answer, more) = match frame.command {
            0x01 => (
                0x02,
                next_image(key, image, number("file_version")),
                Vec::new(),
            ),
            0x03 if self.paused => (0x05, status(WAIT_FOR_DATA), wait(now)),
            0x03 => {
                let image = image.filter(|image| image.version == number("file_version"));
                let offset = number("file_offset");
                if let Some(image) = image {
                    let progress = Progress {
                        ieee,
                        version: image.version,
                        offset,
                        size: u32::try_from(image.octets.len()).unwrap_or(u32::MAX),
                        ended: None,
                    };
                    self.progress.insert(ieee, progress);
                }
                let most = usize::try_from(number("max_data_size")).unwrap_or(0);
                (0x05, block(key, image, offset, most), Vec::new())
            }
            0x06 => {
                let ended = u8::try_from(number("status")).unwrap_or(0xFF);
                if let Some(progress) = self.progress.get_mut(&ieee) {
                    progress.ended = Some(ended);
                    if ended == 0 {
                        progress.offset = progress.size;
                    }
                }
                if ended != 0 {
                    return None;
                }
                let times = Record::new()
                    .with("manufacturer", Value::id16(key.0))
                    .with("image_type", Value::id16(key.1))
                    .with("file_version", version(number("file_version")))
                    .with("current_time", Value::Unsigned(now.into()))
                    .with("upgrade_time", Value::Unsigned(now.into()));
                (0x07, times, Vec::new())
            }
            _ => return None,
        };
        let direction = Direction::ServerToClient;
        let mut payload = write_command(0x0019, direction, command, &answer).ok()?;
        payload.extend(more);
        Some(cluster(frame.tsn, direction, command, true, &payload))
    }
}

fn status(status: u8) -> Record {
    Record::new().with("status", Value::Unsigned(status.into()))
}

fn version(version: u32) -> Value {
    Value::Id {
        id: version.into(),
        octets: 4,
    }
}

/// The time, when to ask again, and that blocks are to come as fast as they can (11.13.8.2).
fn wait(now: u32) -> Vec<u8> {
    let later = now.saturating_add(WAIT_S);
    [&now.to_le_bytes()[..], &later.to_le_bytes(), &[0, 0]].concat()
}

fn next_image((manufacturer, kind): (u16, u16), image: Option<&Image>, runs: u32) -> Record {
    let Some(image) = image.filter(|image| image.version > runs) else {
        return status(NO_IMAGE);
    };
    status(0)
        .with("manufacturer", Value::id16(manufacturer))
        .with("image_type", Value::id16(kind))
        .with("file_version", version(image.version))
        .with("image_size", Value::Unsigned(image.octets.len() as u64))
}

fn block(
    (manufacturer, kind): (u16, u16),
    image: Option<&Image>,
    offset: u32,
    most: usize,
) -> Record {
    let Some(image) = image else {
        return status(NO_IMAGE);
    };
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    let rest = image.octets.get(from..).unwrap_or_default();
    let data = rest
        .get(..most.min(BLOCK).min(rest.len()))
        .unwrap_or_default();
    if data.is_empty() {
        return status(MALFORMED);
    }
    status(0)
        .with("manufacturer", Value::id16(manufacturer))
        .with("image_type", Value::id16(kind))
        .with("file_version", version(image.version))
        .with("file_offset", Value::Unsigned(offset.into()))
        .with("data", Value::Octets(data.to_vec()))
}
