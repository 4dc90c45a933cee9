//! MQTT for home automations, Home Assistant first.
//!
//! What has been committed to the store is published, retained: one state message per meter and
//! telegram, one status per meter, one for the gateway with a last will; prices, cost and what is
//! wrong beside them. Registers that fell or were not measured are not in it. While the broker is
//! away the newest values and all events are kept and published when it is back; discovery is
//! published again then, and whenever Home Assistant says that it has started. What was read before
//! the daemon was started is published as well, but a meter is online only when it is heard.
//!
//! `thing` is what there is to say, `convention` how it is said, `outbox` what waits, and
//! `link` the connection.

mod appliances;
mod commands;
mod convention;
mod device;
mod dsmr;
mod entity;
mod fields;
mod home_assistant;
mod homie;
mod household;
mod indication;
mod link;
mod meters;
mod outbox;
mod pace;
mod radio;
mod rhythm;
mod said;
mod thing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use meter_link::model::Indications;
use tokio::sync::{broadcast::error::RecvError, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wattle_api::{RecipientKind, State};

use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::config::{MeterConfig, MqttConfig, ReceiverConfig};
use crate::radio::Handle;
use crate::store::ledger::Sent;
use crate::store::{LastField, LastReading, Ledger, Readers, StoreError, StoredTelegram};
use crate::supervisor::Pulse;
use crate::zigbee::Request;
use commands::{Commands, Order};
use convention::Conventions;
use fields::FieldMeters;
use household::Household;
use link::{Broker, Linked};
use meters::Meters;
use outbox::{Outbox, Reach};
use pace::Pace;
use said::Said;
use thing::{Topics, Update};

/// Messages that may wait for their acknowledgement. rumqttc makes room for as many at once: for the
/// 65,535 of MQTT 5 that is 14 MB.
pub(crate) const IN_FLIGHT: u16 = 100;
/// How much of what was heard may wait to be taken.
const QUEUE: usize = 64;
/// Home Assistant's start is answered after a moment that differs from gateway to gateway.
const BIRTH_DELAY_MS: u64 = 10_000;
/// How long the goodbye may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// After so long with a broker everything that there is has been announced.
const SETTLED: Duration = Duration::from_secs(600);

/// What the publisher works with.
#[derive(Clone)]
pub struct Settings {
    /// The configuration.
    pub config: MqttConfig,
    /// The gateway's six hex digits.
    pub gateway: String,
    /// The configured meters.
    pub meters: Vec<MeterConfig>,
    /// Name of the electricity meter at the grid, if there is one.
    pub grid: Option<String>,
    /// Folder of what outlives the daemon.
    pub state_dir: PathBuf,
    /// Into the store, for what was read before the start.
    pub readers: Readers,
    /// Who was told what.
    pub ledger: Ledger,
    /// What the utility asks for, and the household's word on it.
    pub asked: crate::grid::Board,
    /// The Zigbee network, to switch plugs.
    pub zigbee: crate::zigbee::Board,
    /// The relay's ways out of the house.
    pub bearers: crate::bearer::Board,
    /// What the gateway itself knows.
    pub state: watch::Receiver<Arc<State>>,
    /// Says what happens.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
    /// The radio part, if there are receivers.
    pub radio: Option<Handle>,
    /// The receivers, of which some may be topics.
    pub receivers: Vec<ReceiverConfig>,
    /// Topic on which price documents come, and where they go.
    pub prices: Option<(String, mpsc::Sender<String>)>,
}

/// Publishes until told to stop.
///
/// # Errors
/// The configuration cannot be used: the password, the authorities or the certificate cannot be
/// read. The store cannot be read.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let mut events = settings.bus.listen();
    let mut publisher = Publisher::open(settings).await?;
    let (link_events, mut from_link) = mpsc::channel(QUEUE);
    // Ends with this part, whatever ends that.
    let mut link = JoinSet::new();
    link.spawn(link::run(
        publisher.broker()?,
        Arc::clone(&publisher.outbox),
        link_events,
        stop.clone(),
    ));
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            event = events.recv() => match event {
                Ok(event) => publisher.take(&event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            event = from_link.recv() => match event {
                Some(event) => publisher.linked(event).await,
                None => {
                    let ended = link.join_next().await.context("the link to the broker ended")?;
                    return ended.context("the link to the broker")?;
                }
            },
            _ = tick.tick() => {
                pulse.beat();
                publisher.tick();
            }
        }
    }
    publisher.farewell();
    // The link ends by itself once the goodbye has left, or after this patience.
    let _ = tokio::time::timeout(FAREWELL, link.join_next()).await;
    Ok(())
}

