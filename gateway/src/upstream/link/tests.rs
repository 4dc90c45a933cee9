//! What links say when the server is not the right one, against OpenSSL's own server.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Ends, LinkEvent};
use crate::config::UpstreamConfig;

/// Runs openssl; `None` when there is none.
fn openssl(folder: &Path, arguments: &str) -> Option<()> {
    let command = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output();
    let output = command.ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {said}");
    Some(())
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// An authority, another one, and under the first a server, one for another place, one that has
/// expired, and a device.
fn certificates(folder: &Path) -> Option<()> {
    for name in ["ca", "other"] {
        openssl(
            folder,
            &format!("req -x509 {KEY} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"),
        )?;
    }
    for (name, place, days) in [
        ("right", "DNS:localhost", "2"),
        ("elsewhere", "DNS:elsewhere.example", "2"),
        ("expired", "DNS:localhost", "-1"),
        ("device", "DNS:device", "2"),
    ] {
        std::fs::write(folder.join("names"), format!("subjectAltName={place}\n")).unwrap();
        openssl(
            folder,
            &format!("req {KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"),
        )?;
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days {days} -extfile names -out {name}.crt"
            ),
        )?;
    }
    Some(())
}

struct Peer(Child, u16);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `openssl s_server`, which wants a certificate.
fn peer(folder: &Path, certificate: &str, more: &str) -> Peer {
    let arguments = format!(
        "s_server -accept localhost:0 -4 -cert {certificate}.crt -key {certificate}.key -CAfile ca.crt -Verify 1 -verify_return_error {more}"
    );
    let mut child = Command::new("openssl")
        .args(arguments.trim().split(' '))
        .current_dir(folder)
        .stdin(Stdio::piped())
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

/// What a link of this scheme says first.
async fn said(folder: &Path, link: &str, authority: &str, has_certificate: bool) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let own = if has_certificate {
        format!(
            "certificate = {:?}\nkey = \"file:{}\"\n",
            at("device.crt"),
            at("device.key")
        )
    } else {
        String::new()
    };
    let text = format!(
        "link = {link:?}\nrecipient = \"none\"\ntrust = \"none\"\nca_file = {:?}\n{own}",
        at(&format!("{authority}.crt"))
    );
    let config: UpstreamConfig = toml::from_str(&text).unwrap();
    let link = super::super::link(&config, "gw-1").unwrap();
    let (_up, from_us) = mpsc::channel(1);
    let (to_us, mut events) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let running = tokio::spawn(link.run(Ends {
        up: from_us,
        events: to_us,
        stop: stop.clone(),
    }));
    let first = tokio::time::timeout(Duration::from_secs(60), events.recv()).await;
    stop.cancel();
    drop(events);
    running.await.unwrap();
    match first.unwrap().unwrap() {
        LinkEvent::Down(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_server_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    if certificates(at).is_none() {
        println!("skipped: openssl is not installed");
        return;
    }
    let weak = "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0";
    let no_forward_secrecy = "-tls1_2 -cipher AES128-SHA:@SECLEVEL=0";
    for (certificate, peers, authority, own, want) in [
        ("right", "", "other", true, "UnknownIssuer"),
        ("elsewhere", "", "ca", true, "is for another host"),
        ("expired", "", "ca", true, "has expired"),
        (
            "right",
            "-tls1_1 -cipher ALL:@SECLEVEL=0",
            "ca",
            true,
            "neither TLS 1.2 nor 1.3",
        ),
        ("right", weak, "ca", true, "accepts no cipher suite of ours"),
        (
            "right",
            no_forward_secrecy,
            "ca",
            true,
            "accepts no cipher suite of ours",
        ),
        (
            "right",
            "-tls1_3",
            "ca",
            false,
            "wants a certificate of ours",
        ),
        (
            "right",
            "-tls1_2",
            "ca",
            false,
            "wants a certificate of ours",
        ),
    ] {
        let server = peer(at, certificate, peers);
        for scheme in ["mqtts", "https"] {
            let link = format!("{scheme}://localhost:{}", server.1);
            let reason = said(at, &link, authority, own).await;
            assert!(
                reason.contains(want),
                "{scheme} {certificate} {peers}: {reason}"
            );
            println!("{scheme}, {certificate} {peers}: {reason}");
        }
    }
}
