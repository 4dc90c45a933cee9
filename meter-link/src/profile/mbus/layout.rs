//! Payloads of the makers' own forms: bytes at places, and tags.

use rust_decimal::Decimal;

use super::driver::Source;
use super::error::DriverError;
use super::expression::{Expression, Term};
use super::file::{LayoutEntry, OneOrMany, ReadForm, Transform};
use super::values::Values;
use crate::key::octets;
use crate::mbus::{self, Value};
use crate::wmbus;

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Payload,
    Application,
    Manufacturer,
    Frame,
    Record(Vec<u8>),
}

/// A layout that was checked.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    from: From,
    transform: Option<Transform>,
    length: (usize, usize),
    last: Option<usize>,
    when: Vec<(usize, Vec<Vec<u8>>)>,
    reads: Vec<Read>,
    tags_at: Option<usize>,
    tags: Vec<Tag>,
}

#[derive(Clone, Debug)]
struct Read {
    at: Option<usize>,
    len: usize,
    form: ReadForm,
    name: Option<String>,
    record: Option<Vec<u8>>,
    scale: Option<(u64, u64)>,
    bits: Option<(u32, u32)>,
    condition: Option<Expression>,
}

#[derive(Clone, Debug)]
struct Tag {
    tags: Vec<u8>,
    read: Read,
}

impl Layout {
    pub(super) fn read(entry: &LayoutEntry) -> Result<Self, DriverError> {
        let hex = |text: &String| {
            octets(text)
                .ok_or_else(|| DriverError::Value(text.clone(), "an even number of hex digits"))
        };
        let from = match entry.from.as_str() {
            "payload" => From::Payload,
            "application" => From::Application,
            "manufacturer" => From::Manufacturer,
            "frame" => From::Frame,
            other => match other.strip_prefix("record:") {
                Some(key) => From::Record(hex(&key.to_owned())?),
                None => return Err(DriverError::Value(other.to_owned(), "a place of a payload")),
            },
        };
        let mut when = Vec::new();
        for condition in &entry.when {
            let wanted = condition
                .is
                .list()
                .iter()
                .map(hex)
                .collect::<Result<_, _>>()?;
            when.push((condition.at, wanted));
        }
        let mut reads = Vec::new();
        for read in &entry.read {
            reads.push(Read {
                at: read.at,
                len: read.len,
                form: read.form,
                name: read.name.clone(),
                record: read.record.as_ref().map(hex).transpose()?,
                scale: read
                    .scale
                    .as_deref()
                    .map(super::driver::fraction)
                    .transpose()?,
                bits: read.bits,
                condition: read
                    .condition
                    .as_deref()
                    .map(Expression::parse)
                    .transpose()?,
            });
        }
        let mut tags: Vec<Tag> = Vec::new();
        for tag in &entry.tag {
            let numbers = OneOrMany::list(&tag.tag);
            let taken = tags
                .iter()
                .flat_map(|tag| &tag.tags)
                .find(|it| numbers.contains(it));
            if let Some(taken) = taken {
                return Err(DriverError::Twice(format!("tag {taken:02X}")));
            }
            tags.push(Tag {
                tags: numbers,
                read: Read {
                    at: None,
                    len: tag.len,
                    form: tag.form,
                    name: tag.name.clone(),
                    record: tag.record.as_ref().map(hex).transpose()?,
                    scale: tag
                        .scale
                        .as_deref()
                        .map(super::driver::fraction)
                        .transpose()?,
                    bits: None,
                    condition: None,
                },
            });
        }
        Ok(Self {
            from,
            transform: entry.transform,
            last: entry.last,
            length: (entry.min_length, entry.max_length.unwrap_or(usize::MAX)),
            when,
            reads,
            tags_at: entry.tags_at,
            tags,
        })
    }

