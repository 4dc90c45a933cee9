//! The part that keeps the records: what happens goes into the log books, and what those who send
//! have counted for the privacy ledger to the disk. And the gate that a recipient's consent opens
//! and shuts.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use meter_link::model::Quality;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use wattle_api::{Consent, LogBook, RecipientKind};

use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::store::{Ledger, Logbooks, StoreError, StoredTelegram};
use crate::supervisor::Pulse;

/// What is counted is written so often.
const FLUSH_EVERY: u32 = 60;
/// A kind of entry about a thing is written at most so often.
const AGAIN_S: i64 = 600;
/// How many such things are remembered.
const THINGS: usize = 1024;
/// A clock that moves by more than this against the steady one was set: a quarter-hour's boundary
/// may be off by as much.
const SET: SignedDuration = SignedDuration::from_secs(3);

/// What the household allows, for all who send.
pub type Consents = watch::Sender<Vec<Consent>>;

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// Facts.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
    /// The privacy ledger.
    pub ledger: Ledger,
    /// The log books.
    pub logbooks: Logbooks,
    /// What the household allows.
    pub consents: watch::Receiver<Vec<Consent>>,
}

/// True when the household allows this kind of recipient.
#[must_use]
pub fn allows(consents: &[Consent], kind: RecipientKind) -> bool {
    let forbidden = |consent: &Consent| consent.kind == kind && !consent.allowed;
    !consents.iter().any(forbidden)
}

/// Runs a part that sends to a kind of recipient while the household allows it; shuts it when the
/// consent is taken back, and starts it when it is given again.
///
/// # Errors
/// Those of the part.
pub async fn gated<F, Fut>(
    mut consents: watch::Receiver<Vec<Consent>>,
    kind: RecipientKind,
    part: F,
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()>
where
    F: Fn(Pulse, CancellationToken) -> Fut + Send,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        while !allows(&consents.borrow_and_update(), kind) {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = tick.tick() => pulse.beat(),
                // Nobody is there any more who could allow it: the daemon ends.
                changed = consents.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
        let own = stop.child_token();
        let running = part(pulse.clone(), own.clone());
        tokio::pin!(running);
        loop {
            tokio::select! {
                ended = &mut running => return ended,
                changed = consents.changed() => {
                    // The daemon ends; the part has its goodbye to say first.
                    if changed.is_err() {
                        return running.await;
                    }
                    if !allows(&consents.borrow_and_update(), kind) {
                        own.cancel();
                        running.await?;
                        break;
                    }
                }
            }
        }
        if stop.is_cancelled() {
            return Ok(());
        }
    }
}

/// Says in the log books that the daemon began, and with which software where that has changed.
///
/// # Errors
/// The log books cannot be read or written.
pub fn began(settings: &Settings) -> Result<(), StoreError> {
    let now = settings.clock.now();
    let books = &settings.logbooks;
    let text = format!("wattle {} began.", env!("CARGO_PKG_VERSION"));
    books.append(LogBook::System, now, "began", &text)?;
    let text = format!("The software is wattle {}.", env!("CARGO_PKG_VERSION"));
    let newest = books.entries(LogBook::Calibration, None, 1000)?;
    let last = newest.iter().find(|entry| entry.code == "software");
    if last.is_none_or(|entry| entry.text != text) {
        books.append(LogBook::Calibration, now, "software", &text)?;
    }
    Ok(())
}

/// Keeps the records until told to stop.
///
/// # Errors
/// The bus has ended.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let mut facts = settings.bus.listen();
    let mut keeper = Keeper::new(settings);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut ticks: u32 = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                keeper.flush().await;
                return Ok(());
            }
            _ = tick.tick() => {
                pulse.beat();
                keeper.watch_clock();
                ticks = ticks.wrapping_add(1);
                if ticks.is_multiple_of(FLUSH_EVERY) {
                    keeper.flush().await;
                }
            }
            fact = facts.recv() => match fact {
                Ok(fact) => keeper.take(&fact),
                // What was missed is counted nowhere else; the next one is.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => anyhow::bail!("the bus has ended"),
            }
        }
        keeper.write().await;
    }
}

