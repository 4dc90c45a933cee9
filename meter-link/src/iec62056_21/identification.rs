//! The identification line (clause 6.3.2): who answers, and how fast it can.

/// How a meter goes on after its identification (clause 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Data at 300 Bd, no change.
    A,
    /// Data at the speed of the identification, without an acknowledgement.
    B,
    /// Data at a speed that the reader acknowledges.
    C,
    /// Data pushed at 2400 Bd, without a request.
    D,
    /// As C, and other protocols at the reader's choice.
    E,
}

/// An identification line `/XXXZ\W...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// The maker's three letters as sent; a lower-case third letter means that the meter answers
    /// after 20 ms already.
    pub manufacturer: String,
    /// The speed it offers.
    pub baud_char: char,
    /// The character after a backslash: `2` offers mode E.
    pub escape: Option<char>,
    /// The rest: model and version in the maker's own form.
    pub text: String,
    /// What the above means. A line alone never tells mode D: see [`Identification::parse`].
    pub mode: Mode,
}

/// Longest identification read, in bytes after the speed. The standard allows 16.
const MAX_TEXT: usize = 40;

impl Identification {
    /// Reads a whole line with its line end; `None` when it is no identification.
    ///
    /// Mode D is told by what follows (speed `3` and no start of text), so that a line gives C.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        match Self::at_front(line) {
            Front::Line(identification, length) if length == line.len() => Some(identification),
            _ => None,
        }
    }

    /// The speed offered, in bits per second; `None` in mode A.
    #[must_use]
    pub const fn baud(&self) -> Option<u32> {
        baud(self.baud_char)
    }

    /// True when the meter answers after 20 ms instead of 200 ms (clause 6.3.2, item 13).
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.manufacturer
            .ends_with(|letter: char| letter.is_ascii_lowercase())
    }

    /// The line as the meter sends it.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let escape: String = self
            .escape
            .map(|code| format!("\\{code}"))
            .unwrap_or_default();
        let Self {
            manufacturer,
            baud_char,
            text,
            ..
        } = self;
        format!("/{manufacturer}{baud_char}{escape}{text}\r\n").into_bytes()
    }

    /// Looks for a line at the front of `bytes`.
    pub(super) fn at_front(bytes: &[u8]) -> Front {
        let letter = |at: usize| bytes.get(at).map(u8::is_ascii_alphabetic);
        let speed = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        let head = [
            bytes.first().map(|&byte| byte == b'/'),
            letter(1),
            letter(2),
            letter(3),
            bytes.get(4).map(speed),
        ];
        for holds in head {
            match holds {
                None => return Front::Incomplete,
                Some(false) => return Front::Other,
                Some(true) => {}
            }
        }
        let rest = bytes.get(5..).unwrap_or_default();
        // A device that puts STX into its name exists; brackets are data.
        let in_text = |byte: &u8| matches!(byte, 2 | b' '..=b'~') && !b"()!".contains(byte);
        let length = rest
            .iter()
            .take(MAX_TEXT + 1)
            .take_while(|byte| in_text(byte))
            .count();
        match rest.get(length..) {
            Some([] | [b'\r']) => return Front::Incomplete,
            Some([b'\r', b'\n', ..]) if length <= MAX_TEXT => {}
            _ => return Front::Other,
        }
        let text = |part: &[u8]| part.iter().copied().map(char::from).collect::<String>();
        let (escape, shown) = match rest.get(..length).unwrap_or_default() {
            [b'\\', code, shown @ ..] => (Some(char::from(*code)), shown),
            shown => (None, shown),
        };
        let baud_char = bytes.get(4).copied().map_or('0', char::from);
        let mode = match (baud_char, escape) {
            ('0'..='6', Some('2')) => Mode::E,
            ('0'..='6', _) => Mode::C,
            ('A'..='F', _) => Mode::B,
            _ => Mode::A,
        };
        let identification = Self {
            manufacturer: text(bytes.get(1..4).unwrap_or_default()),
            baud_char,
            escape,
            text: text(shown),
            mode,
        };
        Front::Line(identification, 5 + length + 2)
    }
}

/// What stands at the front of some bytes.
pub(super) enum Front {
    /// An identification and the length of its line.
    Line(Identification, usize),
    /// The head of what may become one.
    Incomplete,
    /// Something else.
    Other,
}

/// Speed of a digit (modes C to E) or letter (mode B), in bits per second.
pub(super) const fn baud(code: char) -> Option<u32> {
    Some(match code {
        '0' => 300,
        '1' | 'A' => 600,
        '2' | 'B' => 1200,
        '3' | 'C' => 2400,
        '4' | 'D' => 4800,
        '5' | 'E' => 9600,
        '6' | 'F' => 19200,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Identifications as printed in the manuals of these meters, and the standard's own rule.
    #[test]
    fn modes_and_speeds() {
        for (line, mode, baud, escape) in [
            ("/LGZ5\\2ZMD4104407.B31\r\n", Mode::E, Some(9600), Some('2')),
            ("/ISk5MT174-0001\r\n", Mode::C, Some(9600), None),
            ("/ACE0\\3k260V01.18\r\n", Mode::C, Some(300), Some('3')),
            ("/SIEC2WR5\r\n", Mode::B, Some(2400), None),
            ("/ABB@V9.00\r\n", Mode::A, None, None),
            ("/ABBXV9.00\r\n", Mode::A, None, None),
        ] {
            let Some(found) = Identification::parse(line.as_bytes()) else {
                assert!(line.contains('@'), "{line}");
                continue;
            };
            assert_eq!(
                (found.mode, found.baud(), found.escape),
                (mode, baud, escape),
                "{line}"
            );
            assert_eq!(found.to_line(), line.as_bytes());
        }
        assert!(Identification::parse(b"/?!\r\n").is_none());
        assert!(Identification::parse(b"/ISk5MT174").is_none());
        assert!(Identification::parse(b"/ISk5MT(174)\r\n").is_none());
    }
}