    /// The names of the values that it reads.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let reads = self
            .reads
            .iter()
            .chain(self.tags.iter().map(|tag| &tag.read));
        reads.filter_map(|read| read.name.as_deref())
    }

    /// True for one that reads the payload in place of records.
    pub(super) fn is_of_payload(&self) -> bool {
        matches!(self.from, From::Payload | From::Application | From::Frame)
    }

    /// Reads what fits; false when the bytes are not of this layout.
    pub(super) fn apply(
        &self,
        source: &Source<'_>,
        values: &mut Values,
        records: &mut Vec<u8>,
    ) -> bool {
        let Some(bytes) = self.bytes(source) else {
            return false;
        };
        let last = self.last.and_then(|last| bytes.len().checked_sub(last));
        let bytes = bytes.get(last.unwrap_or(0)..).unwrap_or_default();
        let (shortest, longest) = self.length;
        let is = |(at, wanted): &(usize, Vec<Vec<u8>>)| {
            let rest = bytes.get(*at..).unwrap_or_default();
            wanted.iter().any(|wanted| rest.starts_with(wanted))
        };
        if bytes.len() < shortest || bytes.len() > longest || !self.when.iter().all(is) {
            return false;
        }
        let mut cursor = 0;
        for read in &self.reads {
            if let Some(condition) = &read.condition {
                let holds = condition.evaluate(&|name| values.term(name));
                if holds
                    .and_then(|it| it.number())
                    .is_none_or(|it| it.is_zero())
                {
                    continue;
                }
            }
            let at = read.at.unwrap_or(cursor);
            cursor = at + read.len;
            let Some(part) = bytes.get(at..cursor) else {
                break;
            };
            read.take(part, values, records);
        }
        if let Some(at) = self.tags_at {
            self.read_tags(bytes.get(at..).unwrap_or_default(), values, records);
        }
        true
    }

    /// Tags until the end or one that is not known: nothing behind it can be found.
    fn read_tags(&self, mut bytes: &[u8], values: &mut Values, records: &mut Vec<u8>) {
        while let Some((number, rest)) = bytes.split_first() {
            let Some(tag) = self.tags.iter().find(|tag| tag.tags.contains(number)) else {
                return;
            };
            let Some((part, after)) = rest.split_at_checked(tag.read.len) else {
                return;
            };
            tag.read.take(part, values, records);
            bytes = after;
        }
    }

    fn bytes(&self, source: &Source<'_>) -> Option<Vec<u8>> {
        let bytes = match &self.from {
            From::Payload => source.payload,
            From::Application => {
                let filler = source.payload.iter().take_while(|byte| **byte == 0x2F);
                source.payload.get(filler.count()..)?
            }
            From::Manufacturer => source.manufacturer_data?,
            From::Frame => source.frame,
            From::Record(key) => {
                source
                    .records
                    .iter()
                    .find(|record| record.key() == key)?
                    .data
            }
        };
        match self.transform {
            None => Some(bytes.to_vec()),
            Some(Transform::Prios) => wmbus::prios(source.frame, source.key),
            Some(Transform::AccessNumberCbc) => wmbus::open_access_number_cbc(
                bytes,
                source.link_address,
                source.key?.try_into().ok()?,
            ),
        }
    }
}

impl Read {
    fn take(&self, part: &[u8], values: &mut Values, records: &mut Vec<u8>) {
        if let Some(key) = &self.record {
            records.extend_from_slice(key);
            records.extend_from_slice(part);
        }
        if let Some(name) = &self.name
            && let Some(term) = self.term(part)
        {
            values.set(name, term);
        }
    }

    fn term(&self, part: &[u8]) -> Option<Term> {
        let number = match self.form {
            ReadForm::Hex => {
                return Some(Term::Text(
                    part.iter().map(|it| format!("{it:02X}")).collect(),
                ));
            }
            ReadForm::Time => {
                return match mbus::decode_time(part) {
                    Value::Date(date) => {
                        Some(Term::Time(date.to_datetime(jiff::civil::Time::midnight())))
                    }
                    Value::Datetime { at, .. } => Some(Term::Time(at)),
                    _ => None,
                };
            }
            ReadForm::Uint if part.len() <= 8 => i128::from(mbus::unsigned(part)),
            ReadForm::UintBe if part.len() <= 8 => {
                let reversed: Vec<u8> = part.iter().rev().copied().collect();
                i128::from(mbus::unsigned(&reversed))
            }
            ReadForm::Int if part.len() <= 8 => i128::from(mbus::signed(part)),
            ReadForm::Bcd => mbus::bcd(part)?,
            ReadForm::Uint | ReadForm::UintBe | ReadForm::Int => return None,
        };
        let number = match self.bits {
            None => number,
            Some((first, last)) => {
                let width = last.checked_sub(first)? + 1;
                number.checked_shr(first)? & (1i128.checked_shl(width)? - 1)
            }
        };
        let number = Decimal::try_from_i128_with_scale(number, 0).ok()?;
        let number = match self.scale {
            None => number,
            Some((numerator, denominator)) => super::units::ratio(number, numerator, denominator)?,
        };
        Some(Term::Number(number))
    }
}
