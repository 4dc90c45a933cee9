//! A device that fetches new firmware (Zigbee Cluster Library, chapter 11), and files for it.

use han::zigbee::zcl::clusters::id::OTA_UPGRADE;
use han::zigbee::zcl::write::cluster;
use han::zigbee::zcl::{Direction, FrameType, Message, write_command};
use han::{Record, Value};

use super::device::{Aps, Sent};

/// How long it waits for a block before it asks again, ms.
const PATIENCE_MS: u64 = 2000;
/// How long it waits for the blocks of a page, ms.
const PAGE_PATIENCE_MS: u64 = 10_000;
/// Octets of a page.
const PAGE: u16 = 480;

/// The client's side of an upgrade.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// It asks for an image; off until it is told that there is one.
    pub asks: bool,
    /// Who made it, and which kind of image it takes.
    pub kind: (u16, u16),
    /// The version that it runs.
    pub version: u32,
    /// What it has fetched.
    pub image: Vec<u8>,
    /// How many octets it expects; 0 before it was told.
    pub size: u32,
    /// The version that it fetches.
    pub offered: u32,
    /// What it has installed.
    pub installed: Option<Vec<u8>>,
    /// Every n-th block is lost on its way.
    pub lose_every: u32,
    /// It asks for pages of blocks.
    pub pages: bool,
    /// It finds the image not to be signed for it.
    pub refuses: bool,
    /// It says that it installs, and stays as it is.
    pub stays: bool,
    /// How often it was told to wait.
    pub waited: u32,
    /// When it got a block, ms since the start.
    pub blocks_at: Vec<u64>,
    asked_ms: Option<u64>,
    blocks: u32,
}

impl Default for Upgrade {
    fn default() -> Self {
        Self {
            asks: false,
            kind: (0x1234, 0x0001),
            version: 1,
            image: Vec::new(),
            size: 0,
            offered: 0,
            installed: None,
            lose_every: 0,
            pages: false,
            refuses: false,
            stays: false,
            waited: 0,
            blocks_at: Vec::new(),
            asked_ms: None,
            blocks: 0,
        }
    }
}

/// A firmware file for the simulated plug that has so many octets in all.
#[must_use]
pub fn firmware(version: u32, octets: u32) -> Vec<u8> {
    const HEADER: u32 = 56;
    let mut file = vec![0x1E, 0xF1, 0xEE, 0x0B, 0x00, 0x01, 56, 0, 0, 0];
    file.extend([0x34, 0x12, 0x01, 0x00]);
    file.extend(version.to_le_bytes());
    file.extend([2, 0]);
    file.extend([b'w'; 32]);
    file.extend(octets.to_le_bytes());
    file.extend([0, 0]);
    let element = octets.saturating_sub(HEADER + 6);
    file.extend(element.to_le_bytes());
    file.extend((0_u8..=250).cycle().take(element as usize));
    file
}

impl Upgrade {
    /// What it says of its own accord at `ms`.
    pub fn pass(&mut self, ms: u64, tsn: &mut dyn FnMut() -> u8) -> Vec<Sent> {
        let patience = if self.pages && self.size > 0 {
            PAGE_PATIENCE_MS
        } else {
            PATIENCE_MS
        };
        let waits = self.asked_ms.is_some_and(|asked| ms < asked + patience);
        if !self.asks || waits {
            return Vec::new();
        }
        self.asked_ms = Some(ms);
        vec![self.ask(tsn())]
    }

    fn named(&self, version: u32) -> Record {
        let version = Value::Id {
            id: version.into(),
            octets: 4,
        };
        Record::new()
            .with("manufacturer", Value::id16(self.kind.0))
            .with("image_type", Value::id16(self.kind.1))
            .with("file_version", version)
    }

    fn ask(&self, tsn: u8) -> Sent {
        let control = Record::new().with("field_control", Value::Unsigned(0));
        if self.size == 0 {
            return command(0x01, &join(control, &self.named(self.version)), tsn);
        }
        let fields = join(control, &self.named(self.offered))
            .with("file_offset", Value::Unsigned(self.image.len() as u64))
            .with("max_data_size", Value::Unsigned(48));
        if self.pages {
            let fields = fields
                .with("page_size", Value::Unsigned(PAGE.into()))
                .with("response_spacing_ms", Value::Unsigned(100));
            return command(0x04, &fields, tsn);
        }
        command(0x03, &fields, tsn)
    }

