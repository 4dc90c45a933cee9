//! Layouts of messages as data, and the one reader and the one writer that follow them.
//!
//! Integers are little-endian, as everywhere in Zigbee (Zigbee Cluster Library, 2.3) and in
//! HomePlug management messages. Reading never runs past the end of the message, takes no more
//! memory than the message has octets (times a small constant), and says where it ended.

use crate::value::{Record, Value};

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name; empty for octets that carry nothing.
    pub name: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// When it is there.
    pub when: When,
}

/// How a field is written.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// An unsigned integer of so many octets, 1 to 8.
    Unsigned(u8),
    /// A two's complement integer of so many octets, 1 to 8.
    Signed(u8),
    /// A boolean; octets other than 0 and 1 stay the number that they are.
    Bool,
    /// An identifier of so many octets, 1 to 8.
    Id(u8),
    /// An integer of so many octets that holds several fields: their names, the number of their
    /// lowest bit, and how many bits they have.
    Bits(u8, &'static [(&'static str, u8, u8)]),
    /// Octets in the order of the wire.
    Octets(u8),
    /// All octets to the end of the message.
    Rest,
    /// A MAC address.
    Mac,
    /// Octets after their number.
    OctetString,
    /// Octets after their number, which has two octets.
    LongOctetString,
    /// Text after the number of its octets: to the first NUL, `null` for the number 255.
    CharString,
    /// Values of one kind.
    Each(Count, &'static Kind),
    /// Groups of fields.
    Groups(Count, &'static [Field]),
    /// A structure within the message.
    Structure(&'static [Field]),
    /// Octets that are reserved or say what the message says elsewhere. Written as zeros.
    Reserved(u8),
}

/// How many elements a list has.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// A number of so many octets stands in front of it.
    Prefix(u8),
    /// An earlier field of the same group says it.
    Field(&'static str),
    /// An earlier field of the same group counts them in pairs, the last of which may be half.
    HalfOf(&'static str),
    /// As many as there are to the end of the message.
    ToEnd,
}

/// When a field is there.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Always.
    Always,
    /// When the message has not ended before it.
    Given,
    /// When an earlier field of the same group is.
    With(&'static str),
    /// When an earlier field of the same group has this value.
    Equals(&'static str, u64),
    /// When an earlier field of the same group has one of these bits.
    Bit(&'static str, u64),
}

impl Field {
    /// A field that is always there.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            when: When::Always,
        }
    }

    /// The same field, there only when it says.
    #[must_use]
    pub const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }
}

/// A message that ended within a field that it must have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ends after {length} octets, within {field}")]
pub struct Truncated {
    /// The field.
    pub field: &'static str,
    /// The length of the message.
    pub length: usize,
}

/// A record that cannot be written by a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is missing, of another kind or too large")]
pub struct Unwritable {
    /// The field.
    pub field: &'static str,
}

/// Octets that are read from their start.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    /// Reads a message from its first octet.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            length: message.len(),
        }
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes so many octets, which belong to the field of that name.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn octets(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Truncated> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(Truncated {
                field,
                length: self.length,
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    /// Takes an unsigned integer of so many octets, at most 8.
    ///
    /// # Errors
    /// When fewer octets are left.
    pub fn unsigned(&mut self, octets: u8, field: &'static str) -> Result<u64, Truncated> {
        let taken = self.octets(octets.into(), field)?;
        let value = taken.iter().rev();
        Ok(value.fold(0, |value, &octet| value << 8 | u64::from(octet)))
    }

    /// Takes everything.
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Takes the fields of a layout.
    ///
    /// # Errors
    /// When the message ends within a field that must be there.
    pub fn record(&mut self, layout: &[Field]) -> Result<Record, Truncated> {
        let mut record = Record::new();
        for field in layout {
            if self.has(field, &record) {
                self.field(field, &mut record)?;
            }
        }
        Ok(record)
    }

    fn has(&self, field: &Field, before: &Record) -> bool {
        match field.when {
            When::Given => !self.is_at_end(),
            when => is_due(when, before),
        }
    }

    /// Takes one field into the record.
    ///
    /// # Errors
    /// When the message ends within it.
    pub fn field(&mut self, field: &Field, record: &mut Record) -> Result<(), Truncated> {
        match field.kind {
            Kind::Bits(octets, parts) => {
                let name = parts.first().map_or(field.name, |(name, ..)| name);
                let bits = self.unsigned(octets, name)?;
                for &(name, lowest, width) in parts {
                    let value = bits >> lowest & mask(width);
                    record.push(name, Value::Unsigned(value));
                }
            }
            Kind::Reserved(octets) => {
                self.octets(octets.into(), "reserved octets")?;
            }
            kind => {
                let value = self.value(kind, field.name, record)?;
                record.push(field.name, value);
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        kind: Kind,
        name: &'static str,
        before: &Record,
    ) -> Result<Value, Truncated> {
        Ok(match kind {
            Kind::Unsigned(octets) => Value::Unsigned(self.unsigned(octets, name)?),
            Kind::Signed(octets) => Value::Signed(signed(self.unsigned(octets, name)?, octets)),
            Kind::Bool => match self.unsigned(1, name)? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => Value::Unsigned(other),
            },
            Kind::Id(octets) => Value::Id {
                id: self.unsigned(octets, name)?,
                octets,
            },
            Kind::Octets(octets) => Value::Octets(self.octets(octets.into(), name)?.to_vec()),
            Kind::Rest => Value::Octets(self.take_rest().to_vec()),
            Kind::Mac => {
                let octets = self.octets(6, name)?;
                octets.try_into().map_or(Value::Null, Value::Mac)
            }
            Kind::OctetString => {
                let length = self.count(1, name)?;
                Value::Octets(self.octets(length, name)?.to_vec())
            }
            Kind::LongOctetString => {
                let length = self.count(2, name)?;
                Value::Octets(self.octets(length, name)?.to_vec())
            }
            Kind::CharString => match self.count(1, name)? {
                0xFF => Value::Null,
                length => Value::Text(text(self.octets(length, name)?)),
            },
            Kind::Each(count, item) => {
                let mut values = Vec::new();
                let mut left = self.elements(count, name, before)?;
                while left.next(self) {
                    values.push(self.value(*item, name, before)?);
                }
                Value::List(values)
            }
            Kind::Groups(count, fields) => {
                let mut groups = Vec::new();
                let mut left = self.elements(count, name, before)?;
                while left.next(self) {
                    groups.push(Value::Record(self.record(fields)?));
                }
                Value::List(groups)
            }
            Kind::Structure(fields) => Value::Record(self.record(fields)?),
            // Neither is a value of its own.
            Kind::Bits(..) | Kind::Reserved(_) => Value::Null,
        })
    }

    fn count(&mut self, octets: u8, name: &'static str) -> Result<usize, Truncated> {
        let count = self.unsigned(octets, name)?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn elements(
        &mut self,
        count: Count,
        name: &'static str,
        before: &Record,
    ) -> Result<Elements, Truncated> {
        Ok(match count {
            Count::Prefix(octets) => Elements::Left(self.unsigned(octets, name)?),
            Count::Field(counter) => Elements::Left(before.number(counter).unwrap_or(0)),
            Count::HalfOf(counter) => {
                Elements::Left(before.number(counter).unwrap_or(0).div_ceil(2))
            }
            Count::ToEnd => Elements::ToEnd,
        })
    }
}

/// How many elements of a list are still to come.
enum Elements {
    Left(u64),
    ToEnd,
}

impl Elements {
    fn next(&mut self, reader: &Reader<'_>) -> bool {
        match self {
            Self::Left(0) => false,
            Self::Left(left) => {
                *left -= 1;
                true
            }
            Self::ToEnd => !reader.is_at_end(),
        }
    }
}

fn is_due(when: When, before: &Record) -> bool {
    match when {
        When::Always | When::Given => true,
        When::With(name) => before.field(name).is_some(),
        When::Equals(name, value) => before.number(name) == Some(value),
        When::Bit(name, bits) => before.number(name).is_some_and(|value| value & bits != 0),
    }
}

fn mask(width: u8) -> u64 {
    1u64.checked_shl(width.into())
        .map_or(u64::MAX, |bit| bit - 1)
}

/// A two's complement integer of so many octets.
pub(crate) fn signed(raw: u64, octets: u8) -> i64 {
    let unused = 64 - 8 * u32::from(octets.clamp(1, 8));
    (raw << unused).cast_signed() >> unused
}

/// Text to the first NUL; what is no UTF-8 becomes U+FFFD.
pub(crate) fn text(octets: &[u8]) -> String {
    let end = octets.iter().position(|&octet| octet == 0);
    let octets = end.and_then(|end| octets.get(..end)).unwrap_or(octets);
    String::from_utf8_lossy(octets).into_owned()
}

/// Writes a record by its layout.
///
/// A field that is only there when [`When::Given`] is left out, with all after it, when the
/// record does not have it. Reserved octets are always written.
///
/// # Errors
/// When the record lacks a field, or a field does not fit its kind.
pub fn write(layout: &[Field], record: &Record, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    for field in layout {
        let optional =
            matches!(field.when, When::Given) && !matches!(field.kind, Kind::Reserved(_));
        if optional && record.field(first_name(field)).is_none() {
            break;
        }
        if is_due(field.when, record) {
            write_field(field, record, out)?;
        }
    }
    Ok(())
}

fn first_name(field: &Field) -> &'static str {
    match field.kind {
        Kind::Bits(_, parts) => parts.first().map_or(field.name, |(name, ..)| name),
        _ => field.name,
    }
}

fn write_field(field: &Field, record: &Record, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    match field.kind {
        Kind::Reserved(octets) => out.extend(std::iter::repeat_n(0, octets.into())),
        Kind::Bits(octets, parts) => {
            let mut bits = 0;
            for &(name, lowest, width) in parts {
                let value = record.number(name).ok_or(Unwritable { field: name })?;
                if value > mask(width) {
                    return Err(Unwritable { field: name });
                }
                bits |= value << lowest;
            }
            write_integer(bits, octets, field.name, out)?;
        }
        kind => {
            let missing = Unwritable { field: field.name };
            let value = record.field(field.name).ok_or(missing)?;
            write_value(kind, value, field.name, out)?;
        }
    }
    Ok(())
}

fn write_value(
    kind: Kind,
    value: &Value,
    field: &'static str,
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    let wrong = Unwritable { field };
    match (kind, value) {
        (Kind::Signed(octets), Value::Signed(number)) => {
            let raw = number.cast_unsigned() & mask(octets.saturating_mul(8));
            if signed(raw, octets) != *number {
                return Err(wrong);
            }
            write_integer(raw, octets, field, out)?;
        }
        (Kind::Unsigned(octets) | Kind::Id(octets), value) => {
            let number = value.as_u64().ok_or(wrong)?;
            write_integer(number, octets, field, out)?;
        }
        (Kind::Bool, value) => {
            let number = value.as_u64().ok_or(wrong)?;
            write_integer(number, 1, field, out)?;
        }
        (Kind::Octets(length), Value::Octets(octets)) if octets.len() == usize::from(length) => {
            out.extend_from_slice(octets);
        }
        (Kind::Rest, Value::Octets(octets)) => out.extend_from_slice(octets),
        (Kind::Mac, Value::Mac(octets)) => out.extend_from_slice(octets),
        (Kind::OctetString, Value::Octets(octets)) => {
            write_count(octets.len(), 1, field, out)?;
            out.extend_from_slice(octets);
        }
        (Kind::LongOctetString, Value::Octets(octets)) => {
            write_count(octets.len(), 2, field, out)?;
            out.extend_from_slice(octets);
        }
        (Kind::CharString, Value::Null) => out.push(0xFF),
        (Kind::CharString, Value::Text(text)) if text.len() < 0xFF => {
            write_count(text.len(), 1, field, out)?;
            out.extend_from_slice(text.as_bytes());
        }
        (Kind::Each(count, item), Value::List(values)) => {
            if let Count::Prefix(octets) = count {
                write_count(values.len(), octets, field, out)?;
            }
            for value in values {
                write_value(*item, value, field, out)?;
            }
        }
        (Kind::Structure(fields), Value::Record(record)) => write(fields, record, out)?,
        (Kind::Groups(count, fields), Value::List(groups)) => {
            if let Count::Prefix(octets) = count {
                write_count(groups.len(), octets, field, out)?;
            }
            for group in groups {
                let Value::Record(group) = group else {
                    return Err(wrong);
                };
                write(fields, group, out)?;
            }
        }
        _ => return Err(wrong),
    }
    Ok(())
}

fn write_count(
    count: usize,
    octets: u8,
    field: &'static str,
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    let count = u64::try_from(count).map_err(|_| Unwritable { field })?;
    write_integer(count, octets, field, out)
}

fn write_integer(
    value: u64,
    octets: u8,
    field: &'static str,
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    if value > mask(octets.saturating_mul(8)) {
        return Err(Unwritable { field });
    }
    out.extend(value.to_le_bytes().into_iter().take(octets.into()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATION: &[Field] = &[
        Field::new("mac", Kind::Mac),
        Field::new("", Kind::Reserved(1)),
        Field::new("rate", Kind::Signed(2)),
    ];
    const ALL: &[Field] = &[
        Field::new("status", Kind::Unsigned(1)),
        Field::new("id", Kind::Id(3)).when(When::Equals("status", 0)),
        Field::new("", Kind::Bits(1, &[("low", 0, 4), ("high", 4, 4)])),
        Field::new("text", Kind::CharString).when(When::Bit("high", 2)),
        Field::new("data", Kind::OctetString),
        Field::new("stations", Kind::Groups(Count::Prefix(1), STATION)),
        Field::new("groups", Kind::Each(Count::Field("low"), &Kind::Id(2))),
        Field::new("truth", Kind::Bool).when(When::Given),
        Field::new("rest", Kind::Rest).when(When::Given),
    ];

    #[test]
    fn a_layout_reads_what_it_writes() {
        let wire = [
            0, 3, 2, 1, 0x21, 2, b'h', b'i', 1, 9, 1, 1, 2, 3, 4, 5, 6, 0, 0xFE, 0xFF, 0x34, 0x12,
            1, 7, 8,
        ];
        let mut reader = Reader::new(&wire);
        let record = reader.record(ALL).expect("it has all its octets");
        assert_eq!(record.number("id"), Some(0x01_0203));
        assert_eq!(record.number("high"), Some(2));
        assert_eq!(
            record.field("groups"),
            Some(&Value::List(vec![Value::id16(0x1234)]))
        );
        assert_eq!(record.field("truth"), Some(&Value::Bool(true)));
        let mut again = Vec::new();
        write(ALL, &record, &mut again).expect("what was read can be written");
        assert_eq!(again, wire);
    }

    #[test]
    fn the_end_within_a_field_is_told() {
        let wire = [1, 0x00, 0, 1, 4];
        let short = Reader::new(&wire).record(ALL);
        let expected = Truncated {
            field: "mac",
            length: 5,
        };
        assert_eq!(short, Err(expected));
    }

    #[test]
    fn signs_reach_to_the_highest_octet() {
        assert_eq!(signed(0xFF_FFFF, 3), -1);
        assert_eq!(signed(0x7F_FFFF, 3), 8_388_607);
        assert_eq!(signed(0x80, 1), -128);
        assert_eq!(signed(u64::MAX, 8), -1);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(wire in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(record) = Reader::new(&wire).record(ALL) {
                // What a bit field leaves out and what is written in more than one way differs.
                let mut again = Vec::new();
                if write(ALL, &record, &mut again).is_ok() {
                    prop_assert_eq!(Reader::new(&again).record(ALL), Ok(record));
                }
            }
        }
    }
}
