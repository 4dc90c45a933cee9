//! The ways out of the house: a cable that is pulled, a budget that is used up, a modem.

mod relay_home;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::nats::Cluster;
use e2e::net::{self, Lan};
use e2e::relay::{Postgres, Utility, Way};
use relay_home::{Gateway, PATIENCE, more_rows};
use wattle_api::{BEARERS_PATH, Bearer, BearerState};

const TWO: &str = "[[bearer]]\nname = \"sim\"\ninterface = \"wwan0\"\nkind = \"cellular\"\nbudget_mb = 1\n\
                   [[bearer]]\nname = \"fibre\"\ninterface = \"eth0\"\n";

fn bearers(daemon: &Daemon) -> anyhow::Result<Vec<Bearer>> {
    Ok(serde_json::from_value(daemon.json(BEARERS_PATH)?)?)
}

/// Waits until the relay goes over the bearer of this name.
fn over(daemon: &Daemon, name: &str) -> anyhow::Result<()> {
    let is_used = |bearer: &Bearer| bearer.name == name && bearer.in_use;
    eventually(&format!("the relay goes over {name}"), PATIENCE, || {
        Ok(bearers(daemon)?.iter().any(is_used).then_some(()))
    })
    .with_context(|| daemon.log().unwrap_or_default())
}