struct Keeper {
    settings: Settings,
    /// Entries that wait for the disk.
    entries: Vec<(LogBook, Timestamp, &'static str, String)>,
    /// When a thing was last written about.
    written: BTreeMap<(&'static str, String), Timestamp>,
    /// Meters that were heard since the start, by name, with their serial numbers.
    heard: BTreeMap<String, String>,
    /// Registers that fell and have not risen again.
    fallen: BTreeSet<(String, String)>,
    broker_up: bool,
    store_works: bool,
    /// Wall clock and steady clock at the last look.
    clocks: (Timestamp, tokio::time::Instant),
}

impl Keeper {
    fn new(settings: Settings) -> Self {
        let clocks = (settings.clock.now(), tokio::time::Instant::now());
        Self {
            settings,
            entries: Vec::new(),
            written: BTreeMap::new(),
            heard: BTreeMap::new(),
            fallen: BTreeSet::new(),
            broker_up: false,
            store_works: true,
            clocks,
        }
    }

    fn take(&mut self, fact: &Event) {
        match fact {
            Event::Stored(telegram) => self.telegram(telegram),
            Event::Port { name, lost } => match lost {
                Some(reason) => self.say(
                    LogBook::System,
                    "port_lost",
                    name,
                    format!("The port of {name:?} is lost: {reason}."),
                ),
                None => self.say(
                    LogBook::System,
                    "port_open",
                    name,
                    format!("The port of {name:?} is open."),
                ),
            },
            Event::Adopted(meter) => {
                let text = format!("The meter {:?} was taken on.", meter.name);
                self.say(LogBook::System, "adopted", &meter.name, text.clone());
                self.say(LogBook::Calibration, "adopted", &meter.name, text);
            }
            Event::Broker(lost) => {
                let up = lost.is_none();
                if up != self.broker_up {
                    let text = lost.as_ref().map_or_else(
                        || "The MQTT broker is reached.".to_owned(),
                        |reason| format!("The MQTT broker is lost: {reason}."),
                    );
                    self.say(LogBook::System, "broker", &up.to_string(), text);
                }
                self.broker_up = up;
            }
            Event::StoreWorks(works) => {
                if *works && !self.store_works {
                    let text = "The store could not be written for a while.".to_owned();
                    self.say(LogBook::System, "store", "", text);
                }
                self.store_works = *works;
            }
            _ => {}
        }
    }

    fn telegram(&mut self, telegram: &StoredTelegram) {
        let serial = &telegram.serial;
        let before = self.heard.get(&telegram.name);
        if before != Some(serial) {
            let text = match before {
                Some(before) => format!(
                    "The meter {:?} was exchanged: {serial} in the place of {before}.",
                    telegram.name
                ),
                None => format!("The meter {:?} is {serial}.", telegram.name),
            };
            self.say(LogBook::Calibration, "meter", serial, text);
            self.heard.insert(telegram.name.clone(), serial.clone());
        }
        for value in &telegram.values {
            let register = (serial.clone(), value.obis.to_string());
            if value.quality != Quality::Suspect {
                self.fallen.remove(&register);
            } else if self.fallen.insert(register) {
                let index = telegram.doubts.iter().find(|doubt| doubt.is_index);
                let (kind, text) = match index {
                    None => (
                        "register_fell",
                        format!(
                            "{} of {serial} fell to {} {}; it is not counted.",
                            value.obis, value.value, value.unit
                        ),
                    ),
                    Some(doubt) => (
                        "value_doubted",
                        format!("{} of {serial}: {doubt}; it is not counted.", value.obis),
                    ),
                };
                self.say(LogBook::Calibration, kind, serial, text);
            }
        }
    }

    /// A clock that was set moves the boundaries of quarter-hours.
    fn watch_clock(&mut self) {
        let now = (self.settings.clock.now(), tokio::time::Instant::now());
        let steady = SignedDuration::try_from(now.1.duration_since(self.clocks.1));
        let moved = now.0.duration_since(self.clocks.0) - steady.unwrap_or_default();
        self.clocks = now;
        if moved.abs() >= SET {
            let text = format!("The clock was set by {} s.", moved.as_secs());
            self.entries
                .push((LogBook::Calibration, now.0, "clock_set", text));
        }
    }

    /// Puts an entry on its way, unless the same was said of the same thing a moment ago.
    fn say(&mut self, book: LogBook, code: &'static str, thing: &str, text: String) {
        let now = self.settings.clock.now();
        let key = (code, format!("{} {thing}", book.name()));
        let recent = |at: &Timestamp| now.duration_since(*at).as_secs().abs() < AGAIN_S;
        if self.written.get(&key).is_some_and(recent) {
            return;
        }
        if self.written.len() >= THINGS {
            self.written.retain(|_, at| recent(at));
            if self.written.len() >= THINGS {
                return;
            }
        }
        self.written.insert(key, now);
        self.entries.push((book, now, code, text));
    }

    async fn write(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let entries = std::mem::take(&mut self.entries);
        let books = self.settings.logbooks.clone();
        let work = move || {
            for (book, at, code, text) in entries {
                if let Err(error) = books.append(book, at, code, &text) {
                    tracing::warn!(%error, text, "a log book could not be written");
                }
            }
        };
        // A join error means that the runtime ends.
        let _ = tokio::task::spawn_blocking(work).await;
    }

    async fn flush(&self) {
        let ledger = self.settings.ledger.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || ledger.flush()).await {
            tracing::warn!(%error, "the privacy ledger could not be written");
        }
    }
}
