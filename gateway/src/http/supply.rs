//! The switch of the supply. Both routes are missing from the table by intention: they belong to
//! somebody at the home.

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use wattle_api::{SUPPLY_ON_PATH, SUPPLY_PATH, SupplySwitch};

use super::{Api, Problem};
use crate::supply::Board;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(SUPPLY_PATH, get(told))
        .route(SUPPLY_ON_PATH, post(switch_on))
}

async fn told(Shared(api): Shared<Api>) -> Result<Json<SupplySwitch>, Problem> {
    let board = board(api)?;
    let told = tokio::task::spawn_blocking(move || board.told()).await;
    told.map(Json).map_err(broken)
}

async fn switch_on(Shared(api): Shared<Api>) -> Result<Json<SupplySwitch>, Problem> {
    let board = board(api)?;
    match tokio::task::spawn_blocking(move || board.press()).await {
        Ok(Ok(Ok(told))) => Ok(Json(told)),
        Ok(Ok(Err(denial))) => Err(Problem {
            status: StatusCode::CONFLICT,
            text: denial.to_string(),
        }),
        Ok(Err(error)) => Err(broken(format!("{error:#}"))),
        Err(error) => Err(broken(error)),
    }
}

fn board(api: Api) -> Result<Board, Problem> {
    let none = "no relay is in this gateway's hands: there is no [disconnect]";
    api.supply.ok_or_else(|| Problem::not_found(none))
}

fn broken(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "the supply");
    Problem {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        text: "it broke off; nothing was switched".to_owned(),
    }
}
