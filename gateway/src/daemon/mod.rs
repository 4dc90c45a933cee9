//! The daemon: puts the parts together, starts them, and ends them.

mod home;
mod outside;
mod signals;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;
use sd_notify::NotifyState;
use tokio::sync::{Notify, watch};
use wattle_api::{Gateway, RecipientKind};

use crate::access::Access;
use crate::bills;
use crate::bus::Bus;
use crate::buses::Buses;
use crate::clock::{SharedClock, SystemClock};
use crate::collect::{self, Sink};
use crate::config::{Config, LoadLimitConfig, MeterConfig, SupplyConfig, UpstreamConfig};
use crate::grid;
use crate::http::{self, Api, Keeping};
use crate::lines::Lines;
use crate::messages;
use crate::mqtt;
use crate::powerline;
use crate::store::{Plan, Settings, Store};
use crate::supervisor::Supervisor;
use crate::view::{self, Sources};
use crate::{prices, tariff, upstream, zigbee};
use home::{
    start_anomalies, start_appliances, start_prepay, start_prices, start_radio, start_supply,
    start_vee, start_view,
};
use outside::{
    start_allowed, start_api, start_bearers, start_mdns, start_records, start_utilities,
    start_zigbee,
};
use signals::{Signals, tell};

/// How long the parts have to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Every part beats once a second; one that is silent this long is ill.
const WITHIN: Duration = Duration::from_secs(20);

/// Runs until SIGTERM or SIGINT. At SIGHUP the configuration is read again with `reread`: a right
/// one takes the place of the old, a wrong one is logged and changes nothing.
///
/// # Errors
/// The store, the tariff or the time zone cannot be used.
pub async fn run(
    config: Config,
    reread: impl Fn() -> anyhow::Result<Config>,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let mut next = Some(config);
    while let Some(config) = next {
        next = run_once(config, &reread, &mut signals).await?;
    }
    tracing::info!("ended");
    Ok(())
}

