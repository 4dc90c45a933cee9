//! A simulated server of IEEE 2030.5 behind OpenSSL's TLS: controls arrive in the state, the
//! household's word and what is done go back.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use serde_json::{Value, json};
use wattle_api::{GRID_EVENT_CHOICE_PATH, GridEvent, GridEventKind};

const PATIENCE: Duration = Duration::from_secs(30);

fn openssl(folder: &Path, arguments: &str) -> anyhow::Result<()> {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .context("openssl is not installed: apt-get install openssl")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "openssl {arguments}: {said}");
    Ok(())
}

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

struct Server {
    process: Child,
    port: u16,
    posted: Receiver<Value>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn server(folder: &Path) -> anyhow::Result<Server> {
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
    Ok(Server {
        process,
        port,
        posted,
    })
}

#[test]
fn controls_arrive_and_are_answered() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    certificates(folder.path())?;
    let server = server(folder.path())?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "[sep2]\nserver = \"https://127.0.0.1:{}\"\nca_file = \"{}\"\ncertificate = \"{}\"\n\
         key = \"file:{}\"\nevery_s = 10\n",
        server.port,
        at("ca.crt"),
        at("device.crt"),
        at("device.key"),
    );
    let daemon = Daemon::start(folder.path(), &config)?;
    let events = eventually("both controls are in the state", PATIENCE, || {
        let events = daemon.state()?.grid_events;
        Ok((events.len() == 2).then_some(events))
    })?;
    let [limit, shed] = events.as_slice() else {
        anyhow::bail!("{events:?}");
    };
    assert_eq!(
        (limit.id.as_str(), limit.kind),
        ("sep2:D1", GridEventKind::GenerationLimit)
    );
    assert_eq!(
        limit.level.map(|level| level.to_string()).as_deref(),
        Some("60.00")
    );
    assert_eq!((limit.priority, limit.may_opt_out), (Some(2), false));
    assert_eq!(
        (shed.id.as_str(), shed.kind),
        ("sep2:E1", GridEventKind::LoadShed)
    );
    assert_eq!(shed.name.as_deref(), Some("peak E1"));
    assert!(shed.may_opt_out);

    let posted = |body: &str| -> anyhow::Result<String> {
        let post = server.posted.recv_timeout(PATIENCE)?;
        assert_eq!(post["path"], "/rsps/1/rsp");
        assert_eq!(post["kind"], "application/sep+xml");
        assert_eq!(post["cipher"], "ECDHE-ECDSA-AES128-CCM8");
        let text = post["body"].as_str().context("no body")?;
        assert!(text.contains(body), "{text} without {body}");
        Ok(text.to_owned())
    };
    // The one that holds was received and has begun, the later one was received.
    let first = posted("<status>1</status><subject>D1</subject></DERControlResponse>")?;
    assert!(first.starts_with("<DERControlResponse xmlns=\"urn:ieee:std:2030.5:ns\">"));
    posted("<status>2</status><subject>D1</subject>")?;
    posted("<status>1</status><subject>E1</subject></DrResponse>")?;
    let (status, answer) = daemon.post(
        GRID_EVENT_CHOICE_PATH,
        &json!({"id": "sep2:E1", "opt": "out"}),
    )?;
    assert!(status.contains("200"), "{status} {answer}");
    posted("<status>4</status><subject>E1</subject>")?;
    let (status, _) = daemon.post(
        GRID_EVENT_CHOICE_PATH,
        &json!({"id": "sep2:D1", "opt": "out"}),
    )?;
    assert!(status.contains("409"), "{status}");
    let listed: Vec<GridEvent> = serde_json::from_value(daemon.json("/api/v1/grid-events")?)?;
    assert_eq!(listed, daemon.state()?.grid_events);
    Ok(())
}
