//! The Zigbee network: what it is, letting devices in, switching.

use axum::extract::State as Shared;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use han::zigbee::install_code::InstallCode;
use wattle_api::{
    ZIGBEE_JOIN_PATH, ZIGBEE_KEY_PATH, ZIGBEE_PATH, ZIGBEE_REPLACE_PATH, ZIGBEE_SURVEY_PATH,
    ZIGBEE_SWITCH_PATH, ZIGBEE_UPGRADE_PATH, Zigbee, ZigbeeJoin, ZigbeeReplace, ZigbeeState,
    ZigbeeSwitch, ZigbeeUpgrade,
};

use super::{Api, Problem};
use crate::zigbee::{LONGEST_JOIN_S, Request};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(ZIGBEE_PATH, get(zigbee))
        .route(ZIGBEE_JOIN_PATH, post(join))
        .route(ZIGBEE_SWITCH_PATH, post(switch))
        .route(ZIGBEE_REPLACE_PATH, post(replace))
        .route(ZIGBEE_SURVEY_PATH, post(survey))
        .route(ZIGBEE_KEY_PATH, post(rotate_key))
        .route(ZIGBEE_UPGRADE_PATH, post(upgrade))
}

async fn zigbee(Shared(api): Shared<Api>) -> Json<Zigbee> {
    Json(api.zigbee.zigbee(api.clock.now()))
}

async fn join(
    Shared(api): Shared<Api>,
    request: Result<Json<ZigbeeJoin>, JsonRejection>,
) -> Result<Json<Zigbee>, Problem> {
    let Json(request) = request.map_err(|rejection| unreadable(&rejection))?;
    if request.seconds > LONGEST_JOIN_S {
        return Err(Problem::rule("seconds: 0 to 254"));
    }
    let code = match (&request.ieee, &request.install_code) {
        (None, None) => None,
        (Some(ieee), Some(code)) => {
            let code =
                InstallCode::parse(code).map_err(|error| Problem::rule(error.to_string()))?;
            Some(Box::new((address(ieee)?, code)))
        }
        _ => {
            return Err(Problem::rule("ieee and install_code belong together"));
        }
    };
    ask(
        &api,
        Request::Join {
            seconds: request.seconds,
            code,
        },
    )
    .await
}

async fn switch(
    Shared(api): Shared<Api>,
    request: Result<Json<ZigbeeSwitch>, JsonRejection>,
) -> Result<Json<Zigbee>, Problem> {
    let Json(request) = request.map_err(|rejection| unreadable(&rejection))?;
    let ieee = address(&request.ieee)?;
    ask(
        &api,
        Request::Switch {
            ieee,
            on: request.on,
        },
    )
    .await
}

async fn upgrade(
    Shared(api): Shared<Api>,
    request: Result<Json<ZigbeeUpgrade>, JsonRejection>,
) -> Result<Json<Zigbee>, Problem> {
    let Json(request) = request.map_err(|rejection| unreadable(&rejection))?;
    let ieee = address(&request.ieee)?;
    let version = request.version.as_deref().map(version).transpose()?;
    let downgrade = request.downgrade;
    let request = if request.cancel {
        Request::CallUpgradeOff { ieee }
    } else {
        Request::Upgrade {
            ieee,
            version,
            downgrade,
        }
    };
    ask(&api, request).await
}

fn version(text: &str) -> Result<u32, Problem> {
    let digits = text.len() == 8 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let version = u32::from_str_radix(text, 16).ok().filter(|_| digits);
    version.ok_or_else(|| Problem::rule("version: a version has 8 hex digits"))
}

async fn survey(Shared(api): Shared<Api>) -> Result<Json<Zigbee>, Problem> {
    ask(&api, Request::Survey).await
}

async fn rotate_key(Shared(api): Shared<Api>) -> Result<Json<Zigbee>, Problem> {
    ask(&api, Request::RotateKey).await
}

async fn replace(
    Shared(api): Shared<Api>,
    request: Result<Json<ZigbeeReplace>, JsonRejection>,
) -> Result<Json<Zigbee>, Problem> {
    let Json(request) = request.map_err(|rejection| unreadable(&rejection))?;
    let known = api.zigbee.zigbee(api.clock.now());
    let is_meant = known.extended_pan.as_deref() == Some(request.extended_pan.as_str());
    if known.state != ZigbeeState::Foreign || !is_meant {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "the stick carries no foreign network of that name",
        ));
    }
    ask(&api, Request::Replace).await
}

async fn ask(api: &Api, request: Request) -> Result<Json<Zigbee>, Problem> {
    api.zigbee.ask(request).await.map_err(|reason| Problem {
        status: StatusCode::CONFLICT,
        text: reason.to_owned(),
    })?;
    Ok(Json(api.zigbee.zigbee(api.clock.now())))
}

fn address(text: &str) -> Result<u64, Problem> {
    let digits = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let address = u64::from_str_radix(text, 16).ok().filter(|_| digits);
    address.ok_or_else(|| Problem::rule("ieee: an address has 16 hex digits"))
}

/// What was sent may hold an install code, so it is not repeated.
fn unreadable(rejection: &JsonRejection) -> Problem {
    const OTHER: &str = "the body is not the JSON that is expected here; see the API's types";
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            Problem::bad_request("send it as Content-Type: application/json")
        }
        JsonRejection::JsonDataError(_) => Problem::rule(OTHER),
        _ => Problem::bad_request(OTHER),
    }
}
