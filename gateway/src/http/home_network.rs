//! The home network: the powerline.

use axum::extract::State as Shared;
use axum::routing::get;
use axum::{Json, Router};
use wattle_api::{POWERLINE_PATH, Powerline};

use super::Api;

pub(super) fn routes() -> Router<Api> {
    Router::new().route(POWERLINE_PATH, get(powerline))
}

async fn powerline(Shared(api): Shared<Api>) -> Json<Vec<Powerline>> {
    Json(api.powerline.all())
}
