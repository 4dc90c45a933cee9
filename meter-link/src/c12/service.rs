//! Services of the application layer: requests and answers (C12.18, clause 5.3; C12.21, clause 5;
//! C12.22, clause 5.3.2.4).

use std::fmt;

use zeroize::Zeroizing;

/// Length of a password, blanks or zeros at its end included.
pub const PASSWORD_LENGTH: usize = 20;
/// Length of a user's name, blanks at its end included.
pub const USER_LENGTH: usize = 10;

/// A password of 20 octets. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<[u8; PASSWORD_LENGTH]>);

impl Password {
    /// A password as it is sent.
    #[must_use]
    pub fn new(octets: [u8; PASSWORD_LENGTH]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// A password padded with zeros; `None` when it is longer than 20 octets.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut octets = [0; PASSWORD_LENGTH];
        octets
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self::new(octets))
    }

    /// The octets as sent.
    #[must_use]
    pub fn octets(&self) -> &[u8; PASSWORD_LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What one side asks of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// 20: which standard, version and features.
    Identify,
    /// 21: ends the session.
    Terminate,
    /// 22: hangs up (C12.21) or leaves the network (C12.22).
    Disconnect,
    /// 30: a whole table.
    Read {
        /// Number of the table; 2048 and up are the manufacturer's.
        table: u16,
    },
    /// 31 to 39: part of a table by element numbers.
    ReadIndex {
        /// Number of the table.
        table: u16,
        /// Element numbers, outermost first, then the count; as sent.
        selection: Vec<u8>,
    },
    /// 3F: part of a table by octets.
    ReadOffset {
        /// Number of the table.
        table: u16,
        /// First octet, 0 to 16,777,215.
        offset: u32,
        /// Number of octets.
        count: u16,
    },
    /// 40: a whole table.
    Write {
        /// Number of the table.
        table: u16,
        /// What is written.
        data: Vec<u8>,
    },
    /// 41 to 49: part of a table by element numbers.
    WriteIndex {
        /// Number of the table.
        table: u16,
        /// Element numbers and the data, as sent.
        rest: Vec<u8>,
    },
    /// 4F: part of a table by octets.
    WriteOffset {
        /// Number of the table.
        table: u16,
        /// First octet.
        offset: u32,
        /// What is written.
        data: Vec<u8>,
    },
    /// 50: begins a session.
    Logon {
        /// The user's number.
        user_id: u16,
        /// The user's name, ten octets.
        user: [u8; USER_LENGTH],
        /// C12.22: seconds without a request after which the session ends, 0 for never.
        idle_timeout_s: Option<u16>,
    },
    /// 51: shows a password.
    Security {
        /// The password.
        password: Password,
        /// C12.22: the user it belongs to.
        user_id: Option<u16>,
    },
    /// 52: ends what logon began.
    Logoff,
    /// 53: proves that one knows a key (C12.21).
    Authenticate {
        /// As sent.
        data: Vec<u8>,
    },
    /// 60 to 6B: sizes of packets and speed.
    Negotiate {
        /// Octets of the longest packet, header and CRC included.
        packet_size: u16,
        /// Packets of the longest message.
        packets: u8,
        /// Codes of the speeds proposed; see [`baud`].
        bauds: Vec<u8>,
    },
    /// 70: keeps the session open.
    Wait {
        /// How long.
        seconds: u8,
    },
    /// 71: time-outs of a line with a modem (C12.21).
    TimingSetup(Timing),
    /// Any other service, or one whose parameters do not fit.
    Other {
        /// First octet.
        code: u8,
        /// What follows.
        payload: Vec<u8>,
    },
}

/// Time-outs of a line with a modem (C12.21, timing setup service).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Silence after which the call ends, in seconds.
    pub traffic_s: u8,
    /// Longest gap within a packet, in seconds.
    pub inter_character_s: u8,
    /// Longest wait for an acknowledgement, in seconds.
    pub response_s: u8,
    /// How often a packet is sent again.
    pub retries: u8,
}

