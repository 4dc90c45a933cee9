//! The relay over a cluster of NATS servers and over two brokers with a bridge, while servers are
//! killed and cut off, gateways and head-end workers killed: every row once, none lost.
//!
//! `WATTLE_CHAOS` says how many rounds (2 unless set): a server killed or cut off, two kills
//! of gateways, two of workers. As root, with nats-server.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod relay_home;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use e2e::eventually;
use e2e::nats::Cluster;
use e2e::net::{Host, Lan, address};
use e2e::relay::{Postgres, Utility, Way, Worker};
use relay_home::{Gateway, more_rows};

/// How long a line stays cut: longer than a cluster takes to notice.
const CUT: Duration = Duration::from_secs(3);
const PORT: u16 = 8883;

/// The broker of the gateways here, and behind a bridge that of the head-end.
struct Brokers<'a> {
    folder: &'a Path,
    utility: &'a Utility,
    far: Host,
    running: [Option<Child>; 2],
}

impl<'a> Brokers<'a> {
    fn start(folder: &'a Path, utility: &'a Utility, far: Host) -> anyhow::Result<Self> {
        let mut brokers = Self {
            folder,
            utility,
            far,
            running: [None, None],
        };
        brokers.begin(1)?;
        brokers.begin(0)?;
        Ok(brokers)
    }

    fn address(number: usize) -> String {
        address(if number == 0 { 1 } else { 21 })
    }

    fn begin(&mut self, number: usize) -> anyhow::Result<()> {
        let at = Self::address(number);
        let kept = self.folder.join(format!("kept{number}"));
        std::fs::create_dir_all(&kept)?;
        let mut text = format!(
            "user root\nper_listener_settings false\nmax_queued_messages 0\npersistence true\n\
             persistence_location {}/\nautosave_interval 1\nlistener {PORT} {at}\n{}",
            kept.display(),
            self.utility.broker_lines()
        );
        if number == 0 {
            let file = |name: &str| self.utility.file(name).display().to_string();
            text += &format!(
                "connection core\naddress {}:{PORT}\ncleansession false\n\
                 restart_timeout 1\nkeepalive_interval 5\ntopic wattle/up/# out 1\ntopic wattle/down/# in 1\n\
                 bridge_cafile {}\nbridge_certfile {}\nbridge_keyfile {}\n",
                Self::address(1),
                file("authority.crt"),
                file("worker.crt"),
                file("worker.key"),
            );
        }
        let config = self.folder.join(format!("broker{number}.conf"));
        std::fs::write(&config, text)?;
        let mut command = if number == 0 {
            let mut command = Command::new("mosquitto");
            command.env(
                "PATH",
                std::env::var("PATH").unwrap_or_default() + ":/usr/sbin",
            );
            command
        } else {
            self.far.command("mosquitto")
        };
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("broker{number}.log")))?;
        let child = command
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        self.running[number] = Some(child);
        eventually("mosquitto listens", Duration::from_secs(10), || {
            Ok(std::net::TcpStream::connect((at.as_str(), PORT)).ok())
        })?;
        Ok(())
    }

    fn kill_and_restart(&mut self, number: usize) -> anyhow::Result<()> {
        self.end(number);
        self.begin(number)
    }

    fn end(&mut self, number: usize) {
        if let Some(mut child) = self.running[number].take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Brokers<'_> {
    fn drop(&mut self) {
        self.end(0);
        self.end(1);
    }
}

#[test]
fn chaos_loses_and_doubles_nothing() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    if !e2e::nats::is_installed() {
        println!("skipped: NATS is not installed (apt-get install nats-server)");
        return Ok(());
    }
    let Some(lan) = Lan::new()? else {
        println!("skipped: network namespaces need root");
        return Ok(());
    };
    let rounds: usize = std::env::var("WATTLE_CHAOS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2);
    let folder = tempfile::tempdir()?;
    let place = folder.path();
    let utility = Utility::new(&place.join("utility"))?;
    let hosts = [11, 12, 13].map(|last| lan.host(last));
    let hosts = hosts.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut cluster = Cluster::on(place, &utility, hosts)?;
    let nats = Way::Nats(cluster.servers(), 3);
    let mut brokers = Brokers::start(place, &utility, lan.host(21)?)?;
    let near = Way::Mqtt(format!("{}:{PORT}", Brokers::address(0)));
    let far = Way::Mqtt(format!("{}:{PORT}", Brokers::address(1)));

    let worker = |name: String, way: &Way| utility.worker(&name, way.clone(), &postgres.address());
    let mut workers: Vec<(Way, Worker)> = Vec::new();
    for (number, way) in [&nats, &far, &nats, &far].into_iter().enumerate() {
        workers.push((way.clone(), worker(format!("worker-{number}"), way)?));
    }
    let mut gateways = [
        ("gw-1", &nats),
        ("gw-2", &near),
        ("gw-3", &nats),
        ("gw-4", &near),
    ]
    .into_iter()
    .map(|(name, way)| Gateway::start(place, name, &utility, way.clone()))
    .collect::<anyhow::Result<Vec<_>>>()?;
    let logs = |gateways: &[Gateway]| -> String {
        let log = |gateway: &Gateway| gateway.daemon.log().unwrap_or_default();
        gateways.iter().map(log).collect()
    };
    let mut seen = more_rows(&postgres, 0).with_context(|| logs(&gateways))?;
    // Servers killed, servers cut off, gateways, workers.
    let mut counts = [0_u32; 4];
    for round in 0..rounds {
        match round % 5 {
            0 | 3 => {
                cluster.kill_and_restart(round % 3)?;
                counts[0] += 1;
            }
            1 => {
                brokers.kill_and_restart(round / 5 % 2)?;
                counts[0] += 1;
            }
            2 => {
                cluster.cut(round % 3, true)?;
                std::thread::sleep(CUT);
                cluster.cut(round % 3, false)?;
                counts[1] += 1;
            }
            _ => {
                brokers.far.cut(true)?;
                std::thread::sleep(CUT);
                brokers.far.cut(false)?;
                counts[1] += 1;
            }
        }
        for half in 0..2 {
            let number = (round * 2 + half) % gateways.len();
            gateways[number].daemon.kill_and_restart()?;
            let (way, killed) = workers.remove(0);
            drop(killed);
            workers.push((way.clone(), worker(format!("worker-{round}-{half}"), &way)?));
            counts[2] += 1;
            counts[3] += 1;
        }
        seen = more_rows(&postgres, seen).with_context(|| logs(&gateways))?;
    }
    for gateway in &gateways {
        gateway.drain()?;
        let stored = gateway.stored()?;
        assert_eq!(gateway.arrived(&postgres)?, stored, "{}", gateway.name);
        println!("{}: {} rows are the same", gateway.name, stored.len());
    }
    let [servers, cuts, daemons, headend] = counts;
    println!(
        "{servers} kills of servers, {cuts} cuts, {daemons} kills of gateways, {headend} of workers"
    );
    Ok(())
}
