//! What the utility says to the household and what it may ask of it: messages that are confirmed, and limits
//! by the local rules. What chrony says of the clock is simulated by a script.

mod relay_home;

use std::path::Path;

use anyhow::Context;
use e2e::broker::Broker;
use e2e::eventually;
use e2e::relay::{Postgres, Utility};
use jiff::{SignedDuration, Timestamp};
use relay_home::{Far, Gateway, PATIENCE, more_rows};
use serde_json::json;
use wattle_api::{
    GridEventKind, Importance, MESSAGE_CONFIRM_PATH, MESSAGES_PATH, Message, Severity,
};

/// What the daemon hears when it asks chrony.
fn chrony(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin)?;
    let tracking = "7F7F0101,,5,1795419938.5,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Normal";
    let script = format!("#!/bin/sh\ncase \"$*\" in *tracking) echo '{tracking}';; esac\n");
    std::fs::write(bin.join("chronyc"), script)?;
    let may_run = std::fs::Permissions::from_mode(0o755);
    Ok(std::fs::set_permissions(bin.join("chronyc"), may_run)?)
}

#[test]
fn messages_are_confirmed_and_limits_keep_the_rules_of_the_home() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let broker = Broker::start_with(folder.path(), &utility.broker_lines())?;
    chrony(&folder.path().join("gw-1"))?;
    let mut gateway = Gateway::start_at(
        folder.path(),
        "gw-1",
        None,
        &utility,
        broker.port(),
        "[load_limit]\nlife_support = false\n",
    )?;
    let _worker = utility.worker("worker-a", broker.port(), &postgres.address())?;
    more_rows(&postgres, 3).with_context(|| gateway.daemon.log().unwrap_or_default())?;
    let way = broker.port().into();
    let far = Far {
        name: "gw-1",
        utility: &utility,
        postgres: &postgres,
        way: &way,
        cms: false,
    };
    let later = |seconds| {
        let at = Timestamp::now() + SignedDuration::from_secs(seconds);
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let message = |id: &str, counter, body: serde_json::Value| {
        far.send(id, "MESSAGE", counter, 300, &body.to_string(), &["chief"])
    };
    let water = json!({"text": "Water is cut at noon.", "importance": "critical", "end": later(3_600), "confirm": true});
    message("m-water", 1, water)?;
    message("m-hint", 2, json!({"text": "Thank you."}))?;
    message("m-empty", 3, json!({"text": "\u{7}"}))?;
    message(
        "m-gone",
        4,
        json!({"text": "Wrong house.", "confirm": true}),
    )?;
    message("m-back", 5, json!({"cancel": "m-gone"}))?;
    let two: &[&str] = &["chief", "deputy"];
    let limit = |id: &str, counter, watts: u32, end: String, signers: &[&str]| {
        let body = json!({"limit_w": watts, "end": end, "reason": "a busy line"});
        far.send(id, "LOAD_LIMIT", counter, 300, &body.to_string(), signers)
    };
    limit("l-one", 6, 4_200, later(600), &["chief"])?;
    limit("l-little", 7, 4_199, later(600), two)?;
    limit("l-long", 8, 4_200, later(90_000), two)?;
    limit("l-day", 9, 4_200, later(3_600), two)?;
    limit("l-short", 10, 9_000, later(20), two)?;
    far.answered("l-short", &gateway.daemon)?;
    let want = [
        "m-water|accepted",
        "m-hint|done",
        "m-empty|refused",
        "m-gone|accepted",
        "m-back|done",
        "l-little|refused",
        "l-long|refused",
        "l-day|accepted",
        "l-short|accepted",
    ];
    assert_eq!(far.results()?, want);
    for (id, why) in [("l-little", "least:"), ("l-long", "longest:")] {
        let result = far.result(id)?;
        assert!(result.starts_with(&format!("refused|{why}")), "{result}");
    }

    let state = gateway.daemon.state()?;
    let day = state
        .grid_events
        .iter()
        .find(|event| event.id == "limit:l-day");
    let day = day.with_context(|| format!("{:?}", state.grid_events))?;
    assert_eq!(
        (day.kind, day.level, day.may_opt_out),
        (GridEventKind::ImportLimit, Some("4.2".parse()?), false)
    );
    // Both outlive a restart, and what is asked is asked until it is answered.
    gateway.daemon.kill_and_restart()?;
    let messages = || -> anyhow::Result<Vec<Message>> {
        Ok(serde_json::from_value(gateway.daemon.json(MESSAGES_PATH)?)?)
    };
    let told = eventually("both messages are told", PATIENCE, || {
        let told = messages()?;
        Ok((told.len() == 2).then_some(told))
    })?;
    let water = told.iter().find(|message| message.confirm);
    let water = water.context("the one to confirm")?;
    assert_eq!(water.importance, Importance::Critical);
    let shown = eventually("it is shown", PATIENCE, || {
        let notices = gateway.daemon.state()?.notices;
        let says = |text: &str| text.ends_with("Water is cut at noon.");
        Ok(notices.into_iter().find(|notice| says(&notice.text)))
    })?;
    assert_eq!(shown.severity, Severity::Alarm);
    let unknown = json!({"id": "relay:none"});
    let (status, _) = gateway.daemon.post(MESSAGE_CONFIRM_PATH, &unknown)?;
    assert!(status.contains("404"), "{status}");
    let (status, answer) = gateway
        .daemon
        .post(MESSAGE_CONFIRM_PATH, &json!({"id": water.id}))?;
    assert!(status.contains("200"), "{status} {answer}");
    far.ended("m-water", "done", &gateway.daemon)?;
    assert!(far.result("m-water")?.contains("has confirmed it"));
    // A limit that held no whole quarter-hour ends with that word; one that is called off is gone.
    far.ended("l-short", "done", &gateway.daemon)?;
    far.send(
        "l-off",
        "LOAD_LIMIT",
        11,
        300,
        r#"{"cancel": "l-day"}"#,
        two,
    )?;
    far.answered("l-off", &gateway.daemon)?;
    eventually("nothing is asked any more", PATIENCE, || {
        Ok(gateway.daemon.state()?.grid_events.is_empty().then_some(()))
    })?;
    let books = gateway.sqlite("SELECT DISTINCT code FROM logbook WHERE code = 'limit'")?;
    assert_eq!(books, ["limit"]);
    gateway.daemon.stop()
}
