//! CBOR in its deterministic form (RFC 8949, 4.2.1), as little of it as the relay needs.
//!
//! One value has one form: heads are the shortest, lengths are definite. What has another form is
//! refused, so that no bit of a message can change without a trace.

use crate::refusal::Refusal;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// Writes values one after another.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// What was written.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        self.0
    }

    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        let major = major << 5;
        let octets = argument.to_be_bytes();
        match argument {
            0..=23 => self.0.push(major | octets[7]),
            24..=0xFF => self.0.extend([major | 24, octets[7]]),
            0x100..=0xFFFF => {
                self.0.push(major | 25);
                self.0.extend(&octets[6..]);
            }
            0x1_0000..=0xFFFF_FFFF => {
                self.0.push(major | 26);
                self.0.extend(&octets[4..]);
            }
            _ => {
                self.0.push(major | 27);
                self.0.extend(octets);
            }
        }
        self
    }

    /// An integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        match u64::try_from(value) {
            Ok(value) => self.head(UNSIGNED, value),
            Err(_) => self.head(NEGATIVE, (!value).unsigned_abs()),
        }
    }

    /// A number without sign.
    pub fn unsigned(&mut self, value: u64) -> &mut Self {
        self.head(UNSIGNED, value)
    }

    /// Octets.
    pub fn bytes(&mut self, octets: &[u8]) -> &mut Self {
        self.head(BYTES, octets.len() as u64);
        self.0.extend(octets);
        self
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.head(TEXT, text.len() as u64);
        self.0.extend(text.as_bytes());
        self
    }

    /// The head of an array; its items follow.
    pub fn array(&mut self, items: usize) -> &mut Self {
        self.head(ARRAY, items as u64)
    }

    /// The head of a map; its keys and values follow, in order.
    pub fn map(&mut self, pairs: usize) -> &mut Self {
        self.head(MAP, pairs as u64)
    }

    /// A tag; what it tags follows.
    pub fn tag(&mut self, tag: u64) -> &mut Self {
        self.head(TAG, tag)
    }
}

/// Reads values one after another, and cannot run past the end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads these octets.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Octets that are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.0.len()
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`Refusal::TrailingData`].
    pub const fn end(&self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refusal::TrailingData)
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Refusal::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn head(&mut self) -> Result<(u8, u64), Refusal> {
        let first = *self.take(1)?.first().ok_or(Refusal::Truncated)?;
        let (major, short) = (first >> 5, first & 0x1F);
        let (size, least) = match short {
            0..=23 => return Ok((major, u64::from(short))),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(Refusal::Malformed("CBOR of indefinite length")),
        };
        let octets = self.take(size)?.iter();
        let argument = octets.fold(0, |sum, octet| sum << 8 | u64::from(*octet));
        if argument < least {
            return Err(Refusal::Malformed("CBOR that is not in its shortest form"));
        }
        Ok((major, argument))
    }

    fn expect(&mut self, want: u8, rule: &'static str) -> Result<u64, Refusal> {
        match self.head()? {
            (major, argument) if major == want => Ok(argument),
            _ => Err(Refusal::Malformed(rule)),
        }
    }

    fn counted(&mut self, want: u8, rule: &'static str) -> Result<usize, Refusal> {
        let count = usize::try_from(self.expect(want, rule)?).map_err(|_| Refusal::Truncated)?;
        // Each item has an octet at least.
        if count > self.0.len() {
            return Err(Refusal::Truncated);
        }
        Ok(count)
    }

    /// An integer.
    ///
    /// # Errors
    /// Something else is there, or one beyond 64 bits.
    pub fn int(&mut self) -> Result<i64, Refusal> {
        let beyond = |_| Refusal::Malformed("an integer beyond 64 bits");
        match self.head()? {
            (UNSIGNED, value) => i64::try_from(value).map_err(beyond),
            (NEGATIVE, value) => i64::try_from(value).map(|value| !value).map_err(beyond),
            _ => Err(Refusal::Malformed("an integer was expected")),
        }
    }

    /// A number without sign.
    ///
    /// # Errors
    /// Something else is there.
    pub fn unsigned(&mut self) -> Result<u64, Refusal> {
        self.expect(UNSIGNED, "a number without sign was expected")
    }

    /// Octets.
    ///
    /// # Errors
    /// Something else is there, or their length runs past the end.
    pub fn bytes(&mut self) -> Result<&'a [u8], Refusal> {
        let count = self.counted(BYTES, "octets were expected")?;
        self.take(count)
    }

    /// A text.
    ///
    /// # Errors
    /// Something else is there, its length runs past the end, or it is no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Refusal> {
        let count = self.counted(TEXT, "a text was expected")?;
        std::str::from_utf8(self.take(count)?)
            .map_err(|_| Refusal::Malformed("a text that is no UTF-8"))
    }

    /// The head of an array: how many items follow.
    ///
    /// # Errors
    /// Something else is there, or more items than octets are told.
    pub fn array(&mut self) -> Result<usize, Refusal> {
        self.counted(ARRAY, "an array was expected")
    }

    /// The head of a map: how many pairs follow.
    ///
    /// # Errors
    /// Something else is there, or more pairs than octets are told.
    pub fn map(&mut self) -> Result<usize, Refusal> {
        self.counted(MAP, "a map was expected")
    }

    /// An array of so many items.
    ///
    /// # Errors
    /// Something else is there.
    pub fn array_of(&mut self, items: usize) -> Result<(), Refusal> {
        if self.array()? == items {
            Ok(())
        } else {
            Err(Refusal::Malformed("an array of another length"))
        }
    }

    /// A tag.
    ///
    /// # Errors
    /// Something else is there.
    pub fn tag(&mut self) -> Result<u64, Refusal> {
        self.expect(TAG, "a tag was expected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8949, appendix A.
    #[test]
    fn integers_of_the_rfc() {
        let table: &[(i64, &[u8])] = &[
            (0, &[0x00]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (1000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (
                1_000_000_000_000,
                &[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0],
            ),
            (-1, &[0x20]),
            (-100, &[0x38, 0x63]),
            (-1000, &[0x39, 0x03, 0xe7]),
        ];
        for (value, octets) in table {
            let mut writer = Writer::default();
            writer.int(*value);
            assert_eq!(writer.into_octets(), *octets);
            assert_eq!(Reader::new(octets).int(), Ok(*value));
        }
    }

    #[test]
    fn other_forms_of_the_same_value_are_refused() {
        for octets in [
            &[0x18, 0x17][..],
            &[0x19, 0, 0xFF],
            &[0x1b, 0, 0, 0, 0, 1, 1, 1, 1],
            &[0x5f],
        ] {
            assert!(matches!(
                Reader::new(octets).head(),
                Err(Refusal::Malformed(_))
            ));
        }
        assert_eq!(Reader::new(&[0x44, 1, 2]).bytes(), Err(Refusal::Truncated));
        assert_eq!(
            Reader::new(&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]).array(),
            Err(Refusal::Truncated)
        );
    }
}