/// Runs with one configuration; returns the one to go on with.
async fn run_once(
    mut config: Config,
    reread: &impl Fn() -> anyhow::Result<Config>,
    signals: &mut Signals,
) -> anyhow::Result<Option<Config>> {
    let clock: SharedClock = Arc::new(SystemClock);
    let zone = config.gateway.zone()?;
    let mut prices = prices::Settings {
        config: config.tariff.clone(),
        folder: config.gateway.state_dir.clone(),
        grid: config.grid_meter(),
        zone: zone.clone(),
        clock: Arc::clone(&clock),
        nudge: Arc::default(),
        privacy: None,
    };
    let (tariff_out, tariff) = watch::channel(prices.load()?.map(Arc::new));
    let bus = Bus::default();
    let settings = Settings {
        folder: config.gateway.state_dir.clone(),
        zone: zone.clone(),
        readings_days: config.store.readings_days,
        raw_megabytes: config.store.raw_megabytes,
    };
    let plan = config.upstream.as_ref().map(|upstream| Plan {
        streams: upstream.streams.clone(),
        rows: u64::from(upstream.keep_thousand) * 1_000,
    });
    let store = Store::open_relaying(&settings, plan.unwrap_or_default(), bus.clone())?;
    let ledger = store.ledger();
    let (consents_out, consents) = watch::channel(ledger.consents()?);
    prices.privacy = Some(prices::Privacy {
        ledger: ledger.clone(),
        consents: consents.clone(),
    });
    let reload = Arc::new(Notify::new());
    let gateway = Gateway {
        id: store.gateway_id()?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        started_at: clock.now(),
    };
    let mut supervisor = Supervisor::default();
    let radio = start_radio(&mut supervisor, &mut config, &store, &bus, &clock, &zone)?;
    zigbee::adopt_known(&mut config);
    let lines = Lines::new(&config.meters, Buses::new(&config.meters));
    let home = http::Home {
        grid: config.grid_meter(),
        supplies: supplies(&config, &zone)?,
        zone: zone.clone(),
        tariff: tariff.clone(),
        monthly_budget: config.tariff.monthly_budget,
    };
    let grid_meter = home.grid.clone();
    let board = grid::Board::open(&config.gateway.state_dir);
    let sources = Sources {
        grid: board.clone(),
        bus: bus.clone(),
        clock: Arc::clone(&clock),
        zone,
        meters: config.meters.clone(),
        tariff,
        gateway: gateway.clone(),
    };
    let (state_out, state) = watch::channel(Arc::new(view::empty(&sources)));
    start_view(&mut supervisor, sources, &store, state_out);
    let powerlines = powerline::Board::default();
    for powerline in &config.powerlines {
        let settings = powerline::Settings {
            config: powerline.clone(),
            state_dir: config.gateway.state_dir.clone(),
            board: powerlines.clone(),
            bus: bus.clone(),
            clock: Arc::clone(&clock),
        };
        let name = format!("powerline {}", powerline.interface);
        supervisor.start(name, WITHIN, move |pulse, stop| {
            powerline::run(settings.clone(), pulse, stop)
        });
        if let Some(outlet) = &powerline.outlet {
            let settings = powerline::outlet::Settings {
                interface: powerline.interface.clone(),
                outlet: outlet.clone(),
                board: powerlines.clone(),
                grid: board.clone(),
                clock: Arc::clone(&clock),
            };
            supervisor.start(
                format!("outlet {}", outlet.name),
                WITHIN,
                move |pulse, stop| powerline::outlet::run(settings.clone(), pulse, stop),
            );
        }
    }
    let known = state.clone();
    start_records(&mut supervisor, &store, &bus, &clock, &consents);
    let keeping = Keeping {
        access: Access::open(config.gateway.state_dir.clone(), Arc::clone(&clock))?,
        ledger,
        logbooks: store.logbooks(),
        consents: consents_out,
        prices: prices.clone(),
        state_dir: config.gateway.state_dir.clone(),
        reload: Arc::clone(&reload),
    };
    let mut api = Api::new(
        state,
        store.readers(),
        Arc::clone(&clock),
        supervisor.health(),
        supervisor.stop(),
        home,
        keeping,
    );
    api.grid = board.clone();
    api.lines = lines.clone();
    api.powerline = powerlines;
    api.radio.clone_from(&radio);
    api.appliances = start_appliances(&mut supervisor, &config, &api.home, &store, &bus, &clock);
    api.prepay = start_prepay(&mut supervisor, &config, &api, &store, &bus)?;
    start_anomalies(&mut supervisor, &config, &api, &store, &bus);
    start_vee(&mut supervisor, &config, &api, &store);
    api.network = start_mdns(&mut supervisor, &config, &gateway.id, &clock);
    api.supply = start_supply(&mut supervisor, &config, &api, &store, &bus)?;
    let orders = api.supply.as_ref().map(|supply| supply.orders().clone());
    api.messages = open_messages(&config, &bus)?;
    let reach = upstream::Reach {
        messages: api.messages.clone(),
        limits: upstream::LimitSettings {
            policy: config.load_limit.as_ref().map(LoadLimitConfig::policy),
            readers: store.readers(),
            meter: grid_meter.clone(),
        },
        supply: api.supply.clone(),
        prices: prices.clone(),
        board: board.clone(),
        logbooks: store.logbooks(),
    };
    let pushed = start_prices(&mut supervisor, prices, tariff_out);
    let prices = config.tariff.openadr.then(|| pushed.clone());
    start_utilities(
        &mut supervisor,
        &config,
        &api,
        &gateway,
        &bus,
        prices,
        &consents,
    );
    let bearers = start_bearers(&mut supervisor, &config, &bus, &clock)?;
    api.bearers = bearers.clone();
    start_zigbee(&mut supervisor, &config, &api, &store, &bus);
    let plugs = api.zigbee.clone();
    start_api(&mut supervisor, &config, api);
    if !config.mqtt.host.is_empty() {
        let settings = mqtt::Settings {
            prices: config.tariff.topic.clone().map(|topic| (topic, pushed)),
            config: config.mqtt.clone(),
            gateway: gateway.id.clone(),
            meters: config.meters.clone(),
            grid: grid_meter,
            state_dir: config.gateway.state_dir.clone(),
            readers: store.readers(),
            asked: board,
            ledger: store.ledger(),
            zigbee: plugs,
            bearers: bearers.clone(),
            state: known,
            bus: bus.clone(),
            clock: Arc::clone(&clock),
            radio: radio.clone(),
            receivers: config.receivers.clone(),
        };
        let to = (RecipientKind::Mqtt, &consents);
        start_allowed(&mut supervisor, "mqtt", to, settings, mqtt::run);
    }
    if let Some(config_of) = config.upstream.clone() {
        let settings = upstream::Settings {
            bearers: bearers.clone(),
            config: config_of,
            gateway: gateway.id.clone(),
            state_dir: config.gateway.state_dir.clone(),
            outboxes: store.outboxes(),
            reach,
            ledger: store.ledger(),
            bus: bus.clone(),
            clock: Arc::clone(&clock),
        };
        let to = (RecipientKind::Utility, &consents);
        start_allowed(&mut supervisor, "relay", to, settings, upstream::run);
    }
    for meter in config.meters.into_iter().filter(MeterConfig::has_line) {
        let lines = lines.clone();
        let sink = Sink {
            store: store.queue(),
            profiles: store.profiles(),
            readers: store.readers(),
            drivers_dir: config.gateway.drivers_dir.clone(),
            state_dir: config.gateway.state_dir.clone(),
            orders: orders.clone(),
            bus: bus.clone(),
            clock: Arc::clone(&clock),
        };
        supervisor.start(
            format!("meter {}", meter.name),
            WITHIN,
            move |pulse, stop| {
                collect::run(meter.clone(), sink.clone(), lines.clone(), pulse, stop)
            },
        );
    }
    tracing::info!(gateway = gateway.id, socket = %config.api.socket.display(), "started");
    let health = supervisor.health();
    tell(&[NotifyState::Ready, NotifyState::Status("reading")]);
    let next = signals.wait(&health, &store, &reload, reread).await?;
    if next.is_none() {
        tell(&[NotifyState::Stopping]);
    }
    supervisor.end(PATIENCE).await;
    // The collectors are gone, so that the writer ends once it has committed what was waiting.
    tokio::task::spawn_blocking(move || store.close()).await?;
    Ok(next)
}

