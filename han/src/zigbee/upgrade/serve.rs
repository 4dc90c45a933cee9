//! What devices ask and what they get: whether there is an image, its blocks, and the end.

use std::time::{Duration, Instant};

use super::{Event, Failure, ImageKind, OTA_UPGRADE, Outgoing, Runs, Stage, Upgrades, Wish};
use crate::value::{Record, Value};
use crate::zigbee::coordinator::{Aps, Incoming};
use crate::zigbee::upgrade::Image;
use crate::zigbee::zcl::write::default_response;
use crate::zigbee::zcl::{Direction, FrameType, Message};

/// Octets of a block: what fits a message that is not fragmented.
const BLOCK: usize = 48;
/// A device is told to ask again after so many seconds.
const WAIT_S: u32 = 60;
/// Statuses (2.6.3).
const SUCCESS: u8 = 0x00;
const MALFORMED: u8 = 0x80;
const ABORT: u8 = 0x95;
const WAIT_FOR_DATA: u8 = 0x97;
const NO_IMAGE: u8 = 0x98;

/// Blocks that are on their way to a device: one, or those of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    pub(super) ieee: u64,
    aps: Aps,
    tsn: u8,
    wish: Wish,
    offset: u32,
    /// Where the page ends; the end of the first block where one was asked for.
    until: u32,
    most: usize,
    spacing: Duration,
    pub(super) due: Instant,
}

