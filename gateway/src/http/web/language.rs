//! Which language a browser gets: what the user chose, else what it asks for (RFC 9110, 12.5.4),
//! else English.

use std::cmp::Reverse;

use axum::http::{HeaderMap, header};
use wattle_api::format::Language;

use super::super::lan::guard::cookie;

/// Name of the cookie that keeps the user's choice.
pub(super) const COOKIE: &str = "lang";

/// The one that the user chose.
pub(super) fn chosen(headers: &HeaderMap) -> Option<Language> {
    cookie(headers, COOKIE).and_then(Language::of_code)
}

/// The one that the browser would rather have than the others.
pub(super) fn negotiated(headers: &HeaderMap) -> Language {
    let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter();
    let ranges: Vec<Range<'_>> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(Range::read)
        .collect();
    let wanted = |(_, language): (&str, Language)| {
        let named = ranges
            .iter()
            .enumerate()
            .filter(|(_, range)| range.primary.eq_ignore_ascii_case(language.code()))
            .max_by_key(|(at, range)| (range.quality, Reverse(*at)));
        let any = || {
            ranges
                .iter()
                .enumerate()
                .find(|(_, range)| range.primary == "*")
        };
        let (at, range) = named.or_else(any)?;
        (range.quality > 0).then_some((range.quality, Reverse(at), language))
    };
    // Of equals the last one is taken: under `*` that is English.
    let best = Language::ALL.into_iter().rev().filter_map(wanted);
    best.max_by_key(|(quality, at, _)| (*quality, *at))
        .map_or_else(Language::default, |(.., language)| language)
}

/// A range of languages by its primary subtag, and how much it is wanted, in thousandths.
struct Range<'a> {
    primary: &'a str,
    quality: u16,
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let tag = parts.next().filter(|tag| !tag.is_empty())?;
        let primary = tag.split('-').next()?;
        let quality = match parts.next() {
            None => 1000,
            Some(weight) => thousandths(weight.get(2..).filter(|_| {
                let name = weight.get(..2).unwrap_or_default();
                name.eq_ignore_ascii_case("q=")
            })?)?,
        };
        Some(Self { primary, quality })
    }
}

/// A weight from 0 to 1 with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = match whole {
        "0" => 0,
        "1" => 1000,
        _ => return None,
    };
    let digits = decimals.bytes().all(|byte| byte.is_ascii_digit());
    if decimals.len() > 3 || !digits {
        return None;
    }
    let part: u16 = format!("{decimals:0<3}").parse().ok()?;
    whole.checked_add(part).filter(|sum| *sum <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{Dutch, English, French, German, Spanish};

    #[test]
    fn the_browser_s_languages_are_weighed() {
        for (asked, want) in [
            ("", English),
            ("de", German),
            ("de-AT,de;q=0.9,en;q=0.8", German),
            // The example of RFC 9110, 12.5.4, and of its section on weights.
            ("da, en-gb;q=0.8, en;q=0.7", English),
            ("fr;q=0.5, nl", Dutch),
            ("en;q=0.5, fr;q=0.8", French),
            ("ES-mx", Spanish),
            ("pl, ru;q=0.9", English),
            ("*", English),
            ("*, de;q=0.5", English),
            ("*;q=0.1, de;q=0.5", German),
            ("en;q=0, *", German),
            ("de;q=0", English),
            ("nl;q=0.8, fr;q=0.8", Dutch),
            ("de;q=0.333, fr;q=0.334", French),
            ("de;q=1.000, fr", German),
            // What is not well formed counts for nothing.
            ("de;q=2, fr;q=0.1", French),
            ("de;q=0.1234, fr;q=0.1", French),
            ("de;x=1, es;q=0.1", Spanish),
            ("de;q=-1, es;q=0.1", Spanish),
            (";;,,q=1,;q=", English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, asked.parse().unwrap());
            assert_eq!(negotiated(&headers), want, "{asked:?}");
        }
        assert_eq!(negotiated(&HeaderMap::new()), English);
    }

    #[test]
    fn what_the_user_chose_stands_in_a_cookie() {
        for (cookies, want) in [
            ("lang=fr", Some(French)),
            ("__Host-wattle=0; lang=nl", Some(Dutch)),
            ("lang=xx", None),
            ("lang=", None),
            ("language=fr", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, cookies.parse().unwrap());
            assert_eq!(chosen(&headers), want, "{cookies}");
        }
    }
}
