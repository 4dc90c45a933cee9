//! Meters of the kind of an SDM630 on one RS-485 line: Modbus RTU at 9,600 baud, 8N1.
//!
//! Frames and CRC are written out here (Modbus over Serial Line V1.02, 2.5.1 and 6.2.2), so that
//! the gateway meets a second implementation. The meters answer functions 03 and 04, at most 80
//! registers at once, and refuse a register that is not there with exception 2.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actor::{Handle, Pace};
use crate::household::Curve;
use crate::log::Log;
use crate::sml::unix_now;
use crate::uart::{self, Framing};

/// A meter on the line.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its number, 1 to 247.
    pub number: u8,
    /// Its serial number.
    pub serial: u32,
    /// What it counts.
    pub load: Curve,
}

/// What a line is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its meters.
    pub units: Vec<Unit>,
    /// Its speed.
    pub baud: u32,
    /// Every n-th request is not answered; 0 for none.
    pub silent_every: u32,
    /// Every n-th answer has a wrong CRC; 0 for none.
    pub wrong_crc_every: u32,
}

impl Config {
    /// A line at 9,600 baud.
    #[must_use]
    pub const fn new(units: Vec<Unit>) -> Self {
        Self {
            units,
            baud: 9_600,
            silent_every: 0,
            wrong_crc_every: 0,
        }
    }
}

/// A request that was heard, and what the meter counted then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The meter's number.
    pub unit: u8,
    /// When the request was whole.
    pub at: Instant,
    /// Import in hundredths of a kilowatt-hour.
    pub import_ckwh: u64,
    /// Power in watts, drawn is positive.
    pub power_w: i64,
}

/// CRC-16/MODBUS, bit by bit as the specification's appendix has it.
#[must_use]
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc: u16, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xA001
            } else {
                crc >> 1
            }
        })
    })
}

fn registers(unit: &mut Unit, unix_s: u64) -> (BTreeMap<u16, u16>, Heard) {
    let energy = unit.load.energy(unix_s);
    let power_w = unit.load.power_w(unix_s);
    let heard = Heard {
        unit: unit.number,
        at: Instant::now(),
        import_ckwh: energy.import_in(36_000),
        power_w,
    };
    let mut registers = BTreeMap::new();
    let mut put = |address: u16, bits: u32| {
        let [a, b, c, d] = bits.to_be_bytes();
        registers.insert(address, u16::from_be_bytes([a, b]));
        registers.insert(address + 1, u16::from_be_bytes([c, d]));
    };
    // What the meter measures that is not of interest here is zero.
    for address in (0..0x50).chain(0x150..0x180).step_by(2) {
        put(address, 0);
    }
    let watts = power_w as f32;
    put(0x00, 230.2f32.to_bits());
    put(0x06, (watts.abs() / 230.2).to_bits());
    put(0x0C, watts.to_bits());
    put(0x34, watts.to_bits());
    put(0x46, 50.01f32.to_bits());
    put(0x48, (heard.import_ckwh as f32 / 100.0).to_bits());
    put(0x4A, (energy.export_in(36_000) as f32 / 100.0).to_bits());
    put(0xFC00, unit.serial);
    // The product code of an SDM630.
    registers.insert(0xFC02, 0x0070);
    (registers, heard)
}

/// The answer of a line to a frame; `None` when nobody answers.
pub(crate) fn answer(units: &mut [Unit], frame: &[u8], unix_s: u64) -> Option<(Vec<u8>, Heard)> {
    let (asked, check) = frame.split_at_checked(frame.len().checked_sub(2)?)?;
    let [number, function, address @ ..] = asked else {
        return None;
    };
    if crc(asked).to_le_bytes() != *check {
        return None;
    }
    let unit = units.iter_mut().find(|unit| unit.number == *number)?;
    let (registers, heard) = registers(unit, unix_s);
    let words = match (function, address) {
        (3 | 4, [a, b, c, d]) => {
            let (from, count) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
            match count {
                1..=80 => (0..count)
                    .map(|at| registers.get(&from.checked_add(at)?).copied())
                    .collect::<Option<Vec<u16>>>()
                    .ok_or(2),
                _ => Err(3),
            }
        }
        _ => Err(1),
    };
    let mut bytes = vec![*number];
    match words {
        Ok(words) => {
            bytes.extend([*function, u8::try_from(2 * words.len()).ok()?]);
            bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        }
        Err(exception) => bytes.extend([function | 0x80, exception]),
    }
    bytes.extend(crc(&bytes).to_le_bytes());
    Some((bytes, heard))
}

