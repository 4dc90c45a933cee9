//! Starts the parts of the daemon, watches them, and starts again those that end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wattle_api::{Health, Part};

/// First pause before a part is started again; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A part that ran this long before it ended starts with the first pause again.
const SETTLED: Duration = Duration::from_secs(60);

/// A part's sign of life.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Sign>);

#[derive(Debug)]
struct Sign {
    name: String,
    began: Instant,
    within: Duration,
    last_ms: AtomicU64,
    restarts: AtomicU32,
}

impl Sign {
    fn age_ms(&self) -> u64 {
        millis(self.began.elapsed()).saturating_sub(self.last_ms.load(Ordering::Relaxed))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Between two signs of life of a part that waits.
const BEAT: Duration = Duration::from_secs(1);

impl Pulse {
    /// Says that the part is alive. To be called at least as often as the part promised.
    pub fn beat(&self) {
        self.0
            .last_ms
            .store(millis(self.0.began.elapsed()), Ordering::Relaxed);
    }

    /// Waits until then with signs of life; false when told to stop before.
    pub async fn rest(&self, until: tokio::time::Instant, stop: &CancellationToken) -> bool {
        let wait = async {
            loop {
                self.beat();
                let now = tokio::time::Instant::now();
                if now >= until {
                    return;
                }
                tokio::time::sleep_until(until.min(now + BEAT)).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => false,
            () = wait => true,
        }
    }
}

/// The parts of the daemon.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<()>,
    signs: watch::Sender<Vec<Arc<Sign>>>,
    stop: CancellationToken,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            signs: watch::Sender::default(),
            stop: CancellationToken::new(),
        }
    }
}

/// Reads the daemon's health; clones read the same.
#[derive(Clone, Debug)]
pub struct HealthBoard(watch::Receiver<Vec<Arc<Sign>>>);

impl HealthBoard {
    /// Health now.
    #[must_use]
    pub fn health(&self) -> Health {
        let part = |sign: &Arc<Sign>| Part {
            name: sign.name.clone(),
            ok: sign.age_ms() <= millis(sign.within),
            restarts: sign.restarts.load(Ordering::Relaxed),
        };
        let parts: Vec<Part> = self.0.borrow().iter().map(part).collect();
        Health {
            ok: parts.iter().all(|part| part.ok),
            parts,
        }
    }
}

impl Supervisor {
    /// The signal that ends every part.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The daemon's health, of parts started later as well.
    #[must_use]
    pub fn health(&self) -> HealthBoard {
        HealthBoard(self.signs.subscribe())
    }

    /// Starts a part that promises a sign of life `within` a time. `part` makes its future, now
    /// and each time it has ended, by error, by panic or of itself, before the stop signal.
    pub fn start<F, Fut>(&mut self, name: impl Into<String>, within: Duration, part: F)
    where
        F: Fn(Pulse, CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let sign = Arc::new(Sign {
            name: name.into(),
            began: Instant::now(),
            within,
            last_ms: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
        });
        self.signs
            .send_modify(|signs| signs.push(Arc::clone(&sign)));
        let stop = self.stop.clone();
        self.tasks
            .spawn(async move { keep_running(Pulse(sign), stop, part).await });
    }

    /// Ends every part, waiting for each at most `patience`.
    pub async fn end(mut self, patience: Duration) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("some parts did not end in time and were dropped");
            self.tasks.abort_all();
        }
    }
}

async fn keep_running<F, Fut>(pulse: Pulse, stop: CancellationToken, part: F)
where
    F: Fn(Pulse, CancellationToken) -> Fut + Send,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        let ended = tokio::spawn(part(pulse.clone(), stop.clone())).await;
        if stop.is_cancelled() {
            return;
        }
        match ended {
            Ok(Ok(())) => tracing::warn!(part = pulse.0.name, "ended by itself"),
            Ok(Err(error)) => {
                tracing::error!(part = pulse.0.name, error = format!("{error:#}"), "failed");
            }
            Err(_) => tracing::error!(part = pulse.0.name, "panicked"),
        }
        if begun.elapsed() >= SETTLED {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        pulse.0.restarts.fetch_add(1, Ordering::Relaxed);
        pulse.beat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_fails_or_panics_is_started_again() {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let mut supervisor = Supervisor::default();
        supervisor.start("part", Duration::from_secs(5), |pulse, stop| async move {
            pulse.beat();
            match RUNS.fetch_add(1, Ordering::SeqCst) {
                0 => anyhow::bail!("first"),
                1 => panic!("second"),
                _ => stop.cancelled().await,
            }
            Ok(())
        });
        while RUNS.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let health = supervisor.health().health();
        assert_eq!(health.parts[0].restarts, 2);
        supervisor.end(Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_ill_health() {
        let mut supervisor = Supervisor::default();
        supervisor.start("quiet", Duration::from_secs(5), |_, stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        assert!(supervisor.health().health().ok);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(!supervisor.health().health().ok);
    }
}
