//! The simulated meter as a process, and a client pumped over a TCP connection to it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use meter_link::dlms::client::job::Job;
use meter_link::dlms::client::{
    CarrierConfig, CipheringConfig, Client, ClientAuthentication, ClientConfig, CounterStore,
    HdlcConfig, MemoryCounters, Opening, Password, Runner, RunnerEvent, WrapperConfig,
};
use meter_link::dlms::hdlc::{Address, LinkCounts};
use meter_link::key::Key;
use meter_link::session::Action;

/// How the meter is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    Hdlc,
    ModeE,
    Wrapper,
}

/// A running simulator.
pub(crate) struct Meter {
    process: Child,
    port: u16,
    reached: Reached,
    auth: String,
    folder: tempfile::TempDir,
    pub(crate) forget_counter: bool,
    /// The meter lets time pass between its bytes, so that time is the real one. Otherwise it passes
    /// only when both sides wait for each other, and no test depends on how busy the machine is.
    pub(crate) real_time: bool,
    pub(crate) wrong_key: bool,
}

fn simulator() -> Option<PathBuf> {
    let corpus = std::env::var_os("WATTLE_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let script = corpus.join("../tools/dlms_meter_sim.py");
    if !script.is_file() {
        println!(
            "skipped: the simulated meter {} is not there",
            script.display()
        );
        return None;
    }
    let imports = Command::new("python3")
        .args(["-c", "import cryptography"])
        .stderr(Stdio::null())
        .status();
    if !imports.is_ok_and(|status| status.success()) {
        println!("skipped: the simulated meter needs python3 with cryptography");
        return None;
    }
    Some(script)
}

impl Meter {
    /// Starts a meter; `None`, and a word why, where that is not possible.
    pub(crate) fn start(reached: Reached, auth: &str, more: &[&str]) -> Option<Self> {
        let script = simulator()?;
        let folder = tempfile::tempdir().unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let iface = match reached {
            Reached::Wrapper => "wrapper",
            Reached::Hdlc | Reached::ModeE => "hdlc",
        };
        let mut command = Command::new("python3");
        command
            .arg(script)
            .args(["--port", &port.to_string(), "--iface", iface])
            .args(["--auth", auth, "--seconds", "600"])
            .args(more)
            .stderr(log);
        if reached == Reached::ModeE {
            command.arg("--mode-e");
        }
        let process = command.spawn().unwrap();
        let meter = Self {
            process,
            port,
            reached,
            auth: auth.to_owned(),
            folder,
            forget_counter: false,
            real_time: false,
            wrong_key: false,
        };
        let until = Instant::now() + Duration::from_secs(20);
        while !meter.log().contains("meter on 127") {
            assert!(Instant::now() < until, "the meter does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(meter)
    }

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn config(&self) -> ClientConfig {
        let server = Address::server(1, None, None).unwrap();
        let hdlc = HdlcConfig {
            opening: (self.reached == Reached::ModeE).then(|| Opening {
                switch_gap: Some(Duration::from_millis(20)),
                ..Opening::default()
            }),
            line: meter_link::session::Line::eight_none(115_200),
            ..HdlcConfig::new(server)
        };
        let carrier = match self.reached {
            Reached::Hdlc | Reached::ModeE => CarrierConfig::Hdlc(hdlc),
            Reached::Wrapper => CarrierConfig::Wrapper(WrapperConfig::new(1)),
        };
        let mut config = ClientConfig::new(carrier, 1);
        let password = if self.wrong_key { "1" } else { "12345678" };
        let ek = if self.wrong_key { "FF" } else { "00" };
        let key = |text: &str| Key::from_hex(text).unwrap();
        match self.auth.as_str() {
            "low" => config.authentication = ClientAuthentication::Low(Password::new(password)),
            "gmac" => {
                config.authentication = ClientAuthentication::Gmac;
                let ciphering = CipheringConfig::new(
                    *b"WTL\0\0\0\0\x01",
                    key(&format!("{ek}0102030405060708090A0B0C0D0E0F")),
                    key("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"),
                );
                config.ciphering = Some(CipheringConfig {
                    counter_object: ciphering.counter_object.filter(|_| !self.forget_counter),
                    ..ciphering
                });
            }
            _ => {}
        }
        config
    }

    /// True when the meter waits and no byte is on its way in either direction.
    fn is_silent(&self, own_port: u16) -> bool {
        let waits =
            fs::read_to_string(format!("/proc/{}/stat", self.process.id())).is_ok_and(|stat| {
                stat.rsplit_once(") ")
                    .is_some_and(|(_, rest)| rest.starts_with('S'))
            });
        waits && !bytes_under_way(self.port, own_port)
    }
}

/// Whether the kernel holds bytes of a connection between two local ports.
fn bytes_under_way(one: u16, other: u16) -> bool {
    let ends = [format!(":{one:04X}"), format!(":{other:04X}")];
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, local, remote, _, queues, ..] = fields[..] else {
            return false;
        };
        let ours = ends.iter().any(|end| local.ends_with(end.as_str()))
            && ends.iter().any(|end| remote.ends_with(end.as_str()));
        ours && queues != "00000000:00000000"
    })
}

