//! The simulated meters are read by programs that are not ours: sml-rs decodes the telegrams of
//! the SML meter, and readers written out here, with nothing of meter-link in them, go through the
//! steps of IEC 62056-21 and check the groups of TIC.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::termios::OptionalActions;
use sml_rs::parser::common::Value;
use sml_rs::parser::complete::{MessageBody, parse};
use wattle_sim::actor::Pace;
use wattle_sim::household::{Curve, INSTALLED, Kind};
use wattle_sim::replay::{Recording, Replay};
use wattle_sim::{iec62056_21, sml, tic};

struct Terminal(File);

impl Terminal {
    fn open(path: &Path, baud: u32) -> Self {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let terminal = Self(file);
        terminal.set_speed(baud);
        terminal
    }

    fn set_speed(&self, baud: u32) {
        let mut settings = rustix::termios::tcgetattr(&self.0).unwrap();
        settings.make_raw();
        settings.set_speed(baud).unwrap();
        rustix::termios::tcsetattr(&self.0, OptionalActions::Now, &settings).unwrap();
    }

    /// Reads until `enough`; fails the test when that takes longer than ten seconds.
    fn read_until(&mut self, mut enough: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let late = Instant::now() + Duration::from_secs(10);
        let mut bytes = Vec::new();
        while !enough(&bytes) {
            let shown = String::from_utf8_lossy(&bytes);
            assert!(Instant::now() < late, "nothing more came after {shown:?}");
            let mut buffer = [0; 256];
            let mut fds = [rustix::event::PollFd::new(
                &self.0,
                rustix::event::PollFlags::IN,
            )];
            let patience = rustix::event::Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            if rustix::event::poll(&mut fds, Some(&patience)).unwrap() > 0 {
                let length = self.0.read(&mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..length]);
            }
        }
        bytes
    }
}

/// Registers of a telegram as sml-rs understands it: code, unit, scaler, value.
fn registers(content: &[u8]) -> Vec<([u8; 6], Option<u8>, i8, i64)> {
    let file = parse(content).expect("sml-rs accepts the telegram");
    assert_eq!(file.messages.len(), 3);
    let list = file
        .messages
        .iter()
        .find_map(|message| match &message.message_body {
            MessageBody::GetListResponse(list) => Some(list),
            _ => None,
        });
    let entries = list.expect("a list").val_list.iter();
    entries
        .filter_map(|entry| {
            let value = match entry.value {
                Value::I8(value) => i64::from(value),
                Value::I16(value) => i64::from(value),
                Value::I32(value) => i64::from(value),
                Value::I64(value) => value,
                Value::U8(value) => i64::from(value),
                Value::U16(value) => i64::from(value),
                Value::U32(value) => i64::from(value),
                Value::U64(value) => i64::try_from(value).unwrap(),
                _ => return None,
            };
            let name = entry.obj_name.try_into().unwrap();
            Some((name, entry.unit, entry.scaler.unwrap_or(0), value))
        })
        .collect()
}

#[test]
fn sml_rs_reads_every_value_of_every_telegram() {
    let mut config = sml::Config {
        phases: true,
        ..sml::Config::new(Curve::new(Kind::Home { pv: true }, 11))
    };
    // Every quarter of an hour of two days, night and noon, drawing and feeding in.
    for step in 0..192u32 {
        let at = INSTALLED + 40 * 86_400 + u64::from(step) * 900 + 17;
        let (bytes, truth) = config.telegram(at, step);
        let mut frames = sml_rs::transport::decode(bytes.iter().copied());
        let content = frames.remove(0).expect("sml-rs accepts the transport");
        assert!(frames.is_empty());
        let got = registers(&content);
        let of = |c: u8, d: u8| {
            let found = got.iter().find(|(name, ..)| *name == [1, 0, c, d, 0, 255]);
            let (_, unit, scaler, value) = *found.expect("the register is there");
            (unit, scaler, value)
        };
        let tenths = |value: u64| i64::try_from(value).unwrap();
        assert_eq!(of(1, 8), (Some(30), -1, tenths(truth.import_tenths_wh)));
        assert_eq!(of(2, 8), (Some(30), -1, tenths(truth.export_tenths_wh)));
        assert_eq!(of(16, 7), (Some(27), 0, truth.power_w));
        assert_eq!(
            of(36, 7).2 + of(56, 7).2 + of(76, 7).2,
            truth.power_w,
            "the phases make up the whole"
        );
        assert_eq!(of(32, 7).0, Some(35));
        assert_eq!(got.len(), 3 + 9);
    }
}

#[test]
fn an_sml_meter_without_its_pin_says_little() {
    let mut config = sml::Config {
        pin_locked: true,
        ..sml::Config::new(Curve::new(Kind::Constant { power_w: 1_000 }, 0))
    };
    let (bytes, _) = config.telegram(INSTALLED + 3_600 * 5 + 1_800, 0);
    let content = sml_rs::transport::decode(bytes.iter().copied())
        .remove(0)
        .unwrap();
    let values: Vec<_> = registers(&content).iter().map(|r| (r.2, r.3)).collect();
    assert_eq!(values, [(0, 5_500), (0, 0)]);
}

