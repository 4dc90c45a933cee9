//! The certificate: the household's own, or one that the gateway makes for itself at its first
//! start and keeps. Its fingerprint is shown on the display, so that a browser's warning can be
//! checked.

use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::config::HttpConfig;

const CERTIFICATE: &str = "https.crt";
const KEY: &str = "https.key";

/// A certificate with its key.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// SHA-256 over the certificate.
    pub(super) fingerprint: String,
}

impl Identity {
    fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let name = || certificate.display().to_string();
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate)
            .with_context(name)?
            .collect();
        let chain = chain.with_context(name)?;
        let first = chain
            .first()
            .with_context(|| format!("{}: it holds no certificate", certificate.display()))?;
        let pairs: Vec<String> = Sha256::digest(first)
            .iter()
            .map(|octet| format!("{octet:02X}"))
            .collect();
        let fingerprint = pairs.join(":");
        let key = PrivateKeyDer::from_pem_file(key).with_context(|| key.display().to_string())?;
        Ok(Self {
            chain,
            key,
            fingerprint,
        })
    }

    /// A server that shows it.
    ///
    /// # Errors
    /// Key and certificate do not belong together.
    pub(super) fn server(&self) -> anyhow::Result<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .context("http.certificate and http.key")?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(server)
    }
}

/// The certificate to show.
///
/// # Errors
/// It cannot be read or made.
pub(super) fn identity(
    config: &HttpConfig,
    state_dir: &Path,
    id: &str,
) -> anyhow::Result<Identity> {
    if let (Some(certificate), Some(key)) = (&config.certificate, &config.key) {
        return Identity::read(certificate, key);
    }
    let (certificate, key) = (state_dir.join(CERTIFICATE), state_dir.join(KEY));
    if !certificate.exists() || !key.exists() {
        make(config, id, &certificate, &key).context("the certificate could not be made")?;
    }
    Identity::read(&certificate, &key)
}

/// Makes a certificate of fixed dates: a gateway whose clock is not set yet makes a good one too.
fn make(config: &HttpConfig, id: &str, certificate: &PathBuf, key: &PathBuf) -> anyhow::Result<()> {
    let mut names: Vec<String> = config.names.clone();
    names.extend(hostname());
    names.extend(hostname().map(|name| format!("{name}.local")));
    names.push(format!("wattle-{id}.local"));
    names.push("localhost".to_owned());
    names.dedup();
    let mut params = CertificateParams::new(names)?;
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2050, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("wattle {id}"));
    let pair = KeyPair::generate()?;
    let made = params.self_signed(&pair)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options
        .open(key)
        .with_context(|| key.display().to_string())?;
    file.write_all(pair.serialize_pem().as_bytes())?;
    file.sync_all()?;
    std::fs::write(certificate, made.pem()).with_context(|| certificate.display().to_string())
}

/// Name of this machine.
pub(super) fn hostname() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    (!name.is_empty() && name != "localhost" && name.chars().all(fits)).then_some(name)
}

/// IPv4 addresses of this machine in its networks.
pub(super) fn addresses() -> Vec<IpAddr> {
    let Ok(found) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?.as_sockaddr_in()?.ip();
        let own = !address.is_loopback() && !interface.interface_name.starts_with("docker");
        own.then_some(IpAddr::V4(address))
    };
    found.filter_map(address).take(4).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let config = HttpConfig::default();
        let first = identity(&config, folder.path(), "0a1b2c").unwrap();
        let again = identity(&config, folder.path(), "0a1b2c").unwrap();
        assert_eq!(first.fingerprint, again.fingerprint);
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
        assert!(first.server().is_ok());
        let mode = std::fs::metadata(folder.path().join(KEY)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }
}
