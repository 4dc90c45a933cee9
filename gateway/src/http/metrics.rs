//! `/metrics` in Prometheus' text form, and `/health`. No names of people, no keys, no prices.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(super::health))
}

async fn metrics(Shared(api): Shared<Api>) -> Response {
    let media = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (StatusCode::OK, media, text(&api)).into_response()
}

fn text(api: &Api) -> String {
    let state = api.state.borrow().clone();
    let mut page = Page::default();
    page.family("wattle_build_info", "gauge", "The software.");
    page.sample(
        "wattle_build_info",
        &[
            ("version", &state.gateway.version),
            ("gateway", &state.gateway.id),
        ],
        "1",
    );
    page.family(
        "wattle_start_time_seconds",
        "gauge",
        "When the daemon was started.",
    );
    let started = state.gateway.started_at.as_second().to_string();
    page.sample("wattle_start_time_seconds", &[], &started);
    page.family(
        "wattle_part_up",
        "gauge",
        "1 while a part of the daemon gives its sign of life.",
    );
    let health = api.health.health();
    for part in &health.parts {
        page.sample(
            "wattle_part_up",
            &[("part", &part.name)],
            if part.ok { "1" } else { "0" },
        );
    }
    page.family(
        "wattle_part_restarts_total",
        "counter",
        "How often a part was started again.",
    );
    for part in &health.parts {
        let restarts = part.restarts.to_string();
        page.sample(
            "wattle_part_restarts_total",
            &[("part", &part.name)],
            &restarts,
        );
    }
    page.family(
        "wattle_frames_total",
        "counter",
        "Messages of a meter by what came of them.",
    );
    for meter in &state.meters {
        for (result, count) in [("good", meter.telegrams), ("rejected", meter.rejected)] {
            let labels = [("meter", meter.name.as_str()), ("result", result)];
            page.sample("wattle_frames_total", &labels, &count.to_string());
        }
    }
    page.family(
        "wattle_meter_received_seconds",
        "gauge",
        "When a meter's last good message came.",
    );
    for meter in &state.meters {
        if let Some(at) = meter.received_at {
            let at = at.as_second().to_string();
            page.sample(
                "wattle_meter_received_seconds",
                &[("meter", &meter.name)],
                &at,
            );
        }
    }
    page.family(
        "wattle_meter_register",
        "gauge",
        "The last value of a register, in its unit.",
    );
    for meter in &state.meters {
        for register in &meter.registers {
            let labels = [
                ("meter", meter.name.as_str()),
                ("obis", register.obis.as_str()),
                ("unit", register.unit.as_str()),
            ];
            page.sample(
                "wattle_meter_register",
                &labels,
                &register.value.to_string(),
            );
        }
    }
    page.family(
        "wattle_notices",
        "gauge",
        "What is wrong or wants attention.",
    );
    page.sample("wattle_notices", &[], &state.notices.len().to_string());
    page.family(
        "wattle_followers",
        "gauge",
        "Clients that follow the events.",
    );
    let free = api.followers.available_permits();
    page.sample(
        "wattle_followers",
        &[],
        &super::FOLLOWERS.saturating_sub(free).to_string(),
    );
    super::bearers::measured(api, &mut page);
    if let Some(octets) = resident_octets() {
        page.family(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory of the daemon.",
        );
        page.sample("process_resident_memory_bytes", &[], &octets.to_string());
    }
    page.0
}

#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        let escaped = |text: &str| {
            text.replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n")
        };
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, text)| format!("{name}=\"{}\"", escaped(text)))
            .collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

/// Resident memory by the kernel's account; pages have 4 KiB on all machines this is built for.
fn resident_octets() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.sample("a", &[("meter", "my \"big\"\\house\n")], "1.5");
        page.sample("b", &[], "2");
        assert_eq!(page.0, "a{meter=\"my \\\"big\\\"\\\\house\\n\"} 1.5\nb 2\n");
    }
}
