//! The part of the daemon that looks at the bearers once a second, and at modems less often.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wattle_api::{Bearer, BearerKind, BearerState, Notice, NoticeCode, Severity};

use super::modem::Manager;
use super::{Board, Inner, Way, bound, interface};
use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::supervisor::Pulse;

/// How often a modem is asked how it is.
const MODEM_EVERY: Duration = Duration::from_secs(10);
/// How often it is asked to connect.
const CONNECT_EVERY: Duration = Duration::from_secs(60);
/// How often what was carried is written to the disk.
const KEEP_EVERY: Duration = Duration::from_secs(600);
/// How long the head-end may take when a better bearer is tried.
const PROBE: Duration = Duration::from_secs(5);

/// Characters of what others say at most.
const LONGEST: usize = 200;

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// The bearers.
    pub board: Board,
    /// Host and port of the head-end.
    pub to: (String, u16),
    /// Says what is wrong.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
}

/// Runs until told to stop.
///
/// # Errors
/// What was carried cannot be written.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let Some(inner) = settings.board.0.clone() else {
        stop.cancelled().await;
        return Ok(());
    };
    let mut modems = tokio::task::JoinSet::new();
    for (place, bearer) in inner.bearers.iter().enumerate() {
        if bearer.kind() == BearerKind::Cellular {
            modems.spawn(follow(Arc::clone(&inner), place, stop.clone()));
        }
    }
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut kept = Instant::now();
    let mut shown = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = tick.tick() => pulse.beat(),
        }
        let looked = Arc::clone(&inner);
        let now = settings.clock.now();
        tokio::task::spawn_blocking(move || looked.look(now)).await?;
        if let Some(better) = inner.better() {
            let (host, port) = (settings.to.0.clone(), settings.to.1);
            tokio::spawn(probe(Arc::clone(&inner), better, host, port));
        }
        if kept.elapsed() >= KEEP_EVERY {
            kept = Instant::now();
            inner.keep()?;
        }
        let notices = notices(&settings.board.all(now), &shown, now);
        if notices != shown {
            shown.clone_from(&notices);
            settings.bus.send(Event::Notices {
                source: "bearers".to_owned(),
                notices,
            });
        }
    }
    modems.shutdown().await;
    inner.keep()
}

impl Inner {
    fn look(&self, now: jiff::Timestamp) {
        let seen: Vec<_> = self
            .bearers
            .iter()
            .map(|bearer| interface::look(&bearer.interface))
            .collect();
        let mut known = self.known();
        for (bearer, seen) in self.bearers.iter().zip(&seen) {
            if seen.state != BearerState::Absent {
                let count = seen.sent.saturating_add(seen.received);
                known.account.count(&bearer.interface, count, now);
            }
        }
        let usable: Vec<bool> = seen
            .iter()
            .map(|seen| seen.state == BearerState::Ready)
            .collect();
        known.seen = seen.into_iter().map(Some).collect();
        known.selector.see(&usable, Instant::now());
        self.show(known.selector.chosen());
    }

    /// Tells those who follow, if another one was chosen.
    fn show(&self, chosen: Option<usize>) {
        let way = chosen.and_then(|place| {
            let bearer = self.bearers.get(place)?;
            Some(Way {
                place,
                name: bearer.name.clone(),
                interface: bearer.interface.clone(),
                is_metered: bearer.is_metered(),
            })
        });
        self.way.send_if_modified(|present| {
            let changed = *present != way;
            if changed {
                let name = |way: &Option<Way>| way.as_ref().map(|way| way.name.clone());
                tracing::info!(from = ?name(present), to = ?name(&way), "the relay's bearer");
            }
            *present = way;
            changed
        });
    }

    /// A better bearer that is to be tried now.
    fn better(&self) -> Option<usize> {
        self.known().selector.next_probe(Instant::now())
    }

    fn keep(&self) -> anyhow::Result<()> {
        let account = self.known().account.clone();
        account.keep(&self.path)
    }
}

