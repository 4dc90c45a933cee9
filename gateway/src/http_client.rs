//! Requests over HTTP and HTTPS.
//!
//! Redirects are not followed: the configuration names the place. Whoever asks sets a limit to
//! how long it waits.

use std::sync::Arc;

use anyhow::Context;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsConnector;

use crate::bearer::bound;

/// Longest answer, in octets.
pub(crate) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Asks servers.
pub(crate) struct Client {
    tls: TlsConnector,
    interface: Option<String>,
}

/// An answer.
pub(crate) struct Answer {
    /// How it went.
    pub(crate) status: StatusCode,
    /// What is said of it.
    pub(crate) headers: HeaderMap,
    /// The answer itself.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The answer as text.
    pub(crate) fn text(&self) -> anyhow::Result<&str> {
        std::str::from_utf8(&self.body).context("the answer is no UTF-8")
    }
}

impl Client {
    /// A client with this kind of TLS.
    pub(crate) fn new(tls: rustls::ClientConfig) -> Self {
        Self {
            tls: TlsConnector::from(Arc::new(tls)),
            interface: None,
        }
    }

    /// The same through one interface.
    pub(crate) fn through(self, interface: Option<String>) -> Self {
        Self { interface, ..self }
    }

    /// Sends a request on a connection of its own and takes the whole answer.
    ///
    /// # Errors
    /// There is no connection, the other side is not who it should be, or the answer is none.
    pub(crate) async fn send(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut connection = self.connect(uri).await?;
        connection.send(method, path, headers, body).await
    }

    /// A connection to the server of an address.
    ///
    /// # Errors
    /// There is none, or the other side is not who it should be.
    pub(crate) async fn connect(&self, uri: &Uri) -> anyhow::Result<Connection> {
        let host = host_of(uri)?;
        let secure = is_secure(uri);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = bound::connect(self.interface.as_deref(), &host, port)
            .await
            .context("no connection")?;
        let authority = uri.authority().context("the address names no host")?;
        let authority = authority.as_str();
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let sender = if secure {
            let name = rustls::pki_types::ServerName::try_from(host).context("the host's name")?;
            let stream = self.tls.connect(name, stream).await.context("TLS")?;
            handshake(stream).await?
        } else {
            handshake(stream).await?
        };
        Ok(Connection {
            sender,
            authority: authority.parse()?,
        })
    }
}

/// A connection, for one request after another.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: HeaderValue,
}

impl Connection {
    /// Sends a request and takes the whole answer. After an error the connection is of no use.
    ///
    /// # Errors
    /// The connection is lost, or the answer is none.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse()?;
        *request.headers_mut() = headers;
        let known = request.headers_mut();
        known.insert(header::HOST, self.authority.clone());
        let agent = concat!("wattle/", env!("CARGO_PKG_VERSION"));
        known.insert(header::USER_AGENT, agent.parse()?);
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_BYTES).collect().await;
        let body = body
            .map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?
            .to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}

/// Whether a secret may be sent there: over TLS, or within this machine.
pub(crate) fn may_carry_secrets(uri: &Uri) -> bool {
    is_secure(uri) || host_of(uri).is_ok_and(|host| is_local(&host))
}

fn is_secure(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

fn host_of(uri: &Uri) -> anyhow::Result<String> {
    let host = uri.host().context("the address names no host")?;
    Ok(host.trim_matches(['[', ']']).to_owned())
}

fn is_local(host: &str) -> bool {
    let loopback = |ip: std::net::IpAddr| ip.is_loopback();
    host == "localhost" || host.parse().is_ok_and(loopback)
}

async fn handshake<S>(stream: S) -> anyhow::Result<SendRequest<Full<Bytes>>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the last answer's body, or when the sender is dropped.
    tokio::spawn(connection);
    Ok(sender)
}
