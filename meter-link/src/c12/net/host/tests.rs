use std::time::{Duration, Instant};

use super::*;
use crate::c12::net::client::{Client, Config, Event};
use crate::c12::reader::{self, MeterReader};
use crate::c12::service::{Password, table_data};
use crate::c12::view::{Contents, Identity, View};
use crate::dlms::client::MemoryCounters;
use crate::model::{Check, MeterId, ObisCode, Unit};
use crate::session::{Action, Session};
use rust_decimal::Decimal;

const KEY: &str = "01020304050607080102030405060708";
const NOW_S: i64 = 1_790_000_000;
const SIZES: (usize, usize) = (MAX_APDU, MAX_APDU);

struct Shelf;

impl Devices for Shelf {
    fn table(&mut self, device: usize, table: u16) -> Result<Vec<u8>, ResponseCode> {
        match table {
            5 => Ok(vec![b'A' + u8::try_from(device).unwrap_or(0); 20]),
            64 => Ok(vec![0x5A; 50_000]),
            _ => Err(ResponseCode(4)),
        }
    }
}

fn key() -> Key {
    Key::from_hex(KEY).unwrap()
}

fn host(client: Option<&str>) -> Host {
    let config = HostConfig {
        titles: vec![".123.8437".parse().unwrap(), ".123.8438".parse().unwrap()],
        client: client.map(|title| title.parse().unwrap()),
        key_id: 2,
        key: key(),
    };
    Host::new(config, Box::new(MemoryCounters::default()), NOW_S)
}

fn client(called: &str, now_s: i64) -> Client {
    let mut config = Config::new(called.parse().unwrap(), ".123.4".parse().unwrap());
    config.key = Some((2, key()));
    Client::new(config, u32::try_from(now_s).unwrap(), 1)
}

fn sent(client: &mut Client, requests: &[Request], now: Instant) -> Vec<u8> {
    let services = requests.iter().cloned().map(Service::Request).collect();
    client.request(services, now);
    match client.poll() {
        Some(Event::Send(octets)) => octets,
        other => panic!("{other:?}"),
    }
}

