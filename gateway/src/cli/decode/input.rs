//! Recordings: raw bytes or hex text, from a file or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// What a recording is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum InputFormat {
    /// Hex text if there is nothing else in it, raw bytes otherwise.
    Auto,
    /// Bytes as the meter sent them.
    Raw,
    /// Hex digits.
    Hex,
}

/// Why a recording could not be decoded to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Input {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The lines cannot be written.
    #[error("cannot write: {0}")]
    Output(io::Error),
}

/// Text that has only hex digits for so long is taken for hex text.
const DECIDE_AFTER: usize = 256 * 1024;

/// Reads a recording to its end and hands its bytes on as they come.
pub(super) fn read(
    path: &Path,
    format: InputFormat,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Failure> {
    let failure = |source| Failure::Input {
        path: path.to_owned(),
        source,
    };
    let mut source = open(path)?;
    let mut hex = HexText::default();
    let mut mode = format;
    // What came while it was open whether this is hex text.
    let mut undecided = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let length = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failure(error)),
        };
        let bytes = chunk.get(..length).unwrap_or_default();
        match mode {
            InputFormat::Raw => take(bytes).map_err(Failure::Output)?,
            InputFormat::Hex => take(&hex.decode(bytes)).map_err(Failure::Output)?,
            InputFormat::Auto => {
                undecided.extend_from_slice(bytes);
                if !is_hex_text(&undecided) {
                    mode = InputFormat::Raw;
                    take(&std::mem::take(&mut undecided)).map_err(Failure::Output)?;
                } else if undecided.len() >= DECIDE_AFTER {
                    mode = InputFormat::Hex;
                    let text = std::mem::take(&mut undecided);
                    take(&hex.decode(&text)).map_err(Failure::Output)?;
                }
            }
        }
    }
    if !undecided.is_empty() {
        take(&hex.decode(&undecided)).map_err(Failure::Output)?;
    }
    hex.report();
    Ok(())
}

/// Opens a recording; '-' is standard input.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(source) => Err(Failure::Input {
            path: path.to_owned(),
            source,
        }),
    }
}

fn is_hex_text(bytes: &[u8]) -> bool {
    let mut comment = false;
    bytes.iter().all(|&byte| {
        comment = byte != b'\n' && (comment || byte == b'#');
        comment || byte == b':' || byte.is_ascii_hexdigit() || byte.is_ascii_whitespace()
    })
}

/// Hex text in pieces: digits pair up across white space, lines and pieces.
#[derive(Default)]
struct HexText {
    comment: bool,
    high: Option<u8>,
    strange: u64,
}

impl HexText {
    fn decode(&mut self, text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len() / 2);
        for &character in text {
            if self.comment {
                self.comment = character != b'\n';
                continue;
            }
            let digit = match character {
                b'0'..=b'9' => character - b'0',
                b'a'..=b'f' => character - b'a' + 10,
                b'A'..=b'F' => character - b'A' + 10,
                b'#' => {
                    self.comment = true;
                    continue;
                }
                other => {
                    self.strange += u64::from(other != b':' && !other.is_ascii_whitespace());
                    continue;
                }
            };
            match self.high.take() {
                None => self.high = Some(digit),
                Some(high) => bytes.push(high << 4 | digit),
            }
        }
        bytes
    }

    fn report(&self) {
        if self.strange > 0 {
            eprintln!(
                "{} characters of the input are no hex and were skipped",
                self.strange
            );
        }
        if self.high.is_some() {
            eprintln!("the hex digits of the input do not pair up; the last one was skipped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_text_pairs_up_across_pieces() {
        let mut hex = HexText::default();
        let mut bytes = hex.decode(b"1b:1B # start 77\n0");
        bytes.extend(hex.decode(b"1 0\n1"));
        assert_eq!(bytes, [0x1B, 0x1B, 1, 1]);
        assert!(is_hex_text(b"1b 1B:01 # any words at all\n"));
        assert!(!is_hex_text(b"/LGZ5\r\n") && !is_hex_text(&[0x1B]));
    }
}