/// A line with its meters at work.
#[derive(Debug)]
pub struct MeterLine {
    handle: Handle,
    log: Arc<Log<Heard>>,
}

/// How long the line looks at its bytes at a time.
const LOOK: Duration = Duration::from_millis(200);
/// A frame ends with a silence of three and a half characters; ptys hand bytes over in clumps.
const FRAME_END: Duration = Duration::from_millis(5);
/// From the request to the answer.
const REACTION: Duration = Duration::from_millis(20);

impl MeterLine {
    /// Starts a line whose port is at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(link: &Path, mut config: Config) -> io::Result<Self> {
        let log = Arc::new(Log::default());
        let notes = Arc::clone(&log);
        let handle = Handle::start("modbus-line", link, move |wire| {
            let mut requests = 0u32;
            let mut raw = Vec::new();
            loop {
                if !wire.wait(Instant::now() + LOOK, &mut raw) {
                    return;
                }
                let mut length = 0;
                while raw.len() > length {
                    length = raw.len();
                    if !wire.wait(Instant::now() + FRAME_END, &mut raw) {
                        return;
                    }
                }
                let far = wire.far_speed().unwrap_or(config.baud);
                let frame = uart::heard(&raw, far, config.baud, Framing::EightNone);
                raw.clear();
                let Some((mut bytes, heard)) = answer(&mut config.units, &frame, unix_now()) else {
                    continue;
                };
                requests += 1;
                let nth = |every: u32| every != 0 && requests.is_multiple_of(every);
                notes.push(heard);
                if nth(config.silent_every) {
                    continue;
                }
                if nth(config.wrong_crc_every)
                    && let Some(last) = bytes.last_mut()
                {
                    *last ^= 0x55;
                }
                let due = Instant::now() + REACTION;
                while Instant::now() < due {
                    if !wire.wait(due, &mut raw) {
                        return;
                    }
                }
                if !wire.send(&bytes, config.baud, Framing::EightNone, Pace::Line) {
                    return;
                }
            }
        })?;
        Ok(Self { handle, log })
    }

    /// The device: its path and its cable.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The requests heard so far, oldest first; the oldest are forgotten after some thousands.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.log.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::household::{INSTALLED, Kind};

    #[test]
    fn the_specification_s_own_frame() {
        // Modbus over Serial Line V1.02, 6.2.2: 02 07 has the CRC 41 12.
        assert_eq!(crc(&[2, 7]).to_le_bytes(), [0x41, 0x12]);
    }

    #[test]
    fn answers_and_exceptions() {
        let mut units = [Unit {
            number: 5,
            serial: 77,
            load: Curve::new(Kind::Constant { power_w: 360 }, 0),
        }];
        let mut ask = |pdu: &[u8]| {
            let mut frame = pdu.to_vec();
            frame.extend(crc(pdu).to_le_bytes());
            answer(&mut units, &frame, INSTALLED + 360_000).map(|(bytes, _)| bytes)
        };
        // 100 hours of 360 W: 36 kWh, as a float 42100000.
        let energy = ask(&[5, 4, 0, 0x48, 0, 2]).unwrap();
        assert_eq!(energy[..7], [5, 4, 4, 0x42, 0x10, 0, 0]);
        assert_eq!(ask(&[5, 4, 0x10, 0, 0, 2]).unwrap()[..3], [5, 0x84, 2]);
        assert_eq!(ask(&[5, 6, 0, 0, 0, 2]).unwrap()[..3], [5, 0x86, 1]);
        assert_eq!(ask(&[6, 4, 0, 0, 0, 2]), None);
    }
}
