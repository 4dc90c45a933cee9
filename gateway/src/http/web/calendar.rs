//! Days and times by the home's clock, in the words of the language.

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use wattle_api::format::{self, Language};

use super::tongue::Tongue;

/// The names of the months from January on; the short ones are the display's.
const MONTHS: [[&str; 12]; 5] = [
    [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    [
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ],
    [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
];

/// Short names of the days from Monday on.
const DAYS: [[&str; 7]; 5] = [
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    ["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"],
    ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    ["ma", "di", "wo", "do", "vr", "za", "zo"],
    ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"],
];

impl Tongue {
    /// A time of day.
    pub(super) fn clock(&self, at: Timestamp) -> String {
        format::clock(at, &self.zone)
    }

    /// A date and a time to the second.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        let at = at.to_zoned(self.zone.clone());
        format!("{}, {}", self.date(at.date()), at.strftime("%H:%M:%S"))
    }

    /// A date with its day of the week: Tue, 3 Nov 2026.
    pub(super) fn day(&self, date: Date) -> String {
        let (weekday, rest) = (self.weekday(date.weekday()), self.date(date));
        match self.language {
            Language::English | Language::Spanish => format!("{weekday}, {rest}"),
            Language::German => format!("{weekday}., {rest}"),
            Language::French | Language::Dutch => format!("{weekday} {rest}"),
        }
    }

    /// Day and month: 3 Nov, 3.11.
    pub(super) fn short_date(&self, date: Date) -> String {
        format::date(date, self.language)
    }

    /// Month and year.
    pub(super) fn month_of_year(&self, date: Date) -> String {
        match self.language {
            Language::Spanish => format!("{} de {}", self.month(date), date.year()),
            _ => format!("{} {}", self.month(date), date.year()),
        }
    }

    /// The name of the month.
    pub(super) fn month(&self, date: Date) -> &'static str {
        let index = usize::try_from(date.month() - 1).ok();
        let names = MONTHS.get(self.row());
        names
            .zip(index)
            .and_then(|(names, index)| names.get(index))
            .copied()
            .unwrap_or_default()
    }

    /// The short name of the month.
    pub(super) fn short_month(&self, date: Date) -> &'static str {
        format::month(date, self.language)
    }

    /// The short name of a day of the week.
    pub(super) fn weekday(&self, weekday: Weekday) -> &'static str {
        let index = usize::try_from(weekday.to_monday_zero_offset()).ok();
        let names = DAYS.get(self.row());
        names
            .zip(index)
            .and_then(|(names, index)| names.get(index))
            .copied()
            .unwrap_or_default()
    }

    fn date(&self, date: Date) -> String {
        match self.language {
            Language::German => format!("{}{}", self.short_date(date), date.year()),
            _ => format!("{}\u{a0}{}", self.short_date(date), date.year()),
        }
    }

    /// Where the language stands in the tables.
    fn row(&self) -> usize {
        let place = |(_, language): &(&str, Language)| *language == self.language;
        Language::ALL.iter().position(place).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    /// What ICU writes (`Intl.DateTimeFormat` of Node.js), for German with the month as a number.
    #[test]
    fn dates_are_written_as_the_language_writes_them() {
        let date = jiff::civil::date(2026, 11, 3);
        for (language, day, month) in [
            (Language::English, "Tue, 3 Nov 2026", "November 2026"),
            (Language::German, "Di., 3.11.2026", "November 2026"),
            (Language::French, "mar. 3 nov. 2026", "novembre 2026"),
            (Language::Dutch, "di 3 nov 2026", "november 2026"),
            (Language::Spanish, "mar, 3 nov 2026", "noviembre de 2026"),
        ] {
            let tongue = Tongue {
                language,
                chosen: true,
                zone: TimeZone::get("Europe/Berlin").unwrap(),
            };
            assert_eq!(tongue.day(date).replace('\u{a0}', " "), day);
            assert_eq!(tongue.month_of_year(date), month);
        }
        let german = Tongue {
            language: Language::German,
            chosen: true,
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        };
        let at: Timestamp = "2026-03-31T22:04:05Z".parse().unwrap();
        assert_eq!(german.clock(at), "00:04");
        assert_eq!(german.moment(at), "1.4.2026, 00:04:05");
        assert_eq!(german.short_date(date), "3.11.");
    }
}
