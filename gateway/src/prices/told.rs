//! The tariff that the electricity meter tells, as a price document: its calendar, or else since when
//! which number holds.
//!
//! A calendar tells what comes as well. Without one the last number is known up to the quarter-hour after
//! the meter's last telegram, and no further: what the meter will switch to nobody has told.

use jiff::Timestamp;
use meter_link::dlms::client::job::{CalendarDate, TariffCalendar};
use serde_json::{Value, json};

use crate::store::{QUARTER_S, Readers, StoreError, quarter_start};

/// A meter's calendar as a document.
pub(crate) fn of_calendar(calendar: &TariffCalendar) -> String {
    // Names of weeks are octets of the meter's own; they only have to be the same in both places.
    let name = |octets: &[u8]| crate::hex::encode(octets);
    let seasons = calendar
        .seasons
        .iter()
        .map(|season| json!({ "start": date(season.start), "week": name(&season.week) }));
    let weeks = calendar
        .weeks
        .iter()
        .map(|week| json!({ "name": name(&week.name), "days": week.days }));
    let days = calendar.days.iter().map(|day| {
        let actions = day
            .actions
            .iter()
            .map(|(at, script)| json!({ "at": at.to_string(), "script": script }));
        json!({ "id": day.id, "actions": actions.collect::<Vec<_>>() })
    });
    let special_days = calendar
        .special_days
        .iter()
        .map(|(when, day)| json!({ "date": date(*when), "day": day }));
    json!({ "activity_calendar": {
        "seasons": seasons.collect::<Vec<_>>(),
        "weeks": weeks.collect::<Vec<_>>(),
        "days": days.collect::<Vec<_>>(),
        "special_days": special_days.collect::<Vec<_>>(),
    } })
    .to_string()
}

fn date(CalendarDate { year, month, day }: CalendarDate) -> Value {
    let year = year.map_or_else(|| "*".to_owned(), |year| format!("{year:04}"));
    format!("{year}-{month:02}-{day:02}").into()
}

/// The document, or `None` while the meter has told neither.
pub(super) fn document(readers: &Readers, meter: &str) -> Result<Option<String>, StoreError> {
    let reader = readers.open()?;
    if let Some(calendar) = reader.calendar(meter)? {
        return Ok(Some(calendar));
    }
    let told = reader.tariff_numbers(meter)?;
    let Some(last) = reader.last_telegram(meter)? else {
        return Ok(None);
    };
    let end = Timestamp::from_second(quarter_start(last) + QUARTER_S).unwrap_or(last);
    let ends = told.iter().skip(1).map(|(at, _)| *at).chain([end]);
    let spans: Vec<_> = told
        .iter()
        .zip(ends)
        .filter_map(|((start, number), end)| {
            let number = (*number)?;
            (*start < end).then(
                || json!({ "start": start.to_string(), "end": end.to_string(), "number": number }),
            )
        })
        .collect();
    Ok((!spans.is_empty()).then(|| json!({ "tariff_numbers": spans }).to_string()))
}
