//! The relay from the meter to PostgreSQL: through a broker that is not trusted, and through kills.

mod relay_home;

use anyhow::Context;
use e2e::broker::Broker;
use e2e::eventually;
use e2e::nats::Cluster;
use e2e::relay::{Postgres, Utility, Way, Worker};
use relay_home::{Far, Gateway, PATIENCE, more_rows};
use wattle_api::{GRID_EVENT_CHOICE_PATH, GridEventKind, STATE_PATH};

#[test]
fn readings_arrive_once_and_nobody_between_reads_them() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let broker = Broker::start_with(folder.path(), &utility.broker_lines())?;
    let gateway = Gateway::start(folder.path(), "gw-1", &utility, broker.port())?;
    let sniffed = Sniffer::start(&utility, broker.port())?;
    let _worker = utility.worker("worker-a", broker.port(), &postgres.address())?;
    more_rows(&postgres, 20).with_context(|| gateway.daemon.log().unwrap_or_default())?;
    gateway.drain()?;
    let stored = gateway.stored()?;
    assert!(stored.len() > 20, "{} rows", stored.len());
    assert_eq!(gateway.arrived(&postgres)?, stored);
    // 2300 W constant: the power would be seen in whatever is not sealed.
    let heard = sniffed.heard()?;
    assert!(heard.contains("up/gw-1"), "the sniffer heard nothing");
    for line in heard.lines() {
        let payload = line.split_once(' ').map_or("", |(_, payload)| payload);
        // Octets of COSE_Encrypt0 (tag 16), or an announcement: [device, epoch, signed].
        assert!(
            payload.starts_with("d0") || payload.starts_with("83"),
            "{line}"
        );
    }
    let way = broker.port().into();
    commands(&gateway, &utility, &postgres, &way)?;
    let far = Far {
        name: &gateway.name,
        utility: &utility,
        postgres: &postgres,
        way: &way,
        cms: false,
    };
    services(&far, &gateway)?;
    let ledger =
        gateway.sqlite("SELECT CAST(count(*) AS TEXT) FROM disclosure WHERE kind = 'utility'")?;
    assert!(
        ledger != ["0"],
        "what was sent stands in the privacy ledger"
    );
    gateway.daemon.stop()
}

