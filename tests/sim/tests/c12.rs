//! meter-link's readers against the simulated meter of the American standards, in virtual time:
//! hours of time-outs take milliseconds. That the meter is one, termineter says (`tests/c12/run`).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use meter_link::c12::Modem;
use meter_link::c12::client::{self, Dialect};
use meter_link::c12::interpret::Assignment;
use meter_link::c12::load_profile;
use meter_link::c12::net::client as net_client;
use meter_link::c12::net::{Service, client::Event as NetEvent};
use meter_link::c12::reader::{Config as ReaderConfig, MeterReader};
use meter_link::c12::service::{Password, Request, ResponseCode, table_data};
use meter_link::dlms::client::job::{Outcome, ProfileRows};
use meter_link::key::Key;
use meter_link::model::{MeterTime, ObisCode, Telegram, Unit, Value};
use meter_link::session::{Action, Line, Session};
use wattle_sim::c12::network::{Network, NetworkMeter, Responder};
use wattle_sim::c12::{Config, Dialogue, Faults, PROFILE_DAYS, Step};
use wattle_sim::household::{Curve, INSTALLED, Kind};

const START: u64 = INSTALLED + 100 * 86_400 + 12 * 3_600 + 1_234;

fn load() -> Curve {
    Curve::new(Kind::Constant { power_w: 1_800 }, 1)
}

/// A reader and a meter on a line, and the time on it.
struct Bench {
    reader: MeterReader,
    meter: Dialogue,
    started: Instant,
    now: Instant,
    to_meter: VecDeque<Vec<u8>>,
    to_reader: VecDeque<Vec<u8>>,
    telegrams: Vec<Telegram>,
    rows: Vec<ProfileRows>,
    /// Octets that the meter sent.
    heard: usize,
    rejected: Vec<String>,
    lines: Vec<Line>,
    meter_baud: u32,
}

impl Bench {
    fn new(reader: ReaderConfig, meter: Config) -> Self {
        let now = Instant::now();
        let mut reader = MeterReader::new(reader);
        reader.restart(now);
        Self {
            reader,
            meter: Dialogue::new(meter),
            started: now,
            now,
            to_meter: VecDeque::new(),
            to_reader: VecDeque::new(),
            telegrams: Vec::new(),
            rows: Vec::new(),
            heard: 0,
            rejected: Vec::new(),
            lines: Vec::new(),
            meter_baud: 9_600,
        }
    }

    fn unix_s(&self) -> u64 {
        START + (self.now - self.started).as_secs()
    }

    fn steps(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Send(octets) => self.to_reader.push_back(octets),
                Step::SetBaud(baud) => self.meter_baud = baud,
            }
        }
    }

    /// Lets both sides talk until `over`.
    fn run_until(&mut self, over: Duration) {
        let end = self.started + over;
        loop {
            while let Some(action) = self.reader.poll_action() {
                match action {
                    Action::Send(octets) => self.to_meter.push_back(octets),
                    Action::SetLine(line) => self.lines.push(line),
                    Action::Telegram(telegram) => self.telegrams.push(*telegram),
                    Action::Rejected(rejected) => self.rejected.push(rejected.reason),
                    Action::Found(outcome) => match *outcome {
                        Outcome::Profile(rows) => self.rows.push(rows),
                        other => panic!("nobody asked for {other:?}"),
                    },
                    other => panic!("this meter speaks C12: {other:?}"),
                }
            }
            let unix_s = self.unix_s();
            if let Some(octets) = self.to_meter.pop_front() {
                let steps = self.meter.hear(&octets, self.now, unix_s);
                self.steps(steps);
            } else if let Some(octets) = self.to_reader.pop_front() {
                self.heard += octets.len();
                self.reader.handle_input(&octets, self.now);
            } else {
                let dues = [self.reader.poll_timeout(), self.meter.waits_until()];
                let due = dues
                    .into_iter()
                    .flatten()
                    .min()
                    .expect("nothing ever happens again");
                if due > end {
                    return;
                }
                self.now = self.now.max(due);
                self.reader.handle_timeout(self.now);
                let unix_s = self.unix_s();
                let steps = self.meter.time_out(self.now, unix_s);
                self.steps(steps);
            }
        }
    }

    /// All rows that came: end in Unix seconds, and the values.
    fn profile(&self) -> Vec<(u64, String)> {
        let row = |rows: &ProfileRows| {
            let row = rows.iter().map(|(row, values)| {
                let values = values.iter().map(|value| match value {
                    Some(Value::Number(number)) => number.to_string(),
                    other => panic!("{other:?}"),
                });
                let at = row.instant.unwrap().as_second();
                (
                    u64::try_from(at).unwrap(),
                    values.collect::<Vec<_>>().join(" "),
                )
            });
            row.collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(row).collect()
    }

    /// The rows that the meter holds.
    fn profile_truth(&mut self) -> Vec<(u64, String)> {
        let unix_s = self.unix_s();
        let rows = self.meter.application().profile(unix_s).into_iter();
        rows.map(|row| {
            (
                row.end_unix_s,
                format!("{} {}", row.import_wh, row.export_wh),
            )
        })
        .collect()
    }

    /// Registers of telegram `index` as text.
    fn registers(&self, index: usize) -> Vec<String> {
        let shown = self.telegrams[index].values.iter().map(|value| {
            let Value::Number(number) = &value.value else {
                panic!("{value:?}")
            };
            let unit = value.unit.map(|unit| unit.to_string()).unwrap_or_default();
            format!("{} {number} {unit}", value.register)
        });
        shown.collect()
    }
}

