//! Paying in advance: the balance is what was paid in less what the bill says, across midnight, the end
//! of a month, restarts, and a store that lost its last rows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use gateway::bus::{Bus, Event};
use gateway::clock::Clock;
use gateway::prepay::{Ask, Board, Settings};
use gateway::store::{Incoming, Settings as StoreSettings, Store};
use gateway::tariff;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use rust_decimal::Decimal;
use tokio::sync::watch;
use wattle_api::{Credit, EmergencyCredit, Prepay, PrepaySupply};
use wattle_billing::prepay::{FriendlyHours, Terms};

const TARIFF: &str = r#"
    version = 1
    name = "prepay"
    currency = "GBP"
    zone = "Europe/London"
    [bands.all]
    rate = "0.30"
    [[schedule]]
    band = "all"
    [[standing]]
    id = "standing"
    amount = "0.50"
    per = "day"
"#;

#[derive(Debug)]
struct Hands(Mutex<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct House {
    folder: tempfile::TempDir,
    clock: Arc<Hands>,
    bus: Bus,
    /// Wh on the register.
    wh: Mutex<Decimal>,
}

fn zone() -> TimeZone {
    TimeZone::get("Europe/London").unwrap()
}

fn at(text: &str) -> Timestamp {
    let local: DateTime = text.parse().unwrap();
    local.to_zoned(zone()).unwrap().timestamp()
}

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

impl House {
    fn new(start: &str) -> Self {
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(Hands(Mutex::new(at(start)))),
            bus: Bus::default(),
            wh: Mutex::new(Decimal::from(1_000_000)),
        };
        std::fs::write(house.folder.path().join("tariff.toml"), TARIFF).unwrap();
        house.meter(at(start), at(start));
        house
    }

    fn store(&self) -> Store {
        let settings = StoreSettings {
            folder: self.folder.path().to_path_buf(),
            zone: zone(),
            readings_days: 400,
            raw_megabytes: 1,
        };
        Store::open(&settings, self.bus.clone()).unwrap()
    }

    /// One kWh an hour: a reading at each quarter-hour from one instant to another, both included.
    fn meter(&self, from: Timestamp, to: Timestamp) {
        let store = self.store();
        let queue = store.queue();
        let mut wh = self.wh.lock().unwrap();
        let mut at = from;
        while at <= to {
            let value = RegisterValue {
                register: ObisCode::ACTIVE_ENERGY_IMPORT,
                value: Value::Number(*wh),
                unit: Some(Unit::WattHour),
                status: None,
                captured_at: None,
                quirk: None,
            };
            let incoming = Incoming {
                fields: Vec::new(),
                doubts: Vec::new(),
                counter: None,
                name: "house".to_owned(),
                serial: "1SIM0000000001".to_owned(),
                received_at: at,
                port: "none".to_owned(),
                telegram: Telegram {
                    meter: MeterId::new("1SIM0000000001"),
                    values: vec![value],
                    check: Check::Crc,
                    ..Telegram::default()
                },
            };
            queue.blocking_send(incoming).unwrap();
            *wh += Decimal::from(250);
            at += SignedDuration::from_mins(15);
        }
        drop(queue);
        store.close();
    }

    /// Time goes on, one kWh an hour.
    fn until(&self, text: &str) {
        let from = self.clock.now() + SignedDuration::from_mins(15);
        self.meter(from, at(text));
        *self.clock.0.lock().unwrap() = at(text);
    }

    fn board(&self, balance: &str) -> Board {
        let store = self.store();
        let readers = store.readers();
        store.close();
        let tariff = tariff::load(&self.folder.path().join("tariff.toml"), &zone()).unwrap();
        let (_, tariff) = watch::channel(Some(Arc::new(tariff)));
        Board::new(Settings {
            terms: Terms {
                emergency_threshold: d("1"),
                emergency_limit: d("5"),
                low_credit: d("2"),
                disablement: d("0"),
                friendly: vec![FriendlyHours {
                    days: Vec::new(),
                    from: Time::constant(22, 0, 0, 0),
                    to: Time::constant(9, 0, 0, 0),
                }],
                zone: zone(),
                debts: Vec::new(),
                weekly_cap: None,
            },
            opening: d(balance),
            meter: "house".to_owned(),
            state_dir: self.folder.path().to_path_buf(),
            readers,
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            zone: zone(),
            tariff,
        })
    }
}

fn told(board: &Board) -> Prepay {
    board.count().unwrap();
    board.prepay().unwrap()
}

fn balance(board: &Board) -> Decimal {
    told(board).balance.amount
}

