//! `wattle read` and `wattle meter`: single readings and service work with a configured meter.

mod ansi;
mod dlms;
mod iec;
mod lent;
pub(super) mod radio;
mod rows;
mod telegram;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use meter_link::dlms::class::Named;
use meter_link::dlms::client::job::{RelayCommand, RelayReport};
use meter_link::model::{ObisCode, RegisterValue, Value};

use crate::config::{self, Config, MeterConfig, Protocol};

/// Read registers of a configured meter once
///
/// Prints one register a line: OBIS code, exact value, unit. A daemon that reads the meter lends its
/// line meanwhile.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  wattle read house                      what the configuration names
  wattle read house 1-0:1.8.0 0-0:96.1.0 these registers
  wattle read old R5:1.8.0               a data set in programming mode (IEC 62056-21)
  wattle read house --json | jq .value")]
pub struct ReadArgs {
    /// The meter's name in the configuration
    meter: String,
    /// Registers: OBIS codes, DLMS class/OBIS/attribute, IEC 62056-21 R1:ADDRESS(…) to R6; those of the
    /// configuration, or all of a readout, when left out
    registers: Vec<String>,
    /// The configuration
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Service work with meters: clock, relay and load profile; radio meters heard, taken on, their keys
///
/// A daemon that reads the meter lends its line for as long as the command runs, 15 minutes at the most.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  wattle meter clock house               how far is it off?
  wattle meter clock house --set         set it
  wattle meter relay house               is it on?
  wattle meter relay house off           switch it off, and read back
  wattle meter profile house > rows.csv  all rows of its load profile
  wattle meter object house 71/0-0:17.0.0  all attributes of an object
  wattle meter heard 5678                radio meters whose number ends so
  wattle meter adopt 12345678 gas        take one on")]
pub struct MeterArgs {
    #[command(subcommand)]
    command: MeterCommand,
    /// The configuration
    #[arg(long, short, global = true, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum MeterCommand {
    /// Say how far the meter's clock is off, and set it if asked to
    Clock {
        /// The meter's name in the configuration
        meter: String,
        /// Set it to the gateway's time
        #[arg(long)]
        set: bool,
    },
    /// Say whether the meter's relay is on, and switch it if asked to
    Relay {
        /// The meter's name in the configuration
        meter: String,
        /// What to do; nothing but a look when left out
        command: Option<Switch>,
    },
    /// Read all attributes of an object: special days, calendars, limiters, M-Bus channels and others
    Object {
        /// The meter's name in the configuration
        meter: String,
        /// Interface class and logical name, such as 71/0-0:17.0.0
        object: String,
    },
    #[command(flatten)]
    Radio(radio::RadioCommand),
    /// Print rows of the meter's load profile as CSV
    Profile {
        /// The meter's name in the configuration
        meter: String,
        /// Logical name of the profile; the configuration's, or 1-0:99.1.0, when left out
        #[arg(long)]
        profile: Option<ObisCode>,
        /// Rows after this time of the meter's own clock (2026-03-01T00:00), offset optional
        #[arg(long)]
        since: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    /// Disconnect
    Off,
    /// Reconnect
    On,
}

/// What can be done with a meter from the command line. A protocol implements what it can.
trait Service {
    /// Reads registers once; those of the configuration when none are given.
    fn read(&self, registers: &[String]) -> anyhow::Result<Vec<RegisterValue>>;

    /// Reads the clock, and sets it: a sentence on what came out.
    fn clock(&self, _set: bool) -> anyhow::Result<String> {
        anyhow::bail!("the clock of such a meter is not served")
    }

    /// Switches the relay, and reads it back.
    fn relay(&self, _command: RelayCommand) -> anyhow::Result<RelayReport> {
        anyhow::bail!("the relay of such a meter is not served")
    }

    /// Reads an object: the named values of its attributes.
    fn object(&self, _class: u16, _instance: ObisCode) -> anyhow::Result<Vec<Named>> {
        anyhow::bail!("such a meter has no objects")
    }

    /// Writes rows of a load profile as CSV.
    fn profile(
        &self,
        _profile: Option<ObisCode>,
        _since: Option<&str>,
        _out: &mut dyn std::io::Write,
    ) -> anyhow::Result<()> {
        anyhow::bail!("the load profile of such a meter is not served")
    }
}

/// A meter that can be served, and the line that is ours meanwhile.
struct Served {
    service: Box<dyn Service>,
    _line: lent::Lent,
}

impl std::ops::Deref for Served {
    type Target = dyn Service;

