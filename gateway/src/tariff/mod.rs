//! The home's tariff: `wattle-billing`'s tariffs with the daemon's present time and zone.

mod outlook;

use std::path::Path;

use jiff::tz::TimeZone;
pub use wattle_billing::tariff::{LoadOptions, Tariff, TariffError};

pub(crate) use outlook::{Bands, LEAST_SAVING, cheapest_run};
pub use outlook::{cheapest_window, price};

/// Reads a tariff's file. `home` is the zone for a file that names none.
///
/// # Errors
/// [`TariffError`] names the file, the line and the rule.
pub fn load(path: &Path, home: &TimeZone) -> Result<Tariff, TariffError> {
    let options = LoadOptions {
        fallback_zone: Some(home.iana_name().unwrap_or("UTC").to_owned()),
        ..LoadOptions::default()
    };
    with_currency(wattle_billing::tariff::load(path, &options)?, path)
}

/// A tariff whose currency nobody states makes no bill.
pub(crate) fn with_currency(tariff: Tariff, path: &Path) -> Result<Tariff, TariffError> {
    if tariff.currency.is_none() {
        return Err(TariffError::Values {
            path: path.to_path_buf(),
            message: "currency is missing, in the file and in the document".to_owned(),
        });
    }
    Ok(tariff)
}

/// For tests: 0.10 EUR from 22:00 to 06:00 (UTC), 0.30 EUR otherwise.
#[cfg(test)]
pub(crate) fn night_and_day() -> Tariff {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tariff.toml");
    let text = "version = 1\nname = \"x\"\ncurrency = \"EUR\"\nzone = \"UTC\"\n\
        [bands.night]\nrate = \"0.10\"\n[bands.day]\nrate = \"0.30\"\n\
        [[schedule]]\nband = \"night\"\nfrom = \"22:00\"\nto = \"06:00\"\n\
        [[schedule]]\nband = \"day\"\n";
    std::fs::write(&file, text).unwrap();
    load(&file, &TimeZone::UTC).unwrap()
}
