//! Tunnels of Zigbee devices end at the gateway's own DLMS server, which asks who is there itself:
//! what passes is carried, not read.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Pieces that may wait, each way.
const QUEUE: usize = 16;
/// How long the server may take to let somebody in, or to take what is said.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a tunnel's far end says; nothing once it has hung up.
pub(super) type Said = (u16, Option<Vec<u8>>);

/// The open tunnels.
pub(super) struct Tunnels {
    to: Option<SocketAddr>,
    open: BTreeMap<u16, mpsc::Sender<Vec<u8>>>,
    tell: mpsc::Sender<Said>,
    told: mpsc::Receiver<Said>,
}

impl Tunnels {
    /// Tunnels to a server that listens here; none where there is no server.
    pub(super) fn new(listens: Option<SocketAddr>) -> Self {
        let (tell, told) = mpsc::channel(QUEUE);
        // Who listens everywhere is reached at home.
        let reached = |mut address: SocketAddr| {
            if address.ip().is_unspecified() {
                address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
            }
            address
        };
        Self {
            to: listens.map(reached),
            open: BTreeMap::new(),
            tell,
            told,
        }
    }

    /// Whether there is somebody to speak with.
    pub(super) fn is_offered(&self) -> bool {
        self.to.is_some()
    }

    pub(super) fn open(&mut self, tunnel: u16) {
        let Some(to) = self.to else { return };
        let (say, says) = mpsc::channel(QUEUE);
        self.open.insert(tunnel, say);
        let tell = self.tell.clone();
        tokio::spawn(async move {
            if let Err(error) = carry(tunnel, to, says, &tell).await {
                tracing::debug!(tunnel, %error, "a Zigbee tunnel ends");
            }
            // The part itself may be gone.
            let _ = tell.send((tunnel, None)).await;
        });
    }

    /// What a device says; false when it cannot be carried, and the tunnel must end.
    pub(super) fn say(&self, tunnel: u16, octets: &[u8]) -> bool {
        let said = self
            .open
            .get(&tunnel)
            .map(|say| say.try_send(octets.to_vec()));
        matches!(said, Some(Ok(())))
    }

    /// The far end hears that the device has hung up.
    pub(super) fn close(&mut self, tunnel: u16) {
        self.open.remove(&tunnel);
    }

    /// What is said next; waits for it.
    pub(super) async fn said(&mut self) -> Option<Said> {
        self.told.recv().await
    }
}

async fn carry(
    tunnel: u16,
    to: SocketAddr,
    mut says: mpsc::Receiver<Vec<u8>>,
    tell: &mpsc::Sender<Said>,
) -> std::io::Result<()> {
    let mut stream = timeout(PATIENCE, TcpStream::connect(to)).await??;
    let mut buffer = [0; 512];
    loop {
        tokio::select! {
            octets = says.recv() => match octets {
                Some(octets) => timeout(PATIENCE, stream.write_all(&octets)).await??,
                None => return Ok(()),
            },
            read = stream.read(&mut buffer) => {
                let octets = buffer.get(..read?).unwrap_or_default();
                if octets.is_empty() || tell.send((tunnel, Some(octets.to_vec()))).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}
