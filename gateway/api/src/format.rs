//! Numbers as people read them: three significant figures, money with two decimals, times of the
//! home's clock, each with the separators of the household's language. The display and the web page
//! write them by these rules, so that nobody reads two forms of one value.
//!
//! Values arrive exact and are rounded once, half away from zero, for showing only.

use jiff::{Timestamp, Zoned, civil::Date, tz::TimeZone};
use rust_decimal::{Decimal, RoundingStrategy};

/// What stands for a value that is not known.
pub const MISSING: &str = "–";

/// Narrow enough to keep a number in one piece, and never a place to break a line.
const GROUP: char = '\u{a0}';

/// A language that display and web page speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, the language of the sources.
    #[default]
    English,
    /// German.
    German,
    /// French.
    French,
    /// Dutch.
    Dutch,
    /// Spanish.
    Spanish,
}

impl Language {
    /// Every language, with its code.
    pub const ALL: [(&'static str, Self); 5] = [
        ("en", Self::English),
        ("de", Self::German),
        ("fr", Self::French),
        ("nl", Self::Dutch),
        ("es", Self::Spanish),
    ];

    /// Its ISO 639-1 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Dutch => "nl",
            Self::Spanish => "es",
        }
    }

    /// What its speakers call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::French => "Français",
            Self::Dutch => "Nederlands",
            Self::Spanish => "Español",
        }
    }

    /// The one of a code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(one, _)| *one == code)
            .map(|(_, language)| language)
    }

    const fn decimal_separator(self) -> char {
        match self {
            Self::English => '.',
            Self::German | Self::French | Self::Dutch | Self::Spanish => ',',
        }
    }

    /// What stands between a number and its unit or per cent sign.
    const fn percent(self) -> &'static str {
        match self {
            Self::English | Self::Dutch => "%",
            Self::German | Self::French | Self::Spanish => "\u{a0}%",
        }
    }
}

/// A power without its sign, and whether it is in kW rather than W.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Power {
    /// The number.
    pub text: String,
    /// True for kW.
    pub kilowatts: bool,
}

/// Watts below 100 W, otherwise kilowatts with three significant figures. The sign is left to a
/// word.
#[must_use]
pub fn power(watts: Decimal, language: Language) -> Power {
    let watts = watts.abs();
    let whole = round(watts, 0);
    if whole < Decimal::ONE_HUNDRED {
        return Power {
            text: number(whole, 0, language),
            kilowatts: false,
        };
    }
    Power {
        text: figures(watts / Decimal::ONE_THOUSAND, language),
        kilowatts: true,
    }
}

/// Three significant figures, at most two decimals: 0.34, 1.42, 12.6, 1 235.
#[must_use]
pub fn figures(value: Decimal, language: Language) -> String {
    let decimals = (0..=2u32)
        .rev()
        .find(|decimals| {
            let limit = match decimals {
                2 => Decimal::TEN,
                1 => Decimal::ONE_HUNDRED,
                _ => return true,
            };
            round(value, *decimals).abs() < limit
        })
        .unwrap_or(0);
    number(value, decimals, language)
}

