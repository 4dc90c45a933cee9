//! The Zigbee stick: its port, its network and its devices, from the configuration to the API.

pub mod backup;
mod board;
mod book;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use han::driver::Stick;
use han::zigbee::coordinator::{Coordinator, Event as NetworkEvent, Network, Policy};
use han::zigbee::devices::{Event, Home};
use han::zigbee::install_code::InstallCode;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wattle_api::ZigbeeState;
use zeroize::Zeroizing;

use crate::clock::SharedClock;
use crate::config::ZigbeeConfig;
use crate::supervisor::Pulse;
pub use board::{Asked, Board, Request};
use book::Book;

/// First and longest pause between two attempts to open the port.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// A stick that starts and does not come up is begun anew so often.
const RESTART: Duration = Duration::from_secs(2);
/// The frame counter is kept so often; what may have been sent since is added when it is restored.
const SNAPSHOT: Duration = Duration::from_secs(600);

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
}

/// Runs the stick until told to stop. A port that is lost is opened again for ever.
///
/// # Errors
/// The network that is kept cannot be read; there are no random numbers to be had.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let mut asked = settings.board.requests();
    let book = Book::open(&settings.state_dir)?;
    let mut random = Zeroizing::new([0; 42]);
    getrandom::fill(random.as_mut()).context("random numbers for a network's keys")?;
    let policy = Policy {
        known: book.network()?,
        fresh: Network::from_random(settings.config.channel, &random),
        replace: false,
    };
    let home = Home::new(Coordinator::new(policy), book.devices());
    let mut part = Part {
        settings,
        home,
        book,
        next_snapshot: Instant::now() + SNAPSHOT,
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
        part.settings
            .board
            .offline(format!("{}: {error}", config.port));
        wait(pause, &pulse, &stop).await;
        pause = (pause * 2).min(LAST_RETRY);
    }
    Ok(())
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
    next_snapshot: Instant,
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
        self.home.start(std::time::Instant::now());
        let mut buffer = [0; 512];
        let mut restart: Option<Instant> = None;
        loop {
            while let Some(octets) = self.home.poll_transmit() {
                stick.send(&octets).await?;
            }
            if self.take_events() {
                restart = Some(Instant::now() + RESTART);
            }
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
                () = sleep_until(until) => {}
            }
            let now = Instant::now();
            self.home.handle_timeout(now.into_std());
            if restart.is_some_and(|due| now >= due) {
                restart = None;
                self.settings.board.state(ZigbeeState::Starting, None);
                self.home.start(now.into_std());
            }
            if now >= self.next_snapshot {
                self.next_snapshot = now + SNAPSHOT;
                self.home.coordinator.snapshot(now.into_std());
            }
        }
    }

    /// Tells what has happened; true when the stick must be begun anew.
    fn take_events(&mut self) -> bool {
        let mut lost = false;
        while let Some(event) = self.home.poll_event() {
            let board = &self.settings.board;
            match event {
                Event::Network(NetworkEvent::Up { network, formed }) => {
                    tracing::info!(channel = network.channel, pan = %format_args!("{:04x}", network.pan), formed, "the Zigbee network is up");
                    board.up(&network);
                    self.keep(&network);
                }
                Event::Network(NetworkEvent::Snapshot(network)) => self.keep(&network),
                Event::Network(NetworkEvent::Foreign {
                    extended_pan,
                    pan,
                    channel,
                }) => {
                    tracing::warn!(
                        channel,
                        "the Zigbee stick carries another network; it is left alone"
                    );
                    board.foreign(extended_pan, pan, channel);
                }
                Event::Network(NetworkEvent::Lost(reason)) => {
                    tracing::warn!(reason, "the Zigbee stick is lost, trying again");
                    board.offline(reason);
                    lost = true;
                }
                Event::Measured { ieee, measured } => board.measured(ieee, &measured),
                Event::Left { ieee } => board.left(ieee),
                _ => {}
            }
        }
        let now = self.settings.clock.now();
        self.settings.board.devices(self.home.devices(), now);
        let devices = self
            .home
            .devices()
            .map(|device| (device.ieee, device.nwk))
            .collect();
        if let Err(error) = self.book.keep_devices(devices) {
            tracing::error!("the Zigbee devices are not kept: {error:#}");
        }
        lost
    }

    fn keep(&mut self, network: &Network) {
        if let Err(error) = self.book.keep_network(network) {
            tracing::error!("the Zigbee network is not kept: {error:#}");
        }
    }

    fn answer(&mut self, asked: Asked) {
        let now = std::time::Instant::now();
        let is_up = self.home.coordinator.is_up();
        let answer = match asked.request {
            Request::Replace => {
                self.home.coordinator.replace();
                self.home.start(now);
                Ok(())
            }
            _ if !is_up => {
                Err("the Zigbee network is not up; see state and reason at /api/v1/zigbee")
            }
            Request::Join { seconds, code } => {
                self.join(seconds, code.as_deref(), now);
                Ok(())
            }
            Request::Switch { ieee, on } => {
                let switched = self.home.switch(ieee, on, now);
                switched
                    .then_some(())
                    .ok_or("there is no such device, or it has no relay")
            }
        };
        // Who asked may be gone.
        let _ = asked.answer.send(answer);
    }

    fn join(&mut self, seconds: u8, code: Option<&(u64, InstallCode)>, now: std::time::Instant) {
        if let Some((ieee, code)) = code {
            self.home.coordinator.allow(*ieee, &code.link_key(), now);
        }
        self.home
            .coordinator
            .permit(seconds, None, code.is_none(), now);
        let until = self.settings.clock.now() + Duration::from_secs(seconds.into());
        self.settings.board.joining((seconds > 0).then_some(until));
    }
}
