//! A home that has been lived in, for a daemon to go on with:
//! `cargo run -p e2e --example lived_in -- FOLDER DAYS`.

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("the state's folder")?;
    let days = arguments.next().context("how many days")?.parse()?;
    e2e::household::fill(folder.as_ref(), days)
}
