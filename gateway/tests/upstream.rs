//! The relay without a link: rows of the store, an engine in virtual time, a head-end that forgets.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use gateway::bus::Bus;
use gateway::config::{Taf, UpstreamStream};
use gateway::store::{Incoming, Plan, Settings, Store};
use gateway::upstream::engine::{Engine, SHED, Sealed};
use gateway::upstream::keys::Keys;
use gateway::upstream::rules::Rules;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use wattle_relay::ack::{ACK, Ack};
use wattle_relay::batch;
use wattle_relay::cose::{self, EpochKey, Message};
use wattle_relay::{Certificate, Curve, PrivateKey, epoch};

const START: &str = "2026-01-31T00:00:00Z";

fn incoming(at: Timestamp, tenths_wh: i64) -> Incoming {
    let value = RegisterValue {
        register: ObisCode::ACTIVE_ENERGY_IMPORT,
        value: Value::Number(rust_decimal::Decimal::new(tenths_wh, 1)),
        unit: Some(Unit::WattHour),
        status: None,
        captured_at: None,
        quirk: None,
    };
    Incoming {
        name: "house".to_owned(),
        serial: "S1".to_owned(),
        received_at: at,
        port: "/dev/null".to_owned(),
        telegram: Telegram {
            meter: MeterId::new("S1"),
            values: vec![value],
            check: Check::Crc,
            ..Telegram::default()
        },
        fields: Vec::new(),
        doubts: Vec::new(),
        counter: None,
    }
}

/// Stores a telegram every so many seconds.
fn fill(
    folder: &Path,
    tafs: &[Taf],
    rows: u64,
    step_s: i64,
    count: i64,
) -> gateway::store::Outboxes {
    let streams = tafs.iter().map(|taf| UpstreamStream {
        taf: *taf,
        meter: "house".to_owned(),
        registers: Vec::new(),
        consent: "test".to_owned(),
    });
    let plan = Plan {
        streams: streams.collect(),
        rows,
    };
    let settings = Settings {
        folder: folder.to_path_buf(),
        zone: TimeZone::UTC,
        readings_days: 60,
        raw_megabytes: 0,
    };
    let store = Store::open_relaying(&settings, plan, Bus::default()).unwrap();
    let (queue, outboxes) = (store.queue(), store.outboxes());
    let start: Timestamp = START.parse().unwrap();
    for place in 0..count {
        let at = start + SignedDuration::from_secs(step_s * place);
        queue
            .blocking_send(incoming(at, 1_000_000 + 25 * place))
            .unwrap();
    }
    drop(queue);
    store.close();
    outboxes
}

/// A head-end that loses nothing it has written.
struct HeadEnd {
    key: PrivateKey,
    device: Certificate,
    epochs: BTreeMap<u32, EpochKey>,
    rows: BTreeMap<String, BTreeMap<u64, String>>,
    taken: u32,
}

impl HeadEnd {
    /// Takes a message; answers with an acknowledgement.
    fn take(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        let trusted = [self.device.public().clone()];
        if octets.first() == Some(&0x83) {
            let announced = epoch::accept(octets, &self.key, &trusted).unwrap();
            self.epochs.insert(announced.key.epoch, announced.key);
            return None;
        }
        let opened =
            cose::open(octets, |number| self.epochs.get(&number).cloned(), &trusted).ok()?;
        self.taken += 1;
        let count = opened.context.last - opened.context.first + 1;
        let stream = self.rows.entry(opened.context.stream.clone()).or_default();
        if opened.format == Some(SHED) {
            stream.extend(
                (opened.context.first..=opened.context.last).map(|seq| (seq, "shed".to_owned())),
            );
        } else {
            let (_, rows) = batch::decode(opened.format, &opened.payload, count).unwrap();
            for (seq, row) in (opened.context.first..).zip(rows) {
                let text = format!("{} {} {}", row.at_s, row.value, row.status);
                let before = stream.insert(seq, text.clone());
                assert!(
                    before.is_none_or(|before| before == text),
                    "row {seq} changed"
                );
            }
        }
        let mut ack = Ack {
            through: 0,
            gaps: Vec::new(),
        };
        let mut last = 0;
        for seq in stream.keys() {
            if *seq != last + 1 && ack.gaps.len() < 8 {
                ack.gaps.push((last + 1, seq - 1));
            } else if ack.gaps.is_empty() {
                ack.through = *seq;
            }
            last = *seq;
        }
        let context = cose::Context {
            first: ack.through,
            last: ack.through,
            ..opened.context
        };
        let payload = ack.encode();
        let message = Message {
            context: &context,
            format: Some(ACK),
            payload: &payload,
        };
        let iv = cose::iv(opened.epoch, u64::from(self.taken));
        let key = self.epochs.values().last()?.down();
        Some(cose::seal(message, &self.key, &key, iv).unwrap())
    }
}

