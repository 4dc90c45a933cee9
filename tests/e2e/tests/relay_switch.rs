//! The utility has a supply switched off and on again: signed commands through the broker, the
//! local rules, a simulated DLMS meter with a relay, and the person's button.
//!
//! What chrony says of the clock is simulated by a script. The minute of announcement and the ten
//! minutes between two switchings pass in the gateway's file while it does not run.

mod relay_home;

use std::path::Path;

use anyhow::Context;
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::past::{fill, incoming};
use e2e::relay::{Postgres, Utility};
use gateway::store::{Field, Incoming, Plan};
use jiff::{Timestamp, tz::TimeZone};
use meter_link::key::hex;
use relay_home::{Far, PATIENCE, more_rows};
use serde_json::{Value, json};
use wattle_api::{LOGS_PATH, NoticeCode, SUPPLY_ON_PATH, SUPPLY_PATH};
use wattle_sim::dlms::{Carrier, Config, DlmsMeter, Security};
use wattle_sim::household::{Curve, Kind};

const TRUSTED: &str = "7F7F0101,,5,1795419938.5,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,0.000000000,0.000000000,0.0,Normal";
const ALONE: &str = "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised";
const TEXT: &str = r#"{"reason": "Unpaid since May.", "contact": "Call 0800 123."}"#;
const NAME: &str = "gw-switch";
const BOTH: [&str; 2] = ["chief", "deputy"];

/// It has been mild in the garden.
fn weather(state: &Path) -> anyhow::Result<()> {
    let told = Incoming {
        fields: vec![Field {
            name: "external_temperature_c".to_owned(),
            value: Some("12.5".to_owned()),
            is_number: true,
            is_index: false,
        }],
        ..incoming("garden", "1WSM0000000009", Timestamp::now(), Vec::new())
    };
    fill(state, Plan::default(), [Ok(told)])
}

/// What the daemon hears when it asks chrony.
fn chrony(folder: &Path, tracking: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin)?;
    let script = format!("#!/bin/sh\ncase \"$*\" in *tracking) echo '{tracking}';; esac\n");
    std::fs::write(bin.join("new"), script)?;
    std::fs::set_permissions(bin.join("new"), std::fs::Permissions::from_mode(0o755))?;
    Ok(std::fs::rename(bin.join("new"), bin.join("chronyc"))?)
}

fn lines(
    utility: &Utility,
    port: u16,
    meter: &DlmsMeter,
    folder: &Path,
    rules: &str,
) -> anyhow::Result<String> {
    let of = meter.config();
    for (name, key) in [("key", &of.key), ("auth", &of.auth_key)] {
        std::fs::write(folder.join(name), hex(key.octets()))?;
    }
    let at = |name: &str| format!("file:{}", folder.join(name).display());
    Ok(format!(
        "[[meter]]\nname = \"house\"\nprotocol = \"dlms\"\nport = {:?}\nperiod_s = 5\n\
         [meter.dlms]\nlink = \"wrapper\"\nclient = 1\nregisters = [\"1-0:1.8.0\"]\n\
         authentication = \"gmac\"\nkey = {:?}\nauth_key = {:?}\n\
         [[meter]]\nname = \"garden\"\nrole = \"submeter\"\nprotocol = \"sml\"\nport = {:?}\n\
         [disconnect]\nmeter = \"house\"\n{rules}\n\
         outdoor = {{ meter = \"garden\", field = \"external_temperature_c\" }}\n{}\
         [[upstream.stream]]\ntaf = 14\nmeter = \"house\"\nregisters = [\"1-0:1.8.0\"]\nconsent = \"test\"\n",
        meter.place(),
        at("key"),
        at("auth"),
        folder.join("none"),
        utility.gateway_lines(NAME, port),
    ))
}

