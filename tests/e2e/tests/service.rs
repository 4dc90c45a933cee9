//! The daemon as systemd runs it: a new configuration at SIGHUP, readiness, the watchdog, the end.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::eventually;

const TWO: &str = "[[meter]]\nname = \"a\"\nprotocol = \"sml\"\nport = \"/nonexistent/a\"\n\
                   [[meter]]\nname = \"b\"\nrole = \"submeter\"\nprotocol = \"sml\"\nport = \"/nonexistent/b\"\n";
const PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn a_right_configuration_is_taken_and_a_wrong_one_is_not() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let daemon = Daemon::start(folder.path(), "")?;
    let id = daemon.state()?.gateway.id;
    // While one configuration gives way to the other the socket is gone for a moment.
    let meters = |count: usize| {
        eventually(
            "the meters are those of the configuration",
            PATIENCE,
            || {
                Ok(daemon
                    .state()
                    .ok()
                    .filter(|state| state.meters.len() == count))
            },
        )
    };
    daemon.reload(TWO)?;
    assert_eq!(meters(2)?.gateway.id, id, "the same gateway");
    daemon.reload("[[meter]]\nnmae = \"c\"\n")?;
    eventually("the fault is logged", PATIENCE, || {
        Ok(daemon.log()?.contains("did you mean").then_some(()))
    })?;
    meters(2)?;
    daemon.reload("")?;
    meters(0)?;
    daemon.stop()
}

#[test]
fn systemd_is_told_of_readiness_life_and_end() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let told = || -> anyhow::Result<String> {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned())
    };
    let daemon = Daemon::start_notifying(folder.path(), &path, Duration::from_millis(900))?;
    assert!(told()?.contains("READY=1"));
    for _ in 0..3 {
        assert!(told()?.contains("WATCHDOG=1"));
    }
    daemon.stop()?;
    loop {
        let last = told()?;
        if last.contains("STOPPING=1") {
            return Ok(());
        }
        assert!(last.contains("WATCHDOG=1"), "{last}");
    }
}