#[test]
fn a_pulled_cable_and_a_used_up_budget_lose_nothing() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let Some(lan) = Lan::new()? else {
        println!("skipped: network namespaces take root");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let (here, port) = (net::address(1), e2e::free_port()?);
    let lines = utility.broker_lines();
    let listener = format!("{lines}listener {port} {here}\n{lines}");
    let _broker = Broker::start_at(folder.path(), port, &listener)?;
    let _worker = utility.worker("worker-a", port, &postgres.address())?;

    // The home's own line to the head-end's network leads nowhere: only its two bearers do.
    let home = lan.host(31)?;
    home.cut(true)?;
    let fibre = home.line("eth0", "10.198.41", 100)?;
    let _sim = home.line("wwan0", "10.198.42", 200)?;
    // What others sent over the modem's interface has used up the month's budget but for little.
    let state = folder.path().join("gw-1/state");
    std::fs::create_dir_all(&state)?;
    let month = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let month = month.date().first_of_month();
    let spent =
        format!(r#"{{"month":"{month}","carried":{{"wwan0":{{"octets":1000000,"count":null}}}}}}"#);
    std::fs::write(state.join("bearers.json"), spent)?;
    let way = Way::Mqtt(format!("{here}:{port}"));
    let gateway = Gateway::start_at(
        folder.path(),
        "gw-1",
        Some(home.namespace()),
        &utility,
        way.clone(),
        TWO,
    )?;
    over(&gateway.daemon, "fibre")?;
    more_rows(&postgres, 10).with_context(|| gateway.daemon.log().unwrap_or_default())?;

    fibre.cut(true)?;
    over(&gateway.daemon, "sim")?;
    let told = bearers(&gateway.daemon)?;
    let [sim, cable] = told.as_slice() else {
        anyhow::bail!("{told:?}");
    };
    assert_eq!(cable.state, BearerState::Down);
    let budget = sim.budget.as_ref().context("it has a budget")?;
    assert_eq!(budget.held_back, [14, 10, 9, 7, 6, 2, 1]);
    // A command comes down and its result goes up although nothing is left for readings.
    let far = relay_home::Far {
        name: "gw-1",
        utility: &utility,
        postgres: &postgres,
        way: &Way::from(port),
        cms: false,
    };
    let ask = |id: &str, counter| {
        far.send(id, "TIME", counter, 300, "{\"now_s\": 0}", &["chief"])?;
        far.answered(id, &gateway.daemon)
    };
    // What was under way when the cable was pulled has arrived with the first answer.
    ask("c-time", 1)?;
    let readings = || postgres.query("SELECT count(*) FROM reading WHERE stream LIKE '14/%'");
    let before = readings()?;
    ask("c-again", 2)?;
    assert_eq!(readings()?, before, "readings were held back");
    let metrics = gateway.daemon.text("/metrics")?;
    assert!(
        metrics.contains("wattle_bearer_in_use{bearer=\"sim\",interface=\"wwan0\"} 1"),
        "{metrics}"
    );

    fibre.cut(false)?;
    over(&gateway.daemon, "fibre")?;
    gateway.drain()?;
    let mut arrived = gateway.arrived(&postgres)?;
    arrived.retain(|row| row.starts_with("14/"));
    assert_eq!(arrived, gateway.stored()?);
    gateway.daemon.stop()
}

#[test]
fn a_link_to_nats_goes_over_the_bearer_of_the_moment() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    if !e2e::nats::is_installed() {
        println!("skipped: NATS is not installed (apt-get install nats-server)");
        return Ok(());
    }
    let Some(lan) = Lan::new()? else {
        println!("skipped: network namespaces take root");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let cluster = Cluster::at(folder.path(), &utility, &net::address(1))?;
    let way = Way::Nats(cluster.servers(), 1);
    let _worker = utility.worker("worker-a", way.clone(), &postgres.address())?;
    // The home's own line leads nowhere, and the system's routes prefer the fibre.
    let home = lan.host(31)?;
    home.cut(true)?;
    let fibre = home.line("eth0", "10.198.41", 100)?;
    let sim = home.line("wwan0", "10.198.42", 200)?;
    let two = TWO.replace("budget_mb = 1\n", "");
    let gateway = Gateway::start_at(
        folder.path(),
        "gw-1",
        Some(home.namespace()),
        &utility,
        way,
        &two,
    )?;
    let log = || gateway.daemon.log().unwrap_or_default();
    over(&gateway.daemon, "fibre")?;
    let seen = more_rows(&postgres, 10).with_context(log)?;
    fibre.cut(true)?;
    over(&gateway.daemon, "sim")?;
    let seen = more_rows(&postgres, seen).with_context(log)?;
    fibre.cut(false)?;
    over(&gateway.daemon, "fibre")?;
    // Nothing but the fibre is left: what arrives now has left through it.
    sim.cut(true)?;
    more_rows(&postgres, seen).with_context(log)?;
    gateway.drain()?;
    assert_eq!(gateway.arrived(&postgres)?, gateway.stored()?);
    gateway.daemon.stop()
}

/// A bus of its own with python-dbusmock on it. They end when dropped.
struct Bus(Vec<Child>);

impl Bus {
    /// None where it is not installed.
    fn start(folder: &Path, parameters: &str) -> anyhow::Result<Option<Self>> {
        // Debian's Python has Debian's modules.
        let python = "/usr/bin/python3";
        let known = Command::new(python)
            .args(["-c", "import dbusmock"])
            .stderr(Stdio::null())
            .status();
        if !known.is_ok_and(|status| status.success()) {
            println!(
                "skipped: python-dbusmock is not installed (apt-get install python3-dbusmock dbus)"
            );
            return Ok(None);
        }
        let socket = folder.join("bus");
        let address = format!("unix:path={}", socket.display());
        let daemon = Command::new("dbus-daemon")
            .args([
                "--session",
                "--nofork",
                "--nopidfile",
                "--address",
                &address,
            ])
            .stderr(Stdio::null())
            .spawn()?;
        let mut bus = Self(vec![daemon]);
        eventually("the bus is there", Duration::from_secs(10), || {
            Ok(socket.exists().then_some(()))
        })?;
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../upstream/modemmanager.py");
        let mock = Command::new(python)
            .args(["-m", "dbusmock", "--system", "--template"])
            .arg(template)
            .args(["--parameters", parameters])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &address)
            .stdout(Stdio::null())
            .spawn()?;
        bus.0.push(mock);
        Ok(Some(bus))
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        for child in self.0.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn modem_of(daemon: &Daemon, want: impl Fn(&Bearer) -> bool) -> anyhow::Result<Bearer> {
    let mut last = Vec::new();
    eventually("the modem is told", PATIENCE, || {
        last = bearers(daemon)?;
        Ok(last.iter().find(|bearer| want(bearer)).cloned())
    })
    .with_context(|| format!("{last:?}\n{}", daemon.log().unwrap_or_default()))
}

fn cellular(folder: &Path, apn: &str) -> anyhow::Result<Daemon> {
    let utility = Utility::new(&folder.join("utility"))?;
    let lines = utility.gateway_lines("gw-1", e2e::free_port()?);
    let bearer = format!(
        "{lines}[[bearer]]\nname = \"sim\"\ninterface = \"wwan0\"\nkind = \"cellular\"\napn = {apn:?}\n"
    );
    Daemon::start(folder, &bearer)
}

#[test]
fn a_modem_connects_to_the_access_point_that_is_configured() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let parameters = r#"{"interface": "wwan0", "apn": "iot.example"}"#;
    let Some(_bus) = Bus::start(folder.path(), parameters)? else {
        return Ok(());
    };
    let daemon = cellular(folder.path(), "iot.example")?;
    let told = modem_of(&daemon, |bearer| {
        bearer
            .modem
            .as_ref()
            .is_some_and(|modem| modem.apn.is_some())
    })?;
    assert_eq!((told.state, told.trouble), (BearerState::Absent, None));
    let modem = told.modem.context("a modem")?;
    let want = serde_json::json!({
        "model": "Example M1",
        "state": "connected",
        "registration": "roaming",
        "operator": "Example Mobile",
        "technologies": ["lte_m"],
        "signal_percent": 57,
        "apn": "iot.example",
    });
    assert_eq!(serde_json::to_value(modem)?, want);
    daemon.stop()
}

#[test]
fn what_is_wrong_with_a_modem_is_said_in_words() -> anyhow::Result<()> {
    for (parameters, apn, word) in [
        (r#"{"locked": true}"#, "iot.example", "PIN"),
        (
            r#"{"apn": "iot.example"}"#,
            "typo.example",
            "no such access point",
        ),
    ] {
        let folder = tempfile::tempdir()?;
        let Some(_bus) = Bus::start(folder.path(), parameters)? else {
            return Ok(());
        };
        let daemon = cellular(folder.path(), apn)?;
        let says = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(word));
        modem_of(&daemon, |bearer| says(&bearer.trouble))?;
        eventually("the household is told", PATIENCE, || {
            let notices = daemon.state()?.notices;
            let told = notices.iter().any(|notice| notice.text.contains(word));
            Ok(told.then_some(()))
        })?;
        daemon.stop()?;
    }
    let folder = tempfile::tempdir()?;
    let daemon = cellular(folder.path(), "iot.example")?;
    let alone = modem_of(&daemon, |bearer| bearer.trouble.is_some())?;
    assert_eq!(alone.modem, None);
    daemon.stop()
}
