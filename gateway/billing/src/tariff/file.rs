//! From the tables of a tariff file, or a native document alone, to a [`Tariff`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::calendar::{Calendar, DAY_S, DayType, Filter, Season};
use super::switching::{Rules, Stretch, Switching};
use super::table::{
    AdderTable, BandTable, DemandTable, Document, EventTable, ExportTable, Name, PerName,
    PowerTable, ScheduleTable, SourceTable, StandingTable, TaxTable, TibberPrice, TierPeriodName,
    TierTable, Vat, WallTime, Zone,
};
use super::{
    Adder, Band, Demand, DemandWhen, Energy, Export, ExportPrice, Kind, Minimum, Per, Power,
    Standing, StandingAmount, Tariff, TariffError, Tax, Tier, TierPeriod,
};
use crate::price::{self, DocumentError, Format, Published, Wanted};
use crate::time::{self, Span};
use crate::toml_file::Day;
use crate::toml_file::{self, FileError, fault_at, nearest};

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

/// The file's text and name, for messages.
struct File<'a> {
    text: &'a str,
    path: &'a Path,
}

impl File<'_> {
    /// A fault at a named place.
    fn at<T>(&self, place: &toml::Spanned<T>, message: String) -> TariffError {
        TariffError::File(fault_at(
            self.text,
            &self.path.display().to_string(),
            place.span().start,
            message,
        ))
    }

    /// A fault without one place.
    fn whole(&self, message: impl Into<String>) -> TariffError {
        TariffError::Values {
            path: self.path.to_path_buf(),
            message: message.into(),
        }
    }

    fn unknown(&self, name: &Name, what: &str, known: &[&str]) -> TariffError {
        let written = name.get_ref();
        let hint = match nearest(written, known) {
            Some(near) => format!("did you mean {near:?}?"),
            None if known.is_empty() => "there is none".to_owned(),
            None => format!("there are {}", known.join(", ")),
        };
        self.at(name, format!("there is no {what} {written:?}: {hint}"))
    }
}

struct Build<'a> {
    file: File<'a>,
}

