//! Series of power in CSV files, plain or gzip.

use crate::hex;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::Context;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Lines longer than this are cut: nothing that is read lies so far out.
const LONGEST_LINE: u64 = 64 * 1024;
/// Powers beyond this are no powers. W.
const LARGEST_W: f64 = 1e9;

/// A CSV file with a header, read line by line.
pub(super) struct Series {
    lines: Box<dyn BufRead>,
    head: Vec<String>,
    line: Vec<u8>,
    cells: Vec<(usize, usize)>,
}

impl Series {
    /// Opens a file; `-` is standard input, `.gz` is told by the name.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let plain: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
        };
        let lines: Box<dyn BufRead> = if is_gzip(path) {
            Box::new(BufReader::with_capacity(
                64 * 1024,
                MultiGzDecoder::new(plain),
            ))
        } else {
            Box::new(BufReader::with_capacity(64 * 1024, plain))
        };
        let mut series = Self {
            lines,
            head: Vec::new(),
            line: Vec::new(),
            cells: Vec::new(),
        };
        series
            .read_line()
            .with_context(|| format!("cannot read {}", path.display()))?;
        series.head = (0..series.cells.len())
            .map(|i| {
                series
                    .cell(Some(i))
                    .trim_start_matches('\u{feff}')
                    .to_owned()
            })
            .collect();
        Ok(series)
    }

    /// Names of the columns.
    pub(super) fn head(&self) -> &[String] {
        &self.head
    }

    /// Where a column stands.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.head.iter().position(|head| head == name)
    }

    /// Goes to the next line; `false` at the end.
    pub(super) fn next(&mut self) -> io::Result<bool> {
        loop {
            if !self.read_line()? {
                return Ok(false);
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                return Ok(true);
            }
        }
    }

    /// A cell of the line, without white space; empty where there is none.
    pub(super) fn cell(&self, column: Option<usize>) -> &str {
        column
            .and_then(|column| self.cells.get(column))
            .and_then(|&(from, to)| self.line.get(from..to))
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .map_or("", str::trim)
    }

    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.cells.clear();
        let read = (&mut self.lines)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(false);
        }
        if self.line.last() != Some(&b'\n') {
            // The rest of a line that is too long.
            loop {
                let buffer = self.lines.fill_buf()?;
                if buffer.is_empty() {
                    break;
                }
                let end = buffer.iter().position(|&byte| byte == b'\n');
                let used = end.map_or(buffer.len(), |end| end + 1);
                self.lines.consume(used);
                if end.is_some() {
                    break;
                }
            }
        }
        while self
            .line
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            self.line.pop();
        }
        let mut from = 0;
        for (at, byte) in self.line.iter().enumerate() {
            if *byte == b',' {
                self.cells.push((from, at));
                from = at + 1;
            }
        }
        self.cells.push((from, self.line.len()));
        Ok(true)
    }
}

/// A time in unix seconds; fractions are cut off.
pub(super) fn seconds(text: &str) -> Option<i64> {
    if let Ok(ts) = text.parse::<i64>() {
        return (ts.abs() < 1 << 42).then_some(ts);
    }
    let ts: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to fit")]
    (ts.abs() < 4e12).then_some(ts.floor() as i64)
}

/// A power in milliwatts: exact up to three decimals, rounded beyond.
pub(super) fn milliwatts(text: &str) -> Option<i64> {
    exact(text).or_else(|| {
        let watts: f64 = text.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "checked to fit")]
        (watts.is_finite() && watts.abs() < LARGEST_W).then_some((watts * 1000.0).round() as i64)
    })
}

fn exact(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || whole.len() > 9 || decimals.len() > 3 {
        return None;
    }
    let mut value: i64 = 0;
    for byte in whole
        .bytes()
        .chain(decimals.bytes().chain(std::iter::repeat(b'0')).take(3))
    {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(if negative { -value } else { value })
}

/// Milliwatts as watts with as many decimals as are needed.
pub(super) fn write_watts(out: &mut Vec<u8>, milliwatts: i64) {
    let size = milliwatts.unsigned_abs();
    if milliwatts < 0 {
        out.push(b'-');
    }
    // Writing to memory does not fail.
    let _ = write!(out, "{}", size / 1000);
    let mut decimals = size % 1000;
    if decimals > 0 {
        let mut width = 3;
        while decimals.is_multiple_of(10) {
            decimals /= 10;
            width -= 1;
        }
        let _ = write!(out, ".{decimals:0width$}");
    }
}

/// Where rows are written to; `-` is standard output, `.gz` is told by the name.
pub(super) enum Sink {
    Plain(BufWriter<Box<dyn Write>>),
    Gzip(GzEncoder<BufWriter<Box<dyn Write>>>),
}

impl Sink {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let plain: Box<dyn Write> = if path == Path::new("-") {
            Box::new(io::stdout().lock())
        } else {
            Box::new(
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
            )
        };
        let plain = BufWriter::with_capacity(64 * 1024, plain);
        Ok(if is_gzip(path) {
            Self::Gzip(GzEncoder::new(plain, Compression::fast()))
        } else {
            Self::Plain(plain)
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(bytes),
            Self::Gzip(out) => out.write_all(bytes),
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut out) => out.flush(),
            Self::Gzip(out) => out.finish()?.flush(),
        }
    }
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// SHA-256 of a file's bytes, in hexadecimal.
pub(super) fn sha256_of(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => hash.update(chunk.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    Ok(hex::encode(&hash.finalize()))
}

/// SHA-256 of bytes, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_read_exactly() {
        for (text, expected) in [
            ("0", Some(0)),
            ("55", Some(55_000)),
            ("-12.5", Some(-12_500)),
            ("0.001", Some(1)),
            ("1e3", Some(1_000_000)),
            ("12.3456", Some(12_346)),
            ("", None),
            ("-", None),
            (".", None),
            ("nan", None),
            ("inf", None),
            ("1e300", None),
            ("12 W", None),
        ] {
            assert_eq!(milliwatts(text), expected, "{text}");
        }
    }

    #[test]
    fn powers_are_written_as_they_are() {
        for (milliwatts, expected) in [
            (0, "0"),
            (55_000, "55"),
            (-12_500, "-12.5"),
            (1, "0.001"),
            (120, "0.12"),
        ] {
            let mut out = Vec::new();
            write_watts(&mut out, milliwatts);
            assert_eq!(out, expected.as_bytes());
        }
    }
}
