//! Feeds a recording through the very same session that would read the meter.

use std::path::Path;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::PortEvent;
use crate::session::{Action, Session};

/// How often bytes are fed when the pace is that of a line.
const TICK: Duration = Duration::from_millis(50);

/// Feeds the bytes of `recording` to `session`, at the pace of a line of `pace_baud` bits per
/// second or as fast as they are taken. Returns at the end of the file, when stopped, or when
/// the receiver of `events` is gone. What the session wants to send goes nowhere: a recording of
/// a meter that is asked is best played to a session that only listens.
///
/// # Errors
/// What the system says when the file cannot be opened or read.
pub async fn replay(
    recording: &Path,
    pace_baud: Option<u32>,
    session: &mut dyn Session,
    events: mpsc::Sender<PortEvent>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let mut file = File::open(recording).await?;
    // A character is ten bits, and there are twenty ticks in a second.
    let share = pace_baud.map(|baud| usize::try_from(baud / 10 / 20).unwrap_or(usize::MAX).max(1));
    let mut buffer = vec![0; share.unwrap_or(4096).min(64 * 1024)];
    session.restart(Instant::now().into_std());
    if events.send(PortEvent::Opened).await.is_err() {
        return Ok(());
    }
    loop {
        let now = Instant::now().into_std();
        if session.poll_timeout().is_some_and(|due| due <= now) {
            session.handle_timeout(now);
        }
        while let Some(action) = session.poll_action() {
            let event = match action {
                Action::Telegram(telegram) => PortEvent::Telegram(telegram),
                Action::Rejected(rejected) => PortEvent::Rejected(rejected),
                Action::Found(outcome) => PortEvent::Found(outcome),
                Action::Frame(frame) => PortEvent::Frame(frame),
                Action::Condition(condition) => PortEvent::Condition(condition),
                Action::Send(_) | Action::SetLine(_) | Action::Reopen(_) => continue,
            };
            let sent = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                sent = events.send(event) => sent,
            };
            if sent.is_err() {
                return Ok(());
            }
        }
        if share.is_some() {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(TICK) => {}
            }
        }
        let length = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            length = file.read(&mut buffer) => length?,
        };
        if length == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        session.handle_input(bytes, Instant::now().into_std());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObisCode;
    use crate::sml::{Entry, EntryValue, ListTelegram, Listener};

    #[tokio::test(start_paused = true)]
    async fn a_recording_is_a_meter() {
        let entry = Entry::new(ObisCode::ACTIVE_ENERGY_IMPORT, EntryValue::unsigned(7));
        let telegram = ListTelegram {
            entries: vec![entry],
            ..ListTelegram::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("capture.bin");
        std::fs::write(&file, telegram.to_bytes().repeat(3)).unwrap();
        for pace in [None, Some(9600), Some(300)] {
            let (sender, mut events) = mpsc::channel(16);
            let stop = CancellationToken::new();
            replay(&file, pace, &mut Listener::default(), sender, stop)
                .await
                .unwrap();
            assert_eq!(events.recv().await, Some(PortEvent::Opened));
            for _ in 0..3 {
                assert!(matches!(events.recv().await, Some(PortEvent::Telegram(_))));
            }
            assert_eq!(events.recv().await, None);
        }
    }
}