fn parties(folder: &Path, outboxes: &gateway::store::Outboxes, rows: usize) -> (Engine, HeadEnd) {
    let key = PrivateKey::generate(Curve::P256).unwrap();
    let now: Timestamp = START.parse().unwrap();
    let keys = Keys::open(folder, "gw-1", now).unwrap();
    let rules = Rules {
        device: "gw-1".to_owned(),
        folder: folder.join("upstream"),
        recipient: key.public().clone(),
        trusted: vec![key.public().clone()],
        commanders: Vec::new(),
        cms: None,
        every: Duration::from_secs(60),
        rows,
        resend: Duration::from_secs(10),
        rotate_days: 30,
    };
    let engine = Engine::new(rules, keys, outboxes.open().unwrap()).unwrap();
    let device = Certificate::read(&std::fs::read(folder.join("upstream.crt")).unwrap()).unwrap();
    let head_end = HeadEnd {
        key,
        device,
        epochs: BTreeMap::new(),
        rows: BTreeMap::new(),
        taken: 0,
    };
    (engine, head_end)
}

fn waiting(engine: &mut Engine) -> usize {
    let outbox = engine.outbox();
    let streams = outbox.streams().unwrap();
    streams
        .iter()
        .map(|stream| usize::try_from(stream.next_seq - 1 - stream.acked).unwrap())
        .sum()
}

/// Runs until nothing waits; `passes` says which messages get through, up and down.
fn drain(
    engine: &mut Engine,
    head_end: &mut HeadEnd,
    mut passes: impl FnMut() -> bool,
) -> Duration {
    let began = Instant::now();
    let wall: Timestamp = START.parse().unwrap();
    for second in 0..20_000 {
        let now = began + Duration::from_secs(second);
        for Sealed { octets, .. } in engine.due(now, wall, 16).unwrap() {
            let answer = passes().then(|| head_end.take(&octets)).flatten();
            if let Some(answer) = answer.filter(|_| passes()) {
                engine.take(&answer, now).unwrap();
            }
        }
        if waiting(engine) == 0 {
            return Duration::from_secs(second);
        }
    }
    panic!("{} rows still wait", waiting(engine));
}

#[test]
fn each_use_case_makes_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let tafs = [
        Taf::DataSparing,
        Taf::TimeVariable,
        Taf::IntervalSeries,
        Taf::HighFrequency,
        Taf::OnDemand,
    ];
    // Two days and an hour from the 31st of January, a telegram every five minutes.
    let outboxes = fill(folder.path(), &tafs, 1_000_000, 300, 589);
    let streams = outboxes.open().unwrap().streams().unwrap();
    let counts: Vec<(&str, u64)> = streams
        .iter()
        .map(|s| (s.name.as_str(), s.next_seq - 1))
        .collect();
    assert_eq!(
        counts,
        [
            ("14/S1/1-0:1.8.0*255", 589),
            ("7/S1/1-0:1.8.0*255", 196),
            ("1/S1/1-0:1.8.0*255", 1),
            ("2/S1/1-0:1.8.0*255", 2),
        ]
    );
    let mut outbox = outboxes.open().unwrap();
    let monthly = streams
        .iter()
        .find(|stream| stream.name.starts_with("1/"))
        .unwrap();
    let month = outbox.rows(monthly.id, 1, 9).unwrap();
    let (at, value) = (
        month.first().unwrap().at_s,
        month.first().unwrap().value.clone(),
    );
    let turn: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    assert_eq!((at, value.as_str()), (turn.as_second(), "100720.0"));
    assert_eq!(outbox.append_latest("house", |_| true).unwrap(), 1);
    assert_eq!(outbox.append_latest("garage", |_| true).unwrap(), 0);
}

#[test]
fn what_is_lost_on_the_way_is_sent_until_it_is_there_once() {
    for seed in 0..4_u32 {
        let folder = tempfile::tempdir().unwrap();
        let outboxes = fill(
            folder.path(),
            &[Taf::HighFrequency, Taf::IntervalSeries],
            1_000_000,
            60,
            2_000,
        );
        let (mut engine, mut head_end) = parties(folder.path(), &outboxes, 96);
        let mut state = seed;
        drain(&mut engine, &mut head_end, || {
            // A linear congruential generator: three of ten messages are lost.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % 10 > 2
        });
        let rows = head_end
            .rows
            .values()
            .map(BTreeMap::len)
            .collect::<Vec<_>>();
        assert_eq!(rows, [2_000, 133]);
        for stream in head_end.rows.values() {
            assert!(stream.keys().copied().eq(1..=stream.len() as u64));
        }
        assert!(outboxes.open().unwrap().rows(1, 0, 1).unwrap().is_empty());
    }
}