    fn deref(&self) -> &Self::Target {
        self.service.as_ref()
    }
}

/// The service of a meter's protocol, with the meter's line.
fn service(path: &Path, name: &str) -> anyhow::Result<Served> {
    let config: Config = config::load(path, std::env::vars())?;
    let meter = config.meters.iter().find(|meter| meter.name == name);
    let meter: MeterConfig = meter
        .with_context(|| format!("{} names no meter {name:?}", path.display()))?
        .clone();
    let state_dir = config.gateway.state_dir;
    let service: Box<dyn Service> = match meter.protocol {
        Protocol::Dlms => Box::new(dlms::Dlms::new(meter, state_dir)),
        Protocol::Iec62056_21 if !meter.push => Box::new(iec::Iec(meter)),
        Protocol::Iec62056_21
        | Protocol::Sml
        | Protocol::P1
        | Protocol::Tic
        | Protocol::DlmsPush => Box::new(telegram::Telegram(meter)),
        Protocol::C12_18 | Protocol::C12_21 | Protocol::C12_22 => {
            Box::new(ansi::Ansi::new(meter, state_dir))
        }
        other => anyhow::bail!("a meter with protocol {:?} is not read once", other.name()),
    };
    Ok(Served {
        service,
        _line: lent::borrow(&config.api.socket, name)?,
    })
}

/// Runs `wattle read`.
#[must_use]
pub fn read(args: &ReadArgs) -> ExitCode {
    let read = || {
        let values = service(&args.config, &args.meter)?.read(&args.registers)?;
        anyhow::ensure!(!values.is_empty(), "the meter gave no value");
        let lines: String = values.iter().map(|value| line(value, args.json)).collect();
        anyhow::Ok(lines)
    };
    match read() {
        Ok(lines) => super::print(lines.as_bytes()),
        Err(error) => super::ended(Err(explained(error))),
    }
}

/// Runs `wattle meter`.
#[must_use]
pub fn meter(args: &MeterArgs) -> ExitCode {
    super::ended(meter_command(args).map_err(explained))
}

/// Says who holds a port or a counter that is not to be had.
fn explained(error: anyhow::Error) -> anyhow::Error {
    let said = format!("{error:#}");
    match said.contains("busy") || said.contains("in use") {
        true => error.context(
            "another program holds what this needs, or a daemon that this user may not ask: run this as a \
             user who may open the daemon's socket, or stop the other one",
        ),
        false => error,
    }
}

fn meter_command(args: &MeterArgs) -> anyhow::Result<()> {
    match &args.command {
        MeterCommand::Clock { meter, set } => {
            println!("{}", service(&args.config, meter)?.clock(*set)?);
        }
        MeterCommand::Relay { meter, command } => {
            let command = match command {
                None => RelayCommand::Read,
                Some(Switch::Off) => RelayCommand::Disconnect,
                Some(Switch::On) => RelayCommand::Reconnect,
            };
            let report = service(&args.config, meter)?.relay(command)?;
            let state = match (report.connected, report.control_state) {
                (true, _) => "on",
                (false, 2) => "off, ready to be switched on by hand",
                (false, _) => "off",
            };
            println!("{meter}: the relay is {state}");
        }
        MeterCommand::Object { meter, object } => {
            let (class, instance) = object
                .split_once('/')
                .and_then(|(class, instance)| Some((class.parse().ok()?, instance.parse().ok()?)))
                .with_context(|| {
                    format!("{object:?} is not of the form CLASS/OBIS, such as 71/0-0:17.0.0")
                })?;
            let mut text = String::new();
            for Named { name, value } in service(&args.config, meter)?.object(class, instance)? {
                text.push_str(&format!("{name} = {value}\n"));
            }
            std::io::stdout().write_all(text.as_bytes())?;
        }
        MeterCommand::Radio(command) => radio::run(command, &args.config)?,
        MeterCommand::Profile {
            meter,
            profile,
            since,
        } => {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            service(&args.config, meter)?.profile(*profile, since.as_deref(), &mut out)?;
        }
    }
    Ok(())
}

fn line(value: &RegisterValue, json: bool) -> String {
    let unit = value.unit.map(|unit| unit.to_string());
    if json {
        let mut object = serde_json::Map::new();
        object.insert("obis".to_owned(), value.register.to_string().into());
        let shown = match &value.value {
            Value::Flag(flag) => (*flag).into(),
            other => text(other).into(),
        };
        object.insert("value".to_owned(), shown);
        object.extend(unit.map(|unit| ("unit".to_owned(), unit.into())));
        return format!("{}\n", serde_json::Value::Object(object));
    }
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    format!("{} {}{unit}\n", value.register, text(&value.value))
}

fn text(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Flag(flag) => flag.to_string(),
        Value::Octets(octets) => crate::hex::encode(octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_port_is_said() {
        let told = |reason: &str| format!("{:#}", explained(anyhow::anyhow!(reason.to_owned())));
        assert!(told("/dev/ttyUSB0: Device or resource busy").starts_with("another program"));
        assert!(told("counter: in use by another process").contains("the daemon's socket"));
        assert_eq!(told("no telegram came"), "no telegram came");
    }
}
