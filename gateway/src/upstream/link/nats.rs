//! NATS JetStream: `PREFIX.up.DEVICE` and `PREFIX.down.DEVICE`, kept by streams `PREFIX-up` and
//! `PREFIX-down` that the head-end makes.
//!
//! What goes up carries its digest in `Nats-Msg-Id`, so that what is handed over twice is kept once.
//! What comes down is taken by a durable consumer of the device's own, which the server keeps while
//! the gateway is away.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, Event, ServerAddr};
use futures_util::StreamExt;
use rustls::RootCertStore;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::passage::Passage;
use super::{Carrying, Ends, LARGEST, Link, LinkEvent, Pauses, Route};
use crate::{hex, tls};

/// Messages that may wait for the server's word.
const UNDER_WAY: usize = 16;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster.
pub(in super::super) struct Nats {
    /// host:port of its servers.
    pub(in super::super) servers: Vec<String>,
    /// Whom to trust with TLS.
    pub(in super::super) roots: Arc<RootCertStore>,
    /// What every link has.
    pub(in super::super) route: Route,
}

/// A connection, and what comes from it.
struct Session {
    context: Context,
    below: pull::Stream,
    lost: mpsc::Receiver<()>,
    /// The way through the bearer, where one was chosen.
    _passage: Option<Passage>,
}

impl Nats {
    /// Opens a connection; through a bearer, `turn` says which server is tried first.
    async fn open(&self, turn: usize) -> anyhow::Result<Session> {
        let (out, lost) = mpsc::channel(1);
        let mut options = ConnectOptions::new()
            // Each server once: whoever is lost is sought again from here.
            .max_reconnects(self.servers.len())
            .name(format!("relay-{}", self.route.device))
            .connection_timeout(PATIENCE)
            .event_callback(move |event| {
                if matches!(event, Event::Disconnected | Event::Closed) {
                    let _ = out.try_send(());
                }
                std::future::ready(())
            });
        let passage = match self.route.interface() {
            Some(interface) => {
                let passage = Passage::open(interface, &self.servers, turn).await?;
                options = options
                    .local_address(passage.client())
                    .ignore_discovered_servers();
                Some(passage)
            }
            None => None,
        };
        if let Some(tls) = &self.route.tls {
            let tls = match &passage {
                Some(passage) => tls::for_host(tls.clone(), &self.roots, passage.host())?,
                None => tls.clone(),
            };
            options = options.require_tls(true).tls_client_config(tls);
        }
        let scheme = if self.route.tls.is_some() {
            "tls"
        } else {
            "nats"
        };
        let door = passage.as_ref().map(|passage| [passage.door().to_string()]);
        let servers = door
            .as_ref()
            .map_or(self.servers.as_slice(), <[String; 1]>::as_slice)
            .iter()
            .map(|server| format!("{scheme}://{server}").parse::<ServerAddr>())
            .collect::<Result<Vec<_>, _>>()?;
        let client = options.connect(servers).await?;
        let context = jetstream::new(client);
        let name = format!("{}-down", self.stream());
        let stream = context
            .get_stream(&name)
            .await
            .with_context(|| format!("the stream {name}, which the head-end makes"))?;
        let durable = self.route.device.replace('.', "=2E");
        let consumer = stream
            .get_or_create_consumer(
                &durable,
                pull::Config {
                    durable_name: Some(durable.clone()),
                    filter_subject: format!("{}.down.{}", self.subject(), self.route.device),
                    ..pull::Config::default()
                },
            )
            .await
            .context("the consumer of what comes down")?;
        let below = consumer.messages().await?;
        Ok(Session {
            context,
            below,
            lost,
            _passage: passage,
        })
    }

    /// Subjects have points where topics have strokes.
    fn subject(&self) -> String {
        self.route.prefix.replace('/', ".")
    }

    fn stream(&self) -> String {
        self.route.prefix.replace(['/', '.'], "-")
    }

    /// Carries until the connection is lost, or until told to stop.
    async fn carry(
        &self,
        mut session: Session,
        up: &mut mpsc::Receiver<Vec<u8>>,
        events: &mpsc::Sender<LinkEvent>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let subject = format!("{}.up.{}", self.subject(), self.route.device);
        let mut under_way = JoinSet::new();
        let mut told = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = session.lost.recv() => anyhow::bail!("the server closed the connection"),
                message = session.below.next() => {
                    let message = message.context("nothing comes down any more")??;
                    if message.payload.len() <= LARGEST {
                        let octets = message.payload.to_vec();
                        if events.send(LinkEvent::Message(octets)).await.is_err() {
                            return Ok(());
                        }
                    }
                    let taken = timeout(PATIENCE, message.ack()).await.context("no answer")?;
                    taken.map_err(anyhow::Error::from_boxed)?;
                }
                octets = up.recv(), if under_way.len() < UNDER_WAY => {
                    let Some(octets) = octets else { return Ok(()) };
                    let digest = hex::encode(&Sha256::digest(&octets));
                    let message = PublishMessage::build().payload(octets.into()).message_id(digest);
                    let sent = session.context.send_publish(subject.clone(), message);
                    let kept = timeout(PATIENCE, sent).await.context("no answer")??;
                    under_way.spawn(async move { kept.await.map(drop) });
                }
                Some(kept) = under_way.join_next() => {
                    // What was not kept is sent again by the relay, since no acknowledgement comes.
                    let problem = kept.map_err(anyhow::Error::from).and_then(|kept| Ok(kept?));
                    match problem {
                        Ok(()) => told = false,
                        Err(error) if !std::mem::replace(&mut told, true) => {
                            tracing::warn!(reason = self.route.reason(error.as_ref()), "JetStream kept no message");
                        }
                        Err(_) => {}
                    }
                }
            }
        }
    }

    async fn run_on(
        self,
        Ends {
            mut up,
            events,
            stop,
        }: Ends,
    ) {
        let (mut pauses, mut told, mut turn) = (Pauses::new(), false, 0_usize);
        loop {
            turn = turn.wrapping_add(1);
            let opened = tokio::select! {
                () = stop.cancelled() => return,
                opened = timeout(PATIENCE * 2, self.open(turn)) => opened.context("no server answers"),
            };
            let ended = match opened.and_then(|opened| opened) {
                Ok(session) => {
                    (pauses, told) = (Pauses::new(), false);
                    if events.send(LinkEvent::Up).await.is_err() {
                        return;
                    }
                    self.carry(session, &mut up, &events, &stop).await
                }
                Err(error) => Err(error),
            };
            let Err(error) = ended else { return };
            let reason = self.route.reason(error.as_ref());
            if !std::mem::replace(&mut told, true)
                && events.send(LinkEvent::Down(reason)).await.is_err()
            {
                return;
            }
            if !pauses.wait(&stop).await {
                return;
            }
        }
    }
}

impl Link for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn run(self: Box<Self>, ends: Ends) -> Carrying {
        Box::pin(self.run_on(ends))
    }
}