    /// Takes a command of the cluster.
    pub fn take(
        &mut self,
        aps: Aps,
        message: &Message<'_>,
        ms: u64,
        tsn: &mut dyn FnMut() -> u8,
    ) -> Vec<Sent> {
        if aps.cluster != OTA_UPGRADE || message.frame.frame_type != FrameType::Cluster {
            return Vec::new();
        }
        let number =
            |name: &str| u32::try_from(message.fields.number(name).unwrap_or(0)).unwrap_or(0);
        match (message.frame.command, number("status")) {
            // There may be something: it asks, or goes on.
            (0x00, _) => {
                self.asks = true;
                if self.size > 0 {
                    return Vec::new();
                }
            }
            (0x02, 0) => {
                (self.size, self.offered) = (number("image_size"), number("file_version"));
            }
            // There is nothing for it.
            (0x02, _) => {
                self.asks = false;
                return Vec::new();
            }
            (0x05, 0) => return self.take_block(message, ms, tsn),
            // Wait: the time, and when to ask again, follow the status (11.13.8).
            (0x05, 0x97) => {
                let time = |at: usize| {
                    let octets = message.extra.get(at..at + 4)?.try_into().ok()?;
                    Some(u64::from(u32::from_le_bytes(octets)))
                };
                let seconds = time(4).zip(time(0)).map_or(60, |(later, now)| later - now);
                self.waited += 1;
                self.asked_ms = Some((ms + seconds * 1000).saturating_sub(PATIENCE_MS));
                return Vec::new();
            }
            // It is not to have it after all.
            (0x05, _) => {
                self.forget();
                return Vec::new();
            }
            // It installs, starts, and says what it runs.
            (0x07, _) => {
                if !self.stays {
                    self.installed = Some(std::mem::take(&mut self.image));
                    self.version = self.offered;
                }
                self.forget();
                self.asks = true;
            }
            _ => return Vec::new(),
        }
        self.asked_ms = Some(ms);
        vec![self.ask(tsn())]
    }

    fn take_block(
        &mut self,
        message: &Message<'_>,
        ms: u64,
        tsn: &mut dyn FnMut() -> u8,
    ) -> Vec<Sent> {
        self.blocks += 1;
        self.blocks_at.push(ms);
        if self.lose_every > 0 && self.blocks.is_multiple_of(self.lose_every) {
            return Vec::new();
        }
        let Some(Value::Octets(data)) = message.fields.field("data") else {
            return Vec::new();
        };
        if message.fields.number("file_offset") == Some(self.image.len() as u64) {
            self.image.extend(data);
        }
        if self.size > 0 && self.image.len() >= self.size as usize {
            let status = if self.refuses { 0x96 } else { 0 };
            let fields = Record::new().with("status", Value::Unsigned(status));
            let ended = command(0x06, &join(fields, &self.named(self.offered)), tsn());
            if self.refuses {
                self.forget();
            } else {
                self.asked_ms = Some(ms + 3_600_000);
            }
            return vec![ended];
        }
        let is_page_end = self.image.len().is_multiple_of(PAGE.into());
        if self.pages && !is_page_end {
            return Vec::new();
        }
        self.asked_ms = Some(ms);
        vec![self.ask(tsn())]
    }

    fn forget(&mut self) {
        self.image.clear();
        (self.asks, self.size, self.asked_ms) = (false, 0, None);
    }
}

fn join(mut first: Record, second: &Record) -> Record {
    for (name, value) in second.fields() {
        first.push(name, value.clone());
    }
    first
}

fn command(number: u8, fields: &Record, tsn: u8) -> Sent {
    let payload =
        write_command(OTA_UPGRADE, Direction::ClientToServer, number, fields).unwrap_or_default();
    Sent {
        after_ms: 20,
        aps: Aps {
            profile: 0x0104,
            cluster: OTA_UPGRADE,
            src_endpoint: 1,
            dst_endpoint: 1,
            secured: false,
        },
        payload: cluster(tsn, Direction::ClientToServer, number, true, &payload),
    }
}
