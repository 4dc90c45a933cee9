//! What the attributes of interface classes hold (IEC 62056-6-2, clause 5; Blue Book, part 2).
//!
//! Classes are lists of named fields, so they are tables: [`class`] finds one, [`explain`] gives the
//! names of its standard to what an attribute holds. What does not have the form of the table is
//! given as it is, with its place instead of a name.
//!
//! ```
//! use meter_link::dlms::class::{class, explain};
//! use meter_link::dlms::data::Data;
//!
//! let limiter = class(71).ok_or("no such class")?;
//! let attribute = limiter.attribute(2).ok_or("no such attribute")?;
//! let monitored = Data::Structure(vec![
//!     Data::Uint16(3),
//!     Data::OctetString(vec![1, 0, 1, 7, 0, 255]),
//!     Data::Int8(2),
//! ]);
//! let lines = explain(attribute, &monitored);
//! assert_eq!(lines[1].name, "monitored_value.logical_name");
//! assert_eq!(lines[1].value, "1-0:1.7.0*255");
//! # Ok::<(), &str>(())
//! ```

mod tables;

use crate::dlms::data::{Data, DateTime};
use crate::key::hex;
use crate::model::ObisCode;

/// An interface class.
#[derive(Debug)]
pub struct Class {
    /// Its number.
    pub id: u16,
    /// Its name.
    pub name: &'static str,
    /// Its attributes from 2 on; the first of every class is the logical name.
    pub attributes: &'static [Attribute],
}

impl Class {
    /// An attribute by its number.
    #[must_use]
    pub fn attribute(&self, number: i8) -> Option<&'static Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.number == number)
    }
}

/// An attribute of a class.
#[derive(Debug)]
pub struct Attribute {
    /// Its number.
    pub number: i8,
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
}

/// What an attribute or a part of it holds.
#[derive(Debug)]
pub enum Shape {
    /// Anything: numbers as decimals, octets as hex digits.
    Any,
    /// Octets that are text.
    Text,
    /// A logical name.
    LogicalName,
    /// A date and time.
    DateTime,
    /// One of an enumeration; the word of each code.
    Enumeration(&'static [(u8, &'static str)]),
    /// Named fields.
    Structure(&'static [(&'static str, Shape)]),
    /// Elements of one shape.
    Array(&'static Shape),
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The attribute's name, then those of fields and the numbers of elements, with points.
    pub name: String,
    /// The value in words; empty for an empty array.
    pub value: String,
}

/// A class by its number; `None` when it has no table here.
#[must_use]
pub fn class(id: u16) -> Option<&'static Class> {
    tables::CLASSES.iter().find(|class| class.id == id)
}

/// What an attribute holds, one line for each value.
#[must_use]
pub fn explain(attribute: &Attribute, data: &Data) -> Vec<Named> {
    let mut lines = Vec::new();
    walk(
        attribute.name.to_owned(),
        &attribute.shape,
        data,
        &mut lines,
    );
    lines
}

fn walk(name: String, shape: &Shape, data: &Data, lines: &mut Vec<Named>) {
    match (shape, data.elements()) {
        (Shape::Structure(fields), Some(elements)) if fields.len() == elements.len() => {
            for ((field, shape), element) in fields.iter().zip(elements) {
                walk(format!("{name}.{field}"), shape, element, lines);
            }
        }
        (_, Some([])) => lines.push(Named {
            name,
            value: String::new(),
        }),
        (shape, Some(elements)) => {
            let shape = match shape {
                Shape::Array(shape) => shape,
                _ => &Shape::Any,
            };
            for (place, element) in (1..).zip(elements) {
                walk(format!("{name}.{place}"), shape, element, lines);
            }
        }
        (shape, None) => lines.push(Named {
            name,
            value: leaf(shape, data),
        }),
    }
}

fn leaf(shape: &Shape, data: &Data) -> String {
    let fitting = match shape {
        Shape::Text => data.octets().and_then(text),
        Shape::LogicalName => data
            .octets()
            .and_then(|octets| octets.try_into().ok())
            .map(|octets| ObisCode(octets).to_string()),
        Shape::DateTime => data.date_time().and_then(DateTime::iso),
        Shape::Enumeration(words) => match data {
            Data::Enum(code) | Data::Uint8(code) => {
                let known = words.iter().find(|(known, _)| known == code);
                Some(known.map_or_else(|| code.to_string(), |(_, word)| (*word).to_owned()))
            }
            _ => None,
        },
        _ => None,
    };
    fitting.unwrap_or_else(|| plain(data))
}

