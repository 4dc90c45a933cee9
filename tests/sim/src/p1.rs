//! A meter that pushes P1 telegrams of DSMR 5 (115,200 baud, 8N1, once a second) or of DSMR 4 at
//! 9,600 baud, 7E1, plain or ciphered as in Luxembourg, with a gas meter on channel 1.

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use meter_link::key::Key;
use meter_link::p1::SystemTitle;
use meter_link::p1::encode::{self, Ciphering};

use crate::actor::Pace;
use crate::at_work::AtWork;
use crate::household::{Curve, INSTALLED};
use crate::push::Push;
use crate::sml::unix_now;
use crate::uart::Framing;

/// The gas meter counts a litre in so many seconds.
const SECONDS_PER_LITRE: u64 = 43;

/// How a ciphered meter ciphers: authenticated and encrypted.
#[derive(Clone, Debug)]
pub struct Cipher {
    /// Its system title.
    pub title: SystemTitle,
    /// Encryption key.
    pub key: Key,
    /// Authentication key.
    pub auth_key: Key,
}

/// What a meter is.
#[derive(Clone, Debug)]
pub struct Config {
    /// What stands behind the `/`.
    pub identification: String,
    /// The number on the nameplate.
    pub serial: String,
    /// The number of the gas meter behind it, if there is one.
    pub gas_serial: Option<String>,
    /// Seconds from one gas value to the next: 300 in DSMR 5, 3600 before.
    pub gas_interval_s: u64,
    /// From one telegram to the next.
    pub interval: Duration,
    /// The speed of its port; 9,600 means 7 data bits and even parity.
    pub baud: u32,
    /// How fast bytes leave.
    pub pace: Pace,
    /// Ciphers its telegrams.
    pub cipher: Option<Cipher>,
    /// The zone of its clock.
    pub zone: TimeZone,
    /// What it counts.
    pub load: Curve,
}

impl Config {
    /// A meter in the Netherlands that sends every second, with a gas meter.
    ///
    /// # Errors
    /// The time zone is not in the system's database.
    pub fn new(load: Curve) -> io::Result<Self> {
        Ok(Self {
            identification: "WSM5SIMULATED-P1".to_owned(),
            serial: "WSM0012345678".to_owned(),
            gas_serial: Some("WSMG00987654".to_owned()),
            gas_interval_s: 300,
            interval: Duration::from_secs(1),
            baud: 115_200,
            pace: Pace::Line,
            cipher: None,
            zone: TimeZone::get("Europe/Amsterdam").map_err(io::Error::other)?,
            load,
        })
    }

    /// The telegram of the second `unix_s`, and the truth it tells.
    ///
    /// # Errors
    /// It cannot be ciphered with its keys.
    pub fn telegram(&mut self, unix_s: u64, count: u32) -> io::Result<(Vec<u8>, Sent)> {
        let energy = self.load.energy(unix_s);
        let import_wh = energy.import_in(3600);
        let export_wh = energy.export_in(3600);
        let gas_at_s = unix_s - unix_s % self.gas_interval_s.max(1);
        let sent = Sent {
            unix_s,
            import_wh: [import_wh - import_wh / 3, import_wh / 3],
            export_wh: [export_wh - export_wh / 4, export_wh / 4],
            power_w: self.load.power_w(unix_s),
            gas_at_s,
            gas_l: gas_at_s.saturating_sub(INSTALLED) / SECONDS_PER_LITRE,
            heard: false,
        };
        let plain = encode::telegram(&self.identification, &self.lines(&sent));
        let Some(cipher) = &self.cipher else {
            return Ok((plain, sent));
        };
        let with = Ciphering {
            title: cipher.title,
            in_frame: true,
            security_control: 0x30,
            invocation_counter: count,
            key: &cipher.key,
            auth_key: &cipher.auth_key,
        };
        let frame = encode::ciphered(&plain, &with).map_err(io::Error::other)?;
        Ok((frame, sent))
    }

