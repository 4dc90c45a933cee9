//! TLS against OpenSSL's own server.

use super::*;
use crate::config::Sep2Config;
use crate::tls::openssl::{Peer, certificates};

const CCM: &str = "-tls1_2 -cipher ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0";

#[tokio::test]
async fn the_suite_of_the_standard_and_what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    if certificates(at, "IP:127.0.0.1", "IP:127.0.0.2").is_none() {
        println!("skipped: openssl is not installed");
        return;
    }
    let long = "x".repeat(40_000);
    let text = format!("<DeviceCapability xmlns='urn:ieee:std:2030.5:ns' href='/{long}'/>");
    std::fs::write(at.join("dcap"), text).unwrap();
    let serve = async |certificate: &str, suite: &str, authority: &str| {
        let peer = Peer::start(at, certificate, &format!("-WWW {suite}"));
        let secret = format!("file:{}", at.join("device.key").display());
        let config = Sep2Config {
            ca_file: at.join(format!("{authority}.crt")),
            certificate: at.join("device.crt"),
            key: Some(secret.try_into().unwrap()),
            ..Sep2Config::default()
        };
        let (_, tls) = identity::load(&config).unwrap();
        let server = Server::new(&format!("https://127.0.0.1:{}", peer.port), tls).unwrap();
        let capability = server.get("/dcap", "DeviceCapability").await;
        capability
            .map(|root| root.attribute("href").map(str::len))
            .map_err(|error| format!("{error:#}"))
    };
    // Records of every length up to the longest, with that suite and with AES-GCM.
    for suite in [CCM, "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256"] {
        assert_eq!(serve("right", suite, "ca").await, Ok(Some(40_001)));
    }
    for (certificate, suite, authority, want) in [
        ("right", CCM, "other", "UnknownIssuer"),
        ("elsewhere", CCM, "ca", "not valid for name"),
        ("expired", CCM, "ca", "Expired"),
        ("right", "-tls1_1 -cipher ALL:@SECLEVEL=0", "ca", "TLS"),
        (
            "right",
            "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",
            "ca",
            "TLS",
        ),
        (
            "right",
            "-tls1_2 -cipher ECDHE-ECDSA-AES128-CCM:@SECLEVEL=0",
            "ca",
            "TLS",
        ),
    ] {
        let error = serve(certificate, suite, authority).await.unwrap_err();
        assert!(error.contains(want), "{certificate} {suite}: {error}");
    }
}
