//! Tariffs that a meter switches: its activity calendar with special days, or the numbers of the tariffs
//! that were in force, as the meter told them (the DSMR tariff indicator 0-0:96.14.0, a TIC index).
//!
//! Neither states prices: bands are named by the meter's numbers (`script_selector` or tariff number),
//! and the tariff's file says with `number` what each costs. Which number is the low tariff differs by
//! country, so that only the file can say it. What a meter told is known as far as it was told.
//!
//! ```
//! # use wattle_billing::price::{Format, Wanted, read};
//! let told = r#"{"tariff_numbers":[
//!     {"start":"2026-03-01T22:00:00Z","end":"2026-03-02T06:00:00Z","number":1},
//!     {"start":"2026-03-02T06:00:00Z","end":"2026-03-02T06:30:00Z","number":2}]}"#;
//! let (format, published) = read(told, None, &Wanted::plain(jiff::tz::TimeZone::UTC))?;
//! assert_eq!((format, published.bands.len()), (Format::Meter, 2));
//! # Ok::<(), wattle_billing::price::DocumentError>(())
//! ```

use jiff::civil::Time;
use serde::Deserialize;

use super::activity_calendar::{
    ActivityCalendar, CosemDate, DayProfile, SeasonProfile, WeekProfile,
};
use super::{DocumentError, Format, PriceSource, Published, Wanted, instant, json};
use crate::tariff::calendar::Calendar;
use crate::tariff::switching::{Rules, Stretch, Switching};
use crate::tariff::{Band, Energy, TierPeriod};
use crate::time::Span;

