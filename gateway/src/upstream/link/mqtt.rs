//! MQTT 5, over mutual TLS.
//!
//! QoS 1 with a session that the broker keeps for a day, so that acknowledgements and commands wait
//! there while the gateway is away.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Carrying, Ends, LARGEST, Link, LinkEvent, Pauses, Route};

/// Requests between us and the connection.
const QUEUE: usize = 16;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Seconds for which the broker keeps what came for us.
const SESSION_S: u32 = 86_400;

/// A broker.
pub(in super::super) struct Mqtt {
    /// Its host.
    pub(in super::super) host: String,
    /// Its port.
    pub(in super::super) port: u16,
    /// What every link has.
    pub(in super::super) route: Route,
}

impl Mqtt {
    fn options(&self) -> MqttOptions {
        let mut options = MqttOptions::new(
            format!("relay-{}", self.route.device),
            self.host.clone(),
            self.port,
        );
        options.set_keep_alive(self.route.pace(KEEP_ALIVE));
        options.set_clean_start(false);
        options.set_outgoing_inflight_upper_limit(crate::mqtt::IN_FLIGHT);
        options.set_connect_properties(ConnectProperties {
            session_expiry_interval: Some(SESSION_S),
            max_packet_size: u32::try_from(LARGEST).ok(),
            ..ConnectProperties::new()
        });
        if let Some(interface) = self.route.interface() {
            let mut through = NetworkOptions::new();
            through.set_bind_device(interface);
            options.set_network_options(through);
        }
        if let Some(tls) = &self.route.tls {
            let tls = TlsConfiguration::from(tls.clone());
            options.set_transport(Transport::tls_with_config(tls));
        }
        options
    }

    async fn carry(
        self,
        Ends {
            mut up,
            events,
            stop,
        }: Ends,
    ) {
        let (client, link) = AsyncClient::new(self.options(), QUEUE);
        let (to_us, mut from_link) = mpsc::channel(QUEUE);
        let topic = format!("{}/up/{}", self.route.prefix, self.route.device);
        let below = format!("{}/down/{}", self.route.prefix, self.route.device);
        let pump = tokio::spawn(pump(link, self.route, to_us, stop.clone()));
        let mut is_up = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                said = from_link.recv() => {
                    let Some(said) = said else { break };
                    is_up = match &said {
                        LinkEvent::Up => true,
                        LinkEvent::Down(_) => false,
                        LinkEvent::Message(_) => is_up,
                    };
                    // A full queue holds the connection back; what comes is not lost.
                    if matches!(said, LinkEvent::Up) && client.try_subscribe(below.clone(), QoS::AtLeastOnce).is_err() {
                        tracing::warn!("the relay's topic could not be subscribed");
                    }
                    if events.send(said).await.is_err() {
                        break;
                    }
                }
                octets = up.recv(), if is_up => {
                    let Some(octets) = octets else { break };
                    let sent = client.publish(topic.clone(), QoS::AtLeastOnce, false, octets);
                    tokio::select! {
                        () = stop.cancelled() => break,
                        // What cannot be handed over is sent again by the relay.
                        _ = tokio::time::timeout(KEEP_ALIVE, sent) => {}
                    }
                }
            }
        }
        let _ = client.try_disconnect();
        let _ = tokio::time::timeout(Duration::from_secs(2), pump).await;
    }
}

impl Link for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn run(self: Box<Self>, ends: Ends) -> Carrying {
        Box::pin(self.carry(ends))
    }
}

/// Drives the connection and connects anew for ever, with growing pauses.
async fn pump(
    mut link: EventLoop,
    route: Route,
    out: mpsc::Sender<LinkEvent>,
    stop: CancellationToken,
) {
    let mut pauses = Pauses::new();
    let mut told = false;
    loop {
        let said = match link.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                pauses.reset();
                told = false;
                LinkEvent::Up
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                LinkEvent::Message(publish.payload.to_vec())
            }
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
            Ok(_) => continue,
            Err(error) => {
                if stop.is_cancelled() {
                    return;
                }
                // Whatever was under way is sent again by the relay, under its own acknowledgement.
                link.clean();
                link.state.clean();
                link.pending.clear();
                if !std::mem::replace(&mut told, true)
                    && out
                        .send(LinkEvent::Down(route.reason(&error)))
                        .await
                        .is_err()
                {
                    return;
                }
                if !pauses.wait(&stop).await {
                    return;
                }
                continue;
            }
        };
        if out.send(said).await.is_err() {
            return;
        }
    }
}
