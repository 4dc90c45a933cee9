//! The part of the daemon that runs the engine between its link and the clock.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wattle_api::RecipientKind;

use super::carrier::{Carrier, Said};
use super::commands::Desk;
use super::engine::{Down, Engine};
use super::est::Enroller;
use super::identity::Identity;
use super::keys::Keys;
use super::link::LinkEvent;
use super::services::{Reach, Services};
use super::tuning::Tuning;
use crate::bearer;
use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::config::{Taf, UpstreamConfig};
use crate::store::ledger::Sent;
use crate::store::{Ledger, Outboxes};
use crate::supervisor::Pulse;

/// Messages from below that are taken at once.
pub(super) const TAKEN: usize = 64;
/// The same refusal is told once in this time.
const QUIET: Duration = Duration::from_secs(60);

/// What the relay works with.
#[derive(Clone)]
pub struct Settings {
    /// The configuration.
    pub config: UpstreamConfig,
    /// The gateway's identity.
    pub gateway: String,
    /// State folder.
    pub state_dir: std::path::PathBuf,
    /// Into the outbox.
    pub outboxes: Outboxes,
    /// What commands reach.
    pub reach: Reach,
    /// Ways out of the house.
    pub bearers: bearer::Board,
    /// Who was told what.
    pub ledger: Ledger,
    /// Says that something was stored.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
}

/// Runs until told to stop.
///
/// # Errors
/// Keys, certificates or the store cannot be used.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let opened = settings.clone();
    let mut opened = tokio::task::spawn_blocking(move || open(&opened)).await??;
    let asking = stop.child_token();
    let _ends = asking.clone().drop_guard();
    let (mut issued, identity) = enrol(&settings, opened.0.keys(), asking)?;
    let mut carrier = Carrier::start(&settings, identity, &stop)?;
    let mut relay = Relay {
        settings,
        opened: Some(opened),
        is_up: false,
        complained: None,
    };
    let mut events = relay.settings.bus.listen();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut below = Vec::new();
        tokio::select! {
            () = stop.cancelled() => break,
            said = carrier.next() => match said? {
                Said::Link(said) => relay.heard(said, &carrier, &mut below),
                Said::Moved => {
                    carrier.move_over(&relay.settings, &stop).await?;
                    relay.is_up = false;
                }
            },
            Some(identity) = issued.recv() => {
                relay.certify(&identity).await?;
                carrier.certified(identity, &relay.settings, &stop).await?;
                relay.is_up = false;
            }
            event = events.recv() => match event {
                Ok(Event::Stored(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
                _ => continue,
            },
            _ = tick.tick() => pulse.beat(),
        }
        while below.len() < TAKEN {
            match carrier.at_hand() {
                Some(said) => relay.heard(said, &carrier, &mut below),
                None => break,
            }
        }
        for octets in relay.work(below, carrier.room()).await? {
            carrier.send(octets);
        }
    }
    carrier.end().await;
    Ok(())
}

/// Starts asking for certificates, where the configuration says whom; returns what is held by now.
fn enrol(
    settings: &Settings,
    keys: &Keys,
    stop: CancellationToken,
) -> anyhow::Result<(mpsc::Receiver<Identity>, Option<Identity>)> {
    let (out, issued) = mpsc::channel(1);
    let Some(est) = settings.config.est.clone() else {
        return Ok((issued, None));
    };
    let held = keys.identity()?;
    let enroller = Enroller::new(est, settings, keys.device().clone());
    tokio::spawn(enroller.run(held.clone(), out, stop));
    // One that has ended opens no door.
    let now = settings.clock.now();
    Ok((issued, held.filter(|held| held.holds(now))))
}

fn open(settings: &Settings) -> anyhow::Result<(Engine, Desk)> {
    let rules = super::rules(&settings.config, &settings.gateway, &settings.state_dir)?;
    let keys = Keys::open(&settings.state_dir, &rules.device, settings.clock.now())?;
    let mut engine = Engine::new(rules, keys, settings.outboxes.open()?)?;
    engine.tune(&Tuning::open(&settings.state_dir)?);
    let services = Services::open(
        &settings.state_dir,
        &settings.gateway,
        settings.reach.clone(),
        settings.clock.now(),
    )?;
    let desk = Desk::open(
        &settings.state_dir,
        settings.config.streams.clone(),
        services,
    )?;
    Ok((engine, desk))
}

