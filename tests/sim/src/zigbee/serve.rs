//! Moves the octets of a simulated coprocessor: on a pty behind a link, or on a TCP port.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Ncp;
use super::mesh::Mesh;
use crate::actor::{Handle, Pace};
use crate::uart::Framing;

const BAUD: u32 = 115_200;
const TICK: Duration = Duration::from_millis(10);

/// A simulated coprocessor, whatever it speaks.
pub trait Coprocessor: Send + 'static {
    /// Takes octets of the client.
    fn handle_octets(&mut self, octets: &[u8], now: Instant);

    /// Takes note that `now` has come.
    fn handle_timeout(&mut self, now: Instant);

    /// The next octets to the client.
    fn poll_transmit(&mut self) -> Option<Vec<u8>>;

    /// When `handle_timeout` must be called at the latest.
    fn poll_timeout(&self) -> Option<Instant>;

    /// What its radio reaches.
    fn mesh(&mut self) -> &mut Mesh;
}

/// A coprocessor that is being served; it ends when this is dropped.
#[derive(Debug)]
pub struct Serving<C = Ncp> {
    ncp: Arc<Mutex<C>>,
    pty: Option<Handle>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    address: Option<SocketAddr>,
}

impl<C> Serving<C> {
    /// The coprocessor, to look at it or to let something go wrong.
    pub fn ncp(&self) -> MutexGuard<'_, C> {
        lock(&self.ncp)
    }

    /// The cable of a pty.
    #[must_use]
    pub const fn handle(&self) -> Option<&Handle> {
        self.pty.as_ref()
    }

    /// Where it listens, with TCP.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl<C> Drop for Serving<C> {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.pty = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

fn lock<C>(ncp: &Mutex<C>) -> MutexGuard<'_, C> {
    ncp.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what came and gives what is to be sent.
fn exchange<C: Coprocessor>(ncp: &Mutex<C>, heard: &[u8]) -> Vec<u8> {
    let mut ncp = lock(ncp);
    let now = Instant::now();
    if !heard.is_empty() {
        ncp.handle_octets(heard, now);
    }
    ncp.handle_timeout(now);
    std::iter::from_fn(|| ncp.poll_transmit())
        .flatten()
        .collect()
}

/// Serves on a pty behind `link`.
///
/// # Errors
/// When there is no pty to be had.
pub fn serve<C: Coprocessor>(link: &Path, ncp: C) -> io::Result<Serving<C>> {
    let ncp = Arc::new(Mutex::new(ncp));
    let served = Arc::clone(&ncp);
    let pty = Handle::start("zigbee", link, move |wire| {
        let mut heard = Vec::new();
        while wire.wait(Instant::now() + TICK, &mut heard) {
            let out = exchange(&served, &heard);
            heard.clear();
            if !out.is_empty() && !wire.send(&out, BAUD, Framing::EightNone, Pace::AtOnce) {
                return;
            }
        }
    })?;
    Ok(Serving {
        ncp,
        pty: Some(pty),
        over: Arc::default(),
        thread: None,
        address: None,
    })
}

/// Serves one client at a time on a TCP port; port 0 takes a free one.
///
/// # Errors
/// When the port cannot be had.
pub fn serve_tcp<C: Coprocessor>(address: SocketAddr, ncp: C) -> io::Result<Serving<C>> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let ncp = Arc::new(Mutex::new(ncp));
    let over = Arc::new(AtomicBool::new(false));
    let (served, ends) = (Arc::clone(&ncp), Arc::clone(&over));
    let thread = std::thread::spawn(move || {
        while !ends.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((client, _)) => {
                    // A client that went is the end of its connection and of nothing else.
                    let _ = converse(&client, &served, &ends);
                }
                Err(_) => std::thread::sleep(TICK),
            }
        }
    });
    Ok(Serving {
        ncp,
        pty: None,
        over,
        thread: Some(thread),
        address: Some(address),
    })
}

fn converse<C: Coprocessor>(
    mut client: &TcpStream,
    ncp: &Mutex<C>,
    over: &AtomicBool,
) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(TICK))?;
    client.set_nodelay(true)?;
    let mut buffer = [0; 512];
    while !over.load(Ordering::Relaxed) {
        let length = match client.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                0
            }
            Err(error) => return Err(error),
        };
        let out = exchange(ncp, buffer.get(..length).unwrap_or_default());
        client.write_all(&out)?;
    }
    Ok(())
}