#[test]
fn a_pulled_cable_comes_back_and_the_meter_counts_on() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("electricity");
    let config = sml::Config {
        interval: Duration::from_millis(200),
        pace: Pace::AtOnce,
        ..sml::Config::new(Curve::new(Kind::Constant { power_w: 2_345 }, 0))
    };
    let meter = sml::SmlMeter::start(&link, config).unwrap();
    for _ in 0..5 {
        let mut terminal = Terminal::open(&link, 9600);
        let end = [0x1B, 0x1B, 0x1B, 0x1B, 0x1A];
        let bytes = terminal.read_until(|bytes| bytes.windows(5).any(|w| w == end));
        assert!(bytes.windows(4).any(|w| w == [0x1B; 4]));
        meter.handle().unplug().unwrap();
        assert!(File::open(&link).is_err());
        let before = meter.sent().len();
        assert!(
            meter
                .wait_for(Duration::from_secs(5), |sent| !sent.heard)
                .is_some()
        );
        meter.handle().plug().unwrap();
        assert!(meter.sent().len() >= before);
    }
    drop(meter);
    assert!(std::fs::symlink_metadata(&link).is_err());
}

#[test]
fn at_the_wrong_speed_an_sml_meter_is_not_understood() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("electricity");
    let config = sml::Config {
        interval: Duration::from_millis(200),
        pace: Pace::AtOnce,
        ..sml::Config::new(Curve::new(Kind::Constant { power_w: 1 }, 0))
    };
    let meter = sml::SmlMeter::start(&link, config).unwrap();
    let mut terminal = Terminal::open(&link, 4800);
    let bytes = terminal.read_until(|bytes| bytes.len() > 500);
    assert!(!bytes.windows(4).any(|w| w == [0x1B; 4]));
    assert!(meter.sent().iter().all(|sent| !sent.heard));
}

/// STX … ETX and the block check character: the exclusive or of what follows STX up to and with
/// ETX (IEC 62056-21, clause 6.3.10, by reference to ISO 1155).
fn block(bytes: &[u8]) -> Option<(&[u8], bool)> {
    let start = bytes.iter().position(|&byte| byte == 2)? + 1;
    let length = bytes[start..].iter().position(|&byte| byte == 3)?;
    let bcc = *bytes.get(start + length + 1)?;
    let mut sum = 3;
    for byte in &bytes[start..start + length] {
        sum ^= byte;
    }
    Some((&bytes[start..start + length], sum == bcc))
}

fn iec(faults: iec62056_21::Faults, pace: Pace) -> iec62056_21::Config {
    iec62056_21::Config {
        // A capital third letter would mean 200 ms before every answer.
        manufacturer: *b"WSm",
        faults,
        pace,
        ..iec62056_21::Config::new(Curve::new(Kind::Constant { power_w: 720 }, 0))
    }
}

fn read_line(terminal: &mut Terminal) -> Vec<u8> {
    terminal.read_until(|bytes| bytes.ends_with(b"\r\n"))
}

#[test]
fn an_independent_reader_gets_the_readout_of_the_iec_meter() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("submeter");
    let faults = iec62056_21::Faults {
        wrong_bcc_every: 2,
        ..Default::default()
    };
    // At the true speed of the line: the sign-on alone takes half a second.
    let meter = iec62056_21::Meter::start(&link, iec(faults, Pace::Line)).unwrap();
    let mut terminal = Terminal::open(&link, 300);
    terminal.0.write_all(b"/?87654321!\r\n").unwrap();
    let begun = Instant::now();
    assert_eq!(read_line(&mut terminal), b"/WSm5SIM-C1\r\n");
    assert!(begun.elapsed() > Duration::from_millis(13 * 33));

    terminal.0.write_all(b"\x06050\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(10));
    terminal.set_speed(9600);
    let bytes = terminal.read_until(|bytes| block(bytes).is_some());
    let (first, sound) = block(&bytes).unwrap();
    assert!(sound, "{:?}", String::from_utf8_lossy(&bytes));
    // The last byte is heard a moment before the meter notes what it has sent.
    let late = Instant::now() + Duration::from_secs(5);
    while meter.sent().is_empty() {
        assert!(Instant::now() < late, "nothing was noted");
        std::thread::yield_now();
    }
    let truth = meter.sent().remove(0);
    let text = String::from_utf8(first.to_vec()).unwrap();
    let (kwh, wh) = (truth.import_wh / 1_000, truth.import_wh % 1_000);
    assert!(
        text.contains(&format!("1.8.0({kwh:07}.{wh:03}*kWh)\r\n")),
        "{text}"
    );
    assert!(
        text.contains("16.7.0(00.720*kW)\r\n") && text.ends_with("!\r\n"),
        "{text}"
    );

    // The second block is spoilt on purpose; a NAK brings it again, the third is right.
    for expected in [false, true] {
        terminal.0.write_all(&[0x15]).unwrap();
        let bytes = terminal.read_until(|bytes| block(bytes).is_some());
        let (again, sound) = block(&bytes).unwrap();
        assert_eq!((again, sound), (first, expected));
    }
    assert!(meter.sent().iter().skip(1).all(|sent| sent.repeated));
}