/// Prices, tariffs and events of the utility arrive where the household sees them; its word goes
/// back.
fn services(far: &Far<'_>, gateway: &Gateway) -> anyhow::Result<()> {
    let now = jiff::Timestamp::now();
    let hour = now.as_second().div_euclid(3_600) * 3_600_000;
    let prices = format!(
        r#"{{"data":[{{"start_timestamp":{hour},"end_timestamp":{},"marketprice":250,"unit":"Eur/MWh"}}]}}"#,
        hour + 7_200_000
    );
    let event = |id: &str, kind: &str, value: &str| {
        format!(
            r#"{{"objectType":"EVENT","id":"{id}","programID":"p","eventName":"peak","intervalPeriod":{{"start":"{now}","duration":"PT1H"}},"intervals":[{{"id":0,"payloads":[{{"type":"{kind}","values":[{value}]}}]}}]}}"#
        )
    };
    let send = |id: &str, kind: &str, counter: u32, body: &str| {
        far.send(id, kind, counter, 300, body, &["chief"])
    };
    send("c-price", "PRICE", 10, &prices)?;
    send("c-none", "PRICE", 11, "free today")?;
    send("c-peak", "DR_EVENT", 12, &event("peak-1", "SIMPLE", "2"))?;
    send(
        "c-word",
        "DR_EVENT",
        13,
        &event("word-1", "ALERT_OTHER", "\"works tonight\""),
    )?;
    send("c-gone", "DR_EVENT", 14, r#"{"cancel": "word-1"}"#)?;
    send("c-odd", "DR_EVENT", 15, "{}")?;
    send("c-tune", "CONFIG", 16, r#"{"every_s": 2}"#)?;
    send("c-steal", "CONFIG", 17, r#"{"link": "mqtt://elsewhere:1"}"#)?;
    send("c-ware", "FIRMWARE", 18, r#"{"version": "2.0"}"#)?;
    let tariff = "version = 1\nname = \"Flat\"\ncurrency = \"EUR\"\n[bands.all]\nrate = \"0.30\"\n[[schedule]]\nband = \"all\"\n";
    far.answered("c-ware", &gateway.daemon)?;
    let state = gateway.daemon.state()?;
    let [peak] = state.grid_events.as_slice() else {
        anyhow::bail!("{:?}", state.grid_events);
    };
    assert_eq!(
        (peak.id.as_str(), peak.kind, peak.level),
        ("relay:peak-1", GridEventKind::LoadShed, Some(2.into()))
    );
    eventually("the price is in force", PATIENCE, || {
        let price = gateway.daemon.json(STATE_PATH)?;
        let text = price.get("price").map(ToString::to_string);
        Ok(text.filter(|text| text.contains("0.25")).map(drop))
    })?;
    let word = serde_json::json!({"id": "relay:peak-1", "opt": "out"});
    gateway.daemon.post(GRID_EVENT_CHOICE_PATH, &word)?;
    far.answered("peak-1", &gateway.daemon)?;
    send("c-flat", "TARIFF", 19, tariff)?;
    far.answered("c-flat", &gateway.daemon)?;
    let want = [
        "c-price|done",
        "c-none|refused",
        "c-peak|done",
        "c-word|done",
        "c-gone|done",
        "c-odd|refused",
        "c-tune|done",
        "c-steal|refused",
        "c-ware|done",
        "peak-1|opted_out",
        "c-flat|done",
    ];
    let results = far.results()?;
    assert_eq!(results.get(4..).unwrap_or_default(), want);
    let books = gateway
        .sqlite("SELECT code FROM logbook WHERE code IN ('tariff', 'firmware') ORDER BY code")?;
    assert_eq!(books, ["firmware", "tariff", "tariff"]);
    Ok(())
}

/// In the form of CMS the same arrives, and openssl opens what left the gateway.
#[test]
fn in_the_form_of_cms_the_same_arrives_and_openssl_opens_it() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let broker = Broker::start_with(folder.path(), &utility.broker_lines())?;
    let sniffed = Sniffer::start(&utility, broker.port())?;
    let gateway = Gateway::start_sealed(folder.path(), "gw-cms", &utility, broker.port(), "cms")?;
    let _worker = utility.worker("worker-a", broker.port(), &postgres.address())?;
    more_rows(&postgres, 20).with_context(|| gateway.daemon.log().unwrap_or_default())?;
    gateway.drain()?;
    assert_eq!(gateway.arrived(&postgres)?, gateway.stored()?);
    let heard = eventually("what went up is heard", PATIENCE, || {
        let heard = sniffed.heard()?;
        Ok(heard.contains("up/gw-cms").then_some(heard))
    })?;
    let mut opened = 0;
    for line in heard.lines().filter(|line| line.contains("up/gw-cms")) {
        let (_, payload) = line.split_once(' ').context("a payload")?;
        assert!(payload.starts_with("30"), "{line}");
        if opened < 3 {
            let clear = unsealed(&utility, &folder.path().join("gw-cms/state"), payload)?;
            let says = |text: &str| {
                clear
                    .windows(text.len())
                    .any(|part| part == text.as_bytes())
            };
            assert!(says("gw-cms") && says("14/"), "{clear:02x?}");
            opened += 1;
        }
    }
    assert!(opened > 0, "nothing went up");
    let way = broker.port().into();
    let far = Far {
        name: &gateway.name,
        utility: &utility,
        postgres: &postgres,
        way: &way,
        cms: true,
    };
    let house = "{\"meter\": \"house\"}";
    far.send("c-stranger", "READ_NOW", 1, 300, house, &["stranger"])?;
    far.send("c-one", "DISCONNECT", 2, 300, "{}", &["chief"])?;
    far.send("c-off", "DISCONNECT", 3, 300, "{}", &["chief", "deputy"])?;
    far.send("c-read", "READ_NOW", 4, 300, house, &["chief"])?;
    far.send("c-again", "READ_NOW", 4, 300, house, &["chief"])?;
    far.send("c-late", "READ_NOW", 5, -1, house, &["chief"])?;
    far.answered("c-late", &gateway.daemon)?;
    let want = ["c-off|not_supported", "c-read|done", "c-late|refused"];
    assert_eq!(far.results()?, want);
    println!("openssl opened {opened} batches of the daemon");
    gateway.daemon.stop()
}

/// What openssl finds in a message from the gateway whose state folder is given.
fn unsealed(utility: &Utility, state: &std::path::Path, message: &str) -> anyhow::Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let octets: Vec<u8> = (0..message.len() / 2)
        .map(|place| {
            let digits = message.get(2 * place..2 * place + 2).unwrap_or_default();
            u8::from_str_radix(digits, 16)
        })
        .collect::<Result<_, _>>()?;
    std::fs::write(folder.path().join("batch.der"), octets)?;
    let openssl = |words: &[&str], files: &[(&str, std::path::PathBuf)]| -> anyhow::Result<()> {
        let mut command = std::process::Command::new("openssl");
        command
            .arg("cms")
            .args(words)
            .args(["-binary", "-inform", "DER"]);
        for (name, file) in files {
            command.arg(name).arg(file);
        }
        let output = command.current_dir(folder.path()).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        anyhow::ensure!(output.status.success(), "openssl: {said}");
        Ok(())
    };
    let recipient = [
        ("-recip", utility.file("headend.crt")),
        ("-inkey", utility.file("headend.key")),
    ];
    openssl(
        &["-decrypt", "-in", "batch.der", "-out", "signed.der"],
        &recipient,
    )?;
    let device = state.join("upstream.crt");
    let signer = [("-CAfile", device.clone()), ("-certfile", device)];
    openssl(
        &[
            "-verify",
            "-purpose",
            "any",
            "-in",
            "signed.der",
            "-out",
            "clear",
        ],
        &signer,
    )?;
    Ok(std::fs::read(folder.path().join("clear"))?)
}

/// Commands come down signed and are taken once; their results go up like readings.
fn commands(
    gateway: &Gateway,
    utility: &Utility,
    postgres: &Postgres,
    way: &Way,
) -> anyhow::Result<()> {
    let far = Far {
        name: &gateway.name,
        utility,
        postgres,
        way,
        cms: false,
    };
    let send = |id: &str, kind: &str, counter: u32, valid_s: i32, body: &str, signers: &[&str]| {
        far.send(id, kind, counter, valid_s, body, signers)
    };
    let house = "{\"meter\": \"house\"}";
    send("c-stranger", "READ_NOW", 1, 300, house, &["stranger"])?;
    send("c-one", "DISCONNECT", 2, 300, "{}", &["chief"])?;
    send("c-read", "READ_NOW", 3, 300, house, &["chief"])?;
    send("c-again", "READ_NOW", 3, 300, house, &["chief"])?;
    send("c-late", "READ_NOW", 4, -1, house, &["chief"])?;
    send("c-off", "DISCONNECT", 5, 300, "{}", &["chief", "deputy"])?;
    send("c-key", "KEY_ROTATE", 6, 300, "{}", &["deputy"])?;
    far.answered("c-key", &gateway.daemon)?;
    let want = [
        "c-read|done",
        "c-late|refused",
        "c-off|not_supported",
        "c-key|done",
    ];
    assert_eq!(far.results()?, want);
    let read = eventually("what was asked for arrives", PATIENCE, || {
        let rows = postgres.query("SELECT count(*) FROM reading WHERE stream LIKE '6/%'")?;
        Ok((rows != ["0"]).then_some(rows))
    })?;
    assert_eq!(read, ["1"]);
    Ok(())
}

/// Readings up and commands down by something other than a broker.
fn by_another_way(way: &Way, postgres: &Postgres, utility: &Utility) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let _worker = utility.worker("worker-a", way.clone(), &postgres.address())?;
    let gateway = Gateway::start(folder.path(), "gw-1", utility, way.clone())?;
    more_rows(postgres, 20).with_context(|| gateway.daemon.log().unwrap_or_default())?;
    gateway.drain()?;
    let stored = gateway.stored()?;
    assert!(stored.len() > 20, "{} rows", stored.len());
    assert_eq!(gateway.arrived(postgres)?, stored);
    commands(&gateway, utility, postgres, way)?;
    gateway.daemon.stop()
}

#[test]
fn over_https_the_same_arrives() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let way = Way::Https(format!("localhost:{}", e2e::free_port()?));
    by_another_way(&way, &postgres, &utility)
}

