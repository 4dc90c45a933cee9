//! A head-end in small: takes sealed batches from a broker or by HTTPS, opens and verifies them, writes their
//! rows into PostgreSQL and acknowledges what is there. For tests and demonstration.
//!
//! It keeps no state of its own: any number of workers share one subscription and one database, and
//! each may be killed at any moment. A row is written once, whatever comes twice.

mod command;
mod database;
mod https;
mod keys;
mod mqtt;
mod nats;
mod worker;

use std::path::PathBuf;

use clap::{Args, Parser};

#[derive(Parser)]
#[command(name = "wattle-headend")]
enum Command {
    /// Take batches until killed
    Run(Common),
    /// Seal a command for a device; a worker publishes it
    Send(command::SendArgs),
}

/// What workers and commands need.
#[derive(Args, Clone)]
struct Common {
    /// The MQTT broker: host:port
    #[arg(long)]
    broker: Option<String>,
    /// In its place servers of NATS: host:port,host:port …
    #[arg(long, value_delimiter = ',', conflicts_with = "broker")]
    nats: Vec<String>,
    /// Copies that NATS keeps of each message
    #[arg(long, default_value_t = 1)]
    replicas: usize,
    /// In its place this host:port for HTTPS
    #[arg(long, conflicts_with_all = ["broker", "nats"])]
    listen: Option<String>,
    /// The database, as libpq writes it: "host=… dbname=…"
    #[arg(long)]
    database: String,
    /// Folder with headend.key and headend.crt, devices/DEVICE.crt, and for TLS authority.crt, worker.crt
    /// and worker.key
    #[arg(long)]
    folder: PathBuf,
    /// First levels of topics and subjects
    #[arg(long, default_value = "wattle")]
    prefix: String,
}

impl Common {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Files for TLS: authorities, own certificate, its key.
    fn tls(&self) -> Option<[PathBuf; 3]> {
        let files = ["authority.crt", "worker.crt", "worker.key"].map(|name| self.file(name));
        files.iter().all(|file| file.exists()).then_some(files)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    // Another one may come with a dependency; two would leave none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Command::parse() {
        Command::Run(common) if common.listen.is_some() => https::run(common).await,
        Command::Run(common) if !common.nats.is_empty() => worker::run::<nats::Nats>(common).await,
        Command::Run(common) => worker::run::<mqtt::Mqtt>(common).await,
        Command::Send(args) => command::send(args).await,
    }
}