/// The speed behind a code of the negotiate service, in bits per second; `None` for 0, "set
/// elsewhere", and codes that are not assigned.
#[must_use]
pub const fn baud(code: u8) -> Option<u32> {
    Some(match code {
        1 => 300,
        2 => 600,
        3 => 1_200,
        4 => 2_400,
        5 => 4_800,
        6 => 9_600,
        7 => 14_400,
        8 => 19_200,
        9 => 28_800,
        10 => 57_600,
        11 => 38_400,
        12 => 115_200,
        13 => 128_000,
        14 => 256_000,
        _ => return None,
    })
}

/// Table data of up to 65,535 octets with its length and check: `count(2) data checksum`.
pub(crate) fn framed(data: &[u8]) -> Vec<u8> {
    let count = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut bytes = count.to_be_bytes().to_vec();
    bytes.extend_from_slice(data);
    bytes.push(checksum(data));
    bytes
}

/// Two's complement of the sum of all octets (C12.18, clause 5.3.2.4).
#[must_use]
pub fn checksum(data: &[u8]) -> u8 {
    data.iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg()
}

/// Why `count(2) data checksum` is not that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableDataError {
    /// The count does not fit what came.
    #[error("the answer declares {declared} octets of table data and has {present}")]
    Length {
        /// As declared.
        declared: usize,
        /// As present.
        present: usize,
    },
    /// The sum is wrong.
    #[error("the checksum of the table data is wrong")]
    Checksum,
}

/// The data in `count(2) data checksum`.
///
/// # Errors
/// The count or the checksum does not fit.
pub fn table_data(payload: &[u8]) -> Result<&[u8], TableDataError> {
    let length = |declared, present| TableDataError::Length { declared, present };
    let (count, rest) = payload.split_first_chunk::<2>().ok_or(length(0, 0))?;
    let declared = usize::from(u16::from_be_bytes(*count));
    let (sum, data) = rest.split_last().ok_or(length(declared, 0))?;
    if data.len() != declared {
        return Err(length(declared, data.len()));
    }
    if checksum(data) != *sum {
        return Err(TableDataError::Checksum);
    }
    Ok(data)
}

