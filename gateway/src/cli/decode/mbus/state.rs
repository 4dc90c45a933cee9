//! `--state FILE`: learned formats of compact frames and message counters, kept between runs.

use crate::files;
use crate::hex;
use std::fs;
use std::io;
use std::path::Path;

use meter_link::mbus::DeviceAddress;
use meter_link::wmbus::{Decoder, ReplayGuard};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    #[serde(default)]
    formats: Vec<String>,
    #[serde(default)]
    counters: Vec<Counter>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    /// Address in the order of the link layer, in hex.
    meter: String,
    highest: u32,
}

/// Takes what an earlier run has kept; a file that is not there is an empty one.
pub(super) fn load(path: &Path, decoder: &mut Decoder) -> io::Result<()> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let state: State = serde_json::from_str(&text)?;
    for format in &state.formats {
        if let Some(octets) = hex::decode(format) {
            decoder.formats.learn(&octets);
        }
    }
    for counter in &state.counters {
        let meter = hex::decode(&counter.meter).and_then(|it| <[u8; 8]>::try_from(it).ok());
        if let (Some(meter), Some(replay)) = (meter, &mut decoder.replay) {
            replay.restore(DeviceAddress::from_link(meter), counter.highest);
        }
    }
    Ok(())
}

/// Keeps what was learned, by way of a second file so that a crash leaves one of them whole.
pub(super) fn save(path: &Path, decoder: &Decoder) -> io::Result<()> {
    let mut formats: Vec<String> = decoder.formats.iter().map(hex::encode).collect();
    formats.sort_unstable();
    let counters = decoder.replay.iter().flat_map(ReplayGuard::iter);
    let mut counters: Vec<Counter> = counters
        .map(|(meter, highest)| Counter {
            meter: hex::encode(&meter.to_link()),
            highest,
        })
        .collect();
    counters.sort_unstable_by(|a, b| a.meter.cmp(&b.meter));
    let text = serde_json::to_string_pretty(&State { formats, counters })?;
    files::replace(path, text.as_bytes(), files::For::All)
}
