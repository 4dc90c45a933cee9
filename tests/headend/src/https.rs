//! HTTPS: a gateway posts its batches and is answered with their acknowledgement; it asks for
//! commands. What is sealed is safe from others with a certificate; whose certificate may ask for
//! which device is left to the gate that a utility has before this.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_rustls::TlsAcceptor;

use crate::worker::Worker;
use crate::{Common, authorities, database};

const LARGEST: usize = 256 * 1024;
/// How long a question for commands waits for one.
const WAIT: Duration = Duration::from_secs(25);
const LOOK_EVERY: Duration = Duration::from_millis(250);

type Taking = Arc<Mutex<(Worker, Client)>>;

fn acceptor(common: &Common) -> anyhow::Result<TlsAcceptor> {
    let (Some(ca), Some(certificate), Some(key)) =
        (&common.ca_file, &common.tls_certificate, &common.tls_key)
    else {
        anyhow::bail!("--listen needs --ca-file, --tls-certificate and --tls-key");
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(authorities(ca)?);
    let devices =
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(devices)
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

pub(crate) async fn run(common: Common) -> anyhow::Result<()> {
    let acceptor = acceptor(&common)?;
    let listen = common.listen.clone().context("--listen")?;
    let listener = TcpListener::bind(&listen).await?;
    let asked = Arc::new(database::connect(&common.database).await?);
    let db = database::connect(&common.database).await?;
    let taking: Taking = Arc::new(Mutex::new((Worker::new(common)?, db)));
    eprintln!("headend: listens");
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, taking, asked) = (acceptor.clone(), Arc::clone(&taking), Arc::clone(&asked));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let serve = service_fn(move |request| {
                let (taking, asked) = (Arc::clone(&taking), Arc::clone(&asked));
                async move {
                    let answer = answer(&taking, &asked, request).await;
                    answer.or_else(|error| {
                        eprintln!("headend: {error:#}");
                        plain(StatusCode::INTERNAL_SERVER_ERROR)
                    })
                }
            });
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), serve).await;
        });
    }
}

fn plain(status: StatusCode) -> anyhow::Result<Response<Full<Bytes>>> {
    Ok(Response::builder().status(status).body(Full::default())?)
}

async fn answer(
    taking: &Taking,
    asked: &Client,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let mut parts = path.rsplit('/');
    let (device, way) = (parts.next().unwrap_or_default(), parts.next());
    if head.method == Method::POST && way == Some("up") {
        let Ok(body) = Limited::new(body, LARGEST).collect().await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let mut taking = taking.lock().await;
        let (worker, db) = &mut *taking;
        let acks = worker.take(db, &[&body.to_bytes()]).await?;
        return match acks.into_iter().find(|(of, _)| of == device) {
            Some((_, octets)) => Ok(Response::new(Full::from(octets))),
            None => plain(StatusCode::NO_CONTENT),
        };
    }
    if head.method != Method::GET || way != Some("down") {
        return plain(StatusCode::NOT_FOUND);
    }
    let query = head.uri.query().unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)?
            .1
            .parse::<u32>()
            .ok()
    };
    let after = i64::from(value("after").unwrap_or(0));
    let until =
        Instant::now() + value("wait").map_or(WAIT, |s| Duration::from_secs(s.into()).min(WAIT));
    let taken = "DELETE FROM down WHERE device = $1 AND number <= $2";
    asked.execute(taken, &[&device, &after]).await?;
    let next = "SELECT number, octets FROM down WHERE device = $1 ORDER BY number LIMIT 1";
    loop {
        if let Some(row) = asked.query_opt(next, &[&device]).await? {
            let (number, octets): (i64, Vec<u8>) = (row.get(0), row.get(1));
            let answer = Response::builder().header("Message-Number", number);
            return Ok(answer.body(Full::from(octets))?);
        }
        if Instant::now() >= until {
            return plain(StatusCode::NO_CONTENT);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Leaves a command for a device that asks.
pub(crate) async fn deliver(common: &Common, device: &str, octets: Vec<u8>) -> anyhow::Result<()> {
    let db = database::connect(&common.database).await?;
    let insert = "INSERT INTO down (device, octets) VALUES ($1, $2)";
    db.execute(insert, &[&device, &octets]).await?;
    Ok(())
}
