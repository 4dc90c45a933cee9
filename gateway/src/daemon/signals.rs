//! Signals that end the daemon or have it read its configuration again, and systemd's watchdog.

use std::time::Duration;

use anyhow::Context;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::config::Config;
use crate::store::Store;
use crate::supervisor::HealthBoard;

/// What the daemon is told by the system.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT")?,
            hangup: signal(SignalKind::hangup()).context("SIGHUP")?,
        })
    }

    /// Waits for the signal to end (`None`) or for a new configuration. Meanwhile feeds systemd's
    /// watchdog, but only while every part and the store's writer are alive.
    pub(super) async fn wait(
        &mut self,
        health: &HealthBoard,
        store: &Store,
        reload: &Notify,
        reread: &impl Fn() -> anyhow::Result<Config>,
    ) -> anyhow::Result<Option<Config>> {
        let period =
            sd_notify::watchdog_enabled().map_or(Duration::from_secs(10), |limit| limit / 3);
        let mut tick = tokio::time::interval(period);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Ok(None),
                _ = self.interrupt.recv() => return Ok(None),
                () = reload.notified() => {
                    // The answer to whoever asked for it is to be on its way.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    tracing::info!("beginning again with other data");
                    return reread().map(Some);
                }
                _ = self.hangup.recv() => match reread() {
                    Ok(config) => {
                        tracing::info!("the configuration was read again");
                        return Ok(Some(config));
                    }
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::error!(error, "the new configuration is wrong; going on with the old one");
                    }
                },
                _ = tick.tick() => {
                    anyhow::ensure!(store.is_alive(), "the store's writer has ended");
                    let health = health.health();
                    if health.ok {
                        tell(&[NotifyState::Watchdog]);
                    } else {
                        let ill: Vec<&str> = health.parts.iter().filter(|part| !part.ok).map(|part| part.name.as_str()).collect();
                        tracing::error!(parts = ill.join(", "), "no sign of life; the watchdog is not fed");
                    }
                }
            }
        }
    }
}

/// Tells systemd, where there is one.
pub(super) fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}