/// What the meter must have told at this time.
fn truth(unix_s: u64) -> Vec<String> {
    let wh = 1_800 * (unix_s - INSTALLED) / 3_600;
    vec![
        format!("1-0:1.8.0*255 {wh} Wh"),
        "1-0:2.8.0*255 0 Wh".to_owned(),
        "1-0:1.6.0*255 1800 W".to_owned(),
        "1-0:1.5.0*255 1800 W".to_owned(),
        "1-0:16.7.0*255 1800 W".to_owned(),
        "1-0:32.7.0*255 230.40 V".to_owned(),
    ]
}

#[test]
fn an_optical_meter_is_read_in_both_byte_orders() {
    for big_endian in [false, true] {
        let meter = Config {
            big_endian,
            ..Config::new(load())
        };
        let mut bench = Bench::new(ReaderConfig::default(), meter);
        bench.run_until(Duration::from_secs(150));
        assert_eq!(bench.rejected, Vec::<String>::new());
        assert_eq!(bench.telegrams.len(), 3);
        assert_eq!(bench.registers(0), truth(START));
        assert_eq!(bench.registers(2), truth(START + 120));
        let telegram = &bench.telegrams[0];
        assert_eq!(telegram.meter.as_ref().unwrap().as_str(), "1234567890");
        assert_eq!(telegram.manufacturer.as_deref(), Some("WSM"));
        let Some(MeterTime::Utc(time)) = telegram.time else {
            panic!("{:?}", telegram.time)
        };
        assert_eq!(u64::try_from(time.as_second()).unwrap(), START);
        assert!(!telegram.raw.is_empty());
    }
}

#[test]
fn a_bad_line_costs_time_and_no_value() {
    for faults in [
        Faults {
            damage_every: 7,
            lose_every: 11,
            busy_every: 5,
        },
        Faults {
            lose_every: 3,
            ..Faults::default()
        },
        Faults {
            damage_every: 2,
            ..Faults::default()
        },
    ] {
        let meter = Config {
            faults,
            packet_size: 64,
            ..Config::new(load())
        };
        let mut bench = Bench::new(ReaderConfig::default(), meter);
        bench.run_until(Duration::from_secs(1_800));
        assert!(
            bench.telegrams.len() >= 2,
            "{faults:?}: {:?}",
            bench.rejected
        );
        for index in 0..bench.telegrams.len() {
            let registers = bench.registers(index);
            let read: u64 = registers[0].split(' ').nth(1).unwrap().parse().unwrap();
            // The tables of one telegram are read one after the other.
            let expected = truth(INSTALLED + read * 2);
            assert_eq!(registers, expected);
        }
    }
}

