//! What one side asks of the other.

use super::{Password, Timing, USER_LENGTH, framed};

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
        /// Codes of the speeds proposed; see [`baud`](super::baud).
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
