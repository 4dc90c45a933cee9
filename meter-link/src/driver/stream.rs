//! What is no serial port: a TCP connection, UDP sockets, or the output of a program. Lost ones
//! are opened again for ever, as a serial port is.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::PortEvent;
use crate::session::{Action, Session};

/// First pause after a loss; doubled after each attempt.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Longest pause between attempts.
const LAST_RETRY: Duration = Duration::from_secs(30);
/// What stayed open for so long is no longer in the same outage.
const STEADY: Duration = Duration::from_secs(60);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long bytes may take to leave.
const SEND: Duration = Duration::from_secs(5);

/// Where bytes come from and go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `host:port` to connect to.
    Tcp(String),
    /// `host:port` to exchange datagrams with; those of others are not heard.
    Datagrams(String),
    /// `address:port` to listen on; every datagram is input.
    Udp(String),
    /// A command line for `sh -c` whose standard output is input.
    Command(String),
}

enum Stream {
    Tcp(TcpStream),
    Datagrams(UdpSocket),
    Udp(UdpSocket),
    /// The child is killed when this is dropped.
    Command(Child),
}

impl Stream {
    async fn open(endpoint: &Endpoint) -> io::Result<Self> {
        Ok(match endpoint {
            Endpoint::Tcp(address) => {
                let stream = timeout(CONNECT, TcpStream::connect(address)).await??;
                Self::Tcp(stream)
            }
            Endpoint::Datagrams(address) => Self::Datagrams(connected(address).await?),
            Endpoint::Udp(address) => Self::Udp(UdpSocket::bind(address).await?),
            Endpoint::Command(line) => Self::Command(
                Command::new("sh")
                    .arg("-c")
                    .arg(line)
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .kill_on_drop(true)
                    .spawn()?,
            ),
        })
    }

    /// Bytes that come at once: of a datagram, all or none.
    const fn longest(&self) -> usize {
        match self {
            Self::Datagrams(_) => 64 * 1_024,
            _ => 4_096,
        }
    }

    /// Reads what is there; 0 at the end.
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer).await,
            Self::Datagrams(socket) => loop {
                // An empty datagram is nothing, and not an end.
                match socket.recv(buffer).await? {
                    0 => {}
                    length => return Ok(length),
                }
            },
            Self::Udp(socket) => {
                // A datagram without a line end is a whole message all the same.
                let (room, end) = buffer.split_at_mut(buffer.len().saturating_sub(1));
                let length = socket.recv(room).await?;
                if let Some(place) = room.get_mut(length).or_else(|| end.first_mut()) {
                    *place = b'\n';
                }
                Ok(length + 1)
            }
            Self::Command(child) => match &mut child.stdout {
                Some(output) => output.read(buffer).await,
                None => Ok(0),
            },
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => timeout(SEND, stream.write_all(bytes)).await?,
            Self::Datagrams(socket) => socket.send(bytes).await.map(drop),
            Self::Udp(_) | Self::Command(_) => Ok(()),
        }
    }
}