fn heard(client: &mut Client, units: &[Vec<u8>]) -> Vec<(u8, Vec<u8>)> {
    for unit in units {
        client.handle_datagram(unit);
    }
    match client.poll() {
        Some(Event::Answer(answers)) => answers
            .into_iter()
            .map(|(code, payload)| (code.0, payload))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn answer(host: &mut Host, octets: &[u8], now_s: i64) -> Result<Vec<Vec<u8>>, String> {
    let apdu = Apdu::parse(octets).unwrap();
    host.answer(&apdu, now_s, SIZES, &mut Shelf)
        .map_err(|error| error.to_string())
}

#[test]
fn a_client_reads_each_device() {
    let mut host = host(Some(".123.4"));
    let now = Instant::now();
    for (title, letter) in [
        (".123.8437", b'A'),
        ("2.16.124.113620.1.22.0.123.8438", b'B'),
    ] {
        let mut client = client(title, NOW_S);
        let octets = sent(
            &mut client,
            &[
                Request::Identify,
                Request::Read { table: 5 },
                Request::ReadOffset {
                    table: 5,
                    offset: 18,
                    count: 2,
                },
                Request::ReadOffset {
                    table: 5,
                    offset: 18,
                    count: 3,
                },
                Request::Read { table: 23 },
                Request::Write {
                    table: 5,
                    data: vec![1],
                },
                Request::Security {
                    password: Password::new([0; 20]),
                    user_id: None,
                },
                Request::Logoff,
            ],
            now,
        );
        let answers = heard(&mut client, &answer(&mut host, &octets, NOW_S).unwrap());
        let codes: Vec<u8> = answers.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, [0, 0, 0, 5, 4, 2, 2, 0]);
        assert_eq!(table_data(&answers[1].1).unwrap(), [letter; 20]);
        assert_eq!(table_data(&answers[2].1).unwrap(), [letter; 2]);
    }
}

#[test]
fn each_message_is_taken_once() {
    let mut host = host(None);
    let start = Instant::now();
    let mut client = client(".123.8437", NOW_S);
    let first = sent(&mut client, &[Request::Read { table: 5 }], start);
    let second = sent(&mut client, &[Request::Read { table: 5 }], start);
    assert!(answer(&mut host, &second, NOW_S).is_ok());
    assert!(
        answer(&mut host, &first, NOW_S).is_ok(),
        "they may overtake each other"
    );
    for octets in [&first, &second] {
        let error = answer(&mut host, octets, NOW_S + 60).unwrap_err();
        assert_eq!(error, "the message came before");
    }
    // Nor when it was forgotten, nor when the clock was set back.
    for later in [601, 100_000, -86_400, 60] {
        for octets in [&first, &second] {
            assert!(answer(&mut host, octets, NOW_S + later).is_err(), "{later}");
        }
    }
    // A client that runs for days goes with the time.
    let days = Duration::from_secs(3 * 86_400);
    let octets = sent(&mut client, &[Request::Read { table: 5 }], start + days);
    assert!(answer(&mut host, &octets, NOW_S + 3 * 86_400 + 30).is_ok());
}

#[test]
fn what_was_recorded_before_a_start_is_not_taken() {
    let mut client = client(".123.8437", NOW_S - 5);
    let octets = sent(&mut client, &[Request::Read { table: 5 }], Instant::now());
    let error = answer(&mut host(None), &octets, NOW_S).unwrap_err();
    assert!(error.contains("-5 s"), "{error}");
}

#[test]
fn nothing_but_encrypted_messages_of_the_client_is_answered() {
    let message = Outgoing {
        called: ".123.8437".parse().unwrap(),
        called_invocation_id: None,
        calling: ".123.4".parse().unwrap(),
        calling_invocation_id: 3,
        services: vec![Service::Request(Request::Read { table: 5 })],
    };
    let own = key();
    let iv = u32::try_from(NOW_S).unwrap().to_be_bytes();
    let keyed = |key, key_id, encrypt| Protection::Keyed {
        key,
        key_id,
        iv,
        encrypt,
    };
    let good = message.to_bytes(keyed(&own, 2, true)).unwrap();
    assert_eq!(
        answer(&mut host(Some(".123.4")), &good, NOW_S)
            .unwrap()
            .len(),
        1
    );
    assert!(answer(&mut host(Some(".123.5")), &good, NOW_S).is_err());
    let wrong = Key::from_hex(&"5a".repeat(16)).unwrap();
    for protection in [
        Protection::Clear,
        keyed(&own, 2, false),
        keyed(&wrong, 2, true),
        keyed(&own, 3, true),
    ] {
        let octets = message.to_bytes(protection).unwrap();
        assert!(
            answer(&mut host(None), &octets, NOW_S).is_err(),
            "{protection:?}"
        );
    }
    let elsewhere = Outgoing {
        called: ".123.9".parse().unwrap(),
        ..message.clone()
    };
    let octets = elsewhere.to_bytes(keyed(&own, 2, true)).unwrap();
    assert!(answer(&mut host(None), &octets, NOW_S).is_err());
    for place in 0..good.len() * 8 {
        let mut changed = good.clone();
        changed[place / 8] ^= 1 << (place % 8);
        let mut host = host(None);
        let answered = Apdu::parse(&changed)
            .is_ok_and(|apdu| host.answer(&apdu, NOW_S, SIZES, &mut Shelf).is_ok());
        assert!(!answered, "bit {place}");
    }
}

#[test]
fn an_answer_that_is_too_long_is_cut_or_refused() {
    let mut host = host(None);
    let mut client = client(".123.8437", NOW_S);
    let now = Instant::now();
    let profile = [
        Request::Read { table: 64 },
        Request::Read { table: 64 },
        Request::Identify,
    ];
    let octets = sent(&mut client, &profile, now);
    let apdu = Apdu::parse(&octets).unwrap();
    // Two do not fit into one message; over UDP not even one does.
    let units = host
        .answer(&apdu, NOW_S, (MAX_APDU, 1_000), &mut Shelf)
        .unwrap();
    assert!(units.len() > 50 && units.iter().all(|unit| unit.len() < 1_100));
    let answers = heard(&mut client, &units);
    assert_eq!(table_data(&answers[0].1).unwrap().len(), 50_000);
    let codes: Vec<u8> = answers.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, [0, 0x10, 0]);
    let octets = sent(&mut client, &profile, now);
    let apdu = Apdu::parse(&octets).unwrap();
    let units = host
        .answer(&apdu, NOW_S, (8_192, 1_000), &mut Shelf)
        .unwrap();
    let codes: Vec<u8> = heard(&mut client, &units)
        .iter()
        .map(|(code, _)| *code)
        .collect();
    assert_eq!(codes, [0x10, 0x10, 0]);
    // Whatever a message asks, the answer is one message.
    let octets = sent(&mut client, &vec![Request::Read { table: 5 }; 100], now);
    let apdu = Apdu::parse(&octets).unwrap();
    let units = host.answer(&apdu, NOW_S, SIZES, &mut Shelf).unwrap();
    let codes: Vec<u8> = heard(&mut client, &units)
        .iter()
        .map(|(code, _)| *code)
        .collect();
    assert_eq!(codes[..32], [0; 32]);
    assert_eq!(codes[32..], [0x0F; 68]);
}

