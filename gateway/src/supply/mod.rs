//! Remote disconnection: the local rules of [`wattle_relay::disconnect`] hold the relay of one
//! meter.
//!
//! What was decided is on the disk before the relay is moved, and the relay is never told twice:
//! after a fault or a restart it is read, and what it says counts. Every step stands in the
//! calibration book.

mod board;
mod kept;
mod orders;
mod told;

use std::future::Future;
use std::time::Duration;

use meter_link::dlms::client::job::RelayCommand;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::supervisor::Pulse;

pub use board::{Board, Settings};
pub use orders::{Order, Orders};

/// How often the rules look at the clock.
const EVERY: Duration = Duration::from_secs(1);
/// From one look at the relay to the next.
const LOOK_EVERY: Duration = Duration::from_secs(900);
/// The same while nobody knows where it stands.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Obeys the rules until told to stop.
///
/// # Errors
/// What was decided cannot be kept.
pub async fn run(board: Board, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let mut next = Instant::now();
    let mut look = Instant::now();
    board.show();
    while pulse.rest(next, &stop).await {
        next = Instant::now() + EVERY;
        let asked = board.clone();
        let due = tokio::task::spawn_blocking(move || asked.due()).await??;
        let command = match due {
            Some(command) => command,
            None if look <= Instant::now() => RelayCommand::Read,
            None => continue,
        };
        let orders = board.orders();
        let answer = alive(&pulse, orders.ask(command)).await;
        let told = board.clone();
        let known = tokio::task::spawn_blocking(move || told.settle(command, answer)).await??;
        look = Instant::now() + if known { LOOK_EVERY } else { LOOK_AGAIN };
        next = Instant::now();
    }
    Ok(())
}

/// Waits with signs of life.
async fn alive<T>(pulse: &Pulse, work: impl Future<Output = T>) -> T {
    let mut tick = tokio::time::interval(EVERY);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = tick.tick() => pulse.beat(),
        }
    }
}
