//! A client of IEEE 2030.5-2018 (Smart Energy Profile 2): asks the utility's server for controls of
//! generation and of demand, and answers them.
//!
//! TLS is that of the standard: both sides show a certificate, with the suite of `ccm` or one of
//! AES-GCM. The server is found by its configured address and must be the one its certificate names.
//! Left out: discovery by DNS-SD, subscriptions, pricing, messages, mirrored usage points, settings
//! and status of DER, and elements of other namespaces, so that limits of the Australian profile are
//! not seen.

mod ccm;
mod client;
mod events;
mod identity;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use wattle_api::{OptState, RecipientKind};
use wattle_billing::xml::{Element, escape};

use crate::bus::Bus;
use crate::clock::SharedClock;
use crate::config::Sep2Config;
use crate::grid::follow::{Utility, follow};
use crate::grid::{Board, Choices};
use crate::store::Ledger;
use crate::store::ledger::Sent;
use crate::supervisor::Pulse;
use client::Server;
use events::{Control, control};
use identity::Identity;

/// Who puts the events on the board.
const SOURCE: &str = "sep2";
/// Programs that are followed.
const MAX_PROGRAMS: usize = 32;
/// Clocks that differ by more are told, in seconds.
const CLOCKS_S: i64 = 60;

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// The configuration.
    pub config: Sep2Config,
    /// The gateway's identifier.
    pub gateway: String,
    /// Where events go and choices come from.
    pub board: Board,
    /// Who was told what.
    pub ledger: Ledger,
    /// Says what is wrong.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
}

/// Follows the server until told to stop.
///
/// # Errors
/// The configuration cannot be used.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let every = Duration::from_secs(u64::from(settings.config.every_s));
    let mut device = Device::new(settings)?;
    follow(&mut device, every, pulse, stop).await
}

struct Device {
    settings: Settings,
    server: Server,
    identity: Identity,
    /// Responses that were sent, by the control.
    told: BTreeMap<String, BTreeSet<Status>>,
    clocks_differ: bool,
}

/// Status of a response (IEEE 2030.5-2018, table 27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Received = 1,
    Started = 2,
    Completed = 3,
    OptOut = 4,
    OptIn = 5,
}

impl Utility for Device {
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
        let place = self.settings.config.device_capability.clone();
        let capability = self.server.get(&place, "DeviceCapability").await?;
        self.compare_clocks(&capability).await?;
        let mut controls: BTreeMap<String, Control> = BTreeMap::new();
        for found in self.controls(&capability).await? {
            // The same control may come by several ways.
            controls.entry(found.mrid.clone()).or_insert(found);
        }
        let now = self.now();
        let events = controls.values().map(|control| control.event.clone());
        self.settings.board.put(SOURCE, events.collect(), now);
        self.told.retain(|mrid, _| controls.contains_key(mrid));
        for control in controls.values() {
            self.respond(control, said, now).await?;
        }
        Ok(())
    }
}

impl Device {
    fn new(settings: Settings) -> anyhow::Result<Self> {
        let (identity, tls) = identity::load(&settings.config)?;
        tracing::info!(
            lfdi = identity.lfdi,
            sfdi = identity.sfdi,
            "this device at the utility's server"
        );
        Ok(Self {
            server: Server::new(&settings.config.server, tls)?,
            settings,
            identity,
            told: BTreeMap::new(),
            clocks_differ: false,
        })
    }

    async fn compare_clocks(&mut self, capability: &Element) -> anyhow::Result<()> {
        let Some(link) = link(capability, "TimeLink") else {
            return Ok(());
        };
        let time = self.server.get(&link, "Time").await?;
        let theirs = time
            .text_of("currentTime")
            .and_then(|text| text.parse::<i64>().ok());
        let theirs = theirs.context("the server's time has no currentTime")?;
        let difference_s = theirs.saturating_sub(self.now().as_second());
        let differ = difference_s.abs() > CLOCKS_S;
        if differ && !self.clocks_differ {
            tracing::warn!(
                difference_s,
                "the utility's clock is another; its controls hold by the gateway's"
            );
        }
        self.clocks_differ = differ;
        Ok(())
    }

