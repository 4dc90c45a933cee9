//! HTTPS: a gateway posts its batches and is answered with their acknowledgement; it asks for
//! commands. What is sealed is safe from others with a certificate; whose certificate may ask for
//! which device is left to the gate that a utility has before this.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::Common;
use crate::worker::{LOOK, Worker};

const LARGEST: usize = 256 * 1024;
/// How long a question for commands waits for one.
const WAIT: u32 = 25;

type Taking = State<Arc<Mutex<Worker>>>;
type Device = Path<(String, String)>;
type Answered = Result<Response, StatusCode>;

fn fault(error: impl Into<anyhow::Error>) -> StatusCode {
    eprintln!("headend: {:#}", error.into());
    StatusCode::INTERNAL_SERVER_ERROR
}

pub(crate) async fn run(common: Common) -> anyhow::Result<()> {
    let acceptor = acceptor(&common)?;
    let worker = Arc::new(Mutex::new(Worker::new(&common).await?));
    let routes = Router::new()
        .route("/{base}/up/{device}", post(take))
        .route("/{base}/down/{device}", get(ask))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(worker);
    let listener = TcpListener::bind(common.listen.context("--listen")?).await?;
    eprintln!("headend: listens");
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, serve) = (acceptor.clone(), TowerToHyperService::new(routes.clone()));
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
                let _ = served.await;
            }
        });
    }
}

/// Gateways have to show certificates too.
fn acceptor(common: &Common) -> anyhow::Result<TlsAcceptor> {
    let [ca, certificate, key] = common.tls().context("there are no files for TLS")?;
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(ca)? {
        roots.add(authority?)?;
    }
    let gateways = WebPkiClientVerifier::builder(Arc::new(roots)).build()?;
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let config = ServerConfig::builder()
        .with_client_cert_verifier(gateways)
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn take(State(worker): Taking, Path((_, device)): Device, body: Bytes) -> Answered {
    let acks = worker.lock().await.take(&[&body]).await.map_err(fault)?;
    Ok(match acks.into_iter().find(|(of, _)| *of == device) {
        Some((_, octets)) => octets.into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn ask(
    State(worker): Taking,
    Path((_, device)): Device,
    Query(asked): Query<std::collections::HashMap<String, u32>>,
) -> Answered {
    let after = i64::from(asked.get("after").copied().unwrap_or(0));
    let wait = asked.get("wait").map_or(WAIT, |asked| WAIT.min(*asked));
    let until = Instant::now() + Duration::from_secs(wait.into());
    let taken = "DELETE FROM down WHERE device = $1 AND number <= $2";
    let next = "SELECT number, octets FROM down WHERE device = $1 ORDER BY number LIMIT 1";
    loop {
        let locked = worker.lock().await;
        let done = locked.db.execute(taken, &[&device, &after]).await;
        done.map_err(fault)?;
        let row = locked.db.query_opt(next, &[&device]).await;
        drop(locked);
        if let Some(row) = row.map_err(fault)? {
            let (number, octets): (i64, Vec<u8>) = (row.get(0), row.get(1));
            return Ok(([("Message-Number", number.to_string())], octets).into_response());
        }
        if Instant::now() >= until {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        tokio::time::sleep(LOOK).await;
    }
}
