//! When a meter switches its tariffs: the activity calendar (IEC 62056-6-2, class 20) with its special
//! days (class 11). What is read is the calendar in force, not the passive one.

use jiff::civil::Time;

use super::{Job, JobError, Outcome, Scene, Step, attribute, get, results};
use crate::dlms::apdu::{DataAccessResult, GetResult};
use crate::dlms::client::exchange::Answer;
use crate::dlms::data::{AttributeDescriptor, Data};
use crate::model::ObisCode;

/// `0-0:13.0.0*255`: the activity calendar.
const CALENDAR: ObisCode = ObisCode([0, 0, 13, 0, 0, 255]);
/// `0-0:11.0.0*255`: the special days.
const SPECIAL_DAYS: ObisCode = ObisCode([0, 0, 11, 0, 0, 255]);
/// What is read, in this order.
const ASKED: [AttributeDescriptor; 4] = [
    attribute(20, CALENDAR, 3),
    attribute(20, CALENDAR, 4),
    attribute(20, CALENDAR, 5),
    attribute(11, SPECIAL_DAYS, 2),
];
/// The year of a date that comes every year.
const EVERY_YEAR: u16 = 0xFFFF;
/// A field of a date or time that is left open.
const OPEN: u8 = 0xFF;

/// A date, of one year or of every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarDate {
    /// `None` for every year.
    pub year: Option<u16>,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// What holds from a date on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Season {
    /// Its first day.
    pub start: CalendarDate,
    /// Name of its week.
    pub week: Vec<u8>,
}

/// Which day profile holds on which day of a week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Week {
    /// Its name.
    pub name: Vec<u8>,
    /// Day profiles, Monday first.
    pub days: [u8; 7],
}

/// What is switched in the course of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayProfile {
    /// Its number.
    pub id: u8,
    /// The meter's time of day, and the number of the tariff script that it runs then.
    pub actions: Vec<(Time, u16)>,
}

/// The calendar of a meter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TariffCalendar {
    /// Seasons of the year.
    pub seasons: Vec<Season>,
    /// Weeks that the seasons name.
    pub weeks: Vec<Week>,
    /// Days that the weeks and the special days name.
    pub days: Vec<DayProfile>,
    /// Days on which another profile holds than their week says.
    pub special_days: Vec<(CalendarDate, u8)>,
}

/// Reads the calendar in force. A meter without special days has none.
#[derive(Debug, Default)]
pub struct CalendarJob {
    asked: usize,
    calendar: TariffCalendar,
}

impl CalendarJob {
    fn take(&mut self, asked: &AttributeDescriptor, data: &Data) -> Result<(), JobError> {
        let fault = |rule| JobError::Content {
            object: asked.instance,
            attribute: asked.attribute,
            rule,
        };
        let rows = data.elements().ok_or_else(|| fault("an array"))?;
        let fields = |row| Data::elements(row).unwrap_or_default();
        match (asked.class, asked.attribute) {
            (20, 3) => {
                let seasons: Option<_> = rows.iter().map(|row| season(fields(row), rows)).collect();
                let rule = "seasons of a name, a start with month and day, and a week's name";
                self.calendar.seasons = seasons.ok_or_else(|| fault(rule))?;
            }
            (20, 4) => {
                let weeks: Option<_> = rows.iter().map(|row| week(fields(row))).collect();
                let rule = "weeks of a name and seven days";
                self.calendar.weeks = weeks.ok_or_else(|| fault(rule))?;
            }
            (20, 5) => {
                let days: Option<_> = rows.iter().map(|row| day(fields(row))).collect();
                let rule = "days of a number and actions with a time, a script table and a number";
                self.calendar.days = days.ok_or_else(|| fault(rule))?;
            }
            _ => {
                let days: Option<_> = rows.iter().map(|row| special_day(fields(row))).collect();
                let rule =
                    "special days of a number, a date with month and day, and a day's number";
                self.calendar.special_days = days.ok_or_else(|| fault(rule))?;
            }
        }
        Ok(())
    }
}

