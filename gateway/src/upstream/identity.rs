//! The certificate that the utility's authority has issued for the device's own key.

use anyhow::{Context, ensure};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use wattle_relay::{Certificate, PrivateKey, names_of, to_pem};
use zeroize::Zeroizing;

/// A certificate for the device's key, and what lies between it and its authority.
#[derive(Clone)]
pub(super) struct Identity {
    certificate: Certificate,
    /// The device's own first.
    chain: Vec<CertificateDer<'static>>,
    key: Zeroizing<Vec<u8>>,
    begins: Timestamp,
    ends: Timestamp,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.certificate.subject())
    }
}

impl Identity {
    /// The one among certificates, each in DER, that is the key's; the others go with it.
    ///
    /// # Errors
    /// None of them is the key's.
    pub(super) fn of(mut all: Vec<Vec<u8>>, key: &PrivateKey) -> anyhow::Result<Self> {
        let own = |der: &Vec<u8>| {
            let read = Certificate::read(der).ok();
            read.filter(|read| read.public() == key.public())
        };
        let place = all.iter().position(|der| own(der).is_some());
        let place = place.context("no certificate among them is for this device's key")?;
        let first = all.remove(place);
        let certificate = Certificate::read(&first)?;
        let (begins, ends) = (
            instant(certificate.not_before())?,
            instant(certificate.not_after())?,
        );
        ensure!(begins < ends, "its validity ends before it begins");
        let chain = std::iter::once(first).chain(all);
        Ok(Self {
            certificate,
            chain: chain.map(CertificateDer::from).collect(),
            key: key.to_pkcs8(),
            begins,
            ends,
        })
    }

    /// With those between it and its authority that it came without: an answer of EST may hold the
    /// new certificate alone, and `cacerts` tells the others (RFC 7030, 4.1.3). What signed itself
    /// ends the chain and is not shown.
    pub(super) fn completed(mut self, known: &[Vec<u8>]) -> Self {
        let last = self.chain.last().and_then(|der| names_of(der));
        let mut wanted = last.map(|(issuer, _)| issuer);
        for _ in known {
            let Some(issuer) = wanted else { break };
            let found = known.iter().find_map(|der| {
                let (above, own) = names_of(der)?;
                (own == issuer && above != own).then_some((above, der))
            });
            wanted = found.map(|(above, der)| {
                self.chain.push(CertificateDer::from(der.clone()));
                above
            });
        }
        self
    }

    /// The one in PEM that was kept.
    ///
    /// # Errors
    /// It is none of the key's.
    pub(super) fn of_pem(pem: &str, key: &PrivateKey) -> anyhow::Result<Self> {
        use rustls::pki_types::pem::PemObject;
        let all = CertificateDer::pem_slice_iter(pem.as_bytes());
        let all: Result<Vec<Vec<u8>>, _> = all.map(|der| der.map(|der| der.to_vec())).collect();
        Self::of(all.context("certificates in PEM")?, key)
    }

    /// All of it in PEM.
    pub(super) fn to_pem(&self) -> String {
        let all = self.chain.iter();
        all.map(|der| to_pem("CERTIFICATE", der)).collect()
    }

    /// The certificate.
    pub(super) const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What TLS shows: the chain, and the key to it.
    pub(super) fn for_tls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.to_vec());
        (self.chain.clone(), key.into())
    }

    /// Whether it holds.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.begins <= now && now < self.ends
    }

    /// Until when it holds.
    pub(super) const fn ends(&self) -> Timestamp {
        self.ends
    }

    /// When the next one is asked for: at two thirds of its life.
    pub(super) fn renews(&self) -> Timestamp {
        let life = self.ends.duration_since(self.begins);
        self.ends.checked_sub(life / 3).unwrap_or(self.begins)
    }
}

/// A time of a certificate, written `YYYYMMDDHHMMSSZ`.
fn instant(text: &str) -> anyhow::Result<Timestamp> {
    if text == "99991231235959Z" {
        // It never ends (RFC 5280, 4.1.2.5).
        return Ok(Timestamp::MAX);
    }
    let read = DateTime::strptime("%Y%m%d%H%M%SZ", text);
    let read = read.with_context(|| format!("{text:?} is no time of a certificate"))?;
    Ok(read.to_zoned(TimeZone::UTC)?.timestamp())
}

#[cfg(test)]
mod tests {
    use wattle_relay::{Curve, issue};

    use super::*;

    #[test]
    fn it_is_renewed_at_two_thirds_of_its_life() {
        let key = PrivateKey::generate(Curve::P256).unwrap();
        let made = |from: &str, to: &str| issue::self_signed(&key, "gw-1", from, to).unwrap();
        let own = made("20260101000000Z", "20260131000000Z");
        let other = PrivateKey::generate(Curve::P256).unwrap();
        let between = issue::self_signed(&other, "ca", "20200101000000Z", "20400101000000Z");
        let between = between.unwrap().der().to_vec();
        let identity = Identity::of(vec![between.clone(), own.der().to_vec()], &key).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(identity.renews(), at("2026-01-21T00:00:00Z"));
        assert!(identity.holds(at("2026-01-30T23:59:59Z")));
        assert!(!identity.holds(at("2026-01-31T00:00:00Z")));
        let again = Identity::of_pem(&identity.to_pem(), &key).unwrap();
        assert_eq!(again.chain, identity.chain);
        assert_eq!(again.chain[1].as_ref(), between);
        assert!(Identity::of(vec![between], &key).is_err());
        let endless = made("20260101000000Z", "99991231235959Z");
        let endless = Identity::of(vec![endless.der().to_vec()], &key).unwrap();
        assert_eq!(endless.ends(), Timestamp::MAX);
        // TLS takes the key in the form in which it is given.
        let (chain, key) = endless.for_tls();
        let config = crate::tls::client_that_shows(None, chain, key);
        assert!(config.is_ok());
    }
}
