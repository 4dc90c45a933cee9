//! Links: whatever carries sealed messages to the head-end and back.
//!
//! A link is not trusted and promises nothing: what it loses is sent again until the head-end's own
//! acknowledgement has come.

mod mqtt;

pub use mqtt::Mqtt;

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

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

    /// Carries what comes out of `up` and says what happens, for ever, until told to stop.
    fn run(
        self: Box<Self>,
        up: mpsc::Receiver<Vec<u8>>,
        events: mpsc::Sender<LinkEvent>,
        stop: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}
