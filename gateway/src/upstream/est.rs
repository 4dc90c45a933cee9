//! Enrolment over secure transport (RFC 7030): the utility's authority certifies the key that was made on
//! this device, and again before the certificate ends.
//!
//! `cacerts`, `csrattrs`, `simpleenroll` and `simplereenroll`. Left out: keys made by the server, full
//! CMC, and the binding of a request to its TLS session (3.5), which TLS 1.3 does not have.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, StatusCode, Uri, header};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wattle_api::{LogBook, Notice, NoticeCode, Severity};
use wattle_relay::{PrivateKey, Wishes, base64, cms, issue, of_base64};

use super::identity::Identity;
use super::relay::Settings;
use crate::bus::Event;
use crate::config::EstConfig;
use crate::http_client::{Answer, Client};
use crate::tls;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pauses after a failure, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// A server that asks for patience (202) is given so much at most.
const LATER: Duration = Duration::from_secs(86_400);
/// The clock is looked at this often, since it may be set.
const LOOK: Duration = Duration::from_secs(60);
/// Octets of an answer at most.
const LARGEST: usize = 64 * 1024;

/// Asks for the device's certificates.
pub(super) struct Enroller {
    config: EstConfig,
    settings: Settings,
    key: PrivateKey,
    device: String,
}

/// What the server says.
enum Said {
    Issued(Box<Identity>),
    /// Somebody has to approve it first.
    Later(Duration),
}

impl Enroller {
    /// For a device's key.
    pub(super) fn new(config: EstConfig, settings: &Settings, key: PrivateKey) -> Self {
        Self {
            device: super::device(&settings.config, &settings.gateway),
            settings: settings.clone(),
            config,
            key,
        }
    }

