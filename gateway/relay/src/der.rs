//! DER (X.690), as much of it as CMS, certificates and keys need, and strictly: a length in another
//! form than the shortest, an integer with idle octets or octets that are left are refused.

use crate::refusal::Refusal;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// `[n]`, constructed.
pub(crate) const fn context(number: u8) -> u8 {
    0xA0 | number
}

/// `[n] IMPLICIT` of something primitive.
pub(crate) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// Reads elements one after another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

/// One element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    /// Its tag.
    pub(crate) tag: u8,
    /// Its content.
    pub(crate) content: &'a [u8],
    /// All of it, with tag and length.
    pub(crate) whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// Its content as elements.
    pub(crate) const fn inside(self) -> Reader<'a> {
        Reader(self.content)
    }
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Nothing may be left.
    pub(crate) const fn end(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refusal::TrailingData)
        }
    }

    /// True when the next element has this tag.
    pub(crate) fn at(self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The next element, of whatever kind.
    pub(crate) fn next(&mut self) -> Result<Element<'a>, Refusal> {
        let &[tag, short, ref rest @ ..] = self.0 else {
            return Err(Refusal::Truncated);
        };
        if tag & 0x1F == 0x1F {
            return Err(Refusal::Malformed("a tag of several octets"));
        }
        let (length, rest) = match short {
            0..=0x7F => (usize::from(short), rest),
            0x81..=0x84 => {
                let (octets, rest) = rest
                    .split_at_checked(usize::from(short & 0x7F))
                    .ok_or(Refusal::Truncated)?;
                let length = octets
                    .iter()
                    .fold(0, |sum: u64, octet| sum << 8 | u64::from(*octet));
                if octets.first() == Some(&0) || length < 0x80 {
                    return Err(Refusal::Malformed(
                        "a length that is not in its shortest form",
                    ));
                }
                (
                    usize::try_from(length).map_err(|_| Refusal::Truncated)?,
                    rest,
                )
            }
            _ => return Err(Refusal::Malformed("a length of no definite form")),
        };
        let (content, after) = rest.split_at_checked(length).ok_or(Refusal::Truncated)?;
        let used = self.0.len() - after.len();
        let whole = self.0.get(..used).ok_or(Refusal::Truncated)?;
        self.0 = after;
        Ok(Element {
            tag,
            content,
            whole,
        })
    }

    /// The next element, which must have this tag.
    pub(crate) fn take(&mut self, tag: u8, rule: &'static str) -> Result<Element<'a>, Refusal> {
        let element = self.next()?;
        if element.tag == tag {
            Ok(element)
        } else {
            Err(Refusal::Malformed(rule))
        }
    }

    /// The next element if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Refusal> {
        if self.at(tag) {
            self.next().map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn sequence(&mut self) -> Result<Reader<'a>, Refusal> {
        Ok(self.take(SEQUENCE, "a SEQUENCE was expected")?.inside())
    }

    pub(crate) fn set(&mut self) -> Result<Reader<'a>, Refusal> {
        Ok(self.take(SET, "a SET was expected")?.inside())
    }

    pub(crate) fn oid(&mut self) -> Result<&'a [u8], Refusal> {
        Ok(self.take(OID, "an object identifier was expected")?.content)
    }

    pub(crate) fn octets(&mut self) -> Result<&'a [u8], Refusal> {
        Ok(self
            .take(OCTET_STRING, "an OCTET STRING was expected")?
            .content)
    }

    /// A BIT STRING of whole octets.
    pub(crate) fn bits(&mut self) -> Result<&'a [u8], Refusal> {
        match self.take(BIT_STRING, "a BIT STRING was expected")?.content {
            [0, octets @ ..] => Ok(octets),
            _ => Err(Refusal::Malformed("a BIT STRING of broken octets")),
        }
    }

    /// The octets of an INTEGER, in their shortest form.
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], Refusal> {
        let octets = self.take(INTEGER, "an INTEGER was expected")?.content;
        match octets {
            [] | [0, 0..=0x7F, ..] | [0xFF, 0x80..=0xFF, ..] => Err(Refusal::Malformed(
                "an INTEGER that is not in its shortest form",
            )),
            octets => Ok(octets),
        }
    }

    /// An INTEGER of one octet.
    pub(crate) fn small(&mut self) -> Result<u8, Refusal> {
        match self.integer()? {
            [octet @ 0..=0x7F] => Ok(*octet),
            _ => Err(Refusal::Unsupported("a version that is not known")),
        }
    }

    /// Parameters that are absent or NULL.
    pub(crate) fn no_parameters(&mut self) -> Result<(), Refusal> {
        if let Some(null) = self.optional(NULL)?
            && !null.content.is_empty()
        {
            return Err(Refusal::Malformed("a NULL with content"));
        }
        self.end()
    }
}

/// An element of these parts.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    let length = (content.len() as u64).to_be_bytes();
    let idle = length.iter().take_while(|octet| **octet == 0).count();
    let octets = length.get(idle..).unwrap_or_default();
    match content.len() {
        0..=0x7F => out.push(length[7]),
        _ => {
            out.push(0x80 | (8 - idle).to_be_bytes()[7]);
            out.extend(octets);
        }
    }
    out.extend(content);
    out
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, parts)
}

pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    element(OID, &[content])
}

/// An INTEGER without sign, of octets with the highest first.
pub(crate) fn unsigned(octets: &[u8]) -> Vec<u8> {
    let idle = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = octets.get(idle..).unwrap_or_default();
    match octets.first() {
        None => element(INTEGER, &[&[0]]),
        Some(0x80..) => element(INTEGER, &[&[0], octets]),
        Some(_) => element(INTEGER, &[octets]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_there_and_back() {
        for size in [0, 127, 128, 255, 256, 70_000] {
            let octets = vec![7; size];
            let made = element(OCTET_STRING, &[&octets]);
            let mut reader = Reader::new(&made);
            assert_eq!(reader.octets().unwrap(), octets);
            assert!(reader.end().is_ok());
        }
        assert_eq!(unsigned(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0]), [2, 1, 0]);
    }

    #[test]
    fn other_forms_are_refused() {
        for octets in [&[4, 0x81, 1, 0][..], &[4, 0x80, 0, 0], &[0x1F, 1, 1]] {
            assert!(matches!(
                Reader::new(octets).next(),
                Err(Refusal::Malformed(_))
            ));
        }
        assert_eq!(
            Reader::new(&[4, 3, 1]).next().map(|_| ()),
            Err(Refusal::Truncated)
        );
        assert!(Reader::new(&[2, 2, 0, 1]).integer().is_err());
    }
}
