//! MQTT for home automations, Home Assistant first.
//!
//! What has been committed to the store is published, retained, with QoS 1: one state message per
//! meter and telegram, one status per meter, one for the gateway with a last will. Registers that
//! fell or were not measured are not in it. While the broker is away the newest values are kept
//! and published when it is back; discovery is published again then, and whenever Home Assistant
//! says that it has started. What was read before the daemon was started is published as well, but
//! a meter is online only when it is heard.

mod appliances;
mod entity;
mod fields;
mod indication;
mod message;
mod meters;
mod radio;
mod rhythm;

use std::time::Duration;

use anyhow::Context;
use meter_link::model::Indications;
use rumqttc::{
    AsyncClient, Event as LinkEvent, EventLoop, LastWill, MqttOptions, Packet, QoS, Transport,
};
use tokio::sync::{broadcast::error::RecvError, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::config::{MeterConfig, MqttConfig, ReceiverConfig};
use crate::radio::Handle;
use crate::store::{LastField, LastReading, Readers, StoreError};
use crate::supervisor::Pulse;
use fields::FieldMeters;
use message::{Message, Topics};
use meters::Meters;

/// How many messages may wait for the link.
const QUEUE: usize = 64;
/// Pause between attempts to reach the broker, doubling up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Home Assistant's start is answered after a moment that differs from gateway to gateway.
const BIRTH_DELAY_MS: u64 = 10_000;

/// What the publisher works with.
#[derive(Clone)]
pub struct Settings {
    /// The configuration.
    pub config: MqttConfig,
    /// The gateway's six hex digits.
    pub gateway: String,
    /// The configured meters.
    pub meters: Vec<MeterConfig>,
    /// Into the store, for what was read before the start.
    pub readers: Readers,
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
/// The configuration cannot be used: the password or the authorities cannot be read. The store
/// cannot be read, or the link broke beyond repair.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let topics = Topics {
        topic_prefix: settings.config.topic_prefix.clone(),
        discovery_prefix: settings.config.discovery_prefix.clone(),
        gateway: settings.gateway.clone(),
    };
    let mut events = settings.bus.listen();
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
    let (client, link) = AsyncClient::new(options(&settings.config, &topics)?, QUEUE);
    let (link_events, mut from_link) = mpsc::channel(QUEUE);
    let prices = settings.prices.clone();
    let pump = tokio::spawn(pump(link, link_events, prices, stop.clone()));
    let handle = settings.radio.clone();
    let radio = handle.map(|handle| radio::Radio::new(handle, &settings.receivers));
    let mut publisher = Publisher {
        client,
        settings,
        topics,
        meters,
        fields,
        radio,
        appliances: appliances::Published::default(),
        connected: false,
        birth: None,
    };
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            event = events.recv() => match event {
                Ok(Event::Stored(telegram)) => {
                    let messages = if publisher.fields.is_ours(&telegram.name) {
                        publisher.fields.take(&telegram, Instant::now())
                    } else {
                        publisher.meters.take(&telegram, Instant::now())
                    };
                    publisher.publish(messages).await?;
                }
                Ok(Event::Adopted(meter)) => publisher.fields.configure(&meter),
                Ok(Event::Appliances(now)) => {
                    let messages = publisher.appliances.take(&publisher.topics, &now);
                    publisher.publish(messages).await?;
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            event = from_link.recv() => match event {
                Some(event) => publisher.linked(event).await?,
                None => anyhow::bail!("the link to the broker ended"),
            },
            _ = tick.tick() => {
                pulse.beat();
                publisher.tick().await?;
            }
        }
    }
    publisher.farewell().await;
    // The pump ends by itself once the goodbye has left, or after its patience.
    let _ = tokio::time::timeout(Duration::from_secs(2), pump).await;
    Ok(())
}

/// What happened on the link.
enum Linked {
    Connected,
    Lost(String),
    Published { topic: String, payload: Vec<u8> },
}

