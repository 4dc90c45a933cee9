//! `wattle han zigbee-backup` and `zigbee-restore`: the network in the open coordinator backup.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::zigbee::backup;

/// Where the gateway keeps what it knows.
const STATE_DIR: &str = "/var/lib/wattle";

/// Writes the network.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The gateway's state folder
    #[arg(long, default_value = STATE_DIR, value_name = "DIR")]
    state_dir: PathBuf,
}

/// Takes a network on.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The gateway's state folder
    #[arg(long, default_value = STATE_DIR, value_name = "DIR")]
    state_dir: PathBuf,
    /// Give up another network that is known there
    #[arg(long)]
    replace: bool,
    /// The backup of wattle, of zigbee2mqtt or of Home Assistant
    file: PathBuf,
}

pub(super) fn run_backup(args: &BackupArgs) -> ExitCode {
    ended(backup::backup(&args.state_dir, Timestamp::now()).map(|backup| println!("{backup:#}")))
}

pub(super) fn run_restore(args: &RestoreArgs) -> ExitCode {
    let text = std::fs::read_to_string(&args.file).map(Zeroizing::new);
    let text = text.with_context(|| args.file.display().to_string());
    ended(text.and_then(|text| backup::restore(&args.state_dir, &text, args.replace)))
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wattle han: {error:#}");
            ExitCode::FAILURE
        }
    }
}
