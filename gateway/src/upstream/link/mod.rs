//! Links: whatever carries sealed messages to the head-end and back.
//!
//! A link is not trusted and promises nothing: what it loses is sent again until the head-end's own
//! acknowledgement has come.

mod https;
mod mqtt;
mod nats;
mod passage;
#[cfg(test)]
mod tests;

pub(super) use https::Https;
pub(super) use mqtt::Mqtt;
pub(super) use nats::Nats;

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::bearer::Way;
use crate::tls::reason::{Asked, reason};

/// Octets of a message at most, either way.
const LARGEST: usize = 256 * 1024;
/// How often a server hears of us where that costs money.
const SELDOM: Duration = Duration::from_secs(240);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What happens on a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// It carries.
    Up,
    /// It does not, and why.
    Down(String),
    /// Something came down.
    Message(Vec<u8>),
}

/// A way to the head-end.
pub trait Link: Send {
    /// Its name, in the ledger.
    fn name(&self) -> &'static str;

    /// Carries what comes out of [`Ends::up`] and says what happens, for ever, until told to stop.
    fn run(self: Box<Self>, ends: Ends) -> Carrying;
}

/// What a link does all the time.
pub type Carrying = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The relay's ends of a link.
pub struct Ends {
    /// What is to be carried to the head-end.
    pub up: mpsc::Receiver<Vec<u8>>,
    /// Who is told what happens.
    pub events: mpsc::Sender<LinkEvent>,
    /// Ends it.
    pub stop: CancellationToken,
}

/// What every link has.
pub(super) struct Route {
    /// The device, which is also the client's name.
    pub(super) device: String,
    /// First part of topics or subjects.
    pub(super) prefix: String,
    /// The bearer to go over, where one was chosen.
    pub(super) way: Option<Way>,
    /// TLS, if the link has it.
    pub(super) tls: Option<rustls::ClientConfig>,
    /// Whether a certificate was asked for that is not there.
    pub(super) asked: Asked,
}

impl Route {
    /// The interface to go through.
    fn interface(&self) -> Option<&str> {
        self.way.as_ref().map(|way| way.interface.as_str())
    }

    /// How often the server is to hear of us: seldom where each word costs money, and still often
    /// enough for what translates addresses between.
    fn pace(&self, usual: Duration) -> Duration {
        match &self.way {
            Some(way) if way.is_metered => usual.max(SELDOM),
            _ => usual,
        }
    }

    /// Why it is down, in words.
    fn reason(&self, error: &(dyn Error + 'static)) -> String {
        reason(error, &self.asked).unwrap_or_else(|| {
            let causes = std::iter::successors(Some(error), |error| (*error).source());
            let mut words = Vec::new();
            for said in causes.map(ToString::to_string) {
                // Many errors repeat what is behind them.
                if !words.iter().any(|before: &String| before.contains(&said)) {
                    words.push(said);
                }
            }
            words.join(": ")
        })
    }
}

/// Pauses between attempts, which grow.
struct Pauses(Duration);

impl Pauses {
    const fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    const fn reset(&mut self) {
        self.0 = FIRST_PAUSE;
    }

    /// Waits; false when told to stop meanwhile.
    async fn wait(&mut self, stop: &CancellationToken) -> bool {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}
