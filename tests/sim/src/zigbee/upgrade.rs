//! A device that fetches new firmware (Zigbee Cluster Library, chapter 11).

use han::zigbee::zcl::write::cluster;
use han::zigbee::zcl::{Direction, Message, write_command};
use han::{Record, Value};

use super::device::{Aps, Sent};

const OTA: u16 = 0x0019;
/// How long it waits for a block before it asks again, ms.
const PATIENCE_MS: u64 = 2000;

/// The client's side of an upgrade.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// It asks for an image; off until told, as most devices ask once a day.
    pub asks: bool,
    /// The version that it runs.
    pub version: u32,
    /// What it has fetched.
    pub image: Vec<u8>,
    /// How many octets it expects; 0 before it was told.
    pub size: u32,
    /// The version that it fetches.
    pub offered: u32,
    /// It has all.
    pub complete: bool,
    /// Every n-th block is lost on its way.
    pub lose_every: u32,
    /// How often it was told to wait.
    pub waited: u32,
    asked_ms: Option<u64>,
    blocks: u32,
}

impl Default for Upgrade {
    fn default() -> Self {
        Self {
            asks: false,
            version: 1,
            image: Vec::new(),
            size: 0,
            offered: 0,
            complete: false,
            lose_every: 0,
            waited: 0,
            asked_ms: None,
            blocks: 0,
        }
    }
}

impl Upgrade {
    /// What it says of its own accord at `ms`.
    pub fn pass(&mut self, ms: u64, tsn: &mut dyn FnMut() -> u8) -> Vec<Sent> {
        let waits = self.asked_ms.is_some_and(|asked| ms < asked + PATIENCE_MS);
        if !self.asks || self.complete || waits {
            return Vec::new();
        }
        self.asked_ms = Some(ms);
        vec![self.ask(tsn())]
    }

    fn ask(&self, tsn: u8) -> Sent {
        let fields = Record::new()
            .with("field_control", Value::Unsigned(0))
            .with("manufacturer", Value::id16(0x1234))
            .with("image_type", Value::id16(0x0001));
        if self.size == 0 {
            let fields = fields.with(
                "file_version",
                Value::Id {
                    id: self.version.into(),
                    octets: 4,
                },
            );
            return command(0x01, &fields, tsn);
        }
        let fields = fields
            .with(
                "file_version",
                Value::Id {
                    id: self.offered.into(),
                    octets: 4,
                },
            )
            .with("file_offset", Value::Unsigned(self.image.len() as u64))
            .with("max_data_size", Value::Unsigned(48));
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
        if aps.cluster != OTA {
            return Vec::new();
        }
        let number =
            |name: &str| u32::try_from(message.fields.number(name).unwrap_or(0)).unwrap_or(0);
        match message.frame.command {
            0x02 if number("status") == 0 => {
                (self.size, self.offered) = (number("image_size"), number("file_version"));
            }
            0x05 if number("status") == 0 => {
                self.blocks += 1;
                if self.lose_every > 0 && self.blocks.is_multiple_of(self.lose_every) {
                    return Vec::new();
                }
                let Some(Value::Octets(data)) = message.fields.field("data") else {
                    return Vec::new();
                };
                if number("file_offset") as usize == self.image.len() {
                    self.image.extend(data);
                }
            }
            // Wait: the time, and when to ask again, follow the status (11.13.8).
            0x05 if number("status") == 0x97 => {
                let time = |at: usize| {
                    let octets = message.extra.get(at..at + 4)?.try_into().ok()?;
                    Some(u64::from(u32::from_le_bytes(octets)))
                };
                let seconds = time(4).zip(time(0)).map_or(60, |(later, now)| later - now);
                self.waited += 1;
                self.asked_ms = Some((ms + seconds * 1000).saturating_sub(PATIENCE_MS));
                return Vec::new();
            }
            _ => return Vec::new(),
        }
        self.asked_ms = Some(ms);
        if self.size > 0 && self.image.len() >= self.size as usize {
            self.complete = true;
            let fields = Record::new()
                .with("status", Value::Unsigned(0))
                .with("manufacturer", Value::id16(0x1234))
                .with("image_type", Value::id16(0x0001))
                .with(
                    "file_version",
                    Value::Id {
                        id: self.offered.into(),
                        octets: 4,
                    },
                );
            return vec![command(0x06, &fields, tsn())];
        }
        vec![self.ask(tsn())]
    }
}

fn command(number: u8, fields: &Record, tsn: u8) -> Sent {
    let payload = write_command(OTA, Direction::ClientToServer, number, fields).unwrap_or_default();
    Sent {
        after_ms: 20,
        aps: Aps {
            profile: 0x0104,
            cluster: OTA,
            src_endpoint: 1,
            dst_endpoint: 1,
            secured: false,
        },
        payload: cluster(tsn, Direction::ClientToServer, number, true, &payload),
    }
}
