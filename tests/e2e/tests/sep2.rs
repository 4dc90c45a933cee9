//! A simulated server of IEEE 2030.5 behind OpenSSL's TLS: controls arrive in the state, the
//! household's word and what is done go back.

use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::{eventually, utility};
use serde_json::json;
use wattle_api::{GRID_EVENT_CHOICE_PATH, GridEvent, GridEventKind};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn controls_arrive_and_are_answered() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = utility::start(folder.path())?;
    let config = server.config(folder.path());
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
