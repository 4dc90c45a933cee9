//! What a message of the home area network says: named fields in the order in which they stand.
//!
//! The messages of Zigbee and HomePlug number in the hundreds and are lists of plain fields, so
//! their layouts are data ([`crate::layout`]) and what they carry is a [`Record`].

use std::fmt::{self, Write as _};

/// One value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The field says that it has no value.
    Null,
    /// A boolean.
    Bool(bool),
    /// A count, an enumeration, a bitmap or a raw quantity, unscaled.
    Unsigned(u64),
    /// A signed raw quantity, unscaled.
    Signed(i64),
    /// A number that names something: an address, a cluster, a profile.
    Id {
        /// The number.
        id: u64,
        /// How many octets it has, 1 to 8.
        octets: u8,
    },
    /// Octets in the order of the wire: keys, nonces, payloads.
    Octets(Vec<u8>),
    /// A MAC address (EUI-48).
    Mac([u8; 6]),
    /// Text; also floating-point numbers, in their shortest decimal form.
    Text(String),
    /// Several values.
    List(Vec<Value>),
    /// Fields within a field.
    Record(Record),
}

impl Value {
    /// An identifier of two octets.
    #[must_use]
    pub fn id16(id: u16) -> Self {
        Self::Id {
            id: id.into(),
            octets: 2,
        }
    }

    /// An IEEE address (EUI-64).
    #[must_use]
    pub fn ieee(id: u64) -> Self {
        Self::Id { id, octets: 8 }
    }

    /// The number of a count, an identifier, a boolean or a signed value that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(number) | Self::Id { id: number, .. } => Some(number),
            Self::Signed(number) => u64::try_from(number).ok(),
            Self::Bool(truth) => Some(truth.into()),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    /// Identifiers and octets as lower-case hex, MAC addresses with colons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => truth.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Id { id, octets } => write!(f, "{id:0width$x}", width = usize::from(*octets) * 2),
            Self::Octets(octets) => octets.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
            Self::Mac(octets) => {
                for (index, octet) in octets.iter().enumerate() {
                    if index > 0 {
                        f.write_char(':')?;
                    }
                    write!(f, "{octet:02x}")?;
                }
                Ok(())
            }
            Self::Text(text) => f.write_str(text),
            Self::List(values) => {
                f.write_char('[')?;
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    value.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Record(record) => {
                f.write_char('{')?;
                for (index, (name, value)) in record.fields().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{name}: {value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Named values in the order of the message.
///
/// ```
/// use han::{Record, Value};
/// let record = Record::new().with("bridging", Value::Unsigned(1));
/// assert_eq!(record.number("bridging"), Some(1));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record(Vec<(&'static str, Value)>);

impl Record {
    /// A record without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more field at its end.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.push(name, value);
        self
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: &'static str, value: Value) {
        self.0.push((name, value));
    }

    /// The value of the first field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The number in the field of that name ([`Value::as_u64`]).
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.as_u64()
    }

    /// All fields in order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_people_write_them() {
        assert_eq!(Value::id16(0x0702).to_string(), "0702");
        assert_eq!(
            Value::Mac([4, 0x65, 0x65, 0, 0x64, 0xC3]).to_string(),
            "04:65:65:00:64:c3"
        );
        let record = Record::new()
            .with("nwk", Value::id16(0x7A1B))
            .with("key", Value::Octets(vec![0, 255]));
        assert_eq!(Value::Record(record).to_string(), "{nwk: 7a1b, key: 00ff}");
    }
}