/// Tries whether the head-end is behind a bearer that is not in use.
async fn probe(inner: Arc<Inner>, place: usize, host: String, port: u16) {
    let Some(bearer) = inner.bearers.get(place) else {
        return;
    };
    let asked = bound::connect(Some(&bearer.interface), &host, port);
    let reached = matches!(timeout(PROBE, asked).await, Ok(Ok(_)));
    let mut known = inner.known();
    known.selector.probed(place, reached, Instant::now());
    inner.show(known.selector.chosen());
}

/// Asks ModemManager about the modem of a bearer for ever, and to connect where that is wanted.
async fn follow(inner: Arc<Inner>, place: usize, stop: CancellationToken) {
    let mut manager = None;
    let mut asked = None;
    loop {
        let told = tokio::select! {
            () = stop.cancelled() => return,
            told = ask(&inner, place, &mut manager, &mut asked) => told,
        };
        if told.is_err() {
            manager = None;
        }
        let told = told.map_err(|error| plain(&error));
        if let Some(modem) = inner.known().modems.get_mut(place) {
            *modem = Some(told);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(MODEM_EVERY) => {}
        }
    }
}

/// The first line of what others say of an error.
fn plain(error: &anyhow::Error) -> String {
    let said = format!("{error:#}");
    let line = said.lines().next().unwrap_or_default();
    line.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect()
}

/// When a connection was asked for last, and what came of it.
struct Asked {
    at: Instant,
    refused: Option<String>,
}

async fn ask(
    inner: &Inner,
    place: usize,
    manager: &mut Option<Manager>,
    asked: &mut Option<Asked>,
) -> anyhow::Result<super::Found> {
    let bearer = inner.bearers.get(place);
    let bearer = bearer.ok_or_else(|| anyhow::anyhow!("there is no such bearer"))?;
    let manager = match manager {
        Some(manager) => manager,
        None => manager.insert(Manager::open().await?),
    };
    let apn = bearer.apn.as_deref();
    let mut found = manager.find(&bearer.interface, apn).await?;
    let Some(apn) = apn.filter(|_| found.may_connect) else {
        return Ok(found);
    };
    if let Some(last) = asked
        .as_ref()
        .filter(|last| last.at.elapsed() < CONNECT_EVERY)
    {
        found.trouble.clone_from(&last.refused);
        return Ok(found);
    }
    let refused = manager.connect(&found, apn).await.err();
    let refused =
        refused.map(|error| format!("the modem does not connect to {apn}: {}", plain(&error)));
    *asked = Some(Asked {
        at: Instant::now(),
        refused: refused.clone(),
    });
    if refused.is_none() {
        return manager.find(&bearer.interface, Some(apn)).await;
    }
    found.trouble = refused;
    Ok(found)
}

/// What the household should know; what was said before keeps its time.
fn notices(bearers: &[Bearer], before: &[Notice], now: jiff::Timestamp) -> Vec<Notice> {
    let mut said: Vec<(Severity, String)> = Vec::new();
    for bearer in bearers {
        if let Some(trouble) = &bearer.trouble {
            said.push((
                Severity::Warning,
                format!("The modem of {}: {trouble}.", bearer.name),
            ));
        }
        let held = bearer.budget.as_ref().filter(|_| bearer.in_use);
        if let Some(budget) = held.filter(|budget| !budget.held_back.is_empty()) {
            said.push((
                Severity::Info,
                format!(
                    "Little is left of what may go over {} this month; use cases {:?} wait.",
                    bearer.name, budget.held_back
                ),
            ));
        }
    }
    if !bearers.is_empty() && !bearers.iter().any(|bearer| bearer.in_use) {
        said.push((
            Severity::Warning,
            "The relay has no way out of the house: no interface of [[bearer]] has a carrier and an address."
                .to_owned(),
        ));
    }
    let since = |text: &str| {
        let same = before.iter().find(|notice| notice.text == text);
        same.map_or(now, |notice| notice.since)
    };
    let notice = |(severity, text): (Severity, String)| Notice {
        severity,
        code: NoticeCode::Other,
        meter: None,
        since: since(&text),
        text,
    };
    said.into_iter().map(notice).collect()
}
