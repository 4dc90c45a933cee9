//! The whole of a tariff from its tables.

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::super::calendar::{Calendar, DAY_S, DayType, Season};
use super::super::table::{DateText, Document};
use super::super::{Energy, Kind, Minimum, Tariff, TariffError};
use super::place::File;
use crate::price::{Format, Published};
use crate::time;

pub(super) struct Build<'a> {
    pub(super) file: File<'a>,
}

impl Build<'_> {
    pub(super) fn tariff(
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
        let midnight = |date: DateText| time::day_start(date.0, &zone);
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
}
