//! Application titles: object identifiers, absolute or relative to
//! `2.16.124.113620.1.22.0` (C12.22, clause 5.2.4.3).

use std::fmt;
use std::str::FromStr;

/// An application title.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApTitle {
    relative: bool,
    octets: Vec<u8>,
}

const ABSOLUTE: u8 = 0x06;
const RELATIVE: u8 = 0x80;
/// 2.16.124.113620.1.22.0
const ROOT: [u8; 8] = [0x60, 0x7C, 0x86, 0xF7, 0x54, 0x01, 0x16, 0x00];
const MAX_OCTETS: usize = 64;

impl ApTitle {
    /// Reads the element that stands in a called or calling title.
    #[must_use]
    pub(super) fn from_element(tag: u8, octets: &[u8]) -> Option<Self> {
        let relative = match tag {
            ABSOLUTE => false,
            RELATIVE | 0x0D => true,
            _ => return None,
        };
        let title = Self {
            relative,
            octets: octets.to_vec(),
        };
        (octets.len() <= MAX_OCTETS && title.arcs().is_some()).then_some(title)
    }

    /// Reads a title with its tag and length, as the resolve service carries it; `None` when
    /// octets follow, or it is none.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Self> {
        match super::ber::element(octets) {
            Ok((tag, title, [])) => Self::from_element(tag, title),
            _ => None,
        }
    }

    /// The element of a called or calling title.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let tag = if self.relative { RELATIVE } else { ABSOLUTE };
        super::ber::put(tag, &self.octets, out);
    }

    /// The element with the root of relative titles in front, as checks cover it (C12.22, clause
    /// 5.3.4.13): with or without the root, a title is the same.
    pub(super) fn put_absolute(&self, out: &mut Vec<u8>) {
        let root: &[u8] = if self.relative { &ROOT } else { &[] };
        super::ber::put(ABSOLUTE, &[root, &self.octets].concat(), out);
    }

    /// Whether both are the same title, relative or not.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.absolute() == other.absolute()
    }

    /// The element of [`ApTitle::put_absolute`] alone.
    pub(super) fn absolute(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        self.put_absolute(&mut octets);
        octets
    }

    /// Whether it is relative.
    #[must_use]
    pub const fn is_relative(&self) -> bool {
        self.relative
    }

    /// The numbers; `None` when the last does not end or one is larger than 2^64.
    fn arcs(&self) -> Option<Vec<u64>> {
        if self.octets.is_empty() || self.octets.last()? & 0x80 != 0 {
            return None;
        }
        let mut arcs = Vec::new();
        let mut number = 0u64;
        for octet in &self.octets {
            number = number.checked_mul(128)? + u64::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                arcs.push(number);
                number = 0;
            }
        }
        if !self.relative {
            let first = arcs.remove(0);
            let root = (first / 40).min(2);
            arcs.splice(0..0, [root, first - 40 * root]);
        }
        Some(arcs)
    }
}

impl fmt::Display for ApTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arcs: Vec<String> = self
            .arcs()
            .unwrap_or_default()
            .iter()
            .map(u64::to_string)
            .collect();
        let dot = if self.relative { "." } else { "" };
        write!(f, "{dot}{}", arcs.join("."))
    }
}

impl fmt::Debug for ApTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no application title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an application title is an object identifier such as 2.16.124.113620.1.22.0.5, or a relative one such as .123.4"
)]
pub struct ParseTitleError;

impl FromStr for ApTitle {
    type Err = ParseTitleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let relative = text.starts_with('.');
        let digits = text.strip_prefix('.').unwrap_or(text);
        let arcs = digits.split('.').map(|arc| {
            let plain = !arc.is_empty() && arc.bytes().all(|digit| digit.is_ascii_digit());
            plain.then(|| arc.parse::<u64>().ok()).flatten()
        });
        let mut arcs: Vec<u64> = arcs.collect::<Option<_>>().ok_or(ParseTitleError)?;
        if !relative {
            let (&[root, second], _) = arcs.split_first_chunk::<2>().ok_or(ParseTitleError)?;
            if root > 2 || (root < 2 && second >= 40) {
                return Err(ParseTitleError);
            }
            let first = second.checked_add(40 * root).ok_or(ParseTitleError)?;
            arcs.splice(0..2, [first]);
        }
        let octets: Vec<u8> = arcs.iter().flat_map(|arc| base128(*arc)).collect();
        if octets.len() > MAX_OCTETS {
            return Err(ParseTitleError);
        }
        Ok(Self { relative, octets })
    }
}

/// Seven bits to an octet; all but the last have the highest bit set.
fn base128(number: u64) -> Vec<u8> {
    let groups = (0..10u32).rev().map(|group| number >> (7 * group) & 0x7F);
    let mut groups: Vec<u8> = groups
        .skip_while(|group| *group == 0)
        .map(|group| u8::try_from(group).unwrap_or_default() | 0x80)
        .collect();
    match groups.last_mut() {
        Some(last) => *last &= 0x7F,
        None => groups.push(0),
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_there_and_back() {
        // The first two stand in example 8 of C12.22, Annex G; the third is X.690's own.
        for (text, hex) in [
            (".123.8437", "80037bc175"),
            (".123.4", "80027b04"),
            ("2.100.3", "0603813403"),
            ("1.3.6.1.4.1.33507", "06082b06010401828563"),
            (".0", "800100"),
        ] {
            let title: ApTitle = text.parse().unwrap();
            let mut octets = Vec::new();
            title.put(&mut octets);
            assert_eq!(octets, crate::key::octets(hex).unwrap(), "{text}");
            let (tag, contents, _) = super::super::ber::element(&octets).unwrap();
            assert_eq!(
                ApTitle::from_element(tag, contents).unwrap().to_string(),
                text
            );
        }
        for text in ["", ".", "1", "3.1.2", "1.40", ".1..2", ".x", ".1."] {
            assert!(text.parse::<ApTitle>().is_err(), "{text}");
        }
        assert!(ApTitle::from_element(0x80, &[0x81]).is_none());
        assert!(ApTitle::from_element(0x80, &[]).is_none());
    }
}
