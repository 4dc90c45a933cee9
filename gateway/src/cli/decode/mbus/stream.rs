//! Streams of bytes instead of lines: what receivers send over their serial port, and wired buses.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use meter_link::mbus::link;
use meter_link::wmbus::phy::{LinkMode, PhyError};
use meter_link::wmbus::receiver::{self, Damage, Found, Kind, RadioFrame};

use super::report::Reception;
use super::{EXIT_INPUT, LineDecoder, unreadable};

/// One way from a stream of bytes to printed objects.
pub(super) trait StreamDecoder: LineDecoder {
    /// Takes the next bytes.
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Takes what is still half there at the end.
    fn end(&mut self) -> io::Result<()>;
}

/// Reads a stream to its end.
pub(super) fn run(mut decoder: impl StreamDecoder, path: &Path) -> ExitCode {
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        match File::open(path) {
            Ok(file) => Box::new(file),
            Err(error) => return unreadable(&error, path),
        }
    };
    let mut chunk = vec![0; 16 * 1024];
    let printed = loop {
        let length = match source.read(&mut chunk) {
            Ok(0) => break decoder.end().and_then(|()| decoder.finish()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return unreadable(&error, path),
        };
        let bytes = chunk.get(..length).unwrap_or_default();
        if let Err(error) = decoder.bytes(bytes).and_then(|()| decoder.idle()) {
            break Err(error);
        }
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the lines has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wattle decode: cannot write: {error}");
            ExitCode::from(EXIT_INPUT)
        }
    }
}

/// Reads the name of a receiver, for the command line.
pub(super) fn kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        format!("there are {names}")
    })
}

/// Reads the name of a link mode, for the command line.
pub(super) fn link_mode(name: &str) -> Result<LinkMode, String> {
    LinkMode::from_name(name).ok_or_else(|| {
        let names = LinkMode::ALL.map(LinkMode::name).join(", ");
        format!("there are {names}")
    })
}

/// What a receiver tells beside a frame.
pub(super) fn reception(frame: &RadioFrame) -> Reception {
    Reception {
        link_mode: frame.link_mode.map(|mode| Cow::Borrowed(mode.name())),
        rssi_dbm: frame.rssi_dbm,
        rssi_raw: frame.rssi_raw.map(|raw| raw.to_string()),
        received_at: frame
            .stamp
            .as_ref()
            .map(|stamp| stamp.replacen(' ', "T", 1)),
        ..Reception::default()
    }
}

/// The name of what is wrong with a stretch; `None` for what is no frame at all.
pub(super) const fn status(damage: &Damage) -> Option<&'static str> {
    match damage {
        Damage::Checksum | Damage::FlaggedWrong => Some("checksum"),
        Damage::Truncated { .. } | Damage::OddDigits => Some("truncated"),
        _ => None,
    }
}

/// The name of what is wrong with chips.
pub(super) const fn chip_status(error: &PhyError) -> &'static str {
    match error {
        PhyError::Truncated { .. } | PhyError::NoSync { .. } => "truncated",
        _ => "checksum",
    }
}

/// Everything that a receiver's splitter gives for the next bytes.
pub(super) fn pull(splitter: &mut receiver::Splitter, bytes: &[u8]) -> Vec<receiver::Event> {
    let mut input = bytes;
    std::iter::from_fn(|| splitter.pull(&mut input)).collect()
}

/// Everything that a bus's splitter gives for the next bytes.
pub(super) fn pull_wired(splitter: &mut link::Splitter, bytes: &[u8]) -> Vec<link::Event> {
    let mut input = bytes;
    std::iter::from_fn(|| splitter.pull(&mut input)).collect()
}

/// The radio frame of an event, or what is wrong with it; `None` for what is neither.
pub(super) fn radio(found: Result<Found, Damage>) -> Option<Result<RadioFrame, Damage>> {
    match found {
        Ok(Found::Frame(frame)) => Some(Ok(frame)),
        Ok(Found::Answer(_)) => None,
        Err(damage) => Some(Err(damage)),
    }
}