#[test]
fn a_reader_that_forgets_to_change_the_speed_hears_garbage() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("submeter");
    let config = iec(iec62056_21::Faults::default(), Pace::AtOnce);
    let meter = iec62056_21::Meter::start(&link, config).unwrap();
    let mut terminal = Terminal::open(&link, 300);
    terminal.0.write_all(b"/?!\r\n").unwrap();
    read_line(&mut terminal);
    terminal.0.write_all(b"\x06050\r\n").unwrap();
    let bytes = terminal.read_until(|bytes| bytes.len() > 4);
    assert!(block(&bytes).is_none());
    assert!(
        meter
            .sent()
            .iter()
            .all(|sent| !sent.sound && sent.baud == 9600)
    );
}

#[test]
fn a_request_at_the_wrong_speed_is_not_understood() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("submeter");
    let config = iec(iec62056_21::Faults::default(), Pace::AtOnce);
    let _meter = iec62056_21::Meter::start(&link, config).unwrap();
    let mut terminal = Terminal::open(&link, 9600);
    terminal.0.write_all(b"/?!\r\n").unwrap();
    // The right request after it is answered once, so the wrong one was not.
    std::thread::sleep(Duration::from_millis(100));
    terminal.set_speed(300);
    terminal.0.write_all(b"/?!\r\n").unwrap();
    assert_eq!(read_line(&mut terminal), b"/WSm5SIM-C1\r\n");
}

/// Groups of the first whole frame: fields without the checksum, which must be right.
fn tic_groups(bytes: &[u8], separator: char) -> Option<Vec<Vec<String>>> {
    let start = bytes.iter().position(|&byte| byte == 2)? + 1;
    let length = bytes[start..].iter().position(|&byte| byte == 3)?;
    let text = String::from_utf8(bytes[start..start + length].to_vec()).unwrap();
    let lines = text.split_terminator('\r').map(|line| {
        let line = line.strip_prefix('\n').unwrap();
        let (rest, check) = line.split_at(line.len() - 1);
        let body = rest.strip_suffix(separator).unwrap();
        let summed = if separator == ' ' { body } else { rest };
        let sum: u32 = summed.bytes().map(u32::from).sum();
        assert_eq!(
            check.bytes().map(u32::from).sum::<u32>(),
            (sum & 0x3F) + 0x20,
            "{line}"
        );
        body.split(separator).map(str::to_owned).collect()
    });
    Some(lines.collect())
}

#[test]
fn an_independent_reader_gets_the_groups_of_the_tic_meter() {
    use meter_link::tic::Mode;
    let folder = tempfile::tempdir().unwrap();
    for (mode, separator, baud, energy, power) in [
        (Mode::Historic, ' ', 1_200, "BASE", "PAPP"),
        (Mode::Standard, '\t', 9_600, "EAST", "SINSTS"),
    ] {
        let link = folder.path().join(energy);
        let config = tic::Config {
            pace: Pace::AtOnce,
            interval: Duration::from_millis(100),
            ..tic::Config::new(mode, Curve::new(Kind::Constant { power_w: 920 }, 0))
        };
        let meter = tic::Meter::start(&link, config).unwrap();
        // At the other speed nothing of it is a frame, and the meter knows.
        let mut terminal = Terminal::open(&link, 10_800 - baud);
        let noise = terminal.read_until(|bytes| bytes.len() > 60);
        assert!(
            !noise
                .windows(6)
                .any(|part| part.starts_with(b"\nADCO") || part.starts_with(b"\nADSC"))
        );
        assert!(meter.sent().iter().all(|sent| !sent.heard));

        terminal.set_speed(baud);
        let whole = |bytes: &[u8]| tic_groups(bytes, separator).is_some();
        terminal.read_until(whole);
        let groups = tic_groups(&terminal.read_until(whole), separator).unwrap();
        let of = |label: &str| groups.iter().find(|group| group[0] == label).unwrap()[1].clone();
        assert_eq!(of(power), "00920");
        let energy: u64 = of(energy).parse().unwrap();
        let told = |sent: &tic::Sent| sent.heard && sent.import_wh == energy;
        assert!(
            meter.sent().iter().any(told),
            "{energy} in {:?}",
            meter.sent()
        );
    }
}

#[test]
fn a_recording_comes_out_as_it_is_at_the_speed_of_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("replay");
    let bytes: Vec<u8> = (0..=255u8).cycle().take(960).collect();
    let replay = Replay::start(&link, Recording::new(bytes.clone())).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(replay.played(), 0, "it waits for a listener");
    let begun = Instant::now();
    let file = File::options().read(true).write(true).open(&link).unwrap();
    let mut terminal = Terminal(file);
    terminal.set_speed(9600);
    let got = terminal.read_until(|got| got.len() >= bytes.len());
    assert!(begun.elapsed() > Duration::from_millis(900));
    assert_eq!(got, bytes);
}