struct Publisher {
    settings: Settings,
    topics: Topics,
    outbox: Arc<Outbox>,
    pace: Pace,
    conventions: Conventions,
    said: Said,
    meters: Meters,
    fields: FieldMeters,
    household: Household,
    radio: Option<radio::Radio>,
    commands: Commands,
    appliances: appliances::Published,
    connected: Option<Instant>,
    /// When Home Assistant's start is to be answered.
    birth: Option<Instant>,
}

impl Publisher {
    /// Begins with what the store knows from before the start.
    async fn open(settings: Settings) -> anyhow::Result<Self> {
        let topics = Topics {
            topic_prefix: settings.config.topic_prefix.clone(),
            discovery_prefix: settings.config.discovery_prefix.clone(),
            gateway: settings.gateway.clone(),
        };
        let mut meters = Meters::new(topics.clone(), &settings.meters);
        let mut fields = FieldMeters::new(topics.clone(), &settings.meters);
        let (mut readings, last_fields) = last_known(settings.readers.clone()).await?;
        readings.retain(|reading| {
            !reading
                .name
                .as_ref()
                .is_some_and(|name| fields.is_ours(name))
        });
        fields.recall(last_fields, settings.clock.now(), Instant::now());
        meters.recall(&readings, settings.clock.now(), Instant::now());
        meters.recall_indications(last_indications(settings.readers.clone()).await?);
        let said = Said::open(&settings.state_dir);
        let conventions = Conventions::new(
            &settings.config,
            &topics,
            said.forms(),
            settings.grid.clone(),
            Arc::clone(&settings.clock),
        );
        let handle = settings.radio.clone();
        Ok(Self {
            radio: handle.map(|handle| radio::Radio::new(handle, &settings.receivers)),
            appliances: appliances::Published::new(topics.clone()),
            household: Household::new(topics.clone()),
            commands: Commands::new(topics.clone(), settings.config.commands.clone()),
            outbox: Arc::default(),
            pace: Pace::new(settings.config.live_outside),
            conventions,
            said,
            settings,
            topics,
            meters,
            fields,
            connected: None,
            birth: None,
        })
    }

    fn broker(&self) -> anyhow::Result<Broker> {
        let config = &self.settings.config;
        let mut topics = vec![self.topics.birth()];
        topics.extend(
            self.settings
                .prices
                .as_ref()
                .map(|(topic, _)| topic.clone()),
        );
        topics.extend(self.commands.subscription());
        topics.extend(self.conventions.subscription());
        if let Some(radio) = &self.radio {
            topics.extend(radio.subscriptions(&self.topics));
        }
        Ok(Broker {
            host: config.host.clone(),
            port: config.port(),
            client_id: format!("wattle-{}", self.settings.gateway),
            username: config.username.clone(),
            password: config.password.clone(),
            tls: config.tls.then(|| tls(config)).transpose()?.map(Arc::new),
            version: config.version,
            last_will: self.conventions.last_will(),
            topics,
        })
    }

    fn take(&mut self, event: &Event) {
        let now = Instant::now();
        if !self.lets(event, now) {
            return;
        }
        if let Event::Stored(telegram) = event {
            self.note(telegram);
            for message in self.conventions.telegram(telegram) {
                self.outbox.push(message);
            }
        }
        let updates = match event {
            Event::Stored(telegram) if self.fields.is_ours(&telegram.name) => {
                self.fields.take(telegram, now)
            }
            Event::Stored(telegram) => self.meters.take(telegram, now),
            Event::CutOff { name } => self.meters.cut_off(name),
            Event::Adopted(meter) => {
                self.fields.configure(meter);
                self.meters.configure(meter);
                return;
            }
            Event::Appliances(appliances) => {
                let grid = self.settings.grid.as_ref();
                let meter = grid.and_then(|name| self.meters.path(name));
                let mut updates = self.appliances.take(appliances, meter);
                updates.extend(self.household.appliances(appliances));
                updates
            }
            _ => return,
        };
        self.say(&updates);
    }

