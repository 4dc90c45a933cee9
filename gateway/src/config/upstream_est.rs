//! `[upstream.est]`: the authority that certifies the device's key.

use std::path::PathBuf;

use hyper::Uri;
use serde::Deserialize;

use super::Secret;

/// A server of enrolment over secure transport (RFC 7030). Its certificates take the place of
/// `upstream.certificate` and `upstream.key`; where those are there too, they are shown at the first
/// enrolment alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstConfig {
    /// Its address, `/.well-known/est` and a label included.
    pub url: String,
    /// PEM file of the authorities to trust with it; `upstream.ca_file` when left out.
    pub ca_file: Option<PathBuf>,
    /// Who this device is at the first enrolment, where it has no certificate to show.
    pub user: Option<String>,
    /// Its password: `file:/path` or `credential:name`.
    pub password: Option<Secret>,
}

impl EstConfig {
    pub(super) fn check(&self, found: &mut Vec<String>) {
        let at = "upstream.est";
        let uri = self.url.parse::<Uri>().ok();
        let secure = |uri: &Uri| uri.scheme_str() == Some("https") && uri.host().is_some();
        if !uri.as_ref().is_some_and(secure) {
            found.push(format!(
                "{at}.url: an https address such as https://ra.example/.well-known/est"
            ));
        }
        if self.user.is_some() != self.password.is_some() {
            found.push(format!("{at}: user and password go together"));
        }
        let colon = |user: &String| user.contains(':');
        if self.user.as_ref().is_some_and(colon) {
            found.push(format!("{at}.user: a name has no colon here (RFC 7617)"));
        }
    }
}
