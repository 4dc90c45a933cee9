//! One line, several meters: who may speak, and when.
//!
//! On an RS-485 line one exchange must be over before the next begins, whichever meter and
//! whichever protocol it belongs to. A [`Bus`] owns the line and gives out [`Turn`]s, one after
//! the other in the order in which they were asked for. A turn is the open line for as long as it
//! lives, be it for one request and its answer (Modbus) or for a whole association (HDLC with
//! several meters). Between two turns the bus keeps a silence; after an exchange whose answer did
//! not come it waits until the line is quiet, so that a late answer meets nobody else's request.
//!
//! The line is opened when it is first needed and again after it was lost.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_serial::SerialStream;

use super::place::Place;
use super::serial::{self, Device, HeadPower, SerialPort};
use crate::session::Line;

/// After an answer that did not come: the line is quiet after so long a silence.
const QUIET: Duration = Duration::from_millis(300);
/// Longest wait for that silence.
const LONGEST_UNREST: Duration = Duration::from_secs(2);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// After a line could not be opened, attempts within this time fail at once.
const RETRY: Duration = Duration::from_secs(1);

/// A line that several meters share.
#[derive(Debug)]
pub struct Bus {
    place: Place,
    line: Line,
    power: HeadPower,
    gap: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    stream: Option<(Stream, Option<Device>)>,
    /// When the next turn may begin.
    free_at: Instant,
    /// An answer did not come: it may still be on its way.
    unrest: bool,
    failed: Option<(Instant, io::ErrorKind, String)>,
}

/// An open line.
#[derive(Debug)]
pub enum Stream {
    /// A serial port.
    Serial(Box<SerialStream>),
    /// A connection.
    Tcp(TcpStream),
}

impl Bus {
    /// A line with the silence between two turns: at least 100 ms for Modbus meters of Eastron.
    /// `line` and `power` are for serial ports.
    #[must_use]
    pub fn new(place: Place, line: Line, power: HeadPower, gap: Duration) -> Self {
        let state = State {
            stream: None,
            free_at: Instant::now(),
            unrest: false,
            failed: None,
        };
        Self {
            place,
            line,
            power,
            gap,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Where the line is.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Waits for its turn, for the silence between two turns, and for the line to be open.
    ///
    /// # Errors
    /// The line cannot be opened.
    pub async fn turn(&self) -> io::Result<Turn> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        self.open(&mut state).await?;
        sleep_until(state.free_at).await;
        let mut turn = Turn {
            complete: Arc::new(AtomicBool::new(false)),
            spoke: false,
            gap: self.gap,
            line: self.line,
            now: self.line,
            changed: false,
            state,
        };
        turn.settle().await?;
        Ok(turn)
    }

    /// Waits for the turn that is under way and closes the line; the next turn opens it again.
    pub async fn close(&self) {
        self.state.lock().await.stream = None;
    }

    async fn open(&self, state: &mut State) -> io::Result<()> {
        if let (Some((_, device)), Place::Serial(path)) = (&state.stream, &self.place)
            && Device::at(path) != *device
        {
            state.stream = None;
        }
        if state.stream.is_some() {
            return Ok(());
        }
        if let Some((at, kind, reason)) = &state.failed
            && at.elapsed() < RETRY
        {
            return Err(io::Error::new(*kind, reason.clone()));
        }
        let opened = self.connect().await;
        state.failed = opened
            .as_ref()
            .err()
            .map(|error| (Instant::now(), error.kind(), error.to_string()));
        state.stream = Some(opened?);
        state.unrest = false;
        Ok(())
    }

    async fn connect(&self) -> io::Result<(Stream, Option<Device>)> {
        match &self.place {
            Place::Serial(path) => {
                let device = Device::at(path);
                let port = SerialPort {
                    path: path.clone(),
                    power: self.power,
                };
                let stream = serial::open(&port, self.line).map_err(io::Error::from)?;
                Ok((Stream::Serial(Box::new(stream)), device))
            }
            Place::Udp(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "meters do not share a line by datagrams",
            )),
            Place::Tcp(address) => {
                let connected = timeout(CONNECT, TcpStream::connect(address)).await;
                let stream = connected.map_err(|_| {
                    io::Error::new(io::ErrorKind::TimedOut, "nobody answers there")
                })??;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), None))
            }
        }
    }
}

