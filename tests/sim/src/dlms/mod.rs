//! A DLMS/COSEM meter: over HDLC on a pty or a TCP connection, behind an opening in mode E, or over
//! the wrapper on a TCP connection.
//!
//! It has clock, registers, a load profile, a relay, a tariff calendar and an invocation counter; associations for the
//! public client 16 and for one more with no security, a password or GMAC with ciphered services in
//! suites 0 to 2. It writes down every invocation counter it hears.

mod calendar;
mod carrier;
mod meter;
mod protection;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use meter_link::dlms::security::SystemTitle;
use meter_link::key::Key;

use self::carrier::{Hdlc, Wrapper};
use self::meter::Meter;
pub use self::protection::{MessageKeys, agreement_keys};
use crate::actor::{Handle, Pace, Wire};
use crate::household::Curve;
use crate::uart::Framing;

/// What a client other than the public one must prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing.
    None,
    /// That it knows a password.
    Low(Vec<u8>),
    /// That it has the keys, by GMAC; services are ciphered in this suite.
    Gmac(u8),
    /// Who it is, by a signature of suite 1 or 2; services are ciphered in it.
    Ecdsa(u8),
}

impl Security {
    /// The suite in which services are ciphered.
    #[must_use]
    pub const fn suite(&self) -> Option<u8> {
        match self {
            Self::None | Self::Low(_) => None,
            Self::Gmac(suite) | Self::Ecdsa(suite) => Some(*suite),
        }
    }
}

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// HDLC from the first byte on.
    Hdlc,
    /// HDLC behind an opening in mode E.
    ModeE,
    /// The wrapper.
    Wrapper,
}

/// What a meter is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its serial number.
    pub serial: String,
    /// What a client must prove.
    pub security: Security,
    /// What carries messages.
    pub carrier: Carrier,
    /// Its logical device, by which it is addressed over HDLC.
    pub logical: u16,
    /// Its system title.
    pub title: SystemTitle,
    /// Encryption key.
    pub key: Key,
    /// Authentication key.
    pub auth_key: Key,
    /// What it counts.
    pub load: Curve,
    /// Longest message, in bytes.
    pub pdu: u16,
    /// Longest information field of a frame, in bytes.
    pub frame: u16,
    /// Frames of a window, 1 to 7.
    pub window: u8,
    /// Long answers come in general blocks in place of those of their service.
    pub general_blocks: bool,
    /// Messages tell their keys (general-ciphering), and may be signed (general-signing).
    pub message_keys: Option<MessageKeys>,
}

impl Config {
    /// A meter with the keys of the published examples.
    #[must_use]
    pub fn new(carrier: Carrier, security: Security, load: Curve) -> Self {
        let long = security.suite() == Some(2);
        let key = |octets: [u8; 32]| {
            let length = if long { 32 } else { 16 };
            Key::from_octets(octets.get(..length).unwrap_or_default())
        };
        let mut count = [0; 32];
        for (place, value) in count.iter_mut().zip(0u8..) {
            *place = value;
        }
        let auth = count.map(|value| 0xD0 ^ value);
        let none = Key::from_octets(&[0; 16]);
        let or_none = |key: Option<Key>| key.or_else(|| none.clone());
        Self {
            serial: "WSM0000012345678".to_owned(),
            security,
            carrier,
            logical: 1,
            title: *b"WSM\0\0\0\0\x01",
            #[expect(clippy::expect_used, reason = "16 and 32 octets are keys")]
            key: or_none(key(count)).expect("a key"),
            #[expect(clippy::expect_used, reason = "16 and 32 octets are keys")]
            auth_key: or_none(key(auth)).expect("a key"),
            load,
            pdu: 1_024,
            frame: 128,
            window: 1,
            general_blocks: false,
            message_keys: None,
        }
    }
}

/// What a meter has come to know.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Invocation counters of ciphered messages and proofs, with the client's title, as they came.
    pub counters: Vec<(SystemTitle, u32)>,
    /// Associations that were opened.
    pub associations: u32,
    /// Releases of associations.
    pub releases: u32,
    /// Commands to the relay: true for on.
    pub relay: Vec<bool>,
    /// Times its clock was set.
    pub clock_set: u32,
    /// Rows of the load profile that were sent.
    pub rows_sent: u64,
    /// General blocks of requests that were taken.
    pub request_blocks: u32,
    /// Datagrams that it was made not to hear.
    pub lost: u32,
}