impl Build<'_> {
    fn tariff(
        &self,
        mut document: Document,
        published: Option<(Format, Published)>,
        zone_name: String,
        zone: TimeZone,
    ) -> Result<Tariff, TariffError> {
        let file = &self.file;
        if *document.version.get_ref() != 1 {
            let message = format!(
                "version {} is not known; this version reads version 1",
                document.version.get_ref()
            );
            return Err(file.at(&document.version, message));
        }
        let utc = published
            .as_ref()
            .is_some_and(|(format, _)| format.is_utc());
        let switch_zone = document.switch_zone.map(|named| named.zone);
        let day_starts_s = document.day_starts.map_or(0, |time| time.0 % DAY_S);
        let seasons = document.season.into_iter().map(|season| Season {
            name: season.name,
            from: season.from.0,
            to: season.to.0,
        });
        let day_types = document.day_type.into_iter().map(|kind| DayType {
            name: kind.name,
            days: kind.days.into_iter().map(Into::into).collect(),
            dates: kind.dates.into_iter().map(|dated| dated.0).collect(),
        });
        let calendar = Calendar {
            zone: switch_zone.unwrap_or_else(|| if utc { TimeZone::UTC } else { zone.clone() }),
            day_starts_s,
            seasons: seasons.collect(),
            day_types: day_types.collect(),
        };
        let midnight = |date: super::table::DateText| time::day_start(date.0, &zone);
        let valid_from = document.valid_from.and_then(midnight);
        let valid_to = document.valid_to.and_then(midnight);
        let stated = document.currency.map(|code| code.0);
        let multiplier = document
            .source
            .as_ref()
            .and_then(|source| source.multiplier)
            .map_or(Decimal::ONE, |exact| exact.0);
        let mut tariff = match published {
            Some((format, mut published)) => {
                if format == Format::Meter {
                    published = self.numbered(std::mem::take(&mut document.bands), published)?;
                }
                if !document.bands.is_empty()
                    || !document.schedule.is_empty()
                    || !document.event.is_empty()
                {
                    return Err(file.whole("[source] and [bands] exclude each other: the document states the prices, or the file does"));
                }
                if let (Some(stated), Some(own)) = (&stated, &published.currency)
                    && stated != own
                {
                    return Err(file.whole(format!(
                        "currency is {stated:?} here and {own:?} in the document"
                    )));
                }
                Tariff {
                    name: document.name,
                    format,
                    currency: stated.or(published.currency),
                    zone_name,
                    zone,
                    valid_from,
                    valid_to,
                    bands: published.bands,
                    energy: published.energy,
                    multiplier,
                    calendar,
                    adders: Vec::new(),
                    standing: published.standing,
                    powers: Vec::new(),
                    demands: published.demands,
                    minimums: published.minimums,
                    export: None,
                    taxes: Vec::new(),
                }
            }
            None => {
                let bands = self.bands(document.bands)?;
                let switching =
                    self.switching(&calendar, &bands, document.schedule, &document.event)?;
                Tariff {
                    name: document.name,
                    format: Format::Wattle,
                    currency: stated,
                    zone_name,
                    zone,
                    valid_from,
                    valid_to,
                    bands,
                    energy: Energy::Bands(switching),
                    multiplier,
                    calendar,
                    adders: Vec::new(),
                    standing: Vec::new(),
                    powers: Vec::new(),
                    demands: Vec::new(),
                    minimums: Vec::new(),
                    export: None,
                    taxes: Vec::new(),
                }
            }
        };
        for table in document.adder {
            let adder = self.adder(&tariff.calendar, &tariff.adders, table)?;
            tariff.adders.push(adder);
        }
        for table in document.standing {
            let standing = self.standing(&tariff.standing, table)?;
            tariff.standing.push(standing);
        }
        for table in document.power {
            let power = self.power(&tariff.powers, table)?;
            tariff.powers.push(power);
        }
        for table in document.demand {
            let demand = self.demand(&tariff.calendar, &tariff.demands, table)?;
            tariff.demands.push(demand);
        }
        if let Some(minimum) = document.minimum {
            let on = match minimum.on {
                Some(names) => names
                    .iter()
                    .map(|name| self.kind(name))
                    .collect::<Result<_, _>>()?,
                None => Kind::CHARGES
                    .into_iter()
                    .filter(|kind| *kind != Kind::Minimum)
                    .collect(),
            };
            tariff.minimums.push(Minimum {
                amount: minimum.amount.0,
                on,
            });
        }
        tariff.export = document
            .export
            .map(|table| self.export(table))
            .transpose()?;
        for table in document.tax {
            let tax = self.tax(&tariff.taxes, table)?;
            tariff.taxes.push(tax);
        }
        Ok(tariff)
    }

    /// The file's bands in the place of the meter's numbers.
    fn numbered(
        &self,
        tables: BTreeMap<String, BandTable>,
        mut published: Published,
    ) -> Result<Published, TariffError> {
        let mut numbers: Vec<String> = Vec::with_capacity(tables.len());
        for (name, table) in &tables {
            let number = table.number.map(|number| number.to_string());
            let number = number.filter(|number| !numbers.contains(number));
            numbers.push(number.ok_or_else(|| {
                self.file.whole(format!(
                    "bands.{name}: number is missing or used twice; it is what the meter calls this tariff"
                ))
            })?);
        }
        let place = |band: &Band| {
            let place = numbers.iter().position(|number| *number == band.name);
            place.ok_or_else(|| {
                self.file.whole(format!(
                    "the meter switches to tariff {0}, and no band has number = {0}",
                    band.name
                ))
            })
        };
        let places: Vec<usize> = published
            .bands
            .iter()
            .map(place)
            .collect::<Result<_, _>>()?;
        published.bands = self.bands(tables)?;
        if let Energy::Bands(switching) = published.energy {
            published.energy = Energy::Bands(switching.renumbered(&places));
        }
        Ok(published)
    }

    fn bands(&self, tables: BTreeMap<String, BandTable>) -> Result<Vec<Band>, TariffError> {
        if tables.is_empty() {
            return Err(self
                .file
                .whole("neither [source] nor [bands] says what a kilowatt-hour costs"));
        }
        let mut counters: Vec<String> = Vec::new();
        let mut bands: Vec<Band> = Vec::new();
        for (name, table) in tables {
            let tiers = match (table.rate, table.tiers) {
                (Some(rate), None) => vec![Tier {
                    up_to: None,
                    rate: rate.0,
                }],
                (None, Some(tiers)) => self.tiers(&format!("bands.{name}"), &tiers)?,
                _ => {
                    return Err(self
                        .file
                        .whole(format!("bands.{name}: give either rate or tiers")));
                }
            };
            // A counter of its own cannot be named by another band.
            let key = table.counter.unwrap_or_else(|| format!("\0{name}"));
            let counter = counters
                .iter()
                .position(|known| *known == key)
                .unwrap_or(counters.len());
            if counter == counters.len() {
                counters.push(key);
            }
            let period = match table.tier_period {
                TierPeriodName::Month => TierPeriod::Month,
                TierPeriodName::Day => TierPeriod::Day,
                TierPeriodName::Year => TierPeriod::Year,
                TierPeriodName::Bill => TierPeriod::Bill,
            };
            let shared = bands.iter().find(|band| band.counter == counter);
            if shared.is_some_and(|band| band.period != period) {
                return Err(self.file.whole(format!(
                    "bands.{name}: bands of one counter have the same tier_period"
                )));
            }
            bands.push(Band {
                label: table.label.unwrap_or_else(|| name.clone()),
                name,
                tiers,
                period,
                counter,
            });
        }
        Ok(bands)
    }

    fn tiers(&self, what: &str, tables: &[TierTable]) -> Result<Vec<Tier>, TariffError> {
        let tiers: Vec<Tier> = tables
            .iter()
            .map(|tier| Tier {
                up_to: tier.up_to.map(|exact| exact.0),
                rate: tier.rate.0,
            })
            .collect();
        let last_is_open = tiers.last().is_some_and(|tier| tier.up_to.is_none());
        let mut before = Decimal::ZERO;
        let others = tiers.iter().rev().skip(1).rev();
        let rising = others.map(|tier| tier.up_to).all(|up_to| {
            let rises = up_to.is_some_and(|up_to| up_to > before);
            before = up_to.unwrap_or(before);
            rises
        });
        if last_is_open && rising {
            return Ok(tiers);
        }
        Err(self.file.whole(format!(
            "{what}: tiers end at rising up_to, and the last one has none"
        )))
    }

    fn switching(
        &self,
        calendar: &Calendar,
        bands: &[Band],
        schedule: Vec<ScheduleTable>,
        events: &[EventTable],
    ) -> Result<Switching, TariffError> {
        if schedule.is_empty() {
            return Err(self
                .file
                .whole("[[schedule]] is missing: it says which band holds when"));
        }
        let names: Vec<&str> = bands.iter().map(|band| band.name.as_str()).collect();
        let band = |name: &Name| {
            let found = names.iter().position(|known| known == name.get_ref());
            found.ok_or_else(|| self.file.unknown(name, "band", &names))
        };
        let mut rules = Vec::with_capacity(schedule.len());
        for table in schedule {
            let filter = self.filter(
                calendar,
                &table.seasons,
                &table.day_types,
                table.days,
                table.from,
                table.to,
            )?;
            rules.push((band(&table.band)?, filter));
        }
        let mut stretches = Vec::with_capacity(events.len());
        for event in events {
            let at = |text: &toml::Spanned<String>| {
                let instant = time::instant(text.get_ref());
                instant.ok_or_else(|| {
                    self.file.at(
                        text,
                        format!("{:?} is not a time with its offset", text.get_ref()),
                    )
                })
            };
            let span = Span::new(at(&event.start)?, at(&event.end)?);
            let span = span.ok_or_else(|| {
                self.file
                    .at(&event.end, "an event ends after its start".to_owned())
            })?;
            stretches.push(Stretch {
                span,
                band: band(&event.band)?,
            });
        }
        Ok(Switching::Rules(Rules {
            calendar: calendar.clone(),
            rules,
            events: stretches,
        }))
    }

    fn filter(
        &self,
        calendar: &Calendar,
        seasons: &[Name],
        day_types: &[Name],
        days: Vec<Day>,
        from: Option<WallTime>,
        to: Option<WallTime>,
    ) -> Result<Filter, TariffError> {
        let season_names: Vec<&str> = calendar
            .seasons
            .iter()
            .map(|season| season.name.as_str())
            .collect();
        let type_names: Vec<&str> = calendar
            .day_types
            .iter()
            .map(|kind| kind.name.as_str())
            .collect();
        let season = |name: &Name| {
            let found = season_names
                .iter()
                .position(|known| known == name.get_ref());
            found.ok_or_else(|| self.file.unknown(name, "season", &season_names))
        };
        let day_type = |name: &Name| {
            let found = type_names.iter().position(|known| known == name.get_ref());
            match found {
                Some(index) => Ok(Some(index)),
                None if name.get_ref() == "ordinary" => Ok(None),
                None => Err(self.file.unknown(name, "day type", &type_names)),
            }
        };
        let time = (from.is_some() || to.is_some()).then(|| {
            let end = to.map_or(DAY_S, |time| time.0);
            (from.map_or(0, |time| time.0 % DAY_S), end)
        });
        Ok(Filter {
            seasons: seasons.iter().map(season).collect::<Result<_, _>>()?,
            day_types: day_types.iter().map(day_type).collect::<Result<_, _>>()?,
            days: days.into_iter().map(Into::into).collect(),
            time,
        })
    }

    fn fresh<'n>(
        &self,
        id: &Name,
        mut taken: impl Iterator<Item = &'n str>,
    ) -> Result<String, TariffError> {
        let written = id.get_ref();
        if taken.any(|known| known == written) {
            return Err(self.file.at(id, format!("id {written:?} is used twice")));
        }
        Ok(written.clone())
    }

    fn adder(
        &self,
        calendar: &Calendar,
        before: &[Adder],
        table: AdderTable,
    ) -> Result<Adder, TariffError> {
        let id = self.fresh(&table.id, before.iter().map(|adder| adder.id.as_str()))?;
        Ok(Adder {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            per_kwh: table.per_kwh.0,
            filter: self.filter(
                calendar,
                &table.seasons,
                &table.day_types,
                table.days,
                table.from,
                table.to,
            )?,
        })
    }

    fn standing(&self, before: &[Standing], table: StandingTable) -> Result<Standing, TariffError> {
        let id = self.fresh(
            &table.id,
            before.iter().map(|standing| standing.id.as_str()),
        )?;
        Ok(Standing {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            amount: StandingAmount::Fixed(table.amount.0),
            per: match table.per {
                PerName::Day => Per::Day,
                PerName::Month => Per::Month,
                PerName::Year => Per::Year,
            },
            zone: None,
        })
    }

    fn power(&self, before: &[Power], table: PowerTable) -> Result<Power, TariffError> {
        let (rate, per) = match (table.per_kw_day, table.per_kw_month) {
            (Some(rate), None) => (rate.0, Per::Day),
            (None, Some(rate)) => (rate.0, Per::Month),
            _ => {
                return Err(self.file.at(
                    &table.id,
                    "give either per_kw_day or per_kw_month".to_owned(),
                ));
            }
        };
        let id = self.fresh(&table.id, before.iter().map(|power| power.id.as_str()))?;
        Ok(Power {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            kw: table.kw.0,
            rate,
            per,
        })
    }

    fn demand(
        &self,
        calendar: &Calendar,
        before: &[Demand],
        table: DemandTable,
    ) -> Result<Demand, TariffError> {
        let tiers = match (table.rate, &table.tiers) {
            (Some(rate), None) => vec![Tier {
                up_to: None,
                rate: rate.0,
            }],
            (None, Some(tiers)) => self.tiers("demand", tiers)?,
            _ => {
                return Err(self
                    .file
                    .at(&table.id, "give either rate or tiers".to_owned()));
            }
        };
        let filter = self.filter(
            calendar,
            &table.seasons,
            &table.day_types,
            table.days,
            table.from,
            table.to,
        )?;
        let average_months = table.average_months.unwrap_or(1);
        if !(1..=120).contains(&average_months) {
            return Err(self
                .file
                .at(&table.id, "average_months is within 1 to 120".to_owned()));
        }
        // The same charge may be stated once per band.
        let same = before.iter().filter(|demand| demand.band == table.band);
        let id = self.fresh(&table.id, same.map(|demand| demand.id.as_str()))?;
        Ok(Demand {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            band: table.band,
            when: DemandWhen::Filter(filter),
            tiers,
            minimum_kw: table.minimum_kw.map(|exact| exact.0),
            average_months,
        })
    }

    fn export(&self, table: ExportTable) -> Result<Export, TariffError> {
        let number =
            |exact: Option<super::table::Exact>, other| exact.map_or(other, |exact| exact.0);
        let price = match (&table.price, table.rate) {
            (None, Some(rate)) => ExportPrice::Fixed(rate.0),
            (Some(name), None) if name.get_ref() == "market" => ExportPrice::Market {
                multiplier: number(table.multiplier, Decimal::ONE),
                adder: number(table.adder, Decimal::ZERO),
            },
            (Some(name), None) => return Err(self.file.unknown(name, "export price", &["market"])),
            _ => {
                return Err(self
                    .file
                    .whole("export: give either price = \"market\" or rate"));
            }
        };
        if matches!(price, ExportPrice::Fixed(_))
            && (table.multiplier.is_some() || table.adder.is_some())
        {
            return Err(self
                .file
                .whole("export: multiplier and adder belong to price = \"market\""));
        }
        Ok(Export {
            label: table.label.unwrap_or_else(|| "Export".to_owned()),
            price,
        })
    }

    fn tax(&self, before: &[Tax], table: TaxTable) -> Result<Tax, TariffError> {
        let id = self.fresh(&table.id, before.iter().map(|tax| tax.id.as_str()))?;
        let (mut on, mut on_taxes) = (Vec::new(), Vec::new());
        match &table.on {
            None => {
                on.extend(Kind::CHARGES);
                on_taxes.extend(0..before.len());
            }
            Some(names) => {
                for name in names {
                    let earlier = before.iter().position(|tax| tax.id == *name.get_ref());
                    match earlier.filter(|index| !on_taxes.contains(index)) {
                        Some(index) => on_taxes.push(index),
                        None => on.push(self.kind(name)?),
                    }
                }
            }
        }
        on.dedup();
        Ok(Tax {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            rate: table.rate.0,
            on,
            on_taxes,
        })
    }

    fn kind(&self, name: &Name) -> Result<Kind, TariffError> {
        let kinds = [
            Kind::Energy,
            Kind::Adder,
            Kind::Standing,
            Kind::Power,
            Kind::Demand,
            Kind::Minimum,
            Kind::Export,
        ];
        let found = kinds.into_iter().find(|kind| kind.name() == name.get_ref());
        found.ok_or_else(|| {
            self.file
                .unknown(name, "kind of line or earlier tax", &kinds.map(Kind::name))
        })
    }
}
