//! Firmware for devices (Zigbee Cluster Library, chapter 11): a device that somebody wants to
//! upgrade is told so, and fetches its image block by block or page by page; what is lost it asks
//! for again, and a device that was away goes on where it stopped.
//!
//! Nothing is given out unasked: [`Upgrades::ask`] names the device, and an older version than it
//! runs must be named as well. One device at a time has its turn, with so many blocks a second, and
//! none while loads are shed or the network has other things to do. It is as pure as the rest.
//!
//! - [`Image`]: a file and what can be checked of it.

mod client;
mod image;
mod serve;
mod turns;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use client::Client;
pub use client::{Failure, Firmware, Runs, Stage, Wish};
pub use image::{Image, ImageKind, UpgradeError};

use super::coordinator::Aps;
use super::services::Outgoing;
use super::zcl::write::cluster;
use super::zcl::{Direction, write_command};
use crate::value::Record;
use crate::zigbee::zcl::clusters::id::OTA_UPGRADE;
use serve::Blocks;

/// Devices whose firmware is known at most.
const CLIENTS: usize = 250;
/// While the network is busy a block waits for so long.
const BUSY: Duration = Duration::from_secs(1);

/// Why a device does not get what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
#[non_exhaustive]
pub enum Refusal {
    /// It has not said what it runs.
    Unknown,
    /// It takes no firmware over the air.
    Unable,
    /// There is no such file for it.
    NoImage,
    /// It runs that version.
    Same,
    /// What there is is older, and that was not asked for.
    Older,
}

impl Refusal {
    /// What people are told.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unknown => {
                "the device has not said yet what it runs; it is asked, try again in a minute"
            }
            Self::Unable => "the device takes no firmware over the air",
            Self::NoImage => "there is no such firmware for this device in the folder",
            Self::Same => "the device runs this version already",
            Self::Older => {
                "that version is older than what the device runs; a downgrade is asked for by name"
            }
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A device has begun to fetch.
    Begun {
        /// The device.
        ieee: u64,
        /// The version.
        version: u32,
    },
    /// A device runs the version that it was to get.
    Done {
        /// The device.
        ieee: u64,
        /// The version.
        version: u32,
    },
    /// A device did not get it.
    Failed {
        /// The device.
        ieee: u64,
        /// Why.
        failure: Failure,
    },
}

/// The server of firmware.
#[derive(Debug)]
pub struct Upgrades {
    images: Vec<Image>,
    clients: BTreeMap<u64, Client>,
    /// Who has its turn, and who comes after.
    turn: Option<u64>,
    queue: VecDeque<u64>,
    blocks: Option<Blocks>,
    period: Duration,
    /// When the last block went, whoever asked for it.
    last_block: Option<Instant>,
    /// The next device may be asked what it runs.
    next_call: Option<Instant>,
    paused: bool,
    /// Nothing is begun before.
    held: Option<Instant>,
    tsn: u8,
    out: VecDeque<Outgoing>,
    events: VecDeque<Event>,
}

impl Default for Upgrades {
    fn default() -> Self {
        Self {
            images: Vec::new(),
            clients: BTreeMap::new(),
            turn: None,
            queue: VecDeque::new(),
            blocks: None,
            period: Duration::from_millis(250),
            last_block: None,
            next_call: None,
            paused: false,
            held: None,
            tsn: 0,
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }
}

impl Upgrades {
    /// Sets what there is to give out.
    pub fn set_images(&mut self, images: Vec<Image>) {
        self.images = images;
    }

    /// What there is to give out.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// Gives out so many blocks of 48 octets in a second, 1 to 50.
    pub fn set_pace(&mut self, blocks_per_s: u8) {
        self.period = Duration::from_secs(1) / u32::from(blocks_per_s.clamp(1, 50));
    }

    /// Lets devices wait, or go on.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// What is known of all devices that take firmware.
    pub fn firmware(&self) -> impl Iterator<Item = Firmware> {
        self.clients.iter().map(|(ieee, client)| Firmware {
            ieee: *ieee,
            runs: client.runs,
            newer: client
                .runs
                .and_then(|runs| self.newest(*ieee, runs))
                .map(|image| image.version),
            wish: client.wish,
            stage: client.stage,
        })
    }

    /// Goes on with what was known and asked for before a restart.
    pub fn recall(&mut self, ieee: u64, runs: Option<Runs>, wish: Option<Wish>) {
        if self.clients.len() < CLIENTS || self.clients.contains_key(&ieee) {
            let client = self.clients.entry(ieee).or_default();
            (client.runs, client.wish) = (runs, wish);
            if wish.is_some() {
                client.stage = Stage::Waiting;
                self.queue.push_back(ieee);
            }
        }
    }

