//! `[dlms_server]`: somebody else's DLMS client reads this gateway.

use std::net::SocketAddr;

use anyhow::Context;
use meter_link::dlms::security::parse_title;
use meter_link::dlms::server::ServerConfig;
use meter_link::key::Key;
use serde::Deserialize;

use super::served::check_served;
use super::{MeterConfig, Secret};

/// Who may read this gateway as a DLMS meter, over the wrapper on TCP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DlmsServerConfig {
    /// Address and port on which it listens, for peers of private networks alone: `0.0.0.0:4059`.
    pub listen: SocketAddr,
    /// Our system title, 16 hex digits.
    pub system_title: String,
    /// That of the client; any when left out.
    pub client_title: Option<String>,
    /// The client's number, 1 to 127.
    #[serde(default = "management")]
    pub client: u8,
    /// Encryption key in hex, 16 octets (suite 0) or 32 (suite 2): `file:/path` or `credential:name`.
    pub encryption_key: Secret,
    /// Authentication key of the same length.
    pub authentication_key: Secret,
    /// The meters that may be read, by name; each is a logical device, from 16 on.
    pub meters: Vec<String>,
    /// When and by whom the household agreed.
    pub consent: String,
}

const fn management() -> u8 {
    1
}

impl DlmsServerConfig {
    /// What the session needs.
    ///
    /// # Errors
    /// A key or a title is none; keys are not repeated.
    pub fn server(&self) -> anyhow::Result<ServerConfig> {
        let key = |name: &'static str, secret: &Secret| {
            let text = secret.reveal().context(name)?;
            Key::from_hex(&text).context(name)
        };
        let title = |name: &str, text: &str| {
            parse_title(text).with_context(|| format!("{name} has 16 hex digits"))
        };
        let encryption = key("encryption_key", &self.encryption_key)?;
        let authentication = key("authentication_key", &self.authentication_key)?;
        anyhow::ensure!(
            encryption.octets().len() == authentication.octets().len(),
            "both keys have the same length"
        );
        let client = self.client_title.as_deref();
        Ok(ServerConfig {
            title: title("system_title", &self.system_title)?,
            client_title: client.map(|text| title("client_title", text)).transpose()?,
            client: self.client.into(),
            encryption,
            authentication,
        })
    }

    pub(super) fn check(&self, meters: &[MeterConfig], found: &mut Vec<String>) {
        if let Err(error) = self.server() {
            found.push(format!("dlms_server: {error:#}"));
        }
        if !(1..=127).contains(&self.client) || self.client == 16 {
            found.push("dlms_server.client: 1 to 127, and not the public client 16".to_owned());
        }
        let names: Vec<&String> = self.meters.iter().collect();
        check_served(
            "dlms_server",
            "meters",
            &names,
            &self.consent,
            meters,
            found,
        );
    }
}
