//! Machines of a network of its own: namespaces on one bridge, which can be slowed down and cut off.
//! It takes root.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::ensure;

/// The network; ours is the first address.
const NET: &str = "10.198.11";

/// Tests of one program run side by side, and there is one network: each has its turn.
static TURN: Mutex<()> = Mutex::new(());

/// A bridge with machines at it. It goes when dropped.
#[derive(Debug)]
pub struct Lan {
    bridge: String,
    _turn: MutexGuard<'static, ()>,
}

/// A machine. It goes when dropped.
#[derive(Debug)]
pub struct Host {
    namespace: String,
    port: String,
    address: String,
}

/// The address of a machine, by its last part; 1 is ours.
#[must_use]
pub fn address(last: u8) -> String {
    format!("{NET}.{last}")
}

impl Lan {
    /// An empty network, once that of another test is gone; `None` where namespaces are not allowed.
    ///
    /// # Errors
    /// There is another one with these addresses.
    pub fn new() -> anyhow::Result<Option<Self>> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let bridge = format!("wl{}", std::process::id());
        if run("ip", &["link", "add", &bridge, "type", "bridge"]).is_err() {
            return Ok(None);
        }
        let lan = Self {
            bridge,
            _turn: turn,
        };
        let own = format!("{}/24", address(1));
        run("ip", &["addr", "add", &own, "dev", &lan.bridge])?;
        run("ip", &["link", "set", &lan.bridge, "up"])?;
        Ok(Some(lan))
    }

    /// A machine at an address.
    ///
    /// # Errors
    /// It is there already.
    pub fn host(&self, last: u8) -> anyhow::Result<Host> {
        let host = Host {
            namespace: format!("{}-{last}", self.bridge),
            port: format!("{}p{last}", self.bridge),
            address: address(last),
        };
        let (name, port) = (host.namespace.as_str(), host.port.as_str());
        run("ip", &["netns", "add", name])?;
        run(
            "ip",
            &[
                "link", "add", port, "type", "veth", "peer", "name", "lan", "netns", name,
            ],
        )?;
        run("ip", &["link", "set", port, "master", &self.bridge, "up"])?;
        let own = format!("{}/24", host.address);
        run("ip", &["-n", name, "addr", "add", &own, "dev", "lan"])?;
        run("ip", &["-n", name, "link", "set", "lan", "up"])?;
        run("ip", &["-n", name, "link", "set", "lo", "up"])?;
        Ok(host)
    }
}

/// A machine's line of its own. It goes with its machine.
#[derive(Debug)]
pub struct Line {
    near: String,
}

impl Line {
    /// Cuts it, or puts it together again.
    ///
    /// # Errors
    /// It is gone.
    pub fn cut(&self, cut: bool) -> anyhow::Result<()> {
        let state = if cut { "down" } else { "up" };
        run("ip", &["link", "set", &self.near, state])
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let _ = run("ip", &["link", "del", &self.bridge]);
    }
}

impl Host {
    /// A line of its own to this machine, and a default route over it: the first network's second
    /// address is its, ours is the first.
    ///
    /// # Errors
    /// There is one with this name or this network already.
    pub fn line(&self, interface: &str, network: &str, metric: u32) -> anyhow::Result<Line> {
        let name = self.namespace.as_str();
        // Names of interfaces are short.
        let near: String = self.port.chars().chain(interface.chars().take(1)).collect();
        run(
            "ip",
            &[
                "link", "add", &near, "type", "veth", "peer", "name", interface, "netns", name,
            ],
        )?;
        let (ours, theirs) = (format!("{network}.1"), format!("{network}.2/24"));
        let line = Line { near };
        run(
            "ip",
            &["addr", "add", &format!("{ours}/24"), "dev", &line.near],
        )?;
        line.cut(false)?;
        run(
            "ip",
            &["-n", name, "addr", "add", &theirs, "dev", interface],
        )?;
        run("ip", &["-n", name, "link", "set", interface, "up"])?;
        let metric = metric.to_string();
        run(
            "ip",
            &[
                "-n", name, "route", "add", "default", "via", &ours, "dev", interface, "metric",
                &metric,
            ],
        )?;
        Ok(line)
    }

    /// The name of its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A program there.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace, program])
            // Debian keeps servers where only root's search path leads.
            .env(
                "PATH",
                std::env::var("PATH").unwrap_or_default() + ":/usr/sbin",
            );
        command
    }

    /// Lets no more than so many Mbit/s pass, each way.
    ///
    /// # Errors
    /// tc cannot do that here.
    pub fn slow_down(&self, mbit: u32) -> anyhow::Result<()> {
        let rate = format!("{mbit}mbit");
        let shape = [
            "root", "tbf", "rate", &rate, "burst", "16kb", "latency", "400ms",
        ];
        let near = ["qdisc", "add", "dev", &self.port];
        let far = ["-n", &self.namespace, "qdisc", "add", "dev", "lan"];
        run("tc", &[&near, &shape[..]].concat())?;
        run("tc", &[&far, &shape[..]].concat())
    }

    /// Cuts its line, or puts it together again.
    ///
    /// # Errors
    /// It is gone.
    pub fn cut(&self, cut: bool) -> anyhow::Result<()> {
        let state = if cut { "down" } else { "up" };
        run("ip", &["link", "set", &self.port, state])
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = run("ip", &["netns", "del", &self.namespace]);
    }
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{program} {arguments:?}: {said}");
    Ok(())
}