/// A number with so many decimals and its thousands grouped.
#[must_use]
pub fn number(value: Decimal, decimals: u32, language: Language) -> String {
    let rounded = round(value, decimals);
    let plain = format!("{:.*}", decimals as usize, rounded.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut text = String::with_capacity(plain.len() + 4);
    if rounded.is_sign_negative() && !rounded.is_zero() {
        text.push('−');
    }
    let digits = whole.len();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (digits - index).is_multiple_of(3) {
            text.push(GROUP);
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push(language.decimal_separator());
        text.push_str(fraction);
    }
    text
}

/// Rounds parts so that what is shown adds up to the total that is shown, where they do so exactly:
/// what rounding left over or took too much goes to those it changes least. Returns the parts and
/// the total.
#[must_use]
pub fn parts(exact: &[Decimal], total: Decimal, decimals: u32) -> (Vec<Decimal>, Decimal) {
    let shown = round(total, decimals);
    let mut parts: Vec<Decimal> = exact.iter().map(|part| round(*part, decimals)).collect();
    let step = Decimal::new(1, decimals);
    if exact.iter().copied().sum::<Decimal>() != total {
        return (parts, shown);
    }
    // Each part is off by half a step at the most, so that one step each is enough.
    for _ in 0..exact.len() {
        let missing = shown - parts.iter().copied().sum::<Decimal>();
        if missing.is_zero() {
            break;
        }
        let sign = if missing > Decimal::ZERO { step } else { -step };
        let gain = |(part, exact): (&Decimal, &Decimal)| (exact - part) * sign;
        let most = (0..).zip(parts.iter().zip(exact).map(gain));
        let most = most.reduce(|best, next| if next.1 > best.1 { next } else { best });
        if let Some(part) = most.and_then(|(index, _): (usize, _)| parts.get_mut(index)) {
            *part += sign;
        }
    }
    (parts, shown)
}

/// A currency's sign; its code where it has none.
#[must_use]
pub fn sign(currency: &str) -> &str {
    match currency {
        "GBP" => "£",
        "EUR" => "€",
        "USD" | "AUD" | "CAD" | "NZD" => "$",
        "CHF" => "Fr.",
        "SEK" | "NOK" | "DKK" => "kr",
        other => other,
    }
}

/// An amount with two decimals and its currency: £2.31, 2,31 €.
#[must_use]
pub fn money(amount: Decimal, currency: &str, language: Language) -> String {
    let symbol = sign(currency);
    let text = number(amount, 2, language);
    match language {
        Language::English if symbol.chars().count() == 1 => match text.strip_prefix('−') {
            Some(rest) => format!("−{symbol}{rest}"),
            None => format!("{symbol}{text}"),
        },
        // The sign stands after the currency: € −0,12.
        Language::Dutch if symbol.chars().count() == 1 => format!("{symbol}\u{a0}{text}"),
        _ => format!("{text}\u{a0}{symbol}"),
    }
}

/// A price per kWh in the currency's minor unit with one decimal: 26.4p, 26,4 ct.
#[must_use]
pub fn unit_price(per_kwh: Decimal, currency: &str, language: Language) -> String {
    let minor = match currency {
        "GBP" => "p",
        "EUR" => match language {
            Language::French | Language::Spanish => "\u{a0}c€",
            Language::English | Language::German | Language::Dutch => "\u{a0}ct",
        },
        "USD" | "AUD" | "CAD" | "NZD" => "¢",
        "CHF" => "\u{a0}Rp.",
        "SEK" | "NOK" | "DKK" => "\u{a0}øre",
        other => return money(per_kwh, other, language),
    };
    format!(
        "{}{minor}",
        number(per_kwh * Decimal::ONE_HUNDRED, 1, language)
    )
}

/// A price per kWh as an axis names it, with no more decimals than it has: 40p, 2,5 ct.
#[must_use]
pub fn unit_tick(per_kwh: Decimal, currency: &str, language: Language) -> String {
    let text = unit_price(per_kwh, currency, language);
    if per_kwh.is_zero() {
        return "0".to_owned();
    }
    let none = format!("{}0", language.decimal_separator());
    match text.split_once(&none) {
        // The only decimal is a nought.
        Some((whole, unit)) if !unit.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{whole}{unit}")
        }
        _ => text,
    }
}

/// Energy with its unit: 7.84 kWh.
#[must_use]
pub fn energy(kwh: Decimal, language: Language) -> String {
    format!("{}\u{a0}kWh", figures(kwh, language))
}

/// A volume: litres of water below 10 m³, otherwise cubic metres.
#[must_use]
pub fn water(m3: Decimal, language: Language) -> String {
    litres(m3, language).map_or_else(|| gas(m3, language), |litres| format!("{litres}\u{a0}L"))
}

/// The litres of so much water; `None` where cubic metres say it better.
#[must_use]
pub fn litres(m3: Decimal, language: Language) -> Option<String> {
    let litres = round(m3 * Decimal::ONE_THOUSAND, 0);
    (litres.abs() < Decimal::from(10_000)).then(|| number(litres, 0, language))
}

/// A volume in cubic metres.
#[must_use]
pub fn gas(m3: Decimal, language: Language) -> String {
    format!("{}\u{a0}m³", figures(m3, language))
}

/// The magnitude of a change in per cent.
#[must_use]
pub fn percent(change: i32, language: Language) -> String {
    share(change.unsigned_abs().into(), language)
}

/// A share of a hundred, to the whole per cent.
#[must_use]
pub fn share(percent: Decimal, language: Language) -> String {
    format!("{}{}", number(percent, 0, language), language.percent())
}

/// Hours and minutes of the home's clock: 18:30.
#[must_use]
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

/// A time of the home's clock, with its date where that is not today's: 18:04, 3.11. 18:04.
#[must_use]
pub fn moment(at: Timestamp, now: &Zoned, language: Language) -> String {
    let at = at.to_zoned(now.time_zone().clone());
    if at.date() == now.date() {
        return at.strftime("%H:%M").to_string();
    }
    format!("{} {}", date(at.date(), language), at.strftime("%H:%M"))
}

