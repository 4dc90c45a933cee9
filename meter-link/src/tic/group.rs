//! One group: a label, a time if it has one, a value, and the checksum over them.

const HT: u8 = b'\t';
const SP: u8 = b' ';

/// Longest group read, in bytes between LF and CR. `PJOURF+1`, the longest, has 111.
pub(super) const MAX_GROUP: usize = 256;

/// Characters of the longest label kept; the standard's have at most 9.
const MAX_LABEL: usize = 16;

/// How the meter sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// 1,200 baud, fields parted by a blank.
    Historic,
    /// 9,600 baud, fields parted by HT.
    Standard,
}

impl Mode {
    /// The byte between two fields.
    #[must_use]
    pub const fn separator(self) -> u8 {
        match self {
            Self::Historic => SP,
            Self::Standard => HT,
        }
    }

    /// Bits per second.
    #[must_use]
    pub const fn baud(self) -> u32 {
        match self {
            Self::Historic => 1_200,
            Self::Standard => 9_600,
        }
    }
}

/// The checksum of a group: the low six bits of the sum of `bytes`, moved to the printable
/// characters from 20 hex on.
///
/// `bytes` begins with the label. In standard mode the separator in front of the checksum is
/// part of it, in historic mode it is not.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u8 {
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    (sum & 0x3F) + 0x20
}

/// What stood in a group that is intact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The time field of a group of three, as sent: season letter, then `YYMMDDhhmmss`.
    pub at: Option<String>,
    /// The value as sent, blanks included. Of `DATE`, whose value is empty, the time field.
    pub value: String,
}

/// Why a group is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The checksum is wrong.
    #[error("checksum is {received:02X}, computed {computed:02X}")]
    Checksum {
        /// As sent.
        received: u8,
        /// Over the bytes as received.
        computed: u8,
    },
    /// It has not the form of a group: no separators where they belong, a character that is not
    /// sent, a label that cannot be one.
    #[error("not a label, a value and a checksum")]
    Form,
    /// Its separator is not that of the other groups of the frame.
    #[error("another separator than the frame's")]
    Separator,
}

/// One line of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The label as received; of a damaged group at most the first 16 characters.
    pub label: String,
    /// What it says, or why it is not believed.
    pub fields: Result<Fields, Damage>,
}

impl Group {
    /// The value, if the group is intact.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.fields.as_ref().ok().map(|fields| &*fields.value)
    }

    /// Reads what stands between LF and CR. The mode is told by the separator in front of the
    /// checksum, where there is one.
    ///
    /// Where a port was set to eight bits, the parity of each character is still in its highest;
    /// it must then be right in all of them.
    pub(super) fn parse(content: &[u8]) -> (Option<Mode>, Self) {
        if content.iter().any(|byte| *byte >= 0x80)
            && let Some(stripped) = content
                .iter()
                .copied()
                .map(without_parity)
                .collect::<Option<Vec<u8>>>()
        {
            return Self::parse(&stripped);
        }
        let mode = match content {
            [.., HT, _] => Some(Mode::Standard),
            [.., SP, _] => Some(Mode::Historic),
            _ => None,
        };
        let separator = |byte: &u8| *byte == HT || *byte == SP;
        let label = content.split(separator).next().unwrap_or_default();
        let fields = match mode {
            Some(mode) => fields(content, mode),
            None => Err(Damage::Form),
        };
        let group = Self {
            label: text(label.get(..MAX_LABEL).unwrap_or(label)),
            fields,
        };
        (mode, group)
    }
}

/// The seven bits of a character whose highest makes the number of ones even.
pub(super) const fn without_parity(byte: u8) -> Option<u8> {
    if byte.count_ones().is_multiple_of(2) {
        Some(byte & 0x7F)
    } else {
        None
    }
}