impl Request {
    /// The octets of the request.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.code()];
        match self {
            Self::Identify | Self::Terminate | Self::Disconnect | Self::Logoff => {}
            Self::Read { table } => bytes.extend(table.to_be_bytes()),
            Self::ReadIndex { table, selection } => {
                bytes.extend(table.to_be_bytes());
                bytes.extend(selection);
            }
            Self::ReadOffset {
                table,
                offset,
                count,
            } => {
                bytes.extend(table.to_be_bytes());
                bytes.extend(offset.to_be_bytes().iter().skip(1));
                bytes.extend(count.to_be_bytes());
            }
            Self::Write { table, data } => {
                bytes.extend(table.to_be_bytes());
                bytes.extend(framed(data));
            }
            Self::WriteIndex { table, rest } => {
                bytes.extend(table.to_be_bytes());
                bytes.extend(rest);
            }
            Self::WriteOffset {
                table,
                offset,
                data,
            } => {
                bytes.extend(table.to_be_bytes());
                bytes.extend(offset.to_be_bytes().iter().skip(1));
                bytes.extend(framed(data));
            }
            Self::Logon {
                user_id,
                user,
                idle_timeout_s,
            } => {
                bytes.extend(user_id.to_be_bytes());
                bytes.extend(user);
                bytes.extend(idle_timeout_s.iter().flat_map(|s| s.to_be_bytes()));
            }
            Self::Security { password, user_id } => {
                bytes.extend(password.octets());
                bytes.extend(user_id.iter().flat_map(|id| id.to_be_bytes()));
            }
            Self::Authenticate { data } => {
                bytes.push(u8::try_from(data.len()).unwrap_or(u8::MAX));
                bytes.extend(data);
            }
            Self::Negotiate {
                packet_size,
                packets,
                bauds,
            } => {
                bytes.extend(packet_size.to_be_bytes());
                bytes.push(*packets);
                bytes.extend(bauds);
            }
            Self::Wait { seconds } => bytes.push(*seconds),
            Self::TimingSetup(timing) => bytes.extend([
                timing.traffic_s,
                timing.inter_character_s,
                timing.response_s,
                timing.retries,
            ]),
            Self::Other { payload, .. } => bytes.extend(payload),
        }
        bytes
    }

    /// The first octet.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Identify => 0x20,
            Self::Terminate => 0x21,
            Self::Disconnect => 0x22,
            Self::Read { .. } => 0x30,
            Self::ReadIndex { selection, .. } => {
                // The selection is a list of two-octet numbers and the two octets of the count.
                0x30 + u8::try_from((selection.len() / 2).saturating_sub(1))
                    .unwrap_or(9)
                    .clamp(1, 9)
            }
            Self::ReadOffset { .. } => 0x3F,
            Self::Write { .. } => 0x40,
            Self::WriteIndex { .. } => 0x41,
            Self::WriteOffset { .. } => 0x4F,
            Self::Logon { .. } => 0x50,
            Self::Security { .. } => 0x51,
            Self::Logoff => 0x52,
            Self::Authenticate { .. } => 0x53,
            Self::Negotiate { bauds, .. } => 0x60 + u8::try_from(bauds.len()).unwrap_or(11).min(11),
            Self::Wait { .. } => 0x70,
            Self::TimingSetup(_) => 0x71,
            Self::Other { code, .. } => *code,
        }
    }

    /// Reads a request; what does not fit its service is kept as [`Request::Other`]. `None` for an
    /// empty message.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        let (&code, payload) = message.split_first()?;
        Some(Self::known(code, payload).unwrap_or_else(|| Self::Other {
            code,
            payload: payload.to_vec(),
        }))
    }

    fn known(code: u8, payload: &[u8]) -> Option<Self> {
        let bare = |request| payload.is_empty().then_some(request);
        let table = || {
            let (table, rest) = payload.split_first_chunk::<2>()?;
            Some((u16::from_be_bytes(*table), rest))
        };
        let at_offset = || {
            let (table, rest) = table()?;
            let (&[high, middle, low], rest) = rest.split_first_chunk::<3>()?;
            Some((table, u32::from_be_bytes([0, high, middle, low]), rest))
        };
        match code {
            0x20 => bare(Self::Identify),
            0x21 => bare(Self::Terminate),
            0x22 => bare(Self::Disconnect),
            0x30 => {
                let (table, rest) = table()?;
                rest.is_empty().then_some(Self::Read { table })
            }
            0x31..=0x39 => {
                let (table, rest) = table()?;
                let numbers = usize::from(code - 0x30) + 1;
                (rest.len() == 2 * numbers).then(|| Self::ReadIndex {
                    table,
                    selection: rest.to_vec(),
                })
            }
            0x3F => {
                let (table, offset, rest) = at_offset()?;
                Some(Self::ReadOffset {
                    table,
                    offset,
                    count: u16::from_be_bytes(rest.try_into().ok()?),
                })
            }
            0x40 => {
                let (table, rest) = table()?;
                Some(Self::Write {
                    table,
                    data: table_data(rest).ok()?.to_vec(),
                })
            }
            0x41 => {
                let (table, rest) = table()?;
                Some(Self::WriteIndex {
                    table,
                    rest: rest.to_vec(),
                })
            }
            0x4F => {
                let (table, offset, rest) = at_offset()?;
                Some(Self::WriteOffset {
                    table,
                    offset,
                    data: table_data(rest).ok()?.to_vec(),
                })
            }
            0x50 => {
                let (user_id, rest) = payload.split_first_chunk::<2>()?;
                let (user, rest) = rest.split_first_chunk::<USER_LENGTH>()?;
                Some(Self::Logon {
                    user_id: u16::from_be_bytes(*user_id),
                    user: *user,
                    idle_timeout_s: optional(rest)?,
                })
            }
            0x51 => {
                let (password, rest) = payload.split_first_chunk::<PASSWORD_LENGTH>()?;
                Some(Self::Security {
                    password: Password::new(*password),
                    user_id: optional(rest)?,
                })
            }
            0x52 => bare(Self::Logoff),
            0x53 => {
                let (&length, data) = payload.split_first()?;
                (data.len() == usize::from(length)).then(|| Self::Authenticate {
                    data: data.to_vec(),
                })
            }
            0x60..=0x6B => {
                let (size, rest) = payload.split_first_chunk::<2>()?;
                let (&packets, bauds) = rest.split_first()?;
                (bauds.len() == usize::from(code - 0x60)).then(|| Self::Negotiate {
                    packet_size: u16::from_be_bytes(*size),
                    packets,
                    bauds: bauds.to_vec(),
                })
            }
            0x70 => match payload {
                [seconds] => Some(Self::Wait { seconds: *seconds }),
                _ => None,
            },
            0x71 => Timing::parse(payload).map(Self::TimingSetup),
            _ => None,
        }
    }

    /// The table a request reads or writes.
    #[must_use]
    pub const fn table(&self) -> Option<u16> {
        match self {
            Self::Read { table }
            | Self::ReadIndex { table, .. }
            | Self::ReadOffset { table, .. }
            | Self::Write { table, .. }
            | Self::WriteIndex { table, .. }
            | Self::WriteOffset { table, .. } => Some(*table),
            _ => None,
        }
    }
}

