//! `wattle import --store`: puts what a document says beside what the gateway read itself.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;
use meter_link::model::{ObisCode, Unit};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use wattle_billing::quarters::{Quarter, quarters};
use wattle_billing::readings::{Flow, Series, SeriesReadings};

use crate::config;
use crate::store::{Brought, Reader, Readers, RegisterKey, RegisterRow, Source, Supplies, Taken};
use crate::view::figures::energy_registers;

/// Where the readings go.
pub(super) struct Target<'a> {
    /// The configuration, which says where the store is.
    pub(super) config: &'a Path,
    /// A meter of the store, by its name or serial number, in the place of the document's own.
    pub(super) meter: Option<&'a str>,
    /// The register, where it cannot be told.
    pub(super) register: Option<ObisCode>,
}

/// Keeps the readings and says in a sentence what came of it.
pub(super) fn keep(
    all: &[SeriesReadings],
    (text, form, file): (&str, &str, &Path),
    target: &Target<'_>,
) -> anyhow::Result<String> {
    let config = config::load(target.config, std::env::vars())?;
    let folder = &config.gateway.state_dir;
    let reader = Readers::of(folder).open();
    let reader = reader.with_context(|| {
        format!(
            "{}: there is no store yet; start the daemon once",
            folder.display()
        )
    })?;
    let mut brought: BTreeMap<RegisterKey, BTreeMap<i64, Quarter>> = BTreeMap::new();
    let mut passed_over = 0;
    for one in all {
        let (key, factor) = key_of(&reader, &one.series, target)?;
        let found = quarters(one);
        passed_over += found.passed_over;
        let register = brought.entry(key).or_default();
        for (start_s, mut quarter) in found.quarters {
            quarter.amount = (quarter.amount.checked_mul(factor))
                .with_context(|| format!("series {}: a number is too large", one.series.series))?;
            // Two tariffs of one direction are parts of it.
            match register.get_mut(&start_s) {
                Some(known) => known.amount = known.amount.saturating_add(quarter.amount),
                None => {
                    register.insert(start_s, quarter);
                }
            }
        }
    }
    let brought: Vec<Brought> = brought
        .into_iter()
        .map(|(key, quarters)| Brought {
            key,
            quarters: quarters
                .into_iter()
                .map(|(start_s, of)| (start_s, of.amount.normalize(), of.quality, of.method))
                .collect(),
        })
        .collect();
    let digest = Sha256::digest(text.as_bytes());
    let source = Source {
        at: Timestamp::now(),
        name: &file.display().to_string(),
        form,
        sha256: &crate::hex::encode(&digest),
    };
    let Taken {
        new,
        known,
        metered,
    } = Supplies::of(folder).import(&source, &brought)?;
    Ok(format!(
        "{new} quarter-hours are new, {known} were there already; passed over: {metered} that the gateway metered \
         itself, {passed_over} readings that are no quarter-hours or overlap others"
    ))
}

/// The register of a series, and what its unit is multiplied with.
fn key_of(
    reader: &Reader,
    series: &Series,
    target: &Target<'_>,
) -> anyhow::Result<(RegisterKey, Decimal)> {
    let what = || format!("series {} ({})", series.series, series.register);
    let (unit, factor) = match series.unit.as_str() {
        "Wh" => (Unit::WattHour, Decimal::ONE),
        "kWh" => (Unit::WattHour, Decimal::ONE_THOUSAND),
        "m3" => (Unit::CubicMetre, Decimal::ONE),
        other => bail!("{}: unit {other:?} is not kept; Wh, kWh and m3 are", what()),
    };
    let rows = reader.registers()?;
    let serial = match (target.meter, &series.meter) {
        (Some(name), _) => rows
            .iter()
            .find(|row| row.name.as_deref() == Some(name) || row.key.serial == name)
            .map(|row| row.key.serial.clone())
            .with_context(|| {
                format!(
                    "no meter {name:?} was read yet; `wattle export lines` shows those that were"
                )
            })?,
        (None, Some(own)) => own.clone(),
        (None, None) => bail!(
            "{}: the document names no meter; say which with --meter",
            what()
        ),
    };
    let own: Vec<&RegisterRow> = rows
        .iter()
        .filter(|row| row.key.serial == serial && row.key.unit == unit)
        .collect();
    let obis = match (target.register, own_obis(series)) {
        (Some(obis), _) => obis,
        (None, Some(obis))
            if target.meter.is_none() || own.iter().any(|row| row.key.obis == obis) =>
        {
            obis
        }
        _ => like(&rows, &own, &serial, series, unit).with_context(|| {
            format!(
                "{}: which register it is cannot be told; say it with --register 1-0:1.8.0",
                what()
            )
        })?,
    };
    Ok((RegisterKey { serial, obis, unit }, factor))
}

fn own_obis(series: &Series) -> Option<ObisCode> {
    series.obis.as_deref()?.parse().ok()
}

/// The meter's register of the same direction, of several the one of the same tariff; of a meter that
/// was never read the total.
fn like(
    rows: &[RegisterRow],
    own: &[&RegisterRow],
    serial: &str,
    series: &Series,
    unit: Unit,
) -> Option<ObisCode> {
    if unit != Unit::WattHour {
        let mut cumulative = own.iter().filter(|row| row.key.obis.is_cumulative());
        let only = cumulative.next()?;
        return cumulative.next().is_none().then_some(only.key.obis);
    }
    let quantity = match series.flow? {
        Flow::Import => 1,
        Flow::Export => 2,
    };
    let registers = energy_registers(rows, Some(serial), quantity);
    match registers.as_slice() {
        [] => Some(ObisCode([1, 0, quantity, 8, 0, 255])),
        [only] => Some(only.key.obis),
        several => {
            let mut digits = series
                .register
                .chars()
                .filter_map(|letter| letter.to_digit(10));
            let tariff = u8::try_from(digits.next_back()?).ok()?;
            let same = several.iter().find(|row| row.key.obis.tariff() == tariff);
            same.map(|row| row.key.obis)
        }
    }
}