    /// True when what has happened may be said now.
    fn lets(&mut self, event: &Event, now: Instant) -> bool {
        let thing = match event {
            Event::Stored(telegram) => telegram.name.as_str(),
            Event::Appliances(_) => "appliances",
            _ => return true,
        };
        self.pace.lets(thing, self.outbox.reach(), now)
    }

    /// Says in the privacy ledger that a broker is told what a meter said.
    fn note(&self, telegram: &StoredTelegram) {
        let reach = self.outbox.reach();
        if reach == Reach::Nobody {
            return;
        }
        self.settings.ledger.note(&Sent {
            kind: RecipientKind::Mqtt,
            recipient: &self.settings.config.host,
            fields: &format!("all registers of {}", telegram.name),
            resolution: self.pace.resolution(reach),
            at: telegram.received_at,
        });
    }

    async fn linked(&mut self, event: Linked) {
        let config = &self.settings.config;
        match event {
            Linked::Connected { version, reach } => {
                let resolution = self.pace.resolution(reach);
                tracing::info!(broker = config.host, version, resolution, "connected");
                self.settings.bus.send(Event::Broker(None));
                self.connected = Some(Instant::now());
                self.meters.space(self.pace.spacing(reach));
                self.said.begin(config.discovery);
                if let Some(radio) = &mut self.radio {
                    radio.forget();
                }
                self.say_everything();
            }
            Linked::Lost(reason) => {
                tracing::warn!(broker = config.host, reason, "not connected, trying again");
                let text = format!(
                    "{}:{} cannot be reached: {reason}",
                    config.host,
                    config.port()
                );
                self.settings.bus.send(Event::Broker(Some(text)));
                self.connected = None;
            }
            Linked::Said {
                topic,
                payload,
                retained,
            } => self.heard(&topic, &payload, retained).await,
        }
    }

    async fn heard(&mut self, topic: &str, payload: &[u8], retained: bool) {
        if let Some((prices, documents)) = &self.settings.prices
            && prices == topic
        {
            // When documents come faster than they are read, the next one tells more.
            let text = String::from_utf8_lossy(payload).into_owned();
            if documents.try_send(text).is_err() {
                tracing::warn!(topic, "a price document was passed over");
            }
            return;
        }
        if topic == self.topics.birth() {
            if payload == b"online" {
                let digits = self.settings.gateway.bytes().map(u64::from);
                let spread = digits.sum::<u64>() * 997 % BIRTH_DELAY_MS;
                self.birth = Some(Instant::now() + Duration::from_millis(spread));
            }
            return;
        }
        // What the broker has kept from before was not said to this connection.
        if retained {
            return;
        }
        let translated = self.conventions.request(topic, payload);
        let (topic, payload) = match &translated {
            Some((topic, payload)) => (topic.as_str(), payload.as_bytes()),
            None => (topic, payload),
        };
        if let Some((ticket, order)) = self.commands.parse(topic, payload) {
            let done = match order {
                Ok(order) => self.carry_out(order).await,
                Err(refused) => Err(refused.to_owned()),
            };
            self.outbox.push(self.commands.answer(&ticket, &done));
            return;
        }
        if let Some(radio) = &self.radio {
            let clock = &self.settings.clock;
            if let Some(answer) = radio.take(&self.topics, topic, payload, clock).await {
                self.outbox.push(answer);
            }
        }
    }

