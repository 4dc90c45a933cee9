//! The page's languages: every text is in every catalogue, none is left over, and what is shown in
//! German is German.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use axum::http::{HeaderValue, Request, StatusCode, header};
use wattle_api::{Role, State};

use super::super::tests::{Home, home, home_of, text};
use super::catalogue::{self, Catalogue};
use super::language::Language;
use super::{paths, told};

fn gateway() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Rust sources below a folder without their tests.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
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
            '\\' => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
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
        .filter_map(|language| catalogue::of(language).map(|words| (language, words)))
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
    files.retain(|(path, _)| !path.ends_with("told.rs"));
    for text in told::TEXTS {
        let beginning = text.split('{').next().unwrap();
        let is_there = files.iter().any(|(_, code)| code.contains(beginning));
        assert!(is_there, "nothing says {text:?}");
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

/// The state of the display's fixtures.
fn fixture(name: &str) -> State {
    let path = gateway().join(format!("../ui/tests/fixtures/{name}.json"));
    serde_json::from_str(&read(&path)).unwrap()
}

async fn page(home: &Home, path: &str, language: &str) -> (StatusCode, String) {
    let request = Request::builder()
        .uri(path)
        .header(header::ACCEPT_LANGUAGE, language)
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", home.token(Role::Household)),
        );
    let response = home.ask(request, "").await;
    let headers = response.headers();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return (response.status(), String::new());
    }
    let said = headers.get(header::CONTENT_LANGUAGE);
    assert_eq!(
        said.map(HeaderValue::as_bytes),
        Some(language.as_bytes()),
        "{path}"
    );
    assert_eq!(headers[header::VARY], "Accept-Language, Cookie", "{path}");
    let status = response.status();
    (status, text(response).await)
}

/// What a page says: its texts and the texts of its attributes, without what is marked as English.
fn words_of(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for piece in html.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
        for name in ["aria-label=\"", "placeholder=\""] {
            if let Some((_, rest)) = tag.split_once(name) {
                found.push(rest.split('"').next().unwrap().to_owned());
            }
        }
        if !tag.contains("lang=\"en\"") {
            found.push(text.to_owned());
        }
    }
    let plain = |text: &String| {
        let text = text.replace("&quot;", "\"").replace("&amp;", "&");
        text.trim().to_owned()
    };
    found
        .iter()
        .map(plain)
        .filter(|text| !text.is_empty())
        .collect()
}

#[tokio::test]
async fn pages_in_german_say_nothing_in_english() {
    let german = catalogue::of(Language::German).unwrap();
    let foreign = |text: &str| german.form(text, 0).is_some_and(|word| word != text);
    let mut seen = 0;
    for name in ["normal", "alarm", "exporting", "no_tariff", "stale"] {
        let home = home_of(Some(fixture(name)));
        for (path, allow) in paths() {
            if path.contains(['{']) && path != "/logs/{book}" || !allow.admits(Role::Household) {
                continue;
            }
            let path = path.replace("{book}", "system");
            let (status, html) = match path.as_str() {
                // It goes on for ever.
                "/live" => continue,
                // Who is let in is sent on.
                "/login" | "/setup" => continue,
                path => page(&home, path, "de").await,
            };
            if status == StatusCode::METHOD_NOT_ALLOWED {
                continue;
            }
            assert!(html.contains("<html lang=\"de\">"), "{path}: {html}");
            for word in words_of(&html) {
                assert!(!foreign(&word), "{path} of {name} says {word:?}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 60, "{seen}");
    let home = home_of(Some(fixture("normal")));
    for (language, words) in [
        ("en", "Prices of the next 24 hours"),
        ("de", "Preise der nächsten 24 Stunden"),
        ("fr", "Prix des 24 prochaines heures"),
        ("nl", "Prijzen voor de komende 24 uur"),
        ("es", "Precios de las próximas 24 horas"),
    ] {
        let (_, html) = page(&home, "/", language).await;
        assert!(html.contains(words), "{language}: {html}");
    }
}

#[tokio::test]
async fn the_door_and_what_went_wrong_are_in_the_reader_s_language() {
    let home = home();
    home.access.tick();
    let ask = |method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT_LANGUAGE, "de-AT, en;q=0.5")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    };
    let shown = text(home.ask(ask("GET", "/"), "").await).await;
    assert!(shown.contains("<html lang=\"de\">"), "{shown}");
    assert!(shown.contains("Code auf der Anzeige"), "{shown}");
    let code = home.access.web().borrow().pairing.clone().unwrap().code.0;
    for (sent, want) in [
        (
            "code=0&name=anna&password=short".to_owned(),
            "Ein Passwort hat 10 bis 200 Zeichen.",
        ),
        (format!("code={code}&name=anna&password=correct+horse"), ""),
    ] {
        let response = home.ask(ask("POST", "/setup"), &sent).await;
        assert_eq!(response.status() == StatusCode::SEE_OTHER, want.is_empty());
        assert!(text(response).await.contains(want));
    }
    let wrong = home
        .ask(ask("POST", "/login"), "name=anna&password=wrong")
        .await;
    let wrong = text(wrong).await;
    assert!(
        wrong.contains("Der Name, das Passwort oder der Code ist falsch."),
        "{wrong}"
    );
    let token = format!("Bearer {}", home.token(Role::Household));
    let erase = ask("POST", "/privacy/erase").header(header::AUTHORIZATION, token);
    let response = home.ask(erase, "confirm=nein").await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(response.headers()[header::CONTENT_LANGUAGE], "de");
    let shown = text(response).await;
    assert!(shown.contains("Das hat nicht geklappt"), "{shown}");
    assert!(shown.contains("Schreiben Sie das Wort"), "{shown}");
}

#[tokio::test]
async fn the_user_s_choice_is_kept_in_a_cookie() {
    let home = home();
    let choose = |site: &'static str| {
        Request::builder()
            .method("POST")
            .uri("/language")
            .header("sec-fetch-site", site)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    };
    for (sent, cookie, place) in [
        ("lang=fr&back=%2Fsettings", "lang=fr;", "/settings"),
        ("lang=fr&back=https%3A%2F%2Fevil.example", "lang=fr;", "/"),
        ("lang=&back=%2Flogin", "lang=;", "/login"),
        ("lang=xx%0d%0aa%3Ab", "lang=;", "/"),
    ] {
        let response = home.ask(choose("same-origin"), sent).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let headers = response.headers();
        assert_eq!(headers[header::LOCATION], place);
        let kept = headers[header::SET_COOKIE].to_str().unwrap();
        assert!(kept.starts_with(cookie), "{kept}");
        for part in ["SameSite=Lax", "Secure", "Path=/"] {
            assert!(kept.contains(part), "{kept}");
        }
    }
    let other = home.ask(choose("cross-site"), "lang=fr").await;
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
    let request = Request::builder()
        .uri("/setup")
        .header(header::COOKIE, "lang=fr")
        .header(header::ACCEPT_LANGUAGE, "de");
    let shown = text(home.ask(request, "").await).await;
    assert!(shown.contains("<html lang=\"fr\">"), "{shown}");
    assert!(
        shown.contains("<option value=\"fr\" lang=\"fr\" selected>"),
        "{shown}"
    );
}
