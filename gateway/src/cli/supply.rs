//! `wattle supply`: the switch of the supply, for the person at the home.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use wattle_api::{SUPPLY_ON_PATH, SUPPLY_PATH, SupplyState, SupplySwitch};

use super::service::radio::ask;
use crate::config;

/// The supply, where the utility may switch it off: where it stands, and on again
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  wattle supply\n  wattle supply on")]
pub(super) struct SupplyArgs {
    #[command(subcommand)]
    command: Option<SupplyCommand>,
    /// The configuration
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE", global = true)]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum SupplyCommand {
    /// Switch on again, once the utility allows it. Make sure that nothing dangerous is on
    On,
}

pub(super) fn run(args: &SupplyArgs) -> ExitCode {
    match told(&args.config, args.command.is_some()) {
        Ok(told) => {
            println!("{}", words(&told));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("wattle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn told(config: &Path, on: bool) -> anyhow::Result<SupplySwitch> {
    if on {
        ask(config, "POST", SUPPLY_ON_PATH, &())
    } else {
        ask(config, "GET", SUPPLY_PATH, &())
    }
}

fn words(told: &SupplySwitch) -> String {
    let mut words = match told.state {
        SupplyState::On => "on".to_owned(),
        SupplyState::Announced => match told.at {
            Some(at) => format!("will be switched off at {at}"),
            None => "will be switched off".to_owned(),
        },
        SupplyState::Off => "off".to_owned(),
        SupplyState::Armed => "off; wattle supply on switches it on".to_owned(),
    };
    if told.moving {
        words.push_str("; the relay is moving");
    }
    for more in [Some(told.text.as_str()), told.wrong.as_deref()]
        .into_iter()
        .flatten()
    {
        if !more.is_empty() {
            words.push('\n');
            words.push_str(more);
        }
    }
    words
}
