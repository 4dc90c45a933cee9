//! The API: `/api/v1` with server-sent events, on a Unix socket for the display and, for those who
//! may, over TLS on the network together with the web page.

mod access;
mod appliances;
mod backup;
mod bearers;
mod bill;
mod export;
mod grid_events;
mod history;
mod home_network;
pub mod lan;
mod line;
mod messages;
mod metrics;
mod network;
mod openapi;
mod prepay;
mod radio;
mod records;
mod run_advice;
mod supply;
mod table;
mod tariff;
#[cfg(test)]
mod tests;
mod usage;
mod web;
mod zigbee;

use std::convert::Infallible;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::{Extension, State as Shared};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use futures_util::stream;
use tokio::net::UnixListener;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use wattle_api::{
    Caller, EVENTS_PATH, HEALTH_PATH, LogBook, METERS_PATH, Role, STATE_PATH, State, WebAccess,
};

use crate::access::Access;
use crate::clock::SharedClock;
use crate::devices;
use crate::records::Consents;
use crate::store::{Ledger, Logbooks, Readers};
use crate::supervisor::{HealthBoard, Pulse};
use lan::guard;

/// How many clients may follow the events at once.
const FOLLOWERS: usize = 256;

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
    /// The ways out of the house for the relay.
    pub bearers: crate::bearer::Board,
    /// What is in the home's network.
    pub network: crate::mdns::Board,
    /// What used the power.
    pub appliances: crate::appliances::Board,
    /// The prepayment account, where the home pays in advance.
    pub prepay: Option<crate::prepay::Board>,
    /// Messages of the utility, where it can send some.
    pub messages: Option<crate::messages::Board>,
    /// The switch of the supply, where the utility may open it.
    pub supply: Option<crate::supply::Board>,
    /// The Zigbee network.
    pub zigbee: crate::zigbee::Board,
    /// The lines that meters are read over.
    pub lines: crate::lines::Lines,
    /// What the utility asks for.
    pub grid: crate::grid::Board,
    /// Ends event streams.
    pub stop: CancellationToken,
    /// The receivers and the meters they hear, if there are receivers.
    pub radio: Option<crate::radio::Handle>,
    /// Whose bill is made, and by which tariff.
    pub home: Home,
    /// What is kept about people and their data.
    pub keeping: Arc<Keeping>,
    /// Places for followers.
    pub followers: Arc<Semaphore>,
    /// One password is hashed at a time.
    pub hashing: Arc<Semaphore>,
    /// One backup, export or restore at a time.
    pub heavy: Arc<Semaphore>,
}

impl Api {
    /// All devices of the home.
    fn devices(&self) -> Vec<wattle_api::Device> {
        let now = self.clock.now();
        let state = self.state.borrow().clone();
        devices::all(&devices::Known {
            zigbee: &self.zigbee.zigbee(now),
            services: &self.network.network().services,
            powerlines: &self.powerline.all(),
            outlets: &self.grid.outlets(now),
            meters: &state.meters,
            neighbours: &devices::neighbours(),
        })
    }
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
    /// What the household means to spend on electricity in a month.
    pub monthly_budget: Option<rust_decimal::Decimal>,
    /// What else is billed.
    pub supplies: Vec<Supply>,
}

/// Gas or water and what it costs.
#[derive(Clone, Debug)]
pub struct Supply {
    /// Which.
    pub billed: crate::bills::Billed,
    /// Configured name of its meter.
    pub meter: String,
    /// Its tariff.
    pub tariff: std::sync::Arc<crate::tariff::Tariff>,
}

/// What is kept about people and their data, and how to begin again with other data.
pub struct Keeping {
    /// Users, sessions, tokens.
    pub access: Access,
    /// Who got what.
    pub ledger: Ledger,
    /// What happened.
    pub logbooks: Logbooks,
    /// What the household allows.
    pub consents: Consents,
    /// Where tariffs come from.
    pub prices: crate::prices::Settings,
    /// Folder of the store.
    pub state_dir: PathBuf,
    /// Has the daemon begin again.
    pub reload: Arc<Notify>,
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
        keeping: Keeping,
    ) -> Self {
        Self {
            state,
            readers,
            clock,
            health,
            powerline: crate::powerline::Board::default(),
            bearers: crate::bearer::Board::default(),
            network: crate::mdns::Board::default(),
            appliances: crate::appliances::Board::default(),
            grid: crate::grid::Board::default(),
            lines: crate::lines::Lines::default(),
            zigbee: crate::zigbee::Board::default(),
            prepay: None,
            messages: None,
            supply: None,
            stop,
            radio: None,
            home,
            keeping: Arc::new(keeping),
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            hashing: Arc::new(Semaphore::new(1)),
            heavy: Arc::new(Semaphore::new(1)),
        }
    }

    /// The local date.
    fn today(&self) -> jiff::civil::Date {
        self.home.zone.to_datetime(self.clock.now()).date()
    }

    /// Writes into a log book without holding anybody up.
    fn log(&self, book: LogBook, code: &'static str, text: &str) {
        let (books, at) = (self.keeping.logbooks.clone(), self.clock.now());
        let text = text.to_owned();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = books.append(book, at, code, &text) {
                tracing::warn!(%error, text, "a log book could not be written");
            }
        });
    }

    /// The state as a caller may see it. `local` tells the code of an open pairing.
    fn state_for(&self, caller: &Caller, local: bool) -> State {
        let state = self.state.borrow().as_ref().clone();
        let state = State {
            at: self.clock.now().max(state.at),
            ..state
        };
        seen_by(
            state,
            caller,
            self.keeping.access.web().borrow().clone(),
            local,
        )
    }
}

