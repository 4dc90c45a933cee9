//! Registers out of the data that a meter pushes.
//!
//! Meters push values in three shapes: a logical name and its value side by side, rows that begin
//! with an attribute descriptor, and values alone, whose places mean something only to those who
//! know the list. The last need a profile ([`Profile`]); it also tells scaler and unit where the
//! message leaves them out. Numbers, texts and octets are values; what is only a state, such as
//! an enumeration or a boolean, is left in the tree.

use rust_decimal::Decimal;

use super::data::{AttributeDescriptor, Data, DateTime};
use super::security::SystemTitle;
use crate::model::{ObisCode, Unit, scaled};
use crate::profile::dlms::{Profile, Scale, Shape};

/// What a register holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A number, scaled.
    Number(Decimal),
    /// Octets or characters.
    Octets(Vec<u8>),
}

/// One register of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which register.
    pub register: ObisCode,
    /// Which attribute of the object; 2 for nearly all.
    pub attribute: i8,
    /// What it holds.
    pub content: Content,
    /// The power of ten that was applied, if one was told.
    pub scaler: Option<i8>,
    /// The unit of a number, if one was told.
    pub unit: Option<Unit>,
    /// The profile that supplied register, scaler or unit.
    pub profile: Option<String>,
}

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Registers in the order of the message.
    pub entries: Vec<Entry>,
    /// The number on the nameplate.
    pub meter_id: Option<String>,
    /// The maker's three letters.
    pub manufacturer: Option<String>,
    /// The meter's clock.
    pub time: Option<DateTime>,
}

/// Reads the data of a message.
///
/// ```
/// use meter_link::dlms::data::Data;
/// use meter_link::dlms::interpret::{Content, read};
/// // Structure of logical name, 1122, and the structure of scaler 0 and unit 27 (W).
/// let octets = [
///     2, 3, 9, 6, 1, 0, 1, 7, 0, 255, 6, 0, 0, 4, 0x62, 2, 2, 15, 0, 22, 27,
/// ];
/// let reading = read(&Data::decode(&octets)?, None, &[]);
/// assert_eq!(reading.entries[0].register.to_string(), "1-0:1.7.0*255");
/// assert_eq!(reading.entries[0].content, Content::Number(1122.into()));
/// # Ok::<(), meter_link::dlms::axdr::Error>(())
/// ```
#[must_use]
pub fn read(body: &Data, title: Option<SystemTitle>, profiles: &[Profile]) -> Reading {
    let mut entries = Vec::new();
    walk(body, &mut entries);
    let shape = shape(body, &entries);
    let bare = entries
        .iter()
        .filter(|entry| matches!(entry.content, Content::Number(_)))
        .all(|entry| entry.scaler.is_none());
    // Where the message tells scalers and units, nobody knows better.
    let profile = bare
        .then(|| {
            profiles
                .iter()
                .find(|profile| profile.fits(body, shape, title))
        })
        .flatten();
    if let Some(profile) = profile {
        apply(profile, body, &mut entries);
    }
    let text = |code: [u8; 6]| {
        let mut all = entries.iter().filter(|entry| entry.register.0 == code);
        all.find_map(|entry| match &entry.content {
            Content::Octets(octets) => printable(octets),
            _ => None,
        })
    };
    let device_name = text([0, 0, 42, 0, 0, 255]);
    let meter_id = [
        [0, 0, 96, 1, 0, 255],
        [0, 0, 96, 1, 1, 255],
        [1, 0, 0, 0, 5, 255],
        [1, 1, 0, 0, 5, 255],
    ]
    .into_iter()
    .find_map(text)
    .or_else(|| device_name.clone());
    let maker = |octets: &[u8]| {
        let letters = octets.first_chunk::<3>()?;
        let upper = letters.iter().all(u8::is_ascii_uppercase);
        upper.then(|| letters.iter().copied().map(char::from).collect::<String>())
    };
    let manufacturer = title
        .as_ref()
        .and_then(|title| maker(title))
        .or_else(|| device_name.as_ref().and_then(|name| maker(name.as_bytes())));
    let clocks = [[0, 0, 1, 0, 0, 255], [0, 1, 1, 0, 0, 255]];
    let time = entries.iter().find_map(|entry| match &entry.content {
        Content::Octets(octets) if clocks.contains(&entry.register.0) => {
            DateTime::from_octets(octets)
        }
        _ => None,
    });
    Reading {
        entries,
        meter_id,
        manufacturer,
        time,
    }
}

/// A text of nothing but printable characters.
fn printable(octets: &[u8]) -> Option<String> {
    let all = !octets.is_empty() && octets.iter().all(|octet| (0x20..0x7F).contains(octet));
    let text: String = octets.iter().copied().map(char::from).collect();
    let text = text.trim();
    (all && !text.is_empty()).then(|| text.to_owned())
}

fn shape(body: &Data, entries: &[Entry]) -> Shape {
    if has_descriptors(body) {
        Shape::Descriptors
    } else if entries.is_empty() {
        Shape::Positions
    } else {
        Shape::Names
    }
}

fn has_descriptors(data: &Data) -> bool {
    matches!(data, Data::Attribute(_))
        || data
            .elements()
            .is_some_and(|elements| elements.iter().any(has_descriptors))
}