#[test]
fn over_nats_the_same_arrives() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    if !e2e::nats::is_installed() {
        println!("skipped: NATS is not installed (apt-get install nats-server)");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let cluster = Cluster::alone(folder.path(), &utility)?;
    by_another_way(&Way::Nats(cluster.servers(), 1), &postgres, &utility)
}

/// `WATTLE_KILLS` kills of gateways, workers and the broker in turn: every row once, none lost.
#[test]
fn kills_lose_and_double_nothing() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let kills: usize = std::env::var("WATTLE_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(8);
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let lines = utility.broker_lines();
    let first = Broker::start_with(folder.path(), &lines)?;
    let port = first.port();
    let mut broker = Some(first);
    let names = ["gw-1", "gw-2", "gw-3"];
    let mut gateways = names
        .iter()
        .map(|name| Gateway::start(folder.path(), name, &utility, port))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let start = |name: &str| utility.worker(name, port, &postgres.address());
    let mut workers: Vec<Worker> = vec![start("worker-a")?, start("worker-b")?];
    let mut seen = more_rows(&postgres, 0)?;
    let mut counts = [0_u32; 3];
    for kill in 0..kills {
        match kill % 4 {
            0 => {
                let count = gateways.len();
                let gateway = gateways.get_mut(kill / 4 % count).context("a gateway")?;
                gateway.daemon.kill_and_restart()?;
                counts[0] += 1;
            }
            2 => {
                drop(broker.take());
                broker = Some(Broker::start_at(folder.path(), port, &lines)?);
                counts[1] += 1;
            }
            _ => {
                drop(workers.remove(0));
                workers.push(start(&format!("worker-{kill}"))?);
                counts[2] += 1;
            }
        }
        seen = more_rows(&postgres, seen)?;
    }
    for gateway in &gateways {
        gateway.drain()?;
        let stored = gateway.stored()?;
        assert_eq!(gateway.arrived(&postgres)?, stored, "{}", gateway.name);
        println!("{}: {} rows are the same", gateway.name, stored.len());
    }
    let [daemon, brokers, headend] = counts;
    println!("{daemon} kills of gateways, {brokers} of the broker, {headend} of workers");
    Ok(())
}

/// `mosquitto_sub '#'`, with a certificate of its own: what whoever owns the broker sees.
struct Sniffer {
    child: std::process::Child,
    file: tempfile::NamedTempFile,
}

impl Sniffer {
    fn start(utility: &Utility, port: u16) -> anyhow::Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        let child = std::process::Command::new("mosquitto_sub")
            .args([
                "-h",
                "localhost",
                "-p",
                &port.to_string(),
                "-t",
                "#",
                "-F",
                "%t %x",
                "--cafile",
            ])
            .arg(utility.file("authority.crt"))
            .arg("--cert")
            .arg(utility.file("worker.crt"))
            .arg("--key")
            .arg(utility.file("worker.key"))
            .stdout(file.reopen()?)
            .spawn()
            .context("mosquitto_sub is not installed: apt-get install mosquitto-clients")?;
        Ok(Self { child, file })
    }

    fn heard(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.file.path())?)
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
