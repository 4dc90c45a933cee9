//! What was used in a day, week, month or year.

use axum::extract::{Query, State as Shared};
use axum::routing::get;
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Deserialize;
use wattle_api::{Medium, USAGE_PATH, Usage, UsageSpan};

use super::{Api, Problem, blocking};
use crate::usage;

/// How far back may be asked for.
const FARTHEST: u16 = 400;

pub(super) fn routes() -> Router<Api> {
    Router::new().route(USAGE_PATH, get(of_a_span))
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Which {
    /// How long a stretch; a day when left out.
    #[serde(default)]
    span: UsageSpan,
    /// How many of them before the present one; 0 when left out.
    #[serde(default)]
    #[schemars(range(max = 400))]
    back: u16,
    /// Electricity when left out; or gas or water.
    #[serde(default)]
    medium: Medium,
}

async fn of_a_span(
    Shared(api): Shared<Api>,
    Query(Which { span, back, medium }): Query<Which>,
) -> Result<Json<Usage>, Problem> {
    Ok(Json(of(&api, span, back, medium).await?))
}

/// What was used in a stretch.
pub(super) async fn of(
    api: &Api,
    span: UsageSpan,
    back: u16,
    medium: Medium,
) -> Result<Usage, Problem> {
    if back > FARTHEST {
        return Err(Problem::rule(format!("back is at most {FARTHEST}")));
    }
    let meter = match medium {
        Medium::Electricity => api.home.grid.clone(),
        Medium::Gas | Medium::Water => supply(api, medium),
        Medium::Heat => return Err(Problem::rule("medium is electricity, gas or water")),
    };
    let meter = meter.ok_or_else(|| {
        Problem::not_found(match medium {
            Medium::Electricity => "no electricity meter at the grid is configured",
            _ => "there is no such meter",
        })
    })?;
    let tariff = api.home.tariff.borrow().clone();
    let (readers, zone, now) = (api.readers.clone(), api.home.zone.clone(), api.clock.now());
    let work = move || -> Result<Usage, Problem> {
        let asked = usage::Asked {
            meter: &meter,
            medium,
            zone: &zone,
            tariff: tariff.as_deref(),
            span,
            back,
            now,
        };
        usage::usage(&readers.open()?, &asked)?
            .ok_or_else(|| Problem::rule("that lies outside the calendar"))
    };
    blocking(work).await
}

/// The meter of gas or water that the state tells of.
fn supply(api: &Api, medium: Medium) -> Option<String> {
    let state = api.state.borrow();
    let meter = state.meters.iter().find(|meter| meter.medium == medium)?;
    Some(meter.name.clone())
}
