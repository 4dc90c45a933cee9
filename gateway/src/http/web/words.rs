//! Numbers, money and times as people read them, by the rules that the display has too
//! ([`wattle_api::format`]), and the words around them.

use jiff::Timestamp;
use rust_decimal::Decimal;
use wattle_api::format::{self, Age};
use wattle_api::{Band, Freshness, Level, Medium, Money};

use super::tongue::{Tongue, tr};

pub(super) use wattle_api::format::MISSING;

/// Keeps a number and its unit in one piece.
const GAP: char = '\u{a0}';

impl Tongue {
    /// A power without its sign: watts below 100 W, otherwise kilowatts.
    pub(super) fn power(&self, watts: Decimal) -> (String, &'static str) {
        let power = format::power(watts, self.language);
        (power.text, if power.kilowatts { "kW" } else { "W" })
    }

    /// An energy.
    pub(super) fn energy(&self, kwh: Decimal) -> String {
        format::energy(kwh, self.language)
    }

    /// A volume: litres of water below 10 m³, otherwise cubic metres.
    pub(super) fn volume(&self, medium: Medium, m3: Decimal) -> (String, &'static str) {
        let (text, is_litres) = match medium {
            Medium::Water => format::litres(m3, self.language)
                .map_or_else(|| (self.figures(m3), false), |litres| (litres, true)),
            _ => (self.figures(m3), false),
        };
        (text, if is_litres { "L" } else { "m³" })
    }

    /// Three significant figures, at most two decimals.
    pub(super) fn figures(&self, value: Decimal) -> String {
        format::figures(value, self.language)
    }

    /// A number with so many decimals and its thousands grouped.
    pub(super) fn number(&self, value: Decimal, decimals: u32) -> String {
        format::number(value, decimals, self.language)
    }

    /// What a register or a meter says, digit by digit.
    pub(super) fn exact(&self, value: Decimal) -> String {
        self.number(value, value.scale())
    }

    /// A number with no more decimals than it needs.
    pub(super) fn plain(&self, value: Decimal) -> String {
        self.exact(value.normalize())
    }

    /// A share of a hundred.
    pub(super) fn percent(&self, percent: impl Into<Decimal>) -> String {
        format::share(percent.into(), self.language)
    }

    /// An amount of money with two decimals.
    pub(super) fn money(&self, money: &Money) -> String {
        self.cash(money.amount, &money.currency)
    }

    /// An amount of a currency with two decimals: £2.31, 2,31 €.
    pub(super) fn cash(&self, amount: Decimal, currency: &str) -> String {
        format::money(amount, currency, self.language)
    }

    /// A price per kWh in the minor unit with one decimal: 26.4p, 26,4 ct.
    pub(super) fn price(&self, per_kwh: Decimal, currency: &str) -> String {
        format::unit_price(per_kwh, currency, self.language)
    }

    /// How long ago, in the one unit that says it.
    pub(super) fn ago(&self, at: Timestamp, now: Timestamp) -> String {
        let (template, count) = match format::age(at, now) {
            Age::Fresh => return self.t("just now").to_owned(),
            Age::Seconds(count) => (tr("{count} s ago"), count),
            Age::Minutes(count) => (tr("{count} min ago"), count),
            Age::Hours(count) => (tr("{count} h ago"), count),
            Age::Days(count) => (tr("{count} days ago"), count),
        };
        self.say(template, &[("count", &self.number(count.into(), 0))])
    }

    /// How a reading's age is said beside it; nothing while it is as recent as it should be.
    pub(super) fn age(
        &self,
        freshness: Freshness,
        at: Timestamp,
        now: Timestamp,
    ) -> Option<String> {
        let said = || self.say("as of {ago}", &[("ago", &self.ago(at, now))]);
        (freshness != Freshness::Live).then(said)
    }

    /// When a meter was heard.
    pub(super) fn heard(&self, at: Option<Timestamp>, now: Timestamp) -> String {
        at.map_or_else(
            || self.t("not heard yet").to_owned(),
            |at| self.ago(at, now),
        )
    }

    /// How long something takes.
    pub(super) fn duration(&self, seconds: u32) -> String {
        let (count, unit) = match seconds {
            0..=89 => (seconds, "s"),
            90..=5399 => ((seconds + 30) / 60, "min"),
            _ => ((seconds + 1800) / 3600, self.t("h")),
        };
        format!("{count}{GAP}{unit}")
    }

