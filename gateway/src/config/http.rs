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
