//! Reads the same load profile of the same ciphered meter with several clients, one after the
//! other: ours, dlms-cosem-rs, and gurux-dlms where `GURUX_PYTHON` names a Python that has it.
//! `tests/bench/dlms` prepares all that.
//!
//! `--meter ADDRESS` reads another meter with the same keys than the one simulated here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement may fail"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use dlms_cosem_rs::acse::AuthMechanism;
use dlms_cosem_rs::client::{AssociationStep, BlockCollector, ClientSession, Response};
use dlms_cosem_rs::codec::Encode;
use dlms_cosem_rs::obis::Obis;
use dlms_cosem_rs::security::{
    KeyRing, RandomSource, RustCryptoProvider, SecurityPolicy, SecuritySuite, SystemTitle,
};
use dlms_cosem_rs::transport::wrapper::{StreamReassembler, Wpdu};
use dlms_cosem_rs::xdlms::{AttributeDescriptor, AttributeDescriptorWithSelection};
use meter_link::dlms::client::job::{Job, Outcome, ProfileJob, ProfileQuery};
use meter_link::dlms::client::{
    CarrierConfig, CipheringConfig, Client, ClientAuthentication, ClientConfig, CounterStore,
    MemoryCounters, Runner, RunnerEvent, WrapperConfig,
};
use meter_link::key::Key;
use meter_link::model::{ObisCode, Value};
use meter_link::session::Action;
use wattle_sim::dlms::{Carrier, Config, DlmsMeter, Security};
use wattle_sim::household::{Curve, Kind};

const ROWS: usize = 2_880;
const ROUNDS: usize = 101;
const KEY: &str = "000102030405060708090A0B0C0D0E0F";
const AUTH_KEY: &str = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF";
const PROFILE: ObisCode = ObisCode([1, 0, 99, 1, 0, 255]);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let given = match arguments.next().as_deref() {
        Some("--meter") => arguments.next(),
        _ => None,
    };
    let own = given.is_none().then(|| {
        let load = Curve::new(Kind::Constant { power_w: 1 }, 1);
        let meter = Config::new(Carrier::Wrapper, Security::Gmac(0), load);
        let meter = DlmsMeter::at_tcp(meter).expect("a meter");
        let first = 1_968_000;
        meter.add_rows((first..first + 2_880).map(|quarter| (quarter, 0)));
        meter
    });
    let address = match (&own, given) {
        (Some(meter), _) => meter.place().trim_start_matches("tcp:").to_owned(),
        (None, given) => given.expect("--meter ADDRESS"),
    };
    println!(
        "{ROWS} rows over the wrapper at {address}, GMAC, ciphered, longest message 1,024 bytes"
    );
    // In turns, so that whatever else the machine does meets all of them.
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let [own, same, less] = &mut times;
        own.push(timed(|| ours(&address)));
        same.push(timed(|| theirs(&address, Asked::Columns)));
        less.push(timed(|| theirs(&address, Asked::RowsAlone)));
    }
    let [ours, same, less] = times.map(rate);
    println!("{:<40} {ours:>9.0} rows/s", "wattle");
    println!(
        "{:<40} {same:>9.0} rows/s",
        "dlms-cosem-rs 0.1.0, columns asked too"
    );
    println!(
        "{:<40} {less:>9.0} rows/s",
        "dlms-cosem-rs 0.1.0, columns not asked"
    );
    println!(
        "wattle is {:.2} times dlms-cosem-rs that asks the same, {:.2} times one that asks for rows alone",
        ours / same,
        ours / less
    );
    if let Some(python) = std::env::var_os("GURUX_PYTHON") {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/dlms_gurux.py");
        let (host, port) = address.rsplit_once(':').expect("host:port");
        let output = Command::new(python).args([script, host, port]).output();
        let output = output.expect("Python runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let rate: Option<f64> = said.trim().parse().ok();
        let rate = rate.unwrap_or_else(|| {
            panic!("{said}{}", String::from_utf8_lossy(&output.stderr));
        });
        println!("{:<40} {rate:>9.0} rows/s", "gurux-dlms (Python)");
        println!("wattle is {:.1} times gurux-dlms", ours / rate);
    } else {
        println!("skipped: gurux-dlms, since GURUX_PYTHON names no Python that has it");
    }
}

