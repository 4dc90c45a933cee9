//! `wattle driver`: drivers of M-Bus meters.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use meter_link::mbus::{DeviceType, Field, Record, derived, headline};
use meter_link::profile::mbus::DriverSet;
use meter_link::wmbus::frame::{self, Crcs};
use meter_link::wmbus::{Decoder, Envelope, KeyRing, MeterKey};

use crate::hex;

/// Write and list drivers of gas, water, heat and electricity meters on M-Bus
#[derive(Debug, Args)]
pub struct DriverArgs {
    #[command(subcommand)]
    command: DriverCommand,
}

#[derive(Debug, Subcommand)]
enum DriverCommand {
    /// Print a driver file for the meter of a telegram, with a field for each of its records
    #[command(
        after_help = "Example:\n  wattle driver init 1844AE4C4455223368077A55000000041389E20100023B0000 > /etc/wattle/drivers/mine.toml"
    )]
    Init {
        /// The telegram in hex
        telegram: String,
        /// The meter's key in hex
        #[arg(long, value_name = "HEX", env = "WATTLE_KEY", hide_env_values = true)]
        key: Option<String>,
        /// The driver's name
        #[arg(long, default_value = "mine")]
        id: String,
    },
    /// Print the names of the drivers that come with the program
    List,
}

/// Runs `wattle driver`.
pub(super) fn run(args: &DriverArgs) -> ExitCode {
    match &args.command {
        DriverCommand::List => {
            let drivers = DriverSet::builtin();
            let mut names: Vec<&str> = drivers.names().collect();
            names.sort_unstable();
            super::print(format!("{}\n", names.join("\n")).as_bytes())
        }
        DriverCommand::Init { telegram, key, id } => match init(telegram, key.as_deref(), id) {
            Ok(text) => super::print(text.as_bytes()),
            Err(reason) => {
                eprintln!("wattle driver init: {reason}");
                ExitCode::FAILURE
            }
        },
    }
}

fn init(telegram: &str, key: Option<&str>, id: &str) -> Result<String, String> {
    let digits: String = telegram
        .chars()
        .filter(|it| !" _|:".contains(*it))
        .collect();
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let octet = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = pairs
        .iter()
        .map(octet)
        .collect::<Option<_>>()
        .ok_or("the telegram is no hex")?;
    let mut keys = KeyRing::default();
    if let Some(key) = key {
        keys.insert_for_all(MeterKey::from_hex(key).map_err(|error| error.to_string())?);
    }
    let stripped = frame::strip(&bytes, Crcs::Auto).map_err(|error| error.to_string())?;
    let (decoded, _) = Decoder::new(keys).decode_stripped(&stripped, &[]);
    let opened = decoded.outcome.map_err(|refusal| refusal.to_string())?;
    let envelope = decoded.envelope.ok_or("the telegram has no address")?;
    let records: Vec<Record<'_>> = opened.records().map_while(Result::ok).collect();
    // A key in a driver file would be one in every copy of it: no test is written then.
    let test = key.is_none().then_some(stripped.bytes.as_ref());
    Ok(driver_file(id, &envelope, &records, test))
}

fn driver_file(
    id: &str,
    envelope: &Envelope,
    records: &[Record<'_>],
    test: Option<&[u8]>,
) -> String {
    let meter = envelope.meter;
    let mut text = format!(
        "schema = 1\nid = \"{id}\"\ndetect = [\"{},{:02x},{:02x}\"]\n",
        meter.manufacturer, meter.version, meter.device_type.0
    );
    let index = headline(records, DeviceType(meter.device_type.0));
    let mut expected = String::new();
    for (place, record) in records.iter().enumerate() {
        let fields: Vec<Field> = derived(std::slice::from_ref(record));
        let Some(field) = fields.first() else {
            let _ = write!(
                text,
                "\n# {} is of the maker's own meaning.\n",
                hex::encode(record.header)
            );
            continue;
        };
        let _ = write!(text, "\n[[field]]\nname = \"{}\"\n", field.name);
        if index == Some(place) {
            text.push_str("role = \"index\"\n");
        }
        let _ = writeln!(
            text,
            "select = {{ key = \"{}\" }}",
            hex::encode(record.key()).to_uppercase()
        );
        if let Some(number) = field.value.number() {
            let _ = writeln!(expected, "{} = \"{}\"", field.name, number.normalize());
        }
    }
    if let Some(telegram) = test {
        let _ = write!(
            text,
            "\n[[test]]\ntelegram = \"{}\"\n\n[test.expect]\n{expected}",
            hex::encode(telegram).to_uppercase()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_a_driver_that_passes_its_test() {
        // A water meter made up for this test: 123.529 m³ and no flow.
        let telegram = "1844AE4C4455223368077A55000000041389E20100023B0000";
        let text = init(telegram, None, "mine").unwrap();
        let mut drivers = DriverSet::none();
        let driver = drivers.add(&text).unwrap();
        assert_eq!(driver.id(), "mine");
        assert!(text.contains("total_m3 = \"123.529\""), "{text}");
        assert!(init("zz", None, "mine").is_err());
    }
}
