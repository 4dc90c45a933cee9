//! Currencies as Smart Energy numbers them.

/// Codes and numbers (ISO 4217).
const CURRENCIES: [(&str, u16); 19] = [
    ("EUR", 978),
    ("GBP", 826),
    ("USD", 840),
    ("CHF", 756),
    ("SEK", 752),
    ("NOK", 578),
    ("DKK", 208),
    ("PLN", 985),
    ("CZK", 203),
    ("HUF", 348),
    ("RON", 946),
    ("TRY", 949),
    ("AUD", 36),
    ("NZD", 554),
    ("CAD", 124),
    ("JPY", 392),
    ("INR", 356),
    ("ZAR", 710),
    ("BRL", 986),
];

/// The number of a currency (ISO 4217); 999, no currency, where it is not one of these.
pub(super) fn currency_number(code: &str) -> u16 {
    let found = CURRENCIES.iter().find(|(known, _)| *known == code);
    found.map_or(999, |(_, number)| *number)
}

/// The code of a currency's number, or the number itself.
pub(super) fn currency_code(number: u16) -> String {
    let found = CURRENCIES.iter().find(|(_, known)| *known == number);
    found.map_or_else(|| number.to_string(), |(code, _)| (*code).to_owned())
}
