//! Load profiles: `P.01` and the rows behind it (VDEW specification 2.1, load profile).

use jiff::{SignedDuration, civil};
use rust_decimal::Decimal;

use super::super::interpret::quantity;
use super::super::sets::DataSet;
use crate::dlms::client::job::{Column, ProfileRow as Row, ProfileRows, RowInstants, Scale};
use crate::dlms::data::{ClockStatus, DateTime};
use crate::model::{MeterTime, ObisCode, Unit, Value};

/// A row of a load profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRow {
    /// The end of its period, by the meter's clock.
    pub at: MeterTime,
    /// The status word that stood in front of it: bit 7 power failure, 6 power back, 5 clock set,
    /// 4 season changed, 3 values disturbed, 2 clock without reserve, 0 clock disturbed; the rest
    /// is the maker's.
    pub status: u32,
    /// A value for each channel; `None` for what is no number of a known unit.
    pub values: Vec<Option<(Decimal, Unit)>>,
}

/// A load profile: what its channels are, and its rows, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The addresses of its channels, as sent: `1.5`.
    pub channels: Vec<String>,
    /// Seconds from one row to the next.
    pub period_s: u32,
    /// Its rows. Where some are missing, the times of those around tell.
    pub rows: Vec<ProfileRow>,
}

const LOAD_PROFILE: ObisCode = ObisCode([1, 0, 99, 1, 0, 255]);
/// Most channels of a profile.
const MAX_CHANNELS: usize = 64;

/// What stands in `P.01(time)(status)(period)(channels)(address)(unit)…`.
struct Head {
    at: civil::DateTime,
    season: u8,
    status: u32,
    period_min: i64,
    channels: Vec<(String, String)>,
}

impl Profile {
    /// Reads the sets of an answer; `None` when they are no profile. A head with other channels
    /// than the first ends the profile, since a table has one set of columns.
    #[must_use]
    pub fn read(sets: &[DataSet]) -> Option<Self> {
        let mut profile = Self::default();
        let mut head: Option<Head> = None;
        let mut cells: Vec<&str> = Vec::new();
        for set in sets {
            let groups = set.groups.iter().map(|group| group.value.as_str());
            if set.address.is_empty() {
                cells.extend(groups);
                continue;
            }
            if set.address != "P.01" {
                return None;
            }
            profile.extend(head.take(), &cells);
            cells = groups.collect();
            let (found, length) = Head::read(&cells)?;
            cells.drain(..length);
            let names: Vec<String> = found
                .channels
                .iter()
                .map(|(name, _)| name.clone())
                .collect();
            if profile.channels.is_empty() {
                profile.channels = names;
                profile.period_s = u32::try_from(60 * found.period_min).unwrap_or_default();
            } else if profile.channels != names {
                return Some(profile);
            }
            head = Some(found);
        }
        profile.extend(head, &cells);
        (!profile.channels.is_empty()).then_some(profile)
    }

    /// The same as rows of any protocol, under `1-0:99.1.0`. The unit of a column is that of its
    /// first value; a channel whose address is no OBIS code has the maker's own, C = 128 and up.
    #[must_use]
    pub fn to_rows(&self, instants: &RowInstants) -> ProfileRows {
        let columns = self.channels.iter().zip(0u8..).map(|(name, place)| {
            let mut values = self
                .rows
                .iter()
                .filter_map(|row| *row.values.get(usize::from(place))?);
            let own = ObisCode([1, 0, 128u8.saturating_add(place), 0, 0, 255]);
            let register = name.parse().or_else(|_| format!("{name}.0").parse());
            Column {
                class: 3,
                register: register.unwrap_or(own),
                attribute: 2,
                index: 0,
                scale: Scale {
                    scaler: 0,
                    unit: values.next().map(|(_, unit)| unit),
                },
            }
        });
        let mut rows = ProfileRows::new(LOAD_PROFILE, columns.collect(), self.period_s);
        for row in &self.rows {
            let at = match row.at {
                MeterTime::Utc(at) => {
                    let at = jiff::tz::Offset::UTC.to_datetime(at);
                    DateTime::new(at, Some(0), ClockStatus(0))
                }
                MeterTime::Wall { at, dst } => {
                    let status =
                        dst.map_or(0xFF, |summer| if summer { ClockStatus::SUMMER } else { 0 });
                    DateTime::new(at, None, ClockStatus(status))
                }
                // Rows have dates.
                MeterTime::SecondsIndex(_) => continue,
            };
            let values = row.values.iter().zip(&rows.columns);
            let values = values.map(|(value, column)| {
                let (number, unit) = (*value)?;
                (Some(unit) == column.scale.unit).then_some(Value::Number(number))
            });
            let values: Vec<_> = values.collect();
            rows.push(Row::new(at, Some(row.status.into()), instants), values);
        }
        rows.find_gaps(None);
        rows
    }

    fn extend(&mut self, head: Option<Head>, cells: &[&str]) {
        let Some(head) = head else { return };
        let rows = cells.chunks_exact(head.channels.len().max(1));
        for (count, row) in (0i64..).zip(rows) {
            let Some(at) = head.time(count) else { return };
            let value = |(cell, (_, unit)): (&&str, &(String, String))| quantity(cell, unit);
            self.rows.push(ProfileRow {
                at,
                status: head.status,
                values: row.iter().zip(&head.channels).map(value).collect(),
            });
        }
    }
}

