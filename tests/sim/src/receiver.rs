//! Sticks that hear wireless meters: iM871A, AMB8465 and CUL behind ptys, byte for byte as their
//! makers' host protocols have it. They send nothing until they have been told to listen, and have
//! forgotten it after the cable was out.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use meter_link::wmbus::frame::FrameFormat;
use meter_link::wmbus::receiver::encode;

use crate::actor::{Handle, Pace, Wire};
use crate::radio::Air;
use crate::uart::Framing;

/// Which stick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IMST iM871A at 57,600 baud.
    Im871a,
    /// Würth AMB8465 at 9,600 baud.
    Amb8465,
    /// CUL with culfw at 38,400 baud.
    Cul,
}

impl Kind {
    const fn baud(self) -> u32 {
        match self {
            Self::Im871a => 57_600,
            Self::Amb8465 => 9_600,
            Self::Cul => 38_400,
        }
    }
}

/// What goes wrong; may be changed at any time.
#[derive(Debug, Default)]
pub struct Faults {
    /// It hears nothing.
    pub deaf: AtomicBool,
    /// It answers nothing.
    pub mute: AtomicBool,
    /// Garbage stands before every n-th frame, and every such frame has a byte changed; 0 for
    /// none.
    pub garbage_every: AtomicU32,
}

/// A stick at work.
#[derive(Debug)]
pub struct Receiver {
    handle: Handle,
    faults: Arc<Faults>,
    frames: Arc<AtomicU32>,
}

impl Receiver {
    /// Starts a stick whose port is at `link` and that hears the air at a strength of `dbm`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(link: &Path, kind: Kind, air: &Air, dbm: i16) -> io::Result<Self> {
        let heard = air.listen();
        let faults = Arc::new(Faults::default());
        let frames = Arc::new(AtomicU32::new(0));
        let stick = Stick {
            kind,
            dbm,
            listening: false,
            faults: Arc::clone(&faults),
            frames: Arc::clone(&frames),
            told: Vec::new(),
        };
        let handle = Handle::start("receiver", link, move |wire| stick.live(wire, &heard))?;
        Ok(Self {
            handle,
            faults,
            frames,
        })
    }

    /// The device: its path and its cable.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Frames handed over so far.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.frames.load(Ordering::Relaxed)
    }
}

struct Stick {
    kind: Kind,
    dbm: i16,
    listening: bool,
    faults: Arc<Faults>,
    frames: Arc<AtomicU32>,
    /// Commands that are half there.
    told: Vec<u8>,
}

impl Stick {
    fn live(mut self, wire: &mut Wire, air: &mpsc::Receiver<Vec<u8>>) {
        let mut was_open = false;
        loop {
            let mut heard = Vec::new();
            if !wire.wait(Instant::now() + Duration::from_millis(20), &mut heard) {
                return;
            }
            let open = wire.is_open();
            if was_open && !open {
                self.listening = false;
                self.told.clear();
            }
            was_open = open;
            self.told.extend(heard);
            while let Some(answer) = self.obey() {
                let mute = self.faults.mute.load(Ordering::Relaxed);
                if !mute && !self.send(wire, &answer) {
                    return;
                }
            }
            while let Ok(telegram) = air.try_recv() {
                let deaf = self.faults.deaf.load(Ordering::Relaxed);
                if deaf || !self.listening || !open {
                    continue;
                }
                let bytes = self.frame(&telegram);
                if !self.send(wire, &bytes) {
                    return;
                }
            }
        }
    }

    fn send(&self, wire: &mut Wire, bytes: &[u8]) -> bool {
        wire.send(bytes, self.kind.baud(), Framing::EightNone, Pace::AtOnce)
    }

