//! A charging outlet: finding out by SLAC which car hangs on it.
//!
//! The adapter at the outlet gets a key of its own, which the car is told when both have found each
//! other (ISO 15118-3, A.9). Whether the car is still there, and whether the adapter still has the
//! key, is told by the watch over the same interface ([`super::run`]).

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context;
use han::driver::{self, PacketSocket};
use han::homeplug::avln::{Join, JoinEvent};
use han::homeplug::keys::{NetworkKey, SecurityLevel, network_identifier};
use han::homeplug::slac::{Evse, EvseConfig, EvseEvent, Match};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use wattle_api::{PluggedCar, Powerline};

use super::{Board, REOPEN};
use crate::clock::SharedClock;
use crate::config::OutletConfig;
use crate::grid;
use crate::supervisor::Pulse;

/// An adapter begins to use a new key within this time; whether it did is seen by the watch.
const SETTLING: Duration = Duration::from_secs(3);
/// A car that has the key joins the network within 12 s (ISO 15118-3, TT_match_join).
const JOINING: SignedDuration = SignedDuration::from_secs(15);
/// So many surveys in a row without another adapter mean that the car has left.
const ALONE: u32 = 3;

/// What an outlet needs.
#[derive(Clone)]
pub struct Settings {
    /// The interface to which its adapter is connected.
    pub interface: String,
    /// The outlet.
    pub outlet: OutletConfig,
    /// What is known of the powerline at the interface.
    pub board: Board,
    /// Where the car is told.
    pub grid: grid::Board,
    /// The wall clock.
    pub clock: SharedClock,
}

/// Plays the charging station's side until told to stop. An interface that is missing is tried
/// again for ever.
///
/// # Errors
/// There are no random numbers.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let name = settings.outlet.name.clone();
    settings.grid.add_outlet(&name, settings.outlet.max_kw);
    let mut told = None;
    loop {
        let station = station(&settings, &pulse);
        let ended = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            ended = station => ended?,
        };
        // The watch over the interface tells the household; here it is told once.
        if told.as_ref() != Some(&ended) {
            tracing::warn!(outlet = name, "no car can be found: {ended}");
            told = Some(ended);
        }
        if !pulse
            .rest(tokio::time::Instant::now() + REOPEN, &stop)
            .await
        {
            return Ok(());
        }
    }
}

/// Gives the adapter a new key and waits for cars; says why it cannot any more.
async fn station(settings: &Settings, pulse: &Pulse) -> anyhow::Result<String> {
    let mut random = [0; 20];
    getrandom::fill(&mut random).context("random numbers for a network's key")?;
    let (key, nonce) = random.split_at(16);
    let key = NetworkKey::new(key.try_into().unwrap_or_default());
    let nonce = nonce.try_into().unwrap_or_default();
    let socket = match PacketSocket::open(&settings.interface) {
        Ok(socket) => socket,
        Err(error) => return Ok(error.to_string()),
    };
    let mut join = Join::new(socket.mac(), key.clone(), nonce, std::time::Instant::now());
    let giving = driver::run(&socket, &mut join, ControlFlow::<JoinEvent>::Break);
    pulse.beat();
    if let Ok(Err(error)) = tokio::time::timeout(SETTLING, giving).await {
        return Ok(format!("interface {}: {error}", settings.interface));
    }
    let nid = network_identifier(&key, SecurityLevel::SimpleConnect);
    let mut evse = Evse::new(EvseConfig {
        mac: socket.mac(),
        id: [0; 17],
        nid,
        key,
    });
    let mut watch = Watch::new(settings, nid);
    // A car tries again every second or so; the same outcome is said once.
    let mut failed = None;
    let waiting = driver::run(&socket, &mut evse, |event| {
        match event {
            EvseEvent::Matched(made) => {
                failed = None;
                plugged(settings, &made);
            }
            EvseEvent::Failed { car, failure } => {
                let why = failure.to_string();
                if failed.replace((car, why.clone())) != Some((car, why.clone())) {
                    let car = han::Value::Mac(car).to_string();
                    tracing::info!(outlet = settings.outlet.name, car, "no match: {why}");
                }
            }
        }
        ControlFlow::<()>::Continue(())
    });
    tokio::pin!(waiting);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            ended = &mut waiting => {
                let reason = ended.err().map(|error| error.to_string()).unwrap_or_default();
                return Ok(format!("interface {}: {reason}", settings.interface));
            }
            _ = tick.tick() => {
                pulse.beat();
                if let Some(reason) = watch.look() {
                    return Ok(reason);
                }
            }
        }
    }
}

/// A car that matches again is told anew, but said once.
fn plugged(settings: &Settings, made: &Match) {
    let (name, now) = (&settings.outlet.name, settings.clock.now());
    let mac = han::Value::Mac(made.peer).to_string();
    let mut outlets = settings.grid.outlets(now).into_iter();
    let before = outlets.find(|outlet| outlet.name == *name);
    let known = before.and_then(|outlet| outlet.car);
    if known.is_none_or(|car| car.mac != mac) {
        tracing::info!(outlet = name, car = mac, "a car is plugged in");
    }
    let car = PluggedCar {
        mac,
        attenuation_db: made.attenuation_db,
        since: now,
    };
    settings.grid.plug(name, Some(car));
}

/// What the surveys of the interface say about the outlet's network.
struct Watch<'a> {
    settings: &'a Settings,
    nid: String,
    began: Timestamp,
    /// The last survey that was looked at, and how many in a row found nobody else.
    seen: Option<Timestamp>,
    alone: u32,
}

impl<'a> Watch<'a> {
    fn new(settings: &'a Settings, nid: [u8; 7]) -> Self {
        Self {
            settings,
            nid: han::Value::Octets(nid.to_vec()).to_string(),
            began: settings.clock.now(),
            seen: None,
            alone: 0,
        }
    }

    /// Notes that a car has left; says why the outlet has to begin anew.
    fn look(&mut self) -> Option<String> {
        let found = self.settings.board.of(&self.settings.interface)?;
        let at = found.answered_at.filter(|at| *at > self.began)?;
        if self.seen.replace(at) == Some(at) {
            return None;
        }
        if found.nid.as_ref().is_some_and(|nid| *nid != self.nid) {
            return Some("its adapter has another key".to_owned());
        }
        self.alone = if is_alone(&found, at) {
            self.alone + 1
        } else {
            0
        };
        let name = &self.settings.outlet.name;
        let outlets = self.settings.grid.outlets(at);
        let car = outlets
            .into_iter()
            .find(|outlet| outlet.name == *name)?
            .car?;
        if self.alone >= ALONE && at.duration_since(car.since) > JOINING {
            tracing::info!(outlet = name, car = car.mac, "the car has left");
            self.settings.grid.plug(name, None);
        }
        None
    }
}

/// Whether the survey at that instant found no other adapter.
fn is_alone(found: &Powerline, at: Timestamp) -> bool {
    let mut others = found.adapters.iter().filter(|adapter| !adapter.local);
    !others.any(|adapter| adapter.seen_at >= at)
}
