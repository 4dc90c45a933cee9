//! `wattle decode homeplug | zcl | ash | ezsp | znp`: messages of the home area network.

mod homeplug;
mod json;
mod serial;
mod zcl;

pub(in crate::cli) use json::add_fields;

pub(super) use homeplug::{HomeplugArgs, homeplug};
pub(super) use serial::{AshArgs, EzspArgs, ZnpArgs, ash, ezsp, znp};
pub(super) use zcl::{ZclArgs, zcl};
