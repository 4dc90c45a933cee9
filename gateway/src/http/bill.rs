//! The bill of a period.

use axum::extract::{Query, State as Shared};
use axum::routing::get;
use axum::{Json, Router};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;
use wattle_api::{BILL_PATH, BillToDate, Medium};

use super::{Api, Problem, Supply, blocking};
use crate::bills::{self, BillProblem, Billed};

pub(super) fn routes() -> Router<Api> {
    Router::new().route(BILL_PATH, get(bill))
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Period {
    /// First local date; the first of the month when left out.
    from: Option<Date>,
    /// Last local date; the last of the month of `from` when left out.
    to: Option<Date>,
    /// What is billed: `electricity`, which is also what is taken when it is left out, `gas` or `water`.
    #[serde(default = "electricity")]
    medium: Medium,
}

const fn electricity() -> Medium {
    Medium::Electricity
}

async fn bill(
    Shared(api): Shared<Api>,
    Query(Period { from, to, medium }): Query<Period>,
) -> Result<Json<BillToDate>, Problem> {
    Ok(Json(of_medium(&api, from, to, medium).await?))
}

/// The bill of a period for electricity; that of the present month when none is named.
pub(super) async fn of(
    api: &Api,
    from: Option<Date>,
    to: Option<Date>,
) -> Result<BillToDate, Problem> {
    of_medium(api, from, to, Medium::Electricity).await
}

async fn of_medium(
    api: &Api,
    from: Option<Date>,
    to: Option<Date>,
    medium: Medium,
) -> Result<BillToDate, Problem> {
    let now = api.clock.now();
    let today = api.home.zone.to_datetime(now).date();
    let from = from.unwrap_or_else(|| today.first_of_month());
    let to = to.unwrap_or_else(|| from.last_of_month());
    let Supply {
        billed,
        meter,
        tariff,
    } = supply(api, medium)?;
    let (readers, zone) = (api.readers.clone(), api.home.zone.clone());
    let monthly = api.home.monthly_budget;
    let budget = monthly.filter(|_| billed == Billed::Electricity);
    let work = move || -> Result<BillToDate, Problem> {
        let reader = readers.open()?;
        let asked = bills::Asked {
            meter: &meter,
            billed,
            zone: &zone,
            from,
            to,
            now,
        };
        let made = bills::to_date(&reader, &tariff, &asked);
        let mut bill = made.map_err(|problem| match problem {
            BillProblem::Store(error) => Problem::from(error),
            BillProblem::Period => Problem::rule("to is not before from, by at most 400 days"),
            BillProblem::NothingMetered => Problem::not_found("nothing of this period was metered"),
            BillProblem::Bill(error) => Problem::rule(error.to_string()),
        })?;
        bill.budget = budget.and_then(|budget| bills::budget(&bill, budget));
        Ok(bill)
    };
    blocking(work).await
}

/// What is billed of a medium, and by which tariff.
fn supply(api: &Api, medium: Medium) -> Result<Supply, Problem> {
    let wanted = |supply: &&Supply| match supply.billed {
        Billed::Electricity => false,
        Billed::Gas(_) => medium == Medium::Gas,
        Billed::Water => medium == Medium::Water,
    };
    if medium != Medium::Electricity {
        let supply = api.home.supplies.iter().find(wanted).cloned();
        return supply.ok_or_else(|| Problem::not_found("no tariff for this is configured"));
    }
    let tariff = api.home.tariff.borrow().clone();
    let tariff = tariff
        .ok_or_else(|| Problem::not_found("no tariff is configured, or no price has come yet"))?;
    let meter = api.home.grid.clone();
    let meter = meter
        .ok_or_else(|| Problem::not_found("no electricity meter at the grid is configured"))?;
    Ok(Supply {
        billed: Billed::Electricity,
        meter,
        tariff,
    })
}
