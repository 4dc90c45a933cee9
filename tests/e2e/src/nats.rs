//! A real cluster of NATS servers with JetStream.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::eventually;
use crate::net::Host;
use crate::relay::Utility;

const PORT: u16 = 4222;
const ROUTES: u16 = 6222;

/// The servers of a cluster, each on a machine of its own, or one here. They end when dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    servers: Vec<Option<Child>>,
    places: Vec<Place>,
}

/// Where a server is.
#[derive(Debug)]
struct Place {
    host: Option<Host>,
    name: String,
    port: u16,
}

/// True where there is a `nats-server`.
#[must_use]
pub fn is_installed() -> bool {
    let asked = Command::new("nats-server")
        .env("PATH", path())
        .arg("--version")
        .output();
    asked.is_ok_and(|output| output.status.success())
}

fn path() -> String {
    std::env::var("PATH").unwrap_or_default() + ":/usr/sbin"
}

impl Cluster {
    /// One server here, on a port of its own, over TLS with certificates of the utility.
    ///
    /// # Errors
    /// It does not listen in time.
    pub fn alone(folder: &Path, utility: &Utility) -> anyhow::Result<Self> {
        let port = crate::free_port()?;
        let place = Place {
            host: None,
            name: "localhost".to_owned(),
            port,
        };
        Self::start(folder, utility, vec![place])
    }

    /// One server at an address of this machine.
    ///
    /// # Errors
    /// It does not listen in time.
    pub fn at(folder: &Path, utility: &Utility, address: &str) -> anyhow::Result<Self> {
        let place = Place {
            host: None,
            name: address.to_owned(),
            port: PORT,
        };
        Self::start(folder, utility, vec![place])
    }

    /// A server on each machine.
    ///
    /// # Errors
    /// One does not listen in time.
    pub fn on(folder: &Path, utility: &Utility, hosts: Vec<Host>) -> anyhow::Result<Self> {
        let place = |host: Host| Place {
            name: host.address().to_owned(),
            host: Some(host),
            port: PORT,
        };
        Self::start(folder, utility, hosts.into_iter().map(place).collect())
    }

    fn start(folder: &Path, utility: &Utility, places: Vec<Place>) -> anyhow::Result<Self> {
        let folder = folder.join("nats");
        std::fs::create_dir_all(&folder)?;
        let routes: Vec<String> = places
            .iter()
            .map(|place| format!("\"nats://{}:{ROUTES}\"", place.name))
            .collect();
        for (number, place) in places.iter().enumerate() {
            let cluster = if place.host.is_some() {
                format!(
                    "cluster {{ name: relay, listen: \"{}:{ROUTES}\", routes: [{}] }}\n",
                    place.name,
                    routes.join(", ")
                )
            } else {
                String::new()
            };
            let text = format!(
                "server_name: n{number}\nlisten: \"{}:{}\"\nmax_payload: 262144\n\
                 jetstream {{ store_dir: {:?}, max_memory_store: 64MB, max_file_store: 1GB }}\n\
                 tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\n{cluster}",
                place.name,
                place.port,
                folder.join(format!("store{number}")),
                utility.file("broker.crt"),
                utility.file("broker.key"),
                utility.file("authority.crt"),
            );
            std::fs::write(folder.join(format!("n{number}.conf")), text)?;
        }
        let mut cluster = Self {
            servers: places.iter().map(|_| None).collect(),
            folder,
            places,
        };
        for number in 0..cluster.places.len() {
            cluster.begin(number)?;
        }
        Ok(cluster)
    }

    /// How many servers there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.places.len()
    }

    /// host:port of each.
    #[must_use]
    pub fn servers(&self) -> Vec<String> {
        let place = |place: &Place| format!("{}:{}", place.name, place.port);
        self.places.iter().map(place).collect()
    }

    fn begin(&mut self, number: usize) -> anyhow::Result<()> {
        let place = self.places.get(number).context("a server")?;
        let mut command = match &place.host {
            Some(host) => host.command("nats-server"),
            None => Command::new("nats-server"),
        };
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("n{number}.log")))?;
        let mut child = command
            .env("PATH", path())
            .arg("-c")
            .arg(self.folder.join(format!("n{number}.conf")))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("nats-server is not installed: apt-get install nats-server")?;
        let at = (place.name.as_str(), place.port);
        eventually("nats-server listens", Duration::from_secs(30), || {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("nats-server ended: {status}");
            }
            Ok(std::net::TcpStream::connect(at).ok())
        })?;
        if let Some(server) = self.servers.get_mut(number) {
            *server = Some(child);
        }
        Ok(())
    }

    /// Kills a server without a word, and starts it again.
    ///
    /// # Errors
    /// It does not come back.
    pub fn kill_and_restart(&mut self, number: usize) -> anyhow::Result<()> {
        self.end(number);
        self.begin(number)
    }

    /// Cuts the line of a server's machine, or puts it together again.
    ///
    /// # Errors
    /// It has no machine of its own.
    pub fn cut(&self, number: usize, cut: bool) -> anyhow::Result<()> {
        let place = self.places.get(number).context("a server")?;
        place.host.as_ref().context("a machine")?.cut(cut)
    }

    fn end(&mut self, number: usize) {
        if let Some(mut child) = self.servers.get_mut(number).and_then(Option::take) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for number in 0..self.servers.len() {
            self.end(number);
        }
    }
}