#[test]
fn the_account_follows_the_bill() {
    let house = House::new("2026-10-30T12:00:00");
    let board = house.board("50");
    assert_eq!(balance(&board), d("50"));
    // An hour and the day's standing charge.
    house.until("2026-10-30T13:00:00");
    assert_eq!(balance(&board), d("49.2"));
    // Another start opens the same account, whatever the configuration says of the first balance.
    assert_eq!(balance(&house.board("7")), d("49.2"));
    // To noon of the second day of November: 71 h more, and three more days.
    house.until("2026-11-02T12:00:00");
    let after = told(&board);
    assert_eq!(after.balance.amount, d("49.2") - d("21.3") - d("1.5"));
    assert_eq!(after.until, at("2026-11-02T12:00:00"));
    assert_eq!(balance(&house.board("7")), after.balance.amount);
}

#[test]
fn credit_runs_out_in_friendly_hours_and_comes_back() {
    let house = House::new("2026-11-10T20:00:00");
    let mut events = house.bus.listen();
    let board = house.board("2.30");
    board.count().unwrap();
    house.until("2026-11-10T21:00:00");
    let low = told(&board);
    assert_eq!((low.balance.amount, low.low), (d("1.5"), true));
    // Used up in the night: the supply stays until nine.
    house.until("2026-11-11T08:00:00");
    let night = told(&board);
    assert_eq!(
        (night.supply, night.friendly),
        (PrepaySupply::Enabled, true)
    );
    assert!(night.balance.amount < Decimal::ZERO);
    house.until("2026-11-11T09:00:00");
    assert_eq!(told(&board).supply, PrepaySupply::Disabled);
    assert!(board.ask(Ask::SwitchOn).is_err());
    // Emergency credit takes what was overdrawn and arms the supply; the person switches it on.
    let active = board.ask(Ask::Emergency).unwrap();
    let overdrawn = d("1.5") - d("3.6") - d("0.5");
    let left = wattle_api::Money {
        amount: d("5") + overdrawn,
        currency: "GBP".to_owned(),
    };
    assert_eq!(active.emergency, EmergencyCredit::Active { left });
    assert_eq!(active.supply, PrepaySupply::Armed);
    assert_eq!(
        board.ask(Ask::SwitchOn).unwrap().supply,
        PrepaySupply::Enabled
    );
    // The bus heard of it, and what it heard last is what the account says.
    let mut last = None;
    while let Ok(event) = events.try_recv() {
        if let Event::Prepay(prepay) = event {
            last = Some(prepay.supply);
        }
    }
    assert_eq!(last, Some(PrepaySupply::Enabled));
}

#[test]
fn a_code_waits_for_the_supplier() {
    let house = House::new("2026-11-10T20:00:00");
    let board = house.board("1");
    board.count().unwrap();
    let code = || Ask::Code("1234 5678 9012 3456 7890".to_owned());
    let waiting = board.ask(code()).unwrap();
    assert_eq!(waiting.codes[0].ends_with, "7890");
    assert_eq!(waiting.balance.amount, d("1"), "a code is not money yet");
    let again = board.ask(code()).unwrap_err().to_string();
    assert_eq!(again, "this code was used before");
    let credit = |end: &str| {
        Ask::Credit(Credit {
            amount: d("20"),
            ends_with: Some(end.to_owned()),
        })
    };
    assert!(board.ask(credit("1111")).is_err());
    // A restart knows the code that waits.
    let board = house.board("1");
    assert_eq!(told(&board).codes.len(), 1);
    let paid = board.ask(credit("7890")).unwrap();
    assert_eq!((paid.balance.amount, paid.codes.len()), (d("21"), 0));
    // The file holds codes that are worth money: its owner alone may read it.
    let mode = std::os::unix::fs::MetadataExt::mode(
        &std::fs::metadata(house.folder.path().join("prepay.json")).unwrap(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_store_that_lost_its_last_rows_charges_nothing_twice() {
    let house = House::new("2026-11-10T10:00:00");
    let board = house.board("50");
    board.count().unwrap();
    house.until("2026-11-10T12:00:00");
    let noon = balance(&board);
    let before = tempfile::tempdir().unwrap();
    copy(house.folder.path(), before.path());
    let wh = *house.wh.lock().unwrap();
    house.until("2026-11-10T12:30:00");
    let later = balance(&board);
    assert_eq!(noon - later, d("0.15"));
    // A power cut: the database is as it was at noon, the account is not.
    let account = std::fs::read(house.folder.path().join("prepay.json")).unwrap();
    copy(before.path(), house.folder.path());
    std::fs::write(house.folder.path().join("prepay.json"), account).unwrap();
    let board = house.board("50");
    assert_eq!(balance(&board), noon);
    *house.wh.lock().unwrap() = wh;
    house.meter(at("2026-11-10T12:15:00"), at("2026-11-10T12:30:00"));
    assert_eq!(balance(&board), later);
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(to).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
