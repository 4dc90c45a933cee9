//! The Zigbee stick: its port, its network and its devices, from the configuration to the API.

pub mod backup;
mod board;
mod book;
mod comfort;
mod currency;
mod demand;
mod display;
mod events;
mod firmware;
mod missed;
mod plugs;
mod requests;
mod schedule;
mod services;
mod tunnels;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use han::comfort::Place;
use han::driver::Stick;
use han::zigbee::coordinator::{Coordinator, Network, Policy};
use han::zigbee::devices::Home;
use han::zigbee::key_establishment::Refusal;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use meter_link::model::{ObisCode, Unit};
use rust_decimal::Decimal;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wattle_api::{Notice, State, ZigbeeLoad, ZigbeeState};
use zeroize::Zeroizing;

use crate::bus::Bus;
use crate::clock::SharedClock;
use crate::config::{MeterConfig, ZigbeeConfig, ZigbeeProtocol};
use crate::messages;
use crate::prices::Current;
use crate::store::{Incoming, LastReading, Readers};
use crate::supervisor::Pulse;
pub use board::{Asked, Board, JOIN_S, LONGEST_JOIN_S, Request};
use book::Book;
use comfort::Comfort;
use demand::Demand;
use firmware::Firmware;
use missed::Missed;
use plugs::Plugs;
pub use plugs::{RELAY, adopt_known};
use schedule::Schedule;
use tunnels::Tunnels;

/// First and longest pause between two attempts to open the port.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// A stick that starts and does not come up is begun anew so often.
const RESTART: Duration = Duration::from_secs(2);
/// Devices of Smart Energy are told what is true so often.
const SERVE: Duration = Duration::from_secs(2);
/// The frame counter is kept so often; what may have been sent since is added when it is restored.
const SNAPSHOT: Duration = Duration::from_secs(600);
/// The network is kept so long after a device joined: by then it has a key of its own.
const SNAPSHOT_AFTER_JOIN: Duration = Duration::from_secs(30);
/// Routers are asked so often whom they hear.
const MAP: Duration = Duration::from_secs(3600);

/// What the part needs.
#[derive(Clone)]
pub struct Settings {
    /// Which stick.
    pub config: ZigbeeConfig,
    /// Where the network is kept.
    pub state_dir: PathBuf,
    /// Where it is told, and asked.
    pub board: Board,
    /// The wall clock.
    pub clock: SharedClock,
    /// All meters; those of plugs are read here.
    pub meters: Vec<MeterConfig>,
    /// What is stored.
    pub readers: Readers,
    /// Into the store.
    pub queue: mpsc::Sender<Incoming>,
    /// To everyone who wants to know.
    pub bus: Bus,
    /// What the meters tell and what the utility asks for.
    pub state: watch::Receiver<Arc<State>>,
    /// The tariff of the moment.
    pub tariff: Current,
    /// The home's time zone.
    pub zone: TimeZone,
    /// Name of the electricity meter at the grid.
    pub grid: Option<String>,
    /// Where the utility's messages go.
    pub messages: Option<messages::Board>,
    /// Where the gateway's own DLMS server listens.
    pub dlms_server: Option<SocketAddr>,
}