    /// Lets a device have a version, or the newest there is for it.
    ///
    /// # Errors
    /// [`Refusal`]; an older version than it runs is given only when it is named and `downgrade` is
    /// said.
    pub fn ask(
        &mut self,
        ieee: u64,
        version: Option<u32>,
        downgrade: bool,
    ) -> Result<u32, Refusal> {
        let client = self.clients.get(&ieee).ok_or(Refusal::Unable)?;
        let runs = client.runs.ok_or(Refusal::Unknown)?;
        let suits = |image: &&Image| image.kind == runs.kind && image.suits(ieee, runs.hardware);
        let suiting = self.images.iter().filter(suits).map(|image| image.version);
        let found = match version {
            Some(version) => suiting.into_iter().find(|one| *one == version),
            None => suiting.max(),
        };
        let version_found = found.ok_or(Refusal::NoImage)?;
        match version_found.cmp(&runs.version) {
            std::cmp::Ordering::Equal => return Err(Refusal::Same),
            std::cmp::Ordering::Less if version.is_none() || !downgrade => {
                return Err(Refusal::Older);
            }
            _ => {}
        }
        let wish = Wish {
            kind: runs.kind,
            version: version_found,
        };
        if client.wish != Some(wish) {
            self.leave(ieee);
            if let Some(client) = self.clients.get_mut(&ieee) {
                client.end(Stage::Waiting);
                client.wish = Some(wish);
            }
            self.queue.push_back(ieee);
        }
        Ok(version_found)
    }

    /// Gives a device nothing any more.
    pub fn call_off(&mut self, ieee: u64) {
        self.leave(ieee);
        if let Some(client) = self.clients.get_mut(&ieee) {
            client.end(Stage::Idle);
        }
    }

    /// A device takes firmware, at this endpoint.
    pub(super) fn meet(&mut self, ieee: u64, endpoint: u8) {
        if self.clients.len() < CLIENTS || self.clients.contains_key(&ieee) {
            self.clients.entry(ieee).or_default().endpoint = endpoint;
        }
    }

    /// A device has gone.
    pub(super) fn part(&mut self, ieee: u64) {
        self.leave(ieee);
        self.clients.remove(&ieee);
    }

    pub(super) fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.out.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Upgrades::pass`] is to be called at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.held.is_some() {
            return self.held;
        }
        let blocks = self.blocks.as_ref().map(|blocks| blocks.due);
        let clients = self.clients.values().filter_map(|client| client.due).min();
        [blocks, clients, self.next_call]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets the time pass. `busy`: the network has other things to do; `utc`: seconds since 2000.
    pub(super) fn pass(&mut self, utc: u32, busy: bool, now: Instant) {
        self.held = None;
        if self.paused {
            self.put_off(utc);
        }
        if self.paused || busy {
            self.held = Some(now + BUSY);
            return;
        }
        self.send_blocks(now);
        self.take_turns(now);
        self.learn(now);
    }

    fn done(&mut self, ieee: u64, version: u32) {
        if let Some(client) = self.clients.get_mut(&ieee) {
            client.end(Stage::Idle);
        }
        self.events.push_back(Event::Done { ieee, version });
    }

    fn fail(&mut self, ieee: u64, failure: Failure) {
        self.leave(ieee);
        if let Some(client) = self.clients.get_mut(&ieee) {
            client.end(Stage::Failed(failure));
        }
        self.events.push_back(Event::Failed { ieee, failure });
    }

    fn take_turn(&mut self, ieee: u64) {
        self.turn = Some(ieee);
        self.queue.retain(|one| *one != ieee);
    }

    fn leave(&mut self, ieee: u64) {
        self.queue.retain(|one| *one != ieee);
        self.turn = self.turn.filter(|turn| *turn != ieee);
        self.blocks.take_if(|blocks| blocks.ieee == ieee);
    }

    fn newest(&self, ieee: u64, runs: Runs) -> Option<&Image> {
        let suits = |image: &&Image| {
            image.kind == runs.kind
                && image.version > runs.version
                && image.suits(ieee, runs.hardware)
        };
        let suiting = self.images.iter().filter(suits);
        suiting.max_by_key(|image| image.version)
    }

    fn image(&self, wish: Wish) -> Option<&Image> {
        let is_it = |image: &&Image| image.kind == wish.kind && image.version == wish.version;
        self.images.iter().find(is_it)
    }

    fn send(&mut self, ieee: u64, aps: Aps, tsn: u8, command: u8, fields: &Record, more: &[u8]) {
        let direction = Direction::ServerToClient;
        // What the layouts do not take is a fault of ours, and goes to nobody.
        if let Ok(mut written) = write_command(OTA_UPGRADE, direction, command, fields) {
            written.extend(more);
            let payload = cluster(tsn, direction, command, true, &written);
            self.out.push_back(Outgoing { ieee, aps, payload });
        }
    }
}
