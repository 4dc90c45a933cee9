//! The link of the moment, over the bearer of the moment: when another bearer is chosen, the link is
//! ended and begun anew through the other interface.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::identity::Identity;
use super::link::{Ends, LinkEvent};
use super::relay::{Settings, TAKEN};
use crate::bearer::{Board, Way};

/// Messages between the engine and the link.
const ROOM: usize = 16;
/// How long a link may take to end.
const ENDING: Duration = Duration::from_secs(3);

/// What happens.
pub(super) enum Said {
    /// On the link.
    Link(LinkEvent),
    /// Another bearer was chosen, or none.
    Moved,
}

/// A link and its bearer.
pub(super) struct Carrier {
    ways: Option<watch::Receiver<Option<Way>>>,
    way: Option<Way>,
    identity: Option<Identity>,
    /// None while there is no bearer, or no certificate yet.
    link: Option<Running>,
}

struct Running {
    name: &'static str,
    up: mpsc::Sender<Vec<u8>>,
    events: mpsc::Receiver<LinkEvent>,
    /// Ends it, at the latest when it is dropped.
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Carrier {
    /// Starts the link, if there is a bearer for it and a certificate.
    ///
    /// # Errors
    /// Its certificates cannot be used.
    pub(super) fn start(
        settings: &Settings,
        identity: Option<Identity>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut carrier = Self {
            ways: settings.bearers.way(),
            way: None,
            identity,
            link: None,
        };
        carrier.begin(settings, stop)?;
        Ok(carrier)
    }

    fn begin(&mut self, settings: &Settings, stop: &CancellationToken) -> anyhow::Result<()> {
        if let Some(ways) = &mut self.ways {
            self.way = ways.borrow_and_update().clone();
            if self.way.is_none() {
                return Ok(());
            }
        }
        if settings.config.est.is_some() && self.identity.is_none() {
            return Ok(());
        }
        let device = super::device(&settings.config, &settings.gateway);
        let link = super::link(
            &settings.config,
            &device,
            self.way.as_ref(),
            self.identity.as_ref(),
        )?;
        let (up, from_us) = mpsc::channel(ROOM);
        let (to_us, events) = mpsc::channel(TAKEN);
        let stop = stop.child_token();
        self.link = Some(Running {
            name: link.name(),
            up,
            events,
            stop: stop.clone().drop_guard(),
            task: tokio::spawn(link.run(Ends {
                up: from_us,
                events: to_us,
                stop,
            })),
        });
        Ok(())
    }

    /// What happens next.
    ///
    /// # Errors
    /// The link ended by itself.
    pub(super) async fn next(&mut self) -> anyhow::Result<Said> {
        let ways = &mut self.ways;
        let moved = async {
            if let Some(ways) = ways
                && ways.changed().await.is_ok()
            {
                return;
            }
            std::future::pending::<()>().await;
        };
        let link = &mut self.link;
        let said = async {
            match link {
                Some(link) => link.events.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = moved => Ok(Said::Moved),
            said = said => match said {
                Some(said) => Ok(Said::Link(said)),
                None => anyhow::bail!("the link ended"),
            },
        }
    }

    /// What has happened already.
    pub(super) fn at_hand(&mut self) -> Option<LinkEvent> {
        self.link.as_mut()?.events.try_recv().ok()
    }

    /// Goes over to the bearer that was chosen.
    ///
    /// # Errors
    /// The link's certificates cannot be used.
    pub(super) async fn move_over(
        &mut self,
        settings: &Settings,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        self.end().await;
        self.begin(settings, stop)
    }

    /// Begins anew with what the authority has issued.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) async fn certified(
        &mut self,
        identity: Identity,
        settings: &Settings,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        self.identity = Some(identity);
        self.move_over(settings, stop).await
    }

    /// Messages that can be handed over.
    pub(super) fn room(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.up.capacity())
    }

    /// Hands a message over, for which there is room.
    pub(super) fn send(&self, octets: Vec<u8>) {
        if let Some(link) = &self.link {
            // Nobody else sends; what a link that ends loses is sent again.
            let _ = link.up.try_send(octets);
        }
    }

    /// The link's name.
    pub(super) fn link(&self) -> &'static str {
        self.link.as_ref().map_or("none", |link| link.name)
    }

    /// The bearer's name, where there are several.
    pub(super) fn bearer(&self) -> Option<&str> {
        self.way.as_ref().map(|way| way.name.as_str())
    }

    /// The link carries over this bearer, or does not.
    pub(super) fn works(&self, board: &Board, is_up: bool) {
        if let Some(way) = &self.way {
            board.linked(way, is_up);
        }
    }

    /// Ends the link.
    pub(super) async fn end(&mut self) {
        if let Some(link) = self.link.take() {
            drop(link.stop);
            // Nobody hears any more what it says.
            drop(link.events);
            let _ = tokio::time::timeout(ENDING, link.task).await;
        }
    }
}
