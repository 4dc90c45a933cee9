//! TLS towards others: rustls with ring, authorities from a file or the system's list.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// Where Debian keeps the authorities it trusts.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A client that trusts the authorities of `ca_file`, or the system's. A list that is not there is
/// no error until a connection needs it, unless it was asked for.
///
/// # Errors
/// `ca_file` cannot be read or holds no usable certificate.
pub(crate) fn client(ca_file: Option<&Path>) -> anyhow::Result<rustls::ClientConfig> {
    let path = ca_file.map_or_else(|| PathBuf::from(SYSTEM), Path::to_path_buf);
    let mut roots = rustls::RootCertStore::empty();
    if ca_file.is_some() || path.exists() {
        let pem =
            CertificateDer::pem_file_iter(&path).with_context(|| path.display().to_string())?;
        for certificate in pem {
            let certificate = certificate.with_context(|| path.display().to_string())?;
            // An authority of the system's list that rustls cannot use is no reason to do without the others.
            if let Err(error) = roots.add(certificate) {
                tracing::debug!(%error, "an authority is not used");
            }
        }
        ensure!(
            !roots.is_empty() || ca_file.is_none(),
            "{}: it holds no usable certificate",
            path.display()
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
