//! Where others connect: who is let in, and how many at a time.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::near::is_private;
use crate::supervisor::Pulse;

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

    /// The next connection, whose it is, and the place that it keeps until that is dropped. Others
    /// are turned away without a word. Waiting for it may be given up at any time.
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

    /// Serves each connection in a task of its own, until told to stop. `who` names them in the
    /// log.
    pub(crate) async fn serve<S, F>(
        self,
        who: &'static str,
        pulse: Pulse,
        stop: CancellationToken,
        serve: S,
    ) where
        S: Fn(TcpStream, IpAddr) -> F,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let tasks = TaskTracker::new();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => pulse.beat(),
                (stream, peer, place) = self.next() => {
                    let served = serve(stream, peer.ip());
                    let stop = stop.clone();
                    tasks.spawn(async move {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            ended = served => if let Err(error) = ended {
                                tracing::debug!(%peer, who, error = format!("{error:#}"), "a connection ended");
                            },
                        }
                        drop(place);
                    });
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }
}
