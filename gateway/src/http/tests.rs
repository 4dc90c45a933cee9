//! Who gets in from the network: every route, every role, over the very router that is served.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{Request, header};
use jiff::Timestamp;
use rust_decimal::Decimal;
use tower_service::Service;
use wattle_api::{Gateway, Month, NewToken, RecipientKind};

use super::table::{Allow, Input, TABLE};
use super::*;
use crate::bus::Bus;
use crate::clock::SystemClock;
use crate::store::{Settings, Store};
use crate::supervisor::Supervisor;
use crate::view::{self, Sources};

pub(super) struct Home {
    _folder: tempfile::TempDir,
    /// The store ends with it.
    _store: Store,
    router: Router,
    pub(super) access: Access,
    ledger: Ledger,
}

pub(super) fn home() -> Home {
    home_of(None)
}

/// A home of this state.
pub(super) fn home_of(state: Option<State>) -> Home {
    let folder = tempfile::tempdir().unwrap();
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let clock: SharedClock = Arc::new(SystemClock);
    let bus = Bus::default();
    let settings = Settings {
        folder: folder.path().to_path_buf(),
        zone: zone.clone(),
        readings_days: 7,
        raw_megabytes: 0,
    };
    let store = Store::open(&settings, bus.clone()).unwrap();
    let (_, tariff) = watch::channel(None);
    let sources = Sources {
        bus,
        clock: Arc::clone(&clock),
        zone: zone.clone(),
        meters: Vec::new(),
        tariff: tariff.clone(),
        grid: crate::grid::Board::default(),
        gateway: Gateway {
            id: "0a1b2c".to_owned(),
            version: "0".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
        },
    };
    let state = state.unwrap_or_else(|| view::empty(&sources));
    let (_, state) = watch::channel(Arc::new(state));
    let supervisor = Supervisor::default();
    let access = Access::open(folder.path().to_path_buf(), Arc::clone(&clock)).unwrap();
    let ledger = store.ledger();
    let keeping = Keeping {
        access: access.clone(),
        ledger: ledger.clone(),
        logbooks: store.logbooks(),
        consents: watch::Sender::default(),
        prices: crate::prices::Settings {
            config: crate::config::TariffConfig::default(),
            grid: None,
            folder: folder.path().to_path_buf(),
            zone: zone.clone(),
            clock: Arc::clone(&clock),
            nudge: Arc::default(),
            privacy: None,
        },
        state_dir: folder.path().to_path_buf(),
        reload: Arc::default(),
    };
    let home = super::Home {
        grid: None,
        zone,
        tariff,
        monthly_budget: None,
        supplies: Vec::new(),
    };
    let (health, stop) = (supervisor.health(), supervisor.stop());
    let api = Api::new(state, store.readers(), clock, health, stop, home, keeping);
    Home {
        _folder: folder,
        router: web_router(api),
        _store: store,
        access,
        ledger,
    }
}

/// A path with something in the place of its parameters.
fn filled(path: &str) -> String {
    path.replace("{meter}", "house")
        .replace("{obis}", "1-0:1.8.0")
        .replace("{book}", "system")
        .replace("{id}", "0123456789abcdef")
        .replace("{name}", "nobody")
        .replace("{file}", "style.css")
}

impl Home {
    pub(super) async fn ask(&self, request: axum::http::request::Builder, body: &str) -> Response {
        let mut request = request
            .header(header::HOST, "wattle.local:8443")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let peer: SocketAddr = "192.168.1.9:50000".parse().unwrap();
        request.extensions_mut().insert(lan::Peer(peer));
        self.router.clone().call(request).await.unwrap()
    }

    async fn as_role(&self, method: &str, path: &str, role: Option<Role>) -> StatusCode {
        let mut request = Request::builder().method(method).uri(filled(path));
        if let Some(role) = role {
            let value = format!("Bearer {}", self.token(role));
            request = request.header(header::AUTHORIZATION, value);
        }
        self.ask(request, "").await.status()
    }

