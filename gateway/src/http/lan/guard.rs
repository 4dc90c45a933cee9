//! Who comes in from the network: every request is looked up in the table of routes and let
//! through with its caller, or turned away.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, MatchedPath, Request, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use wattle_api::RecipientKind;

use super::super::table::{self, Allow};
use super::super::{Api, Problem, web};
use super::Peer;
use super::rate::Rates;
use crate::access::Admitted;
use crate::store::ledger::Sent;

/// Name of a session's cookie. The prefix makes browsers refuse it over plain HTTP, for other
/// hosts and for parts of the site.
pub(crate) const COOKIE: &str = "__Host-wattle";

/// What the page may load and do: what the gateway itself serves, nothing inline, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// What the guard works with.
#[derive(Clone)]
pub(in super::super) struct Guard {
    api: Api,
    rates: Arc<Rates>,
}

impl Guard {
    pub(in super::super) fn new(api: Api) -> Self {
        Self {
            api,
            rates: Arc::default(),
        }
    }
}

/// Around everything: how often, and the headers that every answer carries.
pub(in super::super) async fn around(
    Shared(guard): Shared<Guard>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let group = peer.map_or_else(String::new, |peer| peer.group());
    let mut response = if guard.rates.take(&group) {
        next.run(request).await
    } else {
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests; wait a moment",
        )
        .into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Before every route: who asks, and whether they may.
pub(in super::super) async fn guard(
    Shared(guard): Shared<Guard>,
    Extension(tongue): Extension<web::Tongue>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map(|path| path.as_str().to_owned());
    let row = path
        .as_deref()
        .and_then(|path| table::find(request.method().as_str(), path));
    let page = path.as_deref().and_then(web::page);
    let (allow, learns) = match (row, page) {
        (Some(row), _) => (row.allow, row.learns),
        (None, Some(page)) => (page.allow, page.learns),
        (None, None) => {
            // Whoever is not let in does not learn which paths there are.
            return match caller(&guard.api, request.headers()) {
                Some(_) => method_or_path(path.as_deref()).into_response(),
                None => unauthorised(page.is_some(), &guard.api, &tongue),
            };
        }
    };
    let admitted = caller(&guard.api, request.headers());
    let from_cookie = admitted.as_ref().is_some_and(|admitted| admitted.session);
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes
        && (from_cookie || allow == Allow::Anyone)
        && !same_origin(request.headers(), from_cookie)
    {
        return Problem::new(
            StatusCode::FORBIDDEN,
            "a page of another origin asked for this; open the gateway's own page",
        )
        .into_response();
    }
    match &admitted {
        None if allow != Allow::Anyone => {
            return unauthorised(page.is_some(), &guard.api, &tongue);
        }
        Some(admitted) if !allow.admits(admitted.caller.role) => {
            let problem = Problem::new(StatusCode::FORBIDDEN, "this is for another role");
            return if page.is_some() {
                web::problem(&tongue, &problem, Some(&admitted.caller))
            } else {
                problem.into_response()
            };
        }
        _ => {}
    }
    let name = admitted
        .as_ref()
        .map(|admitted| admitted.caller.name.clone());
    if let Some(admitted) = admitted {
        request.extensions_mut().insert(admitted.caller.clone());
        request.extensions_mut().insert(admitted);
    }
    let response = next.run(request).await;
    if let (Some(name), Some(learns), true) = (name, learns, response.status().is_success()) {
        guard.api.keeping.ledger.note(&Sent {
            kind: RecipientKind::Web,
            recipient: &name,
            fields: learns,
            resolution: "as asked for",
            at: guard.api.clock.now(),
        });
    }
    response
}

fn method_or_path(path: Option<&str>) -> Problem {
    if path.is_some() {
        return Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path takes other methods; see /api/v1/openapi.json",
        );
    }
    Problem::not_found("there is nothing at this path; see /api/v1/openapi.json")
}

fn unauthorised(page: bool, api: &Api, tongue: &web::Tongue) -> Response {
    if page {
        return web::login_page(api, tongue, None).into_response();
    }
    let body = Json(serde_json::json!({ "error": "show a token: Authorization: Bearer …" }));
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"wattle\"")];
    (StatusCode::UNAUTHORIZED, challenge, body).into_response()
}

/// Who asks, by token or by the cookie of a session.
fn caller(api: &Api, headers: &HeaderMap) -> Option<Admitted> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok()?;
        let (scheme, token) = token.split_once(' ')?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| api.keeping.access.admit(token.trim(), false))?;
    }
    api.keeping.access.admit(cookie(headers, COOKIE)?, true)
}

/// What a browser keeps under a name.
pub(in super::super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(of, _)| *of == name).map(|(_, value)| value)
}

/// True when a request that changes something comes from the gateway's own page. Browsers say so;
/// other programs, which have no cookie to be misused, need not.
fn same_origin(headers: &HeaderMap, from_cookie: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin.strip_prefix("https://") == Some(host),
        (Some(_), None) => false,
        (None, _) => !from_cookie,
    }
}

/// Turns axum's own plain sentences into the API's form of a problem. What was sent may hold a
/// secret, so that of a body's fault nothing is repeated.
pub(in super::super) async fn in_words(request: Request, next: Next) -> Response {
    let has_body = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::DELETE
    );
    let response = next.run(request).await;
    let status = response.status();
    let media = response.headers().get(header::CONTENT_TYPE);
    let plain = media.is_none_or(|media| media.as_bytes().starts_with(b"text/plain"));
    if !(status.is_client_error() && plain) {
        return response;
    }
    let text = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            "this path takes other methods; see /api/v1/openapi.json".to_owned()
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            "send it as the media type that /api/v1/openapi.json names".to_owned()
        }
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too long".to_owned(),
        _ if has_body => {
            "the body is not what is expected here; see /api/v1/openapi.json".to_owned()
        }
        _ => {
            let body = axum::body::to_bytes(response.into_body(), 4096).await;
            let text = body.map(|body| String::from_utf8_lossy(&body).into_owned());
            return Problem::new(status, text.unwrap_or_default()).into_response();
        }
    };
    let (parts, _) = response.into_parts();
    let mut problem = Problem::new(status, text).into_response();
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem.map(Body::new)
}
