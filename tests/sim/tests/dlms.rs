//! The client of `meter-link` reads the simulated DLMS/COSEM meter in every way it can be asked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use meter_link::dlms::apdu::Conformance;
use meter_link::dlms::client::job::{
    Catalogue, ClockJob, ClockPolicy, Job, Outcome, ProfileJob, ProfileQuery, RegisterSpec,
    RegistersJob, RelayCommand, RelayJob,
};
use meter_link::dlms::client::{
    CarrierConfig, CipheringConfig, Client, ClientAuthentication, ClientConfig, Envelope,
    HdlcConfig, MemoryCounters, Opening, Password, Runner, RunnerEvent, Signing, WrapperConfig,
};
use meter_link::dlms::hdlc::{Address, Parameters};
use meter_link::dlms::security::{KeyChoice, SecurityControl};
use meter_link::model::{ObisCode, Value};
use meter_link::session::Action;
use wattle_sim::dlms::{Carrier, Config, DlmsMeter, MessageKeys, Security, agreement_keys};
use wattle_sim::household::{Curve, Kind};

const PROFILE: ObisCode = ObisCode([1, 0, 99, 1, 0, 255]);
const RELAY: ObisCode = ObisCode([0, 0, 96, 3, 10, 255]);

fn meter(carrier: Carrier, security: Security) -> Config {
    let load = Curve::new(Kind::Constant { power_w: 700 }, 1);
    Config::new(carrier, security, load)
}

fn client(meter: &DlmsMeter) -> ClientConfig {
    let config = meter.config();
    let hdlc = HdlcConfig {
        opening: (config.carrier == Carrier::ModeE).then(Opening::default),
        parameters: Parameters {
            max_info_transmit: 256,
            max_info_receive: 256,
            window_transmit: 7,
            window_receive: 7,
        },
        ..HdlcConfig::new(Address::server(1, Some(17), Some(4)).unwrap())
    };
    let carrier = match config.carrier {
        Carrier::Wrapper => CarrierConfig::Wrapper(WrapperConfig::new(1)),
        Carrier::Hdlc | Carrier::ModeE => CarrierConfig::Hdlc(hdlc),
    };
    let mut client = ClientConfig::new(carrier, 1);
    match &config.security {
        Security::None => {}
        Security::Low(password) => {
            client.authentication = ClientAuthentication::Low(Password::new(password.clone()));
        }
        Security::Gmac(suite) | Security::Ecdsa(suite) => {
            client.authentication = match (&config.security, config.signing_keys()) {
                (Security::Ecdsa(_), Some((meter, own))) => ClientAuthentication::Ecdsa {
                    own,
                    meter: meter.verifying_key(),
                },
                _ => ClientAuthentication::Gmac,
            };
            let ciphering = CipheringConfig::new(
                *b"WTL\0\0\0\0\x07",
                config.key.clone(),
                config.auth_key.clone(),
            );
            client.ciphering = Some(CipheringConfig {
                control: SecurityControl::AUTHENTICATED_ENCRYPTED.in_suite(*suite),
                ..ciphering
            });
        }
    }
    client
}

