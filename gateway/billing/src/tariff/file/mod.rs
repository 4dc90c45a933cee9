//! From the tables of a tariff file, or a native document alone, to a [`Tariff`].

mod bands;
mod build;
mod charges;
mod place;

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::calendar::Calendar;
use super::table::{Document, SourceTable, TibberPrice, Vat, Zone};
use super::{Export, ExportPrice, Tariff, TariffError};
use crate::price::{self, DocumentError, Format, Published, Wanted};
use crate::toml_file::{self, FileError};
use build::Build;
use place::File;

/// How a tariff is to be read.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The form of the file; recognised by its name and content when left out.
    pub format: Option<Format>,
    /// IANA name of the home's zone; takes the place of the file's own.
    pub zone: Option<String>,
    /// Zone for a file that names none.
    pub fallback_zone: Option<String>,
}

/// Reads a tariff: a TOML file, or a native price document alone.
///
/// # Errors
/// [`TariffError`] names the file, the line where it is known, and the rule.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Tariff, TariffError> {
    let text = toml_file::read(path)?;
    let is_toml = path
        .extension()
        .is_some_and(|extension| extension == "toml");
    let own = options
        .format
        .map_or(is_toml, |format| format == Format::Wattle);
    if own {
        return parse(&text, path, options, &|document| toml_file::read(document));
    }
    native(&text, path, options)
}

/// Reads a TOML tariff from its text. `open` reads the document that it names, from a path
/// relative to `path`'s folder.
///
/// # Errors
/// As [`load`].
pub fn parse(
    text: &str,
    path: &Path,
    options: &LoadOptions,
    open: &dyn Fn(&Path) -> Result<String, FileError>,
) -> Result<Tariff, TariffError> {
    let name = path.display().to_string();
    let mut document: Document = toml_file::parse(text, &name)?;
    let (zone_name, zone) = zone(&mut document, options, path)?;
    let published = match &document.source {
        Some(source) => Some(published(
            source,
            &zone,
            document.switch_zone.as_ref(),
            &File { text, path },
            open,
        )?),
        None => None,
    };
    let build = Build {
        file: File { text, path },
    };
    build.tariff(document, published, zone_name, zone)
}

fn native(text: &str, path: &Path, options: &LoadOptions) -> Result<Tariff, TariffError> {
    let fault = |source| TariffError::Document {
        path: path.to_path_buf(),
        source,
    };
    let format = options.format.or_else(|| price::detect(text));
    let format = format.ok_or_else(|| fault(DocumentError::Unknown(Format::names())))?;
    let named = options
        .zone
        .clone()
        .or_else(|| options.fallback_zone.clone());
    let zone_name = named
        .or_else(|| format.is_utc().then(|| "UTC".to_owned()))
        .ok_or_else(|| TariffError::Values {
            path: path.to_path_buf(),
            message: "a price document alone does not say where the home is: name its time zone"
                .to_owned(),
        })?;
    let zone = zone_named(&zone_name, path)?;
    let (format, published) =
        price::read(text, Some(format), &Wanted::plain(zone.clone())).map_err(fault)?;
    let file_name = || {
        path.file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
    };
    let market = ExportPrice::Market {
        multiplier: Decimal::ONE,
        adder: Decimal::ZERO,
    };
    let export = published.has_export.then(|| Export {
        label: "Export".to_owned(),
        price: market,
    });
    Ok(Tariff {
        name: published.name.clone().unwrap_or_else(file_name),
        format,
        currency: published.currency,
        calendar: Calendar::plain(zone.clone()),
        zone,
        zone_name,
        valid_from: None,
        valid_to: None,
        bands: published.bands,
        energy: published.energy,
        multiplier: Decimal::ONE,
        adders: Vec::new(),
        standing: published.standing,
        powers: Vec::new(),
        demands: published.demands,
        minimums: published.minimums,
        export,
        taxes: Vec::new(),
    })
}

fn zone_named(name: &str, path: &Path) -> Result<TimeZone, TariffError> {
    TimeZone::get(name).map_err(|error| TariffError::Values {
        path: path.to_path_buf(),
        message: error.to_string(),
    })
}

fn zone(
    document: &mut Document,
    options: &LoadOptions,
    path: &Path,
) -> Result<(String, TimeZone), TariffError> {
    if let Some(name) = &options.zone {
        return Ok((name.clone(), zone_named(name, path)?));
    }
    if let Some(Zone { name, zone }) = document.zone.take() {
        return Ok((name, zone));
    }
    if let Some(name) = &options.fallback_zone {
        return Ok((name.clone(), zone_named(name, path)?));
    }
    let utc = document
        .source
        .as_ref()
        .is_some_and(|source| source.format.get_ref() == Format::Duis.name());
    if utc {
        return Ok(("UTC".to_owned(), TimeZone::UTC));
    }
    Err(TariffError::Values {
        path: path.to_path_buf(),
        message: "zone is missing: it says where days and months begin".to_owned(),
    })
}

fn published(
    source: &SourceTable,
    zone: &TimeZone,
    switch_zone: Option<&Zone>,
    file: &File<'_>,
    open: &dyn Fn(&Path) -> Result<String, FileError>,
) -> Result<(Format, Published), TariffError> {
    let name = source.format.get_ref();
    let format = Format::named(name).filter(|format| *format != Format::Wattle);
    let format = format.ok_or_else(|| {
        file.at(
            &source.format,
            format!(
                "format {name:?} is not known; known are {}",
                Format::names()
            ),
        )
    })?;
    let path: PathBuf = file
        .path
        .parent()
        .map_or_else(|| source.file.clone(), |folder| folder.join(&source.file));
    let text = open(&path)?;
    let wanted = Wanted {
        area: source.area.clone(),
        vat_inclusive: source.vat == Vat::Inclusive,
        payment_method: source.payment_method.clone(),
        energy_only: source.price == TibberPrice::Energy,
        zone: switch_zone.map_or_else(|| zone.clone(), |named| named.zone.clone()),
    };
    price::read(&text, Some(format), &wanted)
        .map_err(|source| TariffError::Document { path, source })
}
