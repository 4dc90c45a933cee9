//! Words in gettext's form (`.po`): what a text of the sources is in another language.
//!
//! Of the form it takes comments, `msgid`, `msgid_plural`, `msgstr`, `msgstr[n]` and strings that go
//! on in the next line; contexts and fuzzy entries it does not, and a test keeps them out.

use std::collections::HashMap;
use std::sync::LazyLock;

use wattle_api::format::Language;

/// The words of a language: of each text its one form, or those of one and of several.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    texts: HashMap<String, Vec<String>>,
}

static GERMAN: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::read(include_str!("../../../web/lang/de.po")));
static FRENCH: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::read(include_str!("../../../web/lang/fr.po")));
static DUTCH: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::read(include_str!("../../../web/lang/nl.po")));
static SPANISH: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::read(include_str!("../../../web/lang/es.po")));

/// The words of a language; the sources are English themselves.
pub(super) fn of(language: Language) -> Option<&'static Catalogue> {
    match language {
        Language::English => None,
        Language::German => Some(&GERMAN),
        Language::French => Some(&FRENCH),
        Language::Dutch => Some(&DUTCH),
        Language::Spanish => Some(&SPANISH),
    }
}

impl Catalogue {
    /// Reads a file. What it does not understand it leaves out.
    pub(super) fn read(file: &str) -> Self {
        let mut texts = HashMap::new();
        let mut entry = Entry::default();
        for line in file.lines().map(str::trim) {
            let Some((keyword, text)) = keyword_and_string(line) else {
                continue;
            };
            if keyword == "msgid" {
                std::mem::take(&mut entry).into(&mut texts);
            }
            entry.take(keyword, &text);
        }
        entry.into(&mut texts);
        Self { texts }
    }

    /// A form of a text, 0 for the only one or that of one, 1 for that of several.
    pub(super) fn form(&self, text: &str, form: usize) -> Option<&str> {
        let forms = self.texts.get(text)?;
        forms.get(form).map(String::as_str)
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> &HashMap<String, Vec<String>> {
        &self.texts
    }
}

#[derive(Default)]
struct Entry {
    id: String,
    forms: Vec<String>,
    /// What a string without a keyword goes on with.
    open: Open,
}

#[derive(Clone, Copy, Default)]
enum Open {
    #[default]
    Nothing,
    Id,
    Form,
}

impl Entry {
    fn take(&mut self, keyword: &str, text: &str) {
        match keyword {
            "msgid" => self.open = Open::Id,
            "msgstr" | "msgstr[0]" | "msgstr[1]" => {
                self.forms.push(String::new());
                self.open = Open::Form;
            }
            "" => {}
            _ => self.open = Open::Nothing,
        }
        match self.open {
            Open::Id => self.id.push_str(text),
            Open::Form => {
                if let Some(form) = self.forms.last_mut() {
                    form.push_str(text);
                }
            }
            Open::Nothing => {}
        }
    }

    /// The entry of the empty text is the file's head.
    fn into(self, texts: &mut HashMap<String, Vec<String>>) {
        if !self.id.is_empty() && self.forms.iter().all(|form| !form.is_empty()) {
            texts.insert(self.id, self.forms);
        }
    }
}

/// `msgid "text"` in its two parts; the keyword is empty where a string goes on.
fn keyword_and_string(line: &str) -> Option<(&str, String)> {
    let (keyword, rest) = line.split_once('"')?;
    let quoted = rest.strip_suffix('"')?;
    if keyword.starts_with('#') {
        return None;
    }
    let mut text = String::with_capacity(quoted.len());
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    Some((keyword.trim(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_gettext_is_read() {
        let words = Catalogue::read(
            "# \"comment\"\nmsgid \"\"\nmsgstr \"\"\n\"Language: de\\n\"\n\n#: a.rs\nmsgid \"Now\"\nmsgstr \"Jetzt\"\n\n\
             msgid \"a \"\n\"\\\"b\\\"\"\nmsgstr \"\"\n\"ein \"\n\"„b“\"\n\n\
             msgid \"{count} field\"\nmsgid_plural \"{count} fields\"\nmsgstr[0] \"{count} Feld\"\nmsgstr[1] \"{count} Felder\"\n\n\
             msgid \"missing\"\nmsgstr \"\"\n",
        );
        assert_eq!(words.form("Now", 0), Some("Jetzt"));
        assert_eq!(words.form("a \"b\"", 0), Some("ein „b“"));
        assert_eq!(words.form("{count} field", 0), Some("{count} Feld"));
        assert_eq!(words.form("{count} field", 1), Some("{count} Felder"));
        assert_eq!(words.form("{count} fields", 0), None);
        assert_eq!(words.form("missing", 0), None);
        assert_eq!(words.form("", 0), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(file in ".*(\n(msgid|msgstr|) ?\".*\"\n){0,4}.*") {
            let _ = Catalogue::read(&file);
        }
    }
}
