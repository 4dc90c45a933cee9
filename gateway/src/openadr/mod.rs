//! A virtual end node of OpenADR 3.1: asks the utility's VTN for events, hands on its prices, tells
//! whether the home takes part and what it used.
//!
//! Events are polled, which every VTN allows and which needs no port that somebody could reach from
//! outside. What is known stays known while the VTN cannot be reached. Left out: subscriptions with
//! callbacks and MQTT, resources, and finding the VTN by mDNS: whoever answers there first would be
//! handed the client secret.

pub(crate) mod events;
mod report;
#[cfg(test)]
mod tests;
mod vtn;

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wattle_api::{OptState, RecipientKind};
use wattle_billing::grid::openadr3::{self, Event, Interval};

use crate::bus::Bus;
use crate::clock::SharedClock;
use crate::config::OpenadrConfig;
use crate::grid::follow::{Utility, follow};
use crate::grid::{Board, Choices};
use crate::store::ledger::Sent;
use crate::store::{Ledger, Readers};
use crate::supervisor::Pulse;
use crate::usage::{Quarters, quarters};
use vtn::{Vtn, encoded};

/// Who puts the events on the board.
const SOURCE: &str = "openadr";
/// Usage is reported until so long after an event.
const REPORT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often what was used in events that are over is looked up.
const USAGE_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// The configuration.
    pub config: OpenadrConfig,
    /// The gateway's identifier.
    pub gateway: String,
    /// Where events go and choices come from.
    pub board: Board,
    /// Where price documents go; `None` when the tariff does not want them.
    pub prices: Option<mpsc::Sender<String>>,
    /// Into the store.
    pub readers: Readers,
    /// Name of the electricity meter at the grid.
    pub meter: Option<String>,
    /// Who was told what.
    pub ledger: Ledger,
    /// Says what is wrong.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
}

/// Follows the VTN until told to stop.
///
/// # Errors
/// The configuration cannot be used.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let every = Duration::from_secs(u64::from(settings.config.every_s));
    let mut node = Node::new(settings)?;
    follow(&mut node, every, pulse, stop).await
}

/// An event of the VTN and its intervals in time.
struct Known {
    id: String,
    text: String,
    event: Event,
    intervals: Vec<Interval>,
}

struct Node {
    settings: Settings,
    vtn: Vtn,
    registered: bool,
    /// What was told of participation, by the VTN's identifier.
    told: BTreeMap<String, OptState>,
    /// Events whose usage was told.
    used: BTreeMap<String, Timestamp>,
    usage_at: Timestamp,
    /// Digests of the price events that were handed on.
    priced: BTreeMap<String, [u8; 32]>,
    /// What is wrong with events, as it was logged.
    complaints: Vec<String>,
}

impl Utility for Node {
    fn source(&self) -> &'static str {
        SOURCE
    }

    fn board(&self) -> &Board {
        &self.settings.board
    }

    fn bus(&self) -> &Bus {
        &self.settings.bus
    }

    fn now(&self) -> Timestamp {
        self.settings.clock.now()
    }

    async fn round(&mut self, said: &Choices) -> anyhow::Result<()> {
        if !self.registered {
            self.register().await;
        }
        let programs = self.programs().await?;
        let texts = self.vtn.list("/events", "").await?;
        let now = self.settings.clock.now();
        let known = self.read(texts, programs.as_deref(), now);
        let asked = known
            .iter()
            .filter_map(|known| events::grid_event(&known.event, &known.intervals));
        self.settings.board.put(SOURCE, asked.collect(), now);
        self.hand_on_prices(&known).await;
        self.tell_choices(&known, said).await?;
        self.tell_usage(&known, now).await
    }
}

impl Node {
    fn new(settings: Settings) -> anyhow::Result<Self> {
        Ok(Self {
            vtn: Vtn::new(&settings.config)?,
            settings,
            registered: false,
            told: BTreeMap::new(),
            used: BTreeMap::new(),
            usage_at: Timestamp::UNIX_EPOCH,
            priced: BTreeMap::new(),
            complaints: Vec::new(),
        })
    }

    /// Makes this home known to the VTN, unless that was done by hand. Where a VEN may not do so
    /// itself, its utility has.
    async fn register(&mut self) {
        let name = self.settings.config.ven_name.clone();
        let made = async {
            let query = format!("venName={}", encoded(&name).as_str());
            let known = self.vtn.list("/vens", &query).await?;
            let named = |text: &String| match openadr3::read(text) {
                Ok(openadr3::Object::Other(ven)) => ven.name.as_deref() == Some(name.as_str()),
                _ => false,
            };
            if known.iter().any(named) {
                return Ok(());
            }
            let ven = serde_json::json!({ "objectType": "VEN_VEN_REQUEST", "venName": name });
            self.vtn.write(Method::POST, "/vens", ven.to_string()).await
        };
        let made: anyhow::Result<()> = made.await;
        match made {
            Ok(()) => self.registered = true,
            Err(error) => tracing::debug!(
                error = format!("{error:#}"),
                "the VEN could not be registered; the utility may have done so"
            ),
        }
    }

    /// Identifiers of the programs that are followed; `None` for all.
    async fn programs(&mut self) -> anyhow::Result<Option<Vec<String>>> {
        let wanted = self.settings.config.programs.clone();
        if wanted.is_empty() {
            return Ok(None);
        }
        let mut found = Vec::new();
        for text in self.vtn.list("/programs", "").await? {
            if let Ok(openadr3::Object::Other(program)) = openadr3::read(&text)
                && program.name.is_some_and(|name| wanted.contains(&name))
            {
                found.extend(program.id);
            }
        }
        Ok(Some(found))
    }

