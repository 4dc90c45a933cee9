//! The `wattle` binary.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateway::cli::decode;

/// wattle, the home energy gateway
#[derive(Debug, Parser)]
#[command(name = "wattle", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Decode(decode::DecodeArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Decode(args) => decode::run(args),
    }
}