struct Relay {
    settings: Settings,
    /// Away while they work on a thread of their own.
    opened: Option<(Engine, Desk)>,
    is_up: bool,
    complained: Option<Instant>,
}

impl Relay {
    /// Keeps what the authority has issued.
    async fn certify(&mut self, identity: &Identity) -> anyhow::Result<()> {
        let Some((mut engine, desk)) = self.opened.take() else {
            anyhow::bail!("the engine was lost");
        };
        let identity = identity.clone();
        let kept = tokio::task::spawn_blocking(move || {
            engine.keys().certify(&identity)?;
            anyhow::Ok((engine, desk))
        });
        self.opened = Some(kept.await??);
        Ok(())
    }

    fn heard(&mut self, said: LinkEvent, carrier: &Carrier, below: &mut Vec<Vec<u8>>) {
        let (link, bearer) = (carrier.link(), carrier.bearer());
        match said {
            LinkEvent::Up => {
                tracing::info!(link, bearer, "the relay is connected");
                self.is_up = true;
                carrier.works(&self.settings.bearers, true);
                if let Some((engine, _)) = &mut self.opened {
                    engine.begin_again();
                }
            }
            LinkEvent::Down(reason) => {
                tracing::warn!(
                    link,
                    bearer,
                    reason,
                    "the relay is not connected, trying again"
                );
                self.is_up = false;
                carrier.works(&self.settings.bearers, false);
            }
            LinkEvent::Message(octets) => below.push(octets),
        }
    }

    /// Takes what came and returns what is to be sent.
    async fn work(&mut self, below: Vec<Vec<u8>>, room: usize) -> anyhow::Result<Vec<Vec<u8>>> {
        let Some((mut engine, mut desk)) = self.opened.take() else {
            anyhow::bail!("the engine was lost");
        };
        let (clock, is_up) = (self.settings.clock.clone(), self.is_up);
        engine.hold(self.settings.bearers.allowance());
        let (ledger, recipient) = (
            self.settings.ledger.clone(),
            self.settings.config.link.clone(),
        );
        let worked = tokio::task::spawn_blocking(move || {
            let now = Instant::now();
            let mut refused = None;
            let wall = clock.now();
            for octets in below {
                let taken = match engine.take(&octets, now) {
                    Ok(Down::Acknowledged) => Ok(()),
                    Ok(Down::Command(signed)) => desk.take(&mut engine, &signed, wall),
                    Err(error) => Err(error),
                };
                refused = taken.err().or(refused);
            }
            desk.tick(&mut engine, wall)?;
            let due = if is_up && room > 0 {
                engine.due(now, wall, room)?
            } else {
                Vec::new()
            };
            for rows in due.iter().filter_map(|sealed| sealed.rows.as_ref()) {
                ledger.record(&Sent {
                    kind: RecipientKind::Utility,
                    recipient: &recipient,
                    fields: &format!("stream {}, sealed", rows.stream),
                    resolution: resolution(&rows.stream),
                    at: wall,
                })?;
            }
            anyhow::Ok(((engine, desk), refused, due))
        });
        let (opened, refused, due) = worked.await??;
        self.opened = Some(opened);
        let now = Instant::now();
        let told = self
            .complained
            .is_some_and(|at| now.duration_since(at) < QUIET);
        if let Some(error) = refused.filter(|_| !told) {
            self.complained = Some(now);
            tracing::warn!(
                error = format!("{error:#}"),
                "a message from the head-end was refused"
            );
        }
        Ok(due.into_iter().map(|sealed| sealed.octets).collect())
    }
}

/// How fine a stream is.
fn resolution(stream: &str) -> &'static str {
    Taf::of_stream(stream).map_or("each one", Taf::resolution)
}
