//! What every server for somebody else's client has to say.

use super::MeterConfig;

/// Meters that are served at most.
const METERS: usize = 64;

/// The meters exist, and the household has agreed.
pub(super) fn check_served(
    section: &str,
    field: &str,
    names: &[&String],
    consent: &str,
    meters: &[MeterConfig],
    found: &mut Vec<String>,
) {
    if names.is_empty() || names.len() > METERS {
        found.push(format!("{section}.{field}: 1 to {METERS} names"));
    }
    for name in names {
        if !meters.iter().any(|meter| meter.name == **name) {
            found.push(format!("{section}.{field}: there is no meter {name:?}"));
        }
    }
    if consent.trim().is_empty() {
        found.push(format!(
            "{section}.consent: who reads this learns of every quarter-hour; it needs the household's word, such as \"2026-05-01, Ms Example\""
        ));
    }
}
