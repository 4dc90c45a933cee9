//! What a kilowatt-hour costs: bands with their tiers, and which holds when.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::super::calendar::{Calendar, DAY_S, Filter};
use super::super::switching::{Rules, Stretch, Switching};
use super::super::table::{
    BandTable, EventTable, Name, ScheduleTable, TierPeriodName, TierTable, WallTime,
};
use super::super::{Band, Energy, TariffError, Tier, TierPeriod};
use super::build::Build;
use crate::price::Published;
use crate::time::{self, Span};
use crate::toml_file::Day;

impl Build<'_> {
    /// The file's bands in the place of the meter's numbers.
    pub(super) fn numbered(
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

    pub(super) fn bands(
        &self,
        tables: BTreeMap<String, BandTable>,
    ) -> Result<Vec<Band>, TariffError> {
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

    pub(super) fn tiers(&self, what: &str, tables: &[TierTable]) -> Result<Vec<Tier>, TariffError> {
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

    pub(super) fn switching(
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

    pub(super) fn filter(
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
}