#[test]
fn the_speed_changes_once_both_sides_agreed() {
    let client = client::Config {
        baud_code: Some(10),
        ..client::Config::default()
    };
    for (code, fast) in [(10, Some(57_600)), (6, None)] {
        let meter = Config {
            baud_code: code,
            ..Config::new(load())
        };
        let reader = ReaderConfig {
            client: client.clone(),
            ..ReaderConfig::default()
        };
        let mut bench = Bench::new(reader, meter);
        bench.run_until(Duration::from_secs(30));
        assert_eq!(bench.telegrams.len(), 1);
        let lines: Vec<u32> = bench.lines.iter().map(|line| line.baud).collect();
        let want: Vec<u32> = std::iter::once(9_600).chain(fast).collect();
        assert_eq!(lines, want);
        // After the farewell the meter listens at the first speed again.
        assert_eq!(bench.meter_baud, 9_600);
        bench.run_until(Duration::from_secs(90));
        assert_eq!(bench.telegrams.len(), 2);
    }
}

#[test]
fn a_meter_that_tells_no_units() {
    let meter = || Config {
        units: false,
        ..Config::new(load())
    };
    let mut bench = Bench::new(ReaderConfig::default(), meter());
    bench.run_until(Duration::from_secs(30));
    let wh = truth(START)[0].split(' ').nth(1).unwrap().to_owned();
    assert_eq!(bench.registers(0)[0], format!("1-0:128.8.0*255 {wh} "));
    let assigned = Assignment {
        register: ObisCode::ACTIVE_ENERGY_IMPORT,
        unit: Some(Unit::WattHour),
        scaler: 0,
    };
    let reader = ReaderConfig {
        assignments: [(0, assigned)].into(),
        ..ReaderConfig::default()
    };
    let mut bench = Bench::new(reader, meter());
    bench.run_until(Duration::from_secs(30));
    assert_eq!(bench.registers(0)[0], truth(START)[0]);
}

#[test]
fn passwords() {
    let with = |password: &str, meter: Config| {
        let password = Password::from_text(password);
        let client = client::Config {
            password,
            ..client::Config::default()
        };
        let mut bench = Bench::new(
            ReaderConfig {
                client,
                ..ReaderConfig::default()
            },
            meter,
        );
        bench.run_until(Duration::from_secs(20));
        bench
    };
    assert_eq!(with("SECRET", Config::new(load())).telegrams.len(), 1);
    let bench = with("WRONG", Config::new(load()));
    assert!(bench.telegrams.is_empty());
    assert!(
        bench.rejected[0].contains("insufficient security clearance"),
        "{:?}",
        bench.rejected
    );
    assert!(!bench.rejected[0].contains("WRONG"));
    let bench = with(
        "SECRET",
        Config {
            wants_des: true,
            ..Config::new(load())
        },
    );
    assert!(bench.rejected[0].contains("DES"), "{:?}", bench.rejected);
}

#[test]
fn nobody_answers() {
    let mut bench = Bench::new(ReaderConfig::default(), Config::new(load()));
    bench.meter = Dialogue::new(Config {
        identity: 9,
        ..Config::new(load())
    });
    bench.run_until(Duration::from_secs(600));
    assert!(bench.telegrams.is_empty());
    // A try a minute at most, each told once.
    assert!(
        (5..=45).contains(&bench.rejected.len()),
        "{}",
        bench.rejected.len()
    );
}

#[test]
fn what_was_not_read_again_is_not_told_again() {
    let mut bench = Bench::new(ReaderConfig::default(), Config::new(load()));
    bench.run_until(Duration::from_secs(30));
    assert_eq!(bench.telegrams.len(), 1);
    let faults = Faults {
        busy_every: 1,
        ..Faults::default()
    };
    bench.meter = Dialogue::new(Config {
        faults,
        ..Config::new(load())
    });
    bench.run_until(Duration::from_secs(110));
    assert_eq!(bench.telegrams.len(), 1);
    assert!(
        bench.rejected[0].contains("no registers"),
        "{:?}",
        bench.rejected
    );
}