fn run(meter: &DlmsMeter, client: ClientConfig, jobs: Vec<Box<dyn Job>>) -> Vec<RunnerEvent> {
    let place = meter.place();
    let mut stream = TcpStream::connect(place.strip_prefix("tcp:").unwrap()).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut seed = 1u8;
    let random = move |octets: &mut [u8]| {
        for octet in octets {
            seed = seed.wrapping_mul(5).wrapping_add(77);
            *octet = seed;
        }
    };
    let client = Client::new(
        client,
        Box::new(MemoryCounters::default()),
        Box::new(random),
    );
    let mut runner = Runner::new(client, Box::new(|_| jiff::Timestamp::now()));
    let mut events = Vec::new();
    let mut buffer = vec![0; 4096];
    runner.start(jobs, Instant::now());
    loop {
        while let Some(action) = runner.poll_action() {
            if let Action::Send(bytes) = action {
                stream.write_all(&bytes).unwrap();
            }
        }
        events.extend(std::iter::from_fn(|| runner.poll_event()));
        if !runner.is_running() {
            return events;
        }
        let wait = runner.poll_timeout().unwrap();
        let wait = wait.saturating_duration_since(Instant::now());
        let wait = wait.max(Duration::from_micros(100));
        stream.set_read_timeout(Some(wait)).unwrap();
        match stream.read(&mut buffer) {
            Ok(0) => panic!("the meter hung up"),
            Ok(length) => runner.handle_input(&buffer[..length], Instant::now()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                runner.handle_timeout(Instant::now());
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Mechanism 7 in both suites; neither side lets the other in with another key.
#[test]
fn signatures_prove_who_both_sides_are() {
    for suite in [1, 2] {
        let meter = DlmsMeter::at_tcp(meter(Carrier::Wrapper, Security::Ecdsa(suite))).unwrap();
        everything(&meter, client(&meter));
        let (of_meter, of_client) = meter.config().signing_keys().unwrap();
        for (own, other, word) in [
            (of_client.clone(), &of_client, "the meter's proof is wrong"),
            (of_meter.clone(), &of_meter, "does not accept our proof"),
        ] {
            let mut wrong = client(&meter);
            wrong.authentication = ClientAuthentication::Ecdsa {
                own,
                meter: other.verifying_key(),
            };
            let spec = "1-0:1.8.0".parse::<RegisterSpec>().unwrap();
            let job = RegistersJob::new(vec![spec], Catalogue::default());
            let events = run(&meter, wrong, vec![Box::new(job)]);
            let [RunnerEvent::Finished(Some(error))] = events.as_slice() else {
                panic!("{events:?}")
            };
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

/// Two days of quarter-hours.
const ROWS: std::ops::Range<i64> = 1_968_000..1_968_192;

fn everything(meter: &DlmsMeter, client: ClientConfig) {
    meter.add_rows(ROWS.map(|quarter| (quarter, 0)));
    meter.set_ahead(-100);
    let specs = ["1-0:1.8.0", "1-0:16.7.0"].map(|spec| spec.parse::<RegisterSpec>().unwrap());
    let jobs: Vec<Box<dyn Job>> = vec![
        Box::new(RegistersJob::new(specs.into(), Catalogue::default())),
        Box::new(ProfileJob::new(ProfileQuery::all(PROFILE))),
        Box::new(ClockJob::new(ClockPolicy::Keep {
            tolerance: SignedDuration::from_secs(5),
            limit: SignedDuration::from_secs(600),
        })),
    ];
    let events = run(meter, client, jobs);
    let [
        RunnerEvent::Outcome(Outcome::Registers(read)),
        RunnerEvent::Outcome(Outcome::Profile(profile)),
        RunnerEvent::Outcome(Outcome::Clock(clock)),
        RunnerEvent::Finished(None),
    ] = &events[..]
    else {
        panic!("{:?}: {events:?}", meter.config());
    };
    assert_eq!(read.values[1].value, Value::Number(700.into()));
    assert_eq!(profile.rows.len(), 192);
    for (quarter, (row, values)) in ROWS.zip(profile.iter()) {
        let want = Value::Number(DlmsMeter::import_wh(quarter).into());
        assert_eq!(values[2], Some(want));
        assert_eq!(row.instant.unwrap().as_second(), quarter * 900);
    }
    assert!(clock.set && (-101..=-99).contains(&clock.ahead_s));
    assert!((-1..=1).contains(&clock.ahead_after_s.unwrap()));
    let seen = meter.seen();
    let mut counters = seen.counters.clone();
    counters.sort_unstable();
    counters.dedup();
    assert_eq!(counters.len(), seen.counters.len(), "a counter came twice");
    // Each association is released, that of the public client as well.
    assert_eq!(seen.releases, seen.associations);
}

#[test]
fn every_carrier_and_security() {
    for carrier in [Carrier::Hdlc, Carrier::ModeE, Carrier::Wrapper] {
        for security in [
            Security::None,
            Security::Low(b"secret".to_vec()),
            Security::Gmac(0),
            Security::Gmac(1),
            Security::Gmac(2),
        ] {
            let meter = DlmsMeter::at_tcp(meter(carrier, security)).unwrap();
            everything(&meter, client(&meter));
        }
    }
}

#[test]
fn windows_dedicated_keys_and_general_ciphering() {
    for (window, dedicated, general) in [
        (7, false, false),
        (3, true, false),
        (1, false, true),
        (2, true, true),
    ] {
        for carrier in [Carrier::Hdlc, Carrier::Wrapper] {
            let config = Config {
                window,
                ..meter(carrier, Security::Gmac(0))
            };
            let meter = DlmsMeter::at_tcp(config).unwrap();
            let mut client = client(&meter);
            let ciphering = client.ciphering.as_mut().unwrap();
            ciphering.dedicated = dedicated;
            if general {
                ciphering.envelope = Envelope::General;
            }
            everything(&meter, client);
        }
    }
}

#[test]
fn answers_in_general_blocks() {
    for security in [Security::None, Security::Gmac(0)] {
        let config = Config {
            general_blocks: true,
            pdu: 256,
            ..meter(Carrier::Wrapper, security)
        };
        let meter = DlmsMeter::at_tcp(config).unwrap();
        let mut client = client(&meter);
        client.conformance = client.conformance | Conformance::GENERAL_BLOCK_TRANSFER;
        everything(&meter, client);
    }
}

/// Messages so short that every request takes general blocks, the second of which is lost.
#[test]
fn requests_in_general_blocks() {
    for (security, pdu, carrier) in [
        (Security::None, 25, Carrier::Wrapper),
        (Security::None, 25, Carrier::Hdlc),
        (Security::Gmac(0), 40, Carrier::Wrapper),
    ] {
        let config = Config {
            general_blocks: true,
            pdu,
            ..meter(carrier, security)
        };
        let meter = DlmsMeter::at_tcp(config).unwrap();
        let mut client = client(&meter);
        client.conformance = client.conformance | Conformance::GENERAL_BLOCK_TRANSFER;
        everything(&meter, client);
        let blocks = meter.seen().request_blocks;
        assert!(blocks >= 2, "{blocks} with {pdu} over {carrier:?}");
    }
}

/// Each way of telling by which key a message is sealed, in each suite that has it.
fn choices(suite: u8) -> Vec<[KeyChoice; 2]> {
    let (meter, client) = agreement_keys(suite);
    let config = meter_of(suite);
    let (sign_meter, sign_client) = config.signing_keys().unwrap();
    let wrapped = || KeyChoice::Wrapped {
        master: config.auth_key.clone(),
    };
    let mut all = vec![
        [KeyChoice::Identified, KeyChoice::Identified],
        [wrapped(), wrapped()],
    ];
    if suite > 0 {
        all.push([
            KeyChoice::OnePass {
                own: client.clone(),
                peer: meter.public_key(),
                signing: sign_client.clone(),
                verifying: sign_meter.verifying_key(),
            },
            KeyChoice::OnePass {
                own: meter.clone(),
                peer: client.public_key(),
                signing: sign_meter,
                verifying: sign_client.verifying_key(),
            },
        ]);
        all.push([
            KeyChoice::Static {
                own: client.clone(),
                peer: meter.public_key(),
            },
            KeyChoice::Static {
                own: meter,
                peer: client.public_key(),
            },
        ]);
    }
    all
}

fn meter_of(suite: u8) -> Config {
    meter(Carrier::Wrapper, Security::Gmac(suite))
}

#[test]
fn messages_that_tell_their_keys() {
    for suite in 0..=2 {
        for [own, choice] in choices(suite) {
            let config = Config {
                message_keys: Some(MessageKeys {
                    choice,
                    signing: None,
                }),
                ..meter_of(suite)
            };
            let meter = DlmsMeter::at_tcp(config).unwrap();
            let mut client = client(&meter);
            client.ciphering.as_mut().unwrap().envelope = Envelope::Keyed(own);
            everything(&meter, client);
        }
    }
}

#[test]
fn signed_messages() {
    for suite in [1, 2] {
        let config = meter_of(suite);
        let signing = config.signing_keys();
        let (of_meter, of_client) = signing.clone().unwrap();
        let config = Config {
            message_keys: Some(MessageKeys {
                choice: KeyChoice::Identified,
                signing,
            }),
            ..config
        };
        let meter = DlmsMeter::at_tcp(config).unwrap();
        let with = |own, meter_key| {
            let mut client = client(&meter);
            client.ciphering.as_mut().unwrap().signing = Some(Signing {
                own,
                meter: meter_key,
                inside: false,
            });
            client
        };
        everything(&meter, with(of_client.clone(), of_meter.verifying_key()));
        // A signature by another key opens nothing, and gives no value.
        for (own, other) in [
            (of_meter.clone(), of_meter.verifying_key()),
            (of_client.clone(), of_client.verifying_key()),
        ] {
            let spec = "1-0:1.8.0".parse::<RegisterSpec>().unwrap();
            let job = RegistersJob::new(vec![spec], Catalogue::default());
            let events = run(&meter, with(own, other), vec![Box::new(job)]);
            let [RunnerEvent::Finished(Some(_))] = events.as_slice() else {
                panic!("{events:?}")
            };
        }
    }
}

/// Messages so short that even setting the clock takes blocks.
#[test]
fn requests_in_blocks() {
    let config = Config {
        pdu: 80,
        ..meter(Carrier::Wrapper, Security::Gmac(0))
    };
    let meter = DlmsMeter::at_tcp(config).unwrap();
    everything(&meter, client(&meter));
}

#[test]
fn the_relay() {
    let switch = |command| vec![Box::new(RelayJob::new(RELAY, command)) as Box<dyn Job>];
    let secured = DlmsMeter::at_tcp(meter(Carrier::Wrapper, Security::Gmac(0))).unwrap();
    for (command, on) in [
        (RelayCommand::Disconnect, false),
        (RelayCommand::Reconnect, true),
    ] {
        let events = run(&secured, client(&secured), switch(command));
        let RunnerEvent::Outcome(Outcome::Relay(report)) = &events[0] else {
            panic!("{events:?}");
        };
        assert_eq!(report.connected, on);
    }
    assert_eq!(secured.seen().relay, [false, true]);
    let plain = DlmsMeter::at_tcp(meter(Carrier::Hdlc, Security::None)).unwrap();
    let events = run(&plain, client(&plain), switch(RelayCommand::Disconnect));
    assert!(matches!(events[0], RunnerEvent::JobFailed(_)));
    assert!(plain.seen().relay.is_empty());
}
