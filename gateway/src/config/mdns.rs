//! `[mdns]`: being found in the home's network, and finding others.

use serde::Deserialize;

/// `[mdns]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MdnsConfig {
    /// Whether the gateway says and listens.
    pub enabled: bool,
    /// The interfaces on which it does; all but those of containers, virtual machines and tunnels
    /// when left out.
    pub interfaces: Vec<String>,
    /// Port under which web page and API are reached with TLS, where another program stands before
    /// them; that of `[http] listen` when left out.
    pub port: Option<u16>,
}

impl Default for MdnsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            interfaces: Vec::new(),
            port: None,
        }
    }
}

impl MdnsConfig {
    pub(super) fn check(&self, found: &mut Vec<String>) {
        if self.port == Some(0) {
            found.push("mdns.port: 0 is not within 1 to 65535".to_owned());
        }
        for name in &self.interfaces {
            if !super::is_interface(name) {
                found.push(format!(
                    "mdns.interfaces: {name:?} is no name of an interface"
                ));
            }
        }
    }
}
