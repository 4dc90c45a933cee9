//! `[http]`: the web page and the API on the network.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// `[http]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port to listen on with TLS, such as `[::]:8443`; off when left out.
    pub listen: Option<SocketAddr>,
    /// PEM file of a certificate and its chain; the gateway makes one for itself when left out.
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
    /// Further names under which the gateway is reached; they stand in its own certificate.
    pub names: Vec<String>,
    /// Serve peers outside private networks as well.
    pub anywhere: bool,
}

impl HttpConfig {
    /// The port under which neighbours reach web page and API; `None` when they do not.
    #[must_use]
    pub fn reached_at(&self) -> Option<u16> {
        let listen = self.listen.filter(|listen| !listen.ip().is_loopback())?;
        Some(listen.port()).filter(|port| *port != 0)
    }

    pub(super) fn check(&self, found: &mut Vec<String>) {
        if self.certificate.is_some() != self.key.is_some() {
            found.push("http: certificate and key belong together".to_owned());
        }
        let legal = |name: &String| {
            (1..=253).contains(&name.len())
                && name
                    .bytes()
                    .all(|letter| letter.is_ascii_alphanumeric() || b"-.".contains(&letter))
        };
        if !self.names.iter().all(legal) {
            found.push("http.names: a name is made of letters, digits, - and .".to_owned());
        }
        let files = [("certificate", &self.certificate), ("key", &self.key)];
        for (key, file) in files {
            if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
                found.push(format!("http.{key}: {} is no file", file.display()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_told_a_port_only_where_they_reach_it() {
        for (listen, port) in [
            (None, None),
            (Some("[::]:8443"), Some(8443)),
            (Some("192.168.1.5:443"), Some(443)),
            (Some("127.0.0.1:8443"), None),
            (Some("[::1]:8443"), None),
            (Some("0.0.0.0:0"), None),
        ] {
            let config = HttpConfig {
                listen: listen.map(|listen| listen.parse().unwrap()),
                ..HttpConfig::default()
            };
            assert_eq!(config.reached_at(), port, "{listen:?}");
        }
    }
}
