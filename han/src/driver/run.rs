//! A session on a packet socket.

use std::io;
use std::ops::ControlFlow;

use tokio::time::{Instant, sleep_until};

use super::packet::PacketSocket;
use crate::homeplug::{Reassembler, Session};

/// Moves frames between a session and a socket until what is told of an event says so. Messages
/// that come in several frames reach the session as one.
///
/// # Errors
/// When the interface is gone.
pub async fn run<S: Session, B>(
    socket: &PacketSocket,
    session: &mut S,
    mut told: impl FnMut(S::Event) -> ControlFlow<B>,
) -> io::Result<B> {
    let mut parts = Reassembler::default();
    loop {
        while let Some(frame) = session.poll_transmit() {
            socket.send(&frame).await?;
        }
        while let Some(event) = session.poll_event() {
            if let ControlFlow::Break(result) = told(event) {
                return Ok(result);
            }
        }
        let due = session.poll_timeout().map(Instant::from_std);
        let timeout = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            frame = socket.receive() => {
                let now = Instant::now().into_std();
                if let Some(frame) = parts.frame(frame?, now) {
                    session.handle_frame(&frame, now);
                }
            }
            () = timeout => session.handle_timeout(Instant::now().into_std()),
        }
    }
}
