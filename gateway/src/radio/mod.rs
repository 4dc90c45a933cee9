//! Wireless meters: receivers hear them, the hub finds out whose each telegram is, reads it and
//! hands it to the store.
//!
//! Receivers are shared by all meters, and several may hear the same telegram: it counts once, with
//! the strongest signal. Every meter that is heard is listed, so that taking one on is a matter of
//! its name and, if it is encrypted, its key, which is tried on the meter's last telegram at once.

mod book;
mod heard;
mod hub;
pub mod import;
mod interpret;
mod receiver;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use meter_link::wmbus::receiver::RadioFrame;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wattle_api::{AdoptMeter, AdoptedMeter, HeardMeter, KeyResult, MeterKey, Receiver};

use crate::bus::{Bus, Event};
use crate::config::{MeterConfig, ReceiverConfig};
use crate::drivers;
use crate::store::{Incoming, Readers};
use crate::supervisor::Pulse;
use hub::{Hub, Known, Taken};

pub use hub::AdoptError;
pub use receiver::run as run_receiver;

/// Frames and requests that may wait for the hub.
const QUEUE: usize = 256;
/// The book is written at most this often, to spare memory cards; what was taken on is written
/// at once.
const SAVE_EVERY: Duration = Duration::from_secs(300);
/// Frames that are refused are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// What happens at receivers, and what is asked of the hub.
#[derive(Debug)]
pub(crate) enum Command {
    /// A radio frame.
    Frame {
        /// The receiver.
        receiver: String,
        /// When it was heard.
        at: Timestamp,
        /// The frame.
        frame: Box<RadioFrame>,
    },
    /// A receiver's state has changed.
    Receiver {
        /// Its name.
        name: String,
        /// What it says it is; `None` leaves it as it was.
        identity: Option<String>,
        /// What is wrong with it; `None` when nothing is.
        trouble: Option<String>,
    },
    /// A meter is to be taken on.
    Adopt(
        Box<AdoptMeter>,
        oneshot::Sender<Result<AdoptedMeter, AdoptError>>,
    ),
    /// Keys of meters.
    Keys(
        Vec<MeterKey>,
        oneshot::Sender<Result<Vec<KeyResult>, AdoptError>>,
    ),
}

/// The way to the hub. Clones lead to the same.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    heard: watch::Receiver<Arc<Vec<HeardMeter>>>,
    receivers: watch::Receiver<Arc<Vec<Receiver>>>,
}

/// The hub has ended, or is too busy to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the radio part does not answer")]
pub struct Unavailable;

impl Handle {
    /// The meters heard, the nearest first.
    #[must_use]
    pub fn heard(&self) -> Arc<Vec<HeardMeter>> {
        Arc::clone(&self.heard.borrow())
    }

    /// Tells when the list of meters heard has changed.
    #[must_use]
    pub fn watch_heard(&self) -> watch::Receiver<Arc<Vec<HeardMeter>>> {
        self.heard.clone()
    }

    /// The receivers.
    #[must_use]
    pub fn receivers(&self) -> Arc<Vec<Receiver>> {
        Arc::clone(&self.receivers.borrow())
    }

    /// Takes a meter on.
    ///
    /// # Errors
    /// The hub does not answer; inside, it says why it refuses.
    pub async fn adopt(
        &self,
        request: AdoptMeter,
    ) -> Result<Result<AdoptedMeter, AdoptError>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Adopt(Box::new(request), answer)).await?;
        answered.await.map_err(|_| Unavailable)
    }

    /// Takes keys of meters.
    ///
    /// # Errors
    /// The hub does not answer; inside, it says why it refuses.
    pub async fn take_keys(
        &self,
        keys: Vec<MeterKey>,
    ) -> Result<Result<Vec<KeyResult>, AdoptError>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Keys(keys, answer)).await?;
        answered.await.map_err(|_| Unavailable)
    }

    /// Hands a frame over that came in another way than through a port.
    pub(crate) async fn frame(&self, receiver: &str, at: Timestamp, frame: RadioFrame) {
        let command = Command::Frame {
            receiver: receiver.to_owned(),
            at,
            frame: Box::new(frame),
        };
        // A hub that has ended is started again; the meter sends again.
        let _ = self.send(command).await;
    }

    pub(crate) async fn send(&self, command: Command) -> Result<(), Unavailable> {
        self.commands.send(command).await.map_err(|_| Unavailable)
    }
}

/// The radio part, not yet running.
#[derive(Clone)]
pub struct Radio {
    inner: Arc<Mutex<Inner>>,
    /// The way to it.
    pub handle: Handle,
    /// Meters that were taken on.
    pub adopted: Vec<MeterConfig>,
}

struct Inner {
    hub: Hub,
    commands: mpsc::Receiver<Command>,
    heard: watch::Sender<Arc<Vec<HeardMeter>>>,
    receivers: watch::Sender<Arc<Vec<Receiver>>>,
    names: Vec<String>,
}

