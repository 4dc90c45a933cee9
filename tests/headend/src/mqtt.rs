//! MQTT 5: workers share a subscription.

use std::time::Duration;

use anyhow::Context;
use rumqttc::Transport;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Common;
use crate::worker::{Broker, LOOK, TOGETHER};

pub(crate) struct Mqtt {
    client: AsyncClient,
    from_link: mpsc::Receiver<Publish>,
    prefix: String,
}

impl Broker for Mqtt {
    type Taken = Publish;

    fn octets(message: &Publish) -> &[u8] {
        &message.payload
    }

    async fn connect(common: &Common) -> anyhow::Result<Self> {
        let broker = common.broker.as_deref().context("--broker")?;
        let (host, port) = broker.rsplit_once(':').context("--broker is host:port")?;
        let name = format!("headend-{}", std::process::id());
        let mut options = MqttOptions::new(name, host, port.parse()?);
        options.set_keep_alive(Duration::from_secs(10));
        options.set_manual_acks(true);
        options.set_connect_properties(ConnectProperties {
            max_packet_size: Some(256 * 1024),
            ..ConnectProperties::new()
        });
        if let Some(files) = common.tls() {
            let [ca, certificate, key] = files.map(std::fs::read);
            options.set_transport(Transport::tls(ca?, Some((certificate?, key?)), None));
        }
        let (client, mut link) = AsyncClient::new(options, 256);
        let topic = format!("$share/headend/{}/up/+", common.prefix);
        let (to_us, from_link) = mpsc::channel(1_024);
        let subscriber = client.clone();
        tokio::spawn(async move {
            loop {
                match link.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        eprintln!("headend: connected");
                        let _ = subscriber.try_subscribe(topic.clone(), QoS::AtLeastOnce);
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        if to_us.send(publish).await.is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        eprintln!("headend: {error}");
                        tokio::time::sleep(LOOK).await;
                    }
                }
            }
        });
        Ok(Self {
            client,
            from_link,
            prefix: common.prefix.clone(),
        })
    }

    async fn next(&mut self) -> anyhow::Result<Vec<Publish>> {
        let mut together = Vec::new();
        let _ = timeout(LOOK, self.from_link.recv_many(&mut together, TOGETHER)).await;
        Ok(together)
    }

    async fn done(&mut self, message: &Publish) -> anyhow::Result<()> {
        Ok(self.client.ack(message).await?)
    }

    async fn publish(&mut self, device: &str, octets: Vec<u8>) -> anyhow::Result<()> {
        let topic = format!("{}/down/{device}", self.prefix);
        let sent = self.client.publish(topic, QoS::AtLeastOnce, false, octets);
        Ok(sent.await?)
    }
}
