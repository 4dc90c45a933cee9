//! The parts by which others reach the gateway or it reaches them: utilities, the network, Zigbee, the API.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wattle_api::{Consent, Gateway, RecipientKind};

use crate::bus::Bus;
use crate::clock::SharedClock;
use crate::config::{Config, UpstreamLink};
use crate::http::{self, Api};
use crate::store::Store;
use crate::supervisor::{Pulse, Supervisor};
use crate::{bearer, c1222_server, dlms_server, mdns, openadr, records, sep2, zigbee};

use super::WITHIN;

/// Starts the parts that follow servers of the utility, if there are any.
pub(super) fn start_utilities(
    supervisor: &mut Supervisor,
    config: &Config,
    api: &Api,
    gateway: &Gateway,
    bus: &Bus,
    prices: Option<mpsc::Sender<String>>,
    consents: &watch::Receiver<Vec<Consent>>,
) {
    if config.sep2.is_on() {
        let settings = sep2::Settings {
            config: config.sep2.clone(),
            gateway: gateway.id.clone(),
            board: api.grid.clone(),
            ledger: api.keeping.ledger.clone(),
            bus: bus.clone(),
            clock: Arc::clone(&api.clock),
        };
        let to = (RecipientKind::Utility, consents);
        start_allowed(supervisor, "sep2", to, settings, sep2::run);
    }
    if let Some(config_of) = config.dlms_server.clone() {
        let settings = dlms_server::Settings {
            config: config_of,
            gateway: gateway.id.clone(),
            state_dir: config.gateway.state_dir.clone(),
            readers: api.readers.clone(),
            ledger: api.keeping.ledger.clone(),
            clock: Arc::clone(&api.clock),
        };
        let to = (RecipientKind::Utility, consents);
        start_allowed(supervisor, "dlms server", to, settings, dlms_server::run);
    }
    if let Some(config_of) = config.c1222_server.clone() {
        let settings = c1222_server::Settings {
            config: config_of,
            state_dir: config.gateway.state_dir.clone(),
            readers: api.readers.clone(),
            ledger: api.keeping.ledger.clone(),
            clock: Arc::clone(&api.clock),
        };
        let to = (RecipientKind::Utility, consents);
        start_allowed(supervisor, "c12.22 server", to, settings, c1222_server::run);
    }
    if !config.openadr.is_on() {
        return;
    }
    let settings = openadr::Settings {
        config: config.openadr.clone(),
        gateway: gateway.id.clone(),
        board: api.grid.clone(),
        prices,
        readers: api.readers.clone(),
        meter: api.home.grid.clone(),
        ledger: api.keeping.ledger.clone(),
        bus: bus.clone(),
        clock: Arc::clone(&api.clock),
    };
    let to = (RecipientKind::Utility, consents);
    start_allowed(supervisor, "openadr", to, settings, openadr::run);
}

/// Starts the part that is found in the network and finds others; returns what it knows.
pub(super) fn start_mdns(
    supervisor: &mut Supervisor,
    config: &Config,
    gateway: &str,
    clock: &SharedClock,
) -> mdns::Board {
    let board = mdns::Board::default();
    if config.mdns.enabled {
        let settings = mdns::Settings {
            config: config.mdns.clone(),
            gateway: gateway.to_owned(),
            port: config.mdns.port.or_else(|| config.http.reached_at()),
            board: board.clone(),
            clock: Arc::clone(clock),
        };
        supervisor.start("mdns", WITHIN, move |pulse, stop| {
            mdns::run(settings.clone(), pulse, stop)
        });
    }
    board
}

/// Starts the part that chooses the relay's way out of the house, where there are any to choose from.
pub(super) fn start_bearers(
    supervisor: &mut Supervisor,
    config: &Config,
    bus: &Bus,
    clock: &SharedClock,
) -> anyhow::Result<bearer::Board> {
    let link = config.upstream.as_ref().map(|upstream| &upstream.link);
    let to = link.and_then(|link| link.parse::<UpstreamLink>().ok()?.server());
    let (Some(to), false) = (to, config.bearers.is_empty()) else {
        return Ok(bearer::Board::default());
    };
    let board = bearer::Board::open(&config.bearers, &config.gateway.state_dir)?;
    let settings = bearer::Settings {
        board: board.clone(),
        to,
        bus: bus.clone(),
        clock: Arc::clone(clock),
    };
    supervisor.start("bearers", WITHIN, move |pulse, stop| {
        bearer::run(settings.clone(), pulse, stop)
    });
    Ok(board)
}

/// Starts the part that owns the Zigbee stick, if there is one.
pub(super) fn start_zigbee(
    supervisor: &mut Supervisor,
    config: &Config,
    api: &Api,
    store: &Store,
    bus: &Bus,
) {
    if !config.zigbee.is_on() {
        return;
    }
    let settings = zigbee::Settings {
        config: config.zigbee.clone(),
        state_dir: config.gateway.state_dir.clone(),
        board: api.zigbee.clone(),
        clock: Arc::clone(&api.clock),
        meters: config.meters.clone(),
        readers: store.readers(),
        queue: store.queue(),
        bus: bus.clone(),
        state: api.state.clone(),
        tariff: api.home.tariff.clone(),
        zone: api.home.zone.clone(),
        grid: api.home.grid.clone(),
        messages: api.messages.clone(),
        dlms_server: config.dlms_server.as_ref().map(|server| server.listen),
    };
    supervisor.start("zigbee", WITHIN, move |pulse, stop| {
        zigbee::run(settings.clone(), pulse, stop)
    });
}

pub(super) fn start_api(supervisor: &mut Supervisor, config: &Config, api: Api) {
    let socket = config.api.socket.clone();
    let local = api.clone();
    supervisor.start("api", WITHIN, move |pulse, stop| {
        http::run(local.clone(), socket.clone(), pulse, stop)
    });
    if config.http.listen.is_some() {
        let (http, state_dir) = (config.http.clone(), config.gateway.state_dir.clone());
        supervisor.start("web", WITHIN, move |pulse, stop| {
            http::lan::run(api.clone(), http.clone(), state_dir.clone(), pulse, stop)
        });
    }
}

/// Starts the part that keeps the privacy ledger and the log books, and says that the daemon began.
pub(super) fn start_records(
    supervisor: &mut Supervisor,
    store: &Store,
    bus: &Bus,
    clock: &SharedClock,
    consents: &watch::Receiver<Vec<Consent>>,
) {
    let settings = records::Settings {
        bus: bus.clone(),
        clock: Arc::clone(clock),
        ledger: store.ledger(),
        logbooks: store.logbooks(),
        consents: consents.clone(),
    };
    if let Err(error) = records::began(&settings) {
        tracing::warn!(%error, "the log books could not be written");
    }
    supervisor.start("records", WITHIN, move |pulse, stop| {
        records::run(settings.clone(), pulse, stop)
    });
}

/// Starts a part that sends something of the home to others, while the household allows it.
pub(super) fn start_allowed<S, F, Fut>(
    supervisor: &mut Supervisor,
    name: &'static str,
    (kind, consents): (RecipientKind, &watch::Receiver<Vec<Consent>>),
    settings: S,
    run: F,
) where
    S: Clone + Send + 'static,
    F: Fn(S, Pulse, CancellationToken) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let consents = consents.clone();
    supervisor.start(name, WITHIN, move |pulse, stop| {
        let settings = settings.clone();
        let part = move |pulse, stop| run(settings.clone(), pulse, stop);
        records::gated(consents.clone(), kind, part, pulse, stop)
    });
}
