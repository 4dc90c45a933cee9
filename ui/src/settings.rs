//! What the household chooses on the screen: colours, language, size of the texts. It takes effect
//! at once and, where the display was given a file for it, outlives a restart.

use crate::format::Language;
use crate::generated::{App, Choices, Theme, ThemeChoice, Tokens};
use crate::{Settings, apply};
use serde_json::{Value, json};
use slint::{ComponentHandle, PlatformError};
use std::io;
use std::path::Path;

/// The hours between which the automatic colours are those of the night; equal ones are no night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Night {
    /// Its first hour, 0 to 23.
    pub from: i32,
    /// The hour it ends with.
    pub until: i32,
}

impl Night {
    /// As it is chosen on the screen.
    #[must_use]
    pub fn chosen(app: &App) -> Self {
        let choices = app.global::<Choices>();
        Self {
            from: choices.get_night_from(),
            until: choices.get_night_until(),
        }
    }

    fn holds(self, hour: i32) -> bool {
        if self.from <= self.until {
            (self.from..self.until).contains(&hour)
        } else {
            !(self.until..self.from).contains(&hour)
        }
    }
}

/// The colours of a choice at an hour of the local clock.
#[must_use]
pub fn theme(choice: ThemeChoice, night: Night, hour: i8) -> Theme {
    match choice {
        ThemeChoice::Light => Theme::Light,
        ThemeChoice::Night => Theme::Night,
        ThemeChoice::Auto if night.holds(i32::from(hour)) => Theme::Night,
        ThemeChoice::Auto | ThemeChoice::Dark => Theme::Dark,
    }
}

/// What the screen says is chosen.
#[must_use]
pub fn language(app: &App) -> Language {
    let index = usize::try_from(app.global::<Choices>().get_language()).unwrap_or(0);
    Language::ALL
        .get(index)
        .map_or(Language::default(), |(_, language)| *language)
}

/// Makes what is chosen take effect.
///
/// # Errors
/// When the language is not built in.
pub fn follow(app: &App, hour: i8) -> Result<(), PlatformError> {
    let choices = app.global::<Choices>();
    app.global::<Tokens>()
        .set_colour_safe(choices.get_colour_safe());
    apply(
        app,
        Settings {
            theme: theme(choices.get_theme(), Night::chosen(app), hour),
            text_scale: if choices.get_large_text() { 1.25 } else { 1.0 },
            language: language(app),
        },
    )
}

/// Chooses for the household, as at the start.
pub fn choose(app: &App, theme: ThemeChoice, large_text: bool, language: Language) {
    let choices = app.global::<Choices>();
    let index = Language::ALL.iter().position(|(_, one)| *one == language);
    choices.set_theme(theme);
    choices.set_large_text(large_text);
    choices.set_language(
        index
            .and_then(|index| i32::try_from(index).ok())
            .unwrap_or(0),
    );
}

const THEMES: [(&str, ThemeChoice); 4] = [
    ("auto", ThemeChoice::Auto),
    ("dark", ThemeChoice::Dark),
    ("light", ThemeChoice::Light),
    ("night", ThemeChoice::Night),
];

/// Writes the choices into a file, by way of another, so that a power cut leaves the old or the
/// new ones.
///
/// # Errors
/// When the file cannot be written.
pub fn save(app: &App, file: &Path) -> io::Result<()> {
    let choices = app.global::<Choices>();
    let theme = THEMES
        .iter()
        .find(|(_, theme)| *theme == choices.get_theme());
    let text = json!({
        "theme": theme.map_or("dark", |(name, _)| name),
        "text": if choices.get_large_text() { 125 } else { 100 },
        "lang": language(app).code(),
        "colour_safe": choices.get_colour_safe(),
        "brightness": choices.get_brightness(),
        "simple": choices.get_simple(),
        "speaks": choices.get_speaks(),
        "night_from": choices.get_night_from(),
        "night_until": choices.get_night_until(),
        "in_money": choices.get_in_money(),
    });
    let new = file.with_extension("new");
    std::fs::write(&new, format!("{text}\n"))?;
    std::fs::rename(new, file)
}

/// Chooses what an earlier run wrote. Members that are missing or not understood leave the choice
/// as it is, and so does a file that is not there.
///
/// # Errors
/// When the file cannot be read or is not JSON.
pub fn restore(app: &App, file: &Path) -> io::Result<()> {
    let text = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    let kept: Value = serde_json::from_str(&text)?;
    let text = |name: &str| kept.get(name).and_then(Value::as_str);
    let choices = app.global::<Choices>();
    if let Some((_, theme)) = THEMES.iter().find(|(name, _)| text("theme") == Some(name)) {
        choices.set_theme(*theme);
    }
    let known = Language::ALL
        .iter()
        .position(|(code, _)| text("lang") == Some(code));
    if let Some(index) = known.and_then(|index| i32::try_from(index).ok()) {
        choices.set_language(index);
    }
    if let Some(percent) = kept.get("text").and_then(Value::as_i64) {
        choices.set_large_text(percent == 125);
    }
    let flag = |name: &str| kept.get(name).and_then(Value::as_bool);
    if let Some(colour_safe) = flag("colour_safe") {
        choices.set_colour_safe(colour_safe);
    }
    if let Some(simple) = flag("simple") {
        choices.set_simple(simple);
    }
    if let Some(speaks) = flag("speaks") {
        choices.set_speaks(speaks);
    }
    if let Some(in_money) = flag("in_money") {
        choices.set_in_money(in_money);
    }
    let hour = |name: &str| {
        let hour = kept.get(name).and_then(Value::as_i64)?;
        i32::try_from(hour)
            .ok()
            .filter(|hour| (0..24).contains(hour))
    };
    if let Some(from) = hour("night_from") {
        choices.set_night_from(from);
    }
    if let Some(until) = hour("night_until") {
        choices.set_night_until(until);
    }
    let brightness = kept.get("brightness").and_then(Value::as_i64);
    if let Some(Ok(brightness @ 0..=2)) = brightness.map(i32::try_from) {
        choices.set_brightness(brightness);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn night_comes_by_itself() {
        for (hour, expected) in [
            (0, Theme::Night),
            (5, Theme::Night),
            (6, Theme::Dark),
            (21, Theme::Dark),
            (22, Theme::Night),
        ] {
            let night = Night { from: 22, until: 6 };
            assert_eq!(theme(ThemeChoice::Auto, night, hour), expected, "{hour}");
        }
        let night = Night { from: 1, until: 5 };
        let auto = |hour| theme(ThemeChoice::Auto, night, hour);
        assert_eq!(
            [0, 1, 4, 5].map(auto),
            [Theme::Dark, Theme::Night, Theme::Night, Theme::Dark]
        );
        let none = Night { from: 6, until: 6 };
        assert_eq!(theme(ThemeChoice::Auto, none, 6), Theme::Dark);
        assert_eq!(theme(ThemeChoice::Light, night, 3), Theme::Light);
    }
}
