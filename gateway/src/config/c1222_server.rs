//! `[c1222_server]`: somebody else's C12.22 client reads this gateway.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Context;
use meter_link::c12::net::ApTitle;
use meter_link::c12::net::host::HostConfig;
use meter_link::key::Key;
use serde::Deserialize;

use super::served::check_served;
use super::{MeterConfig, Secret};

/// Who may read this gateway as C12.22 devices, over TCP and UDP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct C1222ServerConfig {
    /// Address and port on which it listens, for peers of private networks alone: `0.0.0.0:1153`.
    pub listen: SocketAddr,
    /// The meters that may be read, each with the application title that the utility gave it.
    pub titles: BTreeMap<String, String>,
    /// The client's title; any when left out.
    pub client: Option<String>,
    /// Number of the key.
    #[serde(default)]
    pub key_id: u8,
    /// The key of EAX' in hex, 16 octets: `file:/path` or `credential:name`.
    pub key: Secret,
    /// When and by whom the household agreed.
    pub consent: String,
}

impl C1222ServerConfig {
    /// What the host needs.
    ///
    /// # Errors
    /// The key or a title is none; keys are not repeated.
    pub fn host(&self) -> anyhow::Result<HostConfig> {
        let title = |text: &String| {
            let parsed = text.parse::<ApTitle>();
            parsed.with_context(|| format!("title {text:?}"))
        };
        let titles: Vec<ApTitle> = self.titles.values().map(title).collect::<Result<_, _>>()?;
        for (place, one) in titles.iter().enumerate() {
            let twice = titles
                .iter()
                .skip(place + 1)
                .any(|other| other.is_same(one));
            anyhow::ensure!(!twice, "titles: {one} is that of two meters");
        }
        let key = Key::from_hex(&self.key.reveal().context("key")?).context("key")?;
        anyhow::ensure!(key.octets().len() == 16, "key: a key of EAX' has 16 octets");
        Ok(HostConfig {
            titles,
            client: self.client.as_ref().map(title).transpose()?,
            key_id: self.key_id,
            key,
        })
    }

    pub(super) fn check(&self, meters: &[MeterConfig], found: &mut Vec<String>) {
        if let Err(error) = self.host() {
            found.push(format!("c1222_server: {error:#}"));
        }
        let names: Vec<&String> = self.titles.keys().collect();
        check_served(
            "c1222_server",
            "titles",
            &names,
            &self.consent,
            meters,
            found,
        );
    }
}