/// What can be changed while a meter runs.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) seen: Seen,
    /// Rows of the load profile, the newest last: number of the quarter-hour since 1970, status.
    pub(crate) rows: Vec<(i64, u8)>,
    pub(crate) relay: bool,
    /// Seconds by which its clock is ahead.
    pub(crate) ahead_s: i64,
    /// The lowest counter taken from each client.
    pub(crate) lowest: BTreeMap<SystemTitle, u32>,
    /// Its own invocation counter.
    counter: u32,
}

impl State {
    /// A number for a message of its own.
    pub(crate) const fn next_counter(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }
}

pub(crate) type Shared = Arc<Mutex<State>>;

pub(crate) fn lock(state: &Shared) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running meter. It ends when dropped.
#[derive(Debug)]
pub struct DlmsMeter {
    state: Shared,
    config: Config,
    pty: Option<Handle>,
    address: Option<SocketAddr>,
    datagrams: Option<SocketAddr>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DlmsMeter {
    fn new(config: Config) -> Self {
        Self {
            state: Shared::default(),
            config,
            pty: None,
            address: None,
            datagrams: None,
            stop: Arc::default(),
            thread: None,
        }
    }

    /// A meter at a pty behind `link`.
    ///
    /// # Errors
    /// There is no pty to be had.
    pub fn at_pty(link: &Path, config: Config) -> io::Result<Self> {
        let mut new = Self::new(config.clone());
        let state = Arc::clone(&new.state);
        lock(&state).relay = true;
        let live = move |wire: &mut Wire| live(wire, &config, &state);
        new.pty = Some(Handle::start("dlms", link, live)?);
        Ok(new)
    }

    /// A meter on a line that somebody else owns, and what hears there for it.
    pub(crate) fn on_a_line(config: &Config) -> (Self, Ear) {
        let new = Self::new(config.clone());
        lock(&new.state).relay = true;
        let ear = Ear(Line::new(config, &new.state));
        (new, ear)
    }

    /// A meter over the wrapper at a UDP port of this machine. Every `lose_every`-th datagram is not
    /// heard; 0 for none.
    ///
    /// # Errors
    /// There is no port to be had.
    pub fn at_udp(config: Config, lose_every: u32) -> io::Result<Self> {
        let mut new = Self::new(config.clone());
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        new.datagrams = Some(socket.local_addr()?);
        let (state, stop) = (Arc::clone(&new.state), Arc::clone(&new.stop));
        lock(&state).relay = true;
        let serve = move || {
            let mut line = Line::new(&config, &state);
            let mut buffer = vec![0; 64 * 1_024];
            let mut heard = 0u32;
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                heard = heard.wrapping_add(1);
                if lose_every != 0 && heard.is_multiple_of(lose_every) {
                    lock(&state).seen.lost += 1;
                    continue;
                }
                let answer = line.hear(buffer.get(..length).unwrap_or_default());
                if !answer.is_empty() {
                    // Whoever has gone hears nothing.
                    let _ = socket.send_to(&answer, from);
                }
            }
        };
        let thread = std::thread::Builder::new().name("dlms".to_owned());
        new.thread = Some(thread.spawn(serve)?);
        Ok(new)
    }

    /// A meter at a TCP port of this machine.
    ///
    /// # Errors
    /// There is no port to be had.
    pub fn at_tcp(config: Config) -> io::Result<Self> {
        let mut new = Self::new(config.clone());
        let listener = TcpListener::bind("127.0.0.1:0")?;
        new.address = Some(listener.local_addr()?);
        let (state, stop) = (Arc::clone(&new.state), Arc::clone(&new.stop));
        lock(&state).relay = true;
        let serve = move || {
            while let Ok((stream, _)) = listener.accept() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                serve(stream, &config, &state, &stop);
            }
        };
        let thread = std::thread::Builder::new().name("dlms".to_owned());
        new.thread = Some(thread.spawn(serve)?);
        Ok(new)
    }

    /// Where it listens, as a port of the configuration: `tcp:127.0.0.1:4059`.
    #[must_use]
    pub fn place(&self) -> String {
        if let Some(address) = &self.datagrams {
            return format!("udp:{address}");
        }
        match (&self.address, &self.pty) {
            (Some(address), _) => format!("tcp:{address}"),
            (None, Some(pty)) => pty.link().display().to_string(),
            (None, None) => String::new(),
        }
    }

    /// What it is.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What it has come to know.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.state).seen.clone()
    }

    /// Puts rows into the load profile: quarter-hours since 1970 with their status.
    pub fn add_rows(&self, rows: impl IntoIterator<Item = (i64, u8)>) {
        lock(&self.state).rows.extend(rows);
    }

    /// The value of the import register at the end of a quarter-hour, in watt-hours.
    #[must_use]
    pub const fn import_wh(quarter: i64) -> i64 {
        quarter * 97 % 4_000_000_000
    }

    /// Lets its clock be so many seconds ahead.
    pub fn set_ahead(&self, seconds: i64) {
        lock(&self.state).ahead_s = seconds;
    }
}

