//! A head-end in small: takes sealed batches from a broker or by HTTPS, opens and verifies them, writes their
//! rows into PostgreSQL and acknowledges what is there. For tests and demonstration.
//!
//! It keeps no state of its own: any number of workers share one subscription and one database, and
//! each may be killed at any moment. A row is written once, whatever comes twice.

mod command;
mod database;
mod https;
mod mqtt;
mod nats;
mod worker;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use wattle_relay::{Certificate, PrivateKey, PublicKey};

#[derive(Parser)]
#[command(name = "wattle-headend")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take batches until killed
    Run(Common),
    /// Seal a command for a device and publish it
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
    /// The head-end's private key
    #[arg(long)]
    key: PathBuf,
    /// Its certificate, for messages in the form of CMS
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Folder with the devices' certificates, DEVICE.crt
    #[arg(long)]
    devices: PathBuf,
    /// First levels of topics and subjects
    #[arg(long, default_value = "wattle")]
    prefix: String,
    /// This client's name at the broker
    #[arg(long, default_value = "headend")]
    name: String,
    /// Authorities of the broker's certificate, for TLS
    #[arg(long, requires = "tls_certificate")]
    ca_file: Option<PathBuf>,
    /// The head-end's certificate at the broker
    #[arg(long, requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its key
    #[arg(long)]
    tls_key: Option<PathBuf>,
}

impl Common {
    fn private_key(&self) -> anyhow::Result<PrivateKey> {
        private_key(&self.key)
    }

    /// The key of a device, if it is registered. Read anew each time: devices come and are revoked.
    fn device(&self, name: &str) -> Option<PublicKey> {
        Some(self.device_certificate(name)?.public().clone())
    }

    /// Its certificate.
    fn device_certificate(&self, name: &str) -> Option<Certificate> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.chars().all(legal) || name.starts_with('.') {
            return None;
        }
        let octets = std::fs::read(self.devices.join(format!("{name}.crt"))).ok()?;
        Certificate::read(&octets).ok()
    }

    /// The certificates of all devices.
    fn devices(&self) -> anyhow::Result<Vec<Certificate>> {
        let files = std::fs::read_dir(&self.devices)?;
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            Certificate::read(&std::fs::read(file.ok()?.path()).ok()?).ok()
        };
        Ok(files.filter_map(read).collect())
    }

    /// What is sealed in the form of CMS is for this certificate.
    fn certificate(&self) -> anyhow::Result<Certificate> {
        let path = self
            .certificate
            .as_ref()
            .context("--certificate is missing")?;
        Ok(Certificate::read(&std::fs::read(path)?)?)
    }

    fn tls(&self) -> anyhow::Result<Option<rustls::ClientConfig>> {
        let (Some(ca), Some(certificate), Some(key)) =
            (&self.ca_file, &self.tls_certificate, &self.tls_key)
        else {
            return Ok(None);
        };
        let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities(ca)?)
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
        Ok(Some(tls))
    }
}

fn authorities(path: &Path) -> anyhow::Result<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(path)? {
        roots.add(authority?)?;
    }
    Ok(roots)
}

fn private_key(path: &Path) -> anyhow::Result<PrivateKey> {
    let name = || path.display().to_string();
    let octets = std::fs::read(path).with_context(name)?;
    PrivateKey::read(&octets).with_context(name)
}

/// Random octets for an IV of the way down: its key is apart from that of the way up.
fn random_iv() -> anyhow::Result<[u8; 12]> {
    let mut iv = [0; 12];
    getrandom::fill(&mut iv).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(iv)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(common) if common.listen.is_some() => https::run(common).await,
        Command::Run(common) if !common.nats.is_empty() => nats::run(common).await,
        Command::Run(common) => mqtt::run(common).await,
        Command::Send(args) => command::send(args).await,
    }
}
