//! The home network: its devices, the powerline, charging outlets.

use axum::extract::State as Shared;
use axum::routing::get;
use axum::{Json, Router};
use wattle_api::{DEVICES_PATH, Device, OUTLETS_PATH, Outlet, POWERLINE_PATH, Powerline};

use super::Api;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(POWERLINE_PATH, get(powerline))
        .route(OUTLETS_PATH, get(outlets))
        .route(DEVICES_PATH, get(devices))
}

async fn powerline(Shared(api): Shared<Api>) -> Json<Vec<Powerline>> {
    Json(api.powerline.all())
}

async fn outlets(Shared(api): Shared<Api>) -> Json<Vec<Outlet>> {
    Json(api.grid.outlets(api.clock.now()))
}

async fn devices(Shared(api): Shared<Api>) -> Json<Vec<Device>> {
    Json(api.devices())
}