/// Runs the stick until told to stop. A port that is lost is opened again for ever.
///
/// # Errors
/// The network that is kept cannot be read; there are no random numbers to be had.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    if settings.config.is_display() {
        return display::run(settings, pulse, stop).await;
    }
    let mut asked = settings.board.requests();
    let book = Book::open(&settings.state_dir)?;
    let mut random = Zeroizing::new([0; 42]);
    getrandom::fill(random.as_mut()).context("random numbers for a network's keys")?;
    let policy = Policy {
        known: book.network()?,
        next: book.next()?,
        fresh: Network::from_random(settings.config.channel, &random),
        replace: false,
        stack: settings.config.protocol.map(ZigbeeProtocol::stack),
    };
    let mut home = Home::new(Coordinator::new(policy), book.devices());
    if let Some(identity) = services::identity(&settings.config)? {
        home.services.identify(identity, services::random);
    }
    home.services.remember(book.secured());
    let known = settings.readers.open()?.last_readings()?;
    recall(&mut home, &book, &known, settings.clock.now());
    let plugs = Plugs::new(
        &settings.meters,
        &settings.config.port,
        settings.queue.clone(),
        settings.bus.clone(),
    );
    let demand = Demand::new(&settings.config, &settings.state_dir);
    let comfort = Comfort::new(&settings.config, &settings.state_dir);
    let firmware = Firmware::new(&settings.config, &settings.state_dir, &mut home.upgrades);
    let tunnels = Tunnels::new(settings.dlms_server.filter(|_| settings.config.tunnels));
    // DLMS/COSEM.
    home.services
        .offer_tunnels(tunnels.is_offered().then_some(0));
    let mut part = Part {
        settings,
        home,
        book,
        plugs,
        demand,
        comfort,
        firmware,
        schedule: Schedule::default(),
        tunnels,
        place: None,
        decided: None,
        served: None,
        lost: None,
        missed: Missed::default(),
        refused: BTreeMap::new(),
        next_snapshot: Instant::now() + SNAPSHOT,
        next_map: Instant::now(),
    };
    let mut pause = FIRST_RETRY;
    while !stop.is_cancelled() {
        let config = part.settings.config.clone();
        let opened = tokio::select! {
            () = stop.cancelled() => break,
            opened = Stick::open(&config.port, config.baud, config.flow_control) => opened,
        };
        let lost = match opened {
            Ok(mut stick) => {
                pause = FIRST_RETRY;
                part.settings.board.state(ZigbeeState::Starting, None);
                part.converse(&mut stick, &mut asked, &pulse, &stop).await
            }
            Err(error) => Err(error),
        };
        let Err(error) = lost else { break };
        part.home.port_lost(std::time::Instant::now());
        part.take_events();
        part.offline(format!("{}: {error}", config.port));
        wait(pause, &pulse, &stop).await;
        pause = (pause * 2).min(LAST_RETRY);
    }
    part.keep_registers();
    Ok(())
}

/// Goes on counting where the daemon ended: what has passed since comes with the next value.
/// What was counted after the book was written last stands in the store.
fn recall(home: &mut Home, book: &Book, known: &[LastReading], now: Timestamp) {
    let instant = std::time::Instant::now();
    for counted in book.registers() {
        let serial = format!("{:016x}", counted.ieee);
        let is_its = |one: &&LastReading| {
            let register = (one.key.obis, one.key.unit);
            one.key.serial == serial && register == (ObisCode::ACTIVE_ENERGY_IMPORT, Unit::WattHour)
        };
        let mut register = counted.register();
        if let Some(last) = known.iter().find(is_its) {
            register = register.counted_to(last.value / Decimal::ONE_THOUSAND);
        }
        let passed = now.duration_since(counted.at);
        let passed = Duration::try_from(passed).unwrap_or_default();
        let at = instant.checked_sub(passed).unwrap_or(instant);
        home.restore_energy(counted.ieee, register, at);
    }
}

async fn wait(pause: Duration, pulse: &Pulse, stop: &CancellationToken) {
    let until = Instant::now() + pause;
    while Instant::now() < until && !stop.is_cancelled() {
        pulse.beat();
        let next = until.min(Instant::now() + Duration::from_secs(1));
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep_until(next) => {}
        }
    }
}

struct Part {
    settings: Settings,
    home: Home,
    book: Book,
    plugs: Plugs,
    demand: Demand,
    comfort: Comfort,
    firmware: Firmware,
    schedule: Schedule,
    tunnels: Tunnels,
    /// Where the price stood in which minute.
    place: Option<(i64, Place)>,
    decided: Option<Timestamp>,
    /// When devices were last told what is true.
    served: Option<Instant>,
    /// What the household was told since the stick is lost.
    lost: Option<Notice>,
    /// Devices that are not heard any more.
    missed: Missed,
    /// Why a device got no key of Smart Energy, as it was told last.
    refused: BTreeMap<u64, Refusal>,
    next_snapshot: Instant,
    next_map: Instant,
}

