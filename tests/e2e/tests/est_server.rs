//! The device's key is certified by a server of another maker: `estserver` of globalsign/est (Go), which
//! `WATTLE_EST_SERVER` names: `go build ./cmd/estserver` in its source makes it.
//!
//! It lets everybody in who shows no certificate of a stranger, and checks no password.

mod relay_home;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::relay::{Postgres, Utility, Way};
use relay_home::{Gateway, PATIENCE, more_rows};

/// Seconds until the issuing authority ends, and with it what it issues.
const LIFE_S: i64 = 45;
const CA: &str = "[ca]\ndefault_ca = it\n[it]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n\
                  default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n\
                  [issuing]\nbasicConstraints = critical,CA:TRUE\nsubjectKeyIdentifier = hash\n";

/// The server, whose authority is certified by the utility's. It ends when dropped.
struct Est {
    child: Child,
    port: u16,
    log: PathBuf,
}

fn openssl(folder: &Path, arguments: &str) -> anyhow::Result<()> {
    let done = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()?;
    ensure!(
        done.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

impl Est {
    /// None where it is not there.
    fn start(utility: &Utility) -> anyhow::Result<Option<Self>> {
        let Some(program) = std::env::var_os("WATTLE_EST_SERVER") else {
            println!("skipped: WATTLE_EST_SERVER names no estserver of globalsign/est");
            return Ok(None);
        };
        let folder = utility.file(".");
        std::fs::write(folder.join("ca.conf"), CA)?;
        std::fs::write(folder.join("index"), "")?;
        std::fs::write(folder.join("serial"), "1000\n")?;
        openssl(
            &folder,
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=issuing -keyout issuing.key -out issuing.csr",
        )?;
        let now = jiff::Timestamp::now();
        let time = |at: jiff::Timestamp| at.strftime("%y%m%d%H%M%SZ").to_string();
        let ends = now.checked_add(jiff::SignedDuration::from_secs(LIFE_S))?;
        openssl(
            &folder,
            &format!(
                "ca -batch -notext -config ca.conf -cert authority.crt -keyfile authority.key -extensions issuing -in issuing.csr -out issuing.crt -startdate {} -enddate {}",
                time(now),
                time(ends)
            ),
        )?;
        let read = |name: &str| std::fs::read_to_string(utility.file(name));
        std::fs::write(
            folder.join("chain.crt"),
            read("issuing.crt")? + &read("authority.crt")?,
        )?;
        let port = e2e::free_port()?;
        let file = |name: &str| utility.file(name).display().to_string();
        let config = serde_json::json!({
            "mock_ca": {"certificates": file("chain.crt"), "private_key": file("issuing.key")},
            "tls": {
                "listen_address": format!("localhost:{port}"),
                "certificates": file("broker.crt"),
                "private_key": file("broker.key"),
                "client_cas": [file("authority.crt")],
            },
            "allowed_hosts": ["localhost"],
            "timeout": 30,
            "log_file": file("estserver.log"),
        });
        std::fs::write(folder.join("estserver.json"), config.to_string())?;
        let child = Command::new(program)
            .arg("-config")
            .arg(folder.join("estserver.json"))
            .spawn()
            .context("WATTLE_EST_SERVER")?;
        let est = Self {
            child,
            port,
            log: utility.file("estserver.log"),
        };
        eventually("the server listens", Duration::from_secs(10), || {
            Ok(std::net::TcpStream::connect(("localhost", port)).ok())
        })?;
        Ok(Some(est))
    }

    fn lines(&self, label: &str, more: &str) -> String {
        format!(
            "[upstream.est]\nurl = \"https://localhost:{}/.well-known/est{label}\"\n{more}",
            self.port
        )
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Est {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_authority_below_another_certifies_and_certifies_again() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut utility = Utility::new(&folder.path().join("utility"))?;
    utility.without_certificate();
    let Some(est) = Est::start(&utility)? else {
        return Ok(());
    };
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    // The broker trusts the upper authority alone, so the gateway must show the one between.
    let broker = Broker::start_with(folder.path(), &utility.broker_lines())?;
    let _worker = utility.worker("worker-a", broker.port(), &postgres.address())?;
    let password = utility.file("est-password");
    std::fs::write(&password, "right")?;
    let who = format!(
        "user = \"new\"\npassword = \"file:{}\"\n",
        password.display()
    );
    let gateway = Gateway::start_at(
        folder.path(),
        "gw-1",
        None,
        &utility,
        Way::from(broker.port()),
        &est.lines("", &who),
    )?;
    let log = || gateway.daemon.log().unwrap_or_default() + &est.log();
    more_rows(&postgres, 10).with_context(log)?;
    eventually("both stand in the log book", PATIENCE, || {
        let told = gateway.sqlite("SELECT code FROM logbook WHERE code = 'certificate'")?;
        Ok((told.len() >= 2).then_some(()))
    })
    .with_context(log)?;
    let said = est.log();
    for path in ["cacerts", "csrattrs", "simpleenroll", "simplereenroll"] {
        assert!(said.contains(&format!("/est/{path}")), "{path}: {said}");
    }
    let shown = std::fs::read_to_string(folder.path().join("gw-1/state/upstream.crt"))?;
    assert_eq!(shown.matches("BEGIN CERTIFICATE").count(), 2, "{shown}");
    std::fs::write(utility.file("shown.crt"), &shown)?;
    openssl(
        &utility.file("."),
        "verify -no_check_time -CAfile authority.crt -untrusted shown.crt shown.crt",
    )?;
    gateway.daemon.stop()
}

/// A gateway that asks for a certificate, until its log has a word.
fn told(utility: &Utility, lines: &str, word: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let way = Way::from(e2e::free_port()?);
    let daemon = Daemon::start(folder.path(), &(utility.gateway_lines("gw-1", way) + lines))?;
    eventually(word, PATIENCE, || {
        Ok(daemon.log()?.contains(word).then_some(()))
    })
    .with_context(|| daemon.log().unwrap_or_default())?;
    daemon.stop()
}

#[test]
fn it_lets_in_by_certificate_and_refuses_strangers() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut utility = Utility::new(&folder.path().join("utility"))?;
    let Some(est) = Est::start(&utility)? else {
        return Ok(());
    };
    told(
        &utility,
        &est.lines("", ""),
        "the utility's authority has issued a certificate",
    )
    .with_context(|| est.log())?;
    // Under this label it wants a key on P-384, as in the example of RFC 7030.
    told(&utility, &est.lines("/csrattrs", ""), "of P-384 alone").with_context(|| est.log())?;
    utility.without_certificate();
    let stranger = format!(
        "certificate = {:?}\nkey = \"file:{}\"\n",
        utility.file("stranger.crt"),
        utility.file("stranger.key").display()
    );
    told(
        &utility,
        &(stranger + &est.lines("", "")),
        "received fatal alert",
    )
    .with_context(|| est.log())
}