/// The line, for as long as this lives.
#[derive(Debug)]
pub struct Turn {
    state: OwnedMutexGuard<State>,
    complete: Arc<AtomicBool>,
    spoke: bool,
    gap: Duration,
    /// The bus's own line, and the one that holds now.
    line: Line,
    now: Line,
    changed: bool,
}

/// Says of a turn that has been given away that everything asked in it was answered.
#[derive(Clone, Debug)]
pub struct Receipt(Arc<AtomicBool>);

impl Receipt {
    /// The last answer has come, whole. A turn in which something was sent and that ends without
    /// this leaves a line on which an answer may still be on its way.
    pub fn complete(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Turn {
    /// A handle to say later that the exchange is complete.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        Receipt(Arc::clone(&self.complete))
    }

    /// Changes speed and framing of a serial line for this turn; a connection has none. The next
    /// turn finds the bus's own line again.
    ///
    /// # Errors
    /// The port does not take the setting.
    pub fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.changed = true;
        self.now = line;
        self.apply(line)
    }

    /// Sends, and waits until the last bit is on a serial line.
    ///
    /// # Errors
    /// The line was lost.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.spoke = true;
        let line = self.now;
        let sent = match self.stream()? {
            Stream::Serial(port) => serial::send(port, bytes, line).await,
            Stream::Tcp(stream) => stream.write_all(bytes).await,
        };
        if sent.is_err() {
            self.state.stream = None;
        }
        sent
    }

    fn apply(&mut self, line: Line) -> io::Result<()> {
        if let Some((Stream::Serial(port), _)) = &mut self.state.stream {
            serial::set_line(port, line)?;
        }
        Ok(())
    }

    /// Gives up what came unasked. After an answer that did not come, waits until it is quiet; a
    /// connection was closed then, since an answer to another request cannot be told apart.
    async fn settle(&mut self) -> io::Result<()> {
        let patience = if self.state.unrest {
            QUIET
        } else {
            Duration::ZERO
        };
        let end = Instant::now() + LONGEST_UNREST;
        let mut heard = [0; 256];
        loop {
            match timeout(patience, self.read(&mut heard)).await {
                Err(_) => break,
                Ok(Ok(0)) => return Err(io::ErrorKind::ConnectionReset.into()),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(_)) if Instant::now() >= end => break,
                Ok(Ok(_)) => {}
            }
        }
        self.state.unrest = false;
        Ok(())
    }

    fn stream(&mut self) -> io::Result<&mut Stream> {
        let stream = self.state.stream.as_mut();
        stream
            .map(|(stream, _)| stream)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Lets go of a line that has failed, so that the next turn opens it anew.
    fn watch<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.state.stream = None;
        }
        polled
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.state.free_at = Instant::now() + self.gap;
        if self.changed && self.apply(self.line).is_err() {
            self.state.stream = None;
        }
        if self.spoke && !self.complete.load(Ordering::Relaxed) {
            self.state.unrest = true;
            if matches!(self.state.stream, Some((Stream::Tcp(_), _))) {
                self.state.stream = None;
            }
        }
    }
}

impl AsyncRead for Turn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = match self.stream()? {
            Stream::Serial(port) => Pin::new(port).poll_read(context, buffer),
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        // The end of a line is a line that was lost.
        if matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().len() == before {
            self.state.stream = None;
        }
        self.watch(polled)
    }
}

impl AsyncWrite for Turn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.spoke = true;
        let polled = match self.stream()? {
            Stream::Serial(port) => Pin::new(port).poll_write(context, bytes),
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.watch(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match self.stream()? {
            Stream::Serial(port) => Pin::new(port).poll_flush(context),
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
        };
        self.watch(polled)
    }

    /// A turn ends when it is dropped; the line stays open.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
