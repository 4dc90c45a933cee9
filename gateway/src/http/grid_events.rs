//! What the utility asks of the home, and the household's word on it.

use axum::extract::State as Shared;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use wattle_api::{GRID_EVENT_CHOICE_PATH, GRID_EVENTS_PATH, GridEvent, GridEventChoice};

use super::{Api, Problem};
use crate::grid::ChoiceError;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(GRID_EVENTS_PATH, get(list))
        .route(GRID_EVENT_CHOICE_PATH, post(choose))
}

async fn list(Shared(api): Shared<Api>) -> Json<Vec<GridEvent>> {
    Json(api.grid.events(api.clock.now()))
}

async fn choose(
    Shared(api): Shared<Api>,
    choice: Result<Json<GridEventChoice>, JsonRejection>,
) -> Result<Json<GridEvent>, Problem> {
    let Json(choice) = choice.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let now = api.clock.now();
    let board = api.grid.clone();
    // It is written to the disk before it counts.
    let taken = tokio::task::spawn_blocking(move || board.choose(&choice.id, choice.opt, now));
    match taken.await {
        Ok(taken) => Ok(Json(taken?)),
        Err(_) => Err(ChoiceError::NotKept.into()),
    }
}

impl From<ChoiceError> for Problem {
    fn from(error: ChoiceError) -> Self {
        let status = match error {
            ChoiceError::Unknown => StatusCode::NOT_FOUND,
            ChoiceError::Binding => StatusCode::CONFLICT,
            ChoiceError::NotKept => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            text: error.to_string(),
        }
    }
}
