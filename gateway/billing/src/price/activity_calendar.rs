//! The tariff calendar of a DLMS meter: activity calendar (class 20), special days (class 11) and
//! register activation (class 6), IEC 62056-6-2.
//!
//! The objects come decoded; here they become a [`SwitchingTable`]. Prices are not in them: bands
//! are named after the scripts that the calendar runs, and a tariff file says what each costs (`meter.rs`).

use jiff::tz::TimeZone;

use super::DocumentError;
use crate::tariff::switching::{SwitchingTable, TableDate};

/// Value of a date's octet that is not specified.
const ANY: u8 = 0xFF;

/// A date as COSEM writes it: year (0xFFFF any), month, day of month; week days are not used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CosemDate {
    /// Year, 0xFFFF for every year.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// `season`: its name, start and week profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeasonProfile {
    /// Start; only month and day, or a whole date.
    pub start: CosemDate,
    /// Name of the week profile.
    pub week: Vec<u8>,
}

/// `week_profile`: day identifiers from Monday to Sunday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeekProfile {
    /// Its name.
    pub name: Vec<u8>,
    /// Day identifiers.
    pub days: [u8; 7],
}

/// `day_profile`: at which second of the day which script runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayProfile {
    /// Its identifier.
    pub id: u8,
    /// Second of the day and `script_selector`.
    pub actions: Vec<(u32, u16)>,
}

/// The active part of an activity calendar with the special days table beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityCalendar {
    /// `season_profile_active`.
    pub seasons: Vec<SeasonProfile>,
    /// `week_profile_table_active`.
    pub weeks: Vec<WeekProfile>,
    /// `day_profile_table_active`.
    pub days: Vec<DayProfile>,
    /// Date and day identifier of the special days table.
    pub special_days: Vec<(CosemDate, u8)>,
}

impl ActivityCalendar {
    /// The calendar as a table, and the script of each band in the order of the bands.
    ///
    /// # Errors
    /// A profile names one that is not there, or a date is not a date.
    pub fn table(&self, zone: TimeZone) -> Result<(SwitchingTable, Vec<u16>), DocumentError> {
        let mut scripts: Vec<u16> = Vec::new();
        let mut days = Vec::with_capacity(self.days.len());
        for profile in &self.days {
            let mut entries = Vec::with_capacity(profile.actions.len());
            for (second, script) in &profile.actions {
                let band = scripts
                    .iter()
                    .position(|known| known == script)
                    .unwrap_or(scripts.len());
                if band == scripts.len() {
                    scripts.push(*script);
                }
                entries.push((*second, band));
            }
            entries.sort_by_key(|(second, _)| *second);
            days.push(entries);
        }
        let day = |id: u8| {
            let found = self.days.iter().position(|profile| profile.id == id);
            found.ok_or_else(|| DocumentError::Missing(format!("day profile {id}")))
        };
        let mut weeks = Vec::with_capacity(self.weeks.len());
        for profile in &self.weeks {
            let mut week = [0; 7];
            for (slot, id) in week.iter_mut().zip(profile.days) {
                *slot = day(id)?;
            }
            weeks.push(week);
        }
        let mut seasons = Vec::with_capacity(self.seasons.len());
        for season in &self.seasons {
            let week = self
                .weeks
                .iter()
                .position(|profile| profile.name == season.week);
            let week = week.ok_or_else(|| {
                DocumentError::Missing(format!("week profile {:02x?}", season.week))
            })?;
            seasons.push((date(season.start)?, week));
        }
        let special =
            |(when, id): &(CosemDate, u8)| Ok::<_, DocumentError>((date(*when)?, day(*id)?));
        let special_days = self
            .special_days
            .iter()
            .map(special)
            .collect::<Result<_, _>>()?;
        Ok((
            SwitchingTable {
                zone,
                days,
                weeks,
                seasons,
                special_days,
            },
            scripts,
        ))
    }
}

fn date(CosemDate { year, month, day }: CosemDate) -> Result<TableDate, DocumentError> {
    let fault = || DocumentError::Value {
        what: "date".to_owned(),
        text: format!("{year}-{month}-{day}"),
        expected: "a date with month and day, the year left open or not",
    };
    let part = |octet: u8| {
        i8::try_from(octet)
            .ok()
            .filter(|_| octet != ANY)
            .ok_or_else(fault)
    };
    let year = (year != 0xFFFF)
        .then(|| i16::try_from(year).map_err(|_| fault()))
        .transpose()?;
    let (month, day) = (part(month)?, part(day)?);
    // A leap year, so that 29 February is a date.
    jiff::civil::Date::new(year.unwrap_or(2024), month, day).map_err(|_| fault())?;
    Ok(TableDate { year, month, day })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tariff::switching::Switching;

    #[test]
    fn a_calendar_of_two_rates_with_a_holiday() {
        let every = |month, day| CosemDate {
            year: 0xFFFF,
            month,
            day,
        };
        let mut calendar = ActivityCalendar {
            seasons: vec![SeasonProfile {
                start: every(1, 1),
                week: b"W".to_vec(),
            }],
            weeks: vec![WeekProfile {
                name: b"W".to_vec(),
                days: [1, 1, 1, 1, 1, 2, 2],
            }],
            days: vec![
                DayProfile {
                    id: 1,
                    actions: vec![(7 * 3600, 1), (23 * 3600, 2)],
                },
                DayProfile {
                    id: 2,
                    actions: vec![(0, 2)],
                },
            ],
            special_days: vec![(every(12, 25), 2)],
        };
        let (table, scripts) = calendar.table(TimeZone::UTC).unwrap();
        assert_eq!(scripts, [1, 2]);
        let table = Switching::Table(table);
        // 2026-12-24 is a Thursday.
        for (when, script) in [
            ("2026-12-24T08:00:00Z", 1),
            ("2026-12-24T23:00:00Z", 2),
            ("2026-12-25T08:00:00Z", 2),
            ("2026-12-28T06:59:59Z", 2),
            ("2026-12-28T07:00:00Z", 1),
        ] {
            let band = table.band(when.parse().unwrap()).unwrap();
            assert_eq!(scripts[band], script, "{when}");
        }
        calendar.weeks[0].days[6] = 9;
        assert!(calendar.table(TimeZone::UTC).is_err());
        calendar.weeks[0].days[6] = 2;
        calendar.special_days[0].0.month = 13;
        assert!(calendar.table(TimeZone::UTC).is_err());
    }
}