/// A socket that hears `address` alone, over whichever version of IP leads there.
async fn connected(address: &str) -> io::Result<UdpSocket> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host(address).await? {
        let any = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = UdpSocket::bind(any).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Keeps an endpoint open and pumps `session` until `stop` is cancelled or the receiver of
/// `events` is gone.
pub async fn run_stream(
    endpoint: &Endpoint,
    session: &mut dyn Session,
    events: mpsc::Sender<PortEvent>,
    stop: CancellationToken,
) {
    let mut pause = FIRST_RETRY;
    let mut told = false;
    let work = async {
        loop {
            let reason = match Stream::open(endpoint).await {
                Ok(mut stream) => {
                    if events.send(PortEvent::Opened).await.is_err() {
                        return;
                    }
                    told = false;
                    let opened = Instant::now();
                    let Some(reason) = pump(&mut stream, session, &events).await else {
                        return;
                    };
                    if opened.elapsed() >= STEADY {
                        pause = FIRST_RETRY;
                    }
                    reason
                }
                Err(error) => error.to_string(),
            };
            if !std::mem::replace(&mut told, true) {
                let lost = PortEvent::Lost {
                    reason,
                    retry_in: pause,
                };
                if events.send(lost).await.is_err() {
                    return;
                }
            }
            sleep(pause).await;
            pause = (2 * pause).min(LAST_RETRY);
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = events.closed() => {}
        () = work => {}
    }
}

/// Why the stream is over; `None` when nobody listens to the events any more.
async fn pump(
    stream: &mut Stream,
    session: &mut dyn Session,
    events: &mpsc::Sender<PortEvent>,
) -> Option<String> {
    session.restart(Instant::now().into_std());
    let mut buffer = vec![0; stream.longest()];
    loop {
        while let Some(action) = session.poll_action() {
            let event = match action {
                Action::Telegram(telegram) => PortEvent::Telegram(telegram),
                Action::Rejected(rejected) => PortEvent::Rejected(rejected),
                Action::Found(outcome) => PortEvent::Found(outcome),
                Action::Frame(frame) => PortEvent::Frame(frame),
                Action::Condition(condition) => PortEvent::Condition(condition),
                Action::SetLine(_) => continue,
                Action::Reopen(reason) => return Some(reason),
                Action::Send(bytes) => {
                    if let Err(error) = stream.write(&bytes).await {
                        return Some(error.to_string());
                    }
                    continue;
                }
            };
            events.send(event).await.ok()?;
        }
        let due = session.poll_timeout().map(Instant::from_std);
        let wake = due.unwrap_or_else(|| Instant::now() + LAST_RETRY);
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) => return Some("the other end closed".to_owned()),
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    session.handle_input(bytes, Instant::now().into_std());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(error.to_string()),
            },
            () = sleep_until(wake) => {
                let now = Instant::now();
                if due.is_some_and(|due| due <= now) {
                    session.handle_timeout(now.into_std());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::wmbus::receiver::{Config, Kind, Listener};

    const LINE: &[u8] = b"0A44931578563412330378\n";

    fn start(endpoint: Endpoint) -> (mpsc::Receiver<PortEvent>, CancellationToken) {
        let (sender, receiver) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let token = stop.clone();
        tokio::spawn(async move {
            let config = Config {
                kind: Some(Kind::Hex),
                ..Config::default()
            };
            let mut session = Listener::new(config);
            run_stream(&endpoint, &mut session, sender, token).await;
        });
        (receiver, stop)
    }

    async fn frame(events: &mut mpsc::Receiver<PortEvent>) -> usize {
        loop {
            let event = timeout(Duration::from_secs(20), events.recv()).await;
            match event.expect("an event within 20 s").expect("a driver") {
                PortEvent::Frame(frame) => return frame.bytes.len(),
                _ => continue,
            }
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_closed_is_made_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (mut events, stop) = start(Endpoint::Tcp(address));
        for _ in 0..2 {
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.write_all(LINE).await.unwrap();
            assert_eq!(frame(&mut events).await, 11);
        }
        stop.cancel();
    }

    #[tokio::test]
    async fn datagrams_and_programs() {
        let free = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let (mut events, _stop) = start(Endpoint::Udp(address.clone()));
        assert!(matches!(events.recv().await, Some(PortEvent::Opened)));
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        peer.send_to(LINE.trim_ascii_end(), &address).await.unwrap();
        assert_eq!(frame(&mut events).await, 11);

        let line = "echo T1;1;1;2026-11-22 18:19:19.0;102;90;1;0x0a44931578563412330378";
        let line = line.replace("echo ", "echo '") + "'; sleep 60";
        let (mut events, _stop) = start(Endpoint::Command(line));
        assert_eq!(frame(&mut events).await, 11);
    }
}
