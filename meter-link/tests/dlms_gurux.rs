//! The client against the example server of GuruxDLMS.c, a program of its own, over HDLC and the
//! wrapper, without security, with a password and with GMAC. `WATTLE_GURUX_SERVER` names the binary,
//! built with `getchar` in place of `_getch`; it listens at five ports in a row.
//!
//! Its ports for short names have no association object to read them from.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use meter_link::dlms::client::job::{
    Catalogue, ClockJob, ClockPolicy, Job, ObjectsJob, Outcome, ProfileJob, ProfileQuery,
    RegisterSpec, RegistersJob,
};
use meter_link::dlms::client::{
    CarrierConfig, CipheringConfig, Client, ClientAuthentication, ClientConfig, HdlcConfig,
    MemoryCounters, Password, Runner, RunnerEvent, WrapperConfig,
};
use meter_link::dlms::hdlc::Address;
use meter_link::key::Key;
use meter_link::model::{ObisCode, Value};
use meter_link::session::Action;

struct Server {
    process: Child,
    port: u16,
    /// It keeps what was set in files.
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Option<Self> {
        let Some(binary) = std::env::var_os("WATTLE_GURUX_SERVER") else {
            println!("skipped: WATTLE_GURUX_SERVER names no example server of GuruxDLMS.c");
            return None;
        };
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port() / 5 * 5 % 60_000
        };
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(binary)
            .args(["-p", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port + 4)).is_err() {
            assert!(Instant::now() < until, "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self {
            process,
            port,
            _folder: folder,
        })
    }

    fn run(&self, place: u16, config: ClientConfig, jobs: Vec<Box<dyn Job>>) -> Vec<RunnerEvent> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port + place)).unwrap();
        stream.set_nodelay(true).unwrap();
        let random = |octets: &mut [u8]| octets.fill(0x5A);
        let client = Client::new(
            config,
            Box::new(MemoryCounters::default()),
            Box::new(random),
        );
        let mut runner = Runner::new(client, Box::new(|_| jiff::Timestamp::now()));
        let mut events = Vec::new();
        let mut buffer = vec![0; 65_536];
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
            let wait = runner.poll_timeout().unwrap() - Instant::now();
            let wait = wait.max(Duration::from_micros(100));
            stream.set_read_timeout(Some(wait)).unwrap();
            match stream.read(&mut buffer) {
                Ok(0) => panic!("the server hung up: {events:?}"),
                Ok(length) => runner.handle_input(&buffer[..length], Instant::now()),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    runner.handle_timeout(Instant::now());
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Clone, Copy, Debug)]
enum Proof {
    None,
    Low,
    Gmac,
}

fn config(wrapper: bool, proof: Proof) -> ClientConfig {
    let carrier = match wrapper {
        true => CarrierConfig::Wrapper(WrapperConfig::new(1)),
        false => CarrierConfig::Hdlc(HdlcConfig::new(Address::server(1, None, None).unwrap())),
    };
    let number = match proof {
        Proof::None => 16,
        Proof::Low => 17,
        Proof::Gmac => 1,
    };
    let mut config = ClientConfig::new(carrier, number);
    match proof {
        Proof::None => {}
        Proof::Low => config.authentication = ClientAuthentication::Low(Password::new(*b"Gurux")),
        Proof::Gmac => {
            let key = |text| Key::from_hex(text).unwrap();
            config.authentication = ClientAuthentication::Gmac;
            config.ciphering = Some(CipheringConfig {
                counter_object: None,
                ..CipheringConfig::new(
                    *b"WTL\0\0\0\0\x01",
                    key("000102030405060708090A0B0C0D0E0F"),
                    key("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"),
                )
            });
        }
    }
    config
}

fn jobs() -> Vec<Box<dyn Job>> {
    let specs: Vec<RegisterSpec> = ["0-0:42.0.0", "1-1:21.25.0"]
        .map(|spec| spec.parse().unwrap())
        .into();
    vec![
        Box::new(RegistersJob::new(specs, Catalogue::default())),
        Box::new(ClockJob::new(ClockPolicy::Read)),
        Box::new(ObjectsJob::new()),
        Box::new(ProfileJob::new(ProfileQuery::all(ObisCode([
            1, 0, 99, 1, 0, 255,
        ])))),
    ]
}

#[test]
fn registers_clock_objects_and_profile() {
    let Some(server) = Server::start() else {
        return;
    };
    for (place, wrapper) in [(1, false), (3, true)] {
        for proof in [Proof::None, Proof::Low, Proof::Gmac] {
            let events = server.run(place, config(wrapper, proof), jobs());
            let [
                RunnerEvent::Outcome(Outcome::Registers(read)),
                RunnerEvent::Outcome(Outcome::Clock(clock)),
                RunnerEvent::Outcome(Outcome::Objects(objects)),
                RunnerEvent::Outcome(Outcome::Profile(profile)),
                RunnerEvent::Finished(None),
            ] = &events[..]
            else {
                panic!("port {place}, {proof:?}: {events:?}");
            };
            let [device, power] = &read.values[..] else {
                panic!("{read:?}");
            };
            assert_eq!(device.value, Value::Octets(b"GRX0000000123456".to_vec()));
            assert!(power.value.number().is_some_and(|power| power.scale() == 2));
            assert!(clock.ahead_s.abs() < 60, "{clock:?}");
            assert!(objects.len() > 30);
            assert_eq!(profile.columns.len(), 2);
        }
    }
}
