//! Asking: the shortest question of each protocol, and how its answer is known.

use super::finding::{Finding, Missing, Protocol};
use super::links::{self, Link};
use crate::c12::packet::{self, Element, Packet};
use crate::c12::service::{Identification as Identification12, Request as Request12};
use crate::crc;
use crate::iec62056_21::{self, Identification, Mode};
use crate::modbus::RegisterMap;
use crate::model::MeterId;
use crate::session::Line;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// IEC 62056-21: `/?!`.
    SignOn,
    /// HDLC: SNRM from the public client to server 1, its address in 1, 2 or 4 bytes.
    Snrm(u8),
    /// HDLC: leave, after a UA.
    Disconnect(u8),
    /// C12.18: identify.
    Identify,
    /// Modbus RTU: two input registers from 0 on.
    Rtu {
        /// The unit's number.
        unit: u8,
        /// What is asked for.
        what: Registers,
    },
    /// Modbus TCP: two input registers from 0 on, of unit 1.
    Mbap(Registers),
    /// DLMS over TCP: an association as the public client.
    Aarq,
}

/// Registers that tell a Modbus meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registers {
    /// The voltage of phase 1 of many meters, as a float.
    Voltage,
    /// The product code of Eastron.
    ProductCode,
    /// The serial number of Eastron.
    Serial,
    /// The identification code of Carlo Gavazzi, a single register.
    ControlsCode,
}

impl Registers {
    const fn pdu(self) -> [u8; 5] {
        let (function, address, count): (u8, u16, u8) = match self {
            Self::Voltage => (4, 0, 2),
            Self::ProductCode => (3, 0xFC02, 1),
            Self::Serial => (3, 0xFC00, 2),
            Self::ControlsCode => (4, 0x000B, 1),
        };
        let [high, low] = address.to_be_bytes();
        [function, high, low, 0, count]
    }
}

/// What an answer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A meter, as far as this answer tells it.
    Meter(Finding),
    /// An identification that goes on.
    SignedOn(Identification),
    /// Words of a Modbus meter; `None` for an exception.
    Words(Option<Vec<u16>>),
}

/// An AARQ without ciphering and password, as in the Green Book's examples.
const AARQ: [u8; 31] = [
    0x60, 0x1D, 0xA1, 0x09, 0x06, 0x07, 0x60, 0x85, 0x74, 0x05, 0x08, 0x01, 0x01, 0xBE, 0x10, 0x04,
    0x0E, 0x01, 0x00, 0x00, 0x00, 0x06, 0x5F, 0x1F, 0x04, 0x00, 0x00, 0x7E, 0x1F, 0x04, 0xB0,
];

impl Ask {
    /// What is sent.
    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            Self::SignOn => iec62056_21::encode::request(""),
            Self::Snrm(width) => hdlc(width, 0x93),
            Self::Disconnect(width) => hdlc(width, 0x53),
            Self::Identify => Packet {
                identity: 0,
                control: 0,
                sequence: 0,
                data: Request12::Identify.to_bytes(),
            }
            .to_bytes(),
            Self::Rtu { unit, what } => {
                let mut frame = vec![unit];
                frame.extend(padded(what));
                frame.extend(crc::modbus(&frame).to_le_bytes());
                frame
            }
            Self::Mbap(what) => {
                let mut frame = vec![0x57, 0x41, 0, 0, 0, 6, 1];
                frame.extend(padded(what));
                frame
            }
            Self::Aarq => {
                let mut frame = vec![0, 1, 0, 16, 0, 1, 0, 31];
                frame.extend(AARQ);
                frame
            }
        }
    }

    /// Looks for the answer in what was heard since; an echo may stand in front.
    pub(super) fn answer(self, heard: &[u8], line: Option<Line>) -> Option<Answer> {
        match self {
            Self::SignOn => signed_on(heard),
            Self::Snrm(_) => {
                let own = self.bytes();
                let heard = heard.strip_prefix(own.as_slice()).unwrap_or(heard);
                match links::find(heard)? {
                    // UA, or DM from a meter that is in no mood for it.
                    Link::Hdlc { control, .. } if matches!(control & 0xEF, 0x63 | 0x0F) => {
                        Some(Answer::Meter(Finding::new(Protocol::DlmsHdlc, line)))
                    }
                    _ => None,
                }
            }
            Self::Disconnect(_) => None,
            Self::Identify => identified(heard, line),
            Self::Rtu { unit, what } => rtu(heard, unit, what),
            Self::Mbap(what) => mbap(heard, what),
            Self::Aarq => match heard {
                [0, 1, _, _, _, _, _, _, 0x61, ..] => {
                    Some(Answer::Meter(Finding::new(Protocol::DlmsWrapper, line)))
                }
                _ => None,
            },
        }
    }
}

