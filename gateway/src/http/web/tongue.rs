//! What a page is written with: the reader's language and the home's clock.
//!
//! The sources are in English. A text goes through [`Tongue::t`], a sentence with values through
//! [`Tongue::say`] as a whole with named places, because other languages have another order of
//! words; a test finds every text in every catalogue.

use std::fmt::Display;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use rust_decimal::Decimal;

use super::super::Problem;
use super::catalogue;
use super::frame::sentence;
use super::told::{self, Told};
use wattle_api::format::Language;

/// A language and a time zone.
#[derive(Clone, Debug)]
pub(in super::super) struct Tongue {
    /// The reader's language.
    pub(super) language: Language,
    /// True where the user chose it, false where the browser asked for it.
    pub(super) chosen: bool,
    /// The home's time zone.
    pub(super) zone: TimeZone,
}

/// Marks a text that is translated elsewhere than where it stands.
pub(super) const fn tr(text: &'static str) -> &'static str {
    text
}

impl Tongue {
    /// A text.
    pub(super) fn t(&self, text: &'static str) -> &'static str {
        self.form(text, 0).unwrap_or(text)
    }

    /// A sentence with values in its places, `{name}` each.
    pub(super) fn say(&self, template: &'static str, values: &[(&str, &dyn Display)]) -> String {
        filled(self.t(template), values)
    }

    /// A sentence with other elements in its places.
    pub(super) fn say_with(&self, template: &'static str, values: &[(&str, Markup)]) -> Markup {
        with_markup(self.t(template), values)
    }

    /// A text that depends on a number, which stands in `{count}`: of one, and of several.
    pub(super) fn count(
        &self,
        one: &'static str,
        several: &'static str,
        count: impl Into<Decimal>,
    ) -> String {
        let count = count.into();
        let single = match self.language {
            Language::French => count.abs() < Decimal::TWO,
            _ => count == Decimal::ONE,
        };
        let own = if single { one } else { several };
        let template = self.form(one, usize::from(!single)).unwrap_or(own);
        let shown = if count.is_integer() {
            self.number(count, 0)
        } else {
            self.figures(count)
        };
        filled(template, &[("count", &shown)])
    }

    fn form(&self, text: &'static str, form: usize) -> Option<&'static str> {
        let words = catalogue::of(self.language)?;
        let found = words.form(text, form);
        #[cfg(test)]
        assert!(found.is_some(), "{text:?} is in no catalogue");
        found
    }

    /// Why something was not done, as a sentence.
    pub(super) fn problem(&self, problem: &Problem) -> Markup {
        self.sentence(&problem.text)
    }

    /// What the daemon says in English, as a sentence.
    pub(super) fn sentence(&self, text: &str) -> Markup {
        match self.known(text) {
            Some((template, Some((place, value)))) => {
                let value = html! { span lang="en" { (value) } };
                with_markup(&sentence(template), &[(place, value)])
            }
            Some((template, None)) => html! { (sentence(template)) },
            None => english(&sentence(text)),
        }
    }

    /// A word or two of the daemon's.
    pub(super) fn word(&self, text: &str) -> Markup {
        match self.known(text) {
            Some((template, Some((place, value)))) => {
                with_markup(template, &[(place, html! { (value) })])
            }
            Some((template, None)) => html! { (template) },
            None => english(text),
        }
    }

    fn known<'a>(&self, text: &'a str) -> Option<Told<'a>> {
        let words = catalogue::of(self.language)?;
        let (template, value) = told::find(text)?;
        Some((words.form(template, 0)?, value))
    }
}

/// A text that is English whatever the page's language is.
pub(super) fn english(text: &str) -> Markup {
    html! { span lang="en" { (text) } }
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Place(&'a str),
}

fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((before, place, after)) = rest.split_once('{').and_then(|(before, rest)| {
        rest.split_once('}')
            .map(|(place, rest)| (before, place, rest))
    }) {
        found.push(Piece::Text(before));
        found.push(Piece::Place(place));
        rest = after;
    }
    found.push(Piece::Text(rest));
    found
}

fn filled(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut text = String::with_capacity(template.len() + 16);
    for piece in pieces(template) {
        match piece {
            Piece::Text(part) => text.push_str(part),
            Piece::Place(place) => {
                if let Some((_, value)) = values.iter().find(|(name, _)| *name == place) {
                    text.push_str(&value.to_string());
                }
            }
        }
    }
    text
}

fn with_markup(template: &str, values: &[(&str, Markup)]) -> Markup {
    html! {
        @for piece in pieces(template) {
            @match piece {
                Piece::Text(part) => (part),
                Piece::Place(place) => @if let Some((_, value)) = values.iter().find(|(name, _)| *name == place) { (value) },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_by_name_and_once() {
        let filled = filled(
            "{b} before {a}, {c}{",
            &[("a", &"{b}"), ("b", &2), ("d", &"d")],
        );
        assert_eq!(filled, "2 before {b}, {");
        let link = html! { a href="/" { "x" } };
        let markup = with_markup("<{link}>", &[("link", link)]).into_string();
        assert_eq!(markup, "&lt;<a href=\"/\">x</a>&gt;");
    }
}
