//! The binary encoding (SML 1.04, clause 6.3): type and length in front of every value.

/// Why a telegram with the right transport check is not SML, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of the messages: {kind}")]
pub struct ParseError {
    /// Place in the messages of the telegram, counted after the start mark.
    pub offset: usize,
    /// The rule that was broken.
    pub kind: ParseErrorKind,
}

/// The rule of the encoding or of a message that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The bytes end inside an element.
    #[error("{missing} bytes are missing to the end of the element")]
    Short {
        /// How many more there would have to be.
        missing: usize,
    },
    /// A length that no telegram can have.
    #[error("a length field of more than four bytes, or shorter than itself")]
    Length,
    /// A type nibble that SML does not define.
    #[error("type {0:X} is not defined")]
    UnknownType(u8),
    /// An integer of 0 or more than 8 bytes.
    #[error("an integer of {0} bytes")]
    IntegerLength(usize),
    /// An integer that its field cannot hold.
    #[error("an integer out of the range of its field")]
    Range,
    /// Another element was due here.
    #[error("{expected} expected, type {found:X} found")]
    Unexpected {
        /// What was due.
        expected: &'static str,
        /// The type nibble found.
        found: u8,
    },
    /// A list with another number of elements than its definition.
    #[error("a list of {found} where {expected} elements belong")]
    ListLength {
        /// By definition.
        expected: usize,
        /// As sent.
        found: usize,
    },
    /// Lists within lists beyond any use.
    #[error("lists nested more than {0} deep")]
    Depth(usize),
    /// A message's own check is wrong.
    #[error("message CRC is {received:04X}, computed {computed:04X}")]
    MessageCrc {
        /// As sent.
        received: u16,
        /// X-25 over the message, bytes swapped as it is sent.
        computed: u16,
    },
    /// A time in a form of which only certain meters are known, with that quirk turned off.
    #[error("a time that is no list of choice and value")]
    TimeForm,
    /// A choice that the definition does not know.
    #[error("choice {0} is not defined here")]
    Choice(u64),
}

/// One element, or the head of a list whose elements follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// 00: the end of a message.
    EndOfMessage,
    /// An octet string; an empty one stands for an absent value.
    Octets(&'a [u8]),
    /// A yes or no.
    Flag(bool),
    /// A signed integer and how many bytes it was sent in (1 to 8).
    Signed(i64, u8),
    /// An unsigned integer and how many bytes it was sent in (1 to 8).
    Unsigned(u64, u8),
    /// A list of so many elements.
    List(usize),
}

impl Element<'_> {
    const fn type_nibble(&self) -> u8 {
        match self {
            Self::EndOfMessage | Self::Octets(_) => 0,
            Self::Flag(_) => 4,
            Self::Signed(..) => 5,
            Self::Unsigned(..) => 6,
            Self::List(_) => 7,
        }
    }
}

