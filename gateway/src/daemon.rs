//! The daemon: puts the parts together, starts them, and ends them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use wattle_api::{Gateway, RecipientKind};

use crate::access::Access;
use crate::anomalies;
use crate::appliances;
use crate::bills;
use crate::bus::Bus;
use crate::buses::Buses;
use crate::c1222_server;
use crate::clock::{SharedClock, SystemClock};
use crate::collect::{self, Sink};
use crate::config::{Config, MeterConfig, Protocol, SupplyConfig};
use crate::dlms_server;
use crate::grid;
use crate::http::{self, Api, Keeping};
use crate::mdns;
use crate::mqtt;
use crate::openadr;
use crate::powerline;
use crate::prepay;
use crate::radio::{self, Radio};
use crate::records;
use crate::sep2;
use crate::store::{Plan, Settings, Store};
use crate::supervisor::{HealthBoard, Supervisor};
use crate::view::{self, Sources};
use crate::{prices, supply, tariff, upstream, vee, zigbee};

/// How long the parts have to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many price documents may wait.
const PRICE_DOCUMENTS: usize = 8;
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
    let home = http::Home {
        grid: config.grid_meter(),
        supplies: supplies(&config, &zone)?,
        zone: zone.clone(),
        tariff: tariff.clone(),
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
    api.powerline = powerlines;
    api.radio.clone_from(&radio);
    api.appliances = start_appliances(&mut supervisor, &config, &api.home, &store, &bus, &clock);
    api.prepay = start_prepay(&mut supervisor, &config, &api, &store, &bus)?;
    start_anomalies(&mut supervisor, &config, &api, &store, &bus);
    start_vee(&mut supervisor, &config, &api, &store);
    api.network = start_mdns(&mut supervisor, &config, &gateway.id, &clock);
    api.supply = start_supply(&mut supervisor, &config, &api, &store, &bus)?;
    let orders = api.supply.as_ref().map(|supply| supply.orders().clone());
    let reach = upstream::Reach {
        supply: api.supply.clone(),
        prices: prices.clone(),
        board: board.clone(),
        logbooks: store.logbooks(),
    };
    let pushed = start_prices(&mut supervisor, prices, tariff_out);
    let prices = config.tariff.openadr.then(|| pushed.clone());
    let utility = consents.clone();
    start_utilities(
        &mut supervisor,
        &config,
        &api,
        &gateway,
        &bus,
        prices,
        utility,
    );
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
            state: known,
            bus: bus.clone(),
            clock: Arc::clone(&clock),
            radio: radio.clone(),
            receivers: config.receivers.clone(),
        };
        let consents = consents.clone();
        supervisor.start("mqtt", WITHIN, move |pulse, stop| {
            let settings = settings.clone();
            let part = move |pulse, stop| mqtt::run(settings.clone(), pulse, stop);
            records::gated(consents.clone(), RecipientKind::Mqtt, part, pulse, stop)
        });
    }
    if let Some(config_of) = config.upstream.clone() {
        let settings = upstream::Settings {
            config: config_of,
            gateway: gateway.id.clone(),
            state_dir: config.gateway.state_dir.clone(),
            outboxes: store.outboxes(),
            reach,
            ledger: store.ledger(),
            bus: bus.clone(),
            clock: Arc::clone(&clock),
        };
        let consents = consents.clone();
        supervisor.start("relay", WITHIN, move |pulse, stop| {
            let settings = settings.clone();
            let part = move |pulse, stop| upstream::run(settings.clone(), pulse, stop);
            records::gated(consents.clone(), RecipientKind::Utility, part, pulse, stop)
        });
    }
    let wired = |meter: &MeterConfig| !matches!(meter.protocol, Protocol::Wmbus | Protocol::Zigbee);
    let buses = Buses::default();
    for meter in config.meters.into_iter().filter(wired) {
        let buses = buses.clone();
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
                collect::run(meter.clone(), sink.clone(), buses.clone(), pulse, stop)
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

/// Starts the receivers and what stands behind them, if there are any. Meters that were taken on
/// join those that are configured.
fn start_radio(
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

fn start_view(
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
fn start_prices(
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
fn start_appliances(
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
fn start_prepay(
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
fn start_supply(
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
fn start_anomalies(
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
fn start_vee(supervisor: &mut Supervisor, config: &Config, api: &Api, store: &Store) {
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

/// Starts the parts that follow servers of the utility, if there are any.
fn start_utilities(
    supervisor: &mut Supervisor,
    config: &Config,
    api: &Api,
    gateway: &Gateway,
    bus: &Bus,
    prices: Option<mpsc::Sender<String>>,
    consents: watch::Receiver<Vec<wattle_api::Consent>>,
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
        let consents = consents.clone();
        supervisor.start("sep2", WITHIN, move |pulse, stop| {
            let settings = settings.clone();
            let part = move |pulse, stop| sep2::run(settings.clone(), pulse, stop);
            records::gated(consents.clone(), RecipientKind::Utility, part, pulse, stop)
        });
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
        let consents = consents.clone();
        supervisor.start("dlms server", WITHIN, move |pulse, stop| {
            let settings = settings.clone();
            let part = move |pulse, stop| dlms_server::run(settings.clone(), pulse, stop);
            records::gated(consents.clone(), RecipientKind::Utility, part, pulse, stop)
        });
    }
    if let Some(config_of) = config.c1222_server.clone() {
        let settings = c1222_server::Settings {
            config: config_of,
            state_dir: config.gateway.state_dir.clone(),
            readers: api.readers.clone(),
            ledger: api.keeping.ledger.clone(),
            clock: Arc::clone(&api.clock),
        };
        let consents = consents.clone();
        supervisor.start("c12.22 server", WITHIN, move |pulse, stop| {
            let settings = settings.clone();
            let part = move |pulse, stop| c1222_server::run(settings.clone(), pulse, stop);
            records::gated(consents.clone(), RecipientKind::Utility, part, pulse, stop)
        });
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
    supervisor.start("openadr", WITHIN, move |pulse, stop| {
        let settings = settings.clone();
        let part = move |pulse, stop| openadr::run(settings.clone(), pulse, stop);
        records::gated(consents.clone(), RecipientKind::Utility, part, pulse, stop)
    });
}

/// Starts the part that is found in the network and finds others; returns what it knows.
fn start_mdns(
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

/// Starts the part that owns the Zigbee stick, if there is one.
fn start_zigbee(supervisor: &mut Supervisor, config: &Config, api: &Api, store: &Store, bus: &Bus) {
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
    };
    supervisor.start("zigbee", WITHIN, move |pulse, stop| {
        zigbee::run(settings.clone(), pulse, stop)
    });
}

fn start_api(supervisor: &mut Supervisor, config: &Config, api: Api) {
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
fn start_records(
    supervisor: &mut Supervisor,
    store: &Store,
    bus: &Bus,
    clock: &SharedClock,
    consents: &watch::Receiver<Vec<wattle_api::Consent>>,
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

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT")?,
            hangup: signal(SignalKind::hangup()).context("SIGHUP")?,
        })
    }

    /// Waits for the signal to end (`None`) or for a new configuration. Meanwhile feeds systemd's
    /// watchdog, but only while every part and the store's writer are alive.
    async fn wait(
        &mut self,
        health: &HealthBoard,
        store: &Store,
        reload: &Notify,
        reread: &impl Fn() -> anyhow::Result<Config>,
    ) -> anyhow::Result<Option<Config>> {
        let period =
            sd_notify::watchdog_enabled().map_or(Duration::from_secs(10), |limit| limit / 3);
        let mut tick = tokio::time::interval(period);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Ok(None),
                _ = self.interrupt.recv() => return Ok(None),
                () = reload.notified() => {
                    // The answer to whoever asked for it is to be on its way.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    tracing::info!("beginning again with other data");
                    return reread().map(Some);
                }
                _ = self.hangup.recv() => match reread() {
                    Ok(config) => {
                        tracing::info!("the configuration was read again");
                        return Ok(Some(config));
                    }
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::error!(error, "the new configuration is wrong; going on with the old one");
                    }
                },
                _ = tick.tick() => {
                    anyhow::ensure!(store.is_alive(), "the store's writer has ended");
                    let health = health.health();
                    if health.ok {
                        tell(&[NotifyState::Watchdog]);
                    } else {
                        let ill: Vec<&str> = health.parts.iter().filter(|part| !part.ok).map(|part| part.name.as_str()).collect();
                        tracing::error!(parts = ill.join(", "), "no sign of life; the watchdog is not fed");
                    }
                }
            }
        }
    }
}

/// Tells systemd, where there is one.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
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
