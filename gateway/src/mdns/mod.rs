//! Being found in the home's network, and finding others: mDNS and DNS-SD (RFC 6762, RFC 6763).
//!
//! Advertised is what can be reached through the network, `_wattle._tcp` and `_https._tcp`. Brokers
//! and energy servers are looked for and listed; nothing is connected to because it was found.

mod found;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use futures_util::stream::{SelectAll, StreamExt};
use mdns_sd::{
    DaemonEvent, IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo,
};
use tokio_util::sync::CancellationToken;
use wattle_api::{FoundKind, FoundService, Network};

use crate::clock::SharedClock;
use crate::config::MdnsConfig;
use crate::supervisor::Pulse;

/// Services that are kept; more than a home has.
const MOST: usize = 64;
/// How long the goodbye may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// Interfaces that lead to no neighbour: of containers, virtual machines and tunnels.
const VIRTUAL: [&str; 9] = [
    "docker", "veth", "br-", "virbr", "vmnet", "tun", "tap", "wg", "cni",
];

/// What is known of the network, for the API.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    advertised: BTreeMap<String, String>,
    found: BTreeMap<String, FoundService>,
}

impl Board {
    /// What is known now.
    #[must_use]
    pub fn network(&self) -> Network {
        self.with(|known| {
            let mut services: Vec<FoundService> = known.found.values().cloned().collect();
            services.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
            Network {
                advertised: known.advertised.values().cloned().collect(),
                services,
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// The configuration.
    pub config: MdnsConfig,
    /// The gateway's six hex digits.
    pub gateway: String,
    /// The port of the web page and the API in the network, with TLS; `None` while there is none.
    pub port: Option<u16>,
    /// What is known.
    pub board: Board,
    /// The wall clock.
    pub clock: SharedClock,
}

/// Advertises and looks around until told to stop.
///
/// # Errors
/// The socket of mDNS cannot be opened.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let daemon = ServiceDaemon::new().context("mDNS")?;
    let goes_on = Daemon(daemon.clone());
    choose_interfaces(&daemon, &settings.config)?;
    let mut events = daemon.monitor()?.into_stream();
    let mut looked_for = SelectAll::new();
    for (name, kind) in found::TYPES {
        looked_for.push(of_kind(kind, daemon.browse(name)?).boxed());
    }
    let own = settings
        .port
        .map_or_else(Vec::new, |port| own(&settings, port));
    settings.board.with(|known| *known = Known::default());
    for service in own {
        let service = service?;
        let name = service.get_fullname().to_owned();
        settings
            .board
            .with(|known| known.advertised.insert(name.clone(), name.clone()));
        daemon.register(service)?;
    }
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some((kind, event)) = looked_for.next() => take(&settings, kind, event),
            Some(event) = events.next() => watch(&settings, event),
            _ = tick.tick() => pulse.beat(),
        }
    }
    goodbye(&daemon, &settings.board).await;
    drop(goes_on);
    Ok(())
}

/// Ends the thread of mDNS with this part, whatever ends that.
struct Daemon(ServiceDaemon);

impl Drop for Daemon {
    fn drop(&mut self) {
        // The only error is that it has ended.
        let _ = self.0.shutdown();
    }
}

/// Says that the services are no more, under the names they have now (RFC 6762, 10.1).
async fn goodbye(daemon: &ServiceDaemon, board: &Board) {
    let names = board.with(|known| std::mem::take(&mut known.advertised));
    for name in names.keys() {
        if let Ok(done) = daemon.unregister(name) {
            let _ = tokio::time::timeout(FAREWELL, done.recv_async()).await;
        }
    }
}

fn choose_interfaces(daemon: &ServiceDaemon, config: &MdnsConfig) -> anyhow::Result<()> {
    let chosen = config.interfaces.clone();
    daemon.disable_interface(IfKind::All)?;
    let is_chosen = move |name: &str| match chosen.is_empty() {
        true => name != "lo" && !VIRTUAL.iter().any(|prefix| name.starts_with(prefix)),
        false => chosen.iter().any(|interface| interface == name),
    };
    let predicate = IfPredicate::new(move |interface| is_chosen(&interface.name));
    daemon.enable_interface(IfKind::Predicate(predicate))?;
    Ok(())
}

/// The gateway's own services.
fn own(settings: &Settings, port: u16) -> Vec<anyhow::Result<ServiceInfo>> {
    let name = format!("Wattle {}", settings.gateway.to_uppercase());
    let host = format!("wattle-{}.local.", settings.gateway);
    let firmware = env!("CARGO_PKG_VERSION");
    let api = [
        ("txtvers", "1"),
        ("id", settings.gateway.as_str()),
        ("model", "wattle"),
        ("api", "/api/v1"),
        ("fw", firmware),
    ];
    let page = [("path", "/")];
    let info = |kind: &str, properties: &[(&str, &str)]| {
        let info = ServiceInfo::new(kind, &name, &host, "", port, properties)
            .with_context(|| kind.to_owned())?;
        Ok(info.enable_addr_auto())
    };
    vec![
        info("_wattle._tcp.local.", &api),
        info("_https._tcp.local.", &page),
    ]
}

fn of_kind(
    kind: FoundKind,
    events: Receiver<ServiceEvent>,
) -> impl futures_util::Stream<Item = (FoundKind, ServiceEvent)> {
    events.into_stream().map(move |event| (kind, event))
}

fn take(settings: &Settings, kind: FoundKind, event: ServiceEvent) {
    match event {
        ServiceEvent::ServiceResolved(resolved) => {
            let now = settings.clock.now();
            let fullname = resolved.fullname.clone();
            let found = found::service(kind, &resolved, now);
            settings.board.with(|known| {
                let Some(mut found) = found else {
                    known.found.remove(&fullname);
                    return;
                };
                match known.found.get(&fullname) {
                    Some(before) => found.since = before.since,
                    None if known.found.len() >= MOST => return,
                    None => {
                        tracing::info!(
                            name = found.name,
                            host = found.host,
                            "found in the network"
                        );
                    }
                }
                known.found.insert(fullname, found);
            });
        }
        ServiceEvent::ServiceRemoved(_, fullname) => {
            settings.board.with(|known| known.found.remove(&fullname));
        }
        _ => {}
    }
}

fn watch(settings: &Settings, event: DaemonEvent) {
    match event {
        DaemonEvent::NameChange(change) => {
            tracing::warn!(
                from = change.original,
                to = change.new_name,
                "another in the network has the name"
            );
            settings.board.with(|known| {
                if let Some(name) = known.advertised.get_mut(&change.original) {
                    *name = change.new_name;
                }
            });
        }
        DaemonEvent::Error(error) => tracing::debug!(%error, "mDNS"),
        _ => {}
    }
}
