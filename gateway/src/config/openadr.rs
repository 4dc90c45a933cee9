//! `[openadr]`

use std::path::PathBuf;

use serde::Deserialize;

use super::{Secret, in_range};

/// The utility's event server (a VTN of OpenADR 3.1).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenadrConfig {
    /// Its address, the path in front of `/events` included; off while it is empty.
    pub vtn: String,
    /// Where tokens are had; asked of the VTN when left out.
    pub token_url: Option<String>,
    /// Who this home is there.
    pub client_id: String,
    /// Its secret: `file:/path` or `credential:name`.
    pub client_secret: Option<Secret>,
    /// Name of this home, as agreed with the utility.
    pub ven_name: String,
    /// Names of the programs to follow; all that the VTN shows when left out.
    pub programs: Vec<String>,
    /// Seconds between two looks, 10 to 3600.
    pub every_s: u32,
    /// PEM file of the authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for OpenadrConfig {
    fn default() -> Self {
        Self {
            vtn: String::new(),
            token_url: None,
            client_id: String::new(),
            client_secret: None,
            ven_name: "wattle".to_owned(),
            programs: Vec::new(),
            every_s: 60,
            ca_file: None,
        }
    }
}

impl OpenadrConfig {
    /// Whether there is a VTN.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.vtn.is_empty()
    }

    pub(super) fn check(&self, found: &mut Vec<String>) {
        if !self.is_on() {
            return;
        }
        for (key, address) in [
            ("vtn", Some(&self.vtn)),
            ("token_url", self.token_url.as_ref()),
        ] {
            let Some(address) = address else { continue };
            let uri = address.parse::<hyper::Uri>().ok();
            let is_web = |uri: &hyper::Uri| {
                uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"))
            };
            match uri.filter(is_web) {
                None => found.push(format!("openadr.{key}: it is no http or https address")),
                Some(uri) if !crate::http_client::may_carry_secrets(&uri) => found.push(format!(
                    "openadr.{key}: https is needed, since a secret is sent there"
                )),
                Some(_) => {}
            }
        }
        if self.vtn.contains(['?', '#']) {
            found.push("openadr.vtn: it ends in front of /events, without '?'".to_owned());
        }
        if self.client_id.is_empty() {
            found.push("openadr.client_id: the utility gives one".to_owned());
        }
        match self.client_secret.as_ref().map(Secret::reveal) {
            None => found.push("openadr.client_secret: the utility gives one".to_owned()),
            Some(Err(error)) => found.push(format!("openadr.client_secret: {error}")),
            Some(Ok(_)) => {}
        }
        if !(1..=128).contains(&self.ven_name.chars().count()) {
            found.push("openadr.ven_name: a name has 1 to 128 characters".to_owned());
        }
        in_range("openadr.every_s", self.every_s.into(), 10, 3600, found);
    }
}