impl Drop for DlmsMeter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(address) = self.address {
            // It waits for a connection: this is its last.
            let _ = TcpStream::connect(address);
        }
        if let Some(thread) = self.thread.take() {
            // A meter that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

/// Hears for a meter on a line.
pub(crate) struct Ear(Line);

impl Ear {
    /// What the meter answers; nothing when it is not addressed.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.hear(bytes)
    }
}

/// Bytes in, bytes out.
enum Line {
    Hdlc(Box<Hdlc>),
    Wrapper(Box<Wrapper>),
}

impl Line {
    fn new(config: &Config, state: &Shared) -> Self {
        let meter = Meter::new(config.clone(), Arc::clone(state));
        match config.carrier {
            Carrier::Hdlc | Carrier::ModeE => Self::Hdlc(Box::new(Hdlc::new(meter))),
            Carrier::Wrapper => Self::Wrapper(Box::new(Wrapper::new(meter))),
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Hdlc(hdlc) => hdlc.hear(bytes),
            Self::Wrapper(wrapper) => wrapper.hear(bytes),
        }
    }
}

fn serve(mut stream: TcpStream, config: &Config, state: &Shared, stop: &AtomicBool) {
    let mut line = Line::new(config, state);
    let mut opening = Opening::new(config);
    let mut buffer = [0; 4096];
    let ready = stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(Duration::from_millis(20))));
    if ready.is_err() {
        return;
    }
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let heard = buffer.get(..length).unwrap_or_default();
                let (answer, _) = opening.hear(heard, &mut line);
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}

/// The meter at its pty.
fn live(wire: &mut Wire, config: &Config, state: &Shared) {
    let mut line = Line::new(config, state);
    let mut opening = Opening::new(config);
    let mut last = Instant::now();
    loop {
        let mut heard = Vec::new();
        if !wire.wait(Instant::now() + Duration::from_secs(1), &mut heard) {
            return;
        }
        if heard.is_empty() {
            // A meter that hears nothing goes back to where it began.
            if last.elapsed() > FORGET {
                line = Line::new(config, state);
                opening = Opening::new(config);
            }
            continue;
        }
        last = Instant::now();
        let before = opening.baud();
        let (answer, late) = opening.hear(&heard, &mut line);
        // The acknowledgement comes back at the new speed, once the reader has changed to it.
        if late {
            std::thread::sleep(Duration::from_millis(250));
        }
        let baud = if late { opening.baud() } else { before };
        let framing = match opening.done {
            true => Framing::EightNone,
            false => Framing::SevenEven,
        };
        if !wire.send(&answer, baud, framing, Pace::AtOnce) {
            return;
        }
    }
}

/// After so much silence a meter has forgotten its reader.
const FORGET: Duration = Duration::from_secs(10);

/// The opening in mode E, where there is one.
struct Opening {
    done: bool,
    heard: Vec<u8>,
}

impl Opening {
    fn new(config: &Config) -> Self {
        Self {
            done: config.carrier != Carrier::ModeE,
            heard: Vec::new(),
        }
    }

    const fn baud(&self) -> u32 {
        if self.done { 9_600 } else { 300 }
    }

    /// What is answered, and whether only after the change of speed.
    fn hear(&mut self, bytes: &[u8], line: &mut Line) -> (Vec<u8>, bool) {
        if self.done {
            return (line.hear(bytes), false);
        }
        self.heard.extend(bytes);
        if self.heard.ends_with(b"!\r\n") && self.heard.starts_with(b"/?") {
            self.heard.clear();
            return (b"/WSM5\\2WATTLESIM\r\n".to_vec(), false);
        }
        if self.heard.len() >= 6 {
            let chosen = std::mem::take(&mut self.heard);
            if chosen.starts_with(b"\x062") && chosen.get(3) == Some(&b'2') {
                self.done = true;
                return (chosen, true);
            }
        }
        (Vec::new(), false)
    }
}