/// Two octets or none; `None` for anything else.
fn optional(rest: &[u8]) -> Option<Option<u16>> {
    if rest.is_empty() {
        return Some(None);
    }
    Some(Some(u16::from_be_bytes(rest.try_into().ok()?)))
}

impl Timing {
    /// Reads the four octets of the timing setup service and of its answer.
    #[must_use]
    pub const fn parse(payload: &[u8]) -> Option<Self> {
        match *payload {
            [traffic_s, inter_character_s, response_s, retries] => Some(Self {
                traffic_s,
                inter_character_s,
                response_s,
                retries,
            }),
            _ => None,
        }
    }
}

/// The first octet of an answer (C12.18, clause 5.3.2.3; C12.22 adds 0B and up).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseCode(pub u8);

impl ResponseCode {
    /// The request was carried out.
    pub const OK: Self = Self(0);

    /// Whether this octet is the code of an answer and not of a request.
    #[must_use]
    pub const fn is_response(code: u8) -> bool {
        code < 0x20
    }

    /// The standard's abbreviation, lower case; `None` for a code that is not assigned.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x00 => "ok",
            0x01 => "err",
            0x02 => "sns",
            0x03 => "isc",
            0x04 => "onp",
            0x05 => "iar",
            0x06 => "bsy",
            0x07 => "dnr",
            0x08 => "dlk",
            0x09 => "rno",
            0x0A => "isss",
            0x0B => "sme",
            0x0C => "uat",
            0x0D => "nett",
            0x0E => "netr",
            0x0F => "rqtl",
            0x10 => "rstl",
            0x11 => "sgnp",
            0x12 => "sgerr",
            _ => return None,
        })
    }

    /// What the meter said, in words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self.0 {
            0x00 => "ok",
            0x01 => "error",
            0x02 => "service not supported",
            0x03 => "insufficient security clearance",
            0x04 => "operation not possible",
            0x05 => "inappropriate action requested",
            0x06 => "device busy",
            0x07 => "data not ready",
            0x08 => "data locked",
            0x09 => "renegotiate request",
            0x0A => "invalid service sequence state",
            0x0B => "security mechanism error",
            0x0C => "unknown application title",
            0x0D => "network time-out",
            0x0E => "network not reachable",
            0x0F => "request too large",
            0x10 => "response too large",
            0x11 => "segmentation not possible",
            0x12 => "segmentation error",
            _ => "a response code that is not assigned",
        }
    }
}

/// What a device says it is (answer to the identify service).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// 0 C12.18, 2 C12.21, 3 C12.22.
    pub standard: u8,
    /// Version of that standard.
    pub version: u8,
    /// Revision of that standard.
    pub revision: u8,
    /// Algorithm of the authentication service, where the device offers it: 0 is DES.
    pub authentication: Option<u8>,
    /// The list of features as sent, without the 00 at its end.
    pub features: Vec<u8>,
}