impl Job for CalendarJob {
    fn step(&mut self, answer: Option<Answer>, _: &Scene) -> Step {
        if let (Some(asked), true) = (ASKED.get(self.asked), answer.is_some()) {
            let result = match results(answer) {
                Ok(results) => results.into_iter().next(),
                Err(error) => return Step::Failed(error),
            };
            let taken = match result {
                Some(GetResult::Data(data)) => self.take(asked, &data),
                Some(GetResult::Error(result)) if !is_left_out(asked, result) => {
                    Err(JobError::Access {
                        object: asked.instance,
                        attribute: asked.attribute,
                        result,
                    })
                }
                _ => Ok(()),
            };
            if let Err(error) = taken {
                return Step::Failed(error);
            }
            self.asked += 1;
        }
        match ASKED.get(self.asked) {
            Some(next) => get([*next]),
            None => Step::Done(Outcome::Calendar(self.calendar.clone())),
        }
    }
}

/// True of special days that the meter does not have.
fn is_left_out(asked: &AttributeDescriptor, result: DataAccessResult) -> bool {
    asked.instance == SPECIAL_DAYS
        && matches!(
            result,
            DataAccessResult::ObjectUndefined | DataAccessResult::ObjectUnavailable
        )
}

/// A season that is the only one may leave its start open: it holds all the year.
fn season(fields: &[Data], all: &[Data]) -> Option<Season> {
    let [_, start, week] = fields else {
        return None;
    };
    let start = match start.octets()? {
        [_, _, OPEN, OPEN, ..] if all.len() == 1 => CalendarDate {
            year: None,
            month: 1,
            day: 1,
        },
        octets => date(octets)?,
    };
    Some(Season {
        start,
        week: week.octets()?.to_vec(),
    })
}

fn week(fields: &[Data]) -> Option<Week> {
    let (name, days) = fields.split_first()?;
    let days: Vec<u8> = days.iter().map(number).collect::<Option<_>>()?;
    Some(Week {
        name: name.octets()?.to_vec(),
        days: days.try_into().ok()?,
    })
}

fn day(fields: &[Data]) -> Option<DayProfile> {
    let [id, actions] = fields else {
        return None;
    };
    let actions = actions.elements()?.iter().map(action);
    Some(DayProfile {
        id: number(id)?,
        actions: actions.collect::<Option<_>>()?,
    })
}

fn action(data: &Data) -> Option<(Time, u16)> {
    let [at, _, script] = data.elements()? else {
        return None;
    };
    let at = match at {
        Data::Time(at) => &at.0,
        other => other.octets()?,
    };
    let &[hour, minute, second, _] = at else {
        return None;
    };
    // Seconds are often left open where they are none.
    let part = |octet: u8| i8::try_from(if octet == OPEN { 0 } else { octet }).ok();
    let at = Time::new(i8::try_from(hour).ok()?, part(minute)?, part(second)?, 0).ok()?;
    Some((at, u16::try_from(script.integer()?).ok()?))
}

fn special_day(fields: &[Data]) -> Option<(CalendarDate, u8)> {
    let [_, when, day] = fields else {
        return None;
    };
    let when = match when {
        Data::Date(when) => &when.0,
        other => other.octets()?,
    };
    Some((date(when)?, number(day)?))
}