impl Head {
    /// The head at the front of a row of groups, and how many of them it takes.
    fn read(groups: &[&str]) -> Option<(Self, usize)> {
        let [time, status, period, count, rest @ ..] = groups else {
            return None;
        };
        let (season, at) = time_stamp(time)?;
        let count: usize = count
            .parse()
            .ok()
            .filter(|count| (1..=MAX_CHANNELS).contains(count))?;
        let names = rest.get(..2 * count)?;
        let pairs = names.chunks_exact(2).filter_map(|pair| match pair {
            [name, unit] => Some(((*name).to_owned(), (*unit).to_owned())),
            _ => None,
        });
        let head = Self {
            at,
            season,
            status: u32::from_str_radix(status, 16).ok()?,
            period_min: period
                .parse()
                .ok()
                .filter(|period| (1..=1_440).contains(period))?,
            channels: pairs.collect(),
        };
        Some((head, 4 + 2 * count))
    }

    fn time(&self, row: i64) -> Option<MeterTime> {
        let later = SignedDuration::from_mins(self.period_min.checked_mul(row)?);
        let at = self.at.checked_add(later).ok()?;
        Some(match self.season {
            2 => MeterTime::Utc(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()),
            season => MeterTime::Wall {
                at,
                dst: Some(season == 1),
            },
        })
    }
}

/// Season (0 winter time, 1 summer time, 2 UTC), then `YYMMDDhhmm` and seconds if there are any.
fn time_stamp(text: &str) -> Option<(u8, civil::DateTime)> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !matches!(text.len(), 11 | 13) {
        return None;
    }
    let pair = |at: usize| text.get(at..at + 2)?.parse::<i8>().ok();
    let season = text.get(..1)?.parse().ok().filter(|season| *season <= 2)?;
    let second = if text.len() == 13 { pair(11)? } else { 0 };
    let year = 2000 + i16::from(pair(1)?);
    let at = civil::DateTime::new(year, pair(3)?, pair(5)?, pair(7)?, pair(9)?, second, 0).ok()?;
    Some((season, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::sets::parse;
    use super::*;

    fn read(text: &str) -> Option<Profile> {
        Profile::read(&parse(text.as_bytes(), false).0)
    }

    fn shown(profile: &Profile) -> Vec<String> {
        let row = |row: &ProfileRow| {
            let values: Vec<String> = row
                .values
                .iter()
                .map(|value| {
                    value.map_or("-".to_owned(), |(number, unit)| format!("{number} {unit}"))
                })
                .collect();
            let at = match row.at {
                MeterTime::Wall { at, dst } => format!("{at} {dst:?}"),
                MeterTime::Utc(at) => at.to_string(),
                MeterTime::SecondsIndex(index) => index.to_string(),
            };
            format!("{at} {:02x} {}", row.status, values.join(" "))
        };
        profile.rows.iter().map(row).collect()
    }

    #[test]
    fn rows_of_any_protocol() {
        let text = "P.01(2260301001500)(00)(15)(2)(1.5)(kW)(x)(kvar)(0.086)(0.001)\r\n(0.112)(---)\r\n\
            P.01(2260301010000)(80)(15)(2)(1.5)(kW)(x)(kvar)(0.2)(0.3)\r\n";
        let rows = read(text).unwrap().to_rows(&RowInstants::default());
        let columns: Vec<_> = rows
            .columns
            .iter()
            .map(|column| column.register.to_string())
            .collect();
        assert_eq!(columns, ["1-0:1.5.0*255", "1-0:129.0.0*255"]);
        let shown: Vec<_> = rows
            .iter()
            .map(|(row, values)| format!("{} {values:?}", row.instant.unwrap()))
            .collect();
        assert_eq!(
            shown,
            [
                "2026-03-01T00:15:00Z [Some(Number(86)), Some(Number(1))]",
                "2026-03-01T00:30:00Z [Some(Number(112)), None]",
                "2026-03-01T01:00:00Z [Some(Number(200)), Some(Number(300))]",
            ]
        );
        assert_eq!(rows.gaps.len(), 1);
        assert_eq!((rows.gaps[0].missing, rows.gaps[0].status), (1, Some(0x80)));
    }

    #[test]
    fn heads_rows_and_a_power_failure_between() {
        let text = "P.01(0260301001500)(08)(15)(2)(1.5)(kW)(2.5)(kvar)(0.086)(0.000)\r\n(0.112)(0.004)\r\n\
            P.01(0260301010000)(80)(15)(2)(1.5)(kW)(2.5)(kvar)\r\n(0.200)(---)\r\n";
        let profile = read(text).unwrap();
        assert_eq!(profile.channels, ["1.5", "2.5"]);
        assert_eq!(
            shown(&profile),
            [
                "2026-03-01T00:15:00 Some(false) 08 86 W 0 var",
                "2026-03-01T00:30:00 Some(false) 08 112 W 4 var",
                "2026-03-01T01:00:00 Some(false) 80 200 W -",
            ]
        );
        let utc = read("P.01(22603010015)(00)(60)(1)(1.8)(kWh)(7.5)(8.5)").unwrap();
        assert_eq!(
            shown(&utc),
            [
                "2026-03-01T00:15:00Z 00 7500 Wh",
                "2026-03-01T01:15:00Z 00 8500 Wh"
            ]
        );
    }

    #[test]
    fn what_is_no_profile() {
        for text in [
            "",
            "1.8.0(1*kWh)",
            "P.01(ERROR)",
            "P.01(0261301001500)(08)(15)(1)(1.5)(kW)(1)",
            "P.01(0260301001500)(08)(0)(1)(1.5)(kW)(1)",
            "P.01(0260301001500)(08)(15)(9999999)(1.5)(kW)(1)",
            "P.01(0260301001500)(08)(15)(2)(1.5)(kW)",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text(text in "[P.01()0-9;kWh*\r\n]{0,200}") {
            drop(read(&text));
            let _ = read(&format!("P.01(0260301001500)(08)(15)(1)(1.5)(kW){text}"));
        }
    }
}