    /// In the order of DSMR 5.0.2, table 6.12.
    fn lines(&self, sent: &Sent) -> String {
        let time = |unix_s| clock(&self.zone, unix_s);
        let (import_w, export_w) = (sent.power_w.max(0), (-sent.power_w).max(0));
        let volts_d = 2_310 - sent.power_w / 100;
        let amperes = sent.power_w.abs() * 10 / volts_d.max(1);
        let [import_1, import_2] = sent.import_wh.map(thousandths::<6>);
        let [export_1, export_2] = sent.export_wh.map(thousandths::<6>);
        let [import_kw, export_kw] =
            [import_w, export_w].map(|w| thousandths::<2>(w.unsigned_abs()));
        let mut lines = format!(
            "1-3:0.2.8(50)\r\n0-0:1.0.0({now})\r\n0-0:96.1.1({serial})\r\n\
             1-0:1.8.1({import_1}*kWh)\r\n1-0:1.8.2({import_2}*kWh)\r\n\
             1-0:2.8.1({export_1}*kWh)\r\n1-0:2.8.2({export_2}*kWh)\r\n\
             0-0:96.14.0(0002)\r\n1-0:1.7.0({import_kw}*kW)\r\n1-0:2.7.0({export_kw}*kW)\r\n\
             0-0:96.7.21(00002)\r\n0-0:96.7.9(00001)\r\n\
             1-0:99.97.0(1)(0-0:96.7.19)({failed})(0000000240*s)\r\n\
             1-0:32.32.0(00002)\r\n1-0:32.36.0(00000)\r\n0-0:96.13.0()\r\n\
             1-0:32.7.0({volts}.{decivolts}*V)\r\n1-0:31.7.0({amperes:03}*A)\r\n\
             1-0:21.7.0({import_kw}*kW)\r\n1-0:22.7.0({export_kw}*kW)\r\n",
            now = time(sent.unix_s),
            serial = hex(&self.serial),
            failed = time(INSTALLED + 86_400),
            volts = volts_d / 10,
            decivolts = volts_d % 10,
        );
        if let Some(serial) = &self.gas_serial {
            lines += &format!(
                "0-1:24.1.0(003)\r\n0-1:96.1.0({serial})\r\n0-1:24.2.1({at})({volume}*m3)\r\n",
                serial = hex(serial),
                at = time(sent.gas_at_s),
                volume = thousandths::<5>(sent.gas_l),
            );
        }
        lines
    }

    const fn framing(&self) -> Framing {
        match self.baud {
            9600 => Framing::SevenEven,
            _ => Framing::EightNone,
        }
    }
}

/// `000123.456`, with so many digits in front of the point.
fn thousandths<const DIGITS: usize>(number: u64) -> String {
    format!("{:0DIGITS$}.{:03}", number / 1000, number % 1000)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

/// `YYMMDDhhmmss` and S in summer, W in winter.
fn clock(zone: &TimeZone, unix_s: u64) -> String {
    let at = i64::try_from(unix_s)
        .ok()
        .and_then(|unix_s| jiff::Timestamp::from_second(unix_s).ok())
        .unwrap_or_default();
    let season = match zone.to_offset_info(at).dst() {
        jiff::tz::Dst::Yes => 'S',
        jiff::tz::Dst::No => 'W',
    };
    let at = zone.to_datetime(at);
    format!("{}{season}", at.strftime("%y%m%d%H%M%S"))
}

/// What a telegram told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The second it belongs to, in Unix seconds.
    pub unix_s: u64,
    /// 1-0:1.8.1 and 1-0:1.8.2 in watt-hours.
    pub import_wh: [u64; 2],
    /// 1-0:2.8.1 and 1-0:2.8.2 in watt-hours.
    pub export_wh: [u64; 2],
    /// 1-0:1.7.0 less 1-0:2.7.0 in watts.
    pub power_w: i64,
    /// When the gas meter took its value, in Unix seconds.
    pub gas_at_s: u64,
    /// 0-1:24.2.1 in litres.
    pub gas_l: u64,
    /// Whether somebody had the port open, at the right speed, from its first byte to its last.
    pub heard: bool,
}

/// A meter at work.
pub type P1Meter = AtWork<Sent>;

impl P1Meter {
    /// Starts a meter whose port is at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had, or its keys do not fit.
    pub fn start(link: &Path, mut config: Config) -> io::Result<Self> {
        config.telegram(unix_now(), 0)?;
        Self::begin("p1-meter", link, move |wire, notes| {
            // Seconds since it was installed: it goes on rising when the meter is started again.
            let mut count = u32::try_from(unix_now().saturating_sub(INSTALLED)).unwrap_or(1);
            let push = Push {
                interval: config.interval,
                baud: config.baud,
                framing: config.framing(),
                pace: config.pace,
            };
            let telegram = |unix_s| {
                let telegram = config.telegram(unix_s, count).ok();
                count = count.wrapping_add(1);
                telegram
            };
            push.run(wire, notes, telegram, |sent, heard| sent.heard = heard);
        })
    }
}