fn fields(content: &[u8], mode: Mode) -> Result<Fields, Damage> {
    let separator = mode.separator();
    let (Some((received, covered)), Some(body)) = (
        content.split_last(),
        content.get(..content.len().saturating_sub(2)),
    ) else {
        return Err(Damage::Form);
    };
    let is_sent = |byte: &u8| matches!(*byte, b' '..=b'~') || *byte == separator;
    if content.len() > MAX_GROUP || !content.iter().all(is_sent) {
        return Err(Damage::Form);
    }
    let computed = match mode {
        Mode::Historic => checksum(body),
        Mode::Standard => checksum(covered),
    };
    if computed != *received {
        return Err(Damage::Checksum {
            received: *received,
            computed,
        });
    }
    let (label, rest) = split_once(body, separator).ok_or(Damage::Form)?;
    if !is_label(label) {
        return Err(Damage::Form);
    }
    let (time, value) = match split_once(rest, HT) {
        None => (None, rest),
        Some((time, b"")) if label == b"DATE" => (None, time),
        Some((b"", value)) => (None, value),
        Some((time, value)) if is_time(time) => (Some(time), value),
        Some(_) => return Err(Damage::Form),
    };
    if value.contains(&HT) {
        return Err(Damage::Form);
    }
    Ok(Fields {
        at: time.map(text),
        value: text(value),
    })
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// Capital letters, digits, and the signs of `PJOURF+1` and `SMAXSN-1`.
fn is_label(bytes: &[u8]) -> bool {
    let legal =
        |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"+-".contains(byte);
    (2..=MAX_LABEL).contains(&bytes.len()) && bytes.iter().all(legal)
}

/// A season letter or a blank, and twelve digits.
fn is_time(bytes: &[u8]) -> bool {
    match bytes {
        [b'H' | b'h' | b'E' | b'e' | b' ', digits @ ..] => {
            digits.len() == 12 && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// Bytes as characters, one for one.
fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checksums computed with Python: `chr((sum(line.encode()) & 0x3F) + 0x20)`.
    #[test]
    fn published_groups() {
        for (line, mode, at, value) in [
            (&b"PAPP 00750 -"[..], Mode::Historic, None, "00750"),
            (b"PTEC TH.. $", Mode::Historic, None, "TH.."),
            (b"IMAX 090 H", Mode::Historic, None, "090"),
            (b"MOTDETAT 400000 F", Mode::Historic, None, "400000"),
            (b"HHPHC E 0", Mode::Historic, None, "E"),
            (b"VTIC\t02\tJ", Mode::Standard, None, "02"),
            (b"PREF\t09\tH", Mode::Standard, None, "09"),
            (
                b"DATE\tH101112010203\t\t-",
                Mode::Standard,
                None,
                "H101112010203",
            ),
            (
                b"SMAXSN\tE200607080910\t01234\t5",
                Mode::Standard,
                Some("E200607080910"),
                "01234",
            ),
        ] {
            let mut line = line.to_vec();
            let (told, group) = Group::parse(&line);
            let shown = String::from_utf8_lossy(&line).into_owned();
            assert_eq!(told, Some(mode), "{shown}");
            let fields = group
                .fields
                .unwrap_or_else(|damage| panic!("{shown}: {damage}"));
            assert_eq!((fields.at.as_deref(), &*fields.value), (at, value));
            *line.last_mut().unwrap() ^= 1;
            let damage = Group::parse(&line).1.fields;
            assert!(matches!(damage, Err(Damage::Checksum { .. })), "{shown}");
        }
    }

    #[test]
    fn a_blank_may_be_the_checksum_too() {
        // 41 + 42 + 20 + 5D hex is 100, whose low six bits are none.
        let (mode, group) = Group::parse(b"AB ]  ");
        assert_eq!((mode, group.value()), (Some(Mode::Historic), Some("]")));
    }

    #[test]
    fn what_is_no_group() {
        for line in [
            &b""[..],
            b"A",
            b"\t",
            b"EAST",
            b"EAST\t0001",
            b"\t\t)",
            b"East\t1\t$",
            b"PAPP 00750 \xAD",
        ] {
            let (_, group) = Group::parse(line);
            assert_eq!(group.value(), None, "{line:?}");
        }
        let (_, long) = Group::parse(&[b'A'; 400]);
        assert_eq!(long.label.len(), MAX_LABEL);
    }
}
