//! Price documents over HTTP and HTTPS.
//!
//! Plain GET requests with the entity tag of the last answer, so that an unchanged document costs
//! a few hundred octets.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use jiff::{ToSpan, Zoned};

use crate::config::TariffConfig;
use crate::http_client::{Client, may_carry_secrets};
use crate::supervisor::Pulse;

/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fetches documents.
pub(super) struct Fetcher {
    client: Client,
    /// Value of the header `Authorization`.
    authorization: Option<HeaderValue>,
    /// Entity tags of the last answers by address.
    tags: HashMap<String, HeaderValue>,
}

/// What a round brought.
pub(super) struct Fetched {
    /// New documents.
    pub(super) documents: Vec<String>,
    /// Some address did not answer as it should.
    pub(super) failed: bool,
}

impl Fetcher {
    pub(super) fn new(config: &TariffConfig) -> anyhow::Result<Self> {
        let authorization = match &config.authorization {
            Some(secret) => {
                let text = secret.reveal().context("tariff.authorization")?;
                let mut value = HeaderValue::from_str(&text)
                    .context("tariff.authorization: it is no header")?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let tls = crate::tls::client(config.ca_file.as_deref()).context("tariff.ca_file")?;
        Ok(Self {
            client: Client::new(tls),
            authorization,
            tags: HashMap::new(),
        })
    }

    /// Asks every address once.
    pub(super) async fn fetch_all(
        &mut self,
        urls: &[String],
        today: &Zoned,
        pulse: &Pulse,
    ) -> Fetched {
        let mut fetched = Fetched {
            documents: Vec::new(),
            failed: false,
        };
        for url in urls {
            let mut beat = tokio::time::interval(Duration::from_secs(1));
            let asked = async {
                let url = filled(url, today)?;
                tokio::time::timeout(PATIENCE, self.get(&url))
                    .await
                    .context("no answer in time")?
            };
            tokio::pin!(asked);
            let answer = loop {
                tokio::select! {
                    answer = &mut asked => break answer,
                    _ = beat.tick() => pulse.beat(),
                }
            };
            match answer {
                Ok(document) => fetched.documents.extend(document),
                Err(error) => {
                    // The address may carry a key after its '?'.
                    let place = url.split('?').next().unwrap_or_default();
                    tracing::warn!(
                        place,
                        error = format!("{error:#}"),
                        "prices could not be fetched"
                    );
                    fetched.failed = true;
                }
            }
        }
        fetched
    }

    /// A document, or nothing when it has not changed or does not exist yet.
    async fn get(&mut self, url: &str) -> anyhow::Result<Option<String>> {
        let uri: Uri = url.parse().context("tariff.urls: it is no address")?;
        let mut headers = HeaderMap::new();
        let wanted = "application/json, application/xml, text/xml;q=0.9, */*;q=0.1";
        headers.insert(header::ACCEPT, HeaderValue::from_static(wanted));
        if let Some(tag) = self.tags.get(url) {
            headers.insert(header::IF_NONE_MATCH, tag.clone());
        }
        if let Some(value) = &self.authorization {
            ensure!(
                may_carry_secrets(&uri),
                "tariff.authorization is sent over https only"
            );
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        let answer = self
            .client
            .send(Method::GET, &uri, headers, Bytes::new())
            .await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT => return Ok(None),
            // Tomorrow's prices are asked for before they are there.
            StatusCode::NOT_FOUND => return Ok(None),
            other => bail!("the answer was {other}"),
        }
        let text = answer.text()?.to_owned();
        if let Some(tag) = answer.headers.get(header::ETAG) {
            self.tags.insert(url.to_owned(), tag.clone());
        }
        Ok(Some(text))
    }
}

/// Fills `{today:FORMAT}` and `{tomorrow:FORMAT}` with the home's dates; the format is strftime's.
pub(super) fn filled(url: &str, today: &Zoned) -> anyhow::Result<String> {
    let mut out = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, next) = after
            .split_once('}')
            .context("tariff.urls: a { is not closed")?;
        let (day, format) = name.split_once(':').unwrap_or((name, "%Y-%m-%d"));
        let date = match day {
            "today" => today.clone(),
            "tomorrow" => today.checked_add(1.day())?,
            other => {
                bail!("tariff.urls: {{{other}}} is not known; there are {{today}} and {{tomorrow}}")
            }
        };
        out.push_str(
            &jiff::fmt::strtime::format(format, &date)
                .context("tariff.urls: the format of a date")?,
        );
        rest = next;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn dates_in_addresses() {
        let today: Zoned = "2026-12-31T23:30:00+01:00[Europe/Berlin]".parse().unwrap();
        let url = filled("https://x/?a={today}&b={tomorrow:%Y%m%d}0000", &today).unwrap();
        assert_eq!(url, "https://x/?a=2026-12-31&b=202701010000");
        assert!(
            filled("https://x/{yesterday}", &today).is_err()
                && filled("https://x/{today", &today).is_err()
        );
    }

    /// A server that answers once per given answer and returns what it was asked.
    async fn server(answers: Vec<&'static str>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/p?x=1", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                asked.push(String::from_utf8_lossy(&request[..length]).to_ascii_lowercase());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (url, asked)
    }

    #[tokio::test]
    async fn an_unchanged_document_is_not_sent_again() {
        let (url, asked) = server(vec![
            "HTTP/1.1 200 OK\r\nETag: \"7\"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
            "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 301 Moved\r\nLocation: /q\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "nonsense\r\n\r\n",
        ])
        .await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "Bearer abc").unwrap();
        let config = TariffConfig {
            authorization: Some(
                format!("file:{}", file.path().display())
                    .try_into()
                    .unwrap(),
            ),
            ..TariffConfig::default()
        };
        let mut fetcher = Fetcher::new(&config).unwrap();
        assert_eq!(fetcher.get(&url).await.unwrap().as_deref(), Some("{}"));
        assert_eq!(fetcher.get(&url).await.unwrap(), None);
        assert_eq!(fetcher.get(&url).await.unwrap(), None);
        for _ in 0..3 {
            assert!(fetcher.get(&url).await.is_err());
        }
        let asked = asked.await.unwrap();
        assert!(
            asked[0].starts_with("get /p?x=1 http/1.1")
                && asked[0].contains("authorization: bearer abc")
        );
        assert!(asked[1].contains("if-none-match: \"7\""));
        assert!(fetcher.get("http://192.0.2.1.example/").await.is_err());
    }
}
