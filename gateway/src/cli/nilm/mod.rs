//! `wattle nilm`: splits recorded power into appliances, and fits the signature library.
//!
//! The same decoder as in the daemon; what is measured on a recording is what the household gets.

mod replay;
mod report;
mod series;
mod train;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// A file could not be opened, read or written, or has no power in it.
const EXIT_INPUT: u8 = 1;

/// Find appliances in recorded power, or fit the library that finds them
#[derive(Debug, Args)]
pub struct NilmArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(replay::ReplayArgs),
    Train(train::TrainArgs),
}

/// Does what the command line says.
#[must_use]
pub fn run(args: NilmArgs) -> ExitCode {
    let done = match args.command {
        Command::Replay(args) => replay::run(&args),
        Command::Train(args) => train::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wattle: {error:#}");
            ExitCode::from(EXIT_INPUT)
        }
    }
}
