//! A way through a bearer for a client that knows addresses alone: a door on this machine's loopback,
//! and behind it a connection that leaves through the bearer's interface.
//!
//! The door opens once, and only to the address and port that were chosen for the client; whoever
//! else knocks is left outside. What goes through is TLS from the client to the server and is not
//! looked at. Left out: the server's name in the greeting of TLS (SNI), which a client that calls an
//! address does not send.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use rustls::pki_types::ServerName;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::bearer::bound;

/// How long one server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the door stays open for the client.
const KNOCK: Duration = Duration::from_secs(20);

/// A connection through a bearer. It ends when dropped.
#[derive(Debug)]
pub(super) struct Passage {
    host: ServerName<'static>,
    door: SocketAddr,
    client: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Passage {
    /// To the first server, each host:port, that is reached through an interface; the `turn`th is
    /// tried first.
    ///
    /// # Errors
    /// None is.
    pub(super) async fn open(
        interface: &str,
        servers: &[String],
        turn: usize,
    ) -> anyhow::Result<Self> {
        let first = turn % servers.len().max(1);
        let order = servers.iter().cycle().skip(first).take(servers.len());
        let mut last = anyhow::anyhow!("no server is named");
        for server in order {
            let (host, port) = place(server).context("a server is host:port")?;
            let reached = timeout(PATIENCE, bound::connect(Some(interface), host, port)).await;
            match reached.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(outside) => return Self::to(outside, host).await,
                Err(error) => last = anyhow::Error::from(error).context(server.clone()),
            }
        }
        Err(last)
    }

    async fn to(mut outside: TcpStream, host: &str) -> anyhow::Result<Self> {
        outside.set_nodelay(true)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let door = listener.local_addr()?;
        let client = free_address()?;
        let task = tokio::spawn(async move {
            let Ok(Ok(mut inside)) = timeout(KNOCK, admit(&listener, client)).await else {
                return;
            };
            drop(listener);
            // Whichever end closes or fails, the other learns it when this is dropped.
            let _ = copy_bidirectional(&mut inside, &mut outside).await;
        });
        Ok(Self {
            host: ServerName::try_from(host.to_owned())?,
            door,
            client,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// The server's name, for which its certificate must be.
    pub(super) const fn host(&self) -> &ServerName<'static> {
        &self.host
    }

    /// Where the client is to go.
    pub(super) const fn door(&self) -> SocketAddr {
        self.door
    }

    /// From where the client is to come.
    pub(super) const fn client(&self) -> SocketAddr {
        self.client
    }
}

/// The one connection that comes from where it is to come.
async fn admit(listener: &TcpListener, client: SocketAddr) -> io::Result<TcpStream> {
    loop {
        let (inside, from) = listener.accept().await?;
        if from == client {
            inside.set_nodelay(true)?;
            return Ok(inside);
        }
        tracing::warn!(%from, "somebody else on this machine knocked at the relay's door");
    }
}

/// A port of the loopback that nobody has at the moment.
fn free_address() -> io::Result<SocketAddr> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.local_addr()
}

/// Host and port; an address of IPv6 stands in brackets.
fn place(server: &str) -> Option<(&str, u16)> {
    let (host, port) = server.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn addresses_of_both_kinds() {
        assert_eq!(place("a.example:4222"), Some(("a.example", 4222)));
        assert_eq!(place("[2001:db8::1]:4222"), Some(("2001:db8::1", 4222)));
        assert_eq!(place("a.example"), None);
    }

    #[tokio::test]
    async fn only_the_client_goes_through() {
        let far = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let outside = TcpStream::connect(far.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = far.accept().await.unwrap();
        let passage = Passage::to(outside, "nats.example").await.unwrap();
        // A stranger is turned away: the end of the stream, or a reset.
        let mut stranger = TcpStream::connect(passage.door()).await.unwrap();
        let turned_away = timeout(Duration::from_secs(5), stranger.read_u8()).await;
        assert!(turned_away.expect("it is told at once").is_err());
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(passage.client()).unwrap();
        let mut client = socket.connect(passage.door()).await.unwrap();
        client.write_all(b"up").await.unwrap();
        let mut heard = [0; 2];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"up");
        server.write_all(b"down").await.unwrap();
        let mut heard = [0; 4];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"down");
        // The door is shut behind the client.
        assert!(TcpStream::connect(passage.door()).await.is_err());
        drop(passage);
        assert_eq!(server.read(&mut heard).await.unwrap_or(0), 0);
    }
}
