//! Probes of simulated ports, in virtual time.

use super::*;
use crate::crc;
use crate::model::ObisCode;
use crate::session::Parity;
use crate::{iec62056_21, p1, sml, tic};

/// What is at the other end. Bytes for another line come out as noise.
trait Device {
    /// The line it speaks on at present.
    fn line(&self) -> Line;
    /// What it says by itself, every so often.
    fn push(&self) -> Option<(Duration, Vec<u8>)> {
        None
    }
    /// What it answers to bytes it has understood.
    fn answer(&mut self, _bytes: &[u8]) -> Vec<u8> {
        Vec::new()
    }
    /// Whether what is sent to it comes back.
    fn echoes(&self) -> bool {
        false
    }
}

fn heard(bytes: &[u8], sent: Line, own: Line) -> Vec<u8> {
    let odd = |byte: u8| byte.count_ones() % 2 == 1;
    bytes
        .iter()
        .map(
            |byte| match (sent.baud == own.baud, sent.data_bits, own.data_bits) {
                (false, _, _) => byte.wrapping_mul(181).rotate_left(3) | 0x81,
                (true, 7, 8) => byte | (u8::from(odd(*byte)) << 7),
                (true, 8, 7) if odd(*byte) => 0,
                _ => *byte,
            },
        )
        .collect()
}

struct Told {
    verdict: Verdict,
    took: Duration,
    sent: usize,
}

impl Told {
    fn finding(&self) -> &Finding {
        self.verdict
            .finding
            .as_ref()
            .unwrap_or_else(|| panic!("{:?}", self.verdict))
    }
}

