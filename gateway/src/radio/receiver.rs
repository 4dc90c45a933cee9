//! One part of the daemon per receiver: from its port to the hub.

use std::time::Duration;

use meter_link::driver::{self, PortEvent, SerialPort};
use meter_link::session::{Rejected, Session};
use meter_link::wmbus::receiver::{Condition, Listener};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Command, Handle};
use crate::clock::SharedClock;
use crate::config::{ReceiverConfig, ReceiverPort};
use crate::supervisor::Pulse;

/// Events that may wait between the driver and here.
const QUEUE: usize = 64;
/// Damaged input is logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Reads one receiver until told to stop.
///
/// # Errors
/// The hub has ended.
pub async fn run(
    config: ReceiverConfig,
    hub: Handle,
    clock: SharedClock,
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut session = Listener::new(config.session());
    let (events, from_driver) = mpsc::channel(QUEUE);
    let mut receiver = Receiver {
        config: &config,
        hub,
        clock,
        logged: None,
        silence: None,
    };
    let collect = receiver.collect(from_driver, &pulse, &stop);
    let drive = drive(&config, &mut session, events, stop.clone());
    tokio::select! {
        biased;
        collected = collect => collected,
        () = drive => Ok(()),
    }
}

async fn drive(
    config: &ReceiverConfig,
    session: &mut dyn Session,
    events: mpsc::Sender<PortEvent>,
    stop: CancellationToken,
) {
    match config.place() {
        ReceiverPort::Serial(path) => {
            driver::run(&SerialPort::new(path), session, events, stop).await;
        }
        ReceiverPort::Stream(endpoint) => {
            driver::run_stream(&endpoint, session, events, stop).await;
        }
        // The MQTT part subscribes and hands over what comes.
        ReceiverPort::Mqtt(_) => stop.cancelled().await,
    }
}

struct Receiver<'a> {
    config: &'a ReceiverConfig,
    hub: Handle,
    clock: SharedClock,
    logged: Option<Instant>,
    /// That no meter is heard, in words; a reset alone mends nothing.
    silence: Option<String>,
}

impl Receiver<'_> {
    async fn collect(
        &mut self,
        mut events: mpsc::Receiver<PortEvent>,
        pulse: &Pulse,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                event = events.recv() => match event {
                    Some(event) => self.take(event).await?,
                    None => return Ok(()),
                },
                _ = tick.tick() => pulse.beat(),
            }
        }
    }

    async fn take(&mut self, event: PortEvent) -> anyhow::Result<()> {
        let name = self.config.name.clone();
        let port = &self.config.port;
        match event {
            PortEvent::Frame(frame) => {
                self.hub.frame(&name, self.clock.now(), *frame).await;
            }
            PortEvent::Opened => {
                tracing::info!(receiver = name, port, "receiver opened");
                self.tell(None, self.silence.clone()).await?;
            }
            PortEvent::Lost { reason, .. } => {
                tracing::warn!(receiver = name, port, reason, "receiver lost, trying again");
                let trouble = format!("{port} cannot be read: {reason}");
                self.tell(None, Some(trouble)).await?;
            }
            PortEvent::Condition(condition) => self.condition(condition).await?,
            PortEvent::Rejected(Rejected { reason, length })
                if self.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) =>
            {
                self.logged = Some(Instant::now());
                tracing::warn!(receiver = name, reason, length, "input rejected");
            }
            _ => {}
        }
        Ok(())
    }

    async fn condition(&mut self, condition: Condition) -> anyhow::Result<()> {
        let name = &self.config.name;
        match condition {
            Condition::Ready { identity, .. } => {
                tracing::info!(receiver = name, identity, "receiver listens");
                self.tell(Some(identity), self.silence.clone()).await
            }
            Condition::Mute => {
                let trouble = "it answers no question; is it a receiver, and at this speed?";
                tracing::warn!(receiver = name, trouble);
                self.tell(None, Some(trouble.to_owned())).await
            }
            Condition::Silent { silence } => {
                let minutes = silence.as_secs() / 60;
                let trouble = format!(
                    "it has heard no meter for {minutes} minutes and was reset; is its antenna in place?"
                );
                tracing::warn!(receiver = name, trouble);
                self.silence = Some(trouble.clone());
                self.tell(None, Some(trouble)).await
            }
            Condition::Hearing => {
                self.silence = None;
                tracing::info!(receiver = name, "it hears meters again");
                self.tell(None, None).await
            }
            _ => Ok(()),
        }
    }

    async fn tell(&self, identity: Option<String>, trouble: Option<String>) -> anyhow::Result<()> {
        let command = Command::Receiver {
            name: self.config.name.clone(),
            identity,
            trouble,
        };
        Ok(self.hub.send(command).await?)
    }
}
