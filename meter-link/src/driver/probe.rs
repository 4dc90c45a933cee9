//! Runs a probe on an open port.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};

use super::bus::{Bus, Turn};
use super::place::Place;
use super::serial::HeadPower;
use crate::probe::{Probe, Progress, Verdict};
use crate::session::{Action, Session};

/// Opens a place and finds out what is there; `tell` hears what is being done. Ends by itself
/// within [`LONGEST`](crate::probe::LONGEST).
///
/// # Errors
/// The place cannot be opened, or was lost on the way.
pub async fn run_probe(
    place: Place,
    power: HeadPower,
    mut tell: impl FnMut(Progress),
) -> io::Result<Verdict> {
    let mut probe = match place {
        Place::Serial(_) => Probe::serial(),
        Place::Tcp(_) | Place::Udp(_) => Probe::network(),
    };
    let bus = Bus::new(place, probe.line(), power, Duration::ZERO);
    let mut turn = bus.turn().await?;
    probe.restart(Instant::now().into_std());
    let mut buffer = [0; 1024];
    loop {
        while let Some(action) = probe.poll_action() {
            act(&mut turn, action).await?;
        }
        while let Some(progress) = probe.poll_progress() {
            tell(progress);
        }
        if let Some(verdict) = probe.verdict() {
            return Ok(verdict.clone());
        }
        let due = probe.poll_timeout().map(Instant::from_std);
        let wake = due.unwrap_or_else(Instant::now);
        tokio::select! {
            read = turn.read(&mut buffer) => match read? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the port was closed at the other end")),
                length => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    probe.handle_input(bytes, Instant::now().into_std());
                }
            },
            () = sleep_until(wake) => probe.handle_timeout(Instant::now().into_std()),
        }
    }
}

async fn act(turn: &mut Turn, action: Action) -> io::Result<()> {
    match action {
        Action::Send(bytes) => turn.send(&bytes).await,
        Action::SetLine(line) => turn.set_line(line),
        // A search sends and listens; what a session finds is none of its business.
        _ => Ok(()),
    }
}
