//! New firmware for a plug of the simulated stick: the daemon with a folder of files, asked by its
//! API and its command line, and started again in the middle.

use std::process::Command;

use anyhow::{Context, ensure};
use e2e::daemon::Daemon;
use e2e::zigbee::{OUI, PATIENCE, let_in, plug, stick};
use e2e::{eventually, program};
use serde_json::{Value, json};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::kinds;
use wattle_sim::zigbee::upgrade::firmware;

const PLUG: u64 = OUI | 0x03;

#[test]
fn r16_firmware_from_the_folder_goes_to_the_plug_that_was_named_over_a_restart()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let files = folder.path().join("firmware");
    std::fs::create_dir(&files)?;
    let file = firmware(2, 4800);
    std::fs::write(files.join("plug.ota"), &file)?;
    // What is damaged, cut, or not what it should be, is told and never given out.
    std::fs::write(files.join("cut.ota"), &file[..900])?;
    std::fs::write(files.join("other.ota"), firmware(3, 900))?;
    std::fs::write(files.join("other.ota.sha256"), "00  other.ota\n")?;
    std::fs::write(files.join("notes.txt"), "of no use")?;
    let link = folder.path().join("stick");
    // One that never asks, and one that does.
    let upgradable = kinds::upgradable_plug(PLUG, 0x1A03, Curve::Constant(10));
    let stick = stick(&link, vec![upgradable, plug(OUI | 0x04, 60)])?;
    let config =
        format!("[zigbee]\nport = {link:?}\nfirmware = {files:?}\nfirmware_blocks_per_s = 20\n");
    let mut daemon = Daemon::start(folder.path(), &config)?;
    let_in(&daemon)?;
    let known = |daemon: &Daemon, wanted: &dyn Fn(&Value) -> bool| {
        eventually("its firmware", PATIENCE, || {
            let zigbee = daemon.json("/api/v1/zigbee")?;
            let found = zigbee["firmware"][0].clone();
            Ok(wanted(&found).then_some(found))
        })
    };
    let newer = known(&daemon, &|one| one["newer"] == "00000002")?;
    ensure!(
        newer["installed"] == "00000001" && newer["stage"] == "idle",
        "{newer}"
    );
    let zigbee = daemon.json("/api/v1/zigbee")?;
    let told = zigbee["firmware_files"].as_array().context("a list")?;
    let problem = |name: &str| {
        let found = told.iter().find(|one| one["file"] == name);
        found
            .and_then(|one| one["problem"].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    ensure!(
        problem("cut.ota").contains("4800") && problem("plug.ota").is_empty(),
        "{zigbee}"
    );
    ensure!(problem("other.ota").contains("does not match"), "{zigbee}");
    ensure!(problem("notes.txt").contains("0BEEF11E"), "{zigbee}");

    let ask = |daemon: &Daemon, body: Value| daemon.post("/api/v1/zigbee/upgrade", &body);
    let ieee = format!("{PLUG:016x}");
    let (status, answer) = ask(&daemon, json!({"ieee": ieee, "version": "00000003"}))?;
    ensure!(
        status.contains("409") && answer.to_string().contains("no such firmware"),
        "{answer}"
    );
    let (status, answer) = ask(&daemon, json!({"ieee": ieee}))?;
    ensure!(status.contains("200"), "{status} {answer}");
    known(&daemon, &|one| {
        one["octets"].as_u64().is_some_and(|octets| octets > 1000)
    })?;
    daemon.kill_and_restart()?;
    known(&daemon, &|one| {
        one["installed"] == "00000002" && one["stage"] == "idle"
    })?;
    let installed = |stick: &wattle_sim::zigbee::Serving| {
        let ncp = stick.ncp();
        let upgrade = ncp.mesh.device(PLUG).and_then(|one| one.upgrade.clone());
        upgrade.and_then(|one| one.installed)
    };
    ensure!(
        installed(&stick) == Some(file),
        "another image was installed"
    );

    // An older one only when it is named, and so said.
    std::fs::write(files.join("old.ota"), firmware(1, 900))?;
    let listed = |name: &str| {
        eventually("the file is seen", PATIENCE, || {
            let out = Command::new(program("wattle")?)
                .args(["han", "firmware", "--config"])
                .arg(folder.path().join("wattle.toml"))
                .output()?;
            let out = String::from_utf8_lossy(&out.stdout).into_owned();
            Ok(out.contains(name).then_some(out))
        })
    };
    let list = listed("old.ota  00000001")?;
    ensure!(list.contains(&format!("{ieee}  00000002")), "{list}");
    let (status, answer) = ask(&daemon, json!({"ieee": ieee, "version": "00000001"}))?;
    ensure!(
        status.contains("409") && answer.to_string().contains("older"),
        "{answer}"
    );
    let old = json!({"ieee": ieee, "version": "00000001", "downgrade": true});
    let (status, answer) = ask(&daemon, old)?;
    ensure!(status.contains("200"), "{status} {answer}");
    known(&daemon, &|one| {
        one["installed"] == "00000001" && one["stage"] == "idle"
    })?;
    ensure!(
        installed(&stick) == Some(firmware(1, 900)),
        "another image was installed"
    );
    Ok(())
}
