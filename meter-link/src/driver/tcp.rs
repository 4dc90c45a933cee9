//! A TCP connection: a meter with a network port, or a converter in front of a serial line.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::PortEvent;
use crate::session::{Action, Session};

/// First pause after a loss; doubled after each attempt.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Longest pause between attempts.
const LAST_RETRY: Duration = Duration::from_secs(60);
/// Longest wait for a connection, and for bytes to leave.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection that stayed open for so long is no longer in the same outage.
const STEADY: Duration = Duration::from_secs(30);

/// Why a connection is no longer pumped.
enum End {
    Stopped,
    Lost(String),
}

/// Keeps a connection to `address` (`host:port`) open and pumps `session` until `stop` is
/// cancelled or the receiver of `events` is gone. Changes of the line go nowhere. A connection
/// that cannot be made or is lost is tried again for ever, after half a second at first and every
/// minute later on.
pub async fn run_tcp(
    address: &str,
    session: &mut dyn Session,
    events: mpsc::Sender<PortEvent>,
    stop: CancellationToken,
) {
    let mut pause = FIRST_RETRY;
    let mut told = false;
    loop {
        let connected = tokio::select! {
            () = stop.cancelled() => return,
            connected = timeout(PATIENCE, TcpStream::connect(address)) => connected,
        };
        let reason = match connected {
            Err(_) => "no answer to the connection".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(stream)) => {
                if events.send(PortEvent::Opened).await.is_err() {
                    return;
                }
                told = false;
                let opened = Instant::now();
                let end = pump(stream, session, &events, &stop).await;
                if opened.elapsed() >= STEADY {
                    pause = FIRST_RETRY;
                }
                match end {
                    End::Stopped => return,
                    End::Lost(reason) => reason,
                }
            }
        };
        if !std::mem::replace(&mut told, true) {
            let retry_in = pause;
            let lost = PortEvent::Lost { reason, retry_in };
            if events.send(lost).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = events.closed() => return,
            () = sleep(pause) => {}
        }
        pause = (2 * pause).min(LAST_RETRY);
    }
}

async fn pump(
    mut stream: TcpStream,
    session: &mut dyn Session,
    events: &mpsc::Sender<PortEvent>,
    stop: &CancellationToken,
) -> End {
    // Requests are small and wait for nothing.
    let _ = stream.set_nodelay(true);
    session.restart(Instant::now().into_std());
    let mut buffer = vec![0; 16 * 1024];
    loop {
        while let Some(action) = session.poll_action() {
            let done = tokio::select! {
                () = stop.cancelled() => return End::Stopped,
                done = act(action, &mut stream, events) => done,
            };
            match done {
                Err(error) => return End::Lost(error.to_string()),
                Ok(false) => return End::Stopped,
                Ok(true) => {}
            }
        }
        let due = session.poll_timeout().map(Instant::from_std);
        let wake = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
        tokio::select! {
            () = stop.cancelled() => return End::Stopped,
            () = events.closed() => return End::Stopped,
            read = stream.read(&mut buffer) => match read {
                Ok(0) => return End::Lost("the other side closed the connection".to_owned()),
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    session.handle_input(bytes, Instant::now().into_std());
                }
                Err(error) => return End::Lost(error.to_string()),
            },
            () = sleep_until(wake) => session.handle_timeout(Instant::now().into_std()),
        }
    }
}

/// Does what the session wants; false when nobody listens any more.
async fn act(
    action: Action,
    stream: &mut TcpStream,
    events: &mpsc::Sender<PortEvent>,
) -> io::Result<bool> {
    let event = match action {
        Action::Send(bytes) => {
            timeout(PATIENCE, stream.write_all(&bytes)).await??;
            return Ok(true);
        }
        Action::SetLine(_) => return Ok(true),
        Action::Telegram(telegram) => PortEvent::Telegram(telegram),
        Action::Rejected(rejected) => PortEvent::Rejected(rejected),
        Action::Dlms(outcome) => PortEvent::Dlms(outcome),
    };
    Ok(events.send(event).await.is_ok())
}
