//! Numbers, money and times as people read them, by the display's rules. Values arrive exact and are
//! rounded once, half away from zero, for showing only.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};
use wattle_api::{Band, Freshness, Level, Medium, Money};

use super::language::Language;
use super::tongue::{Tongue, tr};

/// What stands for a value that is not known.
pub(super) const MISSING: &str = "–";

/// Keeps a number and its unit in one piece.
const GAP: char = '\u{a0}';

impl Language {
    const fn decimal_separator(self) -> char {
        match self {
            Self::English => '.',
            Self::German | Self::French | Self::Dutch | Self::Spanish => ',',
        }
    }

    /// The per cent sign with what stands before it.
    const fn percent(self) -> &'static str {
        match self {
            Self::English | Self::Dutch => "%",
            Self::German | Self::French | Self::Spanish => "\u{a0}%",
        }
    }
}

impl Tongue {
    /// A power without its sign: watts below 100 W, otherwise kilowatts.
    pub(super) fn power(&self, watts: Decimal) -> (String, &'static str) {
        let watts = watts.abs();
        let whole = rounded(watts, 0);
        if whole < Decimal::ONE_HUNDRED {
            return (self.number(whole, 0), "W");
        }
        (self.figures(watts / Decimal::ONE_THOUSAND), "kW")
    }

    /// An energy.
    pub(super) fn energy(&self, kwh: Decimal) -> String {
        format!("{}{GAP}kWh", self.figures(kwh))
    }

    /// A volume: litres of water below 10 m³, otherwise cubic metres.
    pub(super) fn volume(&self, medium: Medium, m3: Decimal) -> (String, &'static str) {
        let litres = rounded(m3 * Decimal::ONE_THOUSAND, 0);
        if medium == Medium::Water && litres.abs() < Decimal::from(10_000) {
            return (self.number(litres, 0), "L");
        }
        (self.figures(m3), "m³")
    }

    /// Three significant figures, at most two decimals.
    pub(super) fn figures(&self, value: Decimal) -> String {
        let decimals = (0..=2u32).rev().find(|decimals| {
            let limit = match decimals {
                2 => Decimal::TEN,
                1 => Decimal::ONE_HUNDRED,
                _ => return true,
            };
            rounded(value, *decimals).abs() < limit
        });
        self.number(value, decimals.unwrap_or(0))
    }

    /// A number with so many decimals and its thousands grouped.
    pub(super) fn number(&self, value: Decimal, decimals: u32) -> String {
        let value = rounded(value, decimals);
        let places = usize::try_from(decimals).unwrap_or(0);
        let text = format!("{:.places$}", value.abs());
        let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
        let mut written = String::with_capacity(text.len() + 4);
        if value.is_sign_negative() && !value.is_zero() {
            written.push('−');
        }
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                written.push(GAP);
            }
            written.push(digit);
        }
        if !rest.is_empty() {
            written.push(self.language.decimal_separator());
            written.push_str(rest);
        }
        written
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
        format!(
            "{}{}",
            self.number(percent.into(), 0),
            self.language.percent()
        )
    }

    /// An amount of money with two decimals.
    pub(super) fn money(&self, money: &Money) -> String {
        self.cash(money.amount, &money.currency)
    }

    /// An amount of a currency with two decimals: £2.31, 2,31 €.
    pub(super) fn cash(&self, amount: Decimal, currency: &str) -> String {
        let symbol = match currency {
            "GBP" => "£",
            "EUR" => "€",
            "USD" | "AUD" | "CAD" | "NZD" => "$",
            "CHF" => "Fr.",
            "SEK" | "NOK" | "DKK" => "kr",
            other => other,
        };
        let text = self.number(amount, 2);
        match self.language {
            Language::English if symbol.chars().count() == 1 => match text.strip_prefix('−') {
                Some(rest) => format!("−{symbol}{rest}"),
                None => format!("{symbol}{text}"),
            },
            Language::Dutch if symbol.chars().count() == 1 => format!("{symbol}{GAP}{text}"),
            _ => format!("{text}{GAP}{symbol}"),
        }
    }

    /// A price per kWh in the minor unit with one decimal: 26.4p, 26,4 ct.
    pub(super) fn price(&self, per_kwh: Decimal, currency: &str) -> String {
        let minor = match currency {
            "GBP" => "p",
            "EUR" => match self.language {
                Language::French | Language::Spanish => "\u{a0}c€",
                Language::English | Language::German | Language::Dutch => "\u{a0}ct",
            },
            "USD" | "AUD" | "CAD" | "NZD" => "¢",
            "CHF" => "\u{a0}Rp.",
            "SEK" | "NOK" | "DKK" => "\u{a0}øre",
            other => return self.cash(per_kwh, other),
        };
        format!("{}{minor}", self.number(per_kwh * Decimal::ONE_HUNDRED, 1))
    }

    /// How long ago, in the one unit that says it.
    pub(super) fn ago(&self, at: Timestamp, now: Timestamp) -> String {
        let seconds = now.duration_since(at).max(SignedDuration::ZERO).as_secs();
        let (template, count) = match seconds {
            ..=15 => return self.t("just now").to_owned(),
            16..60 => (tr("{count} s ago"), seconds / 5 * 5),
            60..3_600 => (tr("{count} min ago"), seconds / 60),
            3_600..172_800 => (tr("{count} h ago"), seconds / 3_600),
            _ => (tr("{count} days ago"), seconds / 86_400),
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

fn rounded(value: Decimal, decimals: u32) -> Decimal {
    value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

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

    /// The rows follow the display's own tests.
    #[test]
    fn values_have_the_forms_of_the_display() {
        let table = include_str!("../../../web/lang/forms.tsv");
        let mut rows = 0;
        for row in table.lines().filter(|row| !row.starts_with('#')) {
            let mut cells = row.split('\t').map(|cell| cell.replace('_', "\u{a0}"));
            let [what, value, unit] = [(); 3].map(|()| cells.next().unwrap());
            for (language, want) in Language::ALL.into_iter().zip(cells.by_ref()) {
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
