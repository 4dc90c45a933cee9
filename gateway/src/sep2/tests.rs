//! TLS against OpenSSL's own server.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::config::Sep2Config;

/// Runs openssl; `None` when there is none.
fn openssl(folder: &Path, arguments: &str) -> Option<()> {
    let command = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output();
    let output = command.ok()?;
    assert!(
        output.status.success(),
        "{arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(())
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// A certificate for 127.0.0.1 or another place under an authority.
fn signed(folder: &Path, name: &str, place: &str, days: &str) -> Option<()> {
    std::fs::write(folder.join("names"), format!("subjectAltName={place}\n")).unwrap();
    openssl(
        folder,
        &format!("req {KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"),
    )?;
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial {days} -extfile names -out {name}.crt"
        ),
    )
}

fn authority(folder: &Path, name: &str) -> Option<()> {
    openssl(
        folder,
        &format!("req -x509 {KEY} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"),
    )
}

struct Peer(Child, u16);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `openssl s_server` that serves the folder's files and wants a certificate.
fn peer(folder: &Path, certificate: &str, more: &str) -> Peer {
    let arguments = format!(
        "s_server -accept 127.0.0.1:0 -cert {certificate}.crt -key {certificate}.key -CAfile ca.crt -Verify 1 -verify_return_error -WWW {more}"
    );
    let mut child = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let accepts = lines.find_map(|line| {
        let line = line.ok()?;
        line.strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok()
    });
    // Nobody else reads what it says.
    std::thread::spawn(move || lines.for_each(drop));
    Peer(child, accepts.unwrap())
}

const CCM: &str = "-tls1_2 -cipher ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0";

#[tokio::test]
async fn the_suite_of_the_standard_and_what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let made = authority(at, "ca")
        .and_then(|()| authority(at, "other"))
        .and_then(|()| signed(at, "right", "IP:127.0.0.1", "-days 2"))
        .and_then(|()| signed(at, "elsewhere", "IP:127.0.0.2", "-days 2"))
        .and_then(|()| signed(at, "expired", "IP:127.0.0.1", "-days -1"))
        .and_then(|()| signed(at, "device", "IP:127.0.0.1", "-days 2"));
    if made.is_none() {
        println!("skipped: openssl is not installed");
        return;
    }
    let long = "x".repeat(40_000);
    let text = format!("<DeviceCapability xmlns='urn:ieee:std:2030.5:ns' href='/{long}'/>");
    std::fs::write(at.join("dcap"), text).unwrap();
    let ask = async |peer: &Peer, authority: &str| {
        let secret = format!("file:{}", at.join("device.key").display());
        let config = Sep2Config {
            ca_file: at.join(format!("{authority}.crt")),
            certificate: at.join("device.crt"),
            key: Some(secret.try_into().unwrap()),
            ..Sep2Config::default()
        };
        let (_, tls) = identity::load(&config).unwrap();
        let server = Server::new(&format!("https://127.0.0.1:{}", peer.1), tls).unwrap();
        let capability = server.get("/dcap", "DeviceCapability").await;
        capability
            .map(|root| root.attribute("href").map(str::len))
            .map_err(|error| format!("{error:#}"))
    };
    // Records of every length up to the longest, with that suite and with AES-GCM.
    for suite in [CCM, "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256"] {
        assert_eq!(ask(&peer(at, "right", suite), "ca").await, Ok(Some(40_001)));
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
        let error = ask(&peer(at, certificate, suite), authority)
            .await
            .unwrap_err();
        assert!(error.contains(want), "{certificate} {suite}: {error}");
    }
}
