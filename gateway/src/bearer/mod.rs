//! The ways out of the house for the relay: which of them carries, which one it takes, and what may go
//! over those that cost money.
//!
//! Interfaces, addresses and routes are the system's; a connection is bound to the interface of its
//! bearer, which takes no privilege. A better bearer is taken again once the head-end was reached
//! over it.

pub(crate) mod bound;
mod budget;
mod interface;
mod modem;
mod select;
mod watch;

pub use budget::Allowance;
pub use watch::{Settings, run};

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::watch as channel;
use wattle_api::{Bearer, BearerBudget, BearerState};

use crate::config::BearerConfig;
use budget::Account;
use interface::Seen;
use modem::Found;
use select::Selector;

/// The bearers; clones are the same. Without any, connections go where the system's routes lead.
#[derive(Clone, Default)]
pub struct Board(Option<Arc<Inner>>);

struct Inner {
    bearers: Vec<BearerConfig>,
    path: PathBuf,
    known: Mutex<Known>,
    way: channel::Sender<Option<Way>>,
}

/// What is known of them.
struct Known {
    selector: Selector,
    seen: Vec<Option<Seen>>,
    modems: Vec<Option<Result<Found, String>>>,
    account: Account,
}

/// The bearer to go over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Its place in the configuration.
    pub(crate) place: usize,
    /// Its name.
    pub name: String,
    /// Its interface.
    pub interface: String,
    /// Whether what goes over it costs money.
    pub is_metered: bool,
}

impl Board {
    /// The bearers of the configuration, with what they have carried.
    ///
    /// # Errors
    /// What they have carried cannot be read.
    pub fn open(bearers: &[BearerConfig], folder: &Path) -> anyhow::Result<Self> {
        if bearers.is_empty() {
            return Ok(Self::default());
        }
        let path = folder.join("bearers.json");
        let known = Known {
            selector: Selector::new(bearers.iter().map(BearerConfig::is_metered)),
            seen: vec![None; bearers.len()],
            modems: vec![None; bearers.len()],
            account: Account::open(&path)?,
        };
        Ok(Self(Some(Arc::new(Inner {
            bearers: bearers.to_vec(),
            path,
            known: Mutex::new(known),
            way: channel::Sender::new(None),
        }))))
    }

    /// The bearer of the moment, where there are any to choose from.
    #[must_use]
    pub fn way(&self) -> Option<channel::Receiver<Option<Way>>> {
        self.0.as_ref().map(|inner| inner.way.subscribe())
    }

    /// The link over a bearer carries, or does not any more.
    pub fn linked(&self, way: &Way, is_up: bool) {
        let Some(inner) = &self.0 else { return };
        let mut known = inner.known();
        known.selector.link(way.place, is_up, Instant::now());
    }

    /// What may go now.
    #[must_use]
    pub fn allowance(&self) -> Allowance {
        let Some(inner) = &self.0 else {
            return Allowance::ALL;
        };
        let known = inner.known();
        let chosen = known.selector.chosen();
        let bearer = chosen.and_then(|place| inner.bearers.get(place));
        bearer.map_or(Allowance::ALL, |bearer| known.allowance(bearer))
    }

    /// How often one bearer took the place of another.
    #[must_use]
    pub fn changes(&self) -> u64 {
        let inner = self.0.as_ref();
        inner.map_or(0, |inner| inner.known().selector.changes())
    }

    /// All bearers, in the order of the configuration.
    #[must_use]
    pub fn all(&self, now: Timestamp) -> Vec<Bearer> {
        let Some(inner) = &self.0 else {
            return Vec::new();
        };
        let known = inner.known();
        let bearers = inner.bearers.iter().enumerate();
        bearers
            .map(|(place, bearer)| known.told(place, bearer, now))
            .collect()
    }
}

impl Inner {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn allowance(&self, bearer: &BearerConfig) -> Allowance {
        match bearer.budget() {
            Some(budget) => Allowance::of(budget, self.account.used(&bearer.interface)),
            None => Allowance::ALL,
        }
    }

    fn told(&self, place: usize, bearer: &BearerConfig, now: Timestamp) -> Bearer {
        let seen = self.seen.get(place).copied().flatten();
        let modem = self.modems.get(place).and_then(Option::as_ref);
        let state = match seen.map_or(BearerState::Absent, |seen| seen.state) {
            BearerState::Ready if self.selector.rests(place, Instant::now()) => {
                BearerState::Failing
            }
            state => state,
        };
        let trouble = match modem {
            Some(Ok(found)) => found.trouble.clone(),
            Some(Err(why)) => Some(why.clone()),
            None => None,
        };
        Bearer {
            name: bearer.name.clone(),
            interface: bearer.interface.clone(),
            kind: bearer.kind(),
            metered: bearer.is_metered(),
            state,
            in_use: self.selector.chosen() == Some(place),
            sent_octets: seen.map_or(0, |seen| seen.sent),
            received_octets: seen.map_or(0, |seen| seen.received),
            budget: bearer.budget().map(|octets| BearerBudget {
                octets,
                used_octets: self.account.used(&bearer.interface),
                held_back: self.allowance(bearer).held_back(),
                renews: budget::next_month(now),
            }),
            modem: modem.and_then(|modem| Some(modem.as_ref().ok()?.modem.clone())),
            trouble,
        }
    }
}
