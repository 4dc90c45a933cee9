//! The API on a Unix socket: `/api/v1` with server-sent events.

mod appliances;
mod bill;
mod grid_events;
mod history;
mod home_network;
mod network;
mod prepay;
mod radio;
mod run_advice;
mod usage;
mod zigbee;

use std::convert::Infallible;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Json;
use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use wattle_api::{EVENTS_PATH, HEALTH_PATH, METERS_PATH, STATE_PATH, State};

use crate::clock::SharedClock;
use crate::store::Readers;
use crate::supervisor::{HealthBoard, Pulse};

/// How many clients may follow the events at once.
const FOLLOWERS: usize = 64;

/// What the API answers from.
#[derive(Clone)]
pub struct Api {
    /// The present state.
    pub state: watch::Receiver<Arc<State>>,
    /// Opens the store for reading.
    pub readers: Readers,
    /// The wall clock.
    pub clock: SharedClock,
    /// The daemon's health.
    pub health: HealthBoard,
    /// The powerline networks.
    pub powerline: crate::powerline::Board,
    /// What is in the home's network.
    pub network: crate::mdns::Board,
    /// What used the power.
    pub appliances: crate::appliances::Board,
    /// The prepayment account, where the home pays in advance.
    pub prepay: Option<crate::prepay::Board>,
    /// The Zigbee network.
    pub zigbee: crate::zigbee::Board,
    /// What the utility asks for.
    pub grid: crate::grid::Board,
    /// Ends event streams.
    pub stop: CancellationToken,
    /// The receivers and the meters they hear, if there are receivers.
    pub radio: Option<crate::radio::Handle>,
    /// Whose bill is made, and by which tariff.
    pub home: Home,
    /// Places for followers.
    pub followers: Arc<Semaphore>,
}

/// What a bill is made of.
#[derive(Clone, Debug)]
pub struct Home {
    /// Configured name of the electricity meter at the grid.
    pub grid: Option<String>,
    /// The home's time zone.
    pub zone: jiff::tz::TimeZone,
    /// The tariff of the moment.
    pub tariff: crate::prices::Current,
}

impl Api {
    /// An API over these sources.
    #[must_use]
    pub fn new(
        state: watch::Receiver<Arc<State>>,
        readers: Readers,
        clock: SharedClock,
        health: HealthBoard,
        stop: CancellationToken,
        home: Home,
    ) -> Self {
        Self {
            state,
            readers,
            clock,
            health,
            powerline: crate::powerline::Board::default(),
            network: crate::mdns::Board::default(),
            appliances: crate::appliances::Board::default(),
            grid: crate::grid::Board::default(),
            zigbee: crate::zigbee::Board::default(),
            prepay: None,
            stop,
            radio: None,
            home,
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
        }
    }
}

/// Serves the API on `socket` until told to stop.
///
/// # Errors
/// The socket cannot be made.
pub async fn run(
    api: Api,
    socket: PathBuf,
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = listen(&socket).with_context(|| format!("api.socket {}", socket.display()))?;
    let ended = stop.clone();
    let serve = axum::serve(listener, router(api))
        .with_graceful_shutdown(async move { ended.cancelled().await });
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let beat = async {
        loop {
            tick.tick().await;
            pulse.beat();
        }
    };
    tokio::select! {
        served = async { serve.await } => served?,
        () = beat => {}
    }
    let _ = std::fs::remove_file(&socket);
    Ok(())
}

/// The routes.
pub fn router(api: Api) -> Router {
    Router::new()
        .route(STATE_PATH, get(state))
        .route(EVENTS_PATH, get(events))
        .route(METERS_PATH, get(meters))
        .route(HEALTH_PATH, get(health))
        .merge(history::routes())
        .merge(network::routes())
        .merge(bill::routes())
        .merge(home_network::routes())
        .merge(radio::routes())
        .merge(appliances::routes())
        .merge(run_advice::routes())
        .merge(usage::routes())
        .merge(grid_events::routes())
        .merge(zigbee::routes())
        .merge(prepay::routes())
        .fallback(|| async {
            Problem::not_found("there is nothing at this path; see /api/v1/state")
        })
        .with_state(api)
}

/// Makes the socket, in the place of one that a dead daemon left behind.
fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if let Ok(old) = std::fs::symlink_metadata(path) {
        anyhow::ensure!(
            old.file_type().is_socket(),
            "something else than a socket is there"
        );
        anyhow::ensure!(
            std::os::unix::net::UnixStream::connect(path).is_err(),
            "another wattle answers there; stop it first"
        );
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

async fn state(Shared(api): Shared<Api>) -> Json<State> {
    let state = api.state.borrow().as_ref().clone();
    Json(State {
        at: api.clock.now().max(state.at),
        ..state
    })
}

async fn meters(Shared(api): Shared<Api>) -> Json<Vec<wattle_api::Meter>> {
    Json(api.state.borrow().meters.clone())
}

async fn health(Shared(api): Shared<Api>) -> Response {
    let health = api.health.health();
    let status = if health.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

async fn events(Shared(api): Shared<Api>) -> Result<impl IntoResponse, Problem> {
    let place = Arc::clone(&api.followers)
        .try_acquire_owned()
        .map_err(|_| Problem {
            status: StatusCode::SERVICE_UNAVAILABLE,
            text: "too many followers".to_owned(),
        })?;
    let mut state = api.state.clone();
    state.mark_changed();
    let follower = Follower {
        state,
        stop: api.stop,
        _place: place,
    };
    let stream = stream::unfold(follower, |mut follower| async move {
        tokio::select! {
            () = follower.stop.cancelled() => None,
            changed = follower.state.changed() => {
                changed.ok()?;
                let state = Arc::clone(&follower.state.borrow_and_update());
                let event = Event::default().event("state").json_data(state.as_ref()).ok()?;
                Some((Ok::<Event, Infallible>(event), follower))
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

struct Follower {
    state: watch::Receiver<Arc<State>>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

/// An answer that is an error, with a sentence.
#[derive(Debug)]
struct Problem {
    status: StatusCode,
    text: String,
}

impl Problem {
    fn not_found(text: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            text: text.to_owned(),
        }
    }

    fn bad_request(text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            text: text.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(serde_json::json!({ "error": self.text }))).into_response()
    }
}

impl From<crate::store::StoreError> for Problem {
    fn from(error: crate::store::StoreError) -> Self {
        tracing::warn!(%error, "a request could not be answered from the store");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            text: "the store could not be read".to_owned(),
        }
    }
}