fn probe(mut probe: Probe, device: &mut dyn Device) -> Told {
    let start = Instant::now();
    let mut now = start;
    let mut line = probe.line();
    let mut answer: Option<(Instant, Line, Vec<u8>)> = None;
    let mut push = device.push().map(|(period, _)| start + period);
    let mut sent = 0;
    probe.restart(now);
    loop {
        while let Some(action) = probe.poll_action() {
            match action {
                Action::SetLine(wanted) => line = wanted,
                Action::Send(bytes) => {
                    sent += 1;
                    let echo = if device.echoes() {
                        bytes.clone()
                    } else {
                        Vec::new()
                    };
                    let their = device.line();
                    let said = match their == line || probe.network {
                        true => device.answer(&bytes),
                        false => Vec::new(),
                    };
                    if !echo.is_empty() {
                        probe.handle_input(&echo, now);
                    }
                    if !said.is_empty() {
                        // The answer leaves at the line that holds then.
                        answer = Some((now + Duration::from_millis(400), device.line(), said));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        if let Some(verdict) = probe.verdict() {
            let verdict = verdict.clone();
            assert!(now - start <= LONGEST, "{:?}", now - start);
            let took = now - start;
            return Told {
                verdict,
                took,
                sent,
            };
        }
        let due = answer.as_ref().map(|(at, _, _)| *at);
        let next = [due, push, probe.poll_timeout()]
            .into_iter()
            .flatten()
            .min();
        now = now.max(next.expect("something is to come"));
        if due.is_some_and(|due| due <= now) {
            let (_, their, bytes) = answer.take().unwrap();
            let bytes = if probe.network {
                bytes
            } else {
                heard(&bytes, their, line)
            };
            for chunk in bytes.chunks(16) {
                probe.handle_input(chunk, now);
            }
        } else if push.is_some_and(|push| push <= now) {
            let (period, bytes) = device.push().unwrap();
            push = Some(now + period);
            let bytes = if probe.network {
                bytes
            } else {
                heard(&bytes, device.line(), line)
            };
            for chunk in bytes.chunks(16) {
                probe.handle_input(chunk, now);
            }
        } else {
            probe.handle_timeout(now);
        }
    }
}

/// A meter that pushes.
struct Pushes(Line, u64, Vec<u8>);

impl Device for Pushes {
    fn line(&self) -> Line {
        self.0
    }

    fn push(&self) -> Option<(Duration, Vec<u8>)> {
        Some((Duration::from_secs(self.1), self.2.clone()))
    }
}

/// A meter that answers what it knows.
struct Answers<F: FnMut(&[u8]) -> Vec<u8>>(Line, F);

impl<F: FnMut(&[u8]) -> Vec<u8>> Device for Answers<F> {
    fn line(&self) -> Line {
        self.0
    }

    fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        (self.1)(bytes)
    }
}

fn serial(device: &mut dyn Device) -> Told {
    probe(Probe::serial(), device)
}

fn telegram(power: bool) -> Vec<u8> {
    let mut entries = vec![
        sml::Entry::new(
            ObisCode([1, 0, 96, 1, 0, 255]),
            sml::EntryValue::Octets(vec![0x0A, 1, b'E', b'M', b'H', 0, 0, 0x12, 0x34, 0x56]),
        ),
        sml::Entry::new(ObisCode::ACTIVE_ENERGY_IMPORT, sml::EntryValue::unsigned(7)),
    ];
    if power {
        entries.push(sml::Entry::new(
            ObisCode::ACTIVE_POWER_NET,
            sml::EntryValue::unsigned(9),
        ));
    }
    sml::ListTelegram {
        entries,
        ..sml::ListTelegram::default()
    }
    .to_bytes()
}

#[test]
fn a_german_meter_before_and_after_its_pin() {
    for (power, missing) in [(true, &[][..]), (false, &[Missing::Pin][..])] {
        let told = serial(&mut Pushes(Line::eight_none(9600), 4, telegram(power)));
        let finding = told.finding();
        assert_eq!(
            (finding.protocol, finding.line),
            (Protocol::Sml, Some(Line::eight_none(9600)))
        );
        assert_eq!(finding.missing, missing);
        assert!(told.took < Duration::from_secs(10) && told.sent == 0);
    }
}

const LINES: &str =
    "0-0:96.1.1(57534D30303031)\r\n1-0:1.8.1(000123.456*kWh)\r\n1-0:1.7.0(00.420*kW)\r\n";

#[test]
fn customer_ports_at_every_line() {
    let plain = p1::encode::telegram("KFM5KAIFA-METER", &LINES.repeat(6));
    let old = p1::encode::telegram_without_crc("ISk5MT382-1000", &LINES.repeat(4));
    for (line, period, telegram) in [
        (Line::eight_none(115_200), 1, &plain),
        (Line::eight_none(115_200), 10, &plain),
        (Line::seven_even(9_600), 10, &old),
        (Line::eight_none(9_600), 10, &plain),
        (Line::seven_even(115_200), 10, &old),
    ] {
        let told = serial(&mut Pushes(line, period, telegram.clone()));
        let finding = told.finding();
        assert_eq!(
            (finding.protocol, finding.line),
            (Protocol::P1, Some(line)),
            "{line}"
        );
        assert_eq!(finding.meter.as_ref().unwrap().as_str(), "WSM0001");
        assert!(told.sent == 0, "a customer port is not spoken to");
    }
}

#[test]
fn a_ciphered_customer_port_wants_keys() {
    let key = crate::key::Key::from_hex(&"a".repeat(32)).unwrap();
    for (in_frame, missing) in [
        (true, &[Missing::Key][..]),
        (false, &[Missing::Key, Missing::SystemTitle][..]),
    ] {
        let with = p1::encode::Ciphering {
            title: *b"SAG00001",
            in_frame,
            security_control: 0x30,
            invocation_counter: 1,
            key: &key,
            auth_key: &key,
        };
        let plain = p1::encode::telegram("SAG5X", &LINES.repeat(4));
        let frame = p1::encode::ciphered(&plain, &with).unwrap();
        let told = serial(&mut Pushes(Line::eight_none(115_200), 10, frame));
        let finding = told.finding();
        assert_eq!(
            (finding.protocol, &*finding.missing),
            (Protocol::P1, missing)
        );
        let maker = in_frame.then_some("SAG");
        assert_eq!(finding.manufacturer.as_deref(), maker);
    }
}

#[test]
fn a_linky_in_both_modes() {
    for mode in [tic::Mode::Historic, tic::Mode::Standard] {
        let mut frame = tic::encode::Frame::new(mode);
        for (label, value) in [
            (
                if mode == tic::Mode::Historic {
                    "ADCO"
                } else {
                    "ADSC"
                },
                "021861234567",
            ),
            ("OPTARIF", "BASE"),
            ("ISOUSC", "45"),
            ("PTEC", "TH.."),
            ("PAPP", "00750"),
        ] {
            frame.group(label, value);
        }
        let told = serial(&mut Pushes(
            Line::seven_even(mode.baud()),
            1,
            frame.to_bytes().repeat(3).split_off(30),
        ));
        let finding = told.finding();
        assert_eq!(finding.protocol, Protocol::Tic);
        assert_eq!(finding.line, Some(Line::seven_even(mode.baud())));
        assert_eq!(finding.meter.as_ref().unwrap().as_str(), "021861234567");
        assert!(told.took < Duration::from_secs(20), "{:?}", told.took);
    }
}

#[test]
fn pushed_dlms_in_both_frames() {
    let payload = [
        &[0x68, 40, 40, 0x68, 0x53, 0xFF, 0x10, 1, 0x67, 0xDB][..],
        &[7; 34],
    ]
    .concat();
    let sum = payload[4..]
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let mbus = [payload, vec![sum, 0x16]].concat();
    let even = Line {
        parity: Parity::Even,
        ..Line::eight_none(2_400)
    };
    let told = serial(&mut Pushes(even, 5, mbus));
    let finding = told.finding();
    assert_eq!(
        (finding.protocol, finding.line),
        (Protocol::DlmsPushMbus, Some(even))
    );
    assert_eq!(finding.missing, [Missing::Key]);

    let mut frame = vec![
        0xA0, 0, 0x01, 0x02, 0x03, 0x13, 0, 0, 0xE6, 0xE7, 0, 0x0F, 1, 2, 3,
    ];
    frame[1] = u8::try_from(frame.len() + 2).unwrap();
    frame.extend(crc::x25(&frame).to_le_bytes());
    let ciphered = {
        let mut frame = vec![0xA0, 0, 0x01, 0x02, 0x03, 0x13, 0, 0, 0xE6, 0xE7, 0];
        frame.extend([
            0xDB, 8, b'S', b'I', b'M', b'1', 0, 0, 0, 1, 0x82, 0, 105, 0x30, 0, 0, 0, 1,
        ]);
        frame.extend([9; 100]);
        frame[1] = u8::try_from(frame.len() + 2).unwrap();
        frame.extend(crc::x25(&frame).to_le_bytes());
        [&[0x7E], frame.as_slice(), &[0x7E]].concat()
    };
    let told = serial(&mut Pushes(Line::eight_none(9_600), 5, ciphered));
    assert_eq!(told.finding().protocol, Protocol::DlmsPushHdlc);
    assert_eq!(told.finding().missing, [Missing::Key]);

    let bytes = [&[0x7E], frame.as_slice(), &[0x7E]].concat();
    let told = serial(&mut Pushes(Line::eight_none(115_200), 10, bytes.repeat(2)));
    assert_eq!(told.finding().protocol, Protocol::DlmsPushHdlc);
    assert!(told.finding().missing.is_empty());
}

/// An optical head on a meter of mode C or E.
struct Optical {
    identification: &'static str,
    line: Line,
}

impl Device for Optical {
    fn line(&self) -> Line {
        self.line
    }

    fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        match bytes {
            b"/?!\r\n" => self.identification.as_bytes().to_vec(),
            [6, b'0', b'5', b'0', ..] => {
                self.line = Line::seven_even(9_600);
                iec62056_21::encode::data_block("0.0.0(87654321)\r\n1.8.0(1.5*kWh)\r\n!\r\n")
            }
            _ => Vec::new(),
        }
    }
}

#[test]
fn optical_heads() {
    for (identification, protocol) in [
        ("/ISk5MT174-0001\r\n", Protocol::Iec62056_21),
        ("/LGZ5\\2ZMD410\r\n", Protocol::DlmsModeE),
    ] {
        let line = Line::seven_even(300);
        let told = serial(&mut Optical {
            identification,
            line,
        });
        let finding = told.finding();
        assert_eq!((finding.protocol, finding.line), (protocol, Some(line)));
        assert_eq!(finding.meter.as_ref().unwrap().as_str(), "87654321");
        assert_eq!(finding.manufacturer.as_deref(), identification.get(1..4));
        assert!(told.took < Duration::from_secs(25), "{:?}", told.took);
    }
}

#[test]
fn a_readout_that_never_comes_is_no_hindrance() {
    let line = Line::seven_even(300);
    let told = serial(&mut Answers(line, |bytes: &[u8]| match bytes {
        b"/?!\r\n" => b"/ISk5MT174-0001\r\n".to_vec(),
        _ => Vec::new(),
    }));
    assert_eq!(told.finding().protocol, Protocol::Iec62056_21);
    assert_eq!(told.finding().meter, None);
}

#[test]
fn hdlc_with_every_width_of_address() {
    for width in [1, 2, 4] {
        let asked = Ask::Snrm(width).bytes();
        let ua = {
            let mut frame = vec![0xA0, 7, 0x21, 0x03, 0x73];
            frame.extend(crc::x25(&frame).to_le_bytes());
            [&[0x7E], frame.as_slice(), &[0x7E]].concat()
        };
        let mut left = false;
        let told = serial(&mut Answers(Line::eight_none(9600), |bytes: &[u8]| {
            left |= bytes == Ask::Disconnect(width).bytes();
            if bytes == asked {
                ua.clone()
            } else {
                Vec::new()
            }
        }));
        assert_eq!(told.finding().protocol, Protocol::DlmsHdlc);
        assert!(left, "leave is taken");
    }
}

#[test]
fn an_american_meter() {
    let told = serial(&mut Answers(Line::eight_none(9600), |bytes: &[u8]| {
        if bytes != Ask::Identify.bytes() {
            return Vec::new();
        }
        let mut packet = vec![0xEE, 0, 0, 0, 0, 5, 0, 0, 1, 0, 0];
        packet.extend(crc::x25(&packet).to_le_bytes());
        [&[0x06], packet.as_slice()].concat()
    }));
    let finding = told.finding();
    assert_eq!(
        (finding.protocol, finding.model.as_deref()),
        (Protocol::C1218, Some("C12.18 version 1.0"))
    );
}

/// A Modbus meter: registers as an SDM630 has them, or nothing but exceptions.
fn modbus(unit: u8, eastron: bool) -> impl FnMut(&[u8]) -> Vec<u8> {
    move |bytes: &[u8]| {
        let (Some(frame), [own, function, address @ ..]) = (bytes.get(..bytes.len() - 2), bytes)
        else {
            return Vec::new();
        };
        if *own != unit || bytes[bytes.len() - 2..] != crc::modbus(frame).to_le_bytes() {
            return Vec::new();
        }
        let words: Option<&[u8]> = match address {
            [0, 0, 0, 2, ..] if eastron => Some(&[0x43, 0x66, 0x33, 0x34]),
            [0xFC, 2, 0, 1, ..] if eastron => Some(&[0, 0x70]),
            [0xFC, 0, 0, 2, ..] if eastron => Some(&[1, 0x41, 0x5E, 0x92]),
            _ => None,
        };
        let mut answer = match words {
            Some(words) => [
                &[*own, *function, u8::try_from(words.len()).unwrap()],
                words,
            ]
            .concat(),
            None => vec![*own, *function | 0x80, 2],
        };
        answer.extend(crc::modbus(&answer).to_le_bytes());
        answer
    }
}

#[test]
fn modbus_units_speeds_and_models() {
    let even = Line {
        parity: Parity::Even,
        ..Line::eight_none(19_200)
    };
    for (line, unit, eastron) in [
        (Line::eight_none(9_600), 1, true),
        (Line::eight_none(9_600), 3, true),
        (Line::eight_none(2_400), 1, true),
        (even, 1, false),
    ] {
        let told = serial(&mut Answers(line, modbus(unit, eastron)));
        let finding = told.finding();
        assert_eq!(
            (finding.protocol, finding.line),
            (Protocol::ModbusRtu, Some(line))
        );
        assert_eq!(finding.unit, Some(unit));
        assert_eq!(finding.map, eastron.then_some("sdm630"));
        let serial = finding.meter.as_ref().map(crate::model::MeterId::as_str);
        assert_eq!(serial, eastron.then_some("21061266"));
        assert_eq!(finding.missing.contains(&Missing::Map), !eastron);
    }
}

struct Echo;

impl Device for Echo {
    fn line(&self) -> Line {
        Line::eight_none(1)
    }

    fn echoes(&self) -> bool {
        true
    }
}

#[test]
fn why_nothing_was_found() {
    let nothing = serial(&mut Answers(Line::eight_none(1), |_: &[u8]| Vec::new()));
    assert!(nothing.verdict.remarks[0].starts_with("nothing at all was heard"));
    assert!(nothing.took < Duration::from_secs(35), "{:?}", nothing.took);

    let echo = serial(&mut Echo);
    assert!(
        echo.verdict.remarks[0].starts_with("only the echo"),
        "{:?}",
        echo.verdict
    );

    let noise: Vec<u8> = (0..700u32).map(|n| (n * n % 251) as u8 | 0x80).collect();
    let noise = serial(&mut Pushes(Line::eight_none(7_777), 1, noise));
    assert!(
        noise.verdict.remarks[0].starts_with("something is heard"),
        "{:?}",
        noise.verdict
    );

    // Text turned over, as an eight-bit receiver hears it.
    let text = p1::encode::telegram("KFM5KAIFA-METER", &LINES.repeat(6));
    let turned: Vec<u8> = text.iter().map(|byte| (!byte & 0x7F) << 1 | 1).collect();
    let told = serial(&mut Pushes(Line::eight_none(115_200), 10, turned));
    assert!(
        told.verdict.remarks[0].contains("upside down"),
        "{:?}",
        told.verdict
    );
}

#[test]
fn behind_a_network_address() {
    let network = |device: &mut dyn Device| probe(Probe::network(), device);
    let line = Line::eight_none(9600);
    let told = network(&mut Pushes(line, 1, telegram(true)));
    assert_eq!(
        (told.finding().protocol, told.finding().line),
        (Protocol::Sml, None)
    );
    let told = network(&mut Answers(line, |bytes: &[u8]| match bytes {
        [0x57, 0x41, 0, 0, 0, 6, 1, 4, 0, 0, 0, 2] => {
            vec![0x57, 0x41, 0, 0, 0, 7, 1, 4, 4, 0x43, 0x66, 0x33, 0x34]
        }
        [0x57, 0x41, _, _, _, _, 1, function, ..] => {
            vec![0x57, 0x41, 0, 0, 0, 3, 1, function | 0x80, 2]
        }
        _ => Vec::new(),
    }));
    assert_eq!(told.finding().protocol, Protocol::ModbusTcp);
    assert!(told.finding().model.as_deref().unwrap().contains("Eastron"));
    let told = network(&mut Answers(line, |bytes: &[u8]| match bytes {
        [0, 1, 0, 16, 0, 1, 0, 31, 0x60, ..] => vec![0, 1, 0, 1, 0, 16, 0, 2, 0x61, 0],
        _ => Vec::new(),
    }));
    assert_eq!(told.finding().protocol, Protocol::DlmsWrapper);
}
