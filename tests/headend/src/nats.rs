//! NATS JetStream: workers share a durable consumer; each message waits until one has committed it.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::ConnectOptions;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use async_nats::jetstream::{self, Context, Message};
use futures_util::StreamExt;
use futures_util::stream::ReadyChunks;
use tokio::time::timeout;

use crate::Common;
use crate::worker::{Broker, LOOK, TOGETHER};

pub(crate) struct Nats {
    context: Context,
    common: Common,
    up: Option<ReadyChunks<pull::Stream>>,
}

impl Nats {
    async fn messages(&self) -> anyhow::Result<pull::Stream> {
        let stream = |way: &str, retention| Config {
            name: format!("{}-{way}", self.common.prefix),
            subjects: vec![format!("{}.{way}.>", self.common.prefix)],
            num_replicas: self.common.replicas,
            retention,
            max_age: Duration::from_secs(86_400),
            ..Config::default()
        };
        let down = stream("down", RetentionPolicy::Limits);
        self.context.get_or_create_stream(down).await?;
        let up = stream("up", RetentionPolicy::WorkQueue);
        let up = self.context.get_or_create_stream(up).await?;
        let config = pull::Config {
            durable_name: Some("headend".to_owned()),
            ack_wait: Duration::from_secs(5),
            ..pull::Config::default()
        };
        let consumer = up.get_or_create_consumer("headend", config).await?;
        Ok(consumer.messages().await?)
    }
}

impl Broker for Nats {
    type Taken = Message;

    fn octets(message: &Message) -> &[u8] {
        &message.payload
    }

    async fn connect(common: &Common) -> anyhow::Result<Self> {
        let mut options = ConnectOptions::new();
        let mut scheme = "nats";
        if let Some([ca, certificate, key]) = common.tls() {
            scheme = "tls";
            options = options.require_tls(true).add_root_certificates(ca);
            options = options.add_client_certificate(certificate, key);
        }
        let servers = common.nats.iter();
        let servers = servers.map(|server| format!("{scheme}://{server}").parse());
        let servers: Vec<async_nats::ServerAddr> = servers.collect::<Result<_, _>>()?;
        let client = options.retry_on_initial_connect().connect(servers).await?;
        Ok(Self {
            context: jetstream::new(client),
            common: common.clone(),
            up: None,
        })
    }

    async fn next(&mut self) -> anyhow::Result<Vec<Message>> {
        if self.up.is_none() {
            self.up = Some(self.messages().await?.ready_chunks(TOGETHER));
            eprintln!("headend: connected");
        }
        let up = self.up.as_mut().context("made a moment ago")?;
        let Ok(together) = timeout(LOOK, up.next()).await else {
            return Ok(Vec::new());
        };
        let together = together.context("the stream has ended")?;
        Ok(together.into_iter().collect::<Result<_, _>>()?)
    }

    async fn done(&mut self, message: &Message) -> anyhow::Result<()> {
        message.ack().await.map_err(anyhow::Error::from_boxed)
    }

    async fn publish(&mut self, device: &str, octets: Vec<u8>) -> anyhow::Result<()> {
        let subject = format!("{}.down.{device}", self.common.prefix);
        let sent = self.context.publish(subject, octets.into()).await?;
        drop(sent);
        Ok(())
    }

    /// Servers come and go: whatever failed is begun anew.
    async fn recover(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        eprintln!("headend: {error:#}");
        self.up = None;
        tokio::time::sleep(LOOK).await;
        Ok(())
    }
}
