//! The pages as they are served, in the reader's language.

use axum::http::{HeaderValue, Request, StatusCode, header};
use wattle_api::{Role, State};

use super::super::super::tests::{Home, home, home_of, text};
use super::super::catalogue;
use super::super::paths;
use super::{gateway, read};
use wattle_api::format::Language;

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
        let state = fixture(name);
        let own: Vec<String> = state
            .meters
            .iter()
            .map(|meter| meter.name.clone())
            .collect();
        let home = home_of(Some(state));
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
                let english = foreign(&word) && !own.contains(&word);
                assert!(!english, "{path} of {name} says {word:?}");
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
