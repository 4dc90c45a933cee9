//! The far side of the relay: PostgreSQL, head-end workers, and the certificates of all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::{eventually, program};

/// A PostgreSQL of its own, reached through a socket in its folder. It ends when dropped.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    folder: tempfile::TempDir,
}

impl Postgres {
    /// Starts one; `None` where PostgreSQL is not installed, with the line that says so of a skipped
    /// test.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let Some(tools) = Self::tools() else {
            println!("skipped: PostgreSQL 15 is not installed (apt-get install postgresql-15)");
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        // PostgreSQL does not run as root: then it runs as its own user, who gets the folder.
        let root = unprivileged().is_some();
        if root {
            run(Command::new("chown").arg("postgres").arg(folder.path()))?;
        }
        let data = folder.path().join("data");
        run(as_user(&tools.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-N", "-D"])
            .arg(&data))?;
        let child = as_user(&tools.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let started = Self { child, folder };
        eventually("PostgreSQL answers", Duration::from_secs(20), || {
            Ok(started.query("SELECT 1").ok())
        })?;
        Ok(Some(started))
    }

    fn tools() -> Option<PathBuf> {
        let debian = PathBuf::from("/usr/lib/postgresql/15/bin");
        debian.join("initdb").is_file().then_some(debian)
    }

    /// How libpq writes it.
    #[must_use]
    pub fn address(&self) -> String {
        format!(
            "host={} user=postgres dbname=postgres",
            self.folder.path().display()
        )
    }

    /// The rows of a query, their columns parted by `|`.
    ///
    /// # Errors
    /// It is wrong, or the database is away.
    pub fn query(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let output = Command::new("psql")
            .args(["-X", "-At", "-d", &self.address(), "-c", sql])
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        anyhow::ensure!(output.status.success(), "{sql}: {said}");
        Ok(String::from_utf8(output.stdout)?
            .lines()
            .map(str::to_owned)
            .collect())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its first process is the one that was started, be it through another program.
        let _ = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

/// The user that PostgreSQL runs as where we are root.
fn unprivileged() -> Option<&'static str> {
    let output = Command::new("id").arg("-u").output().ok()?;
    (output.stdout == b"0\n").then_some("postgres")
}

fn as_user(program: &Path) -> Command {
    match unprivileged() {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", user, "--regid", user, "--init-groups"])
                .arg(program);
            command.env("LC_ALL", "C.UTF-8").current_dir("/");
            command
        }
        None => Command::new(program),
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

/// What carries sealed messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A broker at host:port.
    Mqtt(String),
    /// NATS servers, host:port each, and how many keep a message.
    Nats(Vec<String>, u8),
    /// A head-end that is asked over HTTPS at host:port.
    Https(String),
}

impl From<u16> for Way {
    fn from(port: u16) -> Self {
        Self::Mqtt(format!("localhost:{port}"))
    }
}

impl Way {
    /// As a gateway's configuration names it.
    #[must_use]
    pub fn link(&self) -> String {
        match self {
            Self::Mqtt(at) => format!("mqtts://{at}"),
            Self::Nats(servers, _) => format!("tls://{}", servers.join(",")),
            Self::Https(at) => format!("https://{at}/relay"),
        }
    }

    fn arguments(&self) -> Vec<String> {
        match self {
            Self::Mqtt(at) => ["--broker".to_owned(), at.clone()].to_vec(),
            Self::Https(at) => ["--listen".to_owned(), at.clone()].to_vec(),
            Self::Nats(servers, replicas) => [
                "--nats".to_owned(),
                servers.join(","),
                "--replicas".to_owned(),
                replicas.to_string(),
            ]
            .to_vec(),
        }
    }
}

/// The names of the servers' certificate: this machine, and those of a network of its own.
fn names() -> String {
    let addresses = [1, 11, 12, 13, 21].map(|last| format!(",IP:{}", crate::net::address(last)));
    format!("subjectAltName=DNS:localhost{}\n", addresses.concat())
}

/// A utility: an authority for TLS, the head-end's own key, those who command.
#[derive(Debug)]
pub struct Utility {
    folder: PathBuf,
    without_certificate: bool,
}

impl Utility {
    /// Makes keys and certificates in a folder.
    ///
    /// # Errors
    /// openssl is not installed.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let utility = Self {
            folder: folder.to_path_buf(),
            without_certificate: false,
        };
        std::fs::create_dir_all(folder.join("devices"))?;
        for name in ["authority", "headend", "chief", "deputy", "stranger"] {
            utility.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"
            ))?;
        }
        std::fs::write(folder.join("names"), names())?;
        for name in ["broker", "gateway", "worker"] {
            utility.openssl(&format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ))?;
            utility.openssl(&format!(
                "x509 -req -in {name}.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 2 -extfile names -out {name}.crt"
            ))?;
        }
        let commanders = ["chief", "deputy"]
            .map(|name| std::fs::read_to_string(folder.join(format!("{name}.crt"))));
        let [chief, deputy] = commanders;
        std::fs::write(folder.join("commanders.crt"), chief? + &deputy?)?;
        Ok(utility)
    }

    fn openssl(&self, arguments: &str) -> anyhow::Result<()> {
        run(Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.folder))
        .context("openssl: apt-get install openssl")
    }

    /// A file of it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Lines of mosquitto's configuration: who shows no certificate of the authority stays out.
    #[must_use]
    pub fn broker_lines(&self) -> String {
        format!(
            "allow_anonymous true\nrequire_certificate true\nmax_inflight_messages 0\ncafile {}\ncertfile {}\nkeyfile {}\n",
            self.file("authority.crt").display(),
            self.file("broker.crt").display(),
            self.file("broker.key").display(),
        )
    }

    /// Gateways are delivered without a certificate.
    pub const fn without_certificate(&mut self) {
        self.without_certificate = true;
    }

    /// `[upstream]` of a gateway: rows go at once, and again after two seconds.
    #[must_use]
    pub fn gateway_lines(&self, device: &str, way: impl Into<Way>) -> String {
        let link = way.into().link();
        let shown = format!(
            "certificate = {:?}\nkey = \"file:{}\"\n",
            self.file("gateway.crt"),
            self.file("gateway.key").display(),
        );
        let shown = if self.without_certificate { "" } else { &shown };
        format!(
            "[upstream]\ndevice = {device:?}\nrecipient = {:?}\ntrust = {:?}\ncommanders = {:?}\n\
             link = {link:?}\nca_file = {:?}\n{shown}every_s = 1\nresend_s = 2\n",
            self.file("headend.crt"),
            self.file("headend.crt"),
            self.file("commanders.crt"),
            self.file("authority.crt"),
        )
    }

    /// Takes the certificate that a gateway has made for its own key.
    ///
    /// # Errors
    /// The gateway makes none in time.
    pub fn register(&self, device: &str, state: &Path) -> anyhow::Result<()> {
        let certificate = eventually(
            "the gateway has made its key",
            Duration::from_secs(10),
            || {
                Ok(std::fs::read(state.join("upstream.crt"))
                    .ok()
                    .filter(|octets| !octets.is_empty()))
            },
        )?;
        std::fs::write(
            self.folder.join(format!("devices/{device}.crt")),
            certificate,
        )?;
        Ok(())
    }

    fn headend(&self, word: &str, way: &Way, database: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(program("wattle-headend")?);
        command
            .args([word, "--database", database])
            .args(way.arguments())
            .arg("--folder")
            .arg(&self.folder);
        Ok(command)
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn worker(
        &self,
        name: &str,
        way: impl Into<Way>,
        database: &str,
    ) -> anyhow::Result<Worker> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("{name}.log")))?;
        let child = self
            .headend("run", &way.into(), database)?
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Worker(child))
    }

    /// Seals a command and hands it to the broker.
    ///
    /// # Errors
    /// The device has told no key yet, or the broker does not take it.
    pub fn command(
        &self,
        way: impl Into<Way>,
        database: &str,
        more: &BTreeMap<&str, String>,
        signers: &[&str],
    ) -> anyhow::Result<()> {
        let mut command = self.headend("send", &way.into(), database)?;
        for (name, value) in more {
            command.arg(format!("--{name}")).arg(value);
        }
        for signer in signers {
            command
                .arg("--signer")
                .arg(self.file(&format!("{signer}.key")));
        }
        run(&mut command)
    }
}

/// A head-end worker. It is killed when dropped, as it may be at any moment.
#[derive(Debug)]
pub struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