impl Drop for Meter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a run of jobs gave.
pub(crate) struct Ran {
    pub(crate) events: Vec<RunnerEvent>,
    pub(crate) took: Duration,
    pub(crate) counts: LinkCounts,
    pub(crate) stray: u64,
    pub(crate) received: usize,
}

/// Runs jobs over a connection of their own.
pub(crate) fn run<const N: usize>(meter: &Meter, jobs: [Box<dyn Job>; N]) -> Ran {
    run_with(meter, Box::new(MemoryCounters::default()), jobs)
}

pub(crate) fn run_with<const N: usize>(
    meter: &Meter,
    counters: Box<dyn CounterStore>,
    jobs: [Box<dyn Job>; N],
) -> Ran {
    let mut stream = TcpStream::connect(("127.0.0.1", meter.port))
        .unwrap_or_else(|error| panic!("{error}: {}", meter.log()));
    stream.set_nodelay(true).unwrap();
    let mut seed = 7u8;
    let random = move |octets: &mut [u8]| {
        for octet in octets {
            seed = seed.wrapping_mul(5).wrapping_add(101);
            *octet = seed;
        }
    };
    let client = Client::new(meter.config(), counters, Box::new(random));
    let mut runner = Runner::new(client, Box::new(|_| jiff::Timestamp::now()));
    let own_port = stream.local_addr().unwrap().port();
    let start = Instant::now();
    // The client's time, where it is not the real one.
    let mut passed = start;
    let mut events = Vec::new();
    let mut received = 0;
    let mut buffer = vec![0; 65_536];
    runner.start(jobs, start);
    loop {
        while let Some(action) = runner.poll_action() {
            if let Action::Send(bytes) = action {
                stream.write_all(&bytes).unwrap();
            }
        }
        while let Some(event) = runner.poll_event() {
            events.push(event);
        }
        if !runner.is_running() {
            break;
        }
        let due = runner.poll_timeout().unwrap();
        let longest = if meter.real_time { 5_400 } else { 300 };
        assert!(start.elapsed() < Duration::from_secs(longest), "no end");
        let wait = match meter.real_time {
            true => due.saturating_duration_since(Instant::now()),
            false => Duration::from_millis(1),
        };
        let wait = wait.max(Duration::from_micros(100));
        stream.set_read_timeout(Some(wait)).unwrap();
        let read = stream.read(&mut buffer);
        if meter.real_time {
            passed = Instant::now();
        }
        match read {
            Ok(0) => panic!("the meter hung up: {}", meter.log()),
            Ok(length) => {
                received += length;
                runner.handle_input(&buffer[..length], passed);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if meter.real_time {
                    runner.handle_timeout(passed);
                } else if meter.is_silent(own_port) {
                    passed = passed.max(due);
                    runner.handle_timeout(passed);
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
    Ran {
        events,
        took: start.elapsed(),
        counts: runner.client().counts(),
        stray: runner.client().stray_octets(),
        received,
    }
}
