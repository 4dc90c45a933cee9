//! The privacy ledger, consents and log books.

use axum::extract::{Extension, Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use jiff::ToSpan;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;
use wattle_api::{
    CONSENTS_PATH, Caller, Consent, ConsentChange, Disclosure, LEDGER_PATH, LOGS_PATH, LogBook,
    LogCheck, LogPage, Role,
};

use super::{Api, Problem, blocking};

/// How many entries of a log book one answer holds at most.
const PAGE: u16 = 500;
/// Largest number that every JSON reader holds exactly.
const LAST: u64 = (1 << 53) - 1;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(LEDGER_PATH, get(ledger))
        .route(CONSENTS_PATH, get(consents).put(consent))
        .route(&format!("{LOGS_PATH}/{{book}}"), get(entries))
        .route(&format!("{LOGS_PATH}/{{book}}/check"), get(check))
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Days {
    /// First local date; a week ago when left out.
    from: Option<Date>,
    /// Last local date; today when left out.
    to: Option<Date>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Before {
    /// Cursor of the page before.
    #[schemars(range(min = 1, max = LAST))]
    before: Option<u64>,
    /// How many entries, at most 500; 100 when left out.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u16>,
}

async fn ledger(
    Shared(api): Shared<Api>,
    Query(Days { from, to }): Query<Days>,
) -> Result<Json<Vec<Disclosure>>, Problem> {
    Ok(Json(disclosures(&api, from, to).await?))
}

/// Who got what on these days; the last seven when none are named.
pub(super) async fn disclosures(
    api: &Api,
    from: Option<Date>,
    to: Option<Date>,
) -> Result<Vec<Disclosure>, Problem> {
    let to = to.unwrap_or_else(|| api.today());
    let from = from.unwrap_or_else(|| to.checked_sub(6.days()).unwrap_or(to));
    let ledger = api.keeping.ledger.clone();
    blocking(move || Ok(ledger.disclosures(from, to)?)).await
}

async fn consents(Shared(api): Shared<Api>) -> Result<Json<Vec<Consent>>, Problem> {
    let ledger = api.keeping.ledger.clone();
    Ok(Json(blocking(move || Ok(ledger.consents()?)).await?))
}

async fn consent(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Json(change): Json<ConsentChange>,
) -> Result<Json<Vec<Consent>>, Problem> {
    Ok(Json(set_consent(&api, &caller, change).await?))
}

/// Keeps what the household says, and says so to those who send.
pub(super) async fn set_consent(
    api: &Api,
    caller: &Caller,
    change: ConsentChange,
) -> Result<Vec<Consent>, Problem> {
    let (ledger, now) = (api.keeping.ledger.clone(), api.clock.now());
    let ConsentChange { kind, allowed } = change;
    let consents = blocking(move || {
        ledger.consent(kind, allowed, now)?;
        Ok(ledger.consents()?)
    })
    .await?;
    api.keeping.consents.send_replace(consents.clone());
    let verb = if allowed { "allowed" } else { "forbade" };
    let text = format!("{} {verb} the recipient {}.", caller.name, kind.name());
    api.log(LogBook::Consumer, "consent", &text);
    Ok(consents)
}

async fn entries(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Path(book): Path<LogBook>,
    Query(Before { before, limit }): Query<Before>,
) -> Result<Json<LogPage>, Problem> {
    let limit = limit.unwrap_or(100);
    if !(1..=PAGE).contains(&limit) {
        return Err(Problem::rule("limit is 1 to 500"));
    }
    if before.is_some_and(|before| !(1..=LAST).contains(&before)) {
        return Err(Problem::rule("before is 1 to 9007199254740991"));
    }
    Ok(Json(page(&api, &caller, book, before, limit).await?))
}

/// Some entries of a book, the newest first.
pub(super) async fn page(
    api: &Api,
    caller: &Caller,
    book: LogBook,
    before: Option<u64>,
    limit: u16,
) -> Result<LogPage, Problem> {
    may_read(caller, book)?;
    let books = api.keeping.logbooks.clone();
    let entries = blocking(move || Ok(books.entries(book, before, u32::from(limit))?)).await?;
    let full = entries.len() == usize::from(limit);
    let oldest = entries.last().map(|entry| entry.number);
    Ok(LogPage {
        next: oldest.filter(|number| full && *number > 1),
        entries,
    })
}

async fn check(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Path(book): Path<LogBook>,
) -> Result<Json<LogCheck>, Problem> {
    Ok(Json(check_book(&api, &caller, book).await?))
}

/// Whether a book's chain holds.
pub(super) async fn check_book(
    api: &Api,
    caller: &Caller,
    book: LogBook,
) -> Result<LogCheck, Problem> {
    may_read(caller, book)?;
    let books = api.keeping.logbooks.clone();
    blocking(move || Ok(books.check(book)?)).await
}

fn may_read(caller: &Caller, book: LogBook) -> Result<(), Problem> {
    if book == LogBook::Consumer && caller.role != Role::Household {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the consumer log book is the household's alone",
        ));
    }
    Ok(())
}