/// Reads elements one after the other and cannot run past its end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Lists within lists that are skipped or kept at most.
const MAX_DEPTH: usize = 8;

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// The bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The bytes from `start` to where the reader stands.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    pub(super) const fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError {
            offset: self.at,
            kind,
        }
    }

    fn byte(&mut self) -> Result<u8, ParseError> {
        let byte = self.bytes.get(self.at).copied();
        let byte = byte.ok_or(self.error(ParseErrorKind::Short { missing: 1 }))?;
        self.at += 1;
        Ok(byte)
    }

    /// The next element.
    ///
    /// # Errors
    /// [`ParseError`] when the bytes are not one; the reader then stands within it.
    #[inline]
    pub fn element(&mut self) -> Result<Element<'a>, ParseError> {
        let start = self.at;
        let first = self.byte()?;
        if first == 0 {
            return Ok(Element::EndOfMessage);
        }
        let mut length = usize::from(first & 0x0F);
        let mut more = first & 0x80 != 0;
        while more {
            let next = self.byte()?;
            length = length << 4 | usize::from(next & 0x0F);
            more = next & 0x80 != 0;
            if self.at - start > 4 {
                return Err(self.error(ParseErrorKind::Length));
            }
        }
        let kind = first >> 4 & 7;
        if kind == 7 {
            return Ok(Element::List(length));
        }
        // The length of everything but lists counts the type-length bytes, too.
        let length = length
            .checked_sub(self.at - start)
            .ok_or(self.error(ParseErrorKind::Length))?;
        let rest = self.rest();
        let Some(payload) = rest.get(..length) else {
            let missing = length - rest.len();
            return Err(self.error(ParseErrorKind::Short { missing }));
        };
        let element = match kind {
            0 => Element::Octets(payload),
            4 => match payload {
                [byte] => Element::Flag(*byte != 0),
                _ => return Err(self.error(ParseErrorKind::IntegerLength(length))),
            },
            5 => {
                let negative = payload.first().is_some_and(|byte| byte & 0x80 != 0);
                let start = if negative { [0xFF; 8] } else { [0; 8] };
                let (bytes, size) = self.integer(payload, start)?;
                Element::Signed(i64::from_be_bytes(bytes), size)
            }
            6 => {
                let (bytes, size) = self.integer(payload, [0; 8])?;
                Element::Unsigned(u64::from_be_bytes(bytes), size)
            }
            other => return Err(self.error(ParseErrorKind::UnknownType(other))),
        };
        self.at += length;
        Ok(element)
    }

    fn integer(&self, payload: &[u8], mut bytes: [u8; 8]) -> Result<([u8; 8], u8), ParseError> {
        let error = self.error(ParseErrorKind::IntegerLength(payload.len()));
        let size = u8::try_from(payload.len()).map_err(|_| error)?;
        let unused = 8usize
            .checked_sub(payload.len())
            .filter(|&n| n < 8)
            .ok_or(error)?;
        for (to, from) in bytes.iter_mut().skip(unused).zip(payload) {
            *to = *from;
        }
        Ok((bytes, size))
    }

    pub(super) fn unexpected(&self, expected: &'static str, found: &Element<'_>) -> ParseError {
        self.error(ParseErrorKind::Unexpected {
            expected,
            found: found.type_nibble(),
        })
    }

    /// An octet string, empty when absent.
    pub(super) fn octets(&mut self) -> Result<&'a [u8], ParseError> {
        match self.element()? {
            Element::Octets(octets) => Ok(octets),
            other => Err(self.unexpected("an octet string", &other)),
        }
    }

    /// An octet string or `None` when absent.
    pub(super) fn optional_octets(&mut self) -> Result<Option<&'a [u8]>, ParseError> {
        self.octets()
            .map(|octets| (!octets.is_empty()).then_some(octets))
    }

    /// An unsigned integer or `None` when absent.
    pub(super) fn optional_unsigned(&mut self) -> Result<Option<u64>, ParseError> {
        match self.element()? {
            Element::Octets([]) => Ok(None),
            Element::Unsigned(value, _) => Ok(Some(value)),
            other => Err(self.unexpected("an unsigned integer", &other)),
        }
    }

    /// An unsigned integer.
    pub(super) fn unsigned(&mut self) -> Result<u64, ParseError> {
        self.optional_unsigned()?
            .ok_or(self.error(ParseErrorKind::Unexpected {
                expected: "an unsigned integer",
                found: 0,
            }))
    }

    /// A list head of exactly `expected` elements.
    pub(super) fn list(&mut self, expected: usize) -> Result<(), ParseError> {
        match self.any_list()? {
            found if found == expected => Ok(()),
            found => Err(self.error(ParseErrorKind::ListLength { expected, found })),
        }
    }

    /// A list head; how many elements follow.
    pub(super) fn any_list(&mut self) -> Result<usize, ParseError> {
        match self.element()? {
            Element::List(length) => Ok(length),
            other => Err(self.unexpected("a list", &other)),
        }
    }

    /// True when the next element is an absent value, which is then taken.
    pub(super) fn take_absent(&mut self) -> bool {
        let absent = self.rest().first() == Some(&1);
        if absent {
            self.at += 1;
        }
        absent
    }

    /// Passes over one element with everything in it; its bytes.
    pub(super) fn skip(&mut self) -> Result<&'a [u8], ParseError> {
        let start = self.at;
        // How many elements are still due at each depth.
        let mut due = [0usize; MAX_DEPTH + 1];
        let mut depth = 0;
        loop {
            match self.element()? {
                Element::List(length) if length > 0 => {
                    depth += 1;
                    let too_deep = self.error(ParseErrorKind::Depth(MAX_DEPTH));
                    *due.get_mut(depth).ok_or(too_deep)? = length;
                    continue;
                }
                Element::EndOfMessage => {
                    return Err(self.unexpected("an element", &Element::EndOfMessage));
                }
                _ => {}
            }
            loop {
                if depth == 0 {
                    return Ok(self.since(start));
                }
                match due.get_mut(depth) {
                    Some(left) if *left > 1 => {
                        *left -= 1;
                        break;
                    }
                    _ => depth -= 1,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: &[u8]) -> Result<Element<'_>, ParseErrorKind> {
        Reader::new(bytes).element().map_err(|error| error.kind)
    }

    #[test]
    fn elements() {
        assert_eq!(one(&[0x00]), Ok(Element::EndOfMessage));
        assert_eq!(one(&[0x01]), Ok(Element::Octets(b"")));
        assert_eq!(one(b"\x04DZG"), Ok(Element::Octets(b"DZG")));
        assert_eq!(one(&[0x42, 1]), Ok(Element::Flag(true)));
        assert_eq!(one(&[0x53, 0x8B, 0x28]), Ok(Element::Signed(-29912, 2)));
        assert_eq!(
            one(&[0x54, 0x01, 0x00, 0x00]),
            Ok(Element::Signed(65536, 3))
        );
        assert_eq!(
            one(&[0x64, 0x1C, 0x01, 0x04]),
            Ok(Element::Unsigned(0x1C_0104, 3))
        );
        assert_eq!(one(&[0x77]), Ok(Element::List(7)));
        let mut long = vec![0x83, 0x02];
        long.extend([7; 48]);
        assert_eq!(one(&long), Ok(Element::Octets(&[7; 48])));
    }

    #[test]
    fn broken_elements() {
        assert_eq!(one(&[]), Err(ParseErrorKind::Short { missing: 1 }));
        assert_eq!(
            one(&[0x65, 1, 2]),
            Err(ParseErrorKind::Short { missing: 2 })
        );
        assert_eq!(one(&[0x60]), Err(ParseErrorKind::Length));
        assert_eq!(one(&[0x61]), Err(ParseErrorKind::IntegerLength(0)));
        assert_eq!(one(&[0x6A; 10]), Err(ParseErrorKind::IntegerLength(9)));
        assert_eq!(
            one(&[0x8F, 0x8F, 0x8F, 0x8F, 0x0F]),
            Err(ParseErrorKind::Length)
        );
        assert_eq!(one(&[0x31]), Err(ParseErrorKind::UnknownType(3)));
        let deep = [0x71; 40];
        assert_eq!(
            Reader::new(&deep).skip().map_err(|error| error.kind),
            Err(ParseErrorKind::Depth(MAX_DEPTH))
        );
    }

    #[test]
    fn skip_takes_a_tree_whole() {
        let tree = [0x72, 0x62, 1, 0x73, 0x01, 0x71, 0x01, 0x70, 0x62, 9];
        let mut reader = Reader::new(&tree);
        assert_eq!(reader.skip().unwrap(), &tree[..8]);
        assert_eq!(reader.element(), Ok(Element::Unsigned(9, 1)));
    }
}