#[test]
fn a_meter_behind_a_modem() {
    let client = client::Config {
        dialect: Dialect::C12_21,
        identity: 7,
        ..client::Config::default()
    };
    let reader = ReaderConfig {
        client,
        modem: Modem::new("0,5551234"),
        period: Duration::from_secs(300),
        ..ReaderConfig::default()
    };
    let meter = Config {
        dialect: Dialect::C12_21,
        identity: 7,
        ..Config::new(load())
    };
    let mut bench = Bench::new(reader, meter);
    bench.run_until(Duration::from_secs(700));
    assert_eq!(bench.rejected, Vec::<String>::new());
    assert_eq!(bench.telegrams.len(), 3);
    assert_eq!(bench.registers(0), truth(START));
    assert_eq!(Modem::new("12;AT"), None);
}

fn profiling(since: Option<meter_link::dlms::data::DateTime>) -> ReaderConfig {
    ReaderConfig {
        client: client::Config {
            packets: 8,
            ..client::Config::default()
        },
        period: Duration::from_secs(13 * 3_600),
        profile: Some(load_profile::Config {
            since,
            ..load_profile::Config::new(64)
        }),
        ..ReaderConfig::default()
    }
}

/// All rows at first, in pieces and on a line that loses and damages; then those that come; and
/// only what is missing for a reader that begins anew.
#[test]
fn a_load_profile_is_read_exactly_and_then_only_what_is_missing() {
    let config = Config {
        packet_size: 256,
        faults: Faults {
            damage_every: 17,
            lose_every: 13,
            busy_every: 11,
        },
        ..Config::new(Curve::new(Kind::Home { pv: true }, 5))
    };
    let mut bench = Bench::new(profiling(None), config.clone());
    bench.run_until(Duration::from_secs(400));
    assert_eq!(bench.rejected, Vec::<String>::new());
    let first = bench.profile();
    assert!(first.len() > 96 * usize::from(PROFILE_DAYS - 1));
    assert!(first == bench.profile_truth());
    let columns: Vec<_> = bench.rows[0].columns.iter().collect();
    let shown = columns
        .iter()
        .map(|column| format!("{} {}", column.register, column.scale.unit.unwrap()));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        ["1-0:1.29.0*255 Wh", "1-0:2.29.0*255 Wh"]
    );
    let whole = bench.heard;

    // Two days and four hours later, over the end of two blocks.
    let later = 4 * Duration::from_secs(13 * 3_600);
    bench.run_until(later + Duration::from_secs(100));
    let mut all = bench.profile();
    assert_eq!(all.len(), first.len() + 4 * 13 * 4);
    let truth = bench.profile_truth();
    assert!(all[all.len() - truth.len()..] == truth);
    assert!(all.windows(2).all(|pair| pair[1].0 == pair[0].0 + 900));
    assert!(bench.rows.iter().all(|rows| rows.gaps.is_empty()));

    // Somebody who has all but the last hours reads no block that is known.
    let last = bench.rows[bench.rows.len() - 3].rows.last().unwrap();
    let (at, last) = (last.at, last.instant.unwrap().as_second());
    let mut anew = Bench::new(profiling(Some(at)), config);
    anew.started -= later;
    anew.run_until(later + Duration::from_secs(100));
    all.retain(|(end, _)| *end > u64::try_from(last).unwrap());
    assert!(!all.is_empty() && anew.profile() == all);
    assert!(anew.heard < whole / 2, "{} of {whole}", anew.heard);
}

fn network(longest: usize) -> Network {
    Network {
        title: ".123.8437".parse().unwrap(),
        key: Some((2, Key::from_hex(&"5a".repeat(16)).unwrap())),
        longest,
    }
}

fn net_config(network: &Network) -> net_client::Config {
    net_client::Config {
        key: network.key.clone(),
        ..net_client::Config::new(network.title.clone(), ".123.4".parse().unwrap())
    }
}

fn reads() -> Vec<Service> {
    [0, 23, 64]
        .map(|table| Service::Request(Request::Read { table }))
        .to_vec()
}

