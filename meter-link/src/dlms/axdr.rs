//! A-XDR (IEC 61334-6), the encoding of xDLMS: a reader that cannot run past its end, and what
//! the encoders share.

/// Which rule the bytes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// They end too early.
    #[error("the message ends too early")]
    Short,
    /// A length of more than four octets, or of no octets.
    #[error("{0:#04x} begins no length")]
    Length(u8),
    /// No type of data has this tag.
    #[error("{0:#04x} is no tag of a data type")]
    DataTag(u8),
    /// No APDU begins so.
    #[error("{0:#04x} is no tag of an APDU")]
    ApduTag(u8),
    /// A choice that the standard does not have.
    #[error("{value:#04x} is no {what}")]
    Choice {
        /// What was to be chosen.
        what: &'static str,
        /// What was sent.
        value: u8,
    },
    /// Data nested deeper than [`MAX_DEPTH`](super::data::MAX_DEPTH).
    #[error("data is nested too deeply")]
    Depth,
    /// Too many elements that take no byte of the message.
    #[error("too many elements without content")]
    Elements,
    /// A field whose length or value breaks its definition.
    #[error("{0}")]
    Form(&'static str),
}

/// Why bytes are no message, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("at byte {at}: {fault}")]
pub struct Error {
    /// Place in the bytes that were given.
    pub at: usize,
    /// The rule.
    pub fault: Fault,
}

/// Reads from the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader of all of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// True when nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// An error at the place reached.
    #[must_use]
    pub const fn error(&self, fault: Fault) -> Error {
        Error { at: self.at, fault }
    }

    /// The next octet, without taking it.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// So many octets.
    ///
    /// # Errors
    /// There are fewer.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let taken = self.rest().get(..length);
        let taken = taken.ok_or(self.error(Fault::Short))?;
        self.at += length;
        Ok(taken)
    }

    /// `N` octets.
    ///
    /// # Errors
    /// There are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let taken = self.rest().first_chunk::<N>().copied();
        let taken = taken.ok_or(self.error(Fault::Short))?;
        self.at += N;
        Ok(taken)
    }

    /// One octet.
    ///
    /// # Errors
    /// There is none.
    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two octets, big endian.
    ///
    /// # Errors
    /// There are fewer.
    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four octets, big endian.
    ///
    /// # Errors
    /// There are fewer.
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    /// A boolean or the presence of an optional field: zero is false.
    ///
    /// # Errors
    /// There is nothing left.
    pub fn flag(&mut self) -> Result<bool, Error> {
        self.u8().map(|octet| octet != 0)
    }

    /// A variable length: up to 127 in one octet, more in one to four octets after 81 to 84
    /// (IEC 61334-6, 6.11).
    ///
    /// # Errors
    /// The first octet is 80 or above 84, or there is too little.
    pub fn length(&mut self) -> Result<usize, Error> {
        let start = self.clone();
        let first = self.u8()?;
        let octets = match first {
            0..=0x7F => return Ok(usize::from(first)),
            0x81..=0x84 => usize::from(first - 0x80),
            _ => return Err(start.error(Fault::Length(first))),
        };
        let value = self.take(octets)?.iter();
        let value = value.fold(0u32, |value, octet| value << 8 | u32::from(*octet));
        usize::try_from(value).map_err(|_| start.error(Fault::Length(first)))
    }

    /// A reader of the next so many octets, which are taken.
    ///
    /// # Errors
    /// There are fewer.
    pub fn part(&mut self, length: usize) -> Result<Self, Error> {
        let at = self.at;
        self.take(length)?;
        let bytes = self.bytes.get(..self.at).unwrap_or_default();
        Ok(Self { bytes, at })
    }

    /// A length and so many octets.
    ///
    /// # Errors
    /// There are fewer, or the length is none.
    pub fn octets(&mut self) -> Result<&'a [u8], Error> {
        let length = self.length()?;
        self.take(length)
    }

    /// An optional field: its presence, then the field.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        match self.flag()? {
            true => read(self).map(Some),
            false => Ok(None),
        }
    }

    /// A count and so many elements, each of at least one octet.
    ///
    /// # Errors
    /// There are more than octets left, or one of `read`.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let count = self.length()?;
        if count > self.rest().len() {
            return Err(self.error(Fault::Short));
        }
        (0..count).map(|_| read(self)).collect()
    }
}

/// Writes a variable length.
pub fn put_length(out: &mut Vec<u8>, length: usize) {
    // Nothing longer than four gigabytes is ever sent.
    let value = u32::try_from(length).unwrap_or(u32::MAX);
    let octets = value.to_be_bytes();
    let (prefix, skip) = match value {
        0..=0x7F => (None, 3),
        0x80..=0xFF => (Some(0x81), 3),
        0x100..=0xFFFF => (Some(0x82), 2),
        0x1_0000..=0xFF_FFFF => (Some(0x83), 1),
        _ => (Some(0x84), 0),
    };
    out.extend(prefix);
    out.extend(octets.iter().skip(skip));
}

/// Writes a length and the octets.
pub fn put_octets(out: &mut Vec<u8>, octets: &[u8]) {
    put_length(out, octets.len());
    out.extend_from_slice(octets);
}

/// Writes a count and the elements.
pub(crate) fn put_list<T>(out: &mut Vec<u8>, list: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_length(out, list.len());
    for element in list {
        put(out, element);
    }
}

/// Writes an optional field.
pub(crate) fn put_optional<T>(
    out: &mut Vec<u8>,
    field: Option<&T>,
    put: impl FnOnce(&mut Vec<u8>, &T),
) {
    match field {
        None => out.push(0),
        Some(field) => {
            out.push(1);
            put(out, field);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (length, octets) in [
            (0, &[0][..]),
            (127, &[0x7F]),
            (128, &[0x81, 0x80]),
            (255, &[0x81, 0xFF]),
            (256, &[0x82, 1, 0]),
            (65_536, &[0x83, 1, 0, 0]),
            (1 << 24, &[0x84, 1, 0, 0, 0]),
        ] {
            let mut out = Vec::new();
            put_length(&mut out, length);
            assert_eq!(out, octets);
            assert_eq!(Reader::new(octets).length(), Ok(length));
            for cut in 0..octets.len() {
                let error = Reader::new(&octets[..cut]).length().unwrap_err();
                assert_eq!(error.fault, Fault::Short);
            }
        }
        for wrong in [0x80, 0x85, 0xFF] {
            let error = Reader::new(&[wrong; 9]).length().unwrap_err();
            assert_eq!((error.at, error.fault), (0, Fault::Length(wrong)));
        }
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut reader = Reader::new(&[3, 1, 2]);
        assert_eq!(reader.octets().unwrap_err().fault, Fault::Short);
        assert_eq!(reader.at(), 1);
        let mut reader = Reader::new(&[0x84, 0xFF, 0xFF, 0xFF, 0xFF, 1]);
        assert!(reader.list(Reader::u8).is_err());
    }
}
