//! The parts that make something of readings: what is heard by radio, prices, bills, appliances, rules.

use std::sync::Arc;

use anyhow::Context;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};

use crate::bus::Bus;
use crate::clock::SharedClock;
use crate::config::{Config, MeterConfig};
use crate::http::{self, Api};
use crate::radio::{self, Radio};
use crate::store::Store;
use crate::supervisor::Supervisor;
use crate::view::{self, Sources};
use crate::{anomalies, appliances, prepay, prices, supply, tariff, vee};

use super::WITHIN;

/// How many price documents may wait.
const PRICE_DOCUMENTS: usize = 8;

/// Starts the receivers and what stands behind them, if there are any. Meters that were taken on
/// join those that are configured.
pub(super) fn start_radio(
    supervisor: &mut Supervisor,
    config: &mut Config,
    store: &Store,
    bus: &Bus,
    clock: &SharedClock,
    zone: &TimeZone,
) -> anyhow::Result<Option<radio::Handle>> {
    if config.receivers.is_empty() {
        return Ok(None);
    }
    let folder = config.gateway.state_dir.clone();
    let radio = Radio::open(
        folder,
        zone.clone(),
        &config.meters,
        &config.receivers,
        &config.gateway.drivers_dir,
        &store.readers(),
    )?;
    for adopted in &radio.adopted {
        let same = |meter: &MeterConfig| meter.name == adopted.name || meter.id == adopted.id;
        if !config.meters.iter().any(same) {
            config.meters.push(adopted.clone());
        }
    }
    let handle = radio.handle.clone();
    let (queue, bus) = (store.queue(), bus.clone());
    supervisor.start("radio", WITHIN, move |pulse, stop| {
        radio.clone().run(queue.clone(), bus.clone(), pulse, stop)
    });
    for receiver in &config.receivers {
        let (receiver, hub, clock) = (receiver.clone(), handle.clone(), Arc::clone(clock));
        supervisor.start(
            format!("receiver {}", receiver.name),
            WITHIN,
            move |pulse, stop| {
                radio::run_receiver(
                    receiver.clone(),
                    hub.clone(),
                    Arc::clone(&clock),
                    pulse,
                    stop,
                )
            },
        );
    }
    Ok(Some(handle))
}

pub(super) fn start_view(
    supervisor: &mut Supervisor,
    sources: Sources,
    store: &Store,
    out: watch::Sender<Arc<wattle_api::State>>,
) {
    let readers = store.readers();
    supervisor.start("view", WITHIN, move |pulse, stop| {
        let (sources, readers, out) = (sources.clone(), readers.clone(), out.clone());
        async move { view::run(sources, readers.open()?, out, pulse, stop).await }
    });
}

/// Starts the part that keeps the tariff; documents of MQTT go to what it returns.
pub(super) fn start_prices(
    supervisor: &mut Supervisor,
    settings: prices::Settings,
    out: watch::Sender<Option<Arc<tariff::Tariff>>>,
) -> mpsc::Sender<String> {
    let (sender, pushed) = mpsc::channel(PRICE_DOCUMENTS);
    let pushed = Arc::new(tokio::sync::Mutex::new(pushed));
    // A channel whose sender nobody holds would end the part.
    let held = sender.clone();
    supervisor.start("prices", WITHIN, move |pulse, stop| {
        let (settings, out, pushed) = (settings.clone(), out.clone(), Arc::clone(&pushed));
        let held = held.clone();
        async move {
            let ran = prices::run(settings, out, pushed, pulse, stop).await;
            drop(held);
            ran
        }
    });
    sender
}

/// Starts the part that finds appliances, where there is a meter to find them with; returns where
/// its books lie open.
pub(super) fn start_appliances(
    supervisor: &mut Supervisor,
    config: &Config,
    home: &http::Home,
    store: &Store,
    bus: &Bus,
    clock: &SharedClock,
) -> appliances::Board {
    let board = appliances::Board::default();
    let Some(meter) = home.grid.clone().filter(|_| config.appliances.enabled) else {
        return board;
    };
    let settings = appliances::Settings {
        meter,
        owned: config.appliances.owned.clone(),
        plugs: config
            .meters
            .iter()
            .filter_map(|meter| Some((meter.name.clone(), meter.appliance.clone()?)))
            .collect(),
        state_dir: config.gateway.state_dir.clone(),
        readers: store.readers(),
        bus: bus.clone(),
        clock: Arc::clone(clock),
        zone: home.zone.clone(),
        tariff: home.tariff.clone(),
        board: board.clone(),
    };
    supervisor.start("appliances", WITHIN, move |pulse, stop| {
        appliances::run(settings.clone(), pulse, stop)
    });
    board
}