/// The time of one round, from connection to release.
fn timed(read: impl FnOnce() -> usize) -> Duration {
    let start = Instant::now();
    assert_eq!(read(), ROWS);
    start.elapsed()
}

/// Rows per second of the median round.
fn rate(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    2_880.0 / times[times.len() / 2].as_secs_f64()
}

/// A number above all that were used before.
fn counter() -> u32 {
    let now = jiff::Timestamp::now().as_microsecond() / 4;
    u32::try_from(now.rem_euclid(1 << 31)).expect("31 bits")
}

fn ours(address: &str) -> usize {
    let key = |text| Key::from_hex(text).expect("a key");
    let carrier = CarrierConfig::Wrapper(WrapperConfig::new(1));
    let mut config = ClientConfig::new(carrier, 1);
    config.authentication = ClientAuthentication::Gmac;
    // The others are told their counter as well.
    config.ciphering = Some(CipheringConfig {
        counter_object: None,
        ..CipheringConfig::new(*b"WTL\0\0\0\0\x09", key(KEY), key(AUTH_KEY))
    });
    let mut counters = MemoryCounters::default();
    counters.reserve(counter(), 0).expect("a counter");
    let mut seed = counter();
    let random = move |octets: &mut [u8]| {
        for octet in octets {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *octet = seed.to_be_bytes()[0];
        }
    };
    let client = Client::new(config, Box::new(counters), Box::new(random));
    let mut runner = Runner::new(client, Box::new(|_| jiff::Timestamp::now()));
    let mut stream = TcpStream::connect(address).expect("the meter");
    stream.set_nodelay(true).expect("a socket");
    let job = ProfileJob::new(ProfileQuery::all(PROFILE));
    runner.start([Box::new(job) as Box<dyn Job>], Instant::now());
    let mut buffer = vec![0; 64 * 1024];
    let mut rows = 0;
    loop {
        while let Some(action) = runner.poll_action() {
            if let Action::Send(bytes) = action {
                stream.write_all(&bytes).expect("the meter listens");
            }
        }
        while let Some(event) = runner.poll_event() {
            match event {
                RunnerEvent::Outcome(Outcome::Profile(profile)) => {
                    for (_, values) in profile.iter() {
                        let last = values.last().and_then(Option::as_ref);
                        assert!(last.and_then(Value::number).is_some());
                    }
                    rows += profile.rows.len();
                }
                RunnerEvent::Finished(None) => return rows,
                other => panic!("{other:?}"),
            }
        }
        let length = stream.read(&mut buffer).expect("the meter answers");
        assert!(length > 0, "the meter hung up");
        runner.handle_input(&buffer[..length], Instant::now());
    }
}

struct Rng;

impl RandomSource for Rng {
    fn fill(&self, out: &mut [u8]) -> dlms_cosem_rs::codec::Result<()> {
        for (octet, mark) in out.iter_mut().zip(0x41u8..) {
            *octet = mark;
        }
        Ok(())
    }
}

/// A connection and what has come over it.
struct Connection {
    stream: TcpStream,
    reassembler: StreamReassembler,
    heard: Vec<u8>,
}

impl Connection {
    fn ask(&mut self, apdu: &[u8]) -> Vec<u8> {
        let mut framed = Vec::new();
        let datagram = Wpdu::new(1, 1, apdu).expect("a datagram");
        datagram.encode(&mut framed).expect("its bytes");
        self.stream.write_all(&framed).expect("the meter listens");
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if let Some((datagram, used)) =
                self.reassembler.next_pdu(&self.heard).expect("a datagram")
            {
                let answer = datagram.apdu.to_vec();
                self.heard.drain(..used);
                return answer;
            }
            let length = self.stream.read(&mut buffer).expect("the meter answers");
            assert!(length > 0, "the meter hung up");
            self.heard.extend_from_slice(&buffer[..length]);
        }
    }
}

/// What dlms-cosem-rs asks the meter beside the rows.
#[derive(Clone, Copy, PartialEq)]
enum Asked {
    /// The columns, and the scalers of those that have one: what values are made of. Wattle always
    /// asks for them.
    Columns,
    /// Nothing: what the numbers mean has to be known.
    RowsAlone,
}

