//! The connection to the broker: MQTT 5, or 3.1.1 with a broker that knows no other.
//!
//! Every attempt is a connection of its own, so that nothing of a lost one comes again by itself;
//! what must not be lost goes back into the outbox. Attempts go on for ever, with growing pauses.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{LastWill, MqttOptions, QoS, TlsConfiguration, Transport, v5};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::outbox::{Outbox, Reach};
use super::thing::{Message, Qos};
use crate::config::{MqttVersion, Secret};
use crate::near;

/// Requests between the outbox and the connection.
const QUEUE: usize = 16;
/// Pause between attempts to reach the broker, doubling up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long its name may take to be found.
const LOOKUP: Duration = Duration::from_secs(5);
/// Octets of the largest message taken, and of the largest sent.
const LARGEST_IN: u32 = 256 * 1024;
const LARGEST_OUT: usize = 1024 * 1024;

/// Where the broker is and how it is spoken to.
#[derive(Clone)]
pub(super) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    pub(super) username: String,
    pub(super) password: Option<Secret>,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) version: MqttVersion,
    /// What the broker says when the connection is lost, retained.
    pub(super) last_will: Message,
    /// What is listened to.
    pub(super) topics: Vec<String>,
}

/// What happened on the link.
#[derive(Debug)]
pub(super) enum Linked {
    /// There is a connection, of this version, to a broker there.
    Connected { version: &'static str, reach: Reach },
    /// There is none, and why.
    Lost(String),
    /// Somebody said something.
    Said {
        topic: String,
        payload: Vec<u8>,
        retained: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V5,
    V3,
}

impl Version {
    const fn name(self) -> &'static str {
        match self {
            Self::V5 => "5",
            Self::V3 => "3.1.1",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::V5 => Self::V3,
            Self::V3 => Self::V5,
        }
    }
}

/// How a connection ended.
struct End {
    reason: String,
    /// The broker was reached and did not understand.
    misunderstood: bool,
    /// It was up before.
    was_up: bool,
}

/// Drives the link until told to stop; then until the outbox is empty.
pub(super) async fn run(
    broker: Broker,
    outbox: Arc<Outbox>,
    out: mpsc::Sender<Linked>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut version = match broker.version {
        MqttVersion::V3_1_1 => Version::V3,
        MqttVersion::Auto | MqttVersion::V5 => Version::V5,
    };
    let mut pause = FIRST_PAUSE;
    let (mut told, mut tried_other) = (false, false);
    loop {
        let ended = connection(&broker, version, &outbox, &out).await?;
        outbox.lost();
        let Some(end) = ended else { return Ok(()) };
        if stop.is_cancelled() {
            return Ok(());
        }
        if end.was_up {
            (pause, told, tried_other) = (FIRST_PAUSE, false, false);
        }
        if end.misunderstood && !end.was_up && broker.version == MqttVersion::Auto {
            version = version.other();
            // The other version is tried at once; when it does not help either, the pauses grow.
            if !std::mem::replace(&mut tried_other, true) {
                continue;
            }
        }
        if !std::mem::replace(&mut told, true) && out.send(Linked::Lost(end.reason)).await.is_err()
        {
            return Ok(());
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection from its beginning to its end; `None` when it was ended from here.
async fn connection(
    broker: &Broker,
    version: Version,
    outbox: &Outbox,
    out: &mpsc::Sender<Linked>,
) -> anyhow::Result<Option<End>> {
    let (client, mut link) = open(broker, version)?;
    let reach = reach(broker).await;
    let mut was_up = false;
    let poll = async {
        loop {
            match link.poll().await {
                Ok(Happened::Connected) => {
                    was_up = true;
                    // First, so that nothing is dropped of what is said next.
                    outbox.connected(reach);
                    let connected = Linked::Connected {
                        version: version.name(),
                        reach,
                    };
                    if out.send(connected).await.is_err() {
                        return None;
                    }
                }
                Ok(Happened::Said(said)) => {
                    if out.send(said).await.is_err() {
                        return None;
                    }
                }
                Ok(Happened::Numbered(packet)) => outbox.numbered(packet),
                Ok(Happened::Acknowledged(packet)) => outbox.acknowledged(packet),
                Ok(Happened::Ended) => return None,
                Ok(Happened::Other) => {}
                Err(end) => return Some(end),
            }
        }
    };
    let feed = async {
        for topic in &broker.topics {
            client.subscribe(topic).await;
        }
        while let Some(message) = outbox.next().await {
            client.publish(message).await;
        }
        client.disconnect().await;
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = poll => ended,
        () = feed => None,
    };
    Ok(ended.map(|end| End { was_up, ..end }))
}

/// Where the broker is; outside when any of its addresses is, or none can be found.
async fn reach(broker: &Broker) -> Reach {
    let found = tokio::net::lookup_host((broker.host.as_str(), broker.port));
    let near = match tokio::time::timeout(LOOKUP, found).await {
        Ok(Ok(mut addresses)) => addresses.all(|address| near::is_in_house(address.ip())),
        Ok(Err(_)) | Err(_) => false,
    };
    if near { Reach::House } else { Reach::Outside }
}

fn open(broker: &Broker, version: Version) -> anyhow::Result<(Client, Link)> {
    let password = broker.password.as_ref().map(Secret::reveal).transpose()?;
    let password = password.map_or_else(String::new, |word| word.to_string());
    let has_login = !broker.username.is_empty() || broker.password.is_some();
    let will = &broker.last_will;
    let transport = match &broker.tls {
        Some(config) => Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(config))),
        None => Transport::Tcp,
    };
    let (id, host) = (broker.client_id.clone(), broker.host.clone());
    Ok(match version {
        Version::V5 => {
            let mut options = v5::MqttOptions::new(id, host, broker.port);
            options.set_keep_alive(KEEP_ALIVE);
            options.set_clean_start(true);
            options.set_max_packet_size(Some(LARGEST_IN));
            options.set_outgoing_inflight_upper_limit(super::IN_FLIGHT);
            options.set_transport(transport);
            options.set_last_will(v5::mqttbytes::v5::LastWill::new(
                will.topic.clone(),
                will.payload.clone(),
                v5::mqttbytes::QoS::AtLeastOnce,
                true,
                None,
            ));
            if has_login {
                options.set_credentials(broker.username.clone(), password);
            }
            let (client, link) = v5::AsyncClient::new(options, QUEUE);
            (Client::V5(client), Link::V5(Box::new(link)))
        }
        Version::V3 => {
            let mut options = MqttOptions::new(id, host, broker.port);
            options.set_keep_alive(KEEP_ALIVE);
            options.set_clean_session(true);
            let largest_in = usize::try_from(LARGEST_IN).unwrap_or(usize::MAX);
            options.set_max_packet_size(largest_in, LARGEST_OUT);
            options.set_transport(transport);
            options.set_last_will(LastWill::new(
                will.topic.clone(),
                will.payload.clone(),
                QoS::AtLeastOnce,
                true,
            ));
            if has_login {
                options.set_credentials(broker.username.clone(), password);
            }
            let (client, link) = rumqttc::AsyncClient::new(options, QUEUE);
            (Client::V3(client), Link::V3(Box::new(link)))
        }
    })
}

/// Requests to the connection. That it has ended is told by [`Link::poll`].
enum Client {
    V5(v5::AsyncClient),
    V3(rumqttc::AsyncClient),
}

impl Client {
    async fn subscribe(&self, topic: &str) {
        let done = match self {
            Self::V5(client) => {
                let done = client.subscribe(topic, v5::mqttbytes::QoS::AtLeastOnce);
                done.await.is_ok()
            }
            Self::V3(client) => client.subscribe(topic, QoS::AtLeastOnce).await.is_ok(),
        };
        tracing::trace!(topic, done, "subscribed");
    }

    async fn publish(&self, message: Message) {
        let Message {
            topic,
            payload,
            retain,
            qos,
            ..
        } = message;
        let done = match self {
            Self::V5(client) => {
                let qos = match qos {
                    Qos::Zero => v5::mqttbytes::QoS::AtMostOnce,
                    Qos::One => v5::mqttbytes::QoS::AtLeastOnce,
                    Qos::Two => v5::mqttbytes::QoS::ExactlyOnce,
                };
                client.publish(topic, qos, retain, payload).await.is_ok()
            }
            Self::V3(client) => {
                let qos = match qos {
                    Qos::Zero => QoS::AtMostOnce,
                    Qos::One => QoS::AtLeastOnce,
                    Qos::Two => QoS::ExactlyOnce,
                };
                client.publish(topic, qos, retain, payload).await.is_ok()
            }
        };
        tracing::trace!(done, "published");
    }

    async fn disconnect(&self) {
        let done = match self {
            Self::V5(client) => client.disconnect().await.is_ok(),
            Self::V3(client) => client.disconnect().await.is_ok(),
        };
        tracing::trace!(done, "disconnected");
    }
}

enum Link {
    V5(Box<v5::EventLoop>),
    V3(Box<rumqttc::EventLoop>),
}

enum Happened {
    Connected,
    Said(Linked),
    Numbered(u16),
    Acknowledged(u16),
    Ended,
    Other,
}

impl Link {
    async fn poll(&mut self) -> Result<Happened, End> {
        match self {
            Self::V5(link) => {
                let event = link.poll().await;
                event.map(of_v5).map_err(|error| End {
                    misunderstood: is_misunderstood_v5(&error),
                    reason: error.to_string(),
                    was_up: false,
                })
            }
            Self::V3(link) => {
                let event = link.poll().await;
                event.map(of_v3).map_err(|error| End {
                    misunderstood: is_misunderstood_v3(&error),
                    reason: error.to_string(),
                    was_up: false,
                })
            }
        }
    }
}

fn of_v5(event: v5::Event) -> Happened {
    use v5::mqttbytes::v5::Packet;
    match event {
        v5::Event::Incoming(Packet::ConnAck(_)) => Happened::Connected,
        v5::Event::Incoming(Packet::Publish(said)) => Happened::Said(Linked::Said {
            topic: String::from_utf8_lossy(&said.topic).into_owned(),
            payload: said.payload.to_vec(),
            retained: said.retain,
        }),
        v5::Event::Incoming(Packet::PubAck(ack)) => Happened::Acknowledged(ack.pkid),
        v5::Event::Incoming(Packet::PubComp(ack)) => Happened::Acknowledged(ack.pkid),
        v5::Event::Outgoing(rumqttc::Outgoing::Publish(packet)) => Happened::Numbered(packet),
        v5::Event::Outgoing(rumqttc::Outgoing::Disconnect) => Happened::Ended,
        _ => Happened::Other,
    }
}

fn of_v3(event: rumqttc::Event) -> Happened {
    use rumqttc::Packet;
    match event {
        rumqttc::Event::Incoming(Packet::ConnAck(_)) => Happened::Connected,
        rumqttc::Event::Incoming(Packet::Publish(said)) => Happened::Said(Linked::Said {
            topic: said.topic,
            payload: said.payload.to_vec(),
            retained: said.retain,
        }),
        rumqttc::Event::Incoming(Packet::PubAck(ack)) => Happened::Acknowledged(ack.pkid),
        rumqttc::Event::Incoming(Packet::PubComp(ack)) => Happened::Acknowledged(ack.pkid),
        rumqttc::Event::Outgoing(rumqttc::Outgoing::Publish(packet)) => Happened::Numbered(packet),
        rumqttc::Event::Outgoing(rumqttc::Outgoing::Disconnect) => Happened::Ended,
        _ => Happened::Other,
    }
}

/// A broker that does not speak MQTT 5 says so, answers in 3.1.1, or hangs up.
fn is_misunderstood_v5(error: &v5::ConnectionError) -> bool {
    use v5::ConnectionError as E;
    use v5::mqttbytes::v5::ConnectReturnCode as Code;
    match error {
        E::ConnectionRefused(code) => *code == Code::UnsupportedProtocolVersion,
        E::MqttState(_) | E::NotConnAck(_) => true,
        E::Io(error) => is_hung_up(error),
        _ => false,
    }
}

fn is_misunderstood_v3(error: &rumqttc::ConnectionError) -> bool {
    use rumqttc::{ConnectReturnCode as Code, ConnectionError as E};
    match error {
        E::ConnectionRefused(code) => *code == Code::RefusedProtocolVersion,
        E::MqttState(_) | E::NotConnAck(_) => true,
        E::Io(error) => is_hung_up(error),
        _ => false,
    }
}

fn is_hung_up(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::UnexpectedEof | Kind::InvalidData
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_broker_is_in_the_house_or_outside_by_its_address() {
        for (host, expected) in [
            ("127.0.0.1", Reach::House),
            ("192.168.1.20", Reach::House),
            ("fd00::20", Reach::House),
            ("8.8.8.8", Reach::Outside),
            // No name: where it would be is not known.
            ("", Reach::Outside),
        ] {
            let broker = Broker {
                host: host.to_owned(),
                port: 1883,
                client_id: String::new(),
                username: String::new(),
                password: None,
                tls: None,
                version: MqttVersion::Auto,
                last_will: Message::retained("status".to_owned(), "offline".to_owned()),
                topics: Vec::new(),
            };
            assert_eq!(reach(&broker).await, expected, "{host:?}");
        }
    }
}