/// Messages of the utility, where there is somebody who may send some.
fn open_messages(config: &Config, bus: &Bus) -> anyhow::Result<Option<messages::Board>> {
    let commanded = |upstream: &UpstreamConfig| upstream.commanders.is_some();
    let commanded = config.upstream.as_ref().is_some_and(commanded);
    let folder = &config.gateway.state_dir;
    (commanded || config.zigbee.is_display())
        .then(|| messages::Board::open(folder, bus.clone()))
        .transpose()
}

/// Gas and water with their tariffs, which are read once: SIGHUP reads them again.
fn supplies(config: &Config, zone: &TimeZone) -> anyhow::Result<Vec<http::Supply>> {
    let gas = config.gas.as_ref().and_then(|gas| {
        let kwh_per_m3 = gas.kwh_per_m3()?;
        Some((gas, bills::Billed::Gas(kwh_per_m3)))
    });
    let water = config
        .water
        .as_ref()
        .map(|water| (water, bills::Billed::Water));
    let supply = |(supply, billed): (&SupplyConfig, bills::Billed)| {
        Ok(http::Supply {
            billed,
            meter: supply.meter.clone(),
            tariff: Arc::new(tariff::load(&supply.tariff, zone)?),
        })
    };
    gas.into_iter().chain(water).map(supply).collect()
}

/// Checks what `run` would need beyond the configuration's own form: the tariff's file.
///
/// # Errors
/// The tariff or the time zone cannot be used.
pub fn check(config: &Config, path: &Path) -> anyhow::Result<()> {
    let zone = config.gateway.zone()?;
    let prices = prices::Settings {
        config: config.tariff.clone(),
        folder: config.gateway.state_dir.clone(),
        grid: config.grid_meter(),
        zone: zone.clone(),
        clock: Arc::new(SystemClock),
        nudge: Arc::default(),
        privacy: None,
    };
    prices
        .load()
        .with_context(|| format!("named by {}", path.display()))?;
    supplies(config, &zone).with_context(|| format!("named by {}", path.display()))?;
    if let Some(upstream) = &config.upstream {
        upstream::rules(upstream, "", &config.gateway.state_dir)?;
    }
    Ok(())
}
