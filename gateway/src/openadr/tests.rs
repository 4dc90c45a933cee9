//! A node against a simulated VTN.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use wattle_api::NoticeCode;

use super::*;
use crate::bus;
use crate::clock::Clock;
use crate::grid::follow::{Failures, PATIENCE};

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        "2026-05-01T12:00:00Z".parse().unwrap()
    }
}

#[derive(Default)]
struct Vtn {
    events: Vec<Value>,
    vens: Vec<Value>,
    reports: BTreeMap<String, Value>,
    /// What was asked, in order.
    asked: Vec<String>,
    /// The token that is taken.
    token: u32,
    url: String,
}

type Shared = State<Arc<Mutex<Vtn>>>;
type Params = Query<BTreeMap<String, String>>;

fn page(all: Vec<Value>, params: &BTreeMap<String, String>) -> Json<Vec<Value>> {
    let number = |name: &str| {
        params
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    };
    Json(
        all.into_iter()
            .skip(number("skip"))
            .take(number("limit"))
            .collect(),
    )
}

fn enter(vtn: &Shared, headers: &HeaderMap, what: &str) -> Result<(), StatusCode> {
    let mut vtn = vtn.lock().unwrap();
    vtn.asked.push(what.to_owned());
    let right = format!("Bearer t{}", vtn.token);
    let sent = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    (sent == Some(right.as_str()))
        .then_some(())
        .ok_or(StatusCode::UNAUTHORIZED)
}

async fn token(vtn: Shared, form: String) -> Result<Json<Value>, StatusCode> {
    let mut vtn = vtn.lock().unwrap();
    vtn.asked.push("token".to_owned());
    if form != "grant_type=client_credentials&client_id=home&client_secret=s3cret%20%26" {
        return Err(StatusCode::UNAUTHORIZED);
    }
    vtn.token += 1;
    Ok(Json(json!({
        "access_token": format!("t{}", vtn.token),
        "token_type": "Bearer",
        "expires_in": 3600,
    })))
}

async fn server(vtn: Shared) -> Json<Value> {
    let url = vtn.lock().unwrap().url.clone();
    Json(json!({ "tokenURL": format!("{url}/auth/token") }))
}

