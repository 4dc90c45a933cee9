//! Runs a session in turns of a line that others use as well: one turn for each conversation, from
//! the first byte to the goodbye (IEC 62056-46, multi-drop).

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::{self, error::SendError};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::PortEvent;
use super::bus::{Bus, Turn};
use crate::session::{Action, Session};

/// First pause after a loss; doubled after each attempt.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Longest pause between attempts.
const LAST_RETRY: Duration = Duration::from_secs(5);
/// A session with nothing to wait for is looked at so often.
const LOOK: Duration = Duration::from_secs(1);

/// Why a turn is over before its end.
enum End {
    /// The line cannot be opened or was lost.
    Lost(String),
    /// Nobody listens any more.
    Unheard,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<SendError<PortEvent>> for End {
    fn from(_: SendError<PortEvent>) -> Self {
        Self::Unheard
    }
}

/// Pumps `session` until `stop` is cancelled or the receiver of `events` is gone. While it is at
/// rest ([`Session::is_at_rest`]) the line is others'.
pub async fn run_shared(
    bus: &Bus,
    session: &mut dyn Session,
    events: mpsc::Sender<PortEvent>,
    stop: CancellationToken,
) {
    let mut is_open = None;
    let mut pause = FIRST_RETRY;
    let work = async {
        session.restart(Instant::now().into_std());
        loop {
            match turn(bus, session, &events, &mut is_open).await {
                Ok(()) => pause = FIRST_RETRY,
                Err(End::Unheard) => return,
                Err(End::Lost(reason)) => {
                    if is_open.replace(false) != Some(false) {
                        let retry_in = pause;
                        let lost = PortEvent::Lost { reason, retry_in };
                        if events.send(lost).await.is_err() {
                            return;
                        }
                    }
                    sleep(pause).await;
                    pause = (2 * pause).min(LAST_RETRY);
                    session.restart(Instant::now().into_std());
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = events.closed() => {}
        () = work => {}
    }
}

/// Waits until the session has something to say, and lets it say that in one turn.
async fn turn(
    bus: &Bus,
    session: &mut dyn Session,
    events: &mpsc::Sender<PortEvent>,
    is_open: &mut Option<bool>,
) -> Result<(), End> {
    if session.is_at_rest() {
        let due = session.poll_timeout().map(Instant::from_std);
        sleep_until(due.unwrap_or_else(|| Instant::now() + LOOK)).await;
    }
    let mut turn = bus.turn().await?;
    if is_open.replace(true) != Some(true) {
        events.send(PortEvent::Opened).await?;
    }
    let receipt = turn.receipt();
    turn.set_line(session.line())?;
    session.handle_timeout(Instant::now().into_std());
    let mut heard = vec![0; 4_096];
    let mut is_answered = true;
    loop {
        while let Some(action) = session.poll_action() {
            is_answered &= !matches!(action, Action::Rejected(_));
            act(action, &mut turn, events).await?;
        }
        if session.is_at_rest() {
            break;
        }
        let due = session.poll_timeout().map(Instant::from_std);
        let due = due.unwrap_or_else(|| Instant::now() + LOOK);
        match timeout_at(due, turn.read(&mut heard)).await {
            Ok(Ok(0)) => return Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            Ok(Ok(count)) => {
                let bytes = heard.get(..count).unwrap_or_default();
                session.handle_input(bytes, Instant::now().into_std());
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => session.handle_timeout(Instant::now().into_std()),
        }
    }
    if is_answered {
        receipt.complete();
    }
    Ok(())
}

async fn act(action: Action, turn: &mut Turn, events: &mpsc::Sender<PortEvent>) -> Result<(), End> {
    let event = match action {
        Action::Send(bytes) => return Ok(turn.send(&bytes).await?),
        Action::SetLine(line) => return Ok(turn.set_line(line)?),
        Action::Reopen(reason) => return Err(End::Lost(reason)),
        Action::Telegram(telegram) => PortEvent::Telegram(telegram),
        Action::Rejected(rejected) => PortEvent::Rejected(rejected),
        Action::Found(outcome) => PortEvent::Found(outcome),
        Action::Frame(frame) => PortEvent::Frame(frame),
        Action::Condition(condition) => PortEvent::Condition(condition),
    };
    Ok(events.send(event).await?)
}
