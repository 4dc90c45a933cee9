//! A new configuration at SIGHUP, without a restart of the process.

use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::eventually;

const TWO: &str = "[[meter]]\nname = \"a\"\nprotocol = \"sml\"\nport = \"/nonexistent/a\"\n\
                   [[meter]]\nname = \"b\"\nrole = \"submeter\"\nprotocol = \"sml\"\nport = \"/nonexistent/b\"\n";

#[test]
fn a_right_configuration_is_taken_and_a_wrong_one_is_not() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let daemon = Daemon::start(folder.path(), "")?;
    let id = daemon.state()?.gateway.id;
    // While one configuration gives way to the other the socket is gone for a moment.
    let meters = |count: usize| {
        eventually(
            "the meters are those of the configuration",
            Duration::from_secs(15),
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
    eventually("the fault is logged", Duration::from_secs(15), || {
        Ok(daemon.log()?.contains("did you mean").then_some(()))
    })?;
    meters(2)?;
    daemon.reload("")?;
    meters(0)?;
    daemon.stop()
}
