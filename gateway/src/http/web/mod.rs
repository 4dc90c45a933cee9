//! The web page: server-rendered HTML that works without JavaScript, in the display's look and in its
//! five languages. One small script follows the live state.

mod appliances;
mod calendar;
mod catalogue;
mod chart;
mod devices;
mod door;
mod frame;
mod language;
mod money;
mod notices;
mod now;
mod prices;
mod privacy;
mod settings;
mod speech;
mod tariff;
#[cfg(test)]
mod tests;
mod things;
mod told;
mod tongue;
mod usage;
mod welcome;
mod words;
mod zigbee;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};

use super::table::Allow;
use super::{Api, Problem};
pub(super) use door::login_page;
pub(super) use frame::problem;
pub(super) use speech::speak;
pub(super) use tongue::Tongue;

/// A page, or what a form of it is sent to.
pub(super) struct Page {
    path: &'static str,
    /// Who may.
    pub(super) allow: Allow,
    /// What of the home whoever asks learns, for the privacy ledger.
    pub(super) learns: Option<&'static str>,
}

const fn of(path: &'static str, allow: Allow, learns: &'static str) -> Page {
    Page {
        path,
        allow,
        learns: if learns.is_empty() {
            None
        } else {
            Some(learns)
        },
    }
}

use Allow::{Anyone, Everyone, Household, Service};

static PAGES: &[Page] = &[
    of("/static/{file}", Anyone, ""),
    of("/login", Anyone, ""),
    of("/setup", Anyone, ""),
    of("/language", Anyone, ""),
    of("/logout", Everyone, ""),
    of("/", Service, "live state"),
    of("/live", Service, "live state, followed"),
    of("/welcome", Service, ""),
    of("/more", Service, ""),
    of("/usage", Household, "usage"),
    of("/money", Household, "bill"),
    of("/prices", Household, ""),
    of("/appliances", Household, "appliances"),
    of("/appliances/name", Household, ""),
    of(
        "/devices",
        Service,
        "meters and their registers, Zigbee devices",
    ),
    of("/devices/adopt", Service, ""),
    of("/devices/join", Service, "Zigbee devices"),
    of("/tariff", Household, ""),
    of("/tariff/preview", Household, "bill"),
    of("/tariff/use", Household, ""),
    of("/tariff/forget", Household, ""),
    of("/privacy", Household, "privacy ledger"),
    of("/privacy/consent", Household, ""),
    of("/privacy/erase", Household, ""),
    of("/logs/{book}", Service, "log books"),
    of("/settings", Service, ""),
    of("/settings/pairing", Household, ""),
    of("/settings/user", Household, ""),
    of("/settings/token", Service, ""),
    of("/settings/revoke", Service, ""),
    of("/settings/restore", Household, ""),
];

/// The page at a path of the router.
pub(super) fn page(path: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.path == path)
}

/// The paths of all pages that are there to be looked at.
#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = (&'static str, Allow)> {
    PAGES.iter().map(|page| (page.path, page.allow))
}

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/static/{file}", get(file))
        .merge(appliances::routes())
        .merge(devices::routes())
        .merge(door::routes())
        .merge(money::routes())
        .merge(now::routes())
        .merge(prices::routes())
        .merge(privacy::routes())
        .merge(settings::routes())
        .merge(speech::routes())
        .merge(tariff::routes())
        .merge(usage::routes())
        .merge(welcome::routes())
        .merge(zigbee::routes())
}

/// What pages are made of beside HTML; all of it comes with the program.
async fn file(Path(name): Path<String>) -> Response {
    let (media, octets): (&str, &'static [u8]) = match name.as_str() {
        "style.css" => (
            "text/css; charset=utf-8",
            include_bytes!("../../../web/style.css"),
        ),
        "page.js" => (
            "text/javascript; charset=utf-8",
            include_bytes!("../../../web/page.js"),
        ),
        "icon.svg" => ("image/svg+xml", include_bytes!("../../../web/icon.svg")),
        "inter-regular.otf" => (
            "font/otf",
            include_bytes!("../../../../assets/fonts/Inter-Regular.otf"),
        ),
        "inter-medium.otf" => (
            "font/otf",
            include_bytes!("../../../../assets/fonts/Inter-Medium.otf"),
        ),
        "inter-semibold.otf" => (
            "font/otf",
            include_bytes!("../../../../assets/fonts/Inter-SemiBold.otf"),
        ),
        _ => return Problem::not_found("there is no such file").into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (StatusCode::OK, headers, octets).into_response()
}

/// A page that could not be shown. What is shown in its place, [`speak`] writes in the reader's
/// language.
#[derive(Clone)]
struct Failure(Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0.status, Extension(self.clone()), Html("")).into_response()
    }
}

type Shown = Result<maud::Markup, Failure>;
type Done = Result<Redirect, Failure>;