/// A value as it is.
fn plain(data: &Data) -> String {
    match data {
        Data::Null => "none".to_owned(),
        Data::DontCare => "any".to_owned(),
        Data::Boolean(yes) => yes.to_string(),
        Data::Enum(code) | Data::Bcd(code) => code.to_string(),
        Data::VisibleString(octets) | Data::Utf8String(octets) => {
            text(octets).unwrap_or_else(|| hex(octets))
        }
        Data::BitString(bits) => {
            let octets = bits.octets().iter();
            let bit = |octet: &u8| {
                (0..8u8)
                    .rev()
                    .map(move |place| octet >> place & 1)
                    .collect::<Vec<_>>()
            };
            let all = octets.flat_map(bit);
            all.take(bits.bits())
                .map(|bit| char::from(b'0' + bit))
                .collect()
        }
        Data::Date(date) => hex(&date.0),
        Data::Time(time) => hex(&time.0),
        other => other
            .decimal()
            .map(|number| number.to_string())
            .or_else(|| other.octets().map(hex))
            .unwrap_or_default(),
    }
}

/// Printable text; `None` for octets that are none.
fn text(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    }

    /// The lines of an attribute as `name=value`.
    fn lines(id: u16, number: i8, hex: &str) -> Vec<String> {
        let attribute = class(id).unwrap().attribute(number).unwrap();
        let data = Data::decode(&octets(hex)).unwrap();
        let lines = explain(attribute, &data);
        lines
            .into_iter()
            .map(|line| format!("{}={}", line.name, line.value))
            .collect()
    }

    /// Attributes as gurux-dlms 1.0.203 writes them for objects with these values.
    #[test]
    fn attributes_that_another_implementation_wrote() {
        for (class, attribute, hex, want) in [
            (
                71,
                2,
                "020312000309060100010700ff0f02",
                &[
                    "monitored_value.class_id=3",
                    "monitored_value.logical_name=1-0:1.7.0*255",
                    "monitored_value.attribute_index=2",
                ][..],
            ),
            (71, 6, "060000001e", &["min_over_threshold_duration=30"]),
            (71, 10, "0301", &["emergency_profile_active=true"]),
            (
                71,
                9,
                "0102120001120002",
                &[
                    "emergency_profile_group_id_list.1=1",
                    "emergency_profile_group_id_list.2=2",
                ],
            ),
            (
                71,
                11,
                "02020202090600000a006aff1200010202090600000a006aff120002",
                &[
                    "actions.over_threshold.script_logical_name=0-0:10.0.106*255",
                    "actions.over_threshold.script_selector=1",
                    "actions.under_threshold.script_logical_name=0-0:10.0.106*255",
                    "actions.under_threshold.script_selector=2",
                ],
            ),
            (18, 2, "06000000c8", &["image_block_size=200"]),
            (18, 6, "1601", &["image_transfer_status=initiated"]),
            (18, 7, "0100", &["image_to_activate_info="]),
            (
                17,
                2,
                "01010202120001091057544c30303030303030303030303031",
                &[
                    "sap_assignment_list.1.sap=1",
                    "sap_assignment_list.1.logical_device_name=WTL0000000000001",
                ],
            ),
            (72, 4, "0600000384", &["capture_period=900"]),
            (72, 6, "0612345678", &["identification_number=305419896"]),
            (72, 14, "1600", &["encryption_key_status=no key"]),
            (64, 2, "1600", &["security_policy=0"]),
            (22, 3, "1601", &["type=one time, wildcards in the date"]),
        ] {
            assert_eq!(lines(class, attribute, hex), want, "{class}/{attribute}");
        }
    }

    #[test]
    fn what_has_another_form_is_given_as_it_is() {
        // A structure of two where three are named, and a number where a name should be.
        assert_eq!(
            lines(71, 2, "0202120003090101"),
            ["monitored_value.1=3", "monitored_value.2=01"]
        );
        assert_eq!(lines(17, 2, "0600000005"), ["sap_assignment_list=5"]);
        assert_eq!(
            lines(18, 3, "0405a8"),
            ["image_transferred_blocks_status=10101"]
        );
    }

    #[test]
    fn tables_are_in_order() {
        let ids: Vec<u16> = tables::CLASSES.iter().map(|class| class.id).collect();
        assert!(ids.is_sorted());
        for class in tables::CLASSES {
            let numbers: Vec<i8> = class.attributes.iter().map(|it| it.number).collect();
            assert!(
                numbers.is_sorted() && numbers.first() == Some(&2),
                "{}",
                class.name
            );
        }
    }

    proptest! {
        #[test]
        fn any_value_is_told(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..200usize) {
            let all: Vec<&Attribute> = tables::CLASSES.iter().flat_map(|class| class.attributes).collect();
            if let Ok(data) = Data::decode(&bytes) {
                prop_assert!(explain(all[at % all.len()], &data).len() <= 1 + bytes.len() * 8);
            }
        }
    }
}
