//! The tariff: what is in force, trying another one on last week, and putting it in force.

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post};
use jiff::ToSpan;
use rust_decimal::Decimal;
use wattle_api::{
    Caller, LogBook, Money, TARIFF_PATH, TARIFF_PREVIEW_PATH, TariffInfo, TariffPreview,
};

use super::{Api, Problem, blocking};
use crate::bills::{self, Asked, BillProblem, Billed};
use crate::tariff::Tariff;

/// Longest tariff.
const MAX_BYTES: usize = 256 * 1024;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(TARIFF_PATH, get(info).put(put).delete(remove))
        .route(TARIFF_PREVIEW_PATH, post(try_on))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
}

async fn info(Shared(api): Shared<Api>) -> Json<TariffInfo> {
    Json(in_force(&api))
}

/// What is in force.
pub(super) fn in_force(api: &Api) -> TariffInfo {
    let tariff = api.home.tariff.borrow().clone();
    TariffInfo {
        name: tariff.as_ref().map(|tariff| tariff.name.clone()),
        currency: tariff.and_then(|tariff| tariff.currency.clone()),
        uploaded: api.keeping.prices.uploaded().exists(),
    }
}

async fn try_on(Shared(api): Shared<Api>, text: String) -> Result<Json<TariffPreview>, Problem> {
    Ok(Json(preview(&api, text).await?))
}

/// Reads a tariff and makes last week's bill with it.
pub(super) async fn preview(api: &Api, text: String) -> Result<TariffPreview, Problem> {
    let api = api.clone();
    blocking(move || {
        let tariff = read(&api, &text)?;
        let (to, present) = (
            api.today().yesterday().unwrap_or_default(),
            api.home.tariff.borrow().clone(),
        );
        let from = to.checked_sub(6.days()).unwrap_or(to);
        let grid = api.home.grid.clone();
        let cost = |tariff: &Tariff| -> Result<Option<(Money, Decimal)>, Problem> {
            let Some(meter) = grid.as_deref() else {
                return Ok(None);
            };
            let asked = Asked {
                meter,
                billed: Billed::Electricity,
                zone: &api.home.zone,
                from,
                to,
                now: api.clock.now(),
            };
            match bills::to_date(&api.readers.open()?, tariff, &asked) {
                Ok(made) => Ok(made.bill.total.map(|amount| {
                    let currency = made.bill.currency.clone();
                    (Money { amount, currency }, made.bill.import_kwh)
                })),
                Err(BillProblem::Store(error)) => Err(error.into()),
                Err(_) => Ok(None),
            }
        };
        let new = cost(&tariff)?;
        let old = present.as_deref().map(cost).transpose()?.flatten();
        Ok(TariffPreview {
            name: tariff.name.clone(),
            currency: tariff.currency.clone().unwrap_or_default(),
            from,
            to,
            import_kwh: new.as_ref().map(|(_, kwh)| *kwh),
            cost: new.map(|(money, _)| money),
            present_cost: old.map(|(money, _)| money),
        })
    })
    .await
}

async fn put(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    text: String,
) -> Result<Json<TariffInfo>, Problem> {
    Ok(Json(take(&api, &caller, text).await?))
}

/// Puts a tariff in force.
pub(super) async fn take(api: &Api, caller: &Caller, text: String) -> Result<TariffInfo, Problem> {
    let own = api.clone();
    let tariff = blocking(move || {
        let tariff = read(&own, &text)?;
        own.keeping
            .prices
            .upload(&text)
            .map_err(|error| Problem::internal(&format!("the tariff is not kept: {error}")))?;
        Ok(tariff)
    })
    .await?;
    let text = format!("{} put the tariff {:?} in force.", caller.name, tariff.name);
    api.log(LogBook::Consumer, "tariff", &text);
    api.log(LogBook::Calibration, "tariff", &text);
    Ok(TariffInfo {
        name: Some(tariff.name),
        currency: tariff.currency,
        uploaded: true,
    })
}

async fn remove(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<StatusCode, Problem> {
    go_back(&api, &caller)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Goes back to the configured tariff.
pub(super) fn go_back(api: &Api, caller: &Caller) -> Result<(), Problem> {
    let prices = &api.keeping.prices;
    if !prices.uploaded().exists() {
        return Err(Problem::not_found("no tariff was uploaded"));
    }
    prices
        .forget()
        .map_err(|error| Problem::internal(&format!("the tariff is not removed: {error}")))?;
    let text = format!("{} went back to the configured tariff.", caller.name);
    api.log(LogBook::Consumer, "tariff", &text);
    api.log(LogBook::Calibration, "tariff", &text);
    Ok(())
}

fn read(api: &Api, text: &str) -> Result<Tariff, Problem> {
    let read = api.keeping.prices.candidate(text);
    read.map_err(|error| Problem::rule(format!("this tariff cannot be used: {error}")))?
        .ok_or_else(|| {
            Problem::rule("its price documents have not come yet; it cannot be tried".to_owned())
        })
}
