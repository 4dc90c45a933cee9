//! Telegrams as a meter sends them, for simulators and tests.

use super::message::Time;
use crate::crc;
use crate::model::{ObisCode, Unit};

/// Ways in which real meters leave the standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// Message checks are CRC-16/KERMIT (Holley DTZ541).
    pub kermit_crc: bool,
    /// Times are a number without their choice (Holley DTZ541).
    pub bare_time: bool,
    /// Times are a list of three under the choice of a seconds index (FROETEC ZG22).
    pub time_list: bool,
}

/// A value to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryValue {
    /// Left out.
    Absent,
    /// A yes or no.
    Flag(bool),
    /// A signed integer in so many bytes (1 to 8); cut to its low bytes when it is longer.
    Signed(i64, u8),
    /// An unsigned integer in so many bytes (1 to 8); cut to its low bytes when it is longer.
    Unsigned(u64, u8),
    /// An octet string.
    Octets(Vec<u8>),
}

impl EntryValue {
    /// A signed integer in 1, 2, 4 or 8 bytes, as few as hold it.
    #[must_use]
    pub const fn signed(value: i64) -> Self {
        let size = match value {
            -0x80..=0x7F => 1,
            -0x8000..=0x7FFF => 2,
            -0x8000_0000..=0x7FFF_FFFF => 4,
            _ => 8,
        };
        Self::Signed(value, size)
    }

    /// An unsigned integer in 1, 2, 4 or 8 bytes, as few as hold it.
    #[must_use]
    pub const fn unsigned(value: u64) -> Self {
        let size = match value {
            0..=0xFF => 1,
            0x100..=0xFFFF => 2,
            0x1_0000..=0xFFFF_FFFF => 4,
            _ => 8,
        };
        Self::Unsigned(value, size)
    }
}

/// A register to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which register.
    pub name: ObisCode,
    /// Status word.
    pub status: Option<u64>,
    /// When the value was taken.
    pub time: Option<Time>,
    /// Unit of a number.
    pub unit: Option<Unit>,
    /// Power of ten of a number.
    pub scaler: Option<i8>,
    /// The value.
    pub value: EntryValue,
    /// Signature over the entry.
    pub signature: Option<Vec<u8>>,
}

impl Entry {
    /// A register with a value and nothing else.
    #[must_use]
    pub const fn new(name: ObisCode, value: EntryValue) -> Self {
        Self {
            name,
            status: None,
            time: None,
            unit: None,
            scaler: None,
            value,
            signature: None,
        }
    }
}

/// A telegram of SML_PublicOpen.Res, SML_GetList.Res and SML_PublicClose.Res.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTelegram {
    /// Transaction number of the first message; the next two count on.
    pub transaction: u32,
    /// Identifies the telegram.
    pub file_id: u32,
    /// The meter; ten octets of DIN 43863-5 as a rule.
    pub server_id: Vec<u8>,
    /// Name of the list.
    pub list_name: Option<ObisCode>,
    /// The meter's clock.
    pub time: Option<Time>,
    /// The registers.
    pub entries: Vec<Entry>,
    /// Signature over the list.
    pub signature: Option<Vec<u8>>,
    /// Where the meter leaves the standard.
    pub dialect: Dialect,
}

