//! Why TLS failed, in the words of somebody who can mend it.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ConfigBuilder, SignatureScheme};
use rustls::{ClientConfig, client::WantsClientCert};

/// Whether a server has asked for a certificate that we do not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    /// A client without a certificate, which notes when it is asked for one.
    pub(super) fn watching(
        &self,
        config: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> ClientConfig {
        config.with_client_cert_resolver(Arc::new(self.clone()))
    }

    fn was(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// What is wrong and what to do about it; `None` when it is not TLS that failed.
pub(crate) fn reason(error: &(dyn Error + 'static), asked: &Asked) -> Option<String> {
    let mut causes = std::iter::successors(Some(error), |error| cause(*error));
    let tls = causes.find_map(|cause| cause.downcast_ref::<rustls::Error>());
    if asked.was() && (tls.is_none_or(is_alert)) {
        return Some("the server wants a certificate of ours: set certificate and key".to_owned());
    }
    tls.map(explain)
}

/// What lies behind an error; an [`io::Error`] names what is within it, not what is behind that.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}

const fn is_alert(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::AlertReceived(_))
}

fn explain(error: &rustls::Error) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(why) => certificate(why),
        Tls::AlertReceived(AlertDescription::ProtocolVersion) | Tls::PeerIncompatible(_) => {
            format!("the server offers neither TLS 1.2 nor 1.3 with what we demand ({error}): older versions are refused")
        }
        Tls::AlertReceived(AlertDescription::HandshakeFailure) => {
            "the server accepts no cipher suite of ours: it must offer ECDHE with AES-GCM or ChaCha20-Poly1305".to_owned()
        }
        Tls::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a certificate of ours: set certificate and key".to_owned()
        }
        Tls::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied),
        ) => format!("the server does not accept our certificate ({alert:?}): see certificate and key"),
        other => format!("TLS failed: {other}"),
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => "the server's certificate (UnknownIssuer) is not signed by an authority of ca_file: it is another server, or ca_file is another's".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the server's certificate is for another host: {why}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the server's certificate has expired, or this clock is wrong: {why}")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the server's certificate is not valid yet, or this clock is wrong: {why}")
        }
        CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
        other => format!("the server's certificate cannot be used: {other}"),
    }
}
