//! The real daemon in a folder of its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use wattle_api::State;

use crate::{eventually, program};

/// A daemon and its folder. It ends when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    folder: PathBuf,
    namespace: Option<String>,
}

impl Daemon {
    /// Starts `wattle run` with its state, socket and log in `folder`. `more` is added to the
    /// configuration, which has the folder's paths and the zone Europe/Berlin.
    ///
    /// # Errors
    /// The daemon does not answer within ten seconds.
    pub fn start(folder: &Path, more: &str) -> anyhow::Result<Self> {
        Self::start_in(folder, None, more)
    }

    /// The same in a network namespace (`ip netns`, as root).
    ///
    /// # Errors
    /// The daemon does not answer within ten seconds.
    pub fn start_in(folder: &Path, namespace: Option<&str>, more: &str) -> anyhow::Result<Self> {
        write_config(folder, more)?;
        let mut daemon = Self {
            child: spawn(folder, namespace)?,
            folder: folder.to_path_buf(),
            namespace: namespace.map(str::to_owned),
        };
        daemon.wait()?;
        Ok(daemon)
    }

    /// The same, telling a notification socket of systemd's kind.
    ///
    /// # Errors
    /// The daemon does not answer within ten seconds.
    pub fn start_notifying(
        folder: &Path,
        socket: &Path,
        watchdog: Duration,
    ) -> anyhow::Result<Self> {
        write_config(folder, "")?;
        let child = command(folder, None)?
            .env("NOTIFY_SOCKET", socket)
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string())
            .spawn()?;
        let mut daemon = Self {
            child,
            folder: folder.to_path_buf(),
            namespace: None,
        };
        daemon.wait()?;
        Ok(daemon)
    }

    /// Gives it another configuration and asks it to read that.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn reload(&self, more: &str) -> anyhow::Result<()> {
        write_config(&self.folder, more)?;
        self.signal("-HUP")
    }

    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill")
            .arg(name)
            .arg(self.child.id().to_string())
            .status()?;
        anyhow::ensure!(status.success(), "kill {name}: {status}");
        Ok(())
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let socket = self.socket();
        let child = &mut self.child;
        eventually("the daemon answers", Duration::from_secs(10), || {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("the daemon ended: {status}");
            }
            Ok(get(&socket, wattle_api::HEALTH_PATH).ok().map(drop))
        })
    }

    /// Kills it without a word, as a power cut would, and starts it again.
    ///
    /// # Errors
    /// It does not come back.
    pub fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.kill_and_restart_after(|| Ok(()))
    }

    /// The same, and something happens in between.
    ///
    /// # Errors
    /// It does not come back.
    pub fn kill_and_restart_after(
        &mut self,
        between: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        between()?;
        self.child = spawn(&self.folder, self.namespace.as_deref())?;
        self.wait()
    }

    /// Kills it and starts it with another configuration.
    ///
    /// # Errors
    /// It does not come back.
    pub fn restart_with(&mut self, more: &str) -> anyhow::Result<()> {
        let folder = self.folder.clone();
        self.kill_and_restart_after(|| write_config(&folder, more))
    }

    /// Ends it as systemd would, and waits until it has ended.
    ///
    /// # Errors
    /// It does not end well.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.signal("-TERM")?;
        let child = &mut self.child;
        let status = eventually("the daemon ends", Duration::from_secs(10), || {
            Ok(child.try_wait()?)
        })?;
        anyhow::ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its API's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("api.sock")
    }

    /// Its database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join("state/wattle.db")
    }

    /// What it has logged.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.join("wattle.log"))?)
    }

    /// The state its API answers.
    ///
    /// # Errors
    /// It does not answer, or not a state.
    pub fn state(&self) -> anyhow::Result<State> {
        Ok(serde_json::from_str(&get(
            &self.socket(),
            wattle_api::STATE_PATH,
        )?)?)
    }

    /// The status line and the JSON its API answers to what is posted at a path.
    ///
    /// # Errors
    /// It does not answer, or not with JSON.
    pub fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<(String, serde_json::Value)> {
        let line = format!("POST {path}");
        let (status, answer) = request(&self.socket(), &line, &body.to_string())?;
        Ok((status, serde_json::from_str(&answer)?))
    }

    /// The JSON its API answers at a path.
    ///
    /// # Errors
    /// It does not answer, or not with status 200.
    pub fn json(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.text(path)?)?)
    }

    /// The text its API answers at a path.
    ///
    /// # Errors
    /// It does not answer, or not with status 200.
    pub fn text(&self, path: &str) -> anyhow::Result<String> {
        get(&self.socket(), path)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(folder: &Path, more: &str) -> anyhow::Result<()> {
    let text = format!(
        "[gateway]\ntime_zone = \"Europe/Berlin\"\nstate_dir = {:?}\n[api]\nsocket = {:?}\n{more}",
        folder.join("state"),
        folder.join("api.sock"),
    );
    Ok(std::fs::write(folder.join("wattle.toml"), text)?)
}

fn spawn(folder: &Path, namespace: Option<&str>) -> anyhow::Result<Child> {
    command(folder, namespace)?
        .spawn()
        .context("wattle cannot be started")
}

fn command(folder: &Path, namespace: Option<&str>) -> anyhow::Result<Command> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("wattle.log"))?;
    let wattle = program("wattle")?;
    let mut command = match namespace {
        // It becomes the daemon: its process number is the daemon's.
        Some(namespace) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace]).arg(wattle);
            command
        }
        None => Command::new(wattle),
    };
    // Programs that a test has put there are found before those of the system.
    let own = folder.join("bin");
    if own.is_dir() {
        let system = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{system}", own.display()));
    }
    command
        // The machine's own services are nobody of a test's.
        .env(
            "DBUS_SYSTEM_BUS_ADDRESS",
            format!("unix:path={}/bus", folder.display()),
        )
        // Nothing of a test is said in the network.
        .env("WATTLE__MDNS__ENABLED", "false")
        .args(["run", "--config"])
        .arg(folder.join("wattle.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    Ok(command)
}

/// One request of HTTP/1.0 over the socket.
fn get(socket: &Path, path: &str) -> anyhow::Result<String> {
    let (status, body) = request(socket, &format!("GET {path}"), "")?;
    anyhow::ensure!(status.contains(" 200 "), "{path}: {status}: {body}");
    Ok(body)
}

fn request(socket: &Path, line: &str, body: &str) -> anyhow::Result<(String, String)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "{line} HTTP/1.0\r\nHost: wattle\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer has a head and a body")?;
    let status = head.lines().next().unwrap_or_default();
    Ok((status.to_owned(), body.to_owned()))
}
