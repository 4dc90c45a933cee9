//! A meter with a French customer port (TIC, Enedis-NOI-CPT_54E): frame after frame without being
//! asked, in historic mode at 1,200 baud or in standard mode at 9,600, 7E1.
//!
//! Like the real port it tells apparent power and no active power. Its clock keeps winter time,
//! UTC+1, all year, as the simulated home does.

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::Offset;
use meter_link::tic::{Mode, encode};

use crate::actor::Pace;
use crate::at_work::AtWork;
use crate::household::Curve;
use crate::push::Push;
use crate::uart::Framing;

/// What a meter is.
#[derive(Clone, Debug)]
pub struct Config {
    /// How it sends, and with it the speed of its port.
    pub mode: Mode,
    /// Its address (ADSC, ADCO): twelve digits.
    pub address: String,
    /// From the start of one frame to the start of the next, or what the line takes if longer.
    pub interval: Duration,
    /// How fast bytes leave.
    pub pace: Pace,
    /// Every n-th frame has one energy group with a wrong checksum; 0 for none.
    pub wrong_checksum_every: u32,
    /// What it counts.
    pub load: Curve,
}

impl Config {
    /// A meter with the address 021861234567 that sends once a second.
    #[must_use]
    pub fn new(mode: Mode, load: Curve) -> Self {
        Self {
            mode,
            address: "021861234567".to_owned(),
            interval: Duration::from_secs(1),
            pace: Pace::Line,
            wrong_checksum_every: 0,
            load,
        }
    }

    /// The frame of the second `unix_s`, and the truth it tells.
    pub fn frame(&mut self, unix_s: u64, count: u32) -> (Vec<u8>, Sent) {
        let energy = self.load.energy(unix_s);
        let power_w = self.load.power_w(unix_s);
        let sent = Sent {
            unix_s,
            import_wh: energy.import_in(3_600),
            export_wh: energy.export_in(3_600),
            drawn_va: power_w.max(0).unsigned_abs(),
            fed_in_va: power_w.min(0).unsigned_abs(),
            sound: !is_nth(count, self.wrong_checksum_every),
            heard: false,
        };
        let mut bytes = match self.mode {
            Mode::Historic => self.historic(&sent),
            Mode::Standard => self.standard(&sent),
        };
        if !sent.sound {
            spoil(&mut bytes, energy_label(self.mode));
        }
        (bytes, sent)
    }

    fn historic(&self, sent: &Sent) -> Vec<u8> {
        let mut frame = encode::Frame::new(Mode::Historic);
        frame
            .group("ADCO", &self.address)
            .group("OPTARIF", "BASE")
            .group("ISOUSC", "45")
            .group("BASE", &format!("{:09}", sent.import_wh))
            .group("PTEC", "TH..")
            .group("IINST", &format!("{:03}", sent.drawn_va.div_ceil(230)))
            .group("IMAX", "090")
            .group("PAPP", &format!("{:05}", sent.drawn_va))
            .group("HHPHC", "A")
            .group("MOTDETAT", "000000");
        frame.to_bytes()
    }

    fn standard(&self, sent: &Sent) -> Vec<u8> {
        let clock = clock(sent.unix_s);
        let mut frame = encode::Frame::new(Mode::Standard);
        frame
            .group("ADSC", &self.address)
            .group("VTIC", "02")
            .timed("DATE", &clock, "")
            .group("NGTF", "      BASE      ")
            .group("LTARF", "      BASE      ")
            .group("EAST", &format!("{:09}", sent.import_wh))
            .group("EASF01", &format!("{:09}", sent.import_wh))
            .group("EAIT", &format!("{:09}", sent.export_wh))
            .group("IRMS1", &format!("{:03}", sent.drawn_va.div_ceil(230)))
            .group("URMS1", "230")
            .group("PREF", "09")
            .group("PCOUP", "09")
            .group("SINSTS", &format!("{:05}", sent.drawn_va))
            .timed("SMAXSN", &clock, &format!("{:05}", sent.drawn_va))
            .group("SINSTI", &format!("{:05}", sent.fed_in_va))
            .group("STGE", "003A0001")
            .group("RELAIS", "000")
            .group("NTARF", "01");
        frame.to_bytes()
    }
}

/// What a frame told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The second it belongs to, in Unix seconds.
    pub unix_s: u64,
    /// EAST or BASE, in watt-hours.
    pub import_wh: u64,
    /// EAIT, in watt-hours; not in historic mode.
    pub export_wh: u64,
    /// SINSTS or PAPP, in volt-amperes.
    pub drawn_va: u64,
    /// SINSTI, in volt-amperes; not in historic mode.
    pub fed_in_va: u64,
    /// Whether all checksums were right.
    pub sound: bool,
    /// Whether somebody had the port open, at the right speed, from its first byte to its last.
    pub heard: bool,
}

const fn energy_label(mode: Mode) -> &'static str {
    match mode {
        Mode::Historic => "\nBASE ",
        Mode::Standard => "\nEAST\t",
    }
}

/// Raises the first digit of the energy and leaves the checksum as it was.
fn spoil(frame: &mut [u8], label: &str) {
    let found = frame
        .windows(label.len())
        .position(|part| part == label.as_bytes());
    if let Some(digit) = found.and_then(|at| frame.get_mut(at + label.len())) {
        *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    }
}

const fn is_nth(count: u32, every: u32) -> bool {
    every != 0 && count % every == every - 1
}

/// The time field of a second, winter time.
fn clock(unix_s: u64) -> String {
    let second = i64::try_from(unix_s).unwrap_or(0) + 3_600;
    let at = Offset::UTC.to_datetime(Timestamp::from_second(second).unwrap_or_default());
    format!("H{}", at.strftime("%y%m%d%H%M%S"))
}

/// A meter at work.
pub type Meter = AtWork<Sent>;

impl Meter {
    /// Starts a meter whose port is at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub fn start(link: &Path, mut config: Config) -> io::Result<Self> {
        Self::begin("tic-meter", link, move |wire, notes| {
            let mut count = 0u32;
            let push = Push {
                interval: config.interval,
                baud: config.mode.baud(),
                framing: Framing::SevenEven,
                pace: config.pace,
            };
            let frame = |unix_s| {
                let frame = config.frame(unix_s, count);
                count = count.wrapping_add(1);
                Some(frame)
            };
            push.run(wire, notes, frame, |sent, heard| sent.heard = heard);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_keeps_winter_time() {
        // date -u -d @1782907200: 2026-07-01 12:00:00.
        assert_eq!(clock(1_782_907_200), "H260701130000");
    }
}
