//! Writes JSON members straight into a buffer: the fast way of a fixed form.

use std::fmt::{self, Write as _};

use rust_decimal::Decimal;

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
        if !matches!(self.text.as_bytes().last(), Some(b'{' | b'[')) {
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

    /// A number without zeros at the end of its decimals.
    pub(super) fn decimal(&mut self, number: Decimal) {
        let number = if number.mantissa().unsigned_abs() > u128::from(u64::MAX) {
            number.normalize()
        } else {
            number
        };
        let Ok(mut digits) = u64::try_from(number.mantissa().unsigned_abs()) else {
            return self.bare(number);
        };
        let mut decimals = number.scale();
        while decimals > 0 && digits % 10 == 0 {
            digits /= 10;
            decimals -= 1;
        }
        // A u64 has 20 digits, a Decimal 28 decimals; with the point and a sign 31 octets.
        let mut text = [0_u8; 32];
        let mut from = text.len();
        let mut put = |octet: u8| {
            from -= 1;
            if let Some(place) = text.get_mut(from) {
                *place = octet;
            }
        };
        let mut written = 0;
        while digits > 0 || written <= decimals {
            if written == decimals && decimals > 0 {
                put(b'.');
            }
            put(b'0' + u8::try_from(digits % 10).unwrap_or_default());
            digits /= 10;
            written += 1;
        }
        if number.mantissa() < 0 {
            put(b'-');
        }
        let text = text.get(from..).unwrap_or_default();
        self.text
            .push_str(std::str::from_utf8(text).unwrap_or_default());
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
        // Without a way out of the loop it is done for many bytes at once.
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
        if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_as_they_display() {
        let most = Decimal::MAX.to_string();
        for text in [
            "0",
            "0.000",
            "-0",
            "-0.00",
            "7",
            "10",
            "100.00",
            "-12.340",
            "0.05",
            "-0.5",
            "0.1234567",
            "1.0000000000000000000000000001",
            "0.0000000000000000000000000001",
            "18446744073709551615",
            "18446744073709551616",
            "-184467440737095516.150",
            "18446744073709551610.0",
            &most,
        ] {
            let number: Decimal = text.parse().unwrap();
            let mut json = Json::default();
            json.decimal(number);
            assert_eq!(json.as_str(), number.normalize().to_string(), "{text}");
        }
    }

    #[test]
    fn what_would_end_a_text_is_escaped() {
        let written = |text: &str| {
            let mut json = Json::default();
            json.string(text);
            json.as_str().to_owned()
        };
        for text in [
            "plain",
            "",
            "quote \" here",
            "back\\slash",
            "tab\tline\n",
            "\u{7f}é\u{2028}",
            "\u{1}",
        ] {
            let read: String = serde_json::from_str(&written(text)).unwrap();
            assert_eq!(read, text);
        }
        assert_eq!(written("a\u{2028}\""), r#""a\u2028\"""#);
    }
}