    /// Tells each new certificate, for ever, until told to stop.
    pub(super) async fn run(
        self,
        mut held: Option<Identity>,
        out: mpsc::Sender<Identity>,
        stop: CancellationToken,
    ) {
        let mut pause = FIRST_PAUSE;
        let mut failing: Option<Timestamp> = None;
        loop {
            let now = self.settings.clock.now();
            let wait = match &held {
                Some(held) if now < held.renews() => until(now, held.renews()),
                _ => {
                    let told = tokio::select! {
                        () = stop.cancelled() => return,
                        told = self.enrol(held.as_ref(), now) => told,
                    };
                    match told {
                        Ok(Said::Issued(identity)) => {
                            (pause, failing) = (FIRST_PAUSE, None);
                            self.note(&identity, now);
                            held = Some((*identity).clone());
                            if out.send(*identity).await.is_err() {
                                return;
                            }
                            Duration::from_secs(1)
                        }
                        Ok(Said::Later(wait)) => {
                            tracing::info!(
                                wait_s = wait.as_secs(),
                                "the certificate is to be approved"
                            );
                            wait
                        }
                        Err(error) => {
                            let since = *failing.get_or_insert(now);
                            self.complain(&format!("{error:#}"), held.as_ref(), since);
                            let wait = pause;
                            pause = (pause * 2).min(LONGEST_PAUSE);
                            wait
                        }
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Asks once: with the certificate that is held, if it still holds; else as somebody new.
    async fn enrol(&self, held: Option<&Identity>, now: Timestamp) -> anyhow::Result<Said> {
        let held = held.filter(|held| held.holds(now));
        let client = Client::new(self.tls(held)?);
        let authorities = self.ask(&client, Method::GET, "cacerts", None).await?;
        ensure!(
            authorities.status == StatusCode::OK,
            "cacerts: the server answers {}",
            authorities.status
        );
        let authorities = certificates(&authorities).context("cacerts")?;
        let wishes = self.wishes(&client).await.context("csrattrs")?;
        let (path, request) = match held {
            Some(held) => {
                let request = issue::renewal(&self.key, held.certificate(), &wishes)?;
                ("simplereenroll", request)
            }
            None => {
                let request = issue::request(&self.key, &self.device, &wishes)?;
                ("simpleenroll", request)
            }
        };
        let answer = self.ask(&client, Method::POST, path, Some(&request)).await;
        let answer = answer.context(path)?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::ACCEPTED => return Ok(Said::Later(retry_after(&answer))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!(
                "{path}: the server does not let this device in ({}); see upstream.est.user and password",
                answer.status
            ),
            status if wishes.wants_binding() => bail!(
                "{path}: the server answers {status}; it wants the request bound to its TLS session \
                 (challengePassword), for which TLS 1.3 has no value"
            ),
            status => bail!("{path}: the server answers {status}"),
        }
        let issued = certificates(&answer).context(path)?;
        let identity = Identity::of(issued, &self.key).context(path)?;
        let identity = identity.completed(&authorities);
        verify(&identity, authorities, now).context(path)?;
        Ok(Said::Issued(Box::new(identity)))
    }

    /// What the authority wants in a request, which a key like the device's can be (RFC 7030, 4.5).
    async fn wishes(&self, client: &Client) -> anyhow::Result<Wishes> {
        let answer = self.ask(client, Method::GET, "csrattrs", None).await?;
        let wishes = match answer.status {
            StatusCode::OK => Wishes::read(&decoded(&answer)?)?,
            // Nothing is wanted, or nobody is told.
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => {
                Wishes::default()
            }
            status => bail!("the server answers {status}"),
        };
        if let Some(conflict) = wishes.conflict(self.key.public().curve) {
            bail!(conflict);
        }
        if !wishes.ignored().is_empty() {
            let ignored = wishes.ignored().join(" ");
            tracing::info!(ignored, "wishes of the authority that are not known here");
        }
        Ok(wishes)
    }

    fn tls(&self, held: Option<&Identity>) -> anyhow::Result<rustls::ClientConfig> {
        let upstream = &self.settings.config;
        let ca_file = self
            .config
            .ca_file
            .as_deref()
            .or(upstream.ca_file.as_deref());
        match (held, &upstream.certificate, &upstream.key) {
            (Some(held), _, _) => {
                let (chain, key) = held.for_tls();
                tls::client_that_shows(ca_file, chain, key)
            }
            // One that the device was delivered with.
            (None, Some(certificate), Some(key)) => {
                tls::client_with_certificate(ca_file, certificate, key)
            }
            _ => tls::client(ca_file),
        }
    }

    async fn ask(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        request: Option<&[u8]>,
    ) -> anyhow::Result<Answer> {
        let uri: Uri = format!("{}/{path}", self.config.url.trim_end_matches('/')).parse()?;
        let mut headers = HeaderMap::new();
        let mut body = Bytes::new();
        if let Some(request) = request {
            headers.insert(header::CONTENT_TYPE, "application/pkcs10".parse()?);
            headers.insert("content-transfer-encoding", "base64".parse()?);
            body = base64(request).into();
            if let (Some(user), Some(password)) = (&self.config.user, &self.config.password) {
                let password = password.reveal()?;
                let pair = zeroize::Zeroizing::new(format!("{user}:{}", password.as_str()));
                let word = zeroize::Zeroizing::new(format!("Basic {}", base64(pair.as_bytes())));
                let mut word = header::HeaderValue::from_str(&word)
                    .map_err(|_| anyhow::anyhow!("the user or the password cannot be sent"))?;
                word.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, word);
            }
        }
        let asked = client.send(method, &uri, headers, body);
        timeout(PATIENCE, asked)
            .await
            .context("the server does not answer")?
    }

    fn note(&self, identity: &Identity, now: Timestamp) {
        let subject = identity.certificate().subject();
        let until = identity.ends();
        tracing::info!(subject, %until, "the utility's authority has issued a certificate");
        let said = format!(
            "The utility's authority has certified this device's key as {subject} until {until}."
        );
        let books = &self.settings.reach.logbooks;
        if let Err(error) = books.append(LogBook::System, now, "certificate", &said) {
            tracing::warn!(%error, "the log book could not be written");
        }
        self.say(Vec::new());
    }

    fn complain(&self, reason: &str, held: Option<&Identity>, since: Timestamp) {
        tracing::warn!(reason, "no certificate from the utility's authority yet");
        let until = held.map_or_else(
            || "The relay waits for it.".to_owned(),
            |held| format!("The present one holds until {}.", held.ends()),
        );
        self.say(vec![Notice {
            severity: Severity::Warning,
            code: NoticeCode::Other,
            meter: None,
            text: format!("The utility's authority gives no certificate: {reason}. {until}"),
            since,
        }]);
    }

    fn say(&self, notices: Vec<Notice>) {
        self.settings.bus.send(Event::Notices {
            source: "enrolment".to_owned(),
            notices,
        });
    }
}

/// The certificates of an answer, each in DER.
fn certificates(answer: &Answer) -> anyhow::Result<Vec<Vec<u8>>> {
    Ok(cms::certificates(&decoded(answer)?)?)
}

/// An answer's octets, which are in base64 whatever its headers say (RFC 8951, 3).
fn decoded(answer: &Answer) -> anyhow::Result<Vec<u8>> {
    ensure!(answer.body.len() <= LARGEST, "the answer is too long");
    let text: String = answer.text()?.split_ascii_whitespace().collect();
    of_base64(&text).context("the answer is not in base64")
}

/// A certificate must hold now and lead to what the authority calls its own.
fn verify(identity: &Identity, authorities: Vec<Vec<u8>>, now: Timestamp) -> anyhow::Result<()> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(authorities.into_iter().map(CertificateDer::from));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().context("what cacerts told")?;
    let (chain, _) = identity.for_tls();
    let (own, between) = chain.split_first().context("a certificate")?;
    let since = u64::try_from(now.as_second()).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(Duration::from_secs(since));
    verifier
        .verify_client_cert(own, between, at)
        .context("the certificate does not lead to the authority of cacerts")?;
    Ok(())
}

/// How long the server wants to be left alone.
fn retry_after(answer: &Answer) -> Duration {
    let header = answer.headers.get(header::RETRY_AFTER);
    let seconds = header.and_then(|text| text.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(300)).clamp(Duration::from_secs(1), LATER)
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    let wait = then.duration_since(now).max(SignedDuration::ZERO);
    wait.unsigned_abs().min(LOOK)
}