/// Day and month: 3 Nov, 3.11.
#[must_use]
pub fn date(at: Date, language: Language) -> String {
    match language {
        Language::German => format!("{}.{}.", at.day(), at.month()),
        _ => format!("{}\u{a0}{}", at.day(), month(at, language)),
    }
}

/// The short name of a month: May, Mai.
#[must_use]
pub fn month(at: Date, language: Language) -> &'static str {
    let names = match language {
        Language::English => [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ],
        Language::German => [
            "Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez",
        ],
        Language::French => [
            "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.",
            "nov.", "déc.",
        ],
        Language::Dutch => [
            "jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec",
        ],
        Language::Spanish => [
            "ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic",
        ],
    };
    usize::try_from(at.month() - 1)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default()
}

/// How long ago something was, in the one unit that says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// At most 15 seconds: not worth a word.
    Fresh,
    /// In steps of five seconds, so that the screen does not change every second.
    Seconds(i64),
    /// Whole minutes, below an hour.
    Minutes(i64),
    /// Whole hours, below two days.
    Hours(i64),
    /// Whole days.
    Days(i64),
}

/// The age of what was received at `then`; a time in the future is as fresh as can be.
#[must_use]
pub fn age(then: Timestamp, now: Timestamp) -> Age {
    let seconds = now.as_second().saturating_sub(then.as_second());
    match seconds {
        ..=15 => Age::Fresh,
        16..60 => Age::Seconds(seconds / 5 * 5),
        60..3_600 => Age::Minutes(seconds / 60),
        3_600..172_800 => Age::Hours(seconds / 3_600),
        _ => Age::Days(seconds / 86_400),
    }
}

