//! The account with what it has counted, as it is kept in `prepay.json`.

use std::path::Path;

use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use wattle_api::{Credit, EmergencyCredit, Money, Prepay, PrepaySupply, WaitingCode};
use wattle_billing::prepay::{Account, Event, PrepayError, Snapshot, Supply, Terms};
use wattle_billing::tariff::Tariff;
use wattle_billing::time::{Span, day_start, local_date};

use crate::bills::{BillProblem, Metered};
use crate::files;

/// Name of the file in the state folder.
const FILE: &str = "prepay.json";
const VERSION: u32 = 1;
/// How many charges are remembered, in case the store has lost what they were for.
const CHARGES: usize = 96;
/// How many codes may wait.
const WAITING: usize = 20;

/// The account with what it has counted.
#[derive(Clone, Debug)]
pub(super) struct Book {
    account: Account,
    /// Use before this is counted: the end of a quarter-hour.
    until: Timestamp,
    charges: Vec<Charge>,
    waiting: Vec<Waiting>,
    waits_for_prices: bool,
}

/// What a stretch of use took off the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Charge {
    from: Timestamp,
    until: Timestamp,
    amount: Decimal,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    code: String,
    at: Timestamp,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code …{} of {}", ends_with(&self.code), self.at)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    account: Snapshot,
    until: Timestamp,
    charges: Vec<Charge>,
    waiting: Vec<Waiting>,
}

/// What somebody asks of the account.
#[derive(Clone)]
pub enum Ask {
    /// A code was typed.
    Code(String),
    /// Emergency credit.
    Emergency,
    /// The supply, by the person at the display.
    SwitchOn,
    /// Money that the supplier has confirmed.
    Credit(Credit),
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The account refuses.
    #[error(transparent)]
    Account(#[from] PrepayError),
    /// Too many codes wait.
    #[error("{WAITING} codes wait for the supplier already")]
    TooMany,
    /// No such code waits.
    #[error("no code that ends with {0} waits")]
    NoCode(String),
    /// It could not be kept, so that nothing was done.
    #[error("the account could not be saved, nothing was changed: {0}")]
    Unsaved(String),
    /// The account is not open yet.
    #[error("the account is not open yet; try again in a moment")]
    NotYet,
}

impl Book {
    /// A new account; what was used before `now` is not its business.
    pub(super) fn new(terms: Terms, balance: Decimal, now: Timestamp) -> Self {
        let quarter = crate::store::quarter_start(now);
        Self {
            account: Account::new(terms, balance),
            until: Timestamp::from_second(quarter).unwrap_or(now),
            charges: Vec::new(),
            waiting: Vec::new(),
            waits_for_prices: false,
        }
    }

    /// The account that was kept, if one was.
    ///
    /// # Errors
    /// The file is there and cannot be read: money is in it, so that no new account takes its place.
    pub(super) fn load(folder: &Path, terms: Terms) -> anyhow::Result<Option<Self>> {
        let path = folder.join(FILE);
        let Some(kept) = files::recall::<Kept>(&path)? else {
            return Ok(None);
        };
        anyhow::ensure!(
            kept.version == VERSION,
            "{}: version {} is of a newer wattle",
            path.display(),
            kept.version
        );
        Ok(Some(Self {
            account: Account::resume(terms, kept.account),
            until: kept.until,
            charges: kept.charges,
            waiting: kept.waiting,
            waits_for_prices: false,
        }))
    }

