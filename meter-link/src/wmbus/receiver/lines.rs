//! Lines of text with a telegram in hex: `rtl_wmbus`, `rtl_433 -F json`, and what gateways send
//! over TCP, UDP or MQTT.

use super::look::Look;
use super::{Damage, Found, RadioFrame};
use crate::key::octets;
use crate::wmbus::frame::Crcs;
use crate::wmbus::phy::LinkMode;

/// What a line of text holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A frame.
    Frame(RadioFrame),
    /// Nothing: it is empty or a comment.
    Blank,
}

/// Why a line holds no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// There is no hex in it.
    #[error("the line holds no telegram in hex")]
    NotHex,
    /// The receiver says that the frame's CRC was wrong.
    #[error("the receiver says that the frame's CRC is wrong")]
    FlaggedWrong,
}

/// Reads a line. Accepted are bare hex (blanks, `_`, `|`, `:` and a leading `0x` are ignored),
/// `telegram=HEX` with anything behind a `|`, a line of `rtl_wmbus`, and a JSON object with a
/// member `data`, `telegram` or `rawdata` in hex, as `rtl_433` and gateways write. An odd last
/// digit is dropped.
///
/// # Errors
/// [`LineError`].
pub fn line(text: &str) -> Result<Line, LineError> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(Line::Blank);
    }
    if text.starts_with('{') {
        return json(text).map(Line::Frame);
    }
    if let Some(found) = rtl_wmbus(text) {
        return found.map(Line::Frame);
    }
    let digits = match text.strip_prefix("telegram=") {
        // Seconds since the start of a simulation, mostly.
        Some(rest) => rest.split("|+").next().unwrap_or_default(),
        None => text,
    };
    hex(digits)
        .map(frame)
        .map(Line::Frame)
        .ok_or(LineError::NotHex)
}

fn frame(bytes: Vec<u8>) -> RadioFrame {
    RadioFrame {
        bytes,
        crcs: Crcs::Auto,
        rssi_dbm: None,
        rssi_raw: None,
        link_mode: None,
        stamp: None,
    }
}

/// Hex digits among separators as bytes; `None` when there is anything else or nothing.
fn hex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    let mut digits: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '|' | ':'))
        .collect();
    if digits.len() % 2 == 1 {
        digits.pop();
    }
    if digits.is_empty() {
        return None;
    }
    octets(&digits)
}

/// `[algorithm;]MODE;CRC_OK;3OF6_OK;TIMESTAMP;PKT_RSSI;CUR_RSSI;IDENT;0xHEX`. Other text may stand
/// in front, since standard error is often mixed in. `None` when it is no such line.
fn rtl_wmbus(text: &str) -> Option<Result<RadioFrame, LineError>> {
    let start = ["T1;", "C1;", "S1;", "T2;", "C2;"]
        .into_iter()
        .filter_map(|mode| text.find(mode))
        .min()?;
    let mut fields = text.get(start..)?.split(';');
    let mode = LinkMode::from_name(fields.next()?)?;
    let crc = fields.next()?;
    let _three_of_six = fields.next()?;
    let stamp = fields.next()?;
    let strength = fields.next()?;
    let (_now, _ident) = (fields.next()?, fields.next()?);
    // Old versions repeat the telegram without its CRCs in another field.
    let digits = fields.next()?;
    if crc != "1" {
        return Some(Err(LineError::FlaggedWrong));
    }
    let Some(bytes) = hex(digits) else {
        return Some(Err(LineError::NotHex));
    };
    Some(Ok(RadioFrame {
        crcs: Crcs::None,
        // A figure of its own, no dBm.
        rssi_raw: strength.parse().ok(),
        link_mode: Some(mode),
        stamp: (stamp.len() >= 19 && stamp.len() <= 40).then(|| stamp.to_owned()),
        ..frame(bytes)
    }))
}

fn json(text: &str) -> Result<RadioFrame, LineError> {
    let found = ["data", "telegram", "rawdata", "raw"]
        .into_iter()
        .find_map(|name| hex(member(text, name)?));
    let bytes = found.ok_or(LineError::NotHex)?;
    let rssi = member(text, "rssi_dbm").or_else(|| member(text, "rssi"));
    Ok(RadioFrame {
        rssi_dbm: rssi.and_then(whole_dbm),
        link_mode: member(text, "mode").and_then(mode_of),
        stamp: member(text, "time")
            .filter(|stamp| stamp.len() >= 19 && stamp.len() <= 40)
            .map(str::to_owned),
        ..frame(bytes)
    })
}

