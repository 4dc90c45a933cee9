//! Every word on the screen is translated, and no translation is left over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::path::Path;
use ui::format::Language;

/// The texts within `@tr("…")`, over all `.slint` files.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (_, rest) in text
            .match_indices("@tr(")
            .map(|(at, call)| (at, &text[at + call.len()..]))
        {
            let quoted = rest
                .strip_prefix('"')
                .expect("a text in quotes follows @tr(");
            found.push(quoted[..quoted.find('"').unwrap()].to_owned());
        }
    }
}

fn catalogue(code: &str) -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("lang")
        .join(code);
    let text = std::fs::read_to_string(path.join("LC_MESSAGES/ui.po")).unwrap();
    let quoted = |line: &str, name: &str| {
        line.strip_prefix(name)?
            .strip_prefix(" \"")?
            .strip_suffix('"')
            .map(str::to_owned)
    };
    let mut entries = BTreeMap::new();
    let mut id = String::new();
    for line in text.lines() {
        if let Some(text) = quoted(line, "msgid") {
            id = text;
        } else if let Some(text) = quoted(line, "msgstr")
            && !id.is_empty()
        {
            entries.insert(id.clone(), text);
        }
    }
    entries
}

#[test]
fn every_text_is_translated() {
    let mut texts = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("slint"),
        &mut texts,
    );
    texts.sort();
    texts.dedup();
    assert!(texts.len() > 50, "{texts:?}");
    for (code, _) in Language::ALL.iter().filter(|(code, _)| *code != "en") {
        let translated = catalogue(code);
        for text in &texts {
            let translation = translated.get(text).map_or("", String::as_str);
            assert!(
                !translation.is_empty(),
                "{code}: {text:?} is not translated"
            );
            let gaps = |text: &str| text.matches("{}").count();
            assert_eq!(
                gaps(text),
                gaps(translation),
                "{code}: {text:?} and {translation:?}"
            );
        }
        for text in translated.keys() {
            assert!(texts.contains(text), "{code}: {text:?} is on no screen");
        }
    }
}
