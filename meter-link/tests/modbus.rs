//! Modbus meters: real servers of tokio-modbus on a pty and over TCP, read by the driver.

#![cfg(feature = "driver")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::future::{Ready, ready};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use meter_link::driver::{Bus, HeadPower, ModbusMeter, Place, PortEvent, run_modbus};
use meter_link::modbus::RegisterMap;
use meter_link::model::{Check, Telegram};
use meter_link::session::Line;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_modbus::server::{Service, rtu, tcp};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tokio_serial::{SerialPort as _, SerialStream};
use tokio_util::sync::CancellationToken;

/// What the meters on a line do.
#[derive(Default)]
struct Meters {
    /// Registers by unit and address; what is not here does not exist.
    registers: BTreeMap<(u8, u16), u16>,
    /// A unit that answers with an exception, and with which.
    excepted: Option<(u8, ExceptionCode)>,
    /// How many of the next requests go unanswered.
    deaf: u32,
    /// Unit and instant of every request.
    heard: Vec<(u8, Instant)>,
}

impl Meters {
    /// A meter whose registers hold floats, and whose serial number is `serial`.
    fn add(&mut self, unit: u8, map: &RegisterMap, serial: u32, value: impl Fn(u16) -> f32) {
        for request in map.requests() {
            for at in (0..request.count).step_by(2) {
                let bits = value(request.address + at).to_bits();
                self.put(unit, request.address + at, bits);
            }
        }
        self.put(unit, 0xFC00, serial);
    }

    fn put(&mut self, unit: u8, address: u16, bits: u32) {
        let [a, b, c, d] = bits.to_be_bytes();
        self.registers
            .insert((unit, address), u16::from_be_bytes([a, b]));
        self.registers
            .insert((unit, address + 1), u16::from_be_bytes([c, d]));
    }
}

#[derive(Clone, Default)]
struct Line485(Arc<Mutex<Meters>>);

impl Service for Line485 {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, asked: SlaveRequest<'static>) -> Self::Future {
        let mut meters = self.0.lock().unwrap();
        meters.heard.push((asked.slave, Instant::now()));
        if meters.deaf > 0 {
            meters.deaf -= 1;
            return ready(Ok(None));
        }
        if let Some((unit, code)) = meters.excepted
            && unit == asked.slave
        {
            return ready(Err(code));
        }
        let words = |address: u16, count: u16| -> Option<Vec<u16>> {
            let word = |at| meters.registers.get(&(asked.slave, at)).copied();
            (address..address + count).map(word).collect()
        };
        if !meters
            .registers
            .keys()
            .any(|(unit, _)| *unit == asked.slave)
        {
            return ready(Ok(None));
        }
        let response = match asked.request {
            Request::ReadInputRegisters(address, count) => {
                words(address, count).map(Response::ReadInputRegisters)
            }
            Request::ReadHoldingRegisters(address, count) => {
                words(address, count).map(Response::ReadHoldingRegisters)
            }
            _ => return ready(Err(ExceptionCode::IllegalFunction)),
        };
        ready(response.map(Some).ok_or(ExceptionCode::IllegalDataAddress))
    }
}

/// A pty: the near end, the path of the far one, and what keeps it open without a lock.
fn pty() -> (SerialStream, PathBuf, File) {
    let (near, far) = SerialStream::pair().unwrap();
    let path = PathBuf::from(far.name().unwrap());
    let kept = File::options().read(true).open(&path).unwrap();
    (near, path, kept)
}

/// Serves the line on a pty; the path to open, and what keeps it there.
fn on_a_pty(line: Line485) -> (PathBuf, File) {
    let (near, path, kept) = pty();
    tokio::spawn(rtu::Server::new(near).serve_forever(line));
    (path, kept)
}

async fn over_tcp(line: Line485) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::Tcp(listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        let server = tcp::Server::new(listener);
        let serve = |stream, address| {
            let line = line.clone();
            let service = move |_| Ok(Some(line.clone()));
            std::future::ready(tcp::accept_tcp_connection(stream, address, service))
        };
        server.serve(&serve, drop).await
    });
    place
}

fn bus(place: Place) -> Arc<Bus> {
    let line = Line::eight_none(9600);
    Arc::new(Bus::new(
        place,
        line,
        HeadPower::None,
        Duration::from_millis(100),
    ))
}

fn start(bus: &Arc<Bus>, unit: u8, map: &str) -> (mpsc::Receiver<PortEvent>, CancellationToken) {
    let meter = ModbusMeter {
        bus: Arc::clone(bus),
        unit,
        map: RegisterMap::named(map).unwrap().clone(),
        period: Duration::from_millis(100),
        timeout: Duration::from_millis(400),
        repeats: 2,
    };
    let (sender, receiver) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move { run_modbus(&meter, sender, token).await });
    (receiver, stop)
}

async fn next(events: &mut mpsc::Receiver<PortEvent>) -> PortEvent {
    let within = timeout(Duration::from_secs(20), events.recv()).await;
    within
        .expect("an event within 20 s")
        .expect("the driver runs")
}

async fn telegram(events: &mut mpsc::Receiver<PortEvent>) -> Telegram {
    loop {
        match next(events).await {
            PortEvent::Telegram(telegram) => return *telegram,
            PortEvent::Opened => {}
            other => panic!("{other:?}"),
        }
    }
}

fn energy(telegram: &Telegram) -> String {
    let import = telegram
        .values
        .iter()
        .find(|value| value.register.to_string() == "1-0:1.8.0*255");
    import.unwrap().value.number().unwrap().to_string()
}