#[test]
fn a_key_that_did_not_arrive_is_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let outboxes = fill(folder.path(), &[Taf::HighFrequency], 1_000_000, 60, 10);
    let (mut engine, mut head_end) = parties(folder.path(), &outboxes, 96);
    let mut first = true;
    let took = drain(&mut engine, &mut head_end, || !std::mem::take(&mut first));
    // Rows wait a minute for others, and ten seconds for an answer.
    assert!(took >= Duration::from_secs(70), "{took:?}");
}

#[test]
fn an_acknowledgement_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let outboxes = fill(folder.path(), &[Taf::HighFrequency], 1_000_000, 60, 10);
    let (mut engine, mut head_end) = parties(folder.path(), &outboxes, 2);
    let now = Instant::now();
    let sent = engine.due(now, START.parse().unwrap(), 8).unwrap();
    let answers: Vec<Vec<u8>> = sent
        .iter()
        .filter_map(|sealed| head_end.take(&sealed.octets))
        .collect();
    let mut forger = HeadEnd {
        key: PrivateKey::generate(Curve::P256).unwrap(),
        epochs: head_end.epochs.clone(),
        rows: BTreeMap::new(),
        taken: 100,
        device: head_end.device.clone(),
    };
    let forged = sent.iter().filter_map(|sealed| {
        // The forger even has the key of the epoch.
        (sealed.rows.is_some())
            .then(|| forger.take(&sealed.octets))
            .flatten()
    });
    for octets in forged.collect::<Vec<_>>() {
        assert!(engine.take(&octets, now).is_err());
    }
    assert_eq!(waiting(&mut engine), 10);
    let mut altered = answers.first().unwrap().clone();
    *altered.last_mut().unwrap() ^= 1;
    assert!(engine.take(&altered, now).is_err());
    // Of its own batches none is an acknowledgement.
    assert!(
        sent.iter()
            .all(|sealed| engine.take(&sealed.octets, now).is_err())
    );
    for answer in &answers {
        engine.take(answer, now).unwrap();
        engine.take(answer, now).unwrap();
    }
    assert_eq!(waiting(&mut engine), 0);
}

#[test]
fn a_new_epoch_is_announced_and_old_answers_still_count() {
    let folder = tempfile::tempdir().unwrap();
    let outboxes = fill(folder.path(), &[Taf::HighFrequency], 1_000_000, 60, 300);
    let (mut engine, mut head_end) = parties(folder.path(), &outboxes, 96);
    let (now, wall) = (Instant::now(), START.parse().unwrap());
    let sent = engine.due(now, wall, 16).unwrap();
    let answers: Vec<Vec<u8>> = sent
        .iter()
        .filter_map(|sealed| head_end.take(&sealed.octets))
        .collect();
    engine.rotate(wall).unwrap();
    for answer in &answers {
        engine.take(answer, now).unwrap();
    }
    assert_eq!(waiting(&mut engine), 300 - 3 * 96);
    drain(&mut engine, &mut head_end, || true);
    assert_eq!(head_end.epochs.len(), 2);
}

#[test]
fn a_full_outbox_gives_up_the_least_useful_first_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let tafs = [Taf::HighFrequency, Taf::IntervalSeries, Taf::TimeVariable];
    let outboxes = fill(folder.path(), &tafs, 150, 60, 3_000);
    let outbox = outboxes.open().unwrap();
    let streams = outbox.streams().unwrap();
    let left = |prefix: &str| {
        let stream = streams
            .iter()
            .find(|stream| stream.name.starts_with(prefix))
            .unwrap();
        let mut from = 1;
        let mut held = 0;
        while from < stream.next_seq {
            let rows = outbox.rows(stream.id, from, 5_000).unwrap();
            let Some(last) = rows.last() else { break };
            (from, held) = (last.seq + 1, held + rows.len());
        }
        (held, stream.next_seq - 1)
    };
    let (series, high) = (left("7/"), left("14/"));
    assert!(high.0 < 700 && high.1 == 3_000, "{high:?}");
    assert_eq!(left("2/"), (2, 2));
    assert!(series.0 >= 100, "{series:?}");
    let (mut engine, mut head_end) = parties(folder.path(), &outboxes, 96);
    drain(&mut engine, &mut head_end, || true);
    let stream = head_end.rows.get("14/S1/1-0:1.8.0*255").unwrap();
    assert_eq!(stream.len(), 3_000);
    let shed = stream.values().filter(|row| *row == "shed").count();
    assert_eq!(shed, 3_000 - high.0);
}