/// Drives the link and reconnects for ever. A task of its own, since the link must not be dropped
/// half-way through a packet.
async fn pump(
    mut link: EventLoop,
    out: mpsc::Sender<Linked>,
    prices: Option<(String, mpsc::Sender<String>)>,
    stop: CancellationToken,
) {
    let mut pause = FIRST_PAUSE;
    let mut told = false;
    loop {
        let said = match link.poll().await {
            Ok(LinkEvent::Incoming(Packet::ConnAck(_))) => {
                pause = FIRST_PAUSE;
                told = false;
                Some(Linked::Connected)
            }
            Ok(LinkEvent::Incoming(Packet::Publish(publish))) => {
                if let Some((topic, prices)) = &prices
                    && publish.topic == *topic
                {
                    // When documents come faster than they are read, the next one tells more.
                    let text = String::from_utf8_lossy(&publish.payload).into_owned();
                    if prices.try_send(text).is_err() {
                        tracing::warn!(topic, "a price document was passed over");
                    }
                    continue;
                }
                // What the broker has kept from before was not said to this connection.
                (!publish.retain || publish.payload.as_ref() == b"online").then(|| {
                    Linked::Published {
                        topic: publish.topic.clone(),
                        payload: publish.payload.to_vec(),
                    }
                })
            }
            Ok(LinkEvent::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
            Ok(_) => None,
            Err(error) => {
                if stop.is_cancelled() {
                    return;
                }
                if !told {
                    told = true;
                    if out.send(Linked::Lost(error.to_string())).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                None
            }
        };
        if let Some(said) = said
            && out.send(said).await.is_err()
        {
            return;
        }
    }
}

struct Publisher {
    client: AsyncClient,
    settings: Settings,
    topics: Topics,
    meters: Meters,
    fields: FieldMeters,
    radio: Option<radio::Radio>,
    appliances: appliances::Published,
    connected: bool,
    /// When Home Assistant's start is to be answered.
    birth: Option<Instant>,
}

impl Publisher {
    async fn linked(&mut self, event: Linked) -> anyhow::Result<()> {
        match event {
            Linked::Connected => {
                tracing::info!(broker = self.settings.config.host, "connected");
                self.settings.bus.send(Event::Broker(None));
                self.connected = true;
                self.client
                    .try_subscribe(self.topics.birth(), QoS::AtLeastOnce)?;
                if let Some((topic, _)) = &self.settings.prices {
                    self.client.try_subscribe(topic.clone(), QoS::AtLeastOnce)?;
                }
                if let Some(radio) = &mut self.radio {
                    for topic in radio.subscriptions(&self.topics) {
                        self.client.try_subscribe(topic, QoS::AtLeastOnce)?;
                    }
                    radio.forget();
                }
                self.publish(self.everything()).await
            }
            Linked::Lost(reason) => {
                tracing::warn!(
                    broker = self.settings.config.host,
                    reason,
                    "not connected, trying again"
                );
                let broker = &self.settings.config;
                let text = format!(
                    "{}:{} cannot be reached: {reason}",
                    broker.host,
                    broker.port()
                );
                self.settings.bus.send(Event::Broker(Some(text)));
                self.connected = false;
                Ok(())
            }
            Linked::Published { topic, payload } if topic != self.topics.birth() => {
                let Some(radio) = &self.radio else {
                    return Ok(());
                };
                let clock = &self.settings.clock;
                let answer = radio.take(&self.topics, &topic, &payload, clock).await;
                if let (Some(Message { topic, payload }), true) = (answer, self.connected) {
                    let sent = self.client.publish(topic, QoS::AtLeastOnce, false, payload);
                    sent.await.context("the link to the broker ended")?;
                }
                Ok(())
            }
            Linked::Published { payload, .. } if payload != b"online" => Ok(()),
            Linked::Published { .. } => {
                let spread = self.settings.gateway.bytes().map(u64::from).sum::<u64>() * 997
                    % BIRTH_DELAY_MS;
                self.birth = Some(Instant::now() + Duration::from_millis(spread));
                Ok(())
            }
        }
    }

    async fn tick(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut messages = self.meters.fall_silent(now);
        messages.extend(self.fields.fall_silent(now));
        if let Some(radio) = self.radio.as_mut().filter(|_| self.connected) {
            messages.extend(radio.list(&self.topics));
        }
        self.publish(messages).await?;
        if self.connected && self.birth.is_some_and(|at| at <= now) {
            self.birth = None;
            self.publish(self.everything()).await?;
        }
        Ok(())
    }

    fn everything(&self) -> Vec<Message> {
        // The gateway's own status stands at the end of the meters'.
        let mut messages = self.fields.everything();
        messages.extend(self.appliances.everything(&self.topics));
        messages.extend(self.meters.everything());
        messages
    }

    /// Hands messages to the link; without one they are dropped, since everything is published
    /// again once it is back. A link that does not take them in time is as good as gone.
    async fn publish(&self, messages: Vec<Message>) -> anyhow::Result<()> {
        if !self.connected {
            return Ok(());
        }
        for Message { topic, payload } in messages {
            let sent = self.client.publish(topic, QoS::AtLeastOnce, true, payload);
            match tokio::time::timeout(Duration::from_secs(5), sent).await {
                Ok(sent) => sent.context("the link to the broker ended")?,
                Err(_) => anyhow::bail!("the broker takes no messages"),
            }
        }
        Ok(())
    }

    async fn farewell(&self) {
        let offline = Message {
            topic: self.topics.gateway_status(),
            payload: "offline".to_owned(),
        };
        let _ = self.publish(vec![offline]).await;
        if self.connected {
            let _ = self.client.disconnect().await;
        }
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

fn options(config: &MqttConfig, topics: &Topics) -> anyhow::Result<MqttOptions> {
    let mut options = MqttOptions::new(
        format!("wattle-{}", topics.gateway),
        config.host.clone(),
        config.port(),
    );
    options.set_keep_alive(Duration::from_secs(30));
    options.set_clean_session(true);
    options.set_max_packet_size(64 * 1024, 256 * 1024);
    options.set_last_will(LastWill::new(
        topics.gateway_status(),
        "offline",
        QoS::AtLeastOnce,
        true,
    ));
    if !config.username.is_empty() || config.password.is_some() {
        let password = config
            .password
            .as_ref()
            .map(crate::config::Secret::reveal)
            .transpose()?;
        options.set_credentials(
            config.username.clone(),
            password.map_or_else(String::new, |word| word.to_string()),
        );
    }
    if config.tls {
        options.set_transport(Transport::tls_with_config(tls(config)?.into()));
    }
    Ok(options)
}

/// With `tls = true` there must be authorities to trust.
fn tls(config: &MqttConfig) -> anyhow::Result<rustls::ClientConfig> {
    crate::tls::client(config.ca_file.as_deref()).context("mqtt.ca_file")
}
