//! Reads the fields of a table one after the other and never past its end.

use rust_decimal::Decimal;

use super::TableError;
use super::format::{ClockTime, Formats};

/// The fields of one table.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    table: u16,
    octets: &'a [u8],
    at: usize,
    pub(super) formats: Formats,
}

impl<'a> Reader<'a> {
    pub(super) fn new(table: u16, octets: &'a [u8], formats: Formats) -> Self {
        Self {
            table,
            octets,
            at: 0,
            formats,
        }
    }

    pub(super) fn left(&self) -> usize {
        self.octets.len().saturating_sub(self.at)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], TableError> {
        let end = self.at.checked_add(count);
        let found = end.and_then(|end| self.octets.get(self.at..end));
        let found = found.ok_or(TableError::Short {
            table: self.table,
            length: self.octets.len(),
        })?;
        self.at += count;
        Ok(found)
    }

    pub(super) fn malformed(&self, rule: &'static str) -> TableError {
        TableError::Malformed {
            table: self.table,
            offset: self.at,
            rule,
        }
    }

    pub(super) fn u8(&mut self) -> Result<u8, TableError> {
        let octets = self.take(1)?;
        Ok(octets.first().copied().unwrap_or_default())
    }

    fn unsigned(&mut self, count: usize) -> Result<u64, TableError> {
        let octets = self.take(count)?;
        Ok(self.formats.order.unsigned(octets))
    }

    pub(super) fn u16(&mut self) -> Result<u16, TableError> {
        Ok(u16::try_from(self.unsigned(2)?).unwrap_or(u16::MAX))
    }

    pub(super) fn u32(&mut self) -> Result<u32, TableError> {
        Ok(u32::try_from(self.unsigned(4)?).unwrap_or(u32::MAX))
    }

    /// A signed integer of `count` octets.
    pub(super) fn int(&mut self, count: usize) -> Result<i128, TableError> {
        let raw = self.unsigned(count)?;
        let bits = u32::try_from(8 * count).unwrap_or(64);
        let signed = self.formats.int.signed(raw, bits);
        signed.ok_or_else(|| self.malformed("the format of signed integers is reserved"))
    }

    fn ni(&mut self, format: super::format::NiFormat) -> Result<Decimal, TableError> {
        let size = format
            .size()
            .ok_or_else(|| self.malformed("the format of non-integer numbers is reserved"))?;
        let octets = self.take(size)?;
        format
            .number(octets, self.formats.order, self.formats.int)
            .ok_or_else(|| self.malformed("no number in the format that table 00 declares"))
    }

    pub(super) fn ni1(&mut self) -> Result<Decimal, TableError> {
        self.ni(self.formats.ni1)
    }

    pub(super) fn ni2(&mut self) -> Result<Decimal, TableError> {
        self.ni(self.formats.ni2)
    }

    fn time_octets(&mut self, size: Option<usize>) -> Result<&'a [u8], TableError> {
        let size = size.ok_or_else(|| self.malformed("the format of times is reserved"))?;
        self.take(size)
    }

    pub(super) fn long_time(&mut self) -> Result<ClockTime, TableError> {
        let octets = self.time_octets(self.formats.time.long_size())?;
        Ok(self.formats.time.clock(octets, self.formats.order))
    }

    pub(super) fn short_time(&mut self) -> Result<ClockTime, TableError> {
        let octets = self.time_octets(self.formats.time.short_size())?;
        Ok(self.formats.time.clock(octets, self.formats.order))
    }

    pub(super) fn time_of_day_s(&mut self) -> Result<Option<u32>, TableError> {
        let octets = self.time_octets(self.formats.time.time_size())?;
        Ok(self.formats.time.time_of_day_s(octets, self.formats.order))
    }

    pub(super) fn text(&mut self, count: usize) -> Result<String, TableError> {
        let octets = self.take(count)?;
        Ok(self.formats.chars.text(octets, self.formats.order))
    }

    /// An identification: `length` characters, or half as many octets of BCD.
    pub(super) fn id(&mut self, length: usize) -> Result<String, TableError> {
        if !self.formats.bcd_ids {
            return self.text(length);
        }
        let octets = self.take(length / 2)?;
        Ok(octets.iter().map(|octet| format!("{octet:02X}")).collect())
    }

    /// The members of a set of `count` octets; bit 0 of the first octet is member 0.
    pub(super) fn set(&mut self, count: usize) -> Result<Vec<u16>, TableError> {
        let octets = self.take(count)?;
        let bits = (0..=u16::MAX).zip(
            octets
                .iter()
                .flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1)),
        );
        Ok(bits
            .filter(|(_, bit)| *bit == 1)
            .map(|(number, _)| number)
            .collect())
    }

    pub(super) fn many<T>(
        &mut self,
        count: usize,
        mut one: impl FnMut(&mut Self) -> Result<T, TableError>,
    ) -> Result<Vec<T>, TableError> {
        // Each element takes octets, or else there is nothing to repeat: a table that declares a
        // large number of empty elements does not get them.
        let mut found = Vec::new();
        for _ in 0..count {
            let before = self.at;
            found.push(one(self)?);
            if self.at == before && count > 255 {
                return Err(self.malformed("an array of elements without any octets"));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c12::table::general::UNKNOWN;

    /// Found by fuzzing: a set of 65,536 members.
    #[test]
    fn the_longest_set() {
        let mut octets = vec![0; 8_192];
        octets[8_191] = 0x81;
        let set = Reader::new(64, &octets, UNKNOWN).set(8_192).unwrap();
        assert_eq!(set, [65_528, 65_535]);
    }
}
