//! Currencies as Smart Energy numbers them.

/// The number of a currency (ISO 4217); 999, no currency, where it is not one of these.
pub(super) fn currency_number(code: &str) -> u16 {
    match code {
        "EUR" => 978,
        "GBP" => 826,
        "USD" => 840,
        "CHF" => 756,
        "SEK" => 752,
        "NOK" => 578,
        "DKK" => 208,
        "PLN" => 985,
        "CZK" => 203,
        "HUF" => 348,
        "RON" => 946,
        "TRY" => 949,
        "AUD" => 36,
        "NZD" => 554,
        "CAD" => 124,
        "JPY" => 392,
        "INR" => 356,
        "ZAR" => 710,
        "BRL" => 986,
        _ => 999,
    }
}
