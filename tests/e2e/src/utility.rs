//! A simulated server of IEEE 2030.5 behind OpenSSL's TLS: a limit of generation that holds and a
//! request to use less that begins in two hours.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use anyhow::Context;
use serde_json::Value;

use crate::openssl;

/// An authority, and under it a server and a device, all on P-256.
fn certificates(folder: &Path) -> anyhow::Result<()> {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        folder,
        &format!("req -x509 {key} -days 2 -subj /CN=utility -keyout ca.key -out ca.crt"),
    )?;
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n")?;
    for name in ["server", "device"] {
        openssl(
            folder,
            &format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"),
        )?;
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.crt"
            ),
        )?;
    }
    Ok(())
}

/// The server, and what is posted to it. It ends when dropped.
#[derive(Debug)]
pub struct Utility {
    process: Child,
    port: u16,
    /// What is posted, in the order it comes.
    pub posted: Receiver<Value>,
}

impl Drop for Utility {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts it with certificates of its own in `folder`.
///
/// # Errors
/// openssl or python3 is not installed.
pub fn start(folder: &Path) -> anyhow::Result<Utility> {
    certificates(folder)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../sep2/server.py");
    let mut process = Command::new("python3")
        .args([script, "server.crt", "server.key", "ca.crt"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .context("python3 is not installed: apt-get install python3")?;
    let out: ChildStdout = process.stdout.take().context("its output")?;
    let mut lines = BufReader::new(out).lines();
    let port = lines.next().context("the server ended")??.parse()?;
    let (sender, posted) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let Ok(value) = serde_json::from_str(&line) else {
                continue;
            };
            if sender.send(value).is_err() {
                break;
            }
        }
    });
    Ok(Utility {
        process,
        port,
        posted,
    })
}

impl Utility {
    /// What a daemon is configured with to follow it.
    #[must_use]
    pub fn config(&self, folder: &Path) -> String {
        let at = |name: &str| folder.join(name).display().to_string();
        format!(
            "[sep2]\nserver = \"https://127.0.0.1:{}\"\nca_file = \"{}\"\ncertificate = \"{}\"\n\
             key = \"file:{}\"\nevery_s = 10\n",
            self.port,
            at("ca.crt"),
            at("device.crt"),
            at("device.key"),
        )
    }
}
