//! Service commands while the daemon reads: it lends the line of a meter and goes on afterwards.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::{eventually, program};
use meter_link::key::hex;
use wattle_sim::dlms::{Carrier, Config, DlmsMeter, Security};
use wattle_sim::household::{Curve, Kind};

const PATIENCE: Duration = Duration::from_secs(60);

fn wattle(config: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(program("wattle")?);
    let command = command.args(arguments).arg("--config").arg(config);
    Ok(command.output()?)
}

fn said(output: &Output) -> anyhow::Result<&str> {
    let failed = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{failed}");
    Ok(std::str::from_utf8(&output.stdout)?)
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_command_gets_the_line_and_the_daemon_goes_on() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let load = Curve::new(Kind::Constant { power_w: 900 }, 1);
    let config = Config::new(Carrier::Hdlc, Security::Gmac(0), load);
    let secret = |name: &str, octets: &[u8]| {
        std::fs::write(folder.path().join(name), hex(octets))?;
        anyhow::Ok(format!("file:{}", folder.path().join(name).display()))
    };
    let meter = format!(
        "[[meter]]\nname = \"house\"\nprotocol = \"dlms\"\nport = {:?}\nperiod_s = 1\n[meter.dlms]\nlink = \"hdlc\"\n\
         client = 1\nregisters = [\"1-0:1.8.0\"]\nauthentication = \"gmac\"\nkey = {:?}\nauth_key = {:?}\n",
        folder.path().join("optical0"),
        secret("key", config.key.octets())?,
        secret("auth_key", config.auth_key.octets())?,
    );
    let sim = DlmsMeter::at_pty(&folder.path().join("optical0"), config)?;
    let daemon = Daemon::start(folder.path(), &meter)?;
    let telegrams =
        || Ok::<_, anyhow::Error>(daemon.state()?.meters.first().map_or(0, |m| m.telegrams));
    let read_again = |what: &str| {
        let before = telegrams()?;
        let later = || Ok((telegrams()? >= before + 2).then_some(()));
        eventually(what, PATIENCE, later).with_context(|| daemon.log().unwrap_or_default())
    };
    read_again("it is read")?;

    let file = folder.path().join("wattle.toml");
    assert_eq!(
        said(&wattle(&file, &["meter", "relay", "house", "off"])?)?,
        "house: the relay is off\n"
    );
    read_again("it is read after a command")?;
    assert!(said(&wattle(&file, &["meter", "clock", "house"])?)?.contains("s ahead"));
    assert!(said(&wattle(&file, &["read", "house"])?)?.contains("1-0:1.8.0"));
    read_again("it is read after three")?;
    assert_eq!(sim.seen().relay, [false]);

    // A second command is told that the first one has it; a daemon that lends nothing more reads nothing.
    let body = "{\"meter\":\"house\"}";
    let mut first = UnixStream::connect(daemon.socket())?;
    first.set_read_timeout(Some(PATIENCE))?;
    write!(
        first,
        "POST /api/v1/line HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"lent\n") {
        let mut octet = [0];
        first.read_exact(&mut octet)?;
        answer.extend(octet);
    }
    let silent = sim.seen().associations;
    let second = refused(&wattle(&file, &["read", "house"])?);
    assert!(second.contains("another command has the line"), "{second}");
    assert_eq!(sim.seen().associations, silent, "the line was lent");
    drop(first);
    read_again("it is read when the first is gone")?;
    let (status, problem) = daemon.post("/api/v1/line", &serde_json::json!({"meter": "attic"}))?;
    assert!(status.contains("404"), "{status} {problem}");

    // Whoever cannot reach the daemon meets a port, or a counter, that is in use, and is told so.
    let text = std::fs::read_to_string(&file)?.replace("api.sock", "nobody.sock");
    let lonely = folder.path().join("lonely.toml");
    std::fs::write(&lonely, text)?;
    let busy = refused(&wattle(&lonely, &["read", "house"])?);
    assert!(
        busy.contains("another program holds what this needs"),
        "{busy}"
    );

    let book = daemon.json("/api/v1/logs/system")?.to_string();
    assert_eq!(book.matches("was lent to a command").count(), 4, "{book}");
    daemon.stop()?;
    let counters = sim.seen().counters;
    let distinct: BTreeSet<_> = counters.iter().collect();
    assert_eq!(distinct.len(), counters.len(), "a counter was used twice");
    Ok(())
}
