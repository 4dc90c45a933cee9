//! The texts of the sources against the catalogues, the display's words and what the daemon says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::super::table::TABLE;
use super::super::catalogue::{self, Catalogue};
use super::super::{PAGES, told};
use super::{gateway, read};
use wattle_api::format::Language;

/// The Rust sources below a folder without their tests.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let text = read(&path);
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            found.push((path, code.to_owned()));
        }
    }
}

/// A string literal at the beginning of a text, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let quoted = text.trim_start().strip_prefix('"')?;
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match letters.next()?.1 {
                'u' => value.push(escaped(&mut letters)?),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// The character of `{a0}` after `\u`.
fn escaped(letters: &mut std::str::CharIndices<'_>) -> Option<char> {
    let digits = letters.as_str().strip_prefix('{')?.split_once('}')?.0;
    letters.nth(digits.len() + 1)?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

/// The texts that the pages say: those of one form, and those of one and of several with the
/// second.
fn said() -> BTreeMap<String, Option<String>> {
    let mut files = Vec::new();
    sources(&gateway().join("src/http/web"), &mut files);
    let mut texts = BTreeMap::new();
    for (_, code) in &files {
        for call in ["t(", "tr(", "say(", "say_with(", "count("] {
            for (at, _) in code.match_indices(call) {
                let before = code[..at].chars().next_back().unwrap_or(' ');
                if before.is_alphanumeric() || before == '_' {
                    continue;
                }
                let Some((one, rest)) = literal(&code[at + call.len()..]) else {
                    continue;
                };
                let several = (call == "count(").then(|| {
                    let rest = rest.strip_prefix(',').unwrap();
                    literal(rest).unwrap().0
                });
                texts.insert(one, several);
            }
        }
    }
    texts
}

fn translated() -> impl Iterator<Item = (Language, &'static Catalogue)> {
    Language::ALL
        .into_iter()
        .filter_map(|(_, language)| catalogue::of(language).map(|words| (language, words)))
}

fn places(text: &str) -> BTreeSet<&str> {
    let places = text.split('{').skip(1);
    places
        .map(|rest| rest.split_once('}').expect("a place ends").0)
        .collect()
}

#[test]
fn every_text_is_translated_and_none_is_left_over() {
    let texts = said();
    assert!(texts.len() > 350, "{}", texts.len());
    for (language, words) in translated() {
        for (text, several) in &texts {
            let forms = words.texts().get(text);
            let forms = forms.unwrap_or_else(|| panic!("{language:?} lacks {text:?}"));
            let wanted = if several.is_some() { 2 } else { 1 };
            assert_eq!(forms.len(), wanted, "{language:?}: {text:?}");
            for form in forms {
                assert_eq!(places(form), places(text), "{language:?}: {form:?}");
            }
        }
        for text in words.texts().keys() {
            assert!(
                texts.contains_key(text),
                "{language:?}: nobody says {text:?}"
            );
        }
    }
}

/// What markup may say without a translation: names, units, codes, classes.
const BARE: [&str; 24] = [
    " Mbit/s · ",
    " dBm",
    " · wattle",
    "&money=true",
    "/setup",
    "Authorization: Bearer …",
    "CSV",
    "Green Button",
    "bolt",
    "chart",
    "chart short",
    "cost",
    "desk",
    "done",
    "electricity",
    "good",
    "kWh",
    "more",
    "setup",
    "wattle",
    "wattle ",
    "wattle probe",
    "wattle.db.before-restore",
    "x each",
];

/// A literal that stands where markup has its texts is one that nobody translates.
#[test]
fn no_text_stands_bare_in_markup() {
    let mut files = Vec::new();
    sources(&gateway().join("src/http/web"), &mut files);
    files.retain(|(_, code)| code.contains("html! {"));
    assert!(files.len() > 10);
    for (path, code) in &files {
        for attribute in ["aria-label=\"", "title=\""] {
            assert!(!code.contains(attribute), "{}: {attribute}", path.display());
        }
        let lines = code.lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|line| !line.starts_with("//")).collect();
        let code = lines.join(" ");
        let (mut rest, mut before) = (code.as_str(), ' ');
        while let Some(at) = rest.find('"') {
            let ahead = rest[..at].trim_end().chars().next_back();
            before = ahead.unwrap_or(before);
            let (text, after) = literal(&rest[at..]).expect("a literal ends");
            let mut pairs = text.as_bytes().windows(2);
            let says = pairs.any(|pair| pair.iter().all(u8::is_ascii_alphabetic));
            if "{});".contains(before) && says {
                let known = BARE.contains(&text.as_str());
                assert!(known, "{}: {text:?} is not translated", path.display());
            }
            (rest, before) = (after, '"');
        }
    }
}

#[test]
fn a_catalogue_is_in_the_form_that_is_read() {
    for (language, words) in translated() {
        let file = gateway().join(format!("web/lang/{}.po", language.code()));
        let text = read(&file);
        let plural = if language == Language::French {
            "plural=(n > 1);"
        } else {
            "plural=(n != 1);"
        };
        for head in [
            format!("\"Language: {}\\n\"", language.code()),
            "charset=UTF-8".to_owned(),
            format!("nplurals=2; {plural}"),
        ] {
            assert!(text.contains(&head), "{language:?} lacks {head}");
        }
        assert!(!text.contains("msgctxt") && !text.contains("fuzzy"));
        let entries = text.lines().filter(|line| line.starts_with("msgid "));
        // The head is one of them; a text that stands twice, or is empty, is missing here.
        assert_eq!(entries.count(), words.texts().len() + 1, "{language:?}");
        for plural in text
            .lines()
            .filter_map(|line| line.strip_prefix("msgid_plural "))
        {
            let several = literal(plural).unwrap().0;
            assert!(
                said().values().flatten().any(|text| *text == several),
                "{several}"
            );
        }
    }
}

/// The household reads the same words on both: where the display has a text, the page says it as
/// the display does.
#[test]
fn the_words_are_those_of_the_display() {
    let unnamed = |text: &str| {
        let mut shown = text.to_owned();
        for place in places(text) {
            shown = shown.replace(&format!("{{{place}}}"), "{}");
        }
        shown
    };
    for (language, words) in translated() {
        let path = format!("../ui/lang/{}/LC_MESSAGES/ui.po", language.code());
        let display = Catalogue::read(&read(&gateway().join(path)));
        let mut same = 0;
        for (text, forms) in words.texts() {
            if let Some(shown) = display.form(&unnamed(text), 0) {
                assert_eq!(unnamed(&forms[0]), shown, "{language:?}: {text:?}");
                same += 1;
            }
        }
        assert!(same > 90, "{language:?}: {same}");
    }
}

#[test]
fn what_the_daemon_tells_is_what_it_says() {
    let mut files = Vec::new();
    sources(&gateway().join("src"), &mut files);
    // Of device types.
    sources(&gateway().join("../meter-link/src/mbus"), &mut files);
    files.retain(|(path, _)| !path.ends_with("told.rs"));
    for text in told::TEXTS {
        let beginning = text.split('{').next().unwrap();
        let is_there = files.iter().any(|(_, code)| code.contains(beginning));
        assert!(is_there, "nothing says {text:?}");
    }
    let learnt = TABLE.iter().filter_map(|row| row.learns);
    for learnt in learnt.chain(PAGES.iter().filter_map(|page| page.learns)) {
        assert!(told::find(learnt).is_some(), "{learnt:?} is not translated");
    }
    let mut rules = 0;
    for (_, code) in &files {
        for (at, call) in code.match_indices("AccessError::Rule(") {
            if let Some((rule, _)) = literal(&code[at + call.len()..]) {
                assert!(told::find(&rule).is_some(), "{rule:?} is not translated");
                rules += 1;
            }
        }
    }
    assert!(rules > 5, "{rules}");
}