/// Opens the prepayment account, where the home pays in advance.
pub(super) fn start_prepay(
    supervisor: &mut Supervisor,
    config: &Config,
    api: &Api,
    store: &Store,
    bus: &Bus,
) -> anyhow::Result<Option<prepay::Board>> {
    let Some(terms) = &config.prepay else {
        return Ok(None);
    };
    let meter = api.home.grid.clone();
    let board = prepay::Board::new(prepay::Settings {
        terms: terms.terms(&api.home.zone).map_err(anyhow::Error::msg)?,
        opening: terms.balance,
        meter: meter.context("[prepay] needs an electricity meter at the grid")?,
        state_dir: config.gateway.state_dir.clone(),
        readers: store.readers(),
        bus: bus.clone(),
        clock: Arc::clone(&api.clock),
        zone: api.home.zone.clone(),
        tariff: api.home.tariff.clone(),
    });
    let shown = board.clone();
    supervisor.start("prepay", WITHIN, move |pulse, stop| {
        prepay::run(board.clone(), pulse, stop)
    });
    Ok(Some(shown))
}

/// Starts the part that holds the relay of the supply, where the utility may open it.
pub(super) fn start_supply(
    supervisor: &mut Supervisor,
    config: &Config,
    api: &Api,
    store: &Store,
    bus: &Bus,
) -> anyhow::Result<Option<supply::Board>> {
    let Some(config_of) = config.disconnect.clone() else {
        return Ok(None);
    };
    let board = supply::Board::open(supply::Settings {
        orders: supply::Orders::new(config_of.meter.clone()),
        config: config_of,
        state_dir: config.gateway.state_dir.clone(),
        readers: store.readers(),
        logbooks: store.logbooks(),
        bus: bus.clone(),
        clock: Arc::clone(&api.clock),
        zone: api.home.zone.clone(),
    })?;
    let shown = board.clone();
    supervisor.start("supply", WITHIN, move |pulse, stop| {
        supply::run(board.clone(), pulse, stop)
    });
    Ok(Some(shown))
}

/// Starts the part that looks for what is unusual.
pub(super) fn start_anomalies(
    supervisor: &mut Supervisor,
    config: &Config,
    api: &Api,
    store: &Store,
    bus: &Bus,
) {
    let water = |meter: &&MeterConfig| meter.medium == wattle_api::Medium::Water;
    let settings = anomalies::Settings {
        grid: api.home.grid.clone(),
        water: config
            .meters
            .iter()
            .filter(water)
            .map(|meter| meter.name.clone())
            .collect(),
        readers: store.readers(),
        appliances: api.appliances.clone(),
        bus: bus.clone(),
        clock: Arc::clone(&api.clock),
        zone: api.home.zone.clone(),
    };
    supervisor.start("anomalies", WITHIN, move |pulse, stop| {
        anomalies::run(settings.clone(), pulse, stop)
    });
}

/// Starts the part that validates what the store holds and makes days of it.
pub(super) fn start_vee(supervisor: &mut Supervisor, config: &Config, api: &Api, store: &Store) {
    let settings = vee::Settings {
        grid: api.home.grid.clone(),
        limits: vee::limits(config.vee.as_ref(), &api.home.zone),
        quarter_hours_days: config.store.quarter_hours_days,
        readers: store.readers(),
        supplies: store.supplies(),
        rollups: store.rollups(),
        clock: Arc::clone(&api.clock),
        zone: api.home.zone.clone(),
        tariff: api.home.tariff.clone(),
    };
    supervisor.start("validation", WITHIN, move |pulse, stop| {
        vee::run(settings.clone(), pulse, stop)
    });
}