    fn frame(&self, telegram: &[u8]) -> Vec<u8> {
        let count = self.frames.fetch_add(1, Ordering::Relaxed) + 1;
        let mut bytes = match self.kind {
            Kind::Im871a => encode::im871a::received(telegram, encode::im871a::rssi(self.dbm)),
            Kind::Amb8465 => encode::amb8465::received(telegram, encode::amb8465::rssi(self.dbm)),
            Kind::Cul => {
                let rssi = encode::amb8465::rssi(self.dbm);
                let line = encode::cul::received(telegram, FrameFormat::A, rssi);
                line.unwrap_or_default().into_bytes()
            }
        };
        let every = self.faults.garbage_every.load(Ordering::Relaxed);
        if every > 0 && count.is_multiple_of(every) {
            if let Some(byte) = bytes.get_mut(20) {
                *byte ^= 0x01;
            }
            let noise = [0x00, 0xA5, 0xFF, 0x10, b'\n', 0x80];
            return [&noise[..], &bytes].concat();
        }
        bytes
    }

    /// Carries out the next command; its answer, which may be empty. `None` when none is there.
    fn obey(&mut self) -> Option<Vec<u8>> {
        match self.kind {
            Kind::Im871a => self.obey_im871a(),
            Kind::Amb8465 => self.obey_amb8465(),
            Kind::Cul => self.obey_cul(),
        }
    }

    fn obey_im871a(&mut self) -> Option<Vec<u8>> {
        let start = self.told.iter().position(|byte| *byte == 0xA5)?;
        self.told.drain(..start);
        let [_, endpoint, message, length, rest @ ..] = self.told.as_slice() else {
            return None;
        };
        let payload = rest.get(..usize::from(*length))?.to_vec();
        let (endpoint, message) = (*endpoint, *message);
        self.told.drain(..4 + payload.len());
        let answer = encode::im871a::answer;
        Some(match (endpoint, message) {
            (1, 0x01) => answer(1, 0x02, &[]),
            (1, 0x0F) => answer(1, 0x10, &[0x33, 0, 0x14, 0, 0x21, 0x43, 0x65, 0x87]),
            (1, 0x03) => {
                // Temporary; the link mode follows: C and T at once.
                self.listening = payload.starts_with(&[0x00, 0x02, 0x0A]);
                answer(1, 0x04, &[0])
            }
            (1, 0x07) => {
                self.listening = false;
                answer(1, 0x08, &[0])
            }
            (2, 0x01) => answer(2, 0x02, &[0]),
            _ => Vec::new(),
        })
    }

    fn obey_amb8465(&mut self) -> Option<Vec<u8>> {
        let start = self.told.iter().position(|byte| *byte == 0xFF)?;
        self.told.drain(..start);
        let length = usize::from(*self.told.get(2)?);
        let command: Vec<u8> = self.told.get(..4 + length)?.to_vec();
        self.told.drain(..command.len());
        let sum = command.iter().fold(0, |sum, byte| sum ^ byte);
        let [_, number, _, data @ .., _] = command.as_slice() else {
            return Some(Vec::new());
        };
        if sum != 0 {
            return Some(Vec::new());
        }
        let answer = encode::amb8465::answer;
        Some(match (number, data) {
            (0x0A, [0x00, 0x80]) => {
                let mut parameters = vec![0x00, 0x78];
                parameters.extend([1; 0x78]);
                answer(0x0A, &parameters)
            }
            (0x0A, [place, 1]) => answer(0x0A, &[*place, 1, 9]),
            (0x04, [mode]) => {
                self.listening = *mode == 0x09;
                answer(0x04, &[0])
            }
            (0x05, _) => {
                self.listening = false;
                answer(0x05, &[0])
            }
            _ => Vec::new(),
        })
    }

    fn obey_cul(&mut self) -> Option<Vec<u8>> {
        let end = self.told.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.told.drain(..=end).collect();
        Some(match line.trim_ascii() {
            b"V" => b"V 1.67 nanoCUL868\r\n".to_vec(),
            b"brc" => {
                self.listening = true;
                b"CMODE\r\n".to_vec()
            }
            _ => Vec::new(),
        })
    }
}
