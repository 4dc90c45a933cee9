//! Requests to a server of IEEE 2030.5: resources in XML, lists page by page (clause 5.3).

use std::time::Duration;

use anyhow::{Context, ensure};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use wattle_billing::grid::sep2;
use wattle_billing::xml::Element;

use crate::http_client::{Answer, Client};

/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Members of a page.
const PAGE: usize = 50;
/// Pages of a list.
const MAX_PAGES: usize = 20;
const KIND: HeaderValue = HeaderValue::from_static("application/sep+xml");

/// A server.
pub(super) struct Server {
    client: Client,
    /// `https://host:port`
    origin: String,
}

impl Server {
    pub(super) fn new(address: &str, tls: rustls::ClientConfig) -> anyhow::Result<Self> {
        let uri: Uri = address.parse().context("sep2.server: it is no address")?;
        let authority = uri.authority().context("sep2.server: it names no host")?;
        Ok(Self {
            client: Client::new(tls),
            origin: format!("https://{authority}"),
        })
    }

    /// A resource of this name.
    pub(super) async fn get(&self, path: &str, name: &str) -> anyhow::Result<Element> {
        let answer = self.ask(Method::GET, path, Bytes::new()).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "{path}: the server answered {}",
            answer.status
        );
        let root = sep2::read(answer.text()?).with_context(|| path.to_owned())?;
        ensure!(
            root.name == name,
            "{path}: {} came, and not {name}",
            root.name
        );
        Ok(root)
    }

    /// The members of a list; `name` is that of the list.
    pub(super) async fn list(&self, path: &str, name: &str) -> anyhow::Result<Vec<Element>> {
        let and = if path.contains('?') { '&' } else { '?' };
        let member = name.strip_suffix("List").unwrap_or(name);
        let mut found: Vec<Element> = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = format!("{path}{and}s={}&l={PAGE}", found.len());
            let mut list = self.get(&page, name).await?;
            let all: usize = list
                .attribute("all")
                .and_then(|all| all.parse().ok())
                .unwrap_or(0);
            list.children.retain(|child| child.name == member);
            let came = list.children.len();
            found.append(&mut list.children);
            if came == 0 || found.len() >= all {
                break;
            }
        }
        Ok(found)
    }

    /// Sends a resource to where such are collected.
    pub(super) async fn post(&self, path: &str, xml: String) -> anyhow::Result<()> {
        let answer = self.ask(Method::POST, path, Bytes::from(xml)).await?;
        ensure!(
            answer.status.is_success(),
            "{path}: the server answered {}",
            answer.status
        );
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        // A link to elsewhere would send this device's certificate there.
        let path = path.strip_prefix(self.origin.as_str()).unwrap_or(path);
        ensure!(
            path.starts_with('/') && !path.starts_with("//"),
            "a link leads to another server"
        );
        let uri: Uri = format!("{}{path}", self.origin).parse().context("a link")?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, KIND);
        if method != Method::GET {
            headers.insert(header::CONTENT_TYPE, KIND);
        }
        tokio::time::timeout(PATIENCE, self.client.send(method, &uri, headers, body))
            .await
            .context("no answer in time")?
    }
}