fn round(value: Decimal, decimals: u32) -> Decimal {
    value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EN: Language = Language::English;
    const DE: Language = Language::German;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn ticks_have_no_idle_noughts() {
        assert_eq!(unit_tick(decimal("0.4"), "GBP", EN), "40p");
        assert_eq!(unit_tick(decimal("-0.025"), "EUR", DE), "−2,5\u{a0}ct");
        assert_eq!(unit_tick(decimal("0.0"), "EUR", DE), "0");
        assert_eq!(unit_tick(decimal("0.2"), "PLN", EN), "0.20\u{a0}PLN");
    }

    #[test]
    fn shown_parts_add_up() {
        for (exact, total, expected) in [
            (
                &["0.334", "0.333", "0.333"][..],
                "1",
                &["0.34", "0.33", "0.33"][..],
            ),
            (
                &["0.006", "0.006", "0.006"],
                "0.018",
                &["0.00", "0.01", "0.01"],
            ),
            (&["1", "2"], "4", &["1", "2"]),
            (&[], "0", &[]),
        ] {
            let exact: Vec<Decimal> = exact.iter().map(|text| decimal(text)).collect();
            let expected: Vec<Decimal> = expected.iter().map(|text| decimal(text)).collect();
            assert_eq!(parts(&exact, decimal(total), 2).0, expected);
        }
    }

    #[test]
    fn power_has_three_figures_and_no_sign() {
        for (watts, text, kilowatts) in [
            ("0", "0", false),
            ("0.4", "0", false),
            ("87", "87", false),
            ("-87", "87", false),
            ("99.4", "99", false),
            ("99.5", "0.10", true),
            ("340", "0.34", true),
            ("1420", "1.42", true),
            ("-1420", "1.42", true),
            ("9994", "9.99", true),
            ("9995", "10.0", true),
            ("12600", "12.6", true),
            ("23400", "23.4", true),
            ("99950", "100", true),
            ("1234567", "1\u{a0}235", true),
        ] {
            let expected = Power {
                text: text.to_owned(),
                kilowatts,
            };
            assert_eq!(power(decimal(watts), EN), expected, "{watts} W");
        }
        assert_eq!(power(decimal("1420"), DE).text, "1,42");
    }

    #[test]
    fn money_is_written_as_the_language_writes_it() {
        for (amount, currency, english, german) in [
            ("2.314", "GBP", "£2.31", "2,31\u{a0}£"),
            ("2.315", "EUR", "€2.32", "2,32\u{a0}€"),
            ("-0.12", "GBP", "−£0.12", "−0,12\u{a0}£"),
            ("-0.001", "GBP", "£0.00", "0,00\u{a0}£"),
            ("1234.56", "GBP", "£1\u{a0}234.56", "1\u{a0}234,56\u{a0}£"),
            ("0", "CHF", "0.00\u{a0}Fr.", "0,00\u{a0}Fr."),
            ("7", "PLN", "7.00\u{a0}PLN", "7,00\u{a0}PLN"),
        ] {
            assert_eq!(money(decimal(amount), currency, EN), english);
            assert_eq!(money(decimal(amount), currency, DE), german);
        }
    }

    #[test]
    fn every_language_has_its_form() {
        use Language::{Dutch, French, Spanish};
        let amount = decimal("-1234.5");
        assert_eq!(money(amount, "EUR", French), "−1\u{a0}234,50\u{a0}€");
        assert_eq!(money(amount, "EUR", Dutch), "€\u{a0}−1\u{a0}234,50");
        assert_eq!(money(amount, "EUR", Spanish), "−1\u{a0}234,50\u{a0}€");
        assert_eq!(unit_price(decimal("0.264"), "EUR", Dutch), "26,4\u{a0}ct");
        assert_eq!(unit_price(decimal("0.264"), "EUR", French), "26,4\u{a0}c€");
        assert_eq!(percent(8, French), "8\u{a0}%");
        assert_eq!(percent(8, Dutch), "8%");
        let day = at("2026-02-03T12:00:00Z").to_zoned(TimeZone::UTC);
        let dates = [French, Dutch, Spanish].map(|language| date(day.date(), language));
        assert_eq!(dates, ["3\u{a0}févr.", "3\u{a0}feb", "3\u{a0}feb"]);
    }

    #[test]
    fn prices_are_in_the_minor_unit() {
        for (price, currency, english, german) in [
            ("0.264", "GBP", "26.4p", "26,4p"),
            ("0.2641", "EUR", "26.4\u{a0}ct", "26,4\u{a0}ct"),
            ("-0.031", "EUR", "−3.1\u{a0}ct", "−3,1\u{a0}ct"),
            ("0", "GBP", "0.0p", "0,0p"),
            ("1.5", "SEK", "150.0\u{a0}øre", "150,0\u{a0}øre"),
            ("0.8", "PLN", "0.80\u{a0}PLN", "0,80\u{a0}PLN"),
        ] {
            assert_eq!(unit_price(decimal(price), currency, EN), english);
            assert_eq!(unit_price(decimal(price), currency, DE), german);
        }
    }

    #[test]
    fn quantities_carry_their_unit() {
        assert_eq!(energy(decimal("7.8412"), EN), "7.84\u{a0}kWh");
        assert_eq!(energy(decimal("1234.56"), DE), "1\u{a0}235\u{a0}kWh");
        assert_eq!(water(decimal("0.184"), EN), "184\u{a0}L");
        assert_eq!(water(decimal("12.3456"), EN), "12.3\u{a0}m³");
        assert_eq!(gas(decimal("1.044"), DE), "1,04\u{a0}m³");
        assert_eq!(percent(-8, EN), "8%");
        assert_eq!(percent(12, DE), "12\u{a0}%");
    }

    #[test]
    fn times_are_the_home_s() {
        let london = TimeZone::get("Europe/London").unwrap();
        let now = at("2026-07-01T22:30:00Z").to_zoned(london.clone());
        assert_eq!(clock(at("2026-07-01T17:30:00Z"), &london), "18:30");
        assert_eq!(moment(at("2026-07-01T17:04:00Z"), &now, EN), "18:04");
        assert_eq!(
            moment(at("2026-06-30T17:04:00Z"), &now, EN),
            "30\u{a0}Jun 18:04"
        );
        assert_eq!(moment(at("2026-06-30T17:04:00Z"), &now, DE), "30.6. 18:04");
    }

    #[test]
    fn ages_step_by_their_unit() {
        let now = at("2026-07-01T12:00:00Z");
        for (then, expected) in [
            ("2026-07-01T12:00:30Z", Age::Fresh),
            ("2026-07-01T11:59:45Z", Age::Fresh),
            ("2026-07-01T11:59:44Z", Age::Seconds(15)),
            ("2026-07-01T11:59:18Z", Age::Seconds(40)),
            ("2026-07-01T11:58:00Z", Age::Minutes(2)),
            ("2026-07-01T10:01:00Z", Age::Hours(1)),
            ("2026-06-29T12:00:01Z", Age::Hours(47)),
            ("2026-06-28T11:00:00Z", Age::Days(3)),
        ] {
            assert_eq!(age(at(then), now), expected, "{then}");
        }
    }
}
