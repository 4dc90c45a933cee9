//! Which records of a telegram a field takes.

use super::error::DriverError;
use super::file::{RangeEntry, SelectEntry};
use crate::key::octets;
use crate::mbus::{Function, Quantity, Record};

/// Numbers from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    first: u64,
    last: u64,
}

impl Range {
    const ZERO: Self = Self { first: 0, last: 0 };

    const fn holds(self, number: u64) -> bool {
        self.first <= number && number <= self.last
    }

    const fn is_many(self) -> bool {
        self.first != self.last
    }

    fn read(entry: Option<&RangeEntry>) -> Result<Self, DriverError> {
        match entry {
            None => Ok(Self::ZERO),
            Some(RangeEntry::One(number)) => Ok(Self {
                first: *number,
                last: *number,
            }),
            Some(RangeEntry::Text(text)) if text == "any" => Ok(Self {
                first: 0,
                last: u64::MAX,
            }),
            Some(RangeEntry::Text(text)) => {
                let range = text.split_once("..").and_then(|(first, last)| {
                    Some(Self {
                        first: first.parse().ok()?,
                        last: last.parse().ok()?,
                    })
                });
                range.ok_or_else(|| {
                    DriverError::Value(text.clone(), "a number, \"1..12\" or \"any\"")
                })
            }
        }
    }
}

/// A selector that was checked.
#[derive(Clone, Debug)]
pub(super) struct Select {
    key: Option<Vec<u8>>,
    quantities: Vec<Quantity>,
    function: Option<Function>,
    storage: Range,
    tariff: Range,
    subunit: Range,
    vifes: Vec<(Vec<u8>, Vec<u8>)>,
    nth: usize,
    profile: bool,
}

impl Select {
    pub(super) fn read(entry: &SelectEntry) -> Result<Self, DriverError> {
        let hex = |text: &String| {
            octets(text)
                .ok_or_else(|| DriverError::Value(text.clone(), "an even number of hex digits"))
        };
        let quantity = |name: String| {
            Quantity::from_name(&name).ok_or(DriverError::Value(name, "the name of a quantity"))
        };
        let function = match entry.function.as_deref() {
            None => Some(Function::Instantaneous),
            Some("any") => None,
            Some(name) => Some(
                Function::from_name(name)
                    .ok_or_else(|| DriverError::Value(name.to_owned(), "a function"))?,
            ),
        };
        let quantities = entry.quantity.as_ref().map(super::file::OneOrMany::list);
        let vifes = entry.vife.as_ref().map(super::file::OneOrMany::list);
        Ok(Self {
            key: entry.key.as_ref().map(hex).transpose()?,
            quantities: quantities
                .unwrap_or_default()
                .into_iter()
                .map(quantity)
                .collect::<Result<_, _>>()?,
            function,
            storage: Range::read(entry.storage.as_ref())?,
            tariff: Range::read(entry.tariff.as_ref())?,
            subunit: Range::read(entry.subunit.as_ref())?,
            vifes: vifes
                .unwrap_or_default()
                .iter()
                .map(|text| {
                    let (first, last) = text.split_once("..").unwrap_or((text, text));
                    Ok((hex(&first.to_owned())?, hex(&last.to_owned())?))
                })
                .collect::<Result<_, DriverError>>()?,
            nth: entry.nth.unwrap_or(1),
            profile: entry.profile,
        })
    }

    /// True when several records may fit, each giving a field of its own name.
    pub(super) const fn is_many(&self) -> bool {
        self.storage.is_many() || self.tariff.is_many() || self.subunit.is_many()
    }

    /// Which of several records is meant.
    pub(super) const fn nth(&self) -> usize {
        self.nth
    }

    /// True when values of a compact profile are meant.
    pub(super) const fn is_profile(&self) -> bool {
        self.profile
    }

    /// True when a slot of a profile has a storage number that is wanted.
    pub(super) const fn holds_storage(&self, storage: u64) -> bool {
        self.storage.holds(storage)
    }

    /// True for the profiles of the quantity that is wanted.
    pub(super) fn fits_profile(&self, record: &Record<'_>) -> bool {
        (self.quantities.is_empty() || self.quantities.contains(&record.meaning.quantity))
            && self.tariff.holds(u64::from(record.tariff))
            && self.subunit.holds(u64::from(record.subunit))
    }

    pub(super) fn fits(&self, record: &Record<'_>) -> bool {
        if let Some(key) = &self.key {
            return record.key() == key;
        }
        if !self.quantities.is_empty() && !self.quantities.contains(&record.meaning.quantity) {
            return false;
        }
        self.function.is_none_or(|it| it == record.function)
            && self.storage.holds(record.storage)
            && self.tariff.holds(u64::from(record.tariff))
            && self.subunit.holds(u64::from(record.subunit))
            && self.vifes_fit(record)
    }

    /// True for a record of the right kind, whatever its VIFEs and subunit are.
    pub(super) fn fits_loosely(&self, record: &Record<'_>) -> bool {
        self.key.is_none()
            && (self.quantities.is_empty() || self.quantities.contains(&record.meaning.quantity))
            && self.function.is_none_or(|it| it == record.function)
            && self.storage.holds(record.storage)
            && self.tariff.holds(u64::from(record.tariff))
    }

    fn vifes_fit(&self, record: &Record<'_>) -> bool {
        let vifes = record.vifes();
        if self.vifes.is_empty() {
            return vifes.is_empty();
        }
        // Every VIFE of the record must be one that is wanted, and the other way round. Codes of
        // two bytes begin with 7C or 7F.
        let mut found = 0_u64;
        let mut rest = vifes;
        while let Some((&first, after)) = rest.split_first() {
            let code = first & 0x7F;
            let long = matches!(code, 0x7C | 0x7F);
            let second = if long {
                after.first().map(|it| it & 0x7F)
            } else {
                None
            };
            let both = [code, second.unwrap_or_default()];
            let code = if second.is_some() {
                &both[..]
            } else {
                &both[..1]
            };
            let is = |(first, last): &(Vec<u8>, Vec<u8>)| {
                first.as_slice() <= code && code <= last.as_slice()
            };
            let Some(place) = self.vifes.iter().position(is) else {
                return false;
            };
            found |= bit(place);
            rest = after
                .get(usize::from(second.is_some())..)
                .unwrap_or_default();
        }
        // A record has ten VIFEs at most: one that wants more than there are bits fits none.
        (0..self.vifes.len()).all(|place| found & bit(place) != 0)
    }
}

fn bit(place: usize) -> u64 {
    let shift = u32::try_from(place).unwrap_or(u32::MAX);
    1_u64.checked_shl(shift).unwrap_or_default()
}
