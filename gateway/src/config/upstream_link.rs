//! `upstream.link`: what carries the relay's messages, and where.

use std::str::FromStr;

use hyper::Uri;

/// Servers of one NATS cluster at most.
const SERVERS: usize = 16;

/// Where the relay's messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamLink {
    /// MQTT 5: `mqtts://host:port`, or `mqtt://host:port` within a trusted machine.
    Mqtt {
        /// Over TLS.
        tls: bool,
        /// The broker.
        host: String,
        /// Its port.
        port: u16,
    },
    /// HTTPS: `https://host[:port][/path]`, or `http://…`.
    Https(Uri),
    /// NATS JetStream: `tls://host:port`, or `nats://host:port`; more servers of the cluster behind
    /// commas.
    Nats {
        /// Over TLS.
        tls: bool,
        /// host:port of each.
        servers: Vec<String>,
    },
}

impl FromStr for UpstreamLink {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is none of mqtts://host:port, https://host/path, tls://host:port (NATS; \
                 the other servers behind commas), or the same without TLS: mqtt, http, nats"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        match scheme {
            "mqtts" | "mqtt" => {
                let (host, port) = place(rest).ok_or_else(wrong)?;
                Ok(Self::Mqtt {
                    tls: scheme == "mqtts",
                    host: host.to_owned(),
                    port,
                })
            }
            "https" | "http" => {
                let uri: Uri = text.parse().map_err(|_| wrong())?;
                let plain =
                    uri.query().is_none() && uri.host().is_some_and(|host| !host.is_empty());
                plain.then_some(Self::Https(uri)).ok_or_else(wrong)
            }
            "tls" | "nats" => {
                let prefix = format!("{scheme}://");
                let one = |server: &str| {
                    let server = server.strip_prefix(prefix.as_str()).unwrap_or(server);
                    place(server).map(|_| server.to_owned())
                };
                let servers: Option<Vec<String>> = rest.split(',').map(one).collect();
                let servers = servers.filter(|servers| servers.len() <= SERVERS);
                Ok(Self::Nats {
                    tls: scheme == "tls",
                    servers: servers.ok_or_else(wrong)?,
                })
            }
            _ => Err(wrong()),
        }
    }
}

impl UpstreamLink {
    /// Host and port of the first server.
    #[must_use]
    pub fn server(&self) -> Option<(String, u16)> {
        match self {
            Self::Mqtt { host, port, .. } => Some((host.clone(), *port)),
            Self::Https(uri) => {
                let port = if self.is_tls() { 443 } else { 80 };
                let host = uri.host()?.trim_matches(['[', ']']);
                Some((host.to_owned(), uri.port_u16().unwrap_or(port)))
            }
            Self::Nats { servers, .. } => {
                let (host, port) = place(servers.first()?)?;
                Some((host.to_owned(), port))
            }
        }
    }

    /// True over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Mqtt { tls, .. } | Self::Nats { tls, .. } => *tls,
            Self::Https(uri) => uri.scheme_str() == Some("https"),
        }
    }
}

fn place(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let legal = |c: char| !c.is_control() && !c.is_whitespace() && !"/@,".contains(c);
    (!host.is_empty() && host.chars().all(legal)).then_some((host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_from_their_scheme() {
        let read = |text: &str| text.parse::<UpstreamLink>();
        let mqtt = UpstreamLink::Mqtt {
            tls: true,
            host: "a.example".to_owned(),
            port: 8883,
        };
        assert_eq!(read("mqtts://a.example:8883"), Ok(mqtt));
        let server = |text: &str| read(text).unwrap().server().unwrap();
        assert_eq!(
            server("https://a.example/relay"),
            ("a.example".to_owned(), 443)
        );
        assert_eq!(server("http://[::1]:8080"), ("::1".to_owned(), 8080));
        assert_eq!(server("tls://a:4222,b:4222"), ("a".to_owned(), 4222));
        assert!(read("https://a.example/relay").unwrap().is_tls());
        assert!(!read("http://localhost:8080").unwrap().is_tls());
        let nats = UpstreamLink::Nats {
            tls: true,
            servers: vec![
                "a:4222".to_owned(),
                "b:4222".to_owned(),
                "[::1]:4223".to_owned(),
            ],
        };
        assert_eq!(read("tls://a:4222,b:4222,tls://[::1]:4223"), Ok(nats));
        for wrong in [
            "",
            "mqtts://a.example",
            "mqtts://:8883",
            "mqtts://a b:1",
            "ftp://a:1",
            "https://",
            "https://a/?b=c",
            "nats://a:4222,",
            "nats://a:70000",
            "mqtt://user@a:1",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
