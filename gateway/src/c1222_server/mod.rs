//! The gateway as C12.22 devices: a reader of the American standards reads registers and
//! quarter-hours as tables, over TCP and UDP. Reading only, encrypted by EAX', for peers of private
//! networks; off unless the configuration has `[c1222_server]`.

mod tables;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use meter_link::c12::net::host::Host;
use meter_link::c12::net::{Apdu, Element, MAX_APDU, Reassembler, Splitter};
use meter_link::driver::FileCounters;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::C1222ServerConfig;
use crate::door::Door;
use crate::store::{Ledger, Readers};
use crate::supervisor::Pulse;
use tables::Shelf;

/// Connections at a time.
const CONNECTIONS: usize = 2;
/// A client that says nothing for so long is hung up on.
const IDLE: Duration = Duration::from_secs(120);
/// How long an answer may take to be taken.
const PATIENCE: Duration = Duration::from_secs(20);
/// Refusals are logged this often.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Octets of an answer and of one unit over TCP.
const STREAM: (usize, usize) = (MAX_APDU, MAX_APDU);
/// The same over UDP: a longer table is read in parts, and no datagram is cut on its way.
const DATAGRAMS: (usize, usize) = (8 * 1024, 1_000);

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// The configuration.
    pub config: C1222ServerConfig,
    /// State folder, for the number of messages.
    pub state_dir: PathBuf,
    /// What is served.
    pub readers: Readers,
    /// Who was told what.
    pub ledger: Ledger,
    /// The wall clock.
    pub clock: SharedClock,
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    settings: Settings,
    host: Arc<Mutex<Host>>,
    logged: Arc<Mutex<Option<Instant>>>,
}

/// Serves until told to stop.
///
/// # Errors
/// Keys, titles, the counter or the address cannot be used.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let config = settings.config.host().context("c1222_server")?;
    let path = settings.state_dir.join("counters").join("c1222-server");
    let counters = FileCounters::open(path).context("the number of messages")?;
    let address = settings.config.listen;
    let place = || format!("c1222_server.listen {address}");
    let listener = TcpListener::bind(address).await.with_context(place)?;
    let socket = UdpSocket::bind(address).await.with_context(place)?;
    tracing::info!(%address, "a C12.22 client may read here");
    let now_s = settings.clock.now().as_second();
    let shared = Shared {
        host: Arc::new(Mutex::new(Host::new(config, Box::new(counters), now_s))),
        settings,
        logged: Arc::default(),
    };
    let datagrams = serve_datagrams(shared.clone(), socket, stop.clone());
    let serve = move |stream, peer| serve_stream(shared.clone(), stream, peer);
    let door = Door::new(listener, CONNECTIONS, false);
    let streams = door.serve("C12.22 client", pulse, stop, serve);
    tokio::join!(datagrams, streams);
    Ok(())
}

async fn serve_stream(shared: Shared, mut stream: TcpStream, peer: IpAddr) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut splitter = Splitter::new();
    let mut reassembler = Reassembler::new();
    let mut shelf = Shelf::new(&shared.settings);
    let mut buffer = [0; 2_048];
    loop {
        let length = timeout(IDLE, stream.read(&mut buffer))
            .await
            .context("it is silent")??;
        if length == 0 {
            return Ok(());
        }
        let mut input = buffer.get(..length).unwrap_or_default();
        while let Some(event) = splitter.pull(&mut input) {
            let Element::Apdu(apdu, _) = event.element else {
                continue;
            };
            let Ok(Some(apdu)) = reassembler.push(*apdu) else {
                continue;
            };
            let (back, units) = shared.answer(shelf, apdu, STREAM, peer).await?;
            shelf = back;
            for unit in units {
                timeout(PATIENCE, stream.write_all(&unit))
                    .await
                    .context("it does not listen")??;
            }
        }
    }
}

/// Messages of one datagram each. What fails is asked again by whoever wants to know.
async fn serve_datagrams(shared: Shared, socket: UdpSocket, stop: CancellationToken) {
    let mut buffer = vec![0; MAX_APDU];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        let Ok((length, peer)) = received else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let datagram = buffer.get(..length).unwrap_or_default();
        if !crate::near::is_private(peer.ip()) {
            continue;
        }
        let Ok(apdu) = Apdu::parse(datagram) else {
            continue;
        };
        let shelf = Shelf::new(&shared.settings);
        let Ok((_, units)) = shared.answer(shelf, apdu, DATAGRAMS, peer.ip()).await else {
            continue;
        };
        for unit in units {
            if let Err(error) = socket.send_to(&unit, peer).await {
                tracing::debug!(%peer, %error, "an answer over UDP was not sent");
            }
        }
    }
}

impl Shared {
    /// The octets that answer a message.
    async fn answer(
        &self,
        mut shelf: Shelf,
        apdu: Apdu,
        sizes: (usize, usize),
        peer: IpAddr,
    ) -> anyhow::Result<(Shelf, Vec<Vec<u8>>)> {
        let host = Arc::clone(&self.host);
        let now_s = self.settings.clock.now().as_second();
        // Tables come from the disk.
        let (mut shelf, answer) = tokio::task::spawn_blocking(move || {
            let mut host = host.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = host.answer(&apdu, now_s, sizes, &mut shelf);
            (shelf, answer)
        })
        .await?;
        let reader = format!("C12.22 client at {peer}");
        let read = std::mem::take(&mut shelf.read);
        self.settings
            .ledger
            .note_reads(&reader, read, self.settings.clock.now());
        let units = answer.unwrap_or_else(|refusal| {
            let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
            if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
                *logged = Some(Instant::now());
                tracing::warn!(%peer, %refusal, "a C12.22 message was not answered");
            }
            Vec::new()
        });
        Ok((shelf, units))
    }
}
