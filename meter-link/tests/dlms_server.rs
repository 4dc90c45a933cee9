//! The server's side of an association against our own client; and what it refuses. What a client
//! of another make says is tried with gurux-dlms (`make test-dlms-server`).

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Instant;

use meter_link::dlms::apdu::{DataAccessResult, GetResult, Selected};
use meter_link::dlms::class::class;
use meter_link::dlms::client::job::{Job, ObjectJob, Outcome};
use meter_link::dlms::client::{
    CarrierConfig, CipheringConfig, Client, ClientAuthentication, ClientConfig, MemoryCounters,
    Random, Runner, RunnerEvent, WrapperConfig,
};
use meter_link::dlms::data::Data;
use meter_link::dlms::server::{Objects, Server, ServerConfig};
use meter_link::dlms::wrapper::{Datagram, Splitter};
use meter_link::key::Key;
use meter_link::model::ObisCode;
use meter_link::session::Action;

const KEY: &str = "000102030405060708090A0B0C0D0E0F";
const AUTH_KEY: &str = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF";
const LONG: ObisCode = ObisCode([0, 0, 96, 1, 0, 255]);
const CLIENT_TITLE: [u8; 8] = *b"WTL\0\0\0\0\x09";

/// One long value.
struct Face;

impl Objects for Face {
    fn attribute(&mut self, device: u16, selected: &Selected) -> GetResult {
        let one = selected.descriptor;
        if (device, one.class, one.instance, one.attribute) == (16, 1, LONG, 2) {
            GetResult::Data(value())
        } else {
            GetResult::Error(DataAccessResult::ObjectUndefined)
        }
    }
}

/// Longer than any message.
fn value() -> Data {
    Data::OctetString((0..=255).cycle().take(9_000).collect())
}

fn key(text: &str) -> Key {
    Key::from_hex(text).unwrap()
}

/// Numbers that are not the same twice.
fn numbers(mut seed: u32) -> Random {
    Box::new(move |octets| {
        for octet in octets {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *octet = seed.to_be_bytes()[0];
        }
    })
}

fn server() -> Server {
    let config = ServerConfig {
        title: *b"WTL\0\0\0\0\x01",
        client_title: Some(CLIENT_TITLE),
        client: 1,
        encryption: key(KEY),
        authentication: key(AUTH_KEY),
    };
    Server::new(config, Box::new(MemoryCounters::default()), numbers(1))
}

fn client(title: [u8; 8], encryption: &str, number: u8) -> Runner {
    let carrier = CarrierConfig::Wrapper(WrapperConfig::new(16));
    let mut config = ClientConfig::new(carrier, number);
    config.authentication = ClientAuthentication::Gmac;
    config.ciphering = Some(CipheringConfig {
        counter_object: None,
        ..CipheringConfig::new(title, key(encryption), key(AUTH_KEY))
    });
    let client = Client::new(config, Box::new(MemoryCounters::default()), numbers(2));
    Runner::new(client, Box::new(|_| jiff::Timestamp::UNIX_EPOCH))
}

/// What a client reads, or `None` when it is refused; `meddle` stands between, with the number of
/// each message.
fn read(
    server: &mut Server,
    mut runner: Runner,
    mut meddle: impl FnMut(usize, &mut Datagram),
) -> Option<Data> {
    let now = Instant::now();
    let job = ObjectJob::new(class(1).unwrap(), LONG);
    runner.start([Box::new(job) as Box<dyn Job>], now);
    let (mut splitter, mut count, mut found) = (Splitter::new(), 0, None);
    loop {
        let mut sent = Vec::new();
        while let Some(action) = runner.poll_action() {
            if let Action::Send(octets) = action {
                sent.extend(octets);
            }
        }
        while let Some(event) = runner.poll_event() {
            match event {
                RunnerEvent::Outcome(Outcome::Object(read)) => {
                    let second = read.attributes.into_iter().find(|(number, _)| *number == 2);
                    found = second.and_then(|(_, value)| value.ok());
                }
                RunnerEvent::Finished(_) => return found,
                _ => {}
            }
        }
        let mut input = sent.as_slice();
        let Some(mut asked) = splitter.pull(&mut input) else {
            // The client waits for an answer that does not come.
            return None;
        };
        meddle(count, &mut asked);
        count += 1;
        let apdu = server.hear(asked.source, asked.destination, &asked.apdu, &mut Face);
        let answer = Datagram {
            source: 16,
            destination: asked.source,
            apdu,
        };
        runner.handle_input(&answer.to_bytes().unwrap(), now);
    }
}