/// What a caller may see of a state. An installer sees the meters and not what the home uses when.
fn seen_by(mut state: State, caller: &Caller, mut web: WebAccess, local: bool) -> State {
    if !local {
        web.pairing = None;
    }
    state.web = Some(web);
    if caller.role != Role::Household {
        state.today = None;
        state.month = None;
        state.price = None;
        state.gas = None;
        state.water = None;
        state.advice = None;
        state.appliances = None;
        state.prepay = None;
        state.grid_events.clear();
    }
    state
}

/// Marks a request that came over the gateway's own socket.
#[derive(Clone, Copy, Debug)]
struct Local;

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

/// The routes over the gateway's own socket: whoever may open it may do everything.
pub fn router(api: Api) -> Router {
    let local = Caller {
        name: "gateway".to_owned(),
        role: Role::Household,
        expires_at: None,
    };
    routes()
        .fallback(|| async {
            Problem::not_found("there is nothing at this path; see /api/v1/state")
        })
        .layer(middleware::from_fn(guard::in_words))
        .layer(Extension(local))
        .layer(Extension(Local))
        .with_state(api)
}

/// The routes over the network: the API and the page, each for those who may.
fn web_router(api: Api) -> Router {
    let keeper = guard::Guard::new(api.clone());
    routes()
        .merge(web::routes())
        .fallback(|| async {
            Problem::not_found("there is nothing at this path; see /api/v1/openapi.json")
        })
        .layer(middleware::from_fn(guard::in_words))
        .layer(middleware::from_fn_with_state(keeper.clone(), guard::guard))
        .layer(middleware::from_fn_with_state(api.clone(), web::speak))
        .layer(middleware::from_fn_with_state(keeper, guard::around))
        .with_state(api)
}

fn routes() -> Router<Api> {
    Router::new()
        .route(STATE_PATH, get(state))
        .route(EVENTS_PATH, get(events))
        .route(METERS_PATH, get(meters))
        .route(HEALTH_PATH, get(health))
        .merge(bearers::routes())
        .merge(messages::routes())
        .merge(network::routes())
        .merge(access::routes())
        .merge(appliances::routes())
        .merge(run_advice::routes())
        .merge(usage::routes())
        .merge(grid_events::routes())
        .merge(zigbee::routes())
        .merge(backup::routes())
        .merge(bill::routes())
        .merge(export::routes())
        .merge(history::routes())
        .merge(home_network::routes())
        .merge(line::routes())
        .merge(metrics::routes())
        .merge(openapi::routes())
        .merge(prepay::routes())
        .merge(supply::routes())
        .merge(radio::routes())
        .merge(records::routes())
        .merge(tariff::routes())
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

async fn state(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    local: Option<Extension<Local>>,
) -> Json<State> {
    Json(api.state_for(&caller, local.is_some()))
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

async fn events(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    local: Option<Extension<Local>>,
) -> Result<impl IntoResponse, Problem> {
    let follower = Follower::new(&api)?;
    let local = local.is_some();
    let stream = stream::unfold(
        (follower, caller),
        move |(mut follower, caller)| async move {
            let (state, web) = follower.next().await?;
            let state = seen_by(state.as_ref().clone(), &caller, web, local);
            let event = Event::default().event("state").json_data(&state).ok()?;
            Some((Ok::<Event, Infallible>(event), (follower, caller)))
        },
    );
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// Somebody who follows the state. It holds a place, and lets go of it when the stream is dropped.
struct Follower {
    state: watch::Receiver<Arc<State>>,
    web: watch::Receiver<WebAccess>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn new(api: &Api) -> Result<Self, Problem> {
        let place = Arc::clone(&api.followers).try_acquire_owned();
        let place = place
            .map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many followers"))?;
        let mut state = api.state.clone();
        state.mark_changed();
        Ok(Self {
            state,
            web: api.keeping.access.web(),
            stop: api.stop.clone(),
            _place: place,
        })
    }

    /// The next state; `None` when it is over.
    async fn next(&mut self) -> Option<(Arc<State>, WebAccess)> {
        tokio::select! {
            () = self.stop.cancelled() => return None,
            changed = self.state.changed() => changed.ok()?,
            changed = self.web.changed() => changed.ok()?,
        }
        let web = self.web.borrow_and_update().clone();
        Some((Arc::clone(&self.state.borrow_and_update()), web))
    }
}

/// Runs work that waits for the disk on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "a request ended early");
            Err(Problem::internal("it could not be finished"))
        }
    }
}

/// An answer that is an error, with a sentence.
#[derive(Clone, Debug)]
struct Problem {
    status: StatusCode,
    text: String,
}

impl Problem {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    fn not_found(text: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// It cannot be read.
    fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// It can be read and breaks a rule.
    fn rule(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, text)
    }

    fn internal(text: &str) -> Self {
        tracing::warn!(text, "a request could not be answered");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
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
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the store could not be read",
        )
    }
}