async fn events(
    vtn: Shared,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Json<Vec<Value>>, StatusCode> {
    enter(&vtn, &headers, "events")?;
    Ok(page(vtn.lock().unwrap().events.clone(), &params))
}

async fn vens(
    vtn: Shared,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Json<Vec<Value>>, StatusCode> {
    enter(&vtn, &headers, "vens")?;
    Ok(page(vtn.lock().unwrap().vens.clone(), &params))
}

async fn new_ven(
    vtn: Shared,
    headers: HeaderMap,
    Json(mut ven): Json<Value>,
) -> Result<StatusCode, StatusCode> {
    enter(&vtn, &headers, "new ven")?;
    assert_eq!(ven["objectType"], "VEN_VEN_REQUEST");
    ven["objectType"] = json!("VEN");
    vtn.lock().unwrap().vens.push(ven);
    Ok(StatusCode::CREATED)
}

async fn reports(
    vtn: Shared,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Json<Vec<Value>>, StatusCode> {
    enter(&vtn, &headers, "reports")?;
    let all = vtn.lock().unwrap().reports.clone();
    let of_event = |report: &Value| report["eventID"] == params["eventID"].as_str();
    Ok(page(all.into_values().filter(of_event).collect(), &params))
}

async fn new_report(
    vtn: Shared,
    headers: HeaderMap,
    Json(mut report): Json<Value>,
) -> Result<StatusCode, StatusCode> {
    enter(&vtn, &headers, "new report")?;
    let mut vtn = vtn.lock().unwrap();
    let id = format!("r{}", vtn.reports.len());
    report["id"] = json!(id);
    vtn.reports.insert(id, report);
    Ok(StatusCode::CREATED)
}

async fn put_report(
    vtn: Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(mut report): Json<Value>,
) -> Result<StatusCode, StatusCode> {
    enter(&vtn, &headers, "put report")?;
    report["id"] = json!(id);
    vtn.lock().unwrap().reports.insert(id, report);
    Ok(StatusCode::OK)
}

/// A VTN that answers until the test ends, and its address.
async fn vtn(events_of: Vec<Value>) -> (Arc<Mutex<Vtn>>, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/openadr3", listener.local_addr().unwrap());
    let vtn = Arc::new(Mutex::new(Vtn {
        events: events_of,
        url: url.clone(),
        ..Vtn::default()
    }));
    let routes = Router::new()
        .route("/auth/server", get(server))
        .route("/auth/token", post(token))
        .route("/events", get(events))
        .route("/vens", get(vens).post(new_ven))
        .route("/reports", get(reports).post(new_report))
        .route("/reports/{id}", put(put_report));
    let app = Router::new()
        .nest("/openadr3", routes)
        .with_state(Arc::clone(&vtn));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (vtn, url)
}

fn event(id: &str, payload: &Value) -> Value {
    json!({
        "id": id, "objectType": "EVENT", "programID": "p1", "eventName": "peak",
        "createdDateTime": "2026-05-01T10:00:00Z", "modificationDateTime": "2026-05-01T10:00:00Z",
        "intervalPeriod": { "start": "2026-05-01T15:00:00Z", "duration": "PT1H" },
        "intervals": [{ "id": 0, "payloads": [payload] }],
    })
}

struct Home {
    _folder: tempfile::TempDir,
    settings: Settings,
    prices: mpsc::Receiver<String>,
}

fn home(url: &str) -> Home {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret &\n").unwrap();
    let store = crate::store::Store::open(
        &crate::store::Settings {
            folder: folder.path().join("state"),
            zone: jiff::tz::TimeZone::UTC,
            readings_days: 7,
            raw_megabytes: 1,
        },
        Bus::default(),
    )
    .unwrap();
    let (out, prices) = mpsc::channel(8);
    let settings = Settings {
        config: OpenadrConfig {
            vtn: url.to_owned(),
            client_id: "home".to_owned(),
            client_secret: Some(format!("file:{}", secret.display()).try_into().unwrap()),
            ..OpenadrConfig::default()
        },
        gateway: "0a0b0c".to_owned(),
        board: Board::default(),
        prices: Some(out),
        readers: store.readers(),
        meter: None,
        ledger: store.ledger(),
        bus: Bus::default(),
        clock: Arc::new(Fixed),
    };
    Home {
        _folder: folder,
        settings,
        prices,
    }
}

#[tokio::test]
async fn events_prices_and_a_choice() {
    let simple = event("e1", &json!({ "type": "SIMPLE", "values": [2] }));
    let price = event("e2", &json!({ "type": "PRICE", "values": [0.31] }));
    let mut all = vec![simple, price, json!({ "id": "e3", "objectType": "EVENT" })];
    // More than a page.
    all.extend((0..60).map(|n| event(&format!("f{n}"), &json!({ "type": "GHG", "values": [1] }))));
    let (vtn, url) = vtn(all).await;
    let mut home = home(&url);
    let mut node = Node::new(home.settings.clone()).unwrap();
    node.round(&Choices::new()).await.unwrap();
    let now = Fixed.now();
    let asked = home.settings.board.events(now);
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].id.as_str(), asked[0].level),
        ("openadr:e1", Some(2.into()))
    );
    assert!(home.prices.try_recv().unwrap().contains("\"e2\""));
    assert_eq!(vtn.lock().unwrap().vens[0]["venName"], "wattle");

    // The same again tells nothing anew; the token is kept.
    vtn.lock().unwrap().asked.clear();
    node.round(&Choices::new()).await.unwrap();
    assert!(home.prices.try_recv().is_err());
    assert_eq!(vtn.lock().unwrap().asked, ["events", "events"]);

    // The household says no, then yes; another token is asked for in between.
    for (opt, state) in [
        (OptState::Out, "RUNNING_OPTED_OUT"),
        (OptState::In, "NORMAL"),
    ] {
        home.settings.board.choose("openadr:e1", opt, now).unwrap();
        vtn.lock().unwrap().token += 10;
        let said = home.settings.board.choices().borrow().clone();
        node.round(&said).await.unwrap();
        let vtn = vtn.lock().unwrap();
        assert_eq!(vtn.reports.len(), 1);
        let report = &vtn.reports["r0"];
        assert_eq!(
            (&report["eventID"], &report["clientName"]),
            (&json!("e1"), &json!("wattle"))
        );
        let payload = &report["resources"][0]["intervals"][0]["payloads"][0];
        assert_eq!(
            *payload,
            json!({ "type": "OPERATING_STATE", "values": [state] })
        );
    }
}

#[tokio::test]
async fn a_wrong_secret_and_a_lost_server_are_told_and_nothing_is_forgotten() {
    let simple = event("e1", &json!({ "type": "SIMPLE", "values": [2] }));
    let (vtn, url) = vtn(vec![simple]).await;
    let home = home(&url);
    let mut heard = home.settings.bus.listen();
    let mut node = Node::new(home.settings.clone()).unwrap();
    let round = node.round(&Choices::new()).await;
    let mut counted = Failures::default();
    assert_eq!(counted.count(round, &node), 0);
    vtn.lock().unwrap().token += 1;
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), "other").unwrap();
    let secret = format!("file:{}", wrong.path().display());
    let config = OpenadrConfig {
        client_secret: Some(secret.try_into().unwrap()),
        ..home.settings.config.clone()
    };
    node.vtn = super::vtn::Vtn::new(&config).unwrap();
    for failures in 1..=PATIENCE {
        let round = node.round(&Choices::new()).await;
        let error = format!("{:#}", round.as_ref().unwrap_err());
        assert!(
            error.contains("client_secret") && !error.contains("other"),
            "{error}"
        );
        assert_eq!(counted.count(round, &node), failures);
    }
    let Ok(bus::Event::Notices { notices, .. }) = heard.try_recv() else {
        panic!("the household was not told");
    };
    assert_eq!(notices[0].code, NoticeCode::UtilityLost);
    assert_eq!(home.settings.board.events(Fixed.now()).len(), 1);
}
