//! Requests to a VTN (OpenADR 3.1, OpenAPI document): a token of OAuth 2 (RFC 6749, clause 4.4),
//! objects page by page.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::config::OpenadrConfig;
use crate::http_client::{Answer, Client, may_carry_secrets};

/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Objects of a page.
const PAGE: usize = 50;
/// Pages that are asked for.
const MAX_PAGES: usize = 40;
/// A token is renewed so long before it ends.
const EARLY: Duration = Duration::from_secs(30);

/// A VTN and what it takes to be let in.
pub(super) struct Vtn {
    client: Client,
    config: OpenadrConfig,
    token: Option<(HeaderValue, Instant)>,
}

impl Vtn {
    pub(super) fn new(config: &OpenadrConfig) -> anyhow::Result<Self> {
        let tls = crate::tls::client(config.ca_file.as_deref()).context("openadr.ca_file")?;
        Ok(Self {
            client: Client::new(tls),
            config: config.clone(),
            token: None,
        })
    }

    /// Every object of a list, as it was sent. `query` is the part behind '?', without a page.
    pub(super) async fn list(&mut self, path: &str, query: &str) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for page in 0..MAX_PAGES {
            let and = if query.is_empty() { "" } else { "&" };
            let skip = page * PAGE;
            let place = format!("{path}?{query}{and}skip={skip}&limit={PAGE}");
            let answer = self.call(Method::GET, &place, None).await?;
            ensure!(
                answer.status == StatusCode::OK,
                "{path}: the VTN answered {}",
                answer.status
            );
            let objects: Vec<Box<RawValue>> =
                serde_json::from_str(answer.text()?).with_context(|| path.to_owned())?;
            let last = objects.len() < PAGE;
            found.extend(objects.iter().map(|object| object.get().to_owned()));
            if last {
                return Ok(found);
            }
        }
        bail!("{path}: the VTN has more than {} objects", MAX_PAGES * PAGE)
    }

    /// Sends an object.
    pub(super) async fn write(
        &mut self,
        method: Method,
        path: &str,
        object: String,
    ) -> anyhow::Result<()> {
        let answer = self.call(method, path, Some(object)).await?;
        ensure!(
            answer.status.is_success(),
            "{path}: the VTN answered {}{}",
            answer.status,
            problem(&answer)
        );
        Ok(())
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> anyhow::Result<Answer> {
        let address = format!("{}{path}", self.base());
        let uri: Uri = address.parse().context("openadr.vtn: it is no address")?;
        for renewed in [false, true] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, self.token(renewed).await?);
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            if body.is_some() {
                let json = HeaderValue::from_static("application/json");
                headers.insert(header::CONTENT_TYPE, json);
            }
            let body = Bytes::from(body.clone().unwrap_or_default());
            let answer = self.ask(method.clone(), &uri, headers, body).await?;
            if answer.status != StatusCode::UNAUTHORIZED || renewed {
                return Ok(answer);
            }
        }
        bail!("the VTN does not take its own token")
    }

    fn base(&self) -> &str {
        self.config.vtn.trim_end_matches('/')
    }

    async fn token(&mut self, anew: bool) -> anyhow::Result<HeaderValue> {
        #[derive(Deserialize)]
        struct Token {
            access_token: String,
            expires_in: Option<u64>,
        }
        if let Some((token, until)) = self.token.as_ref().filter(|_| !anew)
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let address = match &self.config.token_url {
            Some(address) => address.clone(),
            None => self.token_url().await?,
        };
        let uri: Uri = address.parse().context("the token's address")?;
        ensure!(
            may_carry_secrets(&uri),
            "the client secret is sent over https only"
        );
        let secret = self
            .config
            .client_secret
            .as_ref()
            .context("openadr.client_secret is missing")?
            .reveal()
            .context("openadr.client_secret")?;
        let form = Zeroizing::new(format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            encoded(&self.config.client_id).as_str(),
            encoded(&secret).as_str()
        ));
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let body = Bytes::copy_from_slice(form.as_bytes());
        let answer = self.ask(Method::POST, &uri, headers, body).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "the VTN gave no token ({}): check openadr.client_id and client_secret",
            answer.status
        );
        // What is wrong with the answer is not told: it may hold a token.
        let token: Token = serde_json::from_slice(&answer.body)
            .map_err(|_| anyhow::anyhow!("the answer of the token's address is no token"))?;
        let access = Zeroizing::new(token.access_token);
        let text = Zeroizing::new(format!("Bearer {}", access.as_str()));
        let mut value =
            HeaderValue::from_str(&text).map_err(|_| anyhow::anyhow!("the token is no header"))?;
        value.set_sensitive(true);
        let lasts = Duration::from_secs(token.expires_in.unwrap_or(300).clamp(60, 86_400));
        self.token = Some((value.clone(), Instant::now() + lasts - EARLY));
        Ok(value)
    }

    /// Where tokens are had, as the VTN says.
    async fn token_url(&self) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Server {
            #[serde(rename = "tokenURL")]
            token_url: String,
        }
        let uri: Uri = format!("{}/auth/server", self.base())
            .parse()
            .context("openadr.vtn: it is no address")?;
        // Whoever can answer here in place of the VTN could have the secret sent to himself.
        ensure!(
            may_carry_secrets(&uri),
            "openadr.vtn: https is needed, or openadr.token_url"
        );
        let answer = self
            .ask(Method::GET, &uri, HeaderMap::new(), Bytes::new())
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(format!("{}/auth/token", self.base()));
        }
        ensure!(
            answer.status == StatusCode::OK,
            "auth/server: the VTN answered {}",
            answer.status
        );
        let server: Server = serde_json::from_str(answer.text()?).context("auth/server")?;
        Ok(server.token_url)
    }

    async fn ask(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        tokio::time::timeout(PATIENCE, self.client.send(method, uri, headers, body))
            .await
            .context("no answer in time")?
    }
}

/// What the VTN says is wrong (RFC 9457), shortened.
fn problem(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Problem {
        detail: Option<String>,
    }
    let detail = serde_json::from_slice::<Problem>(&answer.body)
        .ok()
        .and_then(|problem| problem.detail);
    let shown = |text: String| text.chars().filter(|c| !c.is_control()).take(200).collect();
    detail.map_or_else(String::new, |text| {
        let text: String = shown(text);
        format!(": {text}")
    })
}

/// A value of a form or a query (RFC 3986, clause 2.3).
pub(super) fn encoded(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
