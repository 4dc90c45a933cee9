//! Paying in advance: the account follows the bill. Whatever the month's bill grows by is taken off the
//! balance as soon as a quarter-hour is closed, so that money paid in is always what the bill says was
//! used, what was recovered of debts, and what is left.
//!
//! The account switches nothing: it says that the supply should be cut, armed or on, and the household
//! sees it. Every change is on the disk before it is told.

mod book;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::Decimal;
use tokio_util::sync::CancellationToken;
use wattle_api::{Notice, NoticeCode, Prepay, Severity};
use wattle_billing::prepay::{Event as Happened, Terms};

use book::Book;
pub use book::{Ask, AskError};

use crate::bills::Metered;
use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::prices::Current;
use crate::store::Readers;
use crate::supervisor::Pulse;

/// How often the store is asked for closed quarter-hours.
const EVERY: Duration = Duration::from_secs(10);

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// The supplier's terms.
    pub terms: Terms,
    /// The balance at the first start.
    pub opening: Decimal,
    /// Name of the electricity meter at the grid.
    pub meter: String,
    /// Where the account is kept.
    pub state_dir: PathBuf,
    /// Into the store.
    pub readers: Readers,
    /// Says what happens.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
    /// The home's time zone.
    pub zone: TimeZone,
    /// The tariff of the moment.
    pub tariff: Current,
}

/// The account, for the API to read and to ask. Clones are the same account.
#[derive(Clone)]
pub struct Board {
    settings: Arc<Settings>,
    book: Arc<Mutex<Option<Book>>>,
}

impl Board {
    /// A board without an account on it: [`run`] opens that.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            book: Arc::default(),
        }
    }

    /// The account as it stands; `None` before it is open.
    #[must_use]
    pub fn prepay(&self) -> Option<Prepay> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.as_ref().map(|book| self.told(book))
    }

    fn told(&self, book: &Book) -> Prepay {
        let tariff = self.settings.tariff.borrow().clone();
        let currency = tariff.and_then(|tariff| tariff.currency.clone());
        let now = self.settings.clock.now();
        book.api(&currency.unwrap_or_default(), &self.settings.terms, now)
    }

    /// Does what is asked; writes to the disk, so that it belongs on a thread for blocking work.
    ///
    /// # Errors
    /// [`AskError`] says why not; then nothing has changed.
    pub fn ask(&self, ask: Ask) -> Result<Prepay, AskError> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = book.clone().ok_or(AskError::NotYet)?;
        let events = changed.ask(ask, self.settings.clock.now())?;
        changed
            .save(&self.settings.state_dir)
            .map_err(|error| AskError::Unsaved(format!("{error:#}")))?;
        log(&events);
        let told = self.told(&changed);
        *book = Some(changed);
        self.settings
            .bus
            .send(Event::Prepay(Arc::new(told.clone())));
        Ok(told)
    }

    /// Opens the account, or counts what was used since the last call; work for a thread that may
    /// block.
    ///
    /// # Errors
    /// The account or the store cannot be read or written.
    pub fn count(&self) -> anyhow::Result<()> {
        let settings = &self.settings;
        let now = settings.clock.now();
        let reader = settings.readers.open()?;
        let metered = Metered::of(&reader, &settings.meter)?;
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = match book.as_ref() {
            Some(book) => book.clone(),
            None => match Book::load(&settings.state_dir, settings.terms.clone())? {
                Some(mut book) => {
                    if let Some(newest) = metered.newest()? {
                        book.reconcile(newest, now)?;
                    }
                    book
                }
                None => Book::new(settings.terms.clone(), settings.opening, now),
            },
        };
        let tariff = settings.tariff.borrow().clone();
        let events = changed.count(&metered, tariff.as_deref(), &settings.zone, now)?;
        let (before, after) = (
            book.as_ref().map(|book| self.told(book)),
            self.told(&changed),
        );
        if before.as_ref() != Some(&after) {
            changed.save(&settings.state_dir)?;
            log(&events);
            *book = Some(changed);
            settings.bus.send(Event::Notices {
                source: "prepay".to_owned(),
                notices: notices(&after, now),
            });
            settings.bus.send(Event::Prepay(Arc::new(after)));
        }
        Ok(())
    }
}

/// Keeps the account until told to stop.
///
/// # Errors
/// The account or the store cannot be read or written.
pub async fn run(board: Board, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let mut next = tokio::time::Instant::now();
    while pulse.rest(next, &stop).await {
        next = tokio::time::Instant::now() + EVERY;
        let board = board.clone();
        tokio::task::spawn_blocking(move || board.count()).await??;
    }
    Ok(())
}

/// What the household must know.
fn notices(prepay: &Prepay, now: Timestamp) -> Vec<Notice> {
    use wattle_api::PrepaySupply::{Armed, Disabled};
    let balance = format!(
        "{} {}",
        prepay.balance.amount.round_dp(2),
        prepay.balance.currency
    );
    let (severity, code, text) = match prepay.supply {
        Disabled => (
            Severity::Alarm,
            NoticeCode::CreditUsedUp,
            format!("the credit is used up ({balance}); top up to have the supply back"),
        ),
        Armed => (
            Severity::Warning,
            NoticeCode::SupplyArmed,
            "the supply can be switched on again: make sure that nothing dangerous is on, then do it \
             at the display"
                .to_owned(),
        ),
        _ if prepay.low => (
            Severity::Warning,
            NoticeCode::CreditLow,
            format!("the credit is low: {balance}"),
        ),
        _ => return Vec::new(),
    };
    vec![Notice {
        severity,
        code,
        meter: None,
        text,
        since: now,
    }]
}

fn log(events: &[Happened]) {
    for event in events {
        tracing::info!(?event, "prepayment");
    }
}