    /// Writes the account in the place of the old one, whole or not at all, for its owner alone.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub(super) fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let kept = Kept {
            version: VERSION,
            account: self.account.snapshot(),
            until: self.until,
            charges: self.charges.clone(),
            waiting: self.waiting.clone(),
        };
        files::keep(&folder.join(FILE), &kept, files::For::Owner)
    }

    /// After a start: gives back what was charged for quarter-hours that a power cut took from the
    /// store; they will be metered again with what follows.
    ///
    /// # Errors
    /// A number is too large.
    pub(super) fn reconcile(
        &mut self,
        newest: Timestamp,
        now: Timestamp,
    ) -> Result<(), PrepayError> {
        while let Some(charge) = self.charges.last().filter(|charge| charge.until > newest) {
            let charge = *charge;
            self.charges.pop();
            self.until = charge.from;
            self.account.used(-charge.amount, now)?;
        }
        Ok(())
    }

    /// Takes the time, and off the balance what the bill grew by since the last call: energy, standing
    /// charges, taxes, whatever the tariff says. The bill is the month's, so that its blocks and
    /// demand charges count from the first.
    ///
    /// # Errors
    /// The store cannot be read, or a number is too large.
    pub(super) fn count(
        &mut self,
        metered: &Metered<'_>,
        tariff: Option<&Tariff>,
        zone: &TimeZone,
        now: Timestamp,
    ) -> anyhow::Result<Vec<Event>> {
        let mut events = self.account.at(now)?;
        while let Some(month) = month_of(self.until, zone) {
            let end = month.end.min(now);
            let newest = Span::new(self.until, end)
                .map(|span| metered.until(&span))
                .transpose()?;
            let Some(until) = newest.flatten() else {
                // Nothing came in this month any more; a new one is looked at once it has begun.
                if month.end <= now
                    && metered
                        .until(&Span::new(month.end, now).unwrap_or(month))?
                        .is_some()
                {
                    self.until = month.end;
                    continue;
                }
                break;
            };
            let Some(amount) = growth(metered, tariff, month.start, self.until, until)? else {
                self.waits_for_prices = true;
                break;
            };
            self.waits_for_prices = false;
            events.extend(self.account.used(amount, now)?);
            if self.charges.len() >= CHARGES {
                self.charges.remove(0);
            }
            self.charges.push(Charge {
                from: self.until,
                until,
                amount,
            });
            self.until = until;
        }
        Ok(events)
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// [`AskError`] says why not.
    pub(super) fn ask(&mut self, ask: Ask, now: Timestamp) -> Result<Vec<Event>, AskError> {
        Ok(match ask {
            Ask::Code(typed) => {
                if self.waiting.len() >= WAITING {
                    return Err(AskError::TooMany);
                }
                let code = self.account.enter_code(&typed)?;
                self.waiting.push(Waiting { code, at: now });
                Vec::new()
            }
            Ask::Emergency => self.account.activate_emergency(now)?,
            Ask::SwitchOn => vec![self.account.switch_on()?],
            Ask::Credit(credit) => {
                let place = match &credit.ends_with {
                    Some(end) => {
                        let waits = |waiting: &Waiting| ends_with(&waiting.code) == end;
                        let place = self.waiting.iter().position(waits);
                        Some(place.ok_or_else(|| AskError::NoCode(end.clone()))?)
                    }
                    None => None,
                };
                let events = self.account.top_up(credit.amount, now)?;
                if let Some(place) = place {
                    self.waiting.remove(place);
                }
                events
            }
        })
    }

    /// As the API tells it.
    pub(super) fn api(&self, currency: &str, terms: &Terms, now: Timestamp) -> Prepay {
        let money = |amount: Decimal| Money {
            amount: amount.normalize(),
            currency: currency.to_owned(),
        };
        let emergency = match self.account.emergency_left() {
            Some(left) => EmergencyCredit::Active {
                left: money(left.max(Decimal::ZERO)),
            },
            None if self.account.emergency_offered() => EmergencyCredit::Offered {
                limit: money(terms.emergency_limit),
            },
            None => EmergencyCredit::None,
        };
        Prepay {
            balance: money(self.account.balance()),
            low: self.account.is_low(),
            emergency,
            supply: match self.account.supply() {
                Supply::Enabled => PrepaySupply::Enabled,
                Supply::Disabled => PrepaySupply::Disabled,
                Supply::Armed => PrepaySupply::Armed,
            },
            debt: money(self.account.debt()),
            friendly: self.account.is_friendly(now),
            until: self.until,
            waits_for_prices: self.waits_for_prices,
            codes: self.waiting.iter().map(told).collect(),
        }
    }
}

fn told(waiting: &Waiting) -> WaitingCode {
    WaitingCode {
        ends_with: ends_with(&waiting.code).to_owned(),
        entered_at: waiting.at,
    }
}

fn ends_with(code: &str) -> &str {
    code.get(code.len().saturating_sub(4)..).unwrap_or_default()
}

/// The local month that `at` lies in.
fn month_of(at: Timestamp, zone: &TimeZone) -> Option<Span> {
    let first = local_date(at, zone).first_of_month();
    let next = first.last_of_month().tomorrow().ok()?;
    Span::new(day_start(first, zone)?, day_start(next, zone)?)
}

/// By how much the bill of a month grew from one instant to another; `None` while a price is missing.
fn growth(
    metered: &Metered<'_>,
    tariff: Option<&Tariff>,
    month: Timestamp,
    from: Timestamp,
    until: Timestamp,
) -> Result<Option<Decimal>, BillProblem> {
    let Some(tariff) = tariff else {
        return Ok(None);
    };
    let total = |end| match Span::new(month, end) {
        Some(span) => metered.total(tariff, &span),
        None => Ok(Some(Decimal::ZERO)),
    };
    let (before, after) = (total(from)?, total(until)?);
    Ok(before.zip(after).map(|(before, after)| after - before))
}
