//! A real mosquitto, and what `mosquitto_sub` hears on it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;

use crate::eventually;

/// A broker on a port of its own. It ends when dropped.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    /// Starts mosquitto with its files in `folder`.
    ///
    /// # Errors
    /// mosquitto is not installed, or does not listen in time.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(folder, "allow_anonymous true\n")
    }

    /// Starts mosquitto with more lines of configuration behind its listener.
    ///
    /// # Errors
    /// mosquitto is not installed, or does not listen in time.
    pub fn start_with(folder: &Path, more: &str) -> anyhow::Result<Self> {
        let port = crate::free_port()?;
        Self::start_at(folder, port, more)
    }

    /// The same at a port of one's choice: a broker that comes back.
    ///
    /// # Errors
    /// mosquitto is not installed, or does not listen in time.
    pub fn start_at(folder: &Path, port: u16, more: &str) -> anyhow::Result<Self> {
        let config = folder.join("mosquitto.conf");
        // Debian installs the broker where only root's search path leads.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        std::fs::write(
            &config,
            format!("persistence false\nuser root\nlistener {port} 127.0.0.1\n{more}"),
        )?;
        let log = std::fs::File::create(folder.join("mosquitto.log"))?;
        let child = Command::new("mosquitto")
            .env("PATH", path)
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("mosquitto is not installed: apt-get install mosquitto mosquitto-clients")?;
        let broker = Self { child, port };
        eventually("mosquitto listens", Duration::from_secs(10), || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        Ok(broker)
    }

    /// Its port on the loopback interface.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Publishes a message with `mosquitto_pub`, not retained.
    ///
    /// # Errors
    /// `mosquitto_pub` is not installed, or the broker does not take it.
    pub fn publish(&self, topic: &str, payload: &str) -> anyhow::Result<()> {
        let done = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-q", "1", "-t", topic, "-m", payload])
            .args(["-p", &self.port.to_string()])
            .status()
            .context("mosquitto_pub is not installed: apt-get install mosquitto-clients")?;
        anyhow::ensure!(done.success(), "mosquitto_pub: {done}");
        Ok(())
    }

    /// Listens to every topic with `mosquitto_sub`.
    ///
    /// # Errors
    /// `mosquitto_sub` is not installed.
    pub fn listen(&self) -> anyhow::Result<Listener> {
        self.listen_as("mqttv311")
    }

    /// The same in a version of MQTT, as `mosquitto_sub -V` spells it.
    ///
    /// # Errors
    /// `mosquitto_sub` is not installed.
    pub fn listen_as(&self, version: &str) -> anyhow::Result<Listener> {
        let mut child = Command::new("mosquitto_sub")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-q",
                "1",
                "-t",
                "#",
                "-v",
                "-V",
                version,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .context("mosquitto_sub is not installed: apt-get install mosquitto-clients")?;
        let lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&heard);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((topic, payload)) = line.split_once(' ') {
                    into.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Message {
                            topic: topic.to_owned(),
                            // An empty payload, as mosquitto_sub prints it.
                            payload: Some(payload)
                                .filter(|payload| *payload != "(null)")
                                .unwrap_or_default()
                                .to_owned(),
                        });
                }
            }
        });
        Ok(Listener { child, heard })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: String,
}

impl Message {
    /// The payload as JSON.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.payload)
            .with_context(|| format!("{} {}", self.topic, self.payload))
    }
}

/// Everything that was published since it began to listen.
#[derive(Debug)]
pub struct Listener {
    child: Child,
    heard: Arc<Mutex<Vec<Message>>>,
}

impl Listener {
    /// All messages so far whose topic begins so.
    #[must_use]
    pub fn beginning(&self, prefix: &str) -> Vec<Message> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = |message: &&Message| message.topic.starts_with(prefix);
        heard.iter().filter(begins).cloned().collect()
    }

    /// All states of meters so far.
    #[must_use]
    pub fn meter_states(&self) -> Vec<Message> {
        let mut states = self.ending("/state");
        states.retain(|state| state.topic.contains("/meter/"));
        states
    }

    /// All messages so far whose topic ends so.
    #[must_use]
    pub fn ending(&self, suffix: &str) -> Vec<Message> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard
            .iter()
            .filter(|message| message.topic.ends_with(suffix))
            .cloned()
            .collect()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
