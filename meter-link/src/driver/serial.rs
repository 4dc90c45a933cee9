//! A serial port: an optical head on USB, a UART, or a pseudo terminal.
//!
//! The low-latency flag of the kernel (`ASYNC_LOW_LATENCY`) is not set: it takes an `ioctl` that
//! safe code cannot make. USB adapters deliver within 16 ms without it, which no protocol here
//! notices; `setserial PORT low_latency` from a udev rule does the same.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_serial::{
    DataBits, FlowControl, Parity as SerialParity, SerialPort as _, SerialPortBuilderExt,
    SerialStream, StopBits,
};
use tokio_util::sync::CancellationToken;

use super::PortEvent;
use crate::session::{Action, Line, Parity, Session};

/// First pause after a loss; doubled after each attempt.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const LAST_RETRY: Duration = Duration::from_secs(5);
/// How often a path that could not be opened is looked at: a device that comes back is opened
/// at once.
const WATCH: Duration = Duration::from_millis(500);
/// After so much silence it is checked that the path still leads to the open device.
const SILENCE: Duration = Duration::from_secs(2);
/// A port that stayed open for so long is no longer in the same outage.
const STEADY: Duration = Duration::from_secs(5);
/// Longest wait for bytes to leave beyond their own time.
const DRAIN: Duration = Duration::from_secs(2);

/// Which modem lines feed an optical head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadPower {
    /// The lines are left as the system sets them.
    #[default]
    None,
    /// RTS on, DTR off.
    Rts,
    /// DTR on, RTS off.
    Dtr,
    /// Both on.
    Both,
}

/// A port to be kept open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialPort {
    /// The device, or better a link below `/dev/serial/by-id` that survives replugging.
    pub path: PathBuf,
    /// How the head gets its power.
    pub power: HeadPower,
}

impl SerialPort {
    /// A port whose modem lines are left alone.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            power: HeadPower::None,
        }
    }
}

/// Why a port is no longer pumped.
enum End {
    Stopped,
    Lost(String),
}

/// Keeps a port open and pumps `session` until `stop` is cancelled or the receiver of `events`
/// is gone. A port that cannot be opened or is lost is tried again for ever, after 100 ms at
/// first and every 5 s later on, and at once when its path leads to another device.
pub async fn run(
    port: &SerialPort,
    session: &mut dyn Session,
    events: mpsc::Sender<PortEvent>,
    stop: CancellationToken,
) {
    let mut pause = FIRST_RETRY;
    let mut told = false;
    loop {
        let device = Device::at(&port.path);
        let reason = match open(port, session.line()) {
            Ok(mut stream) => {
                if tell(PortEvent::Opened, &events, &stop).await.is_err() {
                    return;
                }
                told = false;
                let opened = Instant::now();
                let open = Open {
                    path: &port.path,
                    device,
                    events: &events,
                    stop: &stop,
                };
                let end = open.pump(&mut stream, session).await;
                if opened.elapsed() >= STEADY {
                    pause = FIRST_RETRY;
                }
                match end {
                    End::Stopped => return,
                    End::Lost(reason) => reason,
                }
            }
            Err(error) => error.to_string(),
        };
        if !std::mem::replace(&mut told, true) {
            let lost = PortEvent::Lost {
                reason,
                retry_in: pause,
            };
            if tell(lost, &events, &stop).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = events.closed() => return,
            () = wait(&port.path, device, pause) => {}
        }
        pause = (2 * pause).min(LAST_RETRY);
    }
}

/// Waits for `pause`, or less when the path begins to lead elsewhere.
async fn wait(path: &Path, device: Option<Device>, pause: Duration) {
    let until = Instant::now() + pause;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        sleep(left.min(WATCH)).await;
        let now = Device::at(path);
        if left <= WATCH || (now.is_some() && now != device) {
            return;
        }
    }
}

