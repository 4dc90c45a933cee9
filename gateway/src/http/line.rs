//! Lending a meter's line to a command on the gateway.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream;
use tokio::time::{Instant, MissedTickBehavior, interval};
use wattle_api::{BorrowLine, LINE_LENT, LINE_PATH, LogBook};

use super::{Api, Problem};
use crate::lines::Refusal;

/// Longest wait for those who read there: an exchange that is under way is ended in order.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest loan: a command that hangs does not keep a meter from being read for ever.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How soon it is found that the command has ended.
const BEAT: Duration = Duration::from_millis(250);

pub(super) fn routes() -> Router<Api> {
    Router::new().route(LINE_PATH, post(lend))
}

/// Answers when the line is free, and lends it until the answer is read no more.
async fn lend(
    Shared(api): Shared<Api>,
    request: Result<Json<BorrowLine>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(request) = request.map_err(|rejection| Problem::rule(rejection.body_text()))?;
    let borrowed = tokio::time::timeout(PATIENCE, api.lines.borrow(&request.meter)).await;
    let loan = match borrowed {
        Ok(Ok(loan)) => loan,
        Ok(Err(refusal)) => {
            let status = match refusal {
                Refusal::Unknown => StatusCode::NOT_FOUND,
                Refusal::Lent => StatusCode::CONFLICT,
            };
            return Err(Problem::new(status, refusal.to_string()));
        }
        Err(_) => {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the meter's line did not come free within {PATIENCE:?}"),
            ));
        }
    };
    let text = format!(
        "The line of the meter {:?} was lent to a command.",
        request.meter
    );
    api.log(LogBook::System, "line_lent", &text);
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (end, stop) = (Instant::now() + LONGEST, api.stop.clone());
    let first = Bytes::from(format!("{LINE_LENT}\n"));
    let beats = stream::unfold(
        (Some(first), loan, ticks),
        move |(first, loan, mut ticks)| {
            let stop = stop.clone();
            async move {
                tokio::select! {
                    () = stop.cancelled() => return None,
                    _ = ticks.tick() => {}
                }
                if Instant::now() >= end {
                    tracing::warn!("a command had a meter's line for too long; it is read again");
                    return None;
                }
                let beat = first.unwrap_or(Bytes::from_static(b"\n"));
                Some((Ok::<_, std::convert::Infallible>(beat), (None, loan, ticks)))
            }
        },
    );
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, Body::from_stream(beats)).into_response())
}