fn four() -> Line485 {
    let line = Line485::default();
    for (unit, map) in [(1, "sdm630"), (2, "sdm630"), (7, "sdm120"), (247, "sdm72")] {
        let map = RegisterMap::named(map).unwrap();
        let mut meters = line.0.lock().unwrap();
        meters.add(unit, map, 10_000 + u32::from(unit), |address| {
            f32::from(unit) * 100.0 + f32::from(address) / 100.0
        });
    }
    line
}

async fn four_meters(line: Line485, place: Place, check: Check) {
    let bus = bus(place);
    let mut readers: Vec<_> = [(1, "sdm630"), (2, "sdm630"), (7, "sdm120"), (247, "sdm72")]
        .into_iter()
        .map(|(unit, map)| (unit, start(&bus, unit, map)))
        .collect();
    for _ in 0..2 {
        for (unit, (events, _)) in &mut readers {
            let telegram = telegram(events).await;
            assert_eq!(telegram.check, check);
            let serial = telegram.meter.as_ref().unwrap().to_string();
            assert_eq!(serial, format!("{}", 10_000 + u32::from(*unit)));
            // Register 48h is 72: the unit's hundreds and 0.72 kWh.
            assert_eq!(energy(&telegram), format!("{}720", u32::from(*unit) * 100));
        }
    }
    let meters = line.0.lock().unwrap();
    for pair in meters.heard.windows(2) {
        let gap = pair[1].1 - pair[0].1;
        assert!(gap >= Duration::from_millis(99), "{gap:?}");
    }
}

#[tokio::test]
async fn four_meters_on_one_pty() {
    let line = four();
    let (path, _far) = on_a_pty(line.clone());
    four_meters(line, Place::Serial(path), Check::Crc).await;
}

#[tokio::test]
async fn four_meters_behind_one_address() {
    let line = four();
    let place = over_tcp(line.clone()).await;
    four_meters(line, place, Check::None).await;
}

#[tokio::test]
async fn silence_is_repeated_within_bounds_and_told() {
    for over_net in [false, true] {
        let line = four();
        line.0.lock().unwrap().deaf = 1;
        let (path, _far) = on_a_pty(line.clone());
        let place = match over_net {
            true => over_tcp(line.clone()).await,
            false => Place::Serial(path),
        };
        let bus = bus(place);
        let (mut events, stop) = start(&bus, 2, "sdm630");
        assert_eq!(energy(&telegram(&mut events).await), "200720");
        stop.cancel();

        // Nobody has number 9: three attempts, then words.
        line.0.lock().unwrap().heard.clear();
        let (mut events, stop) = start(&bus, 9, "sdm630");
        assert_eq!(next(&mut events).await, PortEvent::Opened);
        match next(&mut events).await {
            PortEvent::Rejected(rejected) => {
                assert!(
                    rejected.reason.starts_with("unit 9 does not answer"),
                    "{rejected:?}"
                );
            }
            other => panic!("{other:?}"),
        }
        stop.cancel();
        let heard = &line.0.lock().unwrap().heard;
        assert_eq!(heard.iter().filter(|(unit, _)| *unit == 9).count(), 3);
    }
}

#[tokio::test]
async fn exceptions_are_told_in_words() {
    let line = four();
    let (path, _far) = on_a_pty(line.clone());
    let bus = bus(Place::Serial(path));
    line.0.lock().unwrap().excepted = Some((1, ExceptionCode::ServerDeviceFailure));
    let (mut events, _stop) = start(&bus, 1, "sdm630");
    assert_eq!(next(&mut events).await, PortEvent::Opened);
    match next(&mut events).await {
        PortEvent::Rejected(rejected) => {
            assert_eq!(rejected.reason, "the meter has failed (exception 4)");
        }
        other => panic!("{other:?}"),
    }

    // A meter that has less than its map: what it has is read.
    let (mut events, _stop) = start(&bus, 247, "sdm630");
    let mut refused = 0;
    loop {
        match next(&mut events).await {
            PortEvent::Rejected(rejected) => {
                assert!(rejected.reason.contains("no such register (exception 2)"));
                refused += 1;
            }
            PortEvent::Telegram(telegram) => {
                assert!(telegram.values.len() < 30 && refused > 0);
                break;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_line_that_is_not_there_is_told_once_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("bus");
    let bus = bus(Place::Serial(link.clone()));
    let (mut events, _stop) = start(&bus, 1, "sdm630");
    assert!(matches!(next(&mut events).await, PortEvent::Lost { .. }));
    let line = four();
    let (path, _far) = on_a_pty(line);
    std::os::unix::fs::symlink(path, &link).unwrap();
    assert_eq!(next(&mut events).await, PortEvent::Opened);
    assert_eq!(energy(&telegram(&mut events).await), "100720");
}

/// An answer that comes after its time must not be taken for the answer to the next request.
#[tokio::test]
async fn a_late_answer_is_nobodys() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut near, path, _far) = pty();
    let bus = bus(Place::Serial(path));
    {
        let mut turn = bus.turn().await.unwrap();
        turn.write_all(b"ask").await.unwrap();
    }
    let mut asked = [0; 3];
    near.read_exact(&mut asked).await.unwrap();
    near.write_all(b"late").await.unwrap();
    let receipt;
    {
        let mut turn = bus.turn().await.unwrap();
        receipt = turn.receipt();
        turn.write_all(b"again").await.unwrap();
        near.write_all(b"answer").await.unwrap();
        let mut heard = [0; 6];
        turn.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"answer");
        receipt.complete();
    }
    // After a complete exchange only the gap is waited.
    let before = Instant::now();
    drop(bus.turn().await.unwrap());
    assert!(before.elapsed() < Duration::from_millis(250));
}
