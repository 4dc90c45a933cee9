//! Requests out of octets.

use super::{PASSWORD_LENGTH, Password, Request, Timing, USER_LENGTH, table_data};

impl Request {
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
}

/// Two octets or none; `None` for anything else.
fn optional(rest: &[u8]) -> Option<Option<u16>> {
    if rest.is_empty() {
        return Some(None);
    }
    Some(Some(u16::from_be_bytes(rest.try_into().ok()?)))
}