#[test]
fn a_long_value_is_read_in_blocks() {
    let mut server = server();
    let mut count = 0;
    let found = read(&mut server, client(CLIENT_TITLE, KEY, 1), |number, _| {
        count = number;
    });
    assert_eq!(found, Some(value()));
    // Two for the handshake, five blocks, the release.
    assert!(count >= 7, "{count}");
}

#[test]
fn who_does_not_have_the_keys_reads_nothing() {
    let mut server = server();
    for (title, key, number) in [
        (CLIENT_TITLE, AUTH_KEY, 1),
        // Somebody else, the server itself, another client's number, the public client.
        (*b"WTL\0\0\0\0\x08", KEY, 1),
        (*b"WTL\0\0\0\0\x01", KEY, 1),
        (CLIENT_TITLE, KEY, 2),
        (CLIENT_TITLE, KEY, 16),
    ] {
        assert_eq!(
            read(&mut server, client(title, key, number), |_, _| {}),
            None
        );
    }
    assert_eq!(
        read(&mut server, client(CLIENT_TITLE, KEY, 1), |_, _| {}),
        Some(value())
    );
}

#[test]
fn what_was_altered_or_sent_again_is_refused() {
    // The messages of a reading, as somebody on the line sees them.
    let mut seen = Vec::new();
    read(&mut server(), client(CLIENT_TITLE, KEY, 1), |_, asked| {
        seen.push(asked.apdu.clone());
    });
    // The proof, and the question for the value.
    for (number, message) in seen
        .iter()
        .enumerate()
        .filter(|(number, _)| [1, 3].contains(number))
    {
        for bit in 0..message.len() * 8 {
            let mut server = server();
            let found = read(&mut server, client(CLIENT_TITLE, KEY, 1), |count, asked| {
                if count == number {
                    asked.apdu[bit / 8] ^= 1 << (bit % 8);
                }
            });
            assert!(found != Some(value()), "message {number}, bit {bit}");
        }
    }
    // The whole of it once more: the challenge is another one, so that nothing opens.
    let mut server = server();
    read(&mut server, client(CLIENT_TITLE, KEY, 1), |_, _| {});
    let answers: Vec<Vec<u8>> = seen
        .iter()
        .map(|message| server.hear(1, 16, message, &mut Face))
        .collect();
    assert!(
        answers.iter().all(|answer| answer.len() < 200),
        "an answer was given"
    );
}

#[test]
fn clear_words_are_not_answered() {
    let mut server = server();
    read(&mut server, client(CLIENT_TITLE, KEY, 1), |count, asked| {
        if count == 3 {
            // GET-Request-Normal of the long value, in clear.
            asked.apdu = vec![0xC0, 1, 0x81, 0, 1, 0, 0, 96, 1, 0, 255, 2, 0];
        }
    });
    let said = server.hear(
        1,
        16,
        &[0xC0, 1, 0x81, 0, 1, 0, 0, 96, 1, 0, 255, 2, 0],
        &mut Face,
    );
    assert_eq!(said.first(), Some(&0xD8), "an exception response");
}

#[test]
fn any_octets_are_borne() {
    let mut server = server();
    let mut random = numbers(7);
    for length in 0..400 {
        let mut octets = vec![0; length];
        random(&mut octets);
        for first in [0x60, 0x62, 0xC0, 0xC3, 0xC8, 0xCB, 0xDB] {
            if let Some(octet) = octets.first_mut() {
                *octet = first;
            }
            assert!(server.hear(1, 16, &octets, &mut Face).len() < 64);
        }
    }
}
