//! The ways out of the house that the relay may take.

use axum::extract::State as Shared;
use axum::routing::get;
use axum::{Json, Router};
use wattle_api::{BEARERS_PATH, Bearer};

use super::Api;
use super::metrics::Page;

pub(super) fn routes() -> Router<Api> {
    Router::new().route(BEARERS_PATH, get(bearers))
}

async fn bearers(Shared(api): Shared<Api>) -> Json<Vec<Bearer>> {
    Json(api.bearers.all(api.clock.now()))
}

/// What of them belongs to the metrics.
pub(super) fn measured(api: &Api, page: &mut Page) {
    let all = api.bearers.all(api.clock.now());
    if all.is_empty() {
        return;
    }
    type Of = fn(&Bearer) -> Option<u64>;
    let families: [(&str, &str, &str, Of); 5] = [
        (
            "wattle_bearer_in_use",
            "gauge",
            "1 while the relay goes over a bearer.",
            |bearer| Some(bearer.in_use.into()),
        ),
        (
            "wattle_bearer_sent_octets_total",
            "counter",
            "Octets that the interface of a bearer has sent.",
            |bearer| Some(bearer.sent_octets),
        ),
        (
            "wattle_bearer_received_octets_total",
            "counter",
            "Octets that the interface of a bearer has received.",
            |bearer| Some(bearer.received_octets),
        ),
        (
            "wattle_bearer_budget_used_octets",
            "gauge",
            "Octets of this month's budget that are used.",
            |bearer| bearer.budget.as_ref().map(|budget| budget.used_octets),
        ),
        (
            "wattle_modem_signal_percent",
            "gauge",
            "Quality of the modem's signal.",
            |bearer| bearer.modem.as_ref()?.signal_percent.map(u64::from),
        ),
    ];
    for (name, kind, help, of) in families {
        page.family(name, kind, help);
        for bearer in &all {
            if let Some(value) = of(bearer) {
                let labels = [
                    ("bearer", bearer.name.as_str()),
                    ("interface", bearer.interface.as_str()),
                ];
                page.sample(name, &labels, &value.to_string());
            }
        }
    }
    page.family(
        "wattle_bearer_changes_total",
        "counter",
        "How often one bearer took the place of another.",
    );
    let changes = api.bearers.changes().to_string();
    page.sample("wattle_bearer_changes_total", &[], &changes);
}