fn walk(data: &Data, entries: &mut Vec<Entry>) {
    let Some(elements) = data.elements() else {
        return;
    };
    if let Some(listed) = listed(elements) {
        entries.extend(listed);
        return;
    }
    if is_capture_object(elements) {
        return;
    }
    let is_structure = matches!(data, Data::Structure(_));
    let mut rest = elements;
    while let [first, behind @ ..] = rest {
        rest = behind;
        if !is_structure {
            walk(first, entries);
            continue;
        }
        match (first, behind) {
            (Data::Attribute(descriptor), [value, ..]) => {
                entries.extend(entry(
                    descriptor.instance,
                    descriptor.attribute,
                    value,
                    None,
                ));
            }
            (Data::OctetString(name), [value, further @ ..]) => {
                let Some(register) = logical_name(name) else {
                    continue;
                };
                // A name in a longer list is no value of the name before it.
                let is_name =
                    matches!(value, Data::OctetString(octets) if logical_name(octets).is_some());
                if is_name && elements.len() > 2 {
                    continue;
                }
                let scale = further.first().and_then(scaler_unit);
                if let Some(found) = entry(register, 2, value, scale) {
                    entries.push(found);
                    rest = further;
                }
            }
            _ => walk(first, entries),
        }
    }
}

/// Six octets of which the last is FF.
fn logical_name(octets: &[u8]) -> Option<ObisCode> {
    let code: [u8; 6] = octets.try_into().ok()?;
    (code[5] == 255).then_some(ObisCode(code))
}

/// A structure of a scaler and a unit.
fn scaler_unit(data: &Data) -> Option<(i8, Option<Unit>)> {
    match data {
        Data::Structure(pair) => match pair.as_slice() {
            [Data::Int8(scaler), Data::Enum(unit)] => Some((*scaler, Unit::from_code(*unit))),
            _ => None,
        },
        _ => None,
    }
}

fn entry(
    register: ObisCode,
    attribute: i8,
    value: &Data,
    scale: Option<(i8, Option<Unit>)>,
) -> Option<Entry> {
    let mut scaler = None;
    let mut unit = None;
    let content = match value {
        Data::Date(date) => Content::Octets(date.0.to_vec()),
        Data::Time(time) => Content::Octets(time.0.to_vec()),
        Data::BitString(bits) => Content::Octets(bits.octets().to_vec()),
        _ => match (value.octets(), value.integer()) {
            (Some(octets), _) => Content::Octets(octets.to_vec()),
            (None, Some(integer)) => {
                scaler = scale.map(|(scaler, _)| scaler);
                unit = scale.and_then(|(_, unit)| unit);
                Content::Number(scaled(integer, scaler.unwrap_or(0)).ok()?)
            }
            (None, None) => {
                let number = value.decimal()?;
                scaler = scale.map(|(scaler, _)| scaler);
                unit = scale.and_then(|(_, unit)| unit);
                Content::Number(rescaled(number, scaler.unwrap_or(0))?)
            }
        },
    };
    Some(Entry {
        register,
        attribute,
        content,
        scaler,
        unit,
        profile: None,
    })
}

/// A number times a power of ten, exactly.
fn rescaled(number: Decimal, scaler: i8) -> Option<Decimal> {
    let decimals = i32::try_from(number.scale()).ok()? - i32::from(scaler);
    scaled(number.mantissa(), i8::try_from(-decimals).ok()?).ok()
}

/// What a push list says is captured: class, logical name, attribute, index.
fn capture_object(data: &Data) -> Option<AttributeDescriptor> {
    match data.elements()? {
        [
            Data::Uint16(class),
            Data::OctetString(name),
            Data::Int8(attribute),
            Data::Uint16(_),
            ..,
        ] => Some(AttributeDescriptor {
            class: *class,
            instance: ObisCode(name.as_slice().try_into().ok()?),
            attribute: *attribute,
        }),
        _ => None,
    }
}

fn is_capture_object(elements: &[Data]) -> bool {
    matches!(
        elements,
        [Data::Uint16(_), Data::OctetString(name), Data::Int8(_), Data::Uint16(_), ..]
            if name.len() == 6
    )
}

/// A list whose one element says what all elements are (Landis+Gyr): an array of capture objects,
/// one for each element, itself included or not.
fn listed(elements: &[Data]) -> Option<Vec<Entry>> {
    let (place, objects) = elements.iter().enumerate().find_map(|(place, element)| {
        let objects = element.elements()?;
        let all: Option<Vec<_>> = objects.iter().map(capture_object).collect();
        all.filter(|all| !all.is_empty())
            .map(|objects| (place, objects))
    })?;
    let own = |at: &usize| *at != place;
    let values: Vec<&Data> = match elements.len().checked_sub(objects.len())? {
        0 => elements.iter().collect(),
        1 => {
            let others = elements.iter().enumerate();
            others
                .filter(|(at, _)| own(at))
                .map(|(_, value)| value)
                .collect()
        }
        _ => return Some(Vec::new()),
    };
    let entries = objects.iter().zip(values);
    Some(
        entries
            .filter_map(|(object, value)| entry(object.instance, object.attribute, value, None))
            .collect(),
    )
}

fn apply(profile: &Profile, body: &Data, entries: &mut Vec<Entry>) {
    let named = |scale: &Scale, mut entry: Entry| {
        if let Content::Number(number) = entry.content {
            entry.content = Content::Number(rescaled(number, scale.scaler)?);
            entry.scaler = Some(scale.scaler);
            entry.unit = scale.unit();
        }
        entry.profile = Some(profile.id.clone());
        Some(entry)
    };
    for found in entries.iter_mut() {
        if let Some(scale) = profile.scale(found.register)
            && let Some(entry) = named(scale, found.clone())
        {
            *found = entry;
        }
    }
    let elements = body.elements().unwrap_or_default();
    for place in profile.places(elements.len()) {
        let value = elements.get(place.at);
        let found = value.and_then(|value| entry(place.obis, 2, value, None));
        entries.extend(found.and_then(|entry| named(&place.scale, entry)));
    }
}

#[cfg(test)]
mod tests;
