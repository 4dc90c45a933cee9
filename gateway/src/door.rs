//! Where others connect: who is let in, and how many at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::near::is_private;

/// A pause when nobody can be let in at all.
const PAUSE: Duration = Duration::from_millis(100);

/// A listening socket with so many places.
pub(crate) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    /// Lets in peers of public addresses too.
    anywhere: bool,
}

impl Door {
    /// A door with this many places, for private networks alone unless `anywhere`.
    pub(crate) fn new(listener: TcpListener, places: usize, anywhere: bool) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(places)),
            anywhere,
        }
    }

    /// The next connection, whose it is, and the place that it keeps until that is dropped. Others are turned away without a word. Waiting for it may be given
    /// up at any time.
    pub(crate) async fn next(&self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        loop {
            let Ok((stream, peer)) = self.listener.accept().await else {
                // Out of descriptors, most likely: those that are open must end first.
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if !self.anywhere && !is_private(peer.ip()) {
                tracing::debug!(%peer, "a peer from outside was turned away");
                continue;
            }
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return (stream, peer, place);
            }
        }
    }
}