impl Upgrades {
    /// Takes a message of the cluster; false when it is no question.
    pub(in crate::zigbee) fn take(
        &mut self,
        ieee: u64,
        incoming: &Incoming,
        utc: u32,
        now: Instant,
    ) -> bool {
        let aps = incoming.aps;
        let Ok(message) = Message::decode(OTA_UPGRADE, &incoming.payload) else {
            return false;
        };
        let frame = message.frame;
        let is_question = frame.direction == Direction::ClientToServer
            && frame.frame_type == FrameType::Cluster
            && matches!(frame.command, 0x01 | 0x03 | 0x04 | 0x06);
        if !is_question || message.name.is_none() {
            return false;
        }
        self.meet(ieee, aps.endpoint);
        let fields = &message.fields;
        let number = |name: &str| u32::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0);
        let id = |name: &str| u16::try_from(number(name)).unwrap_or(0);
        let named = Wish {
            kind: ImageKind {
                manufacturer: id("manufacturer"),
                image_type: id("image_type"),
            },
            version: number("file_version"),
        };
        let question = Blocks {
            ieee,
            aps,
            tsn: frame.tsn,
            wish: named,
            offset: number("file_offset"),
            until: u32::MAX,
            most: usize::try_from(number("max_data_size"))
                .unwrap_or(0)
                .min(BLOCK),
            spacing: Duration::ZERO,
            due: now,
        };
        match frame.command {
            0x01 => {
                let hardware = fields.number("hardware_version");
                let runs = Runs {
                    kind: named.kind,
                    version: named.version,
                    hardware: hardware.and_then(|version| u16::try_from(version).ok()),
                };
                let answer = self.next_image(ieee, runs, now);
                self.answer(&question, 0x02, &answer, &[]);
            }
            0x06 => self.take_end(&question, &message, utc, now),
            command => {
                let mut blocks = question;
                let most = u32::try_from(blocks.most).unwrap_or(0);
                let page = if command == 0x04 {
                    number("page_size")
                } else {
                    most
                };
                blocks.until = blocks.offset.saturating_add(page);
                let spacing = Duration::from_millis(number("response_spacing_ms").into());
                blocks.spacing = spacing.max(self.period);
                self.take_request(&blocks, utc, now);
            }
        }
        true
    }

    /// A device says what it runs, and asks what there is.
    fn next_image(&mut self, ieee: u64, runs: Runs, now: Instant) -> Record {
        let none = status(NO_IMAGE);
        let Some(client) = self.clients.get_mut(&ieee) else {
            return none;
        };
        client.runs = Some(runs);
        if client.wish.is_none() {
            client.due = None;
        }
        let (Some(wish), stage) = (client.wish, client.stage) else {
            return none;
        };
        if runs.version == wish.version {
            self.leave(ieee);
            self.done(ieee, wish.version);
            return none;
        }
        if stage == Stage::Installing {
            self.fail(ieee, Failure::Unchanged);
            return none;
        }
        let image = self.image(wish);
        let image = image.filter(|image| image.suits(ieee, runs.hardware));
        let Some(size) = image.filter(|_| wish.kind == runs.kind).map(Image::size) else {
            self.fail(ieee, Failure::Gone);
            return none;
        };
        if self.turn.is_some_and(|turn| turn != ieee) {
            return none;
        }
        self.take_turn(ieee);
        if let Some(client) = self.clients.get_mut(&ieee) {
            client.fetches(0, size, now);
        }
        if !matches!(stage, Stage::Fetching { .. }) {
            let version = wish.version;
            self.events.push_back(Event::Begun { ieee, version });
        }
        named(wish).with("image_size", Value::Unsigned(size.into()))
    }

    fn take_request(&mut self, blocks: &Blocks, utc: u32, now: Instant) {
        let wish = self.clients.get(&blocks.ieee).and_then(|one| one.wish);
        let is_wanted = wish == Some(blocks.wish);
        if !is_wanted || self.image(blocks.wish).is_none() {
            if is_wanted {
                self.fail(blocks.ieee, Failure::Gone);
            }
            self.answer(blocks, 0x05, &status(ABORT), &[]);
            return;
        }
        if self.paused || self.turn.is_some_and(|turn| turn != blocks.ieee) {
            self.say_wait(blocks, utc);
            return;
        }
        self.take_turn(blocks.ieee);
        let earliest = self.last_block.map_or(now, |last| last + self.period);
        let due = now.max(earliest);
        self.blocks = Some(Blocks { due, ..*blocks });
    }

    fn take_end(&mut self, question: &Blocks, message: &Message<'_>, utc: u32, now: Instant) {
        let ieee = question.ieee;
        let ended = message.fields.number("status").unwrap_or(0xFF);
        let ended = u8::try_from(ended).unwrap_or(0xFF);
        let wish = self.clients.get(&ieee).and_then(|one| one.wish);
        if ended != SUCCESS || wish != Some(question.wish) {
            if wish.is_some() {
                self.fail(ieee, Failure::from_status(ended));
            }
            let payload = default_response(
                question.tsn,
                Direction::ServerToClient,
                0x06,
                if ended == SUCCESS { ABORT } else { SUCCESS },
            );
            let aps = question.aps;
            self.out.push_back(Outgoing { ieee, aps, payload });
            return;
        }
        self.leave(ieee);
        if let Some(client) = self.clients.get_mut(&ieee) {
            client.installs(now);
        }
        let times = kind(question.wish)
            .with("current_time", Value::Unsigned(utc.into()))
            .with("upgrade_time", Value::Unsigned(utc.into()));
        self.answer(question, 0x07, &times, &[]);
    }

    /// Who waits for a block is told to wait longer.
    pub(super) fn put_off(&mut self, utc: u32) {
        if let Some(blocks) = self.blocks.take() {
            self.say_wait(&blocks, utc);
        }
    }

    pub(super) fn send_blocks(&mut self, now: Instant) {
        let Some(mut blocks) = self.blocks.take_if(|blocks| blocks.due <= now) else {
            return;
        };
        let wish = blocks.wish;
        let room = blocks.until.saturating_sub(blocks.offset);
        let most = blocks.most.min(usize::try_from(room).unwrap_or(BLOCK));
        let cut = |image: &Image| (image.size(), image.block(blocks.offset, most).to_vec());
        let Some((of, data)) = self.image(wish).map(cut) else {
            self.fail(blocks.ieee, Failure::Gone);
            self.answer(&blocks, 0x05, &status(ABORT), &[]);
            return;
        };
        let sent = u32::try_from(data.len()).unwrap_or(0);
        let answer = if sent == 0 {
            status(MALFORMED)
        } else {
            named(wish)
                .with("file_offset", Value::Unsigned(blocks.offset.into()))
                .with("data", Value::Octets(data))
        };
        self.answer(&blocks, 0x05, &answer, &[]);
        self.last_block = Some(now);
        blocks.offset = blocks.offset.saturating_add(sent);
        if let Some(client) = self.clients.get_mut(&blocks.ieee) {
            client.fetches(blocks.offset, of, now);
        }
        if sent > 0 && blocks.offset < blocks.until.min(of) {
            blocks.due = now + blocks.spacing;
            self.blocks = Some(blocks);
        }
    }

    /// The time, when to ask again, and that blocks are to come as fast as they can (11.13.8.2).
    fn say_wait(&mut self, to: &Blocks, utc: u32) {
        let later = utc.saturating_add(WAIT_S);
        let more = [&utc.to_le_bytes()[..], &later.to_le_bytes(), &[0, 0]].concat();
        self.answer(to, 0x05, &status(WAIT_FOR_DATA), &more);
    }

    fn answer(&mut self, to: &Blocks, command: u8, fields: &Record, more: &[u8]) {
        self.send(to.ieee, to.aps, to.tsn, command, fields, more);
    }
}

fn status(status: u8) -> Record {
    Record::new().with("status", Value::Unsigned(status.into()))
}

/// A success, and which image it is about.
fn named(wish: Wish) -> Record {
    let mut record = status(SUCCESS);
    for (name, value) in kind(wish).fields() {
        record.push(name, value.clone());
    }
    record
}

fn kind(wish: Wish) -> Record {
    Record::new()
        .with("manufacturer", Value::id16(wish.kind.manufacturer))
        .with("image_type", Value::id16(wish.kind.image_type))
        .with(
            "file_version",
            Value::Id {
                id: wish.version.into(),
                octets: 4,
            },
        )
}
