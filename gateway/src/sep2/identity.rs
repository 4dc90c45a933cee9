//! Who this device is (IEEE 2030.5-2018, clause 6.3): its certificate, and the identifiers made of it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::config::{Secret, Sep2Config};

/// A device's certificate and identifiers.
pub(super) struct Identity {
    /// Long form: 40 hex digits, upper case.
    pub(super) lfdi: String,
    /// Short form: decimal, its last digit a check; printed for the utility to register.
    pub(super) sfdi: String,
}

/// The device, and TLS as it.
pub(super) fn load(config: &Sep2Config) -> anyhow::Result<(Identity, rustls::ClientConfig)> {
    let file = |path: &Path, key: &'static str| {
        let named = format!("{key}: {}", path.display());
        let certificates = CertificateDer::pem_file_iter(path).context(named.clone())?;
        let all: Vec<_> = certificates.collect::<Result<_, _>>().context(named)?;
        anyhow::Ok(all)
    };
    let chain = file(&config.certificate, "sep2.certificate")?;
    let own = chain
        .first()
        .context("sep2.certificate: the file has none")?;
    let identity = identity(own);
    let mut roots = rustls::RootCertStore::empty();
    for authority in file(&config.ca_file, "sep2.ca_file")? {
        roots.add(authority).context("sep2.ca_file")?;
    }
    ensure!(!roots.is_empty(), "sep2.ca_file: it holds no certificate");
    let key = config.key.as_ref().map(Secret::reveal).transpose();
    let key = key.context("sep2.key")?.context("sep2.key is missing")?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| anyhow::anyhow!("sep2.key: it is no private key in PEM"))?;
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(super::ccm::provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .context("sep2.certificate and sep2.key do not belong together")?;
    Ok((identity, tls))
}

fn identity(certificate: &[u8]) -> Identity {
    from_fingerprint(&Sha256::digest(certificate).into())
}

fn from_fingerprint(fingerprint: &[u8; 32]) -> Identity {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02X}")).collect();
    let lfdi: String = hex(fingerprint.get(..20).unwrap_or_default());
    // The first 36 bits as a number.
    let first = fingerprint.first_chunk::<8>().copied().unwrap_or_default();
    let number = u64::from_be_bytes(first) >> 28;
    let digits = number.to_string();
    let sum: u32 = digits.bytes().map(|digit| u32::from(digit - b'0')).sum();
    let check = (10 - sum % 10) % 10;
    Identity {
        lfdi,
        sfdi: format!("{digits}{check}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of IEEE 2030.5-2018, clauses 6.3.3 and 6.3.4.
    #[test]
    fn the_standards_example() {
        let text = "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5349E2AD745672ED145EE213A";
        let octets = meter_link::key::octets(text).unwrap();
        let identity = from_fingerprint(&octets.try_into().unwrap());
        assert_eq!(identity.lfdi, "3E4F45AB31EDFE5B67E343E5E4562E31984E23E5");
        assert_eq!(identity.sfdi, "167261211391");
    }
}