    fn read(
        &mut self,
        texts: Vec<String>,
        programs: Option<&[String]>,
        now: Timestamp,
    ) -> Vec<Known> {
        let (mut known, mut complaints) = (Vec::new(), Vec::new());
        for text in texts {
            let read = openadr3::event(&text).and_then(|event| {
                let intervals = events::intervals(&event, &self.settings.gateway, now)?;
                Ok((event, intervals))
            });
            match read {
                Ok((event, intervals)) => {
                    let followed = programs.is_none_or(|ids| ids.contains(&event.program_id));
                    if let Some(id) = event.id.clone().filter(|_| followed) {
                        known.push(Known {
                            id,
                            text,
                            event,
                            intervals,
                        });
                    }
                }
                Err(error) => complaints.push(error.to_string()),
            }
        }
        // An event that cannot be read is logged once and not at each look.
        if complaints != self.complaints {
            for reason in complaints.iter().take(5) {
                tracing::warn!(reason, "an event of the utility is passed over");
            }
            self.complaints = complaints;
        }
        known
    }

    async fn hand_on_prices(&mut self, known: &[Known]) {
        let Some(prices) = &self.settings.prices else {
            return;
        };
        let mut priced = BTreeMap::new();
        for one in known
            .iter()
            .filter(|one| events::has_prices(&one.intervals))
        {
            let digest: [u8; 32] = Sha256::digest(&one.text).into();
            if self.priced.get(&one.id) != Some(&digest)
                && prices.send(one.text.clone()).await.is_err()
            {
                return;
            }
            priced.insert(one.id.clone(), digest);
        }
        self.priced = priced;
    }

    async fn tell_choices(&mut self, known: &[Known], said: &Choices) -> anyhow::Result<()> {
        self.told
            .retain(|id, _| known.iter().any(|one| one.id == *id));
        let name = self.settings.config.ven_name.clone();
        for one in known {
            let Some(choice) = said.get(&events::known_as(&one.id)) else {
                continue;
            };
            if self.told.get(&one.id) == Some(&choice.opt) {
                continue;
            }
            let body = report::participation(&name, &one.id, choice.opt)?;
            self.put_report(&one.id, report::OPT_REPORT, body).await?;
            self.note("whether the home takes part in an event", "each choice");
            self.told.insert(one.id.clone(), choice.opt);
        }
        Ok(())
    }

    async fn tell_usage(&mut self, known: &[Known], now: Timestamp) -> anyhow::Result<()> {
        self.used
            .retain(|id, _| known.iter().any(|one| one.id == *id));
        if now < self.usage_at {
            return Ok(());
        }
        self.usage_at = now.saturating_add(USAGE_EVERY)?;
        let name = self.settings.config.ven_name.clone();
        for one in known.iter().filter(|one| report::wants_usage(&one.event)) {
            let start = one
                .intervals
                .iter()
                .filter_map(|interval| interval.start)
                .min();
            let ends: Option<Vec<Timestamp>> =
                one.intervals.iter().map(|interval| interval.end).collect();
            let end = ends.and_then(|ends| ends.into_iter().max());
            let (Some(start), Some(end)) = (start, end) else {
                continue;
            };
            let over = end <= now && now.duration_since(end) < REPORT_FOR;
            if !over || self.used.contains_key(&one.id) {
                continue;
            }
            let quarters = self.quarters(start, end).await?;
            if let Some(body) = report::usage(&name, &one.event, &one.intervals, &quarters)? {
                self.put_report(&one.id, report::USAGE_REPORT, body).await?;
                self.note(
                    "energy used in an event",
                    "as the event asks, 15 min at the finest",
                );
                self.used.insert(one.id.clone(), now);
            }
        }
        Ok(())
    }

    /// Says in the privacy ledger that the VTN was told something.
    fn note(&self, fields: &str, resolution: &str) {
        self.settings.ledger.note(&Sent {
            kind: RecipientKind::Utility,
            recipient: &self.settings.config.vtn,
            fields,
            resolution,
            at: self.settings.clock.now(),
        });
    }

    async fn quarters(&self, from: Timestamp, to: Timestamp) -> anyhow::Result<Quarters> {
        let Some(meter) = self.settings.meter.clone() else {
            return Ok(Quarters::new());
        };
        let readers = self.settings.readers.clone();
        let look = move || {
            let reader = readers.open()?;
            quarters(&reader, &meter, from.as_second(), to.as_second())
        };
        Ok(tokio::task::spawn_blocking(look).await??)
    }

    /// Puts a report in the place of the one of the same name.
    async fn put_report(&mut self, event: &str, name: &str, body: String) -> anyhow::Result<()> {
        let ven = &self.settings.config.ven_name;
        let query = format!(
            "eventID={}&clientName={}",
            encoded(event).as_str(),
            encoded(ven).as_str()
        );
        let earlier = self.vtn.list("/reports", &query).await?;
        let same = earlier.iter().find_map(|text| match openadr3::read(text) {
            Ok(openadr3::Object::Other(report)) if report.name.as_deref() == Some(name) => {
                report.id
            }
            _ => None,
        });
        match same {
            Some(id) => {
                let path = format!("/reports/{}", encoded(&id).as_str());
                self.vtn.write(Method::PUT, &path, body).await
            }
            None => self.vtn.write(Method::POST, "/reports", body).await,
        }
    }
}
