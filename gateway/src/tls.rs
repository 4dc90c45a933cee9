//! TLS towards others: rustls with ring, authorities from a file or the system's list.

mod named;
#[cfg(test)]
pub(crate) mod openssl;
pub(crate) mod reason;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::client::{Resumption, WantsClientCert, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};

use crate::config::Secret;

/// Where Debian keeps the authorities it trusts.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A client that trusts the authorities of `ca_file`, or the system's. A list that is not there is
/// no error until a connection needs it, unless it was asked for.
///
/// # Errors
/// `ca_file` cannot be read or holds no usable certificate.
pub(crate) fn client(ca_file: Option<&Path>) -> anyhow::Result<rustls::ClientConfig> {
    Ok(trusting(ca_file)?.with_no_client_auth())
}

/// The same, and it notes when a server asks for a certificate.
///
/// # Errors
/// As above.
pub(crate) fn client_that_watches(
    ca_file: Option<&Path>,
    asked: &reason::Asked,
) -> anyhow::Result<rustls::ClientConfig> {
    Ok(asked.watching(trusting(ca_file)?))
}

/// The same, and it shows who it is: a certificate, with those between it and its authority, and
/// the private key to it, both in PEM.
///
/// # Errors
/// As above, or the certificate or the key cannot be read, or they do not belong together.
pub(crate) fn client_with_certificate(
    ca_file: Option<&Path>,
    certificate: &Path,
    key: &Secret,
) -> anyhow::Result<rustls::ClientConfig> {
    let place = || certificate.display().to_string();
    let chain = CertificateDer::pem_file_iter(certificate).with_context(place)?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().with_context(place)?;
    ensure!(!chain.is_empty(), "{}: it holds no certificate", place());
    let key = key.reveal()?;
    // What the parser says of a key may repeat it.
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| anyhow::anyhow!("the private key is none in PEM"))?;
    client_that_shows(ca_file, chain, key)
}

/// The same with a certificate, those between it and its authority, and its key.
///
/// # Errors
/// As above.
pub(crate) fn client_that_shows(
    ca_file: Option<&Path>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> anyhow::Result<rustls::ClientConfig> {
    Ok(trusting(ca_file)?.with_client_auth_cert(chain, key)?)
}

fn trusting(
    ca_file: Option<&Path>,
) -> anyhow::Result<rustls::ConfigBuilder<rustls::ClientConfig, WantsClientCert>> {
    let roots = roots(ca_file)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots))
}

/// The authorities of `ca_file`, or the system's.
///
/// # Errors
/// `ca_file` cannot be read or holds no usable certificate.
pub(crate) fn roots(ca_file: Option<&Path>) -> anyhow::Result<rustls::RootCertStore> {
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
    Ok(roots)
}

/// A client whose server must show a certificate for `host`, whatever address is called: that of a
/// door to it. Each connection is verified anew, since a session's key would be filed under the
/// door's address.
///
/// # Errors
/// There is no authority to trust.
pub(crate) fn for_host(
    mut config: rustls::ClientConfig,
    roots: &Arc<rustls::RootCertStore>,
    host: &ServerName<'static>,
) -> anyhow::Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider);
    let verifier = named::Named::new(host.clone(), builder.build()?);
    config
        .dangerous()
        .set_certificate_verifier(Arc::new(verifier));
    config.resumption = Resumption::disabled();
    Ok(config)
}
