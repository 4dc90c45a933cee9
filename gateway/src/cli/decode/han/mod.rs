//! `wattle decode homeplug | zcl | ash | ezsp | znp`: messages of the home area network.

mod capture;
mod homeplug;
mod json;
mod lines;
mod serial;
mod zcl;

pub(in crate::cli) use json::add_fields;

pub(super) use homeplug::{HomeplugArgs, homeplug};
pub(super) use serial::{AshArgs, EzspArgs, ZnpArgs, ash, ezsp, znp};
pub(super) use zcl::{ZclArgs, zcl};

use std::path::PathBuf;

use clap::Args;

use super::OutputFormat;

/// What the decoders of frames take.
#[derive(Debug, Args)]
struct FrameArgs {
    /// What to print: JSON Lines for programs, tables for eyes
    #[arg(long, value_enum, default_value_t = OutputFormat::Json)]
    format: OutputFormat,

    /// The recording; '-' is standard input
    #[arg(default_value = "-", value_name = "FILE|-")]
    file: PathBuf,
}