impl Identification {
    /// Reads the answer, without its code.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&[standard, version, revision], mut list) = payload.split_first_chunk::<3>()?;
        let mut authentication = None;
        let all = list;
        loop {
            list = match *list {
                // A device that leaves the end mark out has said everything, too.
                [] | [0, ..] => break,
                [1, kind, algorithm, ref rest @ ..] => {
                    authentication = (kind & 1 != 0).then_some(algorithm);
                    rest
                }
                [2, kind, algorithm, length, ref rest @ ..] => {
                    authentication = (kind & 1 != 0).then_some(algorithm);
                    rest.get(usize::from(length)..)?
                }
                [6, _, length, ref rest @ ..] | [7, length, ref rest @ ..] => {
                    rest.get(usize::from(length)..)?
                }
                _ => break,
            };
        }
        let features = all.get(..all.len() - list.len())?.to_vec();
        Some(Self {
            standard,
            version,
            revision,
            authentication,
            features,
        })
    }

    /// Name of the standard.
    #[must_use]
    pub const fn standard_name(&self) -> Option<&'static str> {
        match self.standard {
            0 => Some("C12.18"),
            2 => Some("C12.21"),
            3 => Some("C12.22"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        crate::key::octets(text).unwrap()
    }

    /// As termineter 1.0.6 and the example 8 of C12.22, Annex G, send them.
    #[test]
    fn requests_there_and_back() {
        for (request, want) in [
            (Request::Identify, "20"),
            (Request::Read { table: 23 }, "300017"),
            (
                Request::ReadOffset {
                    table: 1,
                    offset: 16,
                    count: 16,
                },
                "3f00010000100010",
            ),
            (
                Request::Logon {
                    user_id: 2,
                    user: *b"0000      ",
                    idle_timeout_s: None,
                },
                "50000230303030202020202020",
            ),
            (
                Request::Negotiate {
                    packet_size: 512,
                    packets: 2,
                    bauds: vec![6],
                },
                "6102000206",
            ),
            (
                Request::Security {
                    password: Password::new(*b"PASSWORD            "),
                    user_id: Some(2),
                },
                "5150415353574f52442020202020202020202020200002",
            ),
            (
                Request::Write {
                    table: 7,
                    data: vec![1, 2, 0xFF],
                },
                "40000700030102fffe",
            ),
            (Request::Wait { seconds: 30 }, "701e"),
        ] {
            assert_eq!(request.to_bytes(), unhex(want));
            assert_eq!(Request::parse(&unhex(want)), Some(request));
        }
    }

    #[test]
    fn table_data_is_checked() {
        let answer = unhex("000401000000ff");
        assert_eq!(table_data(&answer), Ok(&[1, 0, 0, 0][..]));
        assert_eq!(
            table_data(&unhex("0004010000 01ff".replace(' ', "").as_str())),
            Err(TableDataError::Checksum)
        );
        assert!(matches!(
            table_data(&answer[..6]),
            Err(TableDataError::Length { .. })
        ));
    }

    #[test]
    fn a_password_is_not_shown() {
        let request = Request::Security {
            password: Password::from_text("secret").unwrap(),
            user_id: None,
        };
        assert!(!format!("{request:?}").contains("secret"));
        assert!(Password::from_text("123456789012345678901").is_none());
    }

    #[test]
    fn identification_features() {
        let found = Identification::parse(&[2, 1, 0, 1, 1, 0, 0]).unwrap();
        assert_eq!(
            (found.standard_name(), found.authentication),
            (Some("C12.21"), Some(0))
        );
        let found = Identification::parse(&[0, 1, 0, 0]).unwrap();
        assert_eq!(
            (found.standard_name(), found.authentication),
            (Some("C12.18"), None)
        );
        assert!(Identification::parse(&[3, 1, 0, 2, 1, 0, 9, 1]).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(request) = Request::parse(&bytes) {
                prop_assert_eq!(request.to_bytes(), bytes.clone());
            }
            drop(Identification::parse(&bytes));
            let _ = table_data(&bytes);
        }
    }
}