    pub(super) fn token(&self, role: Role) -> String {
        let caller = Caller {
            name: "anna".to_owned(),
            role: Role::Household,
            expires_at: None,
        };
        let asked = NewToken {
            label: "test".to_owned(),
            role,
            days: 1,
        };
        self.access.issue(&caller, &asked).unwrap().token.0
    }
}

pub(super) async fn text(response: Response) -> String {
    let octets = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    String::from_utf8_lossy(&octets).into_owned()
}

#[tokio::test]
async fn every_route_without_a_token_answers_401() {
    let home = home();
    let mut asked = 0;
    for row in TABLE.iter().filter(|row| row.allow != Allow::Anyone) {
        let status = home.as_role(row.method, row.path, None).await;
        assert_eq!(status, 401, "{} {}", row.method, row.path);
        asked += 1;
    }
    // Before the first user the page shows the set-up, and nothing else.
    home.access.tick();
    for (path, _) in web::paths().filter(|(_, allow)| *allow != Allow::Anyone) {
        let response = home.ask(Request::builder().uri(filled(path)), "").await;
        let shown = text(response).await;
        assert!(shown.contains("Set up your gateway"), "{path}");
    }
    let pairing = home.access.web().borrow().pairing.clone().unwrap();
    let asked_for = wattle_api::Pair {
        code: pairing.code,
        name: "anna".to_owned(),
        password: wattle_api::SecretText("correct horse".to_owned()),
    };
    home.access.pair(&asked_for, "x").unwrap();
    for (path, _) in web::paths().filter(|(_, allow)| *allow != Allow::Anyone) {
        let status = home.as_role("GET", path, None).await;
        assert_eq!(status, 401, "{path}");
        asked += 1;
    }
    assert_eq!(home.as_role("GET", "/api/v1/nothing", None).await, 401);
    assert!(asked > 60, "{asked}");
}

#[tokio::test]
async fn every_role_may_what_the_table_says() {
    let home = home();
    for row in TABLE {
        for role in [Role::Household, Role::Installer, Role::Metrics] {
            let status = home.as_role(row.method, row.path, Some(role)).await;
            let name = format!("{} {} as {}", row.method, row.path, role.name());
            if row.allow.admits(role) {
                assert_ne!(status, 403, "{name}");
                assert_ne!(status, 405, "{name}");
                assert!(status != 401 || row.allow == Allow::Anyone, "{name}");
                let sends_nothing = matches!(row.input, Input::Nothing);
                assert!(
                    status != 404 || !sends_nothing || row.problems.contains(&404),
                    "{name} is in no router"
                );
            } else {
                assert_eq!(status, 403, "{name}");
            }
        }
    }
    for (path, allow) in web::paths() {
        for role in [Role::Household, Role::Installer, Role::Metrics] {
            let status = home.as_role("GET", path, Some(role)).await;
            assert_eq!(status == 403, !allow.admits(role), "{path} as {role:?}");
            assert_ne!(status, 404, "{path} is in no router");
        }
    }
}

#[tokio::test]
async fn the_roles_are_who_they_should_be() {
    let home = home();
    for (method, path, installer, metrics) in [
        ("GET", "/metrics", 200, 200),
        ("GET", "/health", 200, 200),
        ("GET", "/api/v1/state", 200, 403),
        ("GET", "/api/v1/usage", 403, 403),
        ("GET", "/api/v1/bill", 403, 403),
        ("GET", "/api/v1/appliances", 403, 403),
        ("GET", "/api/v1/privacy/ledger", 403, 403),
        ("PUT", "/api/v1/privacy/consents", 403, 403),
        ("POST", "/api/v1/privacy/erase", 403, 403),
        ("GET", "/api/v1/privacy/export", 403, 403),
        ("GET", "/api/v1/backup", 403, 403),
        ("POST", "/api/v1/restore", 403, 403),
        ("GET", "/api/v1/users", 403, 403),
        ("POST", "/api/v1/pairing", 403, 403),
        ("PUT", "/api/v1/tariff", 403, 403),
        ("GET", "/api/v1/logs/system", 200, 403),
        ("GET", "/api/v1/logs/consumer", 403, 403),
        ("POST", "/api/v1/radio/adopt", 400, 403),
        ("GET", "/api/v1/zigbee", 403, 403),
        ("POST", "/api/v1/zigbee/switch", 403, 403),
        ("POST", "/api/v1/zigbee/join", 400, 403),
        ("POST", "/api/v1/zigbee/replace", 400, 403),
    ] {
        for (role, want) in [(Role::Installer, installer), (Role::Metrics, metrics)] {
            let status = home.as_role(method, path, Some(role)).await;
            assert_eq!(status, want, "{method} {path} as {role:?}");
        }
    }
}

