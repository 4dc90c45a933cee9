//! Lines that hold a telegram: hex, logs of wmbusmeters, rtl_wmbus and rtl_433.

/// What a line holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing, or a comment.
    Blank,
    /// No hex at all.
    NotHex,
    /// A receiver's word that the CRC was wrong.
    BadCrc,
    /// The bytes are in the buffer.
    Telegram(About),
}

/// What a line tells beside its bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// `T1`, `C1`, `S1`.
    pub(super) link_mode: Option<String>,
    /// The receiver's own relative figure.
    pub(super) rssi_raw: Option<String>,
    /// When it was received, in ISO 8601 as given.
    pub(super) received_at: Option<String>,
}

const NONE: u8 = 0xFF;
const BLANK: u8 = 0xFE;
/// A hex digit's value, `BLANK` for what may stand between digits, `NONE` for the rest.
static DIGITS: [u8; 256] = digits();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated at compile time, where an index out of range is a compile error"
)]
const fn digits() -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    let between = b" \t\r\n_|:";
    let mut index = 0;
    while index < between.len() {
        table[between[index] as usize] = BLANK;
        index += 1;
    }
    table
}

/// Reads a line; the telegram's bytes are put into `bytes`.
pub(super) fn read(line: &[u8], bytes: &mut Vec<u8>) -> Line {
    bytes.clear();
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Line::Blank;
    }
    if let Some(rest) = line.strip_prefix(b"telegram=") {
        // Behind the hex of a simulation stands when it is to be played.
        let end = rest.windows(2).position(|pair| pair == b"|+");
        return plain(end.and_then(|end| rest.get(..end)).unwrap_or(rest), bytes);
    }
    if line.contains(&b';') {
        return rtl_wmbus(line, bytes);
    }
    if line.starts_with(b"{") {
        return rtl_433(line, bytes);
    }
    plain(line, bytes)
}

fn plain(hex: &[u8], bytes: &mut Vec<u8>) -> Line {
    let rest = hex.trim_ascii();
    let rest = rest
        .strip_prefix(b"0x")
        .or_else(|| rest.strip_prefix(b"0X"))
        .unwrap_or(rest);
    if decode(rest, bytes) && !bytes.is_empty() {
        Line::Telegram(About::default())
    } else {
        Line::NotHex
    }
}

/// Hex digits as bytes, an odd last one dropped; false when there is anything else.
fn decode(hex: &[u8], bytes: &mut Vec<u8>) -> bool {
    bytes.reserve(hex.len() / 2);
    let value = |digit: u8| DIGITS.get(usize::from(digit)).copied().unwrap_or(NONE);
    let (pairs, rest) = hex.as_chunks::<2>();
    for (index, &[high, low]) in pairs.iter().enumerate() {
        let (high, low) = (value(high), value(low));
        if (high | low) >= BLANK {
            // Something stands between the digits: one by one from here.
            let rest = hex.get(2 * index..).unwrap_or_default();
            return decode_spaced(rest, bytes);
        }
        bytes.push(high << 4 | low);
    }
    rest.iter().all(|&digit| value(digit) != NONE)
}

fn decode_spaced(hex: &[u8], bytes: &mut Vec<u8>) -> bool {
    let mut high = None;
    for &digit in hex {
        match DIGITS.get(usize::from(digit)).copied().unwrap_or(NONE) {
            NONE => return false,
            BLANK => {}
            value => match high.take() {
                None => high = Some(value),
                Some(high) => bytes.push(high << 4 | value),
            },
        }
    }
    true
}

/// `[algorithm;]MODE;CRC_OK;3OF6_OK;TIMESTAMP;PACKET_RSSI;CURRENT_RSSI;IDENT;0xHEX`.
fn rtl_wmbus(line: &[u8], bytes: &mut Vec<u8>) -> Line {
    let Ok(text) = std::str::from_utf8(line) else {
        return Line::NotHex;
    };
    let mut parts: Vec<&str> = text.split(';').collect();
    let is_mode = |part: &&str| matches!(*part, "T1" | "C1" | "S1");
    if !parts.first().is_some_and(is_mode) && parts.get(1).is_some_and(is_mode) {
        parts.remove(0);
    }
    let [mode, crc, _, time, rssi, _, _, hex, ..] = parts.as_slice() else {
        return Line::NotHex;
    };
    if !is_mode(mode) {
        return Line::NotHex;
    }
    if *crc == "0" {
        return Line::BadCrc;
    }
    match plain(hex.as_bytes(), bytes) {
        Line::Telegram(_) => Line::Telegram(About {
            link_mode: Some((*mode).to_owned()),
            rssi_raw: Some(rssi.trim().to_owned()).filter(|rssi| !rssi.is_empty()),
            received_at: iso_8601(time),
        }),
        other => other,
    }
}

fn rtl_433(line: &[u8], bytes: &mut Vec<u8>) -> Line {
    let Ok(object) = serde_json::from_slice::<serde_json::Value>(line) else {
        return Line::NotHex;
    };
    let text = |name: &str| object.get(name).and_then(serde_json::Value::as_str);
    let Some(hex) = text("data") else {
        return Line::NotHex;
    };
    match plain(hex.as_bytes(), bytes) {
        Line::Telegram(_) => Line::Telegram(About {
            link_mode: text("mode").map(str::to_owned),
            rssi_raw: None,
            received_at: text("time").and_then(iso_8601),
        }),
        other => other,
    }
}

/// `2026-11-22 18:19:19.690631` with a T in its middle; a Z at its end is kept.
fn iso_8601(text: &str) -> Option<String> {
    let text = text.trim();
    let (date, time) = text.split_once([' ', 'T'])?;
    let valid: Result<jiff::civil::DateTime, _> =
        format!("{date}T{}", time.trim_end_matches('Z')).parse();
    valid.ok().map(|_| format!("{date}T{time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(line: &str) -> Result<Vec<u8>, Line> {
        let mut bytes = Vec::new();
        match read(line.as_bytes(), &mut bytes) {
            Line::Telegram(_) => Ok(bytes),
            other => Err(other),
        }
    }

    #[test]
    fn forms() {
        let want = vec![0x2E, 0x44, 0x93, 0x15];
        for line in [
            "2E449315",
            "2e449315",
            "  2E 44_93|15 ",
            "0x2E449315",
            "2E449315A",
            "telegram=2E449315",
            "telegram=|2E44_9315|+12",
            "T1;1;1;2026-11-22 18:19:19.690;97;148;12345678;0x2e449315",
            "t2a;C1;1;1;2026-11-22 18:19:19.000;97;148;12345678;0x2e449315",
            r#"{"model":"Wireless-MBus","mode":"T","data":"2e449315"}"#,
        ] {
            assert_eq!(bytes(line).as_ref(), Ok(&want), "{line}");
        }
        assert_eq!(bytes("# 2E"), Err(Line::Blank));
        assert_eq!(
            bytes("exiting since incoming data stopped"),
            Err(Line::NotHex)
        );
        assert_eq!(bytes("T1;0;1;x;1;1;1;0x2e"), Err(Line::BadCrc));
    }
}
