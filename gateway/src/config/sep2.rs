//! `[sep2]`

use std::path::PathBuf;

use serde::Deserialize;

use super::{Secret, in_range};

/// The utility's server of IEEE 2030.5.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sep2Config {
    /// Its address, `https://host:port`; off while it is empty.
    pub server: String,
    /// Where its resources begin.
    pub device_capability: String,
    /// PEM file of the authorities that may have signed the server's certificate.
    pub ca_file: PathBuf,
    /// PEM file of this device's certificate and those that signed it.
    pub certificate: PathBuf,
    /// Its private key in PEM: `file:/path` or `credential:name`.
    pub key: Option<Secret>,
    /// Seconds between two looks, 10 to 3600.
    pub every_s: u32,
}

impl Default for Sep2Config {
    fn default() -> Self {
        Self {
            server: String::new(),
            device_capability: "/dcap".to_owned(),
            ca_file: PathBuf::new(),
            certificate: PathBuf::new(),
            key: None,
            every_s: 300,
        }
    }
}

impl Sep2Config {
    /// Whether there is a server.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.server.is_empty()
    }

    pub(super) fn check(&self, found: &mut Vec<String>) {
        if !self.is_on() {
            return;
        }
        let uri = self.server.parse::<hyper::Uri>().ok();
        let plain = |uri: &hyper::Uri| {
            uri.scheme_str() == Some("https")
                && matches!(uri.path(), "" | "/")
                && uri.host().is_some()
        };
        if !uri.as_ref().is_some_and(plain) {
            found.push("sep2.server: it is https://host:port and no more".to_owned());
        }
        if !self.device_capability.starts_with('/') {
            found.push("sep2.device_capability: a path begins with '/'".to_owned());
        }
        for (key, path) in [
            ("ca_file", &self.ca_file),
            ("certificate", &self.certificate),
        ] {
            if path.as_os_str().is_empty() {
                found.push(format!("sep2.{key}: a file is needed"));
            }
        }
        match self.key.as_ref().map(Secret::reveal) {
            None => found.push("sep2.key: the private key of the certificate is needed".to_owned()),
            Some(Err(error)) => found.push(format!("sep2.key: {error}")),
            Some(Ok(_)) => {}
        }
        in_range("sep2.every_s", self.every_s.into(), 10, 3600, found);
    }
}
