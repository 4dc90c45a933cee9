//! A demonstration of the relay: broker, PostgreSQL, two head-end workers, three gateways with
//! simulated meters. Shows every few seconds what has arrived, until Ctrl-C.

use std::time::Duration;

use anyhow::Context;
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::relay::{Postgres, Utility};
use wattle_sim::household::{Curve, Kind};
use wattle_sim::sml::{Config, SmlMeter};

fn main() -> anyhow::Result<()> {
    let rounds: u32 = std::env::args()
        .nth(1)
        .map_or(Ok(u32::MAX), |text| text.parse())?;
    let postgres = Postgres::start()?
        .context("PostgreSQL 15 is not installed: apt-get install postgresql-15")?;
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let broker = Broker::start_with(folder.path(), &utility.broker_lines())?;
    let _workers = ["worker-a", "worker-b"]
        .iter()
        .map(|name| utility.worker(name, broker.port(), &postgres.address()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut running = Vec::new();
    for (number, power_w) in (1..=3).zip([300, 1_420, 2_300]) {
        let name = format!("gw-{number}");
        let home = folder.path().join(&name);
        std::fs::create_dir_all(&home)?;
        let link = home.join("optical0");
        let meter = SmlMeter::start(
            &link,
            Config::new(Curve::new(Kind::Constant { power_w }, number)),
        )?;
        let more = format!(
            "[[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {link:?}\n{}\
             [[upstream.stream]]\ntaf = 7\nmeter = \"house\"\nconsent = \"demonstration\"\n\
             [[upstream.stream]]\ntaf = 14\nmeter = \"house\"\nconsent = \"demonstration\"\n",
            utility.gateway_lines(&name, broker.port())
        );
        let daemon = Daemon::start(&home, &more)?;
        utility.register(&name, &home.join("state"))?;
        println!(
            "{name}: a simulated meter at {power_w} W, state in {}",
            home.display()
        );
        running.push((meter, daemon));
    }
    println!(
        "broker: localhost:{}, with certificates in {}",
        broker.port(),
        folder.path().join("utility").display()
    );
    println!(
        "look yourself: psql -d '{}' -c 'SELECT * FROM reading'",
        postgres.address()
    );
    for _ in 0..rounds {
        std::thread::sleep(Duration::from_secs(3));
        let rows = postgres.query(
            "SELECT device || ' ' || stream || ': ' || count(*) || ' rows, the last ' || (array_agg(value ORDER BY seq DESC))[1]
             FROM reading WHERE stream LIKE '%/1-0:1.8.0%' GROUP BY device, stream ORDER BY 1",
        )?;
        println!("--");
        rows.iter().for_each(|row| println!("{row}"));
    }
    Ok(())
}