/// Table 23 of an answer to [`reads`].
fn import_wh(answers: &[(ResponseCode, Vec<u8>)]) -> u64 {
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|(code, _)| *code == ResponseCode::OK));
    let data = table_data(&answers[1].1).unwrap();
    data[1..7]
        .iter()
        .rev()
        .fold(0, |sum, octet| sum << 8 | u64::from(*octet))
}

#[test]
fn c1222_over_datagrams_with_segments_loss_and_replay() {
    let now = Instant::now();
    let network = network(300);
    let mut meter = Responder::new(Config::new(load()), network.clone());
    let mut client = net_client::Client::new(net_config(&network), 1, 1);
    client.request(reads(), now);
    // The first message gets lost, and the answer comes late.
    let Some(NetEvent::Send(_)) = client.poll() else {
        panic!()
    };
    let due = client.poll_timeout().unwrap();
    client.handle_timeout(due);
    let Some(NetEvent::Send(asked)) = client.poll() else {
        panic!()
    };
    let asked = meter_link::c12::net::Apdu::parse(&asked).unwrap();
    let units = meter.answer(&asked, START);
    assert!(units.len() > 10, "{}", units.len());
    // Out of order, each twice, and one of somebody without the key.
    let mut stranger = Responder::new(
        Config::new(load()),
        Network {
            key: None,
            ..network.clone()
        },
    );
    let clear = meter_link::c12::net::Outgoing {
        called: ".123.8437".parse().unwrap(),
        called_invocation_id: None,
        calling: ".123.4".parse().unwrap(),
        calling_invocation_id: asked.calling_invocation_id.unwrap(),
        services: reads(),
    };
    let clear = clear
        .to_bytes(meter_link::c12::net::Protection::Clear)
        .unwrap();
    let clear = meter_link::c12::net::Apdu::parse(&clear).unwrap();
    for unit in stranger.answer(&clear, START) {
        client.handle_datagram(&unit);
    }
    assert!(matches!(client.poll(), Some(NetEvent::Dropped(_))));
    for unit in units.iter().rev() {
        client.handle_datagram(unit);
    }
    let Some(NetEvent::Answer(answers)) = client.poll() else {
        panic!()
    };
    assert_eq!(import_wh(&answers), 1_800 * (START - INSTALLED) / 3_600);
    // The same again answers nothing.
    for unit in &units {
        client.handle_datagram(unit);
    }
    assert!(matches!(client.poll(), Some(NetEvent::Dropped(_))));
    assert_eq!(client.poll_timeout(), None);
}

#[test]
fn c1222_silence_ends_it() {
    let mut now = Instant::now();
    let mut client = net_client::Client::new(net_config(&network(300)), 1, 1);
    client.request(reads(), now);
    let mut sent = 0;
    loop {
        match client.poll() {
            Some(NetEvent::Send(_)) => sent += 1,
            Some(NetEvent::Failed(failure)) => {
                assert_eq!(failure, net_client::Failure::Silence(3));
                break;
            }
            Some(other) => panic!("{other:?}"),
            None => {
                now = client.poll_timeout().unwrap();
                client.handle_timeout(now);
            }
        }
    }
    assert_eq!(sent, 3);
}

#[test]
fn c1222_over_tcp() {
    let network = network(512);
    let meter = NetworkMeter::start(Config::new(load()), network.clone()).unwrap();
    let mut stream = TcpStream::connect(meter.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut client = net_client::Client::new(net_config(&network), 77, 77);
    for _ in 0..3 {
        client.request(reads(), Instant::now());
        let mut buffer = [0; 97];
        let answers = loop {
            match client.poll() {
                Some(NetEvent::Send(octets)) => stream.write_all(&octets).unwrap(),
                Some(NetEvent::Answer(answers)) => break answers,
                Some(other) => panic!("{other:?}"),
                None => {
                    let length = stream.read(&mut buffer).unwrap();
                    client.handle_input(&buffer[..length]);
                }
            }
        };
        assert!(import_wh(&answers) > 1_800 * (START - INSTALLED) / 3_600);
    }
}