/// A date of year, month and day; what a day of the week or "the last of the month" would mean for a
/// tariff, meters do not use.
fn date(octets: &[u8]) -> Option<CalendarDate> {
    let &[high, low, month, day, ..] = octets else {
        return None;
    };
    let year = u16::from_be_bytes([high, low]);
    // A leap year, so that 29 February is a date.
    let like = if year == EVERY_YEAR {
        2024
    } else {
        i16::try_from(year).ok()?
    };
    jiff::civil::Date::new(like, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some(CalendarDate {
        year: (year != EVERY_YEAR).then_some(year),
        month,
        day,
    })
}

fn number(data: &Data) -> Option<u8> {
    u8::try_from(data.integer()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(octets: &[u8]) -> Data {
        Data::OctetString(octets.to_vec())
    }

    fn answers(season_start: [u8; 4], special: GetResult) -> [GetResult; 4] {
        let mut start = [0xFF; 12];
        start[..4].copy_from_slice(&season_start);
        let structure = |fields: Vec<Data>| Data::Structure(fields);
        let action = |hour, script| {
            structure(vec![
                octets(&[hour, 0, 0xFF, 0xFF]),
                octets(&[0, 0, 10, 0, 100, 255]),
                Data::Uint16(script),
            ])
        };
        let days = vec![
            structure(vec![
                Data::Uint8(1),
                Data::Array(vec![action(7, 1), action(22, 2)]),
            ]),
            structure(vec![Data::Uint8(2), Data::Array(vec![action(0, 2)])]),
        ];
        let mut week = vec![octets(b"W1")];
        week.extend([1, 1, 1, 1, 1, 2, 2].map(Data::Uint8));
        [
            GetResult::Data(Data::Array(vec![structure(vec![
                octets(b"S1"),
                octets(&start),
                octets(b"W1"),
            ])])),
            GetResult::Data(Data::Array(vec![structure(week)])),
            GetResult::Data(Data::Array(days)),
            special,
        ]
    }

    fn read(answers: [GetResult; 4]) -> Step {
        let scene = Scene {
            now: jiff::Timestamp::UNIX_EPOCH,
            secured: false,
        };
        let mut job = CalendarJob::default();
        let mut step = job.step(None, &scene);
        for answer in answers {
            if !matches!(step, Step::Ask(_)) {
                return step;
            }
            step = job.step(Some(Answer::Get(vec![answer])), &scene);
        }
        step
    }

    fn special() -> GetResult {
        GetResult::Data(Data::Array(vec![Data::Structure(vec![
            Data::Uint16(1),
            octets(&[0xFF, 0xFF, 12, 25, 0xFF]),
            Data::Uint8(2),
        ])]))
    }

    #[test]
    fn a_calendar_with_its_special_days() {
        let Step::Done(Outcome::Calendar(calendar)) = read(answers([0xFF, 0xFF, 4, 1], special()))
        else {
            panic!("no calendar");
        };
        let date = |month, day| CalendarDate {
            year: None,
            month,
            day,
        };
        assert_eq!(calendar.seasons[0].start, date(4, 1));
        assert_eq!(calendar.seasons[0].week, b"W1");
        assert_eq!(calendar.weeks[0].days, [1, 1, 1, 1, 1, 2, 2]);
        let actions: Vec<_> = calendar.days[0]
            .actions
            .iter()
            .map(|(at, script)| (at.to_string(), *script))
            .collect();
        assert_eq!(
            actions,
            [("07:00:00".to_owned(), 1), ("22:00:00".to_owned(), 2)]
        );
        assert_eq!(calendar.special_days, [(date(12, 25), 2)]);
    }

    #[test]
    fn a_season_alone_may_leave_its_start_open_and_special_days_may_be_missing() {
        let undefined = GetResult::Error(DataAccessResult::ObjectUndefined);
        let Step::Done(Outcome::Calendar(calendar)) = read(answers([0xFF; 4], undefined)) else {
            panic!("no calendar");
        };
        assert_eq!(
            (
                calendar.seasons[0].start.month,
                calendar.seasons[0].start.day
            ),
            (1, 1)
        );
        assert!(calendar.special_days.is_empty());
    }

    #[test]
    fn what_is_refused_or_no_date_is_told_with_its_place() {
        let denied = GetResult::Error(DataAccessResult::ReadWriteDenied);
        for (start, last, place) in [
            ([0xFF, 0xFF, 4, 1], denied, (SPECIAL_DAYS, 2)),
            ([0xFF, 0xFF, 2, 30], special(), (CALENDAR, 3)),
        ] {
            let (object, at) = match read(answers(start, last)) {
                Step::Failed(
                    JobError::Access {
                        object, attribute, ..
                    }
                    | JobError::Content {
                        object, attribute, ..
                    },
                ) => (object, attribute),
                other => panic!("{other:?}"),
            };
            assert_eq!((object, at), place);
        }
    }
}
