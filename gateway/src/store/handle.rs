//! The way into the store: a bounded queue before the writer, and what reads beside it.

use std::path::PathBuf;

use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::Telegram;
use tokio::sync::mpsc;

use super::writer::Writer;
use super::{
    Doubt, Field, Ledger, Logbooks, MessageCounter, Outboxes, Plan, Profiles, Readers, Rollups,
    StoreError, Supplies, schema,
};
use crate::bus::Bus;

/// How many telegrams may wait for the writer; a collector waits when it is full.
const QUEUE: usize = 256;
/// A telegram on its way into the store.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Name of the meter in the configuration, or of the one on its channel.
    pub name: String,
    /// Serial number, or the name when the meter sends none.
    pub serial: String,
    /// When its last byte came.
    pub received_at: Timestamp,
    /// The port it came from.
    pub port: String,
    /// The telegram.
    pub telegram: Telegram,
    /// Everything it tells by name, of meters that name what they tell.
    pub fields: Vec<Field>,
    /// What it tells and is not believed.
    pub doubts: Vec<Doubt>,
    /// The counter of the message, of meters that count them.
    pub counter: Option<MessageCounter>,
}

/// What the writer needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the database.
    pub folder: PathBuf,
    /// The home's time zone.
    pub zone: TimeZone,
    /// Days for which readings are kept.
    pub readings_days: u16,
    /// Megabytes of raw telegrams.
    pub raw_megabytes: u16,
}

/// The way into the store.
#[derive(Debug)]
pub struct Store {
    queue: mpsc::Sender<Incoming>,
    path: PathBuf,
    ledger: Ledger,
    thread: std::thread::JoinHandle<()>,
}

impl Store {
    /// Opens the store in its folder, makes it if it is missing, and starts the writer.
    ///
    /// # Errors
    /// The folder or the database cannot be used.
    pub fn open(settings: &Settings, bus: Bus) -> Result<Self, StoreError> {
        Self::open_relaying(settings, Plan::default(), bus)
    }

    /// The same, and what the plan names also goes into the outbox of the relay.
    ///
    /// # Errors
    /// The folder or the database cannot be used.
    pub fn open_relaying(settings: &Settings, plan: Plan, bus: Bus) -> Result<Self, StoreError> {
        let folder = |source| StoreError::Folder {
            path: settings.folder.clone(),
            source,
        };
        std::fs::create_dir_all(&settings.folder).map_err(folder)?;
        let path = schema::file(&settings.folder);
        if super::copy::do_staged(&settings.folder)? {
            tracing::warn!("a backup took the place of the database");
        }
        let mut writer = Writer::open(&path, settings.clone(), plan)?;
        let (queue, incoming) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(incoming, &bus))
            .map_err(folder)?;
        Ok(Self {
            queue,
            ledger: Ledger::new(path.clone(), settings.zone.clone()),
            path,
            thread,
        })
    }

    /// The gateway's identity: six hex digits, made the first time and kept for ever.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn gateway_id(&self) -> Result<String, StoreError> {
        Ok(self
            .readers()
            .open()?
            .gateway_value("id")?
            .unwrap_or_default())
    }

    /// A sender for collectors. The writer ends when the last one and the store are dropped.
    #[must_use]
    pub fn queue(&self) -> mpsc::Sender<Incoming> {
        self.queue.clone()
    }

    /// Opens connections for reading.
    #[must_use]
    pub fn readers(&self) -> Readers {
        Readers(self.path.clone())
    }

    /// The outbox of the relay.
    #[must_use]
    pub fn outboxes(&self) -> Outboxes {
        Outboxes(self.path.clone())
    }

    /// The load profiles.
    #[must_use]
    pub fn profiles(&self) -> Profiles {
        Profiles(self.path.clone())
    }

    /// What was not read here: estimates and imports.
    #[must_use]
    pub fn supplies(&self) -> Supplies {
        Supplies(self.path.clone())
    }

    /// What is made of quarter-hours.
    #[must_use]
    pub fn rollups(&self) -> Rollups {
        Rollups(self.path.clone())
    }

    /// The privacy ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// The log books.
    #[must_use]
    pub fn logbooks(&self) -> Logbooks {
        Logbooks(self.path.clone())
    }

    /// True while the writer works.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Waits until everything sent so far is committed and the writer has ended. Every other
    /// sender must have been dropped.
    pub fn close(self) {
        drop(self.queue);
        if self.thread.join().is_err() {
            tracing::error!("the store's writer had panicked");
        }
    }
}