impl ListTelegram {
    /// The whole telegram with marks, fill bytes and all checks.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + 32 * self.entries.len());
        self.encode(&mut bytes);
        bytes
    }

    /// Appends the whole telegram to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut content = Vec::with_capacity(64 + 32 * self.entries.len());
        self.message(0, 0x0101, &mut content, |out| {
            list(6, out);
            octets(&[], out);
            octets(&[], out);
            octets(&self.file_id.to_be_bytes(), out);
            octets(&self.server_id, out);
            self.time(self.time, out);
            octets(&[], out);
        });
        self.message(1, 0x0701, &mut content, |out| self.get_list(out));
        self.message(2, 0x0201, &mut content, |out| {
            list(1, out);
            octets(&[], out);
        });
        frame(&content, out);
    }

    fn get_list(&self, out: &mut Vec<u8>) {
        list(7, out);
        octets(&[], out);
        octets(&self.server_id, out);
        octets(self.list_name.as_ref().map_or(&[], |name| &name.0), out);
        self.time(self.time, out);
        list(self.entries.len(), out);
        for entry in &self.entries {
            self.entry(entry, out);
        }
        octets(self.signature.as_deref().unwrap_or_default(), out);
        octets(&[], out);
    }

    fn entry(&self, entry: &Entry, out: &mut Vec<u8>) {
        list(7, out);
        octets(&entry.name.0, out);
        match entry.status.map(EntryValue::unsigned) {
            Some(status) => value(&status, out),
            None => octets(&[], out),
        }
        self.time(entry.time, out);
        match entry.unit {
            Some(unit) => integer(6, &[unit.code()], out),
            None => octets(&[], out),
        }
        match entry.scaler {
            Some(scaler) => integer(5, &scaler.to_be_bytes(), out),
            None => octets(&[], out),
        }
        value(&entry.value, out);
        octets(entry.signature.as_deref().unwrap_or_default(), out);
    }

    fn message(&self, step: u32, tag: u16, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        list(6, out);
        octets(&self.transaction.wrapping_add(step).to_be_bytes(), out);
        integer(6, &[0], out);
        integer(6, &[0], out);
        list(2, out);
        integer(6, &tag.to_be_bytes(), out);
        body(out);
        let covered = out.get(start..).unwrap_or_default();
        let check = if self.dialect.kermit_crc {
            crc::kermit(covered)
        } else {
            crc::x25(covered)
        };
        integer(6, &check.to_le_bytes(), out);
        out.push(0);
    }

    fn time(&self, time: Option<Time>, out: &mut Vec<u8>) {
        let Some(time) = time else {
            return octets(&[], out);
        };
        let (choice, seconds) = match time {
            Time::SecondsIndex(seconds) => (1, seconds),
            Time::Timestamp(seconds) => (2, seconds),
            Time::Local { seconds, .. } => (3, seconds),
        };
        if self.dialect.bare_time {
            return integer(6, &seconds.to_be_bytes(), out);
        }
        list(2, out);
        integer(6, &[if self.dialect.time_list { 1 } else { choice }], out);
        let (offset, season) = match time {
            Time::Local {
                offset_min,
                season_min,
                ..
            } => (offset_min, season_min),
            _ if self.dialect.time_list => (0, 0),
            _ => return integer(6, &seconds.to_be_bytes(), out),
        };
        list(3, out);
        integer(6, &seconds.to_be_bytes(), out);
        integer(5, &offset.to_be_bytes(), out);
        integer(5, &season.to_be_bytes(), out);
    }
}

/// Puts `content` between start and end mark (SML 1.04, clause 8) and appends it to `out`:
/// escapes doubled, filled up to a multiple of four, with its check.
pub fn frame(content: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1]);
    let mut run = 0;
    for &byte in content {
        out.push(byte);
        run = if byte == 0x1B { run + 1 } else { 0 };
        if run == 4 {
            out.extend_from_slice(&[0x1B; 4]);
            run = 0;
        }
    }
    let fill = [0u8, 3, 2, 1].get(content.len() % 4).copied().unwrap_or(0);
    out.resize(out.len() + usize::from(fill), 0);
    out.extend_from_slice(&[0x1B, 0x1B, 0x1B, 0x1B, 0x1A, fill]);
    let check = crc::x25(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&check.to_le_bytes());
}

fn value(value: &EntryValue, out: &mut Vec<u8>) {
    let low = |size: u8| 8usize.saturating_sub(usize::from(size.clamp(1, 8)));
    match value {
        EntryValue::Absent => octets(&[], out),
        EntryValue::Flag(flag) => out.extend_from_slice(&[0x42, u8::from(*flag)]),
        EntryValue::Octets(bytes) => octets(bytes, out),
        EntryValue::Signed(value, size) => {
            integer(
                5,
                value.to_be_bytes().get(low(*size)..).unwrap_or_default(),
                out,
            );
        }
        EntryValue::Unsigned(value, size) => {
            integer(
                6,
                value.to_be_bytes().get(low(*size)..).unwrap_or_default(),
                out,
            );
        }
    }
}

/// An integer of 1 to 8 bytes, most significant first.
fn integer(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    header(kind, bytes.len() + 1, out);
    out.extend_from_slice(bytes);
}

fn octets(bytes: &[u8], out: &mut Vec<u8>) {
    let mut head = 1;
    while bytes.len() + head >= 1 << (4 * head) {
        head += 1;
    }
    header(0, bytes.len() + head, out);
    out.extend_from_slice(bytes);
}

fn list(length: usize, out: &mut Vec<u8>) {
    header(7, length, out);
}

/// Type and length: four bits of length per byte, all but the last with bit 7 set.
fn header(kind: u8, length: usize, out: &mut Vec<u8>) {
    let [.., low] = length.to_be_bytes();
    let nibbles = (0..usize::BITS / 4)
        .rev()
        .find(|shift| length >> (4 * shift) != 0)
        .unwrap_or(0);
    for shift in (1..=nibbles).rev() {
        let [.., byte] = (length >> (4 * shift)).to_be_bytes();
        let kind = if shift == nibbles { kind << 4 } else { 0 };
        out.push(0x80 | kind | byte & 0x0F);
    }
    let kind = if nibbles == 0 { kind << 4 } else { 0 };
    out.push(kind | low & 0x0F);
}
