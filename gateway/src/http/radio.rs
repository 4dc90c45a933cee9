//! Receivers, the meters they hear, and taking one on.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Deserialize;
use wattle_api::{
    ADOPT_PATH, AdoptMeter, AdoptedMeter, HEARD_PATH, HeardMeter, KEYS_PATH, KeyResult, MeterKey,
    RECEIVERS_PATH, Receiver,
};

use super::{Api, Problem};
use crate::radio::{AdoptError, Handle, Unavailable};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(HEARD_PATH, get(heard))
        .route(RECEIVERS_PATH, get(receivers))
        .route(ADOPT_PATH, post(adopt))
        .route(KEYS_PATH, post(keys))
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Search {
    /// Digits of the number.
    #[serde(default)]
    number: String,
}

async fn heard(
    Shared(api): Shared<Api>,
    Query(search): Query<Search>,
) -> Result<Json<Vec<HeardMeter>>, Problem> {
    let digits = search.number.to_lowercase();
    let meters = handle(&api)?.heard();
    let found = meters.iter().filter(|meter| meter.id.contains(&digits));
    Ok(Json(found.cloned().collect()))
}

async fn receivers(Shared(api): Shared<Api>) -> Result<Json<Vec<Receiver>>, Problem> {
    Ok(Json(handle(&api)?.receivers().as_ref().clone()))
}

async fn adopt(
    Shared(api): Shared<Api>,
    request: Result<Json<AdoptMeter>, JsonRejection>,
) -> Result<Json<AdoptedMeter>, Problem> {
    let Json(request) = request.map_err(|rejection| unreadable(&rejection))?;
    Ok(Json(handle(&api)?.adopt(request).await??))
}

async fn keys(
    Shared(api): Shared<Api>,
    keys: Result<Json<Vec<MeterKey>>, JsonRejection>,
) -> Result<Json<Vec<KeyResult>>, Problem> {
    let Json(keys) = keys.map_err(|rejection| unreadable(&rejection))?;
    Ok(Json(handle(&api)?.take_keys(keys).await??))
}

fn handle(api: &Api) -> Result<&Handle, Problem> {
    api.radio
        .as_ref()
        .ok_or_else(|| Problem::not_found("no [[receiver]] is configured"))
}

/// What was sent may hold a key, so it is not repeated.
fn unreadable(rejection: &JsonRejection) -> Problem {
    Problem::bad_request(match rejection {
        JsonRejection::MissingJsonContentType(_) => "send it as Content-Type: application/json",
        _ => "the body is not the JSON that is expected here; see the API's types",
    })
}

impl From<AdoptError> for Problem {
    fn from(error: AdoptError) -> Self {
        let status = match error {
            AdoptError::Kept(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self {
            status,
            text: error.to_string(),
        }
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            text: error.to_string(),
        }
    }
}