    /// Every control that this device is to follow.
    async fn controls(&self, capability: &Element) -> anyhow::Result<Vec<Control>> {
        let assigned = match link(capability, "EndDeviceListLink") {
            Some(devices) => self.assigned(&devices).await?,
            None => vec![capability.clone()],
        };
        let mut found = Vec::new();
        let mut programs = 0;
        for assignment in &assigned {
            for (program, controls) in [
                ("DERProgramList", "DERControlList"),
                ("DemandResponseProgramList", "EndDeviceControlList"),
            ] {
                let Some(place) = link(assignment, &format!("{program}Link")) else {
                    continue;
                };
                for one in self.server.list(&place, program).await? {
                    programs += 1;
                    anyhow::ensure!(
                        programs <= MAX_PROGRAMS,
                        "more than {MAX_PROGRAMS} programs"
                    );
                    let primacy = one.text_of("primacy").and_then(|text| text.parse().ok());
                    let Some(place) = link(&one, &format!("{controls}Link")) else {
                        continue;
                    };
                    let all = self.server.list(&place, controls).await?;
                    let gateway = &self.settings.gateway;
                    found.extend(all.iter().filter_map(|one| control(one, primacy, gateway)));
                }
            }
        }
        Ok(found)
    }

    /// What this device was assigned to.
    async fn assigned(&self, devices: &str) -> anyhow::Result<Vec<Element>> {
        let is_own = |device: &&Element| {
            let same = |name: &str, own: &str| {
                device
                    .text_of(name)
                    .is_some_and(|text| text.eq_ignore_ascii_case(own))
            };
            same("lFDI", &self.identity.lfdi) || same("sFDI", &self.identity.sfdi)
        };
        let all = self.server.list(devices, "EndDeviceList").await?;
        let own = all.iter().find(is_own).with_context(|| {
            format!(
                "the server does not know this device: the utility registers it by its SFDI, {}",
                self.identity.sfdi
            )
        })?;
        match link(own, "FunctionSetAssignmentsListLink") {
            Some(place) => self.server.list(&place, "FunctionSetAssignmentsList").await,
            None => Ok(Vec::new()),
        }
    }

    /// Sends the responses that are due and were not sent.
    async fn respond(
        &mut self,
        control: &Control,
        said: &Choices,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let Some(place) = &control.reply_to else {
            return Ok(());
        };
        let choice = said
            .get(&control.event.id)
            .filter(|_| control.event.may_opt_out)
            .map(|choice| choice.opt);
        for status in due(control, choice, now) {
            let told = self.told.entry(control.mrid.clone()).or_default();
            if told.contains(&status) {
                continue;
            }
            let xml = response(control, &self.identity.lfdi, status, now);
            self.server.post(place, xml).await?;
            self.settings.ledger.note(&Sent {
                kind: RecipientKind::Utility,
                recipient: &self.settings.config.server,
                fields: "what became of a control, and whether the home takes part",
                resolution: "each step of a control",
                at: now,
            });
            match status {
                Status::OptOut => drop(told.remove(&Status::OptIn)),
                Status::OptIn => drop(told.remove(&Status::OptOut)),
                _ => {}
            }
            told.insert(status);
        }
        Ok(())
    }
}

/// What the server wants to be told by now.
fn due(control: &Control, choice: Option<OptState>, now: Timestamp) -> Vec<Status> {
    let (received, specific, word) = (control.wanted & 1, control.wanted & 2, control.wanted & 4);
    let mut due = Vec::new();
    if received != 0 {
        due.push(Status::Received);
    }
    if (specific | word) != 0 {
        due.extend(choice.map(|opt| match opt {
            OptState::Out => Status::OptOut,
            OptState::In => Status::OptIn,
        }));
    }
    if specific != 0 && choice != Some(OptState::Out) {
        if now >= control.event.start {
            due.push(Status::Started);
        }
        if control.event.end.is_some_and(|end| now >= end) {
            due.push(Status::Completed);
        }
    }
    due
}

fn response(control: &Control, lfdi: &str, status: Status, now: Timestamp) -> String {
    format!(
        "<{name} xmlns=\"{space}\"><createdDateTime>{at}</createdDateTime>\
         <endDeviceLFDI>{lfdi}</endDeviceLFDI><status>{status}</status>\
         <subject>{subject}</subject></{name}>",
        name = control.response,
        space = wattle_billing::grid::sep2::NAMESPACE,
        at = now.as_second(),
        status = status as u8,
        subject = escape(&control.mrid),
    )
}

/// Where a link leads.
fn link(element: &Element, name: &str) -> Option<String> {
    element.child(name)?.attribute("href").map(str::to_owned)
}
