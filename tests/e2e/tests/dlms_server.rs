//! Others read the gateway over DLMS: our own client, and gurux-dlms where `WATTLE_GURUX_PYTHON`
//! names a Python that has it (`make test-dlms-server`).

use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::lived::{live_through, quarters};
use e2e::{eventually, program};
use serde_json::json;

const KEY: &str = "000102030405060708090A0B0C0D0E0F";
const AUTH_KEY: &str = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF";

#[test]
fn a_head_end_reads_registers_and_quarter_hours() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    live_through(&folder.path().join("state"))?;
    let port = e2e::free_port()?;
    for (name, key) in [("key", KEY), ("auth", AUTH_KEY)] {
        std::fs::write(folder.path().join(name), key)?;
    }
    let at = |name: &str| format!("file:{}", folder.path().join(name).display());
    let more = format!(
        "[[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {:?}\n\
         [dlms_server]\nlisten = \"127.0.0.1:{port}\"\nsystem_title = \"57544C0000000001\"\n\
         encryption_key = {:?}\nauthentication_key = {:?}\nmeters = [\"house\"]\nconsent = \"test\"\n",
        folder.path().join("none"),
        at("key"),
        at("auth"),
    );
    let daemon = Daemon::start(folder.path(), &more)?;
    eventually("it listens", Duration::from_secs(20), || {
        Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
    })?;
    let quarters = quarters(&daemon)?;
    assert!(quarters.len() > 180, "{} quarter-hours", quarters.len());

    let client = folder.path().join("client.toml");
    let text = |key: &str| {
        format!(
            "[gateway]\nstate_dir = {:?}\n[[meter]]\nname = \"far\"\nprotocol = \"dlms\"\nport = \"tcp:127.0.0.1:{port}\"\n\
             [meter.dlms]\nlink = \"wrapper\"\nclient = 1\nlogical = 16\nauthentication = \"gmac\"\n\
             system_title = \"57544C0000000009\"\nkey = {key:?}\nauth_key = {:?}\n\
             invocation_counter = \"\"\nregisters = [\"1-0:1.8.0\"]\n",
            folder.path().join("client"),
            at("auth")
        )
    };
    let read = |words: &[&str]| -> anyhow::Result<std::process::Output> {
        Ok(Command::new(program("wattle")?)
            .args(words)
            .arg("--config")
            .arg(&client)
            .output()?)
    };
    std::fs::write(&client, text(&at("key")))?;
    let output = read(&["read", "far", "1-0:1.8.0"])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    // 54301577 + 576 * 1913 tenths.
    assert!(said.contains("5540346.5"), "{said}{complaint}");
    std::fs::write(&client, text(&at("auth")))?;
    let output = read(&["read", "far", "1-0:1.8.0"])?;
    assert!(!output.status.success(), "another key was taken");

    let Some(python) = std::env::var_os("WATTLE_GURUX_PYTHON") else {
        println!("skipped: gurux-dlms is not here (make test-dlms-server installs it)");
        return daemon.stop();
    };
    let probe = concat!(env!("CARGO_MANIFEST_DIR"), "/../dlms-server/probe.py");
    let output = Command::new(python)
        .args([probe, "127.0.0.1", &port.to_string(), KEY, AUTH_KEY])
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let read: serde_json::Value =
        serde_json::from_str(&said).with_context(|| format!("{said}{complaint}"))?;
    assert_eq!(read["devices"], json!([[1, "wattle"], [16, "house"]]));
    assert_eq!(read["register"], json!([55_403_465, 0.1, 30]));
    let columns = [
        "0.0.1.0.0.255",
        "0.0.96.10.1.255",
        "1.0.1.8.0.255",
        "1.0.2.8.0.255",
    ];
    assert_eq!(read["columns"], json!(columns));
    let rows: Vec<_> = quarters
        .iter()
        .map(|[at, a, b]| json!([at, 0, a, b]))
        .collect();
    assert_eq!(read["rows"], json!(rows));
    assert_eq!(read["range"], json!(8));
    assert_eq!(read["entries"], json!(rows.get(2..7)));
    assert_eq!(read["wrong_key"], json!("refused"), "{}", read["why"]);
    println!(
        "gurux-dlms read {} quarter-hours, value by value",
        rows.len()
    );
    daemon.stop()
}