#[tokio::test]
async fn wrong_pairing_codes_are_locked_out() {
    let home = home();
    home.access.tick();
    let body = r#"{"code":"1","name":"eve","password":"correct horse"}"#;
    let pair = || {
        Request::builder()
            .method("POST")
            .uri(wattle_api::PAIR_PATH)
            .header(header::CONTENT_TYPE, "application/json")
    };
    for _ in 0..5 {
        assert_eq!(home.ask(pair(), body).await.status(), 401);
    }
    assert_eq!(home.ask(pair(), body).await.status(), 429);
    assert!(
        home.access.web().borrow().pairing.is_none(),
        "five wrong tries void the code"
    );
}

#[tokio::test]
async fn a_session_changes_things_only_from_the_gateway_s_own_page() {
    let home = home();
    home.access.tick();
    let pairing = home.access.web().borrow().pairing.clone().unwrap();
    let body = serde_json::json!({
        "code": pairing.code, "name": "anna", "password": "correct horse",
    });
    let pair = Request::builder()
        .method("POST")
        .uri(wattle_api::PAIR_PATH)
        .header(header::CONTENT_TYPE, "application/json");
    let response = home.ask(pair, &body.to_string()).await;
    assert_eq!(response.status(), 200);
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    for part in ["__Host-", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let consent = r#"{"kind":"mqtt","allowed":false}"#;
    let put = || {
        Request::builder()
            .method("PUT")
            .uri(wattle_api::CONSENTS_PATH)
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/json")
    };
    for (name, value, want) in [
        ("x-nothing", "", 403),
        ("origin", "https://evil.example", 403),
        ("origin", "https://wattle.local:8443", 200),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-origin", 200),
    ] {
        let status = home.ask(put().header(name, value), consent).await.status();
        assert_eq!(status, want, "{name}: {value}");
    }
    assert!(!home.ledger.allows(RecipientKind::Mqtt).unwrap());
    let get = Request::builder()
        .uri(STATE_PATH)
        .header(header::COOKIE, &cookie);
    home.access.open_pairing(Role::Household).unwrap();
    let state = text(home.ask(get, "").await).await;
    assert!(
        state.contains("\"web\"") && !state.contains("pairing"),
        "{state}"
    );
    let rows = home
        .ledger
        .disclosures("2000-01-01".parse().unwrap(), jiff::civil::Date::MAX)
        .unwrap();
    assert!(
        rows.iter()
            .any(|row| row.recipient == "anna" && row.fields == "live state"),
        "{rows:?}"
    );
}

#[test]
fn an_installer_sees_no_usage() {
    let home = home();
    let month = Month {
        import_kwh: Decimal::ONE,
        cost: None,
        since: Timestamp::UNIX_EPOCH,
    };
    let caller = |role| Caller {
        name: "a".to_owned(),
        role,
        expires_at: None,
    };
    let mut state: State = serde_json::from_value(serde_json::json!({
        "at": "2026-11-22T10:00:00Z", "meters": [], "notices": [],
        "gateway": {"id": "0a1b2c", "version": "0", "time_zone": "UTC", "started_at": "2026-11-22T10:00:00Z"},
    }))
    .unwrap();
    state.month = Some(month);
    let web = home.access.web().borrow().clone();
    for (role, seen) in [(Role::Household, true), (Role::Installer, false)] {
        let shown = seen_by(state.clone(), &caller(role), web.clone(), false);
        assert_eq!(shown.month.is_some(), seen);
    }
}
