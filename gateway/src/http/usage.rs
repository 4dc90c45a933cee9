//! What was used in a day, week, month or year.

use axum::extract::{Query, State as Shared};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use wattle_api::{USAGE_PATH, Usage, UsageSpan};

use super::{Api, Problem};
use crate::usage;

/// How far back may be asked for.
const FARTHEST: u16 = 400;

pub(super) fn routes() -> Router<Api> {
    Router::new().route(USAGE_PATH, get(of_a_span))
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    span: UsageSpan,
    #[serde(default)]
    back: u16,
}

async fn of_a_span(
    Shared(api): Shared<Api>,
    Query(Which { span, back }): Query<Which>,
) -> Result<Json<Usage>, Problem> {
    if back > FARTHEST {
        return Err(Problem::bad_request(format!("back is at most {FARTHEST}")));
    }
    let grid = api.home.grid.clone();
    let grid =
        grid.ok_or_else(|| Problem::not_found("no electricity meter at the grid is configured"))?;
    let tariff = api.home.tariff.borrow().clone();
    let (readers, zone, now) = (api.readers.clone(), api.home.zone.clone(), api.clock.now());
    let work = move || -> Result<Usage, Problem> {
        let asked = usage::Asked {
            meter: &grid,
            zone: &zone,
            tariff: tariff.as_deref(),
            span,
            back,
            now,
        };
        usage::usage(&readers.open()?, &asked)?
            .ok_or_else(|| Problem::bad_request("that lies outside the calendar"))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer.map(Json),
        Err(error) => {
            tracing::error!(%error, "a usage was not finished");
            Err(Problem::bad_request("the usage could not be put together"))
        }
    }
}
