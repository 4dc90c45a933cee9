//! `wattle mbus`: the line of a wired M-Bus without the daemon.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use meter_link::driver::{self, Bus, HeadPower, Place};
use meter_link::mbus::link::{Job, Outcome, Pattern, SecondaryAddress, Target};
use meter_link::mbus::{DeviceType, Response, derived};

use crate::config::{MbusAddress, mbus_line, mbus_master};
use crate::mbus::text;

/// Silence between two turns; one job is one turn.
const GAP: Duration = Duration::from_millis(20);

/// Scan a wired M-Bus, read a slave, set its address or speed
///
/// The port must not be in use: stop the daemon, or take the line out of its configuration.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  wattle mbus scan /dev/ttyUSB0                     find all slaves by secondary address
  wattle mbus scan /dev/ttyUSB0 --primary           by primary address, 0 to 250
  wattle mbus read tcp:192.168.1.9:10001 12345678   what does this slave say?
  wattle mbus set-address /dev/ttyUSB0 12345678 5   give it a primary address
  wattle mbus set-speed /dev/ttyUSB0 5 9600")]
pub(super) struct MbusArgs {
    /// Speed of the line in baud
    #[arg(long, global = true, default_value_t = 2_400)]
    baud: u32,
    #[command(subcommand)]
    command: MbusCommand,
}

#[derive(Debug, Subcommand)]
enum MbusCommand {
    /// Find the slaves of a line
    Scan {
        /// A device file, or tcp:host:port of a converter
        port: Place,
        /// By primary address in place of secondary
        #[arg(long)]
        primary: bool,
        /// Only secondary addresses like this one, F for any digit
        #[arg(long, value_name = "12FFFFFF", value_parser = pattern, conflicts_with = "primary")]
        like: Option<Pattern>,
    },
    /// Read all telegrams of a slave
    Read {
        /// A device file, or tcp:host:port of a converter
        port: Place,
        /// Primary address, 0 to 250, or secondary, 12345678 or 12345678-KAM-1B-04
        #[arg(value_parser = address)]
        address: MbusAddress,
    },
    /// Give a slave another primary address, if that is free
    SetAddress {
        /// A device file, or tcp:host:port of a converter
        port: Place,
        /// The slave's address, primary or secondary
        #[arg(value_parser = address)]
        address: MbusAddress,
        /// The new primary address, 0 to 250
        new: u8,
    },
    /// Set a slave to another speed; the line must have it from then on
    SetSpeed {
        /// A device file, or tcp:host:port of a converter
        port: Place,
        /// The slave's address, primary or secondary
        #[arg(value_parser = address)]
        address: MbusAddress,
        /// The new speed in baud, 300 to 38400
        new: u32,
    },
}

fn address(text: &str) -> Result<MbusAddress, String> {
    MbusAddress::parse(text).ok_or_else(|| {
        format!("{text:?} is neither a primary address (0 to 250, 254) nor a secondary one (12345678, 12345678-KAM-1B-04)")
    })
}

fn pattern(text: &str) -> Result<Pattern, String> {
    text.parse()
        .map_err(|()| format!("{text:?} is no pattern such as 12FFFFFF or 12FFFFFF-KAM-*-04"))
}

/// Runs `wattle mbus`.
pub(super) fn run(args: &MbusArgs) -> ExitCode {
    super::ended(command(args))
}

fn command(args: &MbusArgs) -> anyhow::Result<()> {
    let (port, job) = match &args.command {
        MbusCommand::Scan {
            port,
            primary: true,
            ..
        } => (port, Job::Scan(0..=250)),
        MbusCommand::Scan { port, like, .. } => (port, Job::Search(like.unwrap_or_default())),
        MbusCommand::Read { port, address } => (port, Job::Read(address.target())),
        MbusCommand::SetAddress { port, address, new } => {
            (port, Job::SetAddress(address.target(), *new))
        }
        MbusCommand::SetSpeed { port, address, new } => {
            (port, Job::SetSpeed(address.target(), *new))
        }
    };
    let line = mbus_line(args.baud);
    let bus = Bus::new(port.clone(), line, HeadPower::default(), GAP);
    let mut told = Teller::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(driver::mbus_job(
        &bus,
        mbus_master(args.baud),
        job,
        |outcome| told.take(outcome),
    ));
    done.with_context(|| port.to_string())?;
    match told.failure {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// Prints what comes of a job as it comes.
#[derive(Default)]
struct Teller {
    found: usize,
    failure: Option<anyhow::Error>,
}

impl Teller {
    fn take(&mut self, outcome: Outcome) {
        let text = match outcome {
            Outcome::Found { primary, secondary } => {
                self.found += 1;
                found(primary, secondary)
            }
            Outcome::Collision(target) => format!(
                "{}: several slaves answer here and cannot be told apart",
                name(target)
            ),
            Outcome::Read { frames, .. } => {
                let mut text = String::new();
                for frame in &frames {
                    match telegram(frame) {
                        Ok(lines) => text.push_str(&lines),
                        Err(error) => self.failure = Some(error),
                    }
                }
                text
            }
            Outcome::Done(Job::Scan(_) | Job::Search(_)) => match self.found {
                0 => {
                    self.failure = Some(anyhow::anyhow!(
                        "no slave answers; is the speed right, and does the converter feed the line?"
                    ));
                    return;
                }
                1 => "1 slave".to_owned(),
                count => format!("{count} slaves"),
            },
            Outcome::Done(Job::SetAddress(target, new)) => {
                format!("{} has the primary address {new} now", name(target))
            }
            Outcome::Done(Job::SetSpeed(target, baud)) => {
                format!("{} answers at {baud} baud now", name(target))
            }
            Outcome::Done(Job::Read(_)) => return,
            Outcome::Failed(_, failure) => {
                self.failure = Some(failure.into());
                return;
            }
        };
        let printed = writeln!(std::io::stdout(), "{}", text.trim_end());
        if let Err(error) = printed
            && self.failure.is_none()
        {
            self.failure = Some(error.into());
        }
    }
}

fn name(target: Target) -> String {
    match target {
        Target::Primary(address) => format!("slave {address}"),
        Target::Secondary(pattern) => format!("slave {pattern}"),
    }
}

fn found(primary: Option<u8>, secondary: Option<SecondaryAddress>) -> String {
    let primary = primary.map_or_else(|| "-".to_owned(), |address| address.to_string());
    match secondary {
        Some(secondary) => format!(
            "{primary:>3}  {}  {}",
            Pattern::from(secondary),
            DeviceType(secondary.device_type).medium()
        ),
        None => format!("{primary:>3}"),
    }
}

/// The named values of a telegram, one a line.
fn telegram(frame: &meter_link::mbus::link::Frame) -> anyhow::Result<String> {
    let meter_link::mbus::link::Frame::Long { ci, data, .. } = frame else {
        anyhow::bail!("the slave's answer holds no data");
    };
    let response = Response::read(*ci, data)?;
    let mut lines = String::new();
    if let Some(meter) = response.meter {
        let address = Pattern::from(SecondaryAddress::from(meter));
        lines.push_str(&format!("{address}  {}\n", response.medium));
    }
    for field in derived(&response.records) {
        let value = text(&field.value).unwrap_or_else(|| "-".to_owned());
        lines.push_str(&format!("{} = {value}\n", field.name));
    }
    Ok(lines)
}