    async fn carry_out(&mut self, order: Order) -> Result<(), String> {
        match order {
            Order::Read(path) => {
                let meter = self.meters.asked_at(&path);
                let name = meter.ok_or("no meter here answers when asked")?.to_owned();
                self.commands.may_read(&name, Instant::now())?;
                self.settings.bus.send(Event::ReadNow(name));
                Ok(())
            }
            Order::Switch { path, on } => {
                let ieee = path
                    .strip_prefix("meter/")
                    .filter(|serial| serial.len() == 16)
                    .and_then(|serial| u64::from_str_radix(serial, 16).ok());
                let ieee = ieee.ok_or("no Zigbee plug is here")?;
                let switched = self.settings.zigbee.ask(Request::Switch { ieee, on }).await;
                switched.map_err(str::to_owned)
            }
            Order::Upgrade(ieee) => {
                let request = Request::Upgrade {
                    ieee,
                    version: None,
                    downgrade: false,
                };
                let asked = self.settings.zigbee.ask(request).await;
                asked.map_err(str::to_owned)
            }
            Order::Survey => {
                let surveyed = self.settings.zigbee.ask(Request::Survey).await;
                surveyed.map_err(str::to_owned)
            }
            Order::RotateKey => {
                let exchanged = self.settings.zigbee.ask(Request::RotateKey).await;
                exchanged.map_err(str::to_owned)
            }
            Order::Join(seconds) => {
                let (network, code) = (&self.settings.zigbee, None);
                let joined = network.ask(Request::Join { seconds, code }).await;
                joined.map_err(str::to_owned)
            }
            Order::Choose { event, opt } => {
                let (board, now) = (self.settings.asked.clone(), self.settings.clock.now());
                let open = |event: &wattle_api::GridEvent| event.may_opt_out;
                let next = || board.events(now).into_iter().find(open);
                let id = event.or_else(|| next().map(|event| event.id));
                let id = id.ok_or("no event leaves a choice")?;
                // It is written to the disk before it counts.
                let chosen = tokio::task::spawn_blocking(move || board.choose(&id, opt, now));
                match chosen.await {
                    Ok(chosen) => chosen.map(drop).map_err(|refused| refused.to_string()),
                    Err(_) => Err("the choice was not taken".to_owned()),
                }
            }
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let mut updates = self.meters.fall_silent(now);
        updates.extend(self.fields.fall_silent(now));
        let state = Arc::clone(&self.settings.state.borrow());
        let measured = self.pace.lets("the household", self.outbox.reach(), now);
        updates.extend(self.household.take(&state, measured, now));
        if self.settings.zigbee.is_used() {
            let network = self.settings.zigbee.zigbee(self.settings.clock.now());
            updates.extend(self.household.network(&network));
        }
        let bearers = self.settings.bearers.all(self.settings.clock.now());
        if measured && !bearers.is_empty() {
            updates.extend(self.household.bearers(&bearers));
        }
        self.say(&updates);
        if measured {
            for message in self.conventions.day(&state) {
                self.outbox.push(message);
            }
        }
        let Some(since) = self.connected else { return };
        if let Some(list) = self
            .radio
            .as_mut()
            .and_then(|radio| radio.list(&self.topics))
        {
            self.outbox.push(list);
        }
        if self.birth.is_some_and(|at| at <= now) {
            self.birth = None;
            self.say_everything();
        }
        if now.duration_since(since) >= SETTLED {
            self.said.settle(self.settings.config.discovery);
        }
    }

    fn say(&mut self, updates: &[Update]) {
        for update in updates {
            for message in self.conventions.messages(update) {
                self.outbox.push(message);
            }
        }
    }

    /// All there is; that the gateway is online comes last.
    fn say_everything(&mut self) {
        for message in self.conventions.begin() {
            self.outbox.push(message);
        }
        for updates in [
            self.household.everything(),
            self.fields.everything(),
            self.appliances.everything(),
            self.meters.everything(),
        ] {
            self.say(&updates);
        }
        for message in self.conventions.ready() {
            self.outbox.push(message);
        }
    }

    fn farewell(&self) {
        for message in self.conventions.farewell() {
            self.outbox.push(message);
        }
        self.outbox.close();
    }
}

/// What the store knows from before the start.
async fn last_known(readers: Readers) -> anyhow::Result<(Vec<LastReading>, Vec<LastField>)> {
    let read = tokio::task::spawn_blocking(move || {
        let reader = readers.open()?;
        Ok::<_, StoreError>((reader.last_readings()?, reader.last_fields()?))
    });
    Ok(read.await??)
}

async fn last_indications(readers: Readers) -> anyhow::Result<Vec<(String, Indications)>> {
    let read = tokio::task::spawn_blocking(move || readers.open()?.last_indications());
    Ok(read.await??)
}

/// With `tls = true` there must be authorities to trust.
fn tls(config: &MqttConfig) -> anyhow::Result<rustls::ClientConfig> {
    let authorities = config.ca_file.as_deref();
    match (&config.client_cert, &config.client_key) {
        (Some(certificate), Some(key)) => {
            crate::tls::client_with_certificate(authorities, certificate, key)
                .context("mqtt.client_cert")
        }
        _ => crate::tls::client(authorities).context("mqtt.ca_file"),
    }
}