impl Radio {
    /// Opens the book, reads the keys, and goes on from what is stored.
    ///
    /// # Errors
    /// The book, a key, the folder or the store cannot be used.
    pub fn open(
        folder: PathBuf,
        zone: TimeZone,
        meters: &[MeterConfig],
        receivers: &[ReceiverConfig],
        drivers_dir: &Path,
        stored: &Readers,
    ) -> anyhow::Result<Self> {
        let stored = stored.open()?;
        let known = Known {
            counters: stored.message_counters()?,
            fields: stored.last_fields()?,
        };
        let hub = Hub::open(folder, zone, meters, drivers::all(drivers_dir), &known)?;
        let adopted = hub.adopted();
        let (commands, incoming) = mpsc::channel(QUEUE);
        let (heard, heard_out) = watch::channel(Arc::new(hub.heard()));
        let list: Vec<Receiver> = receivers
            .iter()
            .map(|receiver| Receiver {
                name: receiver.name.clone(),
                port: receiver.port.clone(),
                identity: None,
                trouble: None,
                frames: 0,
                last_frame: None,
            })
            .collect();
        let (receivers, receivers_out) = watch::channel(Arc::new(list));
        Ok(Self {
            inner: Arc::new(Mutex::new(Inner {
                hub,
                commands: incoming,
                heard,
                receivers,
                names: meters.iter().map(|meter| meter.name.clone()).collect(),
            })),
            handle: Handle {
                commands,
                heard: heard_out,
                receivers: receivers_out,
            },
            adopted,
        })
    }

    /// Runs the hub until told to stop.
    ///
    /// # Errors
    /// The store has ended.
    pub async fn run(
        self,
        store: mpsc::Sender<Incoming>,
        bus: Bus,
        pulse: Pulse,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut inner = self.inner.lock().await;
        let readings = inner.hub.read_all_again();
        send(&store, readings).await?;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut saved = Instant::now();
        let mut refusals = Refusals::default();
        let mut dirty = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                command = inner.commands.recv() => match command {
                    Some(command) => {
                        dirty = true;
                        inner.obey(command, &store, &bus, &mut refusals).await?;
                    }
                    None => break,
                },
                _ = tick.tick() => {
                    pulse.beat();
                    if std::mem::take(&mut dirty) {
                        let heard = Arc::new(inner.hub.heard());
                        inner.heard.send_if_modified(|old| {
                            let changed = *old != heard;
                            *old = heard;
                            changed
                        });
                    }
                    if saved.elapsed() >= SAVE_EVERY {
                        saved = Instant::now();
                        inner.save();
                    }
                }
            }
        }
        inner.save();
        Ok(())
    }
}

async fn send(store: &mpsc::Sender<Incoming>, readings: Vec<Incoming>) -> anyhow::Result<()> {
    for reading in readings {
        store
            .send(reading)
            .await
            .map_err(|_| anyhow::anyhow!("the store has ended"))?;
    }
    Ok(())
}

impl Inner {
    async fn obey(
        &mut self,
        command: Command,
        store: &mpsc::Sender<Incoming>,
        bus: &Bus,
        refusals: &mut Refusals,
    ) -> anyhow::Result<()> {
        match command {
            Command::Frame {
                receiver,
                at,
                frame,
            } => {
                self.receivers.send_modify(|list| {
                    let list = Arc::make_mut(list);
                    if let Some(state) = list.iter_mut().find(|state| state.name == receiver) {
                        state.frames += 1;
                        state.last_frame = Some(at);
                    }
                });
                match self.hub.take(&frame, &receiver, at) {
                    Ok(Taken::Reading(reading)) => return send(store, vec![*reading]).await,
                    Ok(Taken::Refused { name, reason }) => {
                        refusals.log(&name, &reason);
                        bus.send(Event::Rejected { name, reason });
                    }
                    Ok(Taken::Nothing) => {}
                    Err(refusal) => refusals.log(&receiver, &refusal.to_string()),
                }
            }
            Command::Receiver {
                name,
                identity,
                trouble,
            } => {
                self.receivers.send_modify(|list| {
                    let list = Arc::make_mut(list);
                    if let Some(state) = list.iter_mut().find(|state| state.name == name) {
                        state.identity = identity.or(state.identity.take());
                        state.trouble.clone_from(&trouble);
                    }
                });
                bus.send(Event::Receiver { name, trouble });
            }
            Command::Adopt(request, answer) => {
                let answered = match self.hub.adopt(&request, &self.names) {
                    Ok((adopted, config, readings)) => {
                        tracing::info!(meter = adopted.name, id = adopted.id, "taken on");
                        bus.send(Event::Adopted(Arc::new(config)));
                        send(store, readings).await?;
                        Ok(adopted)
                    }
                    Err(error) => Err(error),
                };
                // Who has asked may have gone.
                let _ = answer.send(answered);
            }
            Command::Keys(keys, answer) => {
                let answered = match self.hub.take_keys(&keys) {
                    Ok((results, readings)) => {
                        send(store, readings).await?;
                        Ok(results)
                    }
                    Err(error) => Err(error),
                };
                let _ = answer.send(answered);
            }
        }
        Ok(())
    }

    fn save(&mut self) {
        if let Err(error) = self.hub.save_if_changed() {
            tracing::warn!(
                error = format!("{error:#}"),
                "the book of radio meters was not written"
            );
        }
    }
}

/// Refusals, logged at most once a minute for each meter and receiver.
#[derive(Default)]
struct Refusals(BTreeMap<String, Instant>);

impl Refusals {
    fn log(&mut self, name: &str, reason: &str) {
        let now = Instant::now();
        let recently = |at: &Instant| now.duration_since(*at) < LOG_EVERY;
        if self.0.get(name).is_none_or(|at| !recently(at)) {
            self.0.insert(name.to_owned(), now);
            tracing::warn!(name, reason, "a radio telegram gives no reading");
        }
    }
}
