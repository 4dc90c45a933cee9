//! Names of fields, some with a record's numbers in them: `history_{storage-1}_m3`.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::mbus::Record;

/// A name that was read.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// The whole name, when nothing is put in.
    fixed: Arc<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// A number of the record: `sign × number + offset`.
    Number(Which, i64, i64),
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Storage,
    Tariff,
    Subunit,
}

impl Name {
    /// Reads a name; `None` when what stands in braces is not understood.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = after.split_once('}')?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(number(inside)?);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.len() == 1 {
            parts.clear();
        }
        Some(Self {
            fixed: Arc::from(text),
            parts,
        })
    }

    /// The name as written.
    pub(super) fn text(&self) -> &str {
        &self.fixed
    }

    /// The name with a record's numbers in it.
    pub(super) fn of(&self, record: Option<&Record<'_>>, storage: Option<u64>) -> Arc<str> {
        if self.parts.is_empty() {
            return Arc::clone(&self.fixed);
        }
        let mut name = String::with_capacity(self.fixed.len());
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Number(which, sign, offset) => {
                    let number = record.map_or(0, |record| match which {
                        Which::Storage => {
                            i64::try_from(storage.unwrap_or(record.storage)).unwrap_or(i64::MAX)
                        }
                        Which::Tariff => i64::from(record.tariff),
                        Which::Subunit => i64::from(record.subunit),
                    });
                    let number = number.saturating_mul(*sign).saturating_add(*offset);
                    let _ = write!(name, "{number}");
                }
            }
        }
        Arc::from(name)
    }
}

/// `storage`, `storage-1`, `32-storage`.
fn number(text: &str) -> Option<Part> {
    let which = |word: &str| match word {
        "storage" => Some(Which::Storage),
        "tariff" => Some(Which::Tariff),
        "subunit" => Some(Which::Subunit),
        _ => None,
    };
    if let Some(plain) = which(text) {
        return Some(Part::Number(plain, 1, 0));
    }
    if let Some((left, right)) = text.split_once('+') {
        return Some(Part::Number(which(left)?, 1, right.parse().ok()?));
    }
    let (left, right) = text.split_once('-')?;
    match which(left) {
        Some(left) => Some(Part::Number(left, 1, -right.parse::<i64>().ok()?)),
        None => Some(Part::Number(which(right)?, -1, left.parse().ok()?)),
    }
}
