//! HTTPS, both ways by requests of ours: no port is opened here.
//!
//! `POST BASE/up/DEVICE` carries one sealed message (`application/cose`); the answer's body, if it has
//! one, is a message for us, such as the acknowledgement of what was sent.
//! `GET BASE/down/DEVICE?after=N` waits for a message until the server answers 204; a message comes
//! with its number in the header `Message-Number`, and is kept by the server until it is asked for
//! what comes after it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, StatusCode, Uri, header};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Carrying, Ends, LARGEST, Link, LinkEvent, Pauses, Route};
use crate::http_client::{Answer, Client, Connection};

/// How long a server may take to an answer; longer than it waits for messages.
const PATIENCE: Duration = Duration::from_secs(60);
/// A server that does not wait is not asked more often than this.
const POLL: Duration = Duration::from_secs(5);
const NUMBER: &str = "message-number";

/// A server.
pub(in super::super) struct Https {
    /// Its address, before `/up/DEVICE` and `/down/DEVICE`.
    pub(in super::super) base: Uri,
    /// What every link has.
    pub(in super::super) route: Route,
}

/// Connections to it, one for each direction.
struct Server {
    client: Client,
    base: Uri,
    path: String,
    route: Route,
}

impl Server {
    fn new(link: Https) -> anyhow::Result<Self> {
        let Https { base, mut route } = link;
        let tls = match route.tls.take() {
            Some(tls) => tls,
            // Never used: the address is one without TLS.
            None => crate::tls::client(None)?,
        };
        Ok(Self {
            client: Client::new(tls).through(route.interface().map(str::to_owned)),
            path: base.path().trim_end_matches('/').to_owned(),
            base,
            route,
        })
    }

    /// One request; returns the body and the number of a message for us. A connection that has
    /// rested may be closed by now, so that a second one is tried.
    async fn ask(
        &self,
        connection: &mut Option<Connection>,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Option<(Bytes, u64)>> {
        let rested = connection.is_some();
        let mut answer = self.try_once(connection, &method, path, body.clone()).await;
        if rested && answer.is_err() {
            answer = self.try_once(connection, &method, path, body).await;
        }
        let answer = answer?;
        let status = answer.status;
        ensure!(
            status.is_success(),
            "the server answers {status}{}",
            hint(status)
        );
        if answer.body.is_empty() || status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        ensure!(answer.body.len() <= LARGEST, "a message is too long");
        let number = answer
            .headers
            .get(NUMBER)
            .and_then(|text| text.to_str().ok());
        let number = number.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Some((answer.body, number)))
    }

    async fn try_once(
        &self,
        connection: &mut Option<Connection>,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let rested = connection.take();
        let asked = async {
            let mut open = match rested {
                Some(open) => open,
                None => self.client.connect(&self.base).await?,
            };
            let mut headers = HeaderMap::new();
            if method == Method::POST {
                headers.insert(header::CONTENT_TYPE, "application/cose".parse()?);
            }
            let answer = open.send(method.clone(), path, headers, body).await?;
            anyhow::Ok((answer, open))
        };
        let (answer, open) = timeout(PATIENCE, asked)
            .await
            .context("the server does not answer")??;
        *connection = Some(open);
        Ok(answer)
    }

    fn reason(&self, error: &anyhow::Error) -> String {
        self.route.reason(error.as_ref())
    }
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            ": it does not accept this device or its certificate"
        }
        StatusCode::NOT_FOUND => ": see the path in upstream.link",
        _ => "",
    }
}

async fn carry(
    link: Https,
    Ends {
        mut up,
        events,
        stop,
    }: Ends,
) {
    let server = match Server::new(link) {
        Ok(server) => Arc::new(server),
        Err(error) => {
            let _ = events.send(LinkEvent::Down(format!("{error:#}"))).await;
            return stop.cancelled().await;
        }
    };
    let (says, mut is_up) = watch::channel(false);
    let below = tokio::spawn(listen(
        Arc::clone(&server),
        says,
        events.clone(),
        stop.clone(),
    ));
    let path = format!("{}/up/{}", server.path, server.route.device);
    let mut connection = None;
    let mut pauses = Pauses::new();
    let mut told = false;
    loop {
        let octets = tokio::select! {
            () = stop.cancelled() => break,
            octets = take(&mut is_up, &mut up) => octets,
        };
        let Some(octets) = octets else { break };
        let sent = tokio::select! {
            () = stop.cancelled() => break,
            sent = server.ask(&mut connection, Method::POST, &path, octets.into()) => sent,
        };
        match sent {
            Ok(answer) => {
                pauses.reset();
                told = false;
                let Some((octets, _)) = answer else { continue };
                if events
                    .send(LinkEvent::Message(octets.to_vec()))
                    .await
                    .is_err()
                {
                    break;
                }
            }
            // The relay sends it again, since no acknowledgement comes.
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(
                        reason = server.reason(&error),
                        "the head-end took no message"
                    );
                }
                if !pauses.wait(&stop).await {
                    break;
                }
            }
        }
    }
    let _ = timeout(Duration::from_secs(2), below).await;
}

/// The next message for the head-end, as soon as the link is up.
async fn take(
    is_up: &mut watch::Receiver<bool>,
    up: &mut mpsc::Receiver<Vec<u8>>,
) -> Option<Vec<u8>> {
    is_up.wait_for(|up| *up).await.ok()?;
    up.recv().await
}

/// Asks for messages for ever; says whether the server can be reached.
async fn listen(
    server: Arc<Server>,
    is_up: watch::Sender<bool>,
    events: mpsc::Sender<LinkEvent>,
    stop: CancellationToken,
) {
    let (mut connection, mut pauses, mut after) = (None, Pauses::new(), 0);
    let mut told = false;
    loop {
        // The first question is answered at once, so that it is known soon whether the link carries.
        let wait = if *is_up.borrow() { "" } else { "&wait=0" };
        let device = &server.route.device;
        let path = format!("{}/down/{device}?after={after}{wait}", server.path);
        let asked_at = Instant::now();
        let answer = tokio::select! {
            () = stop.cancelled() => return,
            answer = server.ask(&mut connection, Method::GET, &path, Bytes::new()) => answer,
        };
        let said = match answer {
            Ok(message) => {
                pauses.reset();
                told = false;
                if !is_up.send_replace(true) && events.send(LinkEvent::Up).await.is_err() {
                    return;
                }
                if message.is_none() && wait.is_empty() {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep_until(asked_at + server.route.pace(POLL)) => {}
                    }
                }
                message.map(|(octets, number)| {
                    after = number.max(after);
                    LinkEvent::Message(octets.to_vec())
                })
            }
            Err(error) => {
                let was_up = is_up.send_replace(false);
                let reason = server.reason(&error);
                let news = !std::mem::replace(&mut told, true) || was_up;
                if news && events.send(LinkEvent::Down(reason)).await.is_err() {
                    return;
                }
                if !pauses.wait(&stop).await {
                    return;
                }
                None
            }
        };
        if let Some(said) = said
            && events.send(said).await.is_err()
        {
            return;
        }
    }
}

impl Link for Https {
    fn name(&self) -> &'static str {
        "https"
    }

    fn run(self: Box<Self>, ends: Ends) -> Carrying {
        Box::pin(carry(*self, ends))
    }
}