impl Part {
    /// Moves octets until the port is gone or all is to stop.
    async fn converse(
        &mut self,
        stick: &mut Stick,
        asked: &mut mpsc::Receiver<Asked>,
        pulse: &Pulse,
        stop: &CancellationToken,
    ) -> std::io::Result<()> {
        self.set_clock();
        self.home.start(std::time::Instant::now());
        let mut buffer = [0; 512];
        let mut restart: Option<Instant> = None;
        let mut has_restarted = false;
        loop {
            while let Some(octets) = self.home.poll_transmit() {
                stick.send(&octets).await?;
            }
            if let Some(reason) = self.take_events() {
                // A connection may be dead without anybody saying so, and a port that hangs comes
                // to itself when it is opened.
                if stick.is_remote() || has_restarted {
                    return Err(std::io::Error::other(reason));
                }
                restart = Some(Instant::now() + RESTART);
            }
            has_restarted &= !self.home.coordinator.is_up();
            pulse.beat();
            let now = Instant::now();
            let due = self.home.poll_timeout().map(Instant::from_std);
            let beat = now + Duration::from_secs(1);
            let until = [due, restart, Some(beat)]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(beat);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                received = stick.receive(&mut buffer) => {
                    let octets = buffer.get(..received?).unwrap_or_default();
                    self.home.handle_octets(octets, std::time::Instant::now());
                }
                Some(request) = asked.recv() => self.answer(request),
                Some(said) = self.tunnels.said() => self.take_said(said),
                () = sleep_until(until) => {}
            }
            let now = Instant::now();
            self.serve(now);
            self.decide();
            self.home.handle_timeout(now.into_std());
            if restart.is_some_and(|due| now >= due) {
                restart = None;
                has_restarted = true;
                self.settings.board.state(ZigbeeState::Starting, None);
                self.home.start(now.into_std());
            }
            if now >= self.next_snapshot {
                self.next_snapshot = now + SNAPSHOT;
                self.home.coordinator.snapshot(now.into_std());
                self.keep_registers();
            }
            if now >= self.next_map && self.home.coordinator.is_up() {
                self.next_map = now + MAP;
                self.home.look_around(now.into_std());
            }
        }
    }

    /// Once a second: is something to be shed, or given back?
    fn decide(&mut self) {
        let now = self.settings.clock.now();
        let is_same = |decided: Timestamp| decided.as_second() == now.as_second();
        if self.decided.is_some_and(is_same) || !self.home.coordinator.is_up() {
            return;
        }
        self.decided = Some(now);
        let state = self.settings.state.borrow().clone();
        self.demand.run(&mut self.home, &state, now);
        if self.comfort.is_used() {
            let (place, demand) = (self.place(now), &self.demand);
            self.comfort
                .run(&mut self.home, place, |ieee| demand.holds(ieee), now);
        }
        let demand = self.demand.api();
        let is_shed = |load: &ZigbeeLoad| load.shed_since.is_some();
        let sheds = demand.iter().flat_map(|one| &one.loads).any(is_shed);
        let upgrades = &mut self.home.upgrades;
        upgrades.pause(sheds);
        self.firmware.run(upgrades, &self.settings.board);
        self.settings.board.demand(demand, self.comfort.api());
        if self.missed.look(&self.home, &self.plugs, now) {
            self.notify();
        }
    }

    /// Where the price stands, looked up once a minute.
    fn place(&mut self, now: Timestamp) -> Place {
        let minute = now.as_second() / 60;
        if let Some((_, place)) = self.place.filter(|(known, _)| *known == minute) {
            return place;
        }
        let tariff = self.settings.tariff.borrow().clone();
        let place = tariff.map_or(Place::Usual, |tariff| {
            let prices = services::prices(&tariff, &self.settings.zone, now, &[]);
            comfort::place(&prices, services::seconds(now))
        });
        self.place = Some((minute, place));
        place
    }

    fn set_clock(&mut self) {
        let utc = services::seconds(self.settings.clock.now());
        self.home.set_clock(utc, std::time::Instant::now());
    }

    /// Tells the devices of Smart Energy what has become true.
    fn serve(&mut self, now: Instant) {
        let is_due = self.served.is_none_or(|served| now >= served + SERVE);
        if !is_due || !self.home.services.is_used() {
            return;
        }
        self.served = Some(now);
        self.set_clock();
        let settings = &self.settings;
        let state = settings.state.borrow().clone();
        let tariff = settings.tariff.borrow().clone();
        services::serve(
            &mut self.home.services,
            &state,
            tariff.as_ref(),
            &mut self.schedule,
            &settings.zone,
            settings.grid.as_deref(),
            settings.clock.now(),
        );
    }
}