/// Function, address and count of a request, as both kinds of Modbus send them.
const fn padded(what: Registers) -> [u8; 5] {
    what.pdu()
}

/// A frame without information from client 16 to server 1; physical address 17 where there is one.
fn hdlc(width: u8, control: u8) -> Vec<u8> {
    let server: &[u8] = match width {
        1 => &[0x03],
        2 => &[0x02, 0x23],
        _ => &[0x00, 0x02, 0x00, 0x23],
    };
    let length = u8::try_from(2 + server.len() + 4).unwrap_or(u8::MAX);
    let mut frame = vec![0xA0, length];
    frame.extend(server);
    frame.extend([0x21, control]);
    frame.extend(crc::x25(&frame).to_le_bytes());
    let mut bytes = vec![0x7E];
    bytes.extend(frame);
    bytes.push(0x7E);
    bytes
}

fn signed_on(heard: &[u8]) -> Option<Answer> {
    let mut splitter = iec62056_21::Splitter::new();
    let mut input = heard;
    while let Some(event) = splitter.pull(&mut input) {
        // A mode A meter sends its data at once.
        if let iec62056_21::Message::Readout(readout) = event.message {
            return Some(Answer::SignedOn(readout.identification));
        }
    }
    splitter.identification().map(Answer::SignedOn)
}

/// The finding of a sign-on, before the readout.
pub(super) fn of_sign_on(identification: &Identification, line: Line) -> Finding {
    let protocol = match identification.mode {
        Mode::E => Protocol::DlmsModeE,
        _ => Protocol::Iec62056_21,
    };
    Finding {
        manufacturer: Some(identification.manufacturer.clone()),
        model: Some(identification.text.clone()).filter(|text| !text.is_empty()),
        ..Finding::new(protocol, Some(line))
    }
}

/// A packet of the meter with a right answer to the identification.
fn identified(heard: &[u8], line: Option<Line>) -> Option<Answer> {
    let own = Ask::Identify.bytes();
    let mut input = heard.strip_prefix(own.as_slice()).unwrap_or(heard);
    let mut splitter = packet::Splitter::new();
    while let Some(event) = splitter.pull(&mut input) {
        let Element::Packet(packet, _) = event.element else {
            continue;
        };
        let Some((0, payload)) = packet.data.split_first() else {
            continue;
        };
        if let Some(found) = Identification12::parse(payload) {
            let model = format!(
                "{} version {}.{}",
                found.standard_name().unwrap_or("C12"),
                found.version,
                found.revision
            );
            return Some(Answer::Meter(Finding {
                model: Some(model),
                ..Finding::new(Protocol::C1218, line)
            }));
        }
    }
    None
}

fn rtu(heard: &[u8], unit: u8, what: Registers) -> Option<Answer> {
    let own = Ask::Rtu { unit, what }.bytes();
    let heard = heard.strip_prefix(own.as_slice()).unwrap_or(heard);
    let [function, _, _, _, count] = what.pdu();
    (0..heard.len()).find_map(|at| {
        let rest = heard.get(at..)?;
        let length = match rest {
            [from, exception, ..] if *from == unit && *exception == function | 0x80 => 3,
            [from, same, bytes, ..] if (*from, *same, *bytes) == (unit, function, 2 * count) => {
                3 + usize::from(*bytes)
            }
            _ => return None,
        };
        let (covered, check) = rest.get(..length + 2)?.split_at_checked(length)?;
        (crc::modbus(covered).to_le_bytes() == *check).then(|| Answer::Words(words(covered, 3)))
    })
}