    /// A level: its class and its word.
    pub(super) fn level(&self, level: Level) -> (&'static str, &'static str) {
        let (class, word) = match level {
            Level::Low => ("low", tr("Low")),
            Level::Medium => ("medium", tr("Medium")),
            Level::High => ("high", tr("High")),
            Level::Exporting => ("exporting", tr("Exporting")),
        };
        (class, self.t(word))
    }

    /// A band: its class and its word.
    pub(super) fn band(&self, band: Band) -> (&'static str, String) {
        let (class, word) = match band {
            Band::PaidToUse => ("paid", tr("paid to use")),
            Band::Cheap => ("cheap", tr("cheap")),
            Band::Normal => ("normal", tr("normal")),
            Band::Dear => ("dear", tr("dear")),
        };
        (class, capital(self.t(word)))
    }

    /// A medium: its class and its word.
    pub(super) fn medium(&self, medium: Medium) -> (&'static str, &'static str) {
        let (class, word) = match medium {
            Medium::Electricity => ("electricity", tr("Electricity")),
            Medium::Gas => ("gas", tr("Gas")),
            Medium::Water => ("water", tr("Water")),
            Medium::Heat => ("heat", tr("Heat")),
        };
        (class, self.t(word))
    }
}

/// A text with a capital at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters.as_str().chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use wattle_api::format::Language;

    fn tongue(language: Language) -> Tongue {
        Tongue {
            language,
            chosen: false,
            zone: TimeZone::UTC,
        }
    }

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    /// Beside the tests of the rules themselves: the page asks the right one.
    #[test]
    fn values_have_the_forms_of_the_display() {
        let table = include_str!("../../../web/lang/forms.tsv");
        let mut rows = 0;
        for row in table.lines().filter(|row| !row.starts_with('#')) {
            let mut cells = row.split('\t').map(|cell| cell.replace('_', "\u{a0}"));
            let [what, value, unit] = [(); 3].map(|()| cells.next().unwrap());
            for ((_, language), want) in Language::ALL.into_iter().zip(cells.by_ref()) {
                let (tongue, value) = (tongue(language), number(&value));
                let is = match what.as_str() {
                    "power" => tongue.power(value).0,
                    "number" => tongue.number(value, unit.parse().unwrap()),
                    "money" => tongue.cash(value, &unit),
                    "price" => tongue.price(value, &unit),
                    "energy" => tongue.energy(value),
                    "percent" => tongue.percent(value),
                    other => panic!("{other}"),
                };
                assert_eq!(is, want, "{row} in {language:?}");
                rows += 1;
            }
        }
        assert!(rows > 100, "{rows}");
    }

    #[test]
    fn volumes_and_durations() {
        let english = tongue(Language::English);
        for (medium, m3, want) in [
            (Medium::Water, "0.184", ("184", "L")),
            (Medium::Water, "12.3456", ("12.3", "m³")),
            (Medium::Gas, "1.044", ("1.04", "m³")),
        ] {
            let (text, unit) = english.volume(medium, number(m3));
            assert_eq!((text.as_str(), unit), want);
        }
        assert_eq!(english.plain(number("0.50")), "0.5");
        assert_eq!(tongue(Language::German).exact(number("4.50")), "4,50");
        assert_eq!(tongue(Language::Dutch).plain(number("-2.5")), "−2,5");
        assert_eq!(english.duration(150), "3\u{a0}min");
        assert_eq!(tongue(Language::Dutch).duration(7200), "2\u{a0}u");
    }

    #[test]
    fn ages() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (seconds, english, german) in [
            (-5, "just now", "gerade eben"),
            (15, "just now", "gerade eben"),
            (42, "40 s ago", "vor 40 s"),
            (150, "2 min ago", "vor 2 min"),
            (7200, "2 h ago", "vor 2 h"),
            (864_000, "10 days ago", "vor 10 Tagen"),
        ] {
            assert_eq!(tongue(Language::English).ago(at(0), at(seconds)), english);
            assert_eq!(tongue(Language::German).ago(at(0), at(seconds)), german);
        }
    }
}