fn theirs(address: &str, asked: Asked) -> usize {
    let octets = |text: &str| {
        let key = Key::from_hex(text).expect("a key");
        <[u8; 16]>::try_from(key.octets()).expect("16 octets")
    };
    let stream = TcpStream::connect(address).expect("the meter");
    stream.set_nodelay(true).expect("a socket");
    let mut connection = Connection {
        stream,
        reassembler: StreamReassembler::new(u16::MAX),
        heard: Vec::new(),
    };
    let config = dlms_cosem_rs::client::ClientConfig {
        client_sap: 1,
        system_title: Some(SystemTitle::new(*b"RSC\0\0\0\0\x01")),
        mechanism: AuthMechanism::HighGmac,
        security: SecurityPolicy::authenticated_encrypted(SecuritySuite::Suite0),
        max_pdu_size: 0xFFFF,
        invocation_counter: counter(),
        ..Default::default()
    };
    let keys = KeyRing::new(octets(KEY), octets(AUTH_KEY));
    let mut session: ClientSession<_> =
        ClientSession::new(config, RustCryptoProvider::with_rng(keys, Rng));
    let mut request = [0; 1024];
    let mut plain = vec![0; 4096];
    let length = session.associate_request(&mut request).expect("AARQ");
    let answer = connection.ask(&request[..length]);
    let step = session.handle_associate_response(&answer).expect("AARE");
    assert!(
        matches!(step, AssociationStep::HlsReplyRequired),
        "{step:?}"
    );
    let length = session.hls_reply_request(&mut request).expect("a proof");
    let answer = connection.ask(&request[..length]);
    let step = session.handle_hls_reply_response(&answer).expect("a proof");
    assert!(matches!(step, AssociationStep::Established), "{step:?}");
    let name = Obis::new(1, 0, 99, 1, 0, 255);
    if asked == Asked::Columns {
        let of_profile = [3, 4, 7].map(|number| AttributeDescriptor::new(7, name, number));
        list(&mut session, &mut connection, &of_profile);
        let register = Obis::new(1, 0, 1, 8, 0, 255);
        let scaler = AttributeDescriptor::new(3, register, 3);
        list(&mut session, &mut connection, &[scaler]);
    }
    let profile = AttributeDescriptor::new(7, name, 2);
    let length = session
        .get_request(profile, None, &mut request)
        .expect("GET");
    let mut answer = connection.ask(&request[..length]);
    let mut storage = vec![0; 512 * 1024];
    let mut blocks = BlockCollector::new(&mut storage);
    loop {
        match session
            .handle_response(&answer, &mut plain)
            .expect("an answer")
        {
            Response::Block { last, number, data } => {
                blocks.push(number, data).expect("the next block");
                if last {
                    break;
                }
                let length = session
                    .get_next_block_request(number, &mut request)
                    .expect("GET");
                answer = connection.ask(&request[..length]);
            }
            other => panic!("{other:?}"),
        }
    }
    let value = blocks.value().expect("a value");
    let rows = value.as_array().expect("an array");
    let mut count = 0;
    for row in rows.iter() {
        let row = row.expect("a row");
        let fields = row.as_structure().expect("a structure");
        assert!(fields.get(2).expect("a field").as_u64().is_some());
        count += 1;
    }
    let length = session.release_request(&mut request).expect("RLRQ");
    connection.ask(&request[..length]);
    count
}

/// Asks for several attributes at once, and reads what comes.
fn list(
    session: &mut ClientSession<RustCryptoProvider<Rng>>,
    connection: &mut Connection,
    attributes: &[AttributeDescriptor],
) {
    let mut request = [0; 1024];
    let mut plain = vec![0; 4096];
    let items: Vec<_> = attributes
        .iter()
        .map(|attribute| AttributeDescriptorWithSelection {
            descriptor: *attribute,
            access: None,
        })
        .collect();
    let length = session
        .get_request_with_list(&items, &mut request)
        .expect("GET");
    let answer = connection.ask(&request[..length]);
    match session
        .handle_response(&answer, &mut plain)
        .expect("an answer")
    {
        Response::DataList(found) => assert_eq!(found.len(), attributes.len()),
        other => panic!("{other:?}"),
    }
}
