//! Compact frames: data without DIF and VIF, and the formats that full frames have shown
//! (EN 13757-3, annex G).

use std::collections::HashMap;

use crate::crc;
use crate::mbus::{RecordError, Records, key_and_data_lengths};

/// Formats kept; the first learned go first.
const MAX_FORMATS: usize = 1024;
/// Longest format kept, in bytes.
const MAX_FORMAT: usize = 250;

/// Formats by their signature, the DIFs and VIFs of a full frame one after the other.
///
/// A signature is a CRC over these bytes. Whether a format is the right one for a compact frame is
/// proven by the frame's second CRC, over the whole full frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormatStore {
    formats: HashMap<u16, Vec<Vec<u8>>>,
    order: Vec<u16>,
    changed: bool,
}

/// A compact frame that cannot be made a full one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactError {
    /// It is cut.
    Truncated,
    /// No full frame of this signature was seen.
    UnknownFormat(u16),
    /// No format of this signature gives the checksum of the full frame.
    Checksum,
}

impl FormatStore {
    /// Adds a format: the DIFs and VIFs of all records.
    pub fn learn(&mut self, format: &[u8]) {
        if format.is_empty() || format.len() > MAX_FORMAT {
            return;
        }
        let signature = crc::en13757(format);
        let known = self.formats.entry(signature).or_default();
        if known.iter().any(|it| it == format) {
            return;
        }
        known.push(format.to_vec());
        self.order.push(signature);
        self.changed = true;
        if self.order.len() > MAX_FORMATS {
            let oldest = self.order.remove(0);
            if let Some(formats) = self.formats.get_mut(&oldest) {
                formats.remove(0);
            }
        }
    }

    /// Adds the format of a full frame, if it has only records.
    pub fn learn_payload(&mut self, payload: &[u8]) {
        let mut format = Vec::with_capacity(64);
        let mut records = Records::new(payload);
        for record in records.by_ref() {
            let Ok(record) = record else { return };
            format.extend_from_slice(record.key());
        }
        if records.manufacturer_data().is_none() {
            self.learn(&format);
        }
    }

    /// The full payload that a compact frame stands for; `compact` begins with its signature.
    ///
    /// # Errors
    /// [`CompactError`].
    pub fn expand(&self, compact: &[u8]) -> Result<Vec<u8>, CompactError> {
        let (signature, rest) = compact
            .split_first_chunk::<2>()
            .ok_or(CompactError::Truncated)?;
        let (sent, data) = rest
            .split_first_chunk::<2>()
            .ok_or(CompactError::Truncated)?;
        let signature = u16::from_le_bytes(*signature);
        let formats = self.formats.get(&signature).filter(|it| !it.is_empty());
        let formats = formats.ok_or(CompactError::UnknownFormat(signature))?;
        let full = |format: &Vec<u8>| full_payload(format, data).ok();
        let right = |payload: &Vec<u8>| crc::en13757(payload) == u16::from_le_bytes(*sent);
        formats
            .iter()
            .filter_map(full)
            .find(right)
            .ok_or(CompactError::Checksum)
    }

    /// Every format in the order learned, for keeping.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.formats.values().flatten().map(Vec::as_slice)
    }

    /// True when a format was learned since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

/// Puts every record's data behind its DIF and VIF.
fn full_payload(format: &[u8], data: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut payload = Vec::with_capacity(format.len() + data.len());
    let (mut at, mut taken) = (0, 0);
    while at < format.len() {
        let rest = data.get(taken..).unwrap_or_default();
        let (key, length) = key_and_data_lengths(format, at, rest)?;
        let offset = at;
        let part = rest
            .get(..length)
            .ok_or(RecordError::Truncated { offset })?;
        payload.extend_from_slice(format.get(at..at + key).unwrap_or_default());
        payload.extend_from_slice(part);
        at += key;
        taken += length;
    }
    // What is behind the last record stays what it is: the maker's, or fillers.
    payload.extend_from_slice(data.get(taken..).unwrap_or_default());
    Ok(payload)
}
