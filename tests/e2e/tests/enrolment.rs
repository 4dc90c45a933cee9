//! The device's key is certified by the utility's authority, and again before the certificate ends.

mod relay_home;

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::Context;
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::relay::{Postgres, Utility, Way};
use relay_home::{Gateway, PATIENCE, more_rows};

/// Seconds for which a certificate holds; the next is asked for after two thirds of it.
const LIFE_S: u32 = 20;

/// A server whose authority is openssl. It ends when dropped.
struct Est {
    child: Child,
    port: u16,
}

impl Est {
    /// None where Python is not installed.
    fn start(utility: &Utility) -> anyhow::Result<Option<Self>> {
        std::fs::write(utility.file("est-password"), "right")?;
        let port = e2e::free_port()?;
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../upstream/est_server.py");
        let started = Command::new("python3")
            .arg(server)
            .arg(utility.file("."))
            .args([port.to_string(), LIFE_S.to_string()])
            .spawn();
        let Ok(child) = started else {
            println!("skipped: Python is not installed (apt-get install python3)");
            return Ok(None);
        };
        let est = Self { child, port };
        eventually("the server listens", Duration::from_secs(10), || {
            Ok(std::net::TcpStream::connect(("localhost", port)).ok())
        })?;
        Ok(Some(est))
    }

    fn lines(&self, password: &Path) -> String {
        format!(
            "[upstream.est]\nurl = \"https://localhost:{}/.well-known/est\"\nuser = \"new\"\npassword = \"file:{}\"\n",
            self.port,
            password.display()
        )
    }
}

impl Drop for Est {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_new_device_is_certified_and_certified_again() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let mut utility = Utility::new(&folder.path().join("utility"))?;
    // Nothing to show but what the authority will issue.
    utility.without_certificate();
    let Some(est) = Est::start(&utility)? else {
        return Ok(());
    };
    let broker = Broker::start_with(folder.path(), &utility.broker_lines())?;
    let _worker = utility.worker("worker-a", broker.port(), &postgres.address())?;
    let password = utility.file("est-password");
    let gateway = Gateway::start_at(
        folder.path(),
        "gw-1",
        None,
        &utility,
        Way::from(broker.port()),
        &est.lines(&password),
    )?;
    let log = || std::fs::read_to_string(utility.file("est.log")).unwrap_or_default();
    more_rows(&postgres, 10).with_context(|| gateway.daemon.log().unwrap_or_default() + &log())?;
    eventually("it is certified again", PATIENCE, || {
        let again = "/.well-known/est/simplereenroll certificate 200";
        Ok(log().contains(again).then_some(()))
    })
    .with_context(|| gateway.daemon.log().unwrap_or_default() + &log())?;
    let want = [
        "/.well-known/est/cacerts none 200",
        "/.well-known/est/csrattrs none 200",
        "/.well-known/est/simpleenroll none 200",
        "/.well-known/est/cacerts certificate 200",
        "/.well-known/est/csrattrs certificate 200",
        "/.well-known/est/simplereenroll certificate 200",
    ];
    let said = log();
    let said: Vec<&str> = said.lines().take(6).collect();
    assert_eq!(said, want);
    gateway.drain()?;
    assert_eq!(gateway.arrived(&postgres)?, gateway.stored()?);
    eventually("both stand in the log book", PATIENCE, || {
        let told = gateway.sqlite("SELECT code FROM logbook WHERE code = 'certificate'")?;
        Ok((told.len() >= 2).then_some(()))
    })?;
    // openssl finds the key of the device in what its authority has issued.
    let shown = Command::new("openssl")
        .args(["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in"])
        .arg(folder.path().join("gw-1/state/upstream.crt"))
        .output()?;
    let shown = String::from_utf8(shown.stdout)?;
    assert_eq!(shown.trim(), "subject=CN=gw-1,O=Example Utility");
    gateway.daemon.stop()
}

#[test]
fn who_is_not_let_in_is_told_so() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut utility = Utility::new(&folder.path().join("utility"))?;
    utility.without_certificate();
    let Some(est) = Est::start(&utility)? else {
        return Ok(());
    };
    let wrong = folder.path().join("password");
    std::fs::write(&wrong, "sesame-5d1")?;
    let way = Way::from(e2e::free_port()?);
    let lines = utility.gateway_lines("gw-1", way) + &est.lines(&wrong);
    let daemon = Daemon::start(folder.path(), &lines)?;
    let told = eventually("the household is told", PATIENCE, || {
        let notices = daemon.state()?.notices;
        let told = |text: &str| text.contains("does not let this device in");
        Ok(notices.into_iter().find(|notice| told(&notice.text)))
    })
    .with_context(|| daemon.log().unwrap_or_default())?;
    assert!(told.text.contains("upstream.est.user"), "{}", told.text);
    let log = daemon.log()?;
    assert!(!log.contains("sesame-5d1"), "a password in the log: {log}");
    daemon.stop()
}