/// Which device a path leads to. A device that was unplugged and is back under its old number is
/// another one: its node was made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    number: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Device {
    pub(super) fn at(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            number: metadata.rdev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

pub(super) fn open(port: &SerialPort, line: Line) -> tokio_serial::Result<SerialStream> {
    let builder = |exclusive| {
        tokio_serial::new(port.path.to_string_lossy(), line.baud)
            .data_bits(data_bits(line))
            .parity(parity(line))
            .stop_bits(StopBits::One)
            .flow_control(FlowControl::None)
            .exclusive(exclusive)
            .open_native_async()
    };
    let mut stream = match builder(true) {
        Err(error) if is_refused(&error) => builder(false)?,
        opened => opened?,
    };
    let lines = match port.power {
        HeadPower::None => None,
        HeadPower::Rts => Some((true, false)),
        HeadPower::Dtr => Some((false, true)),
        HeadPower::Both => Some((true, true)),
    };
    if let Some((rts, dtr)) = lines {
        let set = stream
            .write_request_to_send(rts)
            .and_then(|()| stream.write_data_terminal_ready(dtr));
        // A pseudo terminal has no modem lines, and nothing that needs power.
        set.or_else(|error| {
            if is_refused(&error) {
                Ok(())
            } else {
                Err(error)
            }
        })?;
    }
    Ok(stream)
}

/// True for a request that this kind of device does not know: ENOTTY or EINVAL.
fn is_refused(error: &tokio_serial::Error) -> bool {
    let text = error.to_string();
    matches!(
        error.kind(),
        tokio_serial::ErrorKind::InvalidInput
            | tokio_serial::ErrorKind::Io(io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
    ) || text.contains("Inappropriate ioctl")
        || text.contains("Not a typewriter")
        || text.contains("Invalid argument")
}

const fn data_bits(line: Line) -> DataBits {
    match line.data_bits {
        5 => DataBits::Five,
        6 => DataBits::Six,
        7 => DataBits::Seven,
        _ => DataBits::Eight,
    }
}

const fn parity(line: Line) -> SerialParity {
    match line.parity {
        Parity::None => SerialParity::None,
        Parity::Even => SerialParity::Even,
        Parity::Odd => SerialParity::Odd,
    }
}

/// Sends an event; an error when the driver is to end.
async fn tell(
    event: PortEvent,
    events: &mpsc::Sender<PortEvent>,
    stop: &CancellationToken,
) -> Result<(), End> {
    tokio::select! {
        () = stop.cancelled() => Err(End::Stopped),
        sent = events.send(event) => sent.map_err(|_| End::Stopped),
    }
}

/// A port while it is open.
struct Open<'a> {
    path: &'a Path,
    device: Option<Device>,
    events: &'a mpsc::Sender<PortEvent>,
    stop: &'a CancellationToken,
}

impl Open<'_> {
    async fn pump(&self, stream: &mut SerialStream, session: &mut dyn Session) -> End {
        session.restart(Instant::now().into_std());
        let mut line = session.line();
        let mut buffer = vec![0; 4096];
        let mut check = Instant::now() + SILENCE;
        loop {
            while let Some(action) = session.poll_action() {
                if let Err(end) = self.act(action, stream, &mut line).await {
                    return end;
                }
            }
            let due = session.poll_timeout().map(Instant::from_std);
            let wake = due.map_or(check, |due| due.min(check));
            tokio::select! {
                () = self.stop.cancelled() => return End::Stopped,
                () = self.events.closed() => return End::Stopped,
                read = stream.read(&mut buffer) => match read {
                    Ok(0) => return End::Lost("the device has gone (end of file)".to_owned()),
                    Ok(length) => {
                        let bytes = buffer.get(..length).unwrap_or_default();
                        session.handle_input(bytes, Instant::now().into_std());
                        check = Instant::now() + SILENCE;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return End::Lost(error.to_string()),
                },
                () = sleep_until(wake) => {
                    let now = Instant::now();
                    if due.is_some_and(|due| due <= now) {
                        session.handle_timeout(now.into_std());
                    }
                    if check <= now {
                        if Device::at(self.path) != self.device {
                            let reason = "the path leads to another device now".to_owned();
                            return End::Lost(reason);
                        }
                        check = now + SILENCE;
                    }
                }
            }
        }
    }

    async fn act(
        &self,
        action: Action,
        stream: &mut SerialStream,
        line: &mut Line,
    ) -> Result<(), End> {
        match action {
            Action::Telegram(telegram) => {
                tell(PortEvent::Telegram(telegram), self.events, self.stop).await
            }
            Action::Rejected(rejected) => {
                tell(PortEvent::Rejected(rejected), self.events, self.stop).await
            }
            Action::Found(outcome) => tell(PortEvent::Found(outcome), self.events, self.stop).await,
            Action::Frame(frame) => tell(PortEvent::Frame(frame), self.events, self.stop).await,
            Action::Condition(condition) => {
                tell(PortEvent::Condition(condition), self.events, self.stop).await
            }
            Action::Reopen(reason) => Err(End::Lost(reason)),
            Action::SetLine(wanted) if wanted == *line => Ok(()),
            Action::SetLine(wanted) => {
                *line = wanted;
                set_line(stream, wanted).map_err(|error| End::Lost(error.to_string()))
            }
            Action::Send(bytes) => tokio::select! {
                () = self.stop.cancelled() => Err(End::Stopped),
                sent = send(stream, &bytes, *line) => {
                    sent.map_err(|error| End::Lost(error.to_string()))
                }
            },
        }
    }
}

pub(super) fn set_line(stream: &mut SerialStream, line: Line) -> tokio_serial::Result<()> {
    stream.set_baud_rate(line.baud)?;
    stream.set_data_bits(data_bits(line))?;
    stream.set_parity(parity(line))
}

/// Writes, and waits until the last bit is on the line: the time that the bytes take, and until
/// the system's queue is empty. (`tcdrain` would block the thread for as long.)
pub(super) async fn send(stream: &mut SerialStream, bytes: &[u8], line: Line) -> io::Result<()> {
    let began = Instant::now();
    timeout(DRAIN + time_of(bytes.len(), line), stream.write_all(bytes)).await??;
    sleep_until(began + time_of(bytes.len(), line)).await;
    let latest = Instant::now() + DRAIN;
    while stream.bytes_to_write().unwrap_or(0) > 0 && Instant::now() < latest {
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn time_of(characters: usize, line: Line) -> Duration {
    let parity = u32::from(line.parity != Parity::None);
    let bits = 2 + u32::from(line.data_bits) + parity;
    let bits = bits.saturating_mul(u32::try_from(characters).unwrap_or(u32::MAX));
    Duration::from_secs(1).saturating_mul(bits) / line.baud.max(1)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::{Read, Write};
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::symlink;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::iec62056_21::{Config, Identification, ReadoutReader, encode};
    use crate::model::{ObisCode, Telegram};
    use crate::sml::{Entry, EntryValue, ListTelegram, Listener};

    /// A pseudo terminal whose slave is reached through a link.
    struct Meter {
        master: fs::File,
    }

    impl Meter {
        fn linked_as(link: &Path) -> Self {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&master).unwrap();
            unlockpt(&master).unwrap();
            let slave = ptsname(&master, Vec::new()).unwrap().into_bytes();
            let _ = fs::remove_file(link);
            symlink(OsString::from_vec(slave), link).unwrap();
            Self {
                master: fs::File::from(master),
            }
        }
    }

    fn sml() -> Vec<u8> {
        let entry = Entry::new(ObisCode::ACTIVE_ENERGY_IMPORT, EntryValue::unsigned(7));
        ListTelegram {
            entries: vec![entry],
            ..ListTelegram::default()
        }
        .to_bytes()
    }

    fn start(
        link: &Path,
        mut session: impl Session + 'static,
    ) -> (mpsc::Receiver<PortEvent>, CancellationToken, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let port = SerialPort {
            power: HeadPower::Rts,
            ..SerialPort::new(link)
        };
        let token = stop.clone();
        let task = tokio::spawn(async move { run(&port, &mut session, sender, token).await });
        (receiver, stop, task)
    }

    async fn next(events: &mut mpsc::Receiver<PortEvent>) -> PortEvent {
        let within = timeout(Duration::from_secs(20), events.recv()).await;
        within
            .expect("an event within 20 s")
            .expect("the driver runs")
    }

    async fn telegram(events: &mut mpsc::Receiver<PortEvent>) -> Box<Telegram> {
        match next(events).await {
            PortEvent::Telegram(telegram) => telegram,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_port_that_goes_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("meter");
        let (mut events, stop, task) = start(&link, Listener::default());
        assert!(matches!(next(&mut events).await, PortEvent::Lost { .. }));

        let mut meter = Meter::linked_as(&link);
        assert_eq!(next(&mut events).await, PortEvent::Opened);
        meter.master.write_all(&sml()).unwrap();
        assert_eq!(telegram(&mut events).await.raw, sml());

        drop(meter);
        assert!(matches!(next(&mut events).await, PortEvent::Lost { .. }));
        let mut meter = Meter::linked_as(&link);
        assert_eq!(next(&mut events).await, PortEvent::Opened);
        meter.master.write_all(&sml()).unwrap();
        telegram(&mut events).await;

        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_link_that_is_pointed_elsewhere_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("meter");
        let _old = Meter::linked_as(&link);
        let (mut events, _stop, _task) = start(&link, Listener::default());
        assert_eq!(next(&mut events).await, PortEvent::Opened);
        let mut new = Meter::linked_as(&link);
        assert!(matches!(next(&mut events).await, PortEvent::Lost { .. }));
        assert_eq!(next(&mut events).await, PortEvent::Opened);
        new.master.write_all(&sml()).unwrap();
        telegram(&mut events).await;
    }

    #[tokio::test]
    async fn the_driver_ends_with_its_receiver() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("meter");
        let _meter = Meter::linked_as(&link);
        let (events, _stop, task) = start(&link, Listener::default());
        drop(events);
        task.await.unwrap();
    }

    /// The far end sees the speed of a pseudo terminal through its termios.
    #[tokio::test]
    async fn mode_c_changes_the_speed_after_the_acknowledgement() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("meter");
        let mut meter = Meter::linked_as(&link);
        let config = Config {
            answer_timeout: Duration::from_secs(10),
            ..Config::default()
        };
        let (mut events, _stop, _task) = start(&link, ReadoutReader::new(config));
        assert_eq!(next(&mut events).await, PortEvent::Opened);

        let block = encode::data_block("1.8.0(0000123.4*kWh)\r\n!\r\n");
        let peer = tokio::task::spawn_blocking(move || {
            let mut request = [0; 5];
            meter.master.read_exact(&mut request).unwrap();
            assert_eq!(&request, b"/?!\r\n");
            let ident = Identification::parse(b"/ISk5MT174-0001\r\n").unwrap();
            meter.master.write_all(&ident.to_line()).unwrap();
            let mut acknowledgement = [0; 6];
            meter.master.read_exact(&mut acknowledgement).unwrap();
            assert_eq!(&acknowledgement, b"\x06050\r\n");
            let line = || rustix::termios::tcgetattr(&meter.master).unwrap();
            assert_eq!(line().output_speed(), 300);
            while line().output_speed() != 9600 {
                std::thread::yield_now();
            }
            meter.master.write_all(&block).unwrap();
            meter
        });
        let found = telegram(&mut events).await;
        assert_eq!(
            found.values[0].value.number().unwrap().to_string(),
            "123400"
        );
        peer.await.unwrap();
    }
}
