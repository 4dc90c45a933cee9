//! NATS JetStream: workers share a durable consumer; each message waits until one has committed it.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::ConnectOptions;
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;

use crate::worker::{TOGETHER, Worker};
use crate::{Common, database};

const PAUSE: Duration = Duration::from_millis(300);

async fn connect(common: &Common) -> anyhow::Result<Context> {
    let mut options = ConnectOptions::new().name(&common.name);
    let mut scheme = "nats";
    if let Some(tls) = common.tls()? {
        scheme = "tls";
        options = options.require_tls(true).tls_client_config(tls);
    }
    let servers: Vec<async_nats::ServerAddr> = common
        .nats
        .iter()
        .map(|server| format!("{scheme}://{server}").parse())
        .collect::<Result<_, _>>()?;
    loop {
        match options.clone().connect(servers.clone()).await {
            Ok(client) => return Ok(jetstream::new(client)),
            Err(error) => eprintln!("headend: {error}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn consumer(common: &Common, context: &Context) -> anyhow::Result<Consumer<pull::Config>> {
    let stream = |way: &str, retention| Config {
        name: format!("{}-{way}", common.prefix),
        subjects: vec![format!("{}.{way}.>", common.prefix)],
        num_replicas: common.replicas,
        retention,
        max_age: Duration::from_secs(86_400),
        ..Config::default()
    };
    context
        .get_or_create_stream(stream("down", RetentionPolicy::Limits))
        .await?;
    let up = context
        .get_or_create_stream(stream("up", RetentionPolicy::WorkQueue))
        .await?;
    let config = pull::Config {
        durable_name: Some("headend".to_owned()),
        ack_wait: Duration::from_secs(5),
        ..pull::Config::default()
    };
    Ok(up.get_or_create_consumer("headend", config).await?)
}

pub(crate) async fn run(common: Common) -> anyhow::Result<()> {
    let mut db = database::connect(&common.database).await?;
    let context = connect(&common).await?;
    let mut worker = Worker::new(common.clone())?;
    loop {
        // Servers come and go: whatever failed is begun anew.
        if let Err(error) = pull(&common, &context, &mut worker, &mut db).await {
            eprintln!("headend: {error:#}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn pull(
    common: &Common,
    context: &Context,
    worker: &mut Worker,
    db: &mut tokio_postgres::Client,
) -> anyhow::Result<()> {
    let consumer = consumer(common, context).await?;
    eprintln!("headend: connected");
    loop {
        let batch = consumer.fetch().max_messages(TOGETHER).messages().await?;
        let mut together: Vec<_> = batch
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(anyhow::Error::from_boxed)?;
        if together.is_empty() {
            let expires = Duration::from_secs(1);
            let mut one = consumer
                .batch()
                .max_messages(1)
                .expires(expires)
                .messages()
                .await?;
            match one.next().await {
                Some(first) => together.push(first.map_err(anyhow::Error::from_boxed)?),
                None => continue,
            }
        }
        let octets: Vec<&[u8]> = together.iter().map(|message| &*message.payload).collect();
        for (device, octets) in worker.take(db, &octets).await? {
            let subject = format!("{}.down.{device}", common.prefix);
            let sent = context.publish(subject, octets.into()).await?;
            drop(sent);
        }
        // Only what is committed is taken off the stream.
        for message in &together {
            message.ack().await.map_err(anyhow::Error::from_boxed)?;
        }
    }
}

/// Hands a command to the stream of what goes down.
pub(crate) async fn deliver(common: &Common, device: &str, octets: Vec<u8>) -> anyhow::Result<()> {
    let context = connect(common).await?;
    let subject = format!("{}.down.{device}", common.prefix);
    let sent = context.publish(subject, octets.into()).await?;
    sent.await.context("the stream has not taken it")?;
    Ok(())
}
