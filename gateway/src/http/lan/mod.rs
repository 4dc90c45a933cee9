//! The network's side: the API and the web page over TLS, for those who may.
//!
//! At most `CONNECTIONS` at a time; a connection that does not finish its handshake or its
//! request's head in time is closed. Unless the configuration says otherwise only peers with
//! addresses of private networks are served: a router that forwards a port by mistake does not put
//! the home on the Internet.

mod certificate;
pub(super) mod guard;
mod rate;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::Api;
use crate::config::HttpConfig;
use crate::door::Door;
use crate::supervisor::Pulse;

/// How many connections there may be at once.
const CONNECTIONS: usize = 320;
/// How long a handshake or the head of a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Peer {
    /// Whose tries and requests are counted together: an IPv4 address, or an IPv6 network of one
    /// household or host.
    pub(super) fn group(&self) -> String {
        match self.0.ip().to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }
}

/// Serves the network until told to stop.
///
/// # Errors
/// The certificate cannot be used, or the address cannot be listened on.
pub async fn run(
    api: Api,
    config: HttpConfig,
    state_dir: PathBuf,
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let address = config.listen.context("http.listen")?;
    let id = api.state.borrow().gateway.id.clone();
    let identity = certificate::identity(&config, &state_dir, &id)?;
    let acceptor = TlsAcceptor::from(Arc::new(identity.server()?));
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("http.listen {address}"))?;
    let port = listener.local_addr()?.port();
    api.keeping.access.reached_at(
        urls(&config, &id, address, port),
        Some(identity.fingerprint),
    );
    let router = super::web_router(api.clone());
    let door = Door::new(listener, CONNECTIONS, config.anywhere);
    let tasks = TaskTracker::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = tick.tick() => {
                pulse.beat();
                api.keeping.access.tick();
            }
            (stream, peer, place) = door.next() => {
                let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
                tasks.spawn(async move {
                    serve(acceptor, router, stream, Peer(peer), stop).await;
                    drop(place);
                });
            }
        }
    }
    api.keeping.access.reached_at(Vec::new(), None);
    tasks.close();
    // What is being answered is answered; the supervisor's own patience is longer.
    let _ = tokio::time::timeout(Duration::from_secs(3), tasks.wait()).await;
    Ok(())
}

async fn serve(
    acceptor: TlsAcceptor,
    router: Router,
    stream: TcpStream,
    peer: Peer,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await else {
        return;
    };
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().call(request.map(Body::new))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Addresses of the page, the one that is easiest to type first.
fn urls(config: &HttpConfig, id: &str, bound: SocketAddr, port: u16) -> Vec<String> {
    let url = |host: &str| format!("https://{host}:{port}/");
    if !bound.ip().is_unspecified() {
        return vec![url(&host_of(bound.ip()))];
    }
    let mut hosts: Vec<String> = config.names.clone();
    hosts.extend(certificate::hostname().map(|name| format!("{name}.local")));
    if hosts.is_empty() {
        hosts.push(format!("wattle-{id}.local"));
    }
    hosts.extend(certificate::addresses().into_iter().map(host_of));
    hosts.iter().map(|host| url(host)).collect()
}

fn host_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
