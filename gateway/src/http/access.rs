//! Sessions, pairing, users and tokens.

use axum::extract::{Extension, Path, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use wattle_api::{
    Caller, Grant, IssuedToken, LogBook, Login, NewToken, OpenPairing, PAIR_PATH, PAIRING_PATH,
    Pair, Pairing, Role, SESSION_PATH, TOKENS_PATH, USERS_PATH, User,
};

use super::lan::Peer;
use super::lan::guard::COOKIE;
use super::{Api, Problem};
use crate::access::{AccessError, Admitted, Session};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(SESSION_PATH, get(whoami).post(login).delete(logout))
        .route(PAIR_PATH, post(pair))
        .route(PAIRING_PATH, post(open_pairing).delete(close_pairing))
        .route(USERS_PATH, get(users))
        .route(&format!("{USERS_PATH}/{{name}}"), delete(remove_user))
        .route(TOKENS_PATH, get(grants).post(issue))
        .route(&format!("{TOKENS_PATH}/{{id}}"), delete(revoke))
}

async fn whoami(Extension(caller): Extension<Caller>) -> Json<Caller> {
    Json(caller)
}

async fn login(
    Shared(api): Shared<Api>,
    peer: Option<Extension<Peer>>,
    Json(asked): Json<Login>,
) -> Result<Response, Problem> {
    Ok(with_cookie(log_in(&api, peer.as_deref(), asked).await?))
}

/// Makes a session for a name and its password.
pub(super) async fn log_in(
    api: &Api,
    peer: Option<&Peer>,
    asked: Login,
) -> Result<Session, Problem> {
    let name = asked.name.clone();
    let made = slowly(api, peer, move |api, peer| {
        api.keeping.access.login(&asked, peer)
    })
    .await?;
    if let Err(AccessError::Locked(_)) = &made {
        api.log(
            LogBook::System,
            "locked_out",
            &format!("Too many wrong passwords for {name:?}."),
        );
    }
    Ok(made?)
}

async fn pair(
    Shared(api): Shared<Api>,
    peer: Option<Extension<Peer>>,
    Json(asked): Json<Pair>,
) -> Result<Response, Problem> {
    Ok(with_cookie(make_user(&api, peer.as_deref(), asked).await?))
}

/// Makes a user with the code of the display.
pub(super) async fn make_user(
    api: &Api,
    peer: Option<&Peer>,
    asked: Pair,
) -> Result<Session, Problem> {
    let made = slowly(api, peer, move |api, peer| {
        api.keeping.access.pair(&asked, peer)
    })
    .await?;
    match &made {
        Ok(session) => {
            let Caller { name, role, .. } = &session.caller;
            let text = format!("{name:?} was made a user ({}).", role.name());
            api.log(LogBook::System, "user_made", &text);
            api.log(LogBook::Consumer, "user_made", &text);
        }
        Err(AccessError::Locked(_)) => {
            api.log(
                LogBook::System,
                "locked_out",
                "Too many wrong pairing codes.",
            );
        }
        Err(_) => {}
    }
    Ok(made?)
}

/// Passwords are hashed one at a time, so that nobody fills the memory with them.
async fn slowly(
    api: &Api,
    peer: Option<&Peer>,
    work: impl FnOnce(&Api, &str) -> Result<Session, AccessError> + Send + 'static,
) -> Result<Result<Session, AccessError>, Problem> {
    let group = peer.map_or_else(|| "local".to_owned(), Peer::group);
    let turn = std::sync::Arc::clone(&api.hashing).acquire_owned().await;
    let own = api.clone();
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&own, &group);
        drop(turn);
        done
    });
    done.await
        .map_err(|_| Problem::internal("the password could not be checked"))
}

/// The answer that makes a browser keep a session.
pub(super) fn cookie(session: &Session) -> Option<HeaderValue> {
    let text = format!(
        "{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={}",
        session.key.0, session.seconds
    );
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The answer that makes a browser forget it.
pub(super) const NO_COOKIE: &str =
    "__Host-wattle=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";

fn with_cookie(session: Session) -> Response {
    let cookie = cookie(&session);
    let mut response = Json(session.caller).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

async fn logout(
    Shared(api): Shared<Api>,
    admitted: Option<Extension<Admitted>>,
) -> Result<Response, Problem> {
    end_session(&api, admitted.as_deref())?;
    let gone = [(header::SET_COOKIE, NO_COOKIE)];
    Ok((StatusCode::NO_CONTENT, gone).into_response())
}

/// Ends the session that asks; a token stays, it is taken back by its identifier.
pub(super) fn end_session(api: &Api, admitted: Option<&Admitted>) -> Result<(), Problem> {
    match admitted {
        Some(admitted) if admitted.session => {
            Ok(api.keeping.access.revoke(&admitted.grant, None)?)
        }
        _ => Ok(()),
    }
}

async fn open_pairing(
    Shared(api): Shared<Api>,
    Json(asked): Json<OpenPairing>,
) -> Result<Json<Pairing>, Problem> {
    let pairing = api.keeping.access.open_pairing(asked.role)?;
    let text = format!("A pairing was opened ({}).", asked.role.name());
    api.log(LogBook::System, "pairing_opened", &text);
    Ok(Json(pairing))
}

async fn close_pairing(Shared(api): Shared<Api>) -> StatusCode {
    api.keeping.access.close_pairing();
    StatusCode::NO_CONTENT
}

async fn users(Shared(api): Shared<Api>) -> Json<Vec<User>> {
    Json(api.keeping.access.users())
}

async fn remove_user(
    Shared(api): Shared<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    drop_user(&api, &name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a user.
pub(super) fn drop_user(api: &Api, name: &str) -> Result<(), Problem> {
    api.keeping.access.remove_user(name)?;
    let text = format!("{name:?} is no user any more.");
    api.log(LogBook::System, "user_removed", &text);
    api.log(LogBook::Consumer, "user_removed", &text);
    Ok(())
}

/// Whose grants a caller sees: the household all, others their own.
pub(super) fn whose(caller: &Caller) -> Option<&str> {
    (caller.role != Role::Household).then_some(caller.name.as_str())
}

async fn grants(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
) -> Json<Vec<Grant>> {
    Json(api.keeping.access.grants(whose(&caller)))
}

async fn issue(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), Problem> {
    Ok((
        StatusCode::CREATED,
        Json(make_token(&api, &caller, &asked)?),
    ))
}

/// Makes a token.
pub(super) fn make_token(
    api: &Api,
    caller: &Caller,
    asked: &NewToken,
) -> Result<IssuedToken, Problem> {
    let issued = api.keeping.access.issue(caller, asked)?;
    let Grant {
        user, role, label, ..
    } = &issued.grant;
    let text = format!("{user:?} made a token for {label:?} ({}).", role.name());
    api.log(LogBook::System, "token_made", &text);
    Ok(issued)
}

async fn revoke(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    api.keeping.access.revoke(&id, whose(&caller))?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let status = match error {
            AccessError::Refused => StatusCode::UNAUTHORIZED,
            AccessError::Locked(_) => StatusCode::TOO_MANY_REQUESTS,
            AccessError::Unknown => StatusCode::NOT_FOUND,
            AccessError::Role => StatusCode::FORBIDDEN,
            AccessError::Kept(_) => StatusCode::INTERNAL_SERVER_ERROR,
            AccessError::Rule(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.to_string())
    }
}