fn mbap(heard: &[u8], what: Registers) -> Option<Answer> {
    let [function, _, _, _, count] = what.pdu();
    match heard {
        [0x57, 0x41, 0, 0, _, _, 1, exception, _, ..] if *exception == function | 0x80 => {
            Some(Answer::Words(None))
        }
        [0x57, 0x41, 0, 0, _, _, 1, same, bytes, rest @ ..]
            if *same == function && *bytes == 2 * count && rest.len() >= usize::from(*bytes) =>
        {
            Some(Answer::Words(words(heard, 9)))
        }
        _ => None,
    }
}

/// The words behind `head` bytes; `None` for an exception.
fn words(frame: &[u8], head: usize) -> Option<Vec<u16>> {
    let function = frame.get(head - 2)?;
    if function & 0x80 != 0 {
        return None;
    }
    let (pairs, _) = frame.get(head..)?.as_chunks::<2>();
    Some(pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
}

/// What the registers of a Modbus meter tell of it.
pub(super) fn of_words(finding: &mut Finding, what: Registers, words: Option<&[u16]>) {
    let known = |finding: &mut Finding, map: &'static str| {
        finding.map = Some(map);
        finding.model = RegisterMap::named(map).map(|map| map.name.clone());
        finding.missing.retain(|missing| *missing != Missing::Map);
    };
    match (what, words) {
        (Registers::ProductCode, Some([0x0070])) => known(finding, "sdm630"),
        (Registers::ProductCode, Some([0x0089])) => known(finding, "sdm72v2"),
        (Registers::ControlsCode, Some([70..=73])) => known(finding, "em24"),
        (Registers::Serial, Some([high, low])) if (*high, *low) != (0, 0) => {
            let serial = u32::from(*high) << 16 | u32::from(*low);
            finding.meter = MeterId::new(&serial.to_string());
        }
        // Eastron's floats hold a voltage of a public grid: 43xx is 128 to 511.
        (Registers::Voltage, Some([0x42DC..=0x43FF, _])) if finding.model.is_none() => {
            finding.model = Some("a meter with floats as Eastron's SDM series has them".to_owned());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An SNRM and an identification request as manuals print them; a Modbus request with the CRC
    /// of another implementation.
    #[test]
    fn questions_of_others() {
        assert_eq!(Ask::SignOn.bytes(), b"/?!\r\n");
        let snrm = [0x7E, 0xA0, 0x07, 0x03, 0x21, 0x93, 0x0F, 0x01, 0x7E];
        assert_eq!(Ask::Snrm(1).bytes(), snrm);
        let identify = [0xEE, 0, 0, 0, 0, 1, 0x20, 0x13, 0x10];
        assert_eq!(Ask::Identify.bytes(), identify);
        let what = Registers::Voltage;
        let voltage = [1, 4, 0, 0, 0, 2, 0x71, 0xCB];
        assert_eq!(Ask::Rtu { unit: 1, what }.bytes(), voltage);
        assert_eq!(Ask::Aarq.bytes().len(), 8 + 31);
    }

    #[test]
    fn an_echo_is_no_answer() {
        let line = Some(Line::eight_none(9600));
        for width in [1, 2, 4] {
            let ask = Ask::Snrm(width);
            assert_eq!(ask.answer(&ask.bytes(), line), None);
        }
        let what = Registers::Voltage;
        for ask in [
            Ask::SignOn,
            Ask::Identify,
            Ask::Rtu { unit: 1, what },
            Ask::Mbap(what),
            Ask::Aarq,
        ] {
            assert_eq!(ask.answer(&ask.bytes(), line), None, "{ask:?}");
        }
    }
}
