//! "Certs-only": a SignedData that nobody signs and that holds nothing but certificates, in which EST
//! answers (RFC 5652, 5; RFC 7030, 4.1.3).

use super::{DATA, SIGNED_DATA};
use crate::der::{self, Reader};
use crate::refusal::Refusal;

/// Certificates of one answer at most.
const MOST: usize = 16;

/// The certificates of a certs-only message, each in DER, in their order.
///
/// # Errors
/// It is no such message, or holds something else beside certificates.
pub fn certificates(message: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut outer = Reader::new(message);
    let mut info = outer.sequence()?;
    outer.end()?;
    if info.oid()? != SIGNED_DATA {
        return Err(Refusal::Unsupported("another content type"));
    }
    let mut explicit = info
        .take(der::context(0), "a content was expected")?
        .inside();
    info.end()?;
    let mut body = explicit.sequence()?;
    explicit.end()?;
    body.small()?;
    body.set()?.end()?;
    let mut encapsulated = body.sequence()?;
    if encapsulated.oid()? != DATA || !encapsulated.is_empty() {
        return Err(Refusal::Unsupported("a content beside certificates"));
    }
    let mut found = Vec::new();
    if let Some(set) = body.optional(der::context(0))? {
        let mut set = set.inside();
        while !set.is_empty() {
            let certificate = set.take(der::SEQUENCE, "a certificate was expected")?;
            if found.len() == MOST {
                return Err(Refusal::Unsupported("more than 16 certificates"));
            }
            found.push(certificate.whole.to_vec());
        }
    }
    // Revocation lists are left to those who check.
    body.optional(der::context(1))?;
    body.set()?.end()?;
    body.end()?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two certificates in a message that openssl has made: `openssl crl2pkcs7 -nocrl`.
    fn sample() -> Option<(tempfile::TempDir, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let done = std::process::Command::new("openssl")
                .args(arguments.split(' '))
                .current_dir(folder.path())
                .output();
            done.is_ok_and(|done| done.status.success())
        };
        for name in ["a", "b"] {
            let made = openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"
            ));
            if !made {
                println!("skipped: openssl is not installed");
                return None;
            }
        }
        assert!(openssl(
            "crl2pkcs7 -nocrl -certfile a.crt -certfile b.crt -outform DER -out both.p7"
        ));
        let message = std::fs::read(folder.path().join("both.p7")).unwrap();
        Some((folder, message))
    }

    #[test]
    fn what_openssl_puts_together_is_taken_apart() {
        let Some((folder, message)) = sample() else {
            return;
        };
        let found = certificates(&message).unwrap();
        let want = ["a.crt", "b.crt"].map(|name| {
            let pem = std::fs::read(folder.path().join(name)).unwrap();
            crate::Certificate::read(&pem).unwrap().der().to_vec()
        });
        // The order within a SET is openssl's to choose.
        assert_eq!(found.len(), 2);
        assert!(want.iter().all(|one| found.contains(one)));
        for length in 0..message.len() {
            assert!(certificates(&message[..length]).is_err(), "{length}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            let _ = certificates(&octets);
        }
    }
}
