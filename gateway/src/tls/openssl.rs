//! OpenSSL as the other side in tests: its certificates, and its server.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// Puts into the folder the authorities `ca` and `other`, and under the first the server `right`,
/// one for another place, one that has expired, and a `device`. `None` when there is no openssl.
pub(crate) fn certificates(folder: &Path, place: &str, elsewhere: &str) -> Option<()> {
    for name in ["ca", "other"] {
        run(
            folder,
            &format!("req -x509 {KEY} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"),
        )?;
    }
    for (name, place, days) in [
        ("right", place, "2"),
        ("elsewhere", elsewhere, "2"),
        ("expired", place, "-1"),
        ("device", "DNS:device", "2"),
    ] {
        std::fs::write(folder.join("names"), format!("subjectAltName={place}\n")).unwrap();
        run(
            folder,
            &format!("req {KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"),
        )?;
        run(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days {days} -extfile names -out {name}.crt"
            ),
        )?;
    }
    Some(())
}

fn run(folder: &Path, arguments: &str) -> Option<()> {
    let command = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output();
    let output = command.ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {said}");
    Some(())
}

/// `openssl s_server`, which wants a certificate, until it is dropped.
pub(crate) struct Peer {
    child: Child,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
}

impl Peer {
    /// Starts it with one of [`certificates`] and more options.
    pub(crate) fn start(folder: &Path, certificate: &str, more: &str) -> Self {
        let arguments = format!(
            "s_server -accept 127.0.0.1:0 -cert {certificate}.crt -key {certificate}.key -CAfile ca.crt -Verify 1 -verify_return_error {more}"
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
        Self {
            child,
            port: accepts.unwrap(),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
