//! Following a server of the utility: round after round, whatever happens.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wattle_api::{Notice, NoticeCode, Severity};

use super::{Board, Choices};
use crate::bus::{Bus, Event};
use crate::supervisor::Pulse;

/// Rounds that fail one after the other before the household is told.
pub(crate) const PATIENCE: u32 = 3;
/// Longest pause after rounds that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// A server of the utility.
pub(crate) trait Utility: Send {
    /// Who puts the events on the board.
    fn source(&self) -> &'static str;
    /// Where events go and choices come from.
    fn board(&self) -> &Board;
    /// Says what is wrong.
    fn bus(&self) -> &Bus;
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Asks for everything once and tells what is to be told.
    fn round(&mut self, said: &Choices) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Makes a round every so often, and at once when the household has made a choice, until told to
/// stop. What is known stays known while the server cannot be reached.
pub(crate) async fn follow(
    utility: &mut impl Utility,
    every: Duration,
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut choices = utility.board().choices();
    let mut failures = Failures::default();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = choices.changed() => {
                changed?;
                next = Instant::now();
            }
            _ = tick.tick() => pulse.beat(),
        }
        if Instant::now() < next {
            continue;
        }
        let said = choices.borrow_and_update().clone();
        let round = async {
            let round = utility.round(&said);
            tokio::pin!(round);
            loop {
                tokio::select! {
                    ended = &mut round => break ended,
                    _ = tick.tick() => pulse.beat(),
                }
            }
        };
        let ended = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            ended = round => ended,
        };
        let failed = failures.count(ended, utility);
        let pause = every * 2u32.saturating_pow(failed.min(10));
        next = Instant::now() + pause.min(LONGEST_PAUSE.max(every));
    }
}

/// Rounds that failed one after the other.
#[derive(Default)]
pub(crate) struct Failures {
    count: u32,
    since: Option<Timestamp>,
}

impl Failures {
    /// Takes how a round ended and tells whom it concerns; gives the rounds that failed.
    pub(crate) fn count(&mut self, ended: anyhow::Result<()>, utility: &impl Utility) -> u32 {
        let mut notices = Vec::new();
        match ended {
            Ok(()) if self.count == 0 => return 0,
            Ok(()) => {
                tracing::info!(
                    from = utility.source(),
                    "the utility's server answers again"
                );
                *self = Self::default();
            }
            Err(error) => {
                let error = format!("{error:#}");
                if self.count == 0 {
                    let from = utility.source();
                    tracing::warn!(from, error, "the utility's server could not be asked");
                }
                self.count = self.count.saturating_add(1);
                let since = *self.since.get_or_insert_with(|| utility.now());
                if self.count < PATIENCE {
                    return self.count;
                }
                notices.push(Notice {
                    severity: Severity::Warning,
                    code: NoticeCode::UtilityLost,
                    meter: None,
                    text: format!("The utility's server cannot be asked: {error}"),
                    since,
                });
            }
        }
        utility.bus().send(Event::Notices {
            source: utility.source().to_owned(),
            notices,
        });
        self.count
    }
}
