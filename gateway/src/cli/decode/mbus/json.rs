//! Writes JSON members straight into a buffer: the fast way of a fixed form.

use std::fmt::{self, Write as _};

/// A buffer that JSON is written into.
#[derive(Default)]
pub(super) struct Json {
    text: String,
}

impl Json {
    /// What was written, until [`Self::clear`].
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The buffer, for what is no JSON.
    pub(super) fn text(&mut self) -> &mut String {
        &mut self.text
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    /// Begins an object.
    pub(super) fn open(&mut self) {
        self.text.push('{');
    }

    /// Ends an object.
    pub(super) fn close(&mut self) {
        self.text.push('}');
    }

    /// A member's name, behind a comma unless it is the first.
    pub(super) fn name(&mut self, name: &str) {
        self.comma();
        self.string(name);
        self.text.push(':');
    }

    /// A comma, unless an object or a list has just begun.
    pub(super) fn comma(&mut self) {
        if !self.text.ends_with(['{', '[']) {
            self.text.push(',');
        }
    }

    /// A raw token: a number, `true`, `[` …
    pub(super) fn raw(&mut self, token: &str) {
        self.text.push_str(token);
    }

    /// Anything that is a number or a bare word when displayed.
    pub(super) fn bare(&mut self, value: impl fmt::Display) {
        let _ = write!(self.text, "{value}");
    }

    /// Displayed text without a character that needs escaping, in quotes.
    pub(super) fn quoted(&mut self, value: impl fmt::Display) {
        let _ = write!(self.text, "\"{value}\"");
    }

    /// Octets as hex in quotes.
    pub(super) fn hex(&mut self, octets: &[u8], digits: &[u8; 16]) {
        self.text.push('"');
        self.text.reserve(2 * octets.len() + 1);
        for octet in octets {
            for nibble in [octet >> 4, octet & 0x0F] {
                let digit = digits.get(usize::from(nibble)).copied().unwrap_or(b'?');
                self.text.push(char::from(digit));
            }
        }
        self.text.push('"');
    }

    /// A text, escaped, in quotes.
    pub(super) fn string(&mut self, text: &str) {
        self.text.push('"');
        // Nearly all texts are plain, and whole ones are copied faster than characters.
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            self.text.push_str(text);
            self.text.push('"');
            return;
        }
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                // Line separators of Unicode break readers of lines.
                '\u{00}'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(character));
                }
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }

    /// A text or null.
    pub(super) fn string_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.raw("null"),
        }
    }

    /// A number or null.
    pub(super) fn bare_or_null(&mut self, value: Option<impl fmt::Display>) {
        match value {
            Some(value) => self.bare(value),
            None => self.raw("null"),
        }
    }
}

/// Upper-case hex digits.
pub(super) const UPPER: &[u8; 16] = b"0123456789ABCDEF";
/// Lower-case hex digits.
pub(super) const LOWER: &[u8; 16] = b"0123456789abcdef";
