//! Reads slaves on a wired M-Bus, one job a turn, through a level converter or over TCP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::PortEvent;
use super::bus::{Bus, Turn};
use crate::mbus::link::{Config, Job, Master, Outcome, Step, Target};
use crate::session::Rejected;

/// A slave on a line.
#[derive(Clone, Debug)]
pub struct MbusMeter {
    /// Its line.
    pub bus: Arc<Bus>,
    /// Its address.
    pub target: Target,
    /// How the master asks.
    pub master: Config,
    /// From the start of one reading to the start of the next.
    pub period: Duration,
}

/// Does a job in one turn of the line, and tells what comes of it as it comes.
///
/// # Errors
/// The line cannot be opened or was lost.
pub async fn mbus_job(
    bus: &Bus,
    config: Config,
    job: Job,
    mut told: impl FnMut(Outcome),
) -> io::Result<()> {
    let mut turn = bus.turn().await?;
    let receipt = turn.receipt();
    let mut master = Master::new(config);
    let mut is_answered = true;
    master.start(job, Instant::now().into_std());
    loop {
        while let Some(step) = master.poll_step() {
            match step {
                Step::Send(bytes) => turn.send(&bytes).await?,
                Step::SetLine(line) => turn.set_line(line)?,
            }
        }
        while let Some(outcome) = master.poll_outcome() {
            is_answered &= !matches!(outcome, Outcome::Failed(..));
            told(outcome);
        }
        let Some(due) = master.poll_timeout() else {
            break;
        };
        listen(&mut turn, &mut master, Instant::from_std(due)).await?;
    }
    if is_answered {
        receipt.complete();
    }
    Ok(())
}

/// Hands over what comes until `due`, and then that it has come to that.
async fn listen(turn: &mut Turn, master: &mut Master, due: Instant) -> io::Result<()> {
    let mut heard = [0; 512];
    match timeout_at(due, turn.read(&mut heard)).await {
        Ok(Ok(0)) => Err(io::ErrorKind::ConnectionReset.into()),
        Ok(Ok(count)) => {
            let bytes = heard.get(..count).unwrap_or_default();
            master.handle_input(bytes, Instant::now().into_std());
            Ok(())
        }
        Ok(Err(error)) => Err(error),
        Err(_) => {
            master.handle_timeout(Instant::now().into_std());
            Ok(())
        }
    }
}

/// Reads the slave again and again until `stop` is cancelled or the receiver of `events` is gone.
pub async fn run_mbus(meter: &MbusMeter, events: mpsc::Sender<PortEvent>, stop: CancellationToken) {
    let mut is_open = None;
    let mut next = Instant::now();
    loop {
        let turn = async {
            sleep_until(next).await;
            read(meter, &mut is_open, &events).await
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = events.closed() => return,
            told = turn => if told.is_err() { return },
        }
        next = (next + meter.period).max(Instant::now());
    }
}

/// Reads all telegrams of the slave once. An error when nobody listens any more.
async fn read(
    meter: &MbusMeter,
    is_open: &mut Option<bool>,
    events: &mpsc::Sender<PortEvent>,
) -> Result<(), mpsc::error::SendError<PortEvent>> {
    let mut outcomes = Vec::new();
    let job = Job::Read(meter.target);
    let done = mbus_job(&meter.bus, meter.master, job, |outcome| {
        outcomes.push(outcome);
    });
    if let Err(error) = done.await {
        if *is_open != Some(false) {
            *is_open = Some(false);
            let lost = PortEvent::Lost {
                reason: error.to_string(),
                retry_in: meter.period,
            };
            events.send(lost).await?;
        }
        return Ok(());
    }
    if *is_open != Some(true) {
        *is_open = Some(true);
        events.send(PortEvent::Opened).await?;
    }
    for outcome in outcomes {
        match outcome {
            Outcome::Read { frames, .. } => events.send(PortEvent::Mbus(frames)).await?,
            Outcome::Failed(_, failure) => {
                let reason = format!(
                    "{failure}: check the address, the speed, and that the converter feeds the line"
                );
                let rejected = Rejected { reason, length: 0 };
                events.send(PortEvent::Rejected(rejected)).await?;
            }
            _ => {}
        }
    }
    Ok(())
}
