//! A meter that pushes SML telegrams (SML 1.04), as German household meters do on their optical
//! port: 9,600 baud, 8N1, once a second or whatever is set.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meter_link::model::{ObisCode, Unit};
use meter_link::sml::{Entry, EntryValue, ListTelegram, Time};

use crate::actor::Pace;
use crate::at_work::AtWork;
use crate::household::{Curve, INSTALLED};
use crate::push::Push;
use crate::uart::Framing;

/// What a meter is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Three letters of the maker.
    pub manufacturer: [u8; 3],
    /// The number on the nameplate.
    pub serial: u32,
    /// From one telegram to the next.
    pub interval: Duration,
    /// The speed of its port.
    pub baud: u32,
    /// How fast bytes leave.
    pub pace: Pace,
    /// Also sends voltage, current and power of each phase.
    pub phases: bool,
    /// Sends only what a meter sends whose PIN was not entered: whole watt-hours, no power.
    pub pin_locked: bool,
    /// What it counts.
    pub load: Curve,
}

impl Config {
    /// A meter of the maker `WSM` with number 12345678 that sends every second.
    #[must_use]
    pub const fn new(load: Curve) -> Self {
        Self {
            manufacturer: *b"WSM",
            serial: 12_345_678,
            interval: Duration::from_secs(1),
            baud: 9600,
            pace: Pace::Line,
            phases: false,
            pin_locked: false,
            load,
        }
    }

    /// The server identification of DIN 43863-5: ten octets.
    #[must_use]
    pub fn server_id(&self) -> [u8; 10] {
        let [m0, m1, m2] = self.manufacturer;
        let [s0, s1, s2, s3] = self.serial.to_be_bytes();
        [0x0A, 0x01, m0, m1, m2, 0x00, s0, s1, s2, s3]
    }

    /// The telegram of the second `unix_s`, and the truth it tells.
    pub fn telegram(&mut self, unix_s: u64, count: u32) -> (Vec<u8>, Sent) {
        let energy = self.load.energy(unix_s);
        let power_w = self.load.power_w(unix_s);
        let sent = Sent {
            unix_s,
            import_tenths_wh: energy.import_in(360),
            export_tenths_wh: energy.export_in(360),
            power_w,
            heard: false,
        };
        let age = u32::try_from(unix_s.saturating_sub(INSTALLED)).unwrap_or(u32::MAX);
        let telegram = ListTelegram {
            transaction: count.wrapping_mul(3),
            file_id: count,
            server_id: self.server_id().to_vec(),
            list_name: Some(ObisCode([1, 0, 98, 10, 255, 255])),
            time: Some(Time::SecondsIndex(age)),
            entries: self.entries(&sent),
            ..ListTelegram::default()
        };
        (telegram.to_bytes(), sent)
    }

    fn entries(&self, sent: &Sent) -> Vec<Entry> {
        const MANUFACTURER: ObisCode = ObisCode([1, 0, 96, 50, 1, 1]);
        const SERVER_ID: ObisCode = ObisCode([1, 0, 96, 1, 0, 255]);
        let mut entries = vec![
            Entry::new(MANUFACTURER, EntryValue::Octets(self.manufacturer.to_vec())),
            Entry::new(SERVER_ID, EntryValue::Octets(self.server_id().to_vec())),
        ];
        let energies = [
            (ObisCode::ACTIVE_ENERGY_IMPORT, sent.import_tenths_wh),
            (ObisCode::ACTIVE_ENERGY_EXPORT, sent.export_tenths_wh),
        ];
        for (name, tenths) in energies {
            let value = if self.pin_locked {
                number(
                    name,
                    Unit::WattHour,
                    0,
                    EntryValue::Unsigned(tenths / 10, 8),
                )
            } else {
                number(name, Unit::WattHour, -1, EntryValue::Unsigned(tenths, 8))
            };
            entries.push(Entry {
                status: Some(0x001C_0104),
                ..value
            });
        }
        if self.pin_locked {
            return entries;
        }
        let power = EntryValue::Signed(sent.power_w, 4);
        entries.push(number(ObisCode::ACTIVE_POWER_NET, Unit::Watt, 0, power));
        if self.phases {
            entries.extend(phases(sent));
        }
        entries
    }
}

/// Power, voltage and current of each phase: parts of the whole, at a mains voltage that sags a
/// little under load.
fn phases(sent: &Sent) -> Vec<Entry> {
    let first = sent.power_w * 40 / 100;
    let second = sent.power_w * 25 / 100;
    let third = sent.power_w - first - second;
    let mut entries = Vec::with_capacity(9);
    for (base, power_w) in [(20u8, first), (40, second), (60, third)] {
        let voltage_dv = 2_310 - power_w / 100;
        let current_ca = power_w.abs() * 1_000 / voltage_dv.max(1);
        let code = |quantity: u8| ObisCode([1, 0, base + quantity, 7, 0, 255]);
        entries.extend([
            number(code(16), Unit::Watt, 0, EntryValue::Signed(power_w, 4)),
            number(code(12), Unit::Volt, -1, EntryValue::signed(voltage_dv)),
            number(code(11), Unit::Ampere, -2, EntryValue::signed(current_ca)),
        ]);
    }
    entries
}

fn number(name: ObisCode, unit: Unit, scaler: i8, value: EntryValue) -> Entry {
    Entry {
        unit: Some(unit),
        scaler: Some(scaler),
        ..Entry::new(name, value)
    }
}

/// What a telegram told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The second it belongs to, in Unix seconds.
    pub unix_s: u64,
    /// 1-0:1.8.0 in tenths of a watt-hour.
    pub import_tenths_wh: u64,
    /// 1-0:2.8.0 in tenths of a watt-hour.
    pub export_tenths_wh: u64,
    /// 1-0:16.7.0 in watts, import positive.
    pub power_w: i64,
    /// Whether somebody had the port open, at the right speed, from its first byte to its last.
    pub heard: bool,
}

/// A meter at work.
pub type SmlMeter = AtWork<Sent>;

impl SmlMeter {
    /// Starts a meter whose port is at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(link: &Path, mut config: Config) -> io::Result<Self> {
        Self::begin("sml-meter", link, move |wire, notes| {
            let mut count = 0u32;
            let push = Push {
                interval: config.interval,
                baud: config.baud,
                framing: Framing::EightNone,
                pace: config.pace,
            };
            let telegram = |unix_s| {
                let telegram = config.telegram(unix_s, count);
                count = count.wrapping_add(1);
                Some(telegram)
            };
            push.run(wire, notes, telegram, |sent, heard| sent.heard = heard);
        })
    }
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
