//! What used the power.

use axum::extract::{Path, Query, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;
use wattle_api::{
    APPLIANCE_CORRECTIONS_PATH, APPLIANCE_CYCLES_PATH, APPLIANCE_DAYS_PATH, APPLIANCE_LABELS_PATH,
    APPLIANCE_LEARNT_PATH, APPLIANCES_PATH, ApplianceCorrection, ApplianceCycle, ApplianceDay,
    ApplianceLabel, Appliances, Corrected,
};

use super::{Api, Problem};
use crate::appliances::BoardError;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(APPLIANCES_PATH, get(appliances))
        .route(APPLIANCE_DAYS_PATH, get(days))
        .route(APPLIANCE_CYCLES_PATH, get(cycles))
        .route(APPLIANCE_CORRECTIONS_PATH, get(corrections).post(correct))
        .route(
            &format!("{APPLIANCE_CORRECTIONS_PATH}/{{id}}"),
            delete(undo),
        )
        .route(
            &format!("{APPLIANCE_LABELS_PATH}/{{name}}"),
            put(label).delete(unlabel),
        )
        .route(APPLIANCE_LEARNT_PATH, get(learnt))
        .route(&format!("{APPLIANCE_LEARNT_PATH}/{{name}}"), delete(erase))
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Period {
    /// First local date; that of `to` when left out.
    from: Option<Date>,
    /// Last local date; today when left out.
    to: Option<Date>,
}

impl Period {
    /// Today where nothing is said.
    fn dates(&self, api: &Api) -> (Date, Date) {
        let today = api.home.zone.to_datetime(api.clock.now()).date();
        let to = self.to.unwrap_or(today);
        (self.from.unwrap_or(to), to)
    }
}

async fn appliances(Shared(api): Shared<Api>) -> Json<Appliances> {
    Json(
        api.appliances
            .appliances(api.clock.now())
            .unwrap_or_default(),
    )
}

async fn days(Shared(api): Shared<Api>, Query(period): Query<Period>) -> Json<Vec<ApplianceDay>> {
    let (from, to) = period.dates(&api);
    Json(api.appliances.days(from, to))
}

async fn cycles(
    Shared(api): Shared<Api>,
    Query(period): Query<Period>,
) -> Json<Vec<ApplianceCycle>> {
    let (from, to) = period.dates(&api);
    Json(api.appliances.cycles(from, to))
}

async fn corrections(Shared(api): Shared<Api>) -> Json<Vec<Corrected>> {
    Json(api.appliances.corrections())
}

async fn correct(
    Shared(api): Shared<Api>,
    Json(said): Json<ApplianceCorrection>,
) -> Result<(StatusCode, Json<Corrected>), Problem> {
    Ok((StatusCode::CREATED, Json(api.appliances.correct(said)?)))
}

async fn undo(Shared(api): Shared<Api>, Path(id): Path<u64>) -> Result<StatusCode, Problem> {
    api.appliances.undo(id)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn label(
    Shared(api): Shared<Api>,
    Path(name): Path<String>,
    Json(said): Json<ApplianceLabel>,
) -> Result<StatusCode, Problem> {
    api.appliances.label(&name, Some(&said.label))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unlabel(
    Shared(api): Shared<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.appliances.label(&name, None)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn learnt(Shared(api): Shared<Api>) -> Result<Response, Problem> {
    let learnt = api.appliances.learnt();
    let learnt = learnt.ok_or_else(|| Problem::not_found("nothing has been learnt yet"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], learnt).into_response())
}

async fn erase(Shared(api): Shared<Api>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    api.appliances.erase(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<BoardError> for Problem {
    fn from(error: BoardError) -> Self {
        Self::rule(error.to_string())
    }
}