/// Lets time pass in what the supply remembers.
fn later(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("state/supply.json");
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    let supply = kept.get_mut("supply").context("no supply")?;
    if let Some(announced) = supply.pointer_mut("/state/Announced/at_s") {
        *announced = json!(Timestamp::now().as_second() - 1);
    }
    if let Some(Value::Array(switched)) = supply.get_mut("switched_s") {
        for at in switched {
            *at = json!(at.as_i64().unwrap_or(0) - 3_600);
        }
    }
    Ok(std::fs::write(path, kept.to_string())?)
}

fn noticed(daemon: &Daemon, code: NoticeCode) -> anyhow::Result<String> {
    eventually("the household is told", PATIENCE, || {
        let notices = daemon.state()?.notices;
        let found = notices.into_iter().find(|notice| notice.code == code);
        Ok(found.map(|notice| notice.text))
    })
}

fn state_of(daemon: &Daemon) -> anyhow::Result<String> {
    let told = daemon.json(SUPPLY_PATH)?;
    Ok(told
        .get("state")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned())
}

#[test]
fn a_supply_is_switched_off_and_on_by_the_rules() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let temporary = tempfile::tempdir()?;
    let folder = temporary.path().join("gateway");
    std::fs::create_dir_all(&folder)?;
    weather(&folder.join("state"))?;
    chrony(&folder, TRUSTED)?;
    let utility = Utility::new(&temporary.path().join("utility"))?;
    let broker = Broker::start_with(temporary.path(), &utility.broker_lines())?;
    let load = Curve::new(Kind::Constant { power_w: 2300 }, 1);
    let meter = DlmsMeter::at_tcp(Config::new(Carrier::Wrapper, Security::Gmac(0), load))?;
    let rules = |text: &str| lines(&utility, broker.port(), &meter, &folder, text);
    let mild = "life_support = false\nhours = [0, 24]";
    let mut daemon = Daemon::start(&folder, &rules(mild)?)?;
    utility.register(NAME, &folder.join("state"))?;
    let _worker = utility.worker("worker-a", broker.port(), &postgres.address())?;
    more_rows(&postgres, 0).with_context(|| daemon.log().unwrap_or_default())?;
    let way = broker.port().into();
    let far = Far {
        name: NAME,
        utility: &utility,
        postgres: &postgres,
        way: &way,
        cms: false,
    };
    // Each rule.
    let wrong = [
        ("c-bare", "DISCONNECT", 3_600, "{}", "its body is"),
        ("c-short", "DISCONNECT", 30, TEXT, "window:"),
        ("c-late", "DISCONNECT", -1, TEXT, "window:"),
        ("c-arm", "ARM", 3_600, "{}", "state:"),
    ];
    let mut counter = 0;
    for (id, kind, valid_s, body, _) in wrong {
        counter += 1;
        far.send(id, kind, counter, valid_s, body, &BOTH)?;
    }
    for (id, .., rule) in wrong {
        far.answered(id, &daemon)?;
        let denied = far.result(id)?;
        assert!(denied.starts_with(&format!("refused|{rule}")), "{denied}");
    }
    // Sends a command and waits for its result.
    let mut command = |daemon: &Daemon,
                       id: &str,
                       kind: &str,
                       valid_s: i32,
                       body: &str|
     -> anyhow::Result<String> {
        counter += 1;
        far.send(id, kind, counter, valid_s, body, &BOTH)?;
        far.answered(id, daemon)?;
        far.result(id)
    };

    chrony(&folder, ALONE)?;
    let denied = command(&daemon, "c-clock", "DISCONNECT", 3_600, TEXT)?;
    assert!(denied.starts_with("refused|clock:"), "{denied}");
    chrony(&folder, TRUSTED)?;
    let hour = Timestamp::now()
        .to_zoned(TimeZone::get("Europe/Berlin")?)
        .hour();
    let other = if hour < 12 { "[20, 21]" } else { "[2, 3]" };
    for (id, text, rule) in [
        (
            "c-life",
            "life_support = true\nhours = [0, 24]".to_owned(),
            "life_support:",
        ),
        (
            "c-hours",
            format!("life_support = false\nhours = {other}"),
            "hours:",
        ),
        ("c-cold", format!("{mild}\nnot_below_c = 13"), "moratorium:"),
    ] {
        daemon.restart_with(&rules(&text)?)?;
        let denied = command(&daemon, id, "DISCONNECT", 3_600, TEXT)?;
        assert!(
            denied.starts_with(&format!("refused|{rule}")),
            "{id}: {denied}"
        );
    }
    daemon.restart_with(&rules(mild)?)?;

    // Announced, and called off.
    let taken = command(&daemon, "c-first", "DISCONNECT", 3_600, TEXT)?;
    assert!(taken.starts_with("accepted|announced"), "{taken}");
    assert_eq!(state_of(&daemon)?, "announced");
    let told = noticed(&daemon, NoticeCode::SupplyAnnounced)?;
    assert!(told.contains("Unpaid since May. Call 0800 123."), "{told}");
    let done = command(&daemon, "c-mercy", "ARM", 3_600, "{}")?;
    assert!(done.starts_with("done|"), "{done}");
    assert_eq!(state_of(&daemon)?, "on");
    assert!(meter.seen().relay.is_empty());

    // Announced, and a minute later the relay opens, once, over a kill.
    command(&daemon, "c-off", "DISCONNECT", 3_600, TEXT)?;
    daemon.kill_and_restart_after(|| later(&folder))?;
    far.ended("c-off", "done", &daemon)?;
    assert_eq!(meter.seen().relay, [false]);
    assert_eq!(state_of(&daemon)?, "off");
    noticed(&daemon, NoticeCode::SupplyOff)?;
    daemon.kill_and_restart()?;
    let pressed = daemon.post(SUPPLY_ON_PATH, &json!(null))?;
    assert!(pressed.0.contains("409"), "{pressed:?}");

    // Armed, the person switches on; ten minutes lie between.
    let denied = command(&daemon, "c-old", "RECONNECT", -1, "{}")?;
    assert!(denied.starts_with("refused|window:"), "{denied}");
    let done = command(&daemon, "c-on", "RECONNECT", 3_600, "{}")?;
    assert!(done.starts_with("done|"), "{done}");
    noticed(&daemon, NoticeCode::SupplyArmed)?;
    let pressed = daemon.post(SUPPLY_ON_PATH, &json!(null))?;
    assert!(
        pressed.0.contains("409") && pressed.1.to_string().contains("too_soon"),
        "{pressed:?}"
    );
    assert_eq!(
        meter.seen().relay,
        [false],
        "nothing is switched on from afar"
    );
    daemon.kill_and_restart_after(|| later(&folder))?;
    let pressed = daemon.post(SUPPLY_ON_PATH, &json!(null))?;
    assert!(pressed.0.contains("200"), "{pressed:?}");
    eventually("the relay is closed and read back", PATIENCE, || {
        let told = daemon.json(SUPPLY_PATH)?;
        Ok((told.get("moving") == Some(&json!(false))).then_some(()))
    })
    .with_context(|| daemon.log().unwrap_or_default())?;
    assert_eq!(meter.seen().relay, [false, true]);
    assert_eq!(state_of(&daemon)?, "on");
    let denied = command(&daemon, "c-soon", "DISCONNECT", 3_600, TEXT)?;
    assert!(denied.starts_with("refused|too_soon:"), "{denied}");
    // What came before comes to nothing.
    far.send("c-again", "DISCONNECT", 1, 3_600, TEXT, &BOTH)?;
    command(&daemon, "c-last", "TIME", 3_600, "{\"now_s\": 1}")?;
    assert!(far.result("c-again").is_err());
    let books = daemon
        .json(&format!("{LOGS_PATH}/calibration"))?
        .to_string();
    for step in [
        "opens the relay",
        "closes the relay",
        "the relay is open, read back",
        "life_support",
    ] {
        assert!(books.contains(step), "{step}: {books}");
    }
    daemon.stop()
}