/// The mode as `rtl_433` names it, `T`, or in full.
fn mode_of(text: &str) -> Option<LinkMode> {
    match text {
        "T" => Some(LinkMode::T1),
        "C" => Some(LinkMode::C1),
        "S" => Some(LinkMode::S1),
        other => LinkMode::from_name(other),
    }
}

/// A strength in dBm, its decimals dropped; a positive figure is none.
fn whole_dbm(text: &str) -> Option<i16> {
    let whole = text.split('.').next()?.parse().ok()?;
    (-150..=20).contains(&whole).then_some(whole)
}

/// The plain text of a member of a flat JSON object: a string without escapes, or a number.
fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        let (_, behind) = rest.split_once('"')?;
        let (key, behind) = behind.split_once('"')?;
        rest = behind;
        let Some(value) = behind.trim_start().strip_prefix(':') else {
            continue;
        };
        if key != name {
            continue;
        }
        let value = value.trim_start();
        return match value.strip_prefix('"') {
            Some(string) => string.split('"').next(),
            None => value.split([',', '}', ' ']).next(),
        };
    }
}

/// A line of a stream.
pub(super) fn look(bytes: &[u8]) -> Look {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return match read(bytes) {
            // A datagram or message needs no line end.
            Look::Sound(_, found) => Look::Perhaps(bytes.len(), found),
            _ => Look::Short(Damage::Noise),
        };
    };
    match read(bytes.get(..end).unwrap_or_default()) {
        Look::Sound(_, found) => Look::Sound(end + 1, found),
        Look::Refused(_, damage) => Look::Refused(end + 1, damage),
        _ => Look::Idle(end + 1),
    }
}

fn read(bytes: &[u8]) -> Look {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Look::Refused(0, Damage::Noise);
    };
    match line(text) {
        Ok(Line::Frame(frame)) => Look::Sound(0, Found::Frame(frame)),
        Ok(Line::Blank) => Look::Idle(0),
        Err(LineError::FlaggedWrong) => Look::Refused(0, Damage::FlaggedWrong),
        Err(_) => Look::Refused(0, Damage::Noise),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "0A44931578563412330378";

    fn found(text: &str) -> RadioFrame {
        match line(text) {
            Ok(Line::Frame(frame)) => frame,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_form() {
        let bytes = octets(HEX).unwrap();
        for text in [
            HEX,
            "0a44 9315|7856_3412:3303 78",
            "0x0A44931578563412330378",
            "0A449315785634123303785",
            "telegram=|0A44931578563412330378|+12",
            r#"{"time":"2026-11-22 18:19:19","model":"Wireless-MBus","mode":"T","data" : "0a44931578563412330378"}"#,
            r#"{"telegram":"0a44931578563412330378","rssi":-71.5}"#,
            "T1;1;1;2026-11-22 18:19:19.000;102;90;12345678;0x0a44931578563412330378",
            "t2a;C1;1;1;2026-11-22 18:19:19.690631;102;90;12345678;0x0a44931578563412330378;0x0a44",
        ] {
            assert_eq!(found(text).bytes, bytes, "{text}");
        }
        assert_eq!(line("# note"), Ok(Line::Blank));
        assert_eq!(line(" "), Ok(Line::Blank));
        assert_eq!(line("hello"), Err(LineError::NotHex));
        assert_eq!(line(r#"{"data":5"#), Err(LineError::NotHex));
    }

    #[test]
    fn what_else_a_line_tells() {
        let frame = found("exiting T1;1;1;2026-11-22 18:19:19.690631;102;90;12345678;0x0a449315");
        assert_eq!((frame.rssi_dbm, frame.rssi_raw), (None, Some(102)));
        assert_eq!(frame.link_mode, Some(LinkMode::T1));
        assert_eq!(frame.stamp.as_deref(), Some("2026-11-22 18:19:19.690631"));
        assert_eq!(
            line("S1;0;1;2026-11-22 18:19:19;102;90;1;0x0a44"),
            Err(LineError::FlaggedWrong)
        );
        let json = found(r#"{"telegram":"0a44931578563412330378","rssi":-71.5,"mode":"C"}"#);
        assert_eq!(
            (json.rssi_dbm, json.link_mode),
            (Some(-71), Some(LinkMode::C1))
        );
    }

    proptest! {
        #[test]
        fn any_text(text in "\\PC{0,200}") {
            let _ = line(&text);
        }

        #[test]
        fn nearly_a_line(text in "[TCS1;0-9a-fx{\":, dat}]{0,120}") {
            let _ = line(&text);
        }
    }
}
