//! The in-premises display of wattle, `wattle-display`.
//!
//! The screens are Slint files under `slint/`. Words are chosen and colours are named there;
//! numbers are formatted by the rules of [`wattle_api::format`], which the web page has too, and
//! reach the screens through one function, [`bind::bind`]. The display computes neither energy nor money: both come exact from the
//! gateway, over the socket that [`client`] reads. It holds no key, port or database.
//!
//! [`headless`] draws the same screens without a display server: for `--screenshot`, for the tests
//! and for measuring.

mod actions;
pub mod backlight;
pub mod bind;
pub mod client;
pub mod command;
pub mod headless;
mod http;
pub mod live;
mod qr;
pub mod ring;
pub mod settings;
pub mod speech;
pub mod typing;
pub mod watchdog;

pub use generated::*;
pub use wattle_api::format;

use crate::format::Language;
use slint::{ComponentHandle, PlatformError};

/// What a household chooses for its display.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The colours.
    pub theme: Theme,
    /// Factor of all texts but the hero: 1.0 or 1.25.
    pub text_scale: f32,
    /// The language of words and separators.
    pub language: Language,
}

/// Dark, texts at their usual size, English.
impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::Dark,
            text_scale: 1.0,
            language: Language::default(),
        }
    }
}

/// Makes the window, with nothing on it yet.
///
/// # Errors
/// When there is nothing to draw on.
pub fn open(settings: Settings) -> Result<App, PlatformError> {
    let app = App::new()?;
    prepare(&app);
    apply(&app, settings)?;
    Ok(app)
}

/// Gives a window what it draws with.
pub fn prepare(app: &App) {
    actions::prepare(app);
    app.global::<Prices>()
        .on_hatching(|width, height| bind::hatching(width, height).into());
    app.global::<Door>()
        .on_picture(|text, dark, light| qr::picture(&text, dark, light));
    app.global::<Now>()
        .on_ring_picture(|diameter, stroke, permille, backwards, track, fill| {
            let pixels = |length: i32| u32::try_from(length).unwrap_or(0);
            let permille = u16::try_from(permille).unwrap_or(0);
            ring::picture(
                pixels(diameter),
                pixels(stroke),
                permille,
                backwards,
                track,
                fill,
            )
        });
}

/// Changes the settings of a window that is open.
///
/// # Errors
/// When the language is not built in.
pub fn apply(app: &App, settings: Settings) -> Result<(), PlatformError> {
    let tokens = app.global::<Tokens>();
    tokens.set_theme(settings.theme);
    tokens.set_text_scale(settings.text_scale);
    slint::select_bundled_translation(settings.language.code())
        .map_err(|error| PlatformError::Other(error.to_string()))
}

/// What `slint-build` makes of `slint/app.slint`.
#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::pedantic
)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#[allow(clippy::todo, clippy::dbg_macro)]
mod generated {
    slint::include_modules!();
}
