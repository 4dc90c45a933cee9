//! The powerline network at an Ethernet interface: asked every half minute, watched for drop-outs.

mod health;
pub mod outlet;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use han::driver::{self, PacketSocket};
use han::homeplug::avln::{Survey, SurveyEvent};
use han::homeplug::mediaxtream::{self, Discovery};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use wattle_api::{Notice, Powerline};

use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::config::PowerlineConfig;
use crate::files;
use crate::supervisor::Pulse;
use health::Health;

/// From one attempt to open an interface to the next.
const REOPEN: Duration = Duration::from_secs(5);

/// What is known of all powerline networks; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Powerline>>>);

impl Board {
    /// All of them, by interface.
    #[must_use]
    pub fn all(&self) -> Vec<Powerline> {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.values().cloned().collect()
    }

    /// The one at an interface.
    fn of(&self, interface: &str) -> Option<Powerline> {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.get(interface).cloned()
    }

    fn put(&self, powerline: Powerline) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.insert(powerline.interface.clone(), powerline);
    }
}

/// What watching an interface needs.
#[derive(Clone)]
pub struct Settings {
    /// Which interface, and the names of adapters.
    pub config: PowerlineConfig,
    /// Where the history of rates is kept.
    pub state_dir: PathBuf,
    /// Where it is told.
    pub board: Board,
    /// Says what is wrong.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
}

/// Watches an interface until told to stop. An interface that is missing is tried again for ever.
///
/// # Errors
/// Never; a part that could fail would say so here.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let file = settings
        .state_dir
        .join(format!("powerline-{}.json", settings.config.interface));
    let mut health = Health::new(&settings.config, read(&file).await);
    let mut kept = settings.clock.now();
    let mut told = Vec::new();
    loop {
        let asked = tokio::select! {
            () = stop.cancelled() => break,
            asked = ask(&settings.config.interface) => asked,
        };
        let now = settings.clock.now();
        let every = Duration::from_secs(settings.config.every_s.into());
        let pause = if asked.is_ok() {
            every
        } else {
            every.min(REOPEN)
        };
        match asked {
            Ok(Answer::HomePlug(found)) => health.surveyed(&found, now),
            Ok(Answer::Broadcom(adapters)) => health.broadcom(&adapters, now),
            Err(reason) => health.lost(reason, now),
        }
        settings.board.put(health.powerline(now));
        tell(&settings, health.notices(now), &mut told);
        if now.duration_since(kept).as_hours() >= 1 {
            keep(&file, &health).await;
            kept = now;
        }
        if !pulse.rest(tokio::time::Instant::now() + pause, &stop).await {
            break;
        }
    }
    keep(&file, &health).await;
    Ok(())
}

/// What adapters answered, by their make.
enum Answer {
    HomePlug(SurveyEvent),
    Broadcom(Vec<mediaxtream::Adapter>),
}

/// Asks once; opening the socket anew costs nothing and survives an interface that went and came.
/// Adapters of Broadcom's make have messages of their own, which are asked for when no other
/// answers.
async fn ask(interface: &str) -> Result<Answer, String> {
    let trouble = |error| format!("interface {interface}: {error}");
    let socket = PacketSocket::open(interface).map_err(|error| error.to_string())?;
    let mut survey = Survey::new(socket.mac(), Instant::now());
    let asked = driver::run(&socket, &mut survey, ControlFlow::Break).await;
    let found = asked.map_err(trouble)?;
    if found != SurveyEvent::Nothing {
        return Ok(Answer::HomePlug(found));
    }
    let socket = PacketSocket::open_type(interface, mediaxtream::ETHERTYPE);
    let socket = socket.map_err(|error| error.to_string())?;
    let mut discovery = Discovery::new(socket.mac(), Instant::now());
    let asked = driver::run(&socket, &mut discovery, ControlFlow::Break).await;
    let adapters = asked.map_err(trouble)?;
    Ok(if adapters.is_empty() {
        Answer::HomePlug(found)
    } else {
        Answer::Broadcom(adapters)
    })
}

/// Tells the bus when what is wrong has changed, and the log when something new has come.
fn tell(settings: &Settings, notices: Vec<Notice>, told: &mut Vec<Notice>) {
    if notices == *told {
        return;
    }
    for notice in &notices {
        if !told.iter().any(|known| known.text == notice.text) {
            tracing::warn!("{}", notice.text);
        }
    }
    told.clone_from(&notices);
    let source = format!("powerline {}", settings.config.interface);
    settings.bus.send(Event::Notices { source, notices });
}

async fn read(file: &Path) -> Option<Powerline> {
    let text = tokio::fs::read(file).await.ok()?;
    let read = serde_json::from_slice(&text);
    if let Err(error) = &read {
        tracing::warn!(file = %file.display(), "the history of the powerline is not used: {error}");
    }
    read.ok()
}

async fn keep(file: &Path, health: &Health) {
    let powerline = health.powerline(Timestamp::UNIX_EPOCH);
    let Ok(text) = serde_json::to_vec(&powerline) else {
        return;
    };
    if let Err(error) = files::replace_later(file, text, files::For::All).await {
        tracing::warn!(file = %file.display(), "the history of the powerline is not kept: {error}");
    }
}
