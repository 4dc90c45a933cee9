//! What is in the home's network.

use axum::extract::State as Shared;
use axum::routing::get;
use axum::{Json, Router};
use wattle_api::{NETWORK_PATH, Network};

use super::Api;

pub(super) fn routes() -> Router<Api> {
    Router::new().route(NETWORK_PATH, get(network))
}

async fn network(Shared(api): Shared<Api>) -> Json<Network> {
    Json(api.network.network())
}
