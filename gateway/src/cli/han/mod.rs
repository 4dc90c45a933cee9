//! `wattle han`: keys, codes and firmware files of the home area network, and the powerline.

mod firmware;
mod meter;
mod powerline;
mod zigbee;

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::han::homeplug::keys::{
    SecurityLevel, check_password, device_access_key, network_identifier, network_membership_key,
};
use ::han::zigbee::install_code::{InstallCode, InstallCodeError};
use ::han::zigbee::ota::{OtaError, OtaHeader};
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::decode::han::add_fields;
use super::decode::output::{Object, hex};
use powerline::{PowerlineArgs, SlacArgs};

/// Keys, codes and firmware files of Zigbee and powerline devices
#[derive(Debug, Args)]
pub(super) struct HanArgs {
    #[command(subcommand)]
    command: HanCommand,
}

#[derive(Debug, Subcommand)]
enum HanCommand {
    /// Check the install code on a Zigbee device's label and give its link key
    #[command(
        after_help = "Example:\n  wattle han install-code 83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
    )]
    InstallCode {
        /// The code, in either case, with blanks, dashes or colons
        #[arg(required = true, num_args = 1.., value_name = "CODE")]
        code: Vec<String>,
    },
    /// Give the keys of a powerline network's password
    #[command(after_help = "Example:\n  printf %s 'my network' | wattle han homeplug-key -")]
    HomeplugKey {
        /// The password; '-' reads it from standard input, which keeps it out of the process list
        #[arg(value_name = "PASSWORD|-")]
        password: String,

        /// The security level: 0 joins by push button or password, 1 by password alone
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
        level: u8,
    },
    /// Say what the header of a Zigbee firmware file says
    OtaInfo {
        /// The file
        file: PathBuf,
    },
    /// List the powerline adapters of the network, or join one
    #[command(after_help = "Examples:\n  wattle han powerline --interface eth0\n  \
                            printf %s 'my network' | wattle han powerline --interface eth0 --join -")]
    Powerline(PowerlineArgs),
    /// Find the car at the cable, or the charging station (SLAC)
    #[command(after_help = "Example:\n  wattle han slac evse --interface eth1")]
    Slac(SlacArgs),
    /// List the firmware of Zigbee devices, or let a device have another one
    #[command(after_help = "Examples:\n  wattle han firmware\n  \
                            wattle han firmware 00124b0000000003\n  \
                            wattle han firmware 00124b0000000003 --version 02040025 --downgrade")]
    Firmware(firmware::FirmwareArgs),
    /// Say how the utility's meter is read over its own Zigbee network, and what is in the way
    Meter(meter::MeterArgs),
    /// Print the Zigbee network as an open coordinator backup, keys and all
    #[command(after_help = "Example:\n  umask 077; wattle han zigbee-backup > zigbee.json")]
    ZigbeeBackup(zigbee::BackupArgs),
    /// Take a Zigbee network on from a backup; the daemon must not run
    ZigbeeRestore(zigbee::RestoreArgs),
}

/// Runs `wattle han`.
pub(super) fn run(args: &HanArgs) -> ExitCode {
    let (object, right) = match &args.command {
        HanCommand::InstallCode { code } => install_code(&code.concat()),
        HanCommand::HomeplugKey { password, level } => match typed(password) {
            Ok(password) => (homeplug_key(&password, *level), true),
            Err(error) => {
                eprintln!("wattle han homeplug-key: cannot read standard input: {error}");
                return ExitCode::FAILURE;
            }
        },
        HanCommand::OtaInfo { file } => match ota_info(file) {
            Ok(printed) => printed,
            Err(error) => {
                eprintln!(
                    "wattle han ota-info: cannot read {}: {error}",
                    file.display()
                );
                return ExitCode::FAILURE;
            }
        },
        HanCommand::Powerline(args) => match powerline::powerline(args) {
            Ok(printed) => printed,
            Err(error) => {
                eprintln!("wattle han powerline: {error:#}");
                return ExitCode::FAILURE;
            }
        },
        HanCommand::Firmware(args) => return firmware::run(args),
        HanCommand::Meter(args) => return meter::run(args),
        HanCommand::ZigbeeBackup(args) => return zigbee::run_backup(args),
        HanCommand::ZigbeeRestore(args) => return zigbee::run_restore(args),
        HanCommand::Slac(args) => {
            let print = |object: &Object| {
                super::print(format!("{object}\n").as_bytes());
            };
            return match powerline::slac(args, print) {
                Ok(_) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("wattle han slac: {error:#}");
                    ExitCode::FAILURE
                }
            };
        }
    };
    let printed = super::print(format!("{object}\n").as_bytes());
    if right { printed } else { ExitCode::FAILURE }
}

fn install_code(text: &str) -> (Object, bool) {
    match InstallCode::parse(text) {
        Ok(code) => {
            let mut object = Object::message("zigbee");
            object.set("code", hex(code.octets()).to_uppercase());
            object.set("length", code.length());
            object.set("link_key", hex(&*code.link_key()));
            (object, true)
        }
        Err(error) => {
            let status = match error {
                InstallCodeError::Checksum => "checksum",
                InstallCodeError::Length(_) => "length",
                _ => "malformed",
            };
            (Object::failed("zigbee", status, &error.to_string()), false)
        }
    }
}

/// The password as it was typed, without the end of its line.
fn typed(password: &str) -> io::Result<Zeroizing<String>> {
    let mut typed = Zeroizing::new(password.to_owned());
    if password == "-" {
        typed.clear();
        io::stdin().lock().take(4096).read_line(&mut typed)?;
        let length = typed.trim_end_matches(['\r', '\n']).len();
        typed.truncate(length);
    }
    Ok(typed)
}

fn homeplug_key(password: &str, level: u8) -> Object {
    let security = if level == 0 {
        SecurityLevel::SimpleConnect
    } else {
        SecurityLevel::Secure
    };
    let nmk = network_membership_key(password);
    let mut object = Object::message("homeplug");
    object.set("nmk", hex(nmk.octets()));
    object.set("dak", hex(device_access_key(password).octets()));
    object.set("nid", hex(&network_identifier(&nmk, security)));
    object.set("level", level);
    let unusual = check_password(password).err();
    object.set_some("warning", unusual.map(|unusual| unusual.to_string()));
    object
}

/// Vendors put up to some hundred octets in front of the header.
const HEADER_WITHIN: u64 = 64 * 1024;

fn ota_info(path: &Path) -> io::Result<(Object, bool)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut start = Vec::new();
    file.take(HEADER_WITHIN).read_to_end(&mut start)?;
    Ok(match OtaHeader::find(&start) {
        Ok(header) => {
            let mut object = Object::message("zigbee_ota");
            object.set("header_offset", header.offset);
            add_fields(&mut object, &header.fields);
            object.set("header_string", header.header_string());
            let end = u64::try_from(header.offset).unwrap_or(u64::MAX);
            object.set("complete", size >= end.saturating_add(header.image_size()));
            (object, true)
        }
        Err(error) => {
            let status = match error {
                OtaError::Truncated(_) => "truncated",
                _ => "not_ota",
            };
            (
                Object::failed("zigbee_ota", status, &error.to_string()),
                false,
            )
        }
    })
}