#[test]
fn numbers_never_come_twice_and_a_flood_ends() {
    let mut host = host(None);
    let own = key();
    let mut last = None;
    for id in 0.. {
        let message = Outgoing {
            called: ".123.8437".parse().unwrap(),
            called_invocation_id: None,
            calling: ".123.4".parse().unwrap(),
            calling_invocation_id: id,
            services: vec![Service::Request(Request::Identify)],
        };
        let protection = Protection::Keyed {
            key: &own,
            key_id: 2,
            iv: u32::try_from(NOW_S).unwrap().to_be_bytes(),
            encrypt: true,
        };
        let octets = message.to_bytes(protection).unwrap();
        match answer(&mut host, &octets, NOW_S) {
            Ok(units) => {
                let apdu = Apdu::parse(&units[0]).unwrap();
                assert!(apdu.calling_invocation_id > last);
                last = apdu.calling_invocation_id;
            }
            Err(error) => {
                assert_eq!(usize::try_from(id).unwrap(), REMEMBERED, "{error}");
                break;
            }
        }
    }
}

/// A device with one register, behind a host.
struct Meter(View);

impl Devices for Meter {
    fn table(&mut self, _: usize, table: u16) -> Result<Vec<u8>, ResponseCode> {
        let contents = Contents {
            now_s: NOW_S,
            values: [(ObisCode::ACTIVE_ENERGY_IMPORT, Decimal::new(55_403_465, 1))].into(),
            profile: Vec::new(),
        };
        let identity = Identity {
            serial: "1WSM0000000001".to_owned(),
            ..Identity::default()
        };
        let octets = self.0.table(table, &identity, &contents);
        octets.map_err(|_| ResponseCode(7))?.ok_or(ResponseCode(4))
    }
}

fn reader(key: Key) -> MeterReader {
    let mut network = Config::new(".123.8437".parse().unwrap(), ".123.4".parse().unwrap());
    network.key = Some((2, key));
    network.timeout = Duration::from_secs(10);
    let counters = Box::new(MemoryCounters::default());
    let seconds = Box::new(|| u32::try_from(NOW_S).unwrap());
    MeterReader::over_network(reader::Config::default(), network, false, counters, seconds)
}

/// Reads for so long; the host hears all messages but each `lost`th.
fn read_for(reader: &mut MeterReader, span: Duration, lost: usize) -> Vec<Action> {
    let mut host = host(None);
    let registers = [(ObisCode::ACTIVE_ENERGY_IMPORT, Unit::WattHour)];
    let mut meter = Meter(View::new(&registers, &BTreeSet::new()));
    let start = Instant::now();
    let mut now = start;
    let mut told = Vec::new();
    let mut sent = 0;
    reader.restart(now);
    while now < start + span {
        while let Some(action) = reader.poll_action() {
            let Action::Send(octets) = action else {
                told.push(action);
                continue;
            };
            sent += 1;
            if sent % lost == 0 {
                continue;
            }
            let apdu = Apdu::parse(&octets).unwrap();
            for unit in host
                .answer(&apdu, NOW_S, SIZES, &mut meter)
                .unwrap_or_default()
            {
                reader.handle_input(&unit, now);
            }
        }
        let Some(due) = reader.poll_timeout() else {
            break;
        };
        now = now.max(due);
        reader.handle_timeout(now);
    }
    told
}

#[test]
fn a_reader_reads_again_and_again_over_lost_messages() {
    let told = read_for(&mut reader(key()), Duration::from_secs(600), 7);
    let telegrams: Vec<_> = told
        .iter()
        .filter_map(|action| match action {
            Action::Telegram(telegram) => Some(telegram),
            _ => None,
        })
        .collect();
    assert!(telegrams.len() >= 5, "{told:?}");
    for telegram in telegrams {
        assert_eq!(telegram.check, Check::Tag);
        assert_eq!(telegram.meter, MeterId::new("1WSM0000000001"));
        let [value] = telegram.values.as_slice() else {
            panic!("{telegram:?}")
        };
        assert_eq!(value.value.number(), Some(Decimal::new(55_403_465, 1)));
    }
}

#[test]
fn a_reader_says_what_is_wrong_with_its_key() {
    let wrong = Key::from_hex(&"5a".repeat(16)).unwrap();
    let told = read_for(&mut reader(wrong), Duration::from_secs(100), usize::MAX);
    let reasons: Vec<_> = told
        .iter()
        .filter_map(|action| match action {
            Action::Rejected(rejected) => Some(rejected.reason.as_str()),
            _ => None,
        })
        .collect();
    assert!(!reasons.is_empty(), "{told:?}");
    assert!(
        reasons
            .iter()
            .all(|reason| reason.contains("no answer came after 3")),
        "{reasons:?}"
    );
}
