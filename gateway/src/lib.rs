//! wattle
pub mod cli;
