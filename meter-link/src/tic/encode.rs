//! What a meter sends: groups with their checksum, in a frame.

use super::group::{Mode, checksum};

/// A frame to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    mode: Mode,
    groups: Vec<u8>,
}

impl Frame {
    /// A frame without groups.
    #[must_use]
    pub const fn new(mode: Mode) -> Self {
        Self {
            mode,
            groups: Vec::new(),
        }
    }

    /// Adds a group. The value of a historic one must hold no HT, and neither CR nor LF.
    pub fn group(&mut self, label: &str, value: &str) -> &mut Self {
        self.groups.extend(group(self.mode, &[label, value]));
        self
    }

    /// Adds a group of three fields with the time `at`, in standard mode.
    pub fn timed(&mut self, label: &str, at: &str, value: &str) -> &mut Self {
        self.groups.extend(group(self.mode, &[label, at, value]));
        self
    }

    /// STX, the groups, ETX.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x02];
        bytes.extend_from_slice(&self.groups);
        bytes.push(0x03);
        bytes
    }
}

/// One group from LF to CR.
#[must_use]
pub fn group(mode: Mode, fields: &[&str]) -> Vec<u8> {
    let separator = char::from(mode.separator());
    let body = fields.join(&String::from(separator));
    let with_separator = format!("{body}{separator}");
    let check = match mode {
        Mode::Historic => checksum(body.as_bytes()),
        Mode::Standard => checksum(with_separator.as_bytes()),
    };
    let check = char::from(check);
    format!("\n{with_separator}{check}\r").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checksums computed with Python, see `group`.
    #[test]
    fn frames() {
        let mut historic = Frame::new(Mode::Historic);
        historic.group("PAPP", "00750").group("IMAX", "090");
        assert_eq!(
            historic.to_bytes(),
            b"\x02\nPAPP 00750 -\r\nIMAX 090 H\r\x03"
        );
        let mut standard = Frame::new(Mode::Standard);
        standard.timed("SMAXSN", "E200607080910", "01234");
        let standard = standard.to_bytes();
        assert!(standard.starts_with(b"\x02\nSMAXSN\tE200607080910\t01234\t"));
    }
}
