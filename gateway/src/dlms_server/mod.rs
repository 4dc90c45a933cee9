//! The gateway as a DLMS meter: a head-end that speaks DLMS reads registers and quarter-hours over
//! the wrapper on TCP. Reading only, in an association by GMAC, for peers of private networks; off
//! unless the configuration has `[dlms_server]`.

mod objects;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use meter_link::dlms::client::{CounterError, CounterStore};
use meter_link::dlms::server::Server;
use meter_link::dlms::wrapper::{Datagram, Splitter};
use meter_link::driver::FileCounters;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::DlmsServerConfig;
use crate::door::Door;
use crate::store::{Ledger, Readers};
use crate::supervisor::Pulse;
use objects::Face;

/// Connections at a time.
const CONNECTIONS: usize = 2;
/// A client that says nothing for so long is hung up on.
const IDLE: Duration = Duration::from_secs(120);
/// How long an answer may take to be taken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// The configuration.
    pub config: DlmsServerConfig,
    /// The gateway's identity.
    pub gateway: String,
    /// State folder, for the invocation counter.
    pub state_dir: PathBuf,
    /// What is served.
    pub readers: Readers,
    /// Who was told what.
    pub ledger: Ledger,
    /// The wall clock.
    pub clock: SharedClock,
}

/// The invocation counter of all connections.
#[derive(Clone)]
struct Counters(Arc<Mutex<FileCounters>>);

impl CounterStore for Counters {
    fn reserve(&mut self, at_least: u32, count: u32) -> Result<u32, CounterError> {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.reserve(at_least, count)
    }
}

/// Serves until told to stop.
///
/// # Errors
/// Keys, the counter or the address cannot be used.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let config = settings.config.server().context("dlms_server")?;
    let path = settings.state_dir.join("counters");
    let path = path.join(format!("server@{}", crate::hex::encode(&config.title)));
    let counters = FileCounters::open(path).context("the invocation counter")?;
    let counters = Counters(Arc::new(Mutex::new(counters)));
    let address = settings.config.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("dlms_server.listen {address}"))?;
    tracing::info!(%address, "a DLMS client may read here");
    let serve = move |stream, peer| {
        let counters = Box::new(counters.clone());
        let server = Server::new(config.clone(), counters, crate::dlms::random());
        serve(server, settings.clone(), stream, peer)
    };
    let door = Door::new(listener, CONNECTIONS, false);
    door.serve("DLMS client", pulse, stop, serve).await;
    Ok(())
}

async fn serve(
    mut server: Server,
    settings: Settings,
    mut stream: TcpStream,
    peer: IpAddr,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut splitter = Splitter::new();
    let mut face = Face::new(&settings);
    let reader = format!("DLMS client at {peer}");
    let mut buffer = [0; 2_048];
    loop {
        let length = timeout(IDLE, stream.read(&mut buffer))
            .await
            .context("it is silent")??;
        if length == 0 {
            break;
        }
        let mut input = buffer.get(..length).unwrap_or_default();
        while let Some(asked) = splitter.pull(&mut input) {
            // Reading takes from the disk.
            let (back, apdu) = tokio::task::spawn_blocking(move || {
                let apdu = server.hear(asked.source, asked.destination, &asked.apdu, &mut face);
                ((server, face), apdu)
            })
            .await?;
            (server, face) = back;
            let read = std::mem::take(&mut face.read);
            settings
                .ledger
                .note_reads(&reader, read, settings.clock.now());
            if apdu.is_empty() {
                return Ok(());
            }
            let answer = Datagram {
                source: asked.destination,
                destination: asked.source,
                apdu,
            };
            timeout(PATIENCE, stream.write_all(&answer.to_bytes()?))
                .await
                .context("it does not listen")??;
        }
    }
    Ok(())
}
