//! Text with a frame on each line: hex digits with blanks or colons between octets.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::input::Failure;

/// Longer lines are no frames; what is beyond is not read.
const LONGEST_LINE: u64 = 1024 * 1024;

/// Hands on each line that has something on it, with its number from 1.
pub(super) fn each(
    path: &Path,
    source: impl Read,
    mut take: impl FnMut(u64, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = source
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line);
        let length = read.map_err(|source| Failure::Input {
            path: path.to_owned(),
            source,
        })?;
        if length == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if !text.is_empty() && !text.starts_with('#') {
            take(number, text)?;
        }
    }
    Ok(())
}

/// The octets of hex text; an error names the character that is none.
pub(super) fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for (index, character) in text.chars().enumerate() {
        let digit = character
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok());
        match (digit, high.take()) {
            (Some(digit), None) => high = Some(digit),
            (Some(digit), Some(high)) => octets.push(high << 4 | digit),
            (None, None) if character == ':' || character.is_whitespace() => {}
            (None, _) => return Err(format!("character {} is no pair of hex digits", index + 1)),
        }
    }
    match high {
        None => Ok(octets),
        Some(_) => Err("the last octet has only one hex digit".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_may_stand_apart() {
        assert_eq!(octets("fe:00 21 0120"), Ok(vec![0xFE, 0, 0x21, 1, 0x20]));
        assert!(octets("fe0").is_err() && octets("f e").is_err() && octets("xy").is_err());
    }
}
