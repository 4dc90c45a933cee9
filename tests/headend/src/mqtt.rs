//! MQTT 5: workers share a subscription.

use std::time::Duration;

use anyhow::Context;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use tokio::sync::mpsc;

use crate::worker::{TOGETHER, Worker};
use crate::{Common, database};

fn options(common: &Common, name: &str) -> anyhow::Result<MqttOptions> {
    let broker = common.broker.as_deref().context("--broker")?;
    let (host, port) = broker.rsplit_once(':').context("--broker is host:port")?;
    let mut options = MqttOptions::new(name, host, port.parse()?);
    options.set_keep_alive(Duration::from_secs(10));
    options.set_connect_properties(ConnectProperties {
        max_packet_size: Some(256 * 1024),
        ..ConnectProperties::new()
    });
    if let Some(tls) = common.tls()? {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::from(tls)));
    }
    Ok(options)
}

pub(crate) async fn run(common: Common) -> anyhow::Result<()> {
    let mut db = database::connect(&common.database).await?;
    let mut options = options(&common, &common.name)?;
    options.set_manual_acks(true);
    let (client, mut link) = AsyncClient::new(options, 256);
    let topic = format!("$share/headend/{}/up/+", common.prefix);
    let (to_us, mut from_link) = mpsc::channel::<Publish>(1_024);
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
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
        }
    });
    let prefix = common.prefix.clone();
    let mut worker = Worker::new(common)?;
    while let Some(first) = from_link.recv().await {
        let mut together = vec![first];
        while together.len() < TOGETHER {
            match from_link.try_recv() {
                Ok(next) => together.push(next),
                Err(_) => break,
            }
        }
        let octets: Vec<&[u8]> = together.iter().map(|publish| &*publish.payload).collect();
        for (device, octets) in worker.take(&mut db, &octets).await? {
            let topic = format!("{prefix}/down/{device}");
            client
                .publish(topic, QoS::AtLeastOnce, false, octets)
                .await?;
        }
        // Only what is committed is taken off the broker.
        for publish in &together {
            client.ack(publish).await?;
        }
    }
    Ok(())
}

/// Hands a command to the broker.
pub(crate) async fn deliver(common: &Common, device: &str, octets: Vec<u8>) -> anyhow::Result<()> {
    let (client, mut link) = AsyncClient::new(options(common, &common.name)?, 8);
    let topic = format!("{}/down/{device}", common.prefix);
    client
        .publish(topic, QoS::AtLeastOnce, false, octets)
        .await?;
    loop {
        if let Event::Incoming(Packet::PubAck(_)) = link.poll().await? {
            return Ok(());
        }
    }
}
