//! The prepayment account.

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use wattle_api::{
    Credit, PREPAY_CODE_PATH, PREPAY_CREDIT_PATH, PREPAY_EMERGENCY_PATH, PREPAY_PATH,
    PREPAY_SWITCH_ON_PATH, Prepay, TopUpCode,
};

use super::{Api, Problem};
use crate::prepay::{Ask, AskError};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(PREPAY_PATH, get(prepay))
        .route(PREPAY_CODE_PATH, post(code))
        .route(PREPAY_EMERGENCY_PATH, post(emergency))
        .route(PREPAY_SWITCH_ON_PATH, post(switch_on))
        .route(PREPAY_CREDIT_PATH, post(credit))
}

async fn prepay(Shared(api): Shared<Api>) -> Result<Json<Prepay>, Problem> {
    let board = api.prepay.as_ref().ok_or_else(none)?;
    let told = board.prepay();
    told.map(Json).ok_or_else(|| AskError::NotYet.into())
}

async fn code(api: Shared<Api>, Json(typed): Json<TopUpCode>) -> Result<Json<Prepay>, Problem> {
    ask(api, Ask::Code(typed.code)).await
}

async fn emergency(api: Shared<Api>) -> Result<Json<Prepay>, Problem> {
    ask(api, Ask::Emergency).await
}

async fn switch_on(api: Shared<Api>) -> Result<Json<Prepay>, Problem> {
    ask(api, Ask::SwitchOn).await
}

async fn credit(api: Shared<Api>, Json(credit): Json<Credit>) -> Result<Json<Prepay>, Problem> {
    ask(api, Ask::Credit(credit)).await
}

async fn ask(Shared(api): Shared<Api>, ask: Ask) -> Result<Json<Prepay>, Problem> {
    let board = api.prepay.ok_or_else(none)?;
    match tokio::task::spawn_blocking(move || board.ask(ask)).await {
        Ok(done) => Ok(Json(done?)),
        Err(error) => {
            tracing::error!(%error, "a change of the account was not finished");
            Err(AskError::Unsaved("it broke off".to_owned()).into())
        }
    }
}

fn none() -> Problem {
    Problem::not_found("this home does not pay in advance: there is no [prepay]")
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        let status = match error {
            AskError::Unsaved(_) => StatusCode::INTERNAL_SERVER_ERROR,
            AskError::NotYet => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        Self {
            status,
            text: error.to_string(),
        }
    }
}
