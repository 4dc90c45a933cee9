//! Messages of the utility, and that they were read.

use axum::extract::State as Shared;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use wattle_api::{MESSAGE_CONFIRM_PATH, MESSAGES_PATH, Message, MessageConfirmation};

use super::{Api, Problem};
use crate::messages::ConfirmError;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(MESSAGES_PATH, get(list))
        .route(MESSAGE_CONFIRM_PATH, post(confirm))
}

async fn list(Shared(api): Shared<Api>) -> Json<Vec<Message>> {
    let now = api.clock.now();
    Json(api.messages.map_or_else(Vec::new, |board| board.all(now)))
}

async fn confirm(
    Shared(api): Shared<Api>,
    read: Result<Json<MessageConfirmation>, JsonRejection>,
) -> Result<Json<Message>, Problem> {
    let Json(read) = read.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let now = api.clock.now();
    let board = api.messages.ok_or(ConfirmError::Unknown)?;
    // It is written to the disk before it counts.
    let taken = tokio::task::spawn_blocking(move || board.confirm(&read.id, now));
    match taken.await {
        Ok(taken) => Ok(Json(taken?)),
        Err(_) => Err(ConfirmError::NotKept.into()),
    }
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        let status = match error {
            ConfirmError::Unknown => StatusCode::NOT_FOUND,
            ConfirmError::NotKept => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            text: error.to_string(),
        }
    }
}
