//! What the network tells goes to where it is shown, metered and kept.

use han::zigbee::coordinator::{Event as NetworkEvent, Join, Network};
use han::zigbee::devices::{Event, Measured};
use han::zigbee::services::Event as Said;
use tokio::time::Instant;
use wattle_api::{Notice, NoticeCode, Severity};

use super::book::Counted;
use super::tunnels::Said as Answered;
use super::{Part, SNAPSHOT_AFTER_JOIN, firmware, services};
use crate::bus::Event as Fact;

impl Part {
    /// Tells what has happened; why the stick must be begun anew, if it must.
    pub(super) fn take_events(&mut self) -> Option<String> {
        let (mut lost, mut counts) = (None, false);
        while let Some(event) = self.home.poll_event() {
            let board = &self.settings.board;
            match event {
                Event::Network(NetworkEvent::Up { network, formed }) => {
                    tracing::info!(channel = network.channel, pan = %format_args!("{:04x}", network.pan), formed, "the Zigbee network is up");
                    board.up(&network);
                    self.back();
                    self.keep(&network);
                }
                Event::Network(NetworkEvent::Snapshot(network)) => self.keep(&network),
                Event::Network(NetworkEvent::NextKey(network)) => {
                    if let Err(error) = self.book.keep_next(&network) {
                        tracing::error!("the network's next key is not kept, nor used: {error:#}");
                        self.home.coordinator.keep_key();
                    }
                }
                Event::Network(NetworkEvent::KeyStays) => {
                    tracing::warn!("the Zigbee stick does not exchange the network's key");
                }
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
                Event::Network(NetworkEvent::Device { join, .. }) if join != Join::Left => {
                    let soon = Instant::now() + SNAPSHOT_AFTER_JOIN;
                    self.next_snapshot = self.next_snapshot.min(soon);
                }
                Event::Network(NetworkEvent::Lost(reason)) => {
                    self.offline(reason.clone());
                    lost = Some(reason);
                }
                Event::Measured { ieee, measured } => {
                    board.measured(ieee, &measured);
                    self.plugs.take(ieee, &measured);
                    let now = self.settings.clock.now();
                    self.demand.take(ieee, &measured, now);
                    self.comfort.take(ieee, &measured);
                    counts |= matches!(measured, Measured::EnergyKwh(_)) && self.is_new_count(ieee);
                }
                Event::Network(NetworkEvent::Energy(found)) => {
                    board.channels(&found, self.settings.clock.now());
                }
                Event::Topology(links) => {
                    let home = &self.home;
                    let ieee = |nwk| {
                        let mut devices = home.devices();
                        devices
                            .find(|device| device.nwk == nwk)
                            .map(|device| device.ieee)
                    };
                    board.map(&links, ieee, self.settings.clock.now());
                }
                Event::Service(event) => self.take_service(event),
                Event::Upgrade(event) => firmware::log(event),
                Event::Left { ieee } => board.left(ieee),
                _ => {}
            }
        }
        if counts {
            self.keep_registers();
        }
        let now = self.settings.clock.now();
        self.settings.board.devices(self.home.devices(), now);
        self.plugs.store(now);
        let devices = self
            .home
            .devices()
            .map(|device| (device.ieee, device.nwk))
            .collect();
        if let Err(error) = self.book.keep_devices(devices) {
            tracing::error!("the Zigbee devices are not kept: {error:#}");
        }
        if let Err(error) = self.book.keep_secured(self.home.services.secured()) {
            tracing::error!("who has a key of Smart Energy is not kept: {error:#}");
        }
        lost
    }

    pub(super) fn take_service(&mut self, event: Said) {
        match event {
            Said::KeyEstablished { ieee, .. } => {
                self.refused.remove(&ieee);
                tracing::info!(device = %format_args!("{ieee:016x}"), "a device of Smart Energy has a key");
            }
            // A device asks again every minute; what keeps it out is said once.
            Said::KeyRefused { ieee, refusal }
                if self.refused.insert(ieee, refusal) != Some(refusal) =>
            {
                tracing::warn!(device = %format_args!("{ieee:016x}"), %refusal, "a device of Smart Energy gets no key");
            }
            Said::EventStatus {
                ieee, key, status, ..
            } => {
                tracing::info!(device = %format_args!("{ieee:016x}"), event = key, ?status, "a device tells how an event goes");
            }
            Said::TunnelOpened { ieee, tunnel } => {
                tracing::info!(device = %format_args!("{ieee:016x}"), tunnel, "a Zigbee device speaks with the DLMS server");
                self.tunnels.open(tunnel);
            }
            Said::TunnelData { tunnel, octets } if !self.tunnels.say(tunnel, &octets) => {
                self.tunnels.close(tunnel);
                self.home.services.close_tunnel(tunnel);
            }
            Said::TunnelClosed { tunnel } => self.tunnels.close(tunnel),
            Said::MessageConfirmed { ieee, key, .. } => {
                tracing::info!(device = %format_args!("{ieee:016x}"), message = key, "a message was confirmed at a device");
            }
            _ => {}
        }
    }

    /// What the DLMS server says goes into its tunnel.
    pub(super) fn take_said(&mut self, (tunnel, octets): Answered) {
        let utc = services::seconds(self.settings.clock.now());
        let services = &mut self.home.services;
        let is_open = octets.is_some_and(|octets| services.tunnel_send(tunnel, &octets, utc));
        if !is_open {
            services.close_tunnel(tunnel);
            self.tunnels.close(tunnel);
        }
    }

    /// The stick cannot be reached: the household is told once, and again when it is back.
    pub(super) fn offline(&mut self, reason: String) {
        if self.lost.is_none() {
            tracing::warn!(reason, "the Zigbee stick is lost, trying again");
            self.plugs.lost();
            let now = self.settings.clock.now();
            self.lost = Some(Notice {
                severity: Severity::Warning,
                code: NoticeCode::PortLost,
                meter: None,
                text: format!(
                    "The Zigbee stick does not answer ({reason}): is it plugged in? It is tried again for ever; plugs are not read meanwhile."
                ),
                since: now,
            });
            self.notify();
        }
        self.settings.board.offline(reason);
    }

    pub(super) fn back(&mut self) {
        if self.lost.take().is_some() {
            self.notify();
        }
    }

    /// Tells the household all that is to be said: of a lost stick, or of devices behind it.
    pub(super) fn notify(&self) {
        let notices = match &self.lost {
            Some(lost) => vec![lost.clone()],
            None => self.missed.notices(),
        };
        self.settings.bus.send(Fact::Notices {
            source: "zigbee".to_owned(),
            notices,
        });
    }

    /// Whether a register has begun, or begun anew, since the book was written: what came before is
    /// nowhere else.
    pub(super) fn is_new_count(&self, ieee: u64) -> bool {
        let epochs = self.home.device(ieee).map(|device| device.energy.epochs());
        let kept = self.book.registers().iter().find(|one| one.ieee == ieee);
        kept.map(|kept| kept.register().epochs) != epochs
    }

    pub(super) fn keep_registers(&mut self) {
        let now = self.settings.clock.now();
        let counted = self
            .home
            .devices()
            .filter_map(|device| Some(Counted::new(device.ieee, device.energy.kept()?, now)));
        let counted = counted.collect();
        if let Err(error) = self.book.keep_registers(counted) {
            tracing::error!("what Zigbee plugs have counted is not kept: {error:#}");
        }
    }

    pub(super) fn keep(&mut self, network: &Network) {
        if let Err(error) = self.book.keep_network(network) {
            tracing::error!("the Zigbee network is not kept: {error:#}");
        }
    }
}
