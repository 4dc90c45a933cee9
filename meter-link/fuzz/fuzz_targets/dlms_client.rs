//! A client that hears anything at all, as APDUs behind the wrapper, by logical or short names: in no association, in a plain
//! one and in a ciphered one. It neither panics nor keeps an answer waiting for ever.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use meter_link::dlms::client::job::{
    Catalogue, ClockJob, ClockPolicy, Job, ObjectsJob, ProfileJob, ProfileQuery, RegistersJob,
    RelayCommand, RelayJob,
};
use meter_link::dlms::client::{
    CarrierConfig, CipheringConfig, Client, ClientAuthentication, ClientConfig, MemoryCounters,
    Referencing, Runner, WrapperConfig,
};
use meter_link::dlms::wrapper::Datagram;
use meter_link::key::Key;
use meter_link::model::ObisCode;

/// An AARE that accepts without conditions, as a simulated meter sent it.
const ACCEPTED: [u8; 43] = [
    0x61, 0x29, 0xA1, 0x09, 0x06, 0x07, 0x60, 0x85, 0x74, 0x05, 0x08, 0x01, 0x01, 0xA2, 0x03, 0x02,
    0x01, 0x00, 0xA3, 0x05, 0xA1, 0x03, 0x02, 0x01, 0x00, 0xBE, 0x10, 0x04, 0x0E, 0x08, 0x00, 0x06,
    0x5F, 0x1F, 0x04, 0x00, 0x00, 0x12, 0x1D, 0x04, 0x00, 0x00, 0x07,
];

fuzz_target!(|bytes: &[u8]| {
    let [kind, rest @ ..] = bytes else { return };
    let carrier = CarrierConfig::Wrapper(WrapperConfig::new(1));
    let mut config = ClientConfig::new(carrier, 1);
    if kind & 1 == 1
        && let Ok(key) = Key::from_hex(&"5a".repeat(16))
    {
        config.authentication = ClientAuthentication::Gmac;
        config.ciphering = Some(CipheringConfig::new([7; 8], key.clone(), key));
    }
    if kind & 0x40 != 0 {
        config.referencing = Referencing::ShortNames;
    }
    let random = Box::new(|octets: &mut [u8]| octets.fill(7));
    let client = Client::new(config, Box::new(MemoryCounters::default()), random);
    let mut runner = Runner::new(client, Box::new(|_| jiff::Timestamp::UNIX_EPOCH));
    let name = ObisCode([1, 0, 99, 1, 0, 255]);
    let specs = vec![ObisCode::ACTIVE_ENERGY_IMPORT.into(), name.into()];
    let jobs: [Box<dyn Job>; 5] = [
        Box::new(RegistersJob::new(specs, Catalogue::default())),
        Box::new(ClockJob::new(ClockPolicy::Set)),
        Box::new(ProfileJob::new(ProfileQuery::all(name))),
        Box::new(ObjectsJob::new()),
        Box::new(RelayJob::new(name, RelayCommand::Read)),
    ];
    let skip = usize::from(kind >> 1) % 5;
    let mut now = Instant::now();
    runner.start(jobs.into_iter().skip(skip), now);
    let hear = |runner: &mut Runner, apdu: &[u8]| {
        for destination in [1, 16] {
            let datagram = Datagram { source: 1, destination, apdu: apdu.to_vec() };
            if let Ok(bytes) = datagram.to_bytes() {
                runner.handle_input(&bytes, now);
            }
        }
        while runner.poll_action().is_some() {}
        while runner.poll_event().is_some() {}
    };
    if kind & 0x80 == 0 {
        hear(&mut runner, &ACCEPTED);
    }
    // Each message is told its length by its first byte.
    let mut rest = rest;
    while let [length, more @ ..] = rest {
        let (apdu, after) = more.split_at(usize::from(*length).min(more.len()));
        rest = after;
        hear(&mut runner, apdu);
    }
    for _ in 0..200 {
        let Some(due) = runner.poll_timeout() else { break };
        now = due.max(now + Duration::from_millis(1));
        runner.handle_timeout(now);
        while runner.poll_action().is_some() {}
        while runner.poll_event().is_some() {}
    }
    assert!(!runner.is_running(), "a conversation without answers ends");
});