pub(super) struct Meter;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    activity_calendar: Option<CalendarTable>,
    tariff_numbers: Option<Vec<Told>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    start: String,
    end: String,
    number: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarTable {
    seasons: Vec<Season>,
    weeks: Vec<Week>,
    days: Vec<Day>,
    #[serde(default)]
    special_days: Vec<Special>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Season {
    start: String,
    week: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Week {
    name: String,
    days: [u8; 7],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    id: u8,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    at: String,
    script: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Special {
    date: String,
    day: u8,
}

impl PriceSource for Meter {
    fn format(&self) -> Format {
        Format::Meter
    }

    fn read(&self, text: &str, wanted: &Wanted) -> Result<Published, DocumentError> {
        let document: Document = json(text)?;
        let (numbers, switching) = match (document.activity_calendar, document.tariff_numbers) {
            (Some(calendar), None) => {
                let (table, scripts) = calendar.read()?.table(wanted.zone.clone())?;
                (scripts, Switching::Table(table))
            }
            (None, Some(told)) => told_bands(&told, wanted)?,
            _ => {
                return Err(DocumentError::Missing(
                    "either activity_calendar or tariff_numbers".to_owned(),
                ));
            }
        };
        let band = |(counter, number): (usize, &u16)| Band {
            name: number.to_string(),
            label: number.to_string(),
            tiers: Vec::new(),
            period: TierPeriod::default(),
            counter,
        };
        Ok(Published {
            name: None,
            currency: None,
            bands: numbers.iter().enumerate().map(band).collect(),
            energy: Energy::Bands(switching),
            has_export: false,
            standing: Vec::new(),
            demands: Vec::new(),
            minimums: Vec::new(),
        })
    }
}

fn told_bands(told: &[Told], wanted: &Wanted) -> Result<(Vec<u16>, Switching), DocumentError> {
    let mut numbers: Vec<u16> = Vec::new();
    let mut events: Vec<Stretch> = Vec::with_capacity(told.len());
    for one in told {
        let (start, end) = (instant("start", &one.start)?, instant("end", &one.end)?);
        let span = Span::new(start, end).ok_or_else(|| {
            DocumentError::Invalid(format!("a tariff that begins at {start} ends at {end}"))
        })?;
        let band = numbers.iter().position(|known| *known == one.number);
        let band = band.unwrap_or_else(|| {
            numbers.push(one.number);
            numbers.len() - 1
        });
        if events.last().is_some_and(|before| before.span.end > start) {
            return Err(DocumentError::Ambiguous(format!(
                "two tariffs hold at {start}"
            )));
        }
        events.push(Stretch { span, band });
    }
    if events.is_empty() {
        return Err(DocumentError::Missing("a tariff number".to_owned()));
    }
    let rules = Rules {
        calendar: Calendar::plain(wanted.zone.clone()),
        rules: Vec::new(),
        events,
    };
    Ok((numbers, Switching::Rules(rules)))
}

impl CalendarTable {
    fn read(self) -> Result<ActivityCalendar, DocumentError> {
        let season = |season: Season| {
            Ok::<_, DocumentError>(SeasonProfile {
                start: date(&season.start)?,
                week: season.week.into_bytes(),
            })
        };
        let week = |week: Week| WeekProfile {
            name: week.name.into_bytes(),
            days: week.days,
        };
        let day = |day: Day| {
            let action =
                |action: &Action| Ok::<_, DocumentError>((second(&action.at)?, action.script));
            Ok::<_, DocumentError>(DayProfile {
                id: day.id,
                actions: day.actions.iter().map(action).collect::<Result<_, _>>()?,
            })
        };
        let special =
            |special: Special| Ok::<_, DocumentError>((date(&special.date)?, special.day));
        Ok(ActivityCalendar {
            seasons: self
                .seasons
                .into_iter()
                .map(season)
                .collect::<Result<_, _>>()?,
            weeks: self.weeks.into_iter().map(week).collect(),
            days: self.days.into_iter().map(day).collect::<Result<_, _>>()?,
            special_days: self
                .special_days
                .into_iter()
                .map(special)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// `2026-12-25`, or `*-12-25` for that of every year.
fn date(text: &str) -> Result<CosemDate, DocumentError> {
    let fault = || DocumentError::Value {
        what: "date".to_owned(),
        text: text.to_owned(),
        expected: "a date such as 2026-12-25, or *-12-25 for every year",
    };
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(fault());
    };
    let year = if year == "*" {
        Some(0xFFFF)
    } else {
        year.parse().ok()
    };
    let (year, month, day) = year
        .zip(month.parse().ok())
        .zip(day.parse().ok())
        .map(|((year, month), day)| (year, month, day))
        .ok_or_else(fault)?;
    Ok(CosemDate { year, month, day })
}

/// A time of the day as its second.
fn second(text: &str) -> Result<u32, DocumentError> {
    let time: Time = text.parse().map_err(|_| DocumentError::Value {
        what: "at".to_owned(),
        text: text.to_owned(),
        expected: "a time such as 07:00",
    })?;
    let since = time.duration_since(Time::midnight()).as_secs();
    Ok(u32::try_from(since).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::tariff::{LoadOptions, Tariff, parse};

    const FILE: &str = "version = 1\nname = \"meter\"\ncurrency = \"EUR\"\nzone = \"Europe/Brussels\"\n\
        [source]\nformat = \"meter\"\nfile = \"meter.json\"\n\
        [bands.normal]\nrate = \"0.3\"\nnumber = 1\n[bands.low]\nrate = \"0.2\"\nnumber = 2\n";

    fn tariff(file: &str, document: &str) -> Result<Tariff, String> {
        let open = |_: &Path| Ok(document.to_owned());
        parse(
            file,
            Path::new("tariff.toml"),
            &LoadOptions::default(),
            &open,
        )
        .map_err(|error| error.to_string())
    }

    fn per_kwh(tariff: &Tariff, at: &str) -> Option<String> {
        tariff
            .per_kwh(at.parse().unwrap())
            .map(|price| price.to_string())
    }

    const CALENDAR: &str = r#"{"activity_calendar":{
        "seasons":[{"start":"*-01-01","week":"all"}],
        "weeks":[{"name":"all","days":[1,1,1,1,1,2,2]}],
        "days":[{"id":1,"actions":[{"at":"07:00","script":1},{"at":"22:00","script":2}]},
                {"id":2,"actions":[{"at":"00:00","script":2}]}],
        "special_days":[{"date":"*-12-25","day":2}]}}"#;

    #[test]
    fn a_calendar_with_prices_of_the_file() {
        let tariff = tariff(FILE, CALENDAR).unwrap();
        // 2026-12-24 is a Thursday, Brussels is at +01:00.
        for (when, price) in [
            ("2026-12-24T05:59:59Z", "0.2"),
            ("2026-12-24T06:00:00Z", "0.3"),
            ("2026-12-24T21:00:00Z", "0.2"),
            ("2026-12-25T12:00:00Z", "0.2"),
            ("2026-12-28T12:00:00Z", "0.3"),
        ] {
            assert_eq!(per_kwh(&tariff, when).as_deref(), Some(price), "{when}");
        }
        assert_eq!(tariff.bands[0].name, "low");
    }

    #[test]
    fn what_the_meter_told_holds_and_nothing_beyond() {
        let told = r#"{"tariff_numbers":[
            {"start":"2026-03-01T22:00:00Z","end":"2026-03-02T06:00:00Z","number":2},
            {"start":"2026-03-02T06:00:00Z","end":"2026-03-02T06:30:00Z","number":1}]}"#;
        let tariff = tariff(FILE, told).unwrap();
        for (when, price) in [
            ("2026-03-01T21:59:59Z", None),
            ("2026-03-01T22:00:00Z", Some("0.2")),
            ("2026-03-02T06:29:59Z", Some("0.3")),
            ("2026-03-02T06:30:00Z", None),
        ] {
            assert_eq!(per_kwh(&tariff, when).as_deref(), price, "{when}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_in_words() {
        let third = CALENDAR.replace("\"script\":2}]},", "\"script\":3}]},");
        let unknown = tariff(FILE, &third).unwrap_err();
        assert!(unknown.contains("number = 3"), "{unknown}");
        let unnumbered = tariff(&FILE.replace("number = 2\n", ""), CALENDAR).unwrap_err();
        assert!(unnumbered.contains("low"), "{unnumbered}");
        for wrong in [
            "{}",
            "[]",
            "{\"tariff_numbers\":[]}",
            "{\"tariff_numbers\":[{\"start\":\"x\",\"end\":\"y\",\"number\":1}]}",
        ] {
            assert!(tariff(FILE, wrong).is_err(), "{wrong}");
        }
    }
}
