//! Draws every recorded state in every size, theme and language, and compares a part of the
//! pictures with those kept in `reference/`.
//!
//! `WATTLE_BLESS=1` writes the references anew; look at each before committing it. A picture that
//! differs is written to the folder for temporary files, with a picture of the difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{FIXTURES, answers, fixture, folder};
use slint::{ComponentHandle, Rgb8Pixel, SharedPixelBuffer};
use std::path::Path;
use ui::bind::{self, Link, View};
use ui::format::Language;
use ui::headless::{self, Screen};
use ui::{Choices, Nav, Page, Settings, Theme};

type Picture = SharedPixelBuffer<Rgb8Pixel>;

/// Largest difference of a channel, and largest share of pixels that differ more.
const CHANNEL: u8 = 2;
const PIXELS: f64 = 0.001;

const SIZES: [(&str, u32, u32, f32); 3] = [
    ("800", 800, 480, 1.0),
    ("1024", 1024, 600, 1.0),
    ("1024-7in", 1024, 600, 1.25),
];
const THEMES: [(&str, Theme); 3] = [
    ("dark", Theme::Dark),
    ("light", Theme::Light),
    ("night", Theme::Night),
];

/// The other screens, with the states that change what is on them.
const PAGES: [(&str, Page, &[&str]); 7] = [
    (
        "prices",
        Page::Prices,
        &["normal", "negative_price", "prices_unknown", "no_tariff"],
    ),
    ("usage", Page::Usage, &["normal", "absent"]),
    ("more", Page::More, &["normal", "absent"]),
    ("money", Page::Money, &["normal", "absent"]),
    ("supplies", Page::Supplies, &["normal", "stale", "absent"]),
    ("network", Page::Network, &["normal", "absent"]),
    ("settings", Page::Settings, &["normal"]),
];

/// The pictures of other screens that are kept: each state once, the normal one in every theme, in
/// the larger size, and in German with large text.
fn is_page_kept(fixture: &str, size: &str, theme: &str, text: u32, language: Language) -> bool {
    let plain = text == 100 && language == Language::English;
    let german = text == 125 && language == Language::German;
    match (fixture, size) {
        (_, "800") if plain && theme == "dark" => true,
        ("normal", "800") => plain || (german && theme == "dark"),
        ("normal", "1024") => plain && theme == "dark",
        _ => false,
    }
}

/// The pictures that are kept: every state once, and the normal and the fullest one in every way.
fn is_kept(fixture: &str, size: &str, theme: &str, text: u32, language: Language) -> bool {
    let plain = text == 100 && language == Language::English;
    match (fixture, size) {
        (_, "800") if plain && theme == "dark" => true,
        ("normal", _) if plain => true,
        ("large" | "stale", _) => text == 125 && language == Language::German && theme == "light",
        _ => false,
    }
}

#[test]
fn every_state_is_drawn_and_the_kept_pictures_are_the_same() {
    let screen = Screen::new().unwrap();
    let start = Settings {
        theme: Theme::Dark,
        text_scale: 1.0,
        language: Language::English,
    };
    let app = ui::open(start).unwrap();
    let mut differences = Vec::new();
    let mut drawn = 0;
    for (size, width, height, scale) in SIZES {
        for (theme_name, theme) in THEMES {
            for text in [100, 125] {
                for (code, language) in Language::ALL {
                    let text_scale = if text == 125 { 1.25 } else { 1.0 };
                    ui::apply(
                        &app,
                        Settings {
                            theme,
                            text_scale,
                            language,
                        },
                    )
                    .unwrap();
                    for name in FIXTURES {
                        let mut view = View::of(fixture(name), language);
                        if name == "lost" {
                            // The connection may be gone as well.
                            view.link = if text == 125 {
                                Link::Lost(view.now)
                            } else {
                                Link::Up
                            };
                        }
                        bind::bind(&app, &view);
                        screen.show(&app, width, height, scale).unwrap();
                        let frame = screen.draw().expect("a frame");
                        assert_eq!(frame.dirty, frame.all, "{name}: all of it is drawn");
                        drawn += 1;
                        let picture = screen.picture();
                        assert!(
                            is_not_blank(&picture),
                            "{name} {size} {theme_name} is blank"
                        );
                        if is_kept(name, size, theme_name, text, language) {
                            let file = format!("{name}-{size}-{theme_name}-{text}-{code}.png");
                            differences.extend(compare(&picture, &file));
                        }
                    }
                }
            }
        }
    }
    assert_eq!(drawn, SIZES.len() * THEMES.len() * 4 * FIXTURES.len());

    for (size, width, height, scale) in SIZES {
        for (theme_name, theme) in THEMES {
            for (text, text_scale) in [(100, 1.0), (125, 1.25)] {
                for (code, language) in Language::ALL {
                    let settings = Settings {
                        theme,
                        text_scale,
                        language,
                    };
                    ui::apply(&app, settings).unwrap();
                    let index = i32::from(language == Language::German);
                    app.global::<Choices>().set_language(index);
                    app.global::<Choices>().set_large_text(text == 125);
                    for (page_name, page, states) in PAGES {
                        app.global::<Nav>().set_page(page);
                        for name in states
                            .iter()
                            .filter(|name| is_page_kept(name, size, theme_name, text, language))
                        {
                            let mut view = View::of(fixture(name), language);
                            view.answers = answers(name);
                            bind::bind(&app, &view);
                            screen.show(&app, width, height, scale).unwrap();
                            screen.draw().expect("a frame");
                            let picture = screen.picture();
                            let file =
                                format!("{page_name}-{name}-{size}-{theme_name}-{text}-{code}.png");
                            differences.extend(compare(&picture, &file));
                        }
                    }
                }
            }
        }
    }

    ui::apply(&app, start).unwrap();
    app.global::<Choices>().set_language(0);
    screen.show(&app, 800, 480, 1.0).unwrap();
    app.global::<Nav>().set_page(Page::Appliances);
    screen.draw().expect("a frame");
    differences.extend(compare(&screen.picture(), "to-come-800-dark-100-en.png"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn is_not_blank(picture: &Picture) -> bool {
    let first = picture.as_slice()[0];
    picture
        .as_slice()
        .iter()
        .filter(|pixel| **pixel != first)
        .count()
        > 10_000
}

/// Compares with the kept picture. What differs is told in one line.
fn compare(picture: &Picture, file: &str) -> Option<String> {
    let path = folder("reference").join(file);
    if std::env::var_os("WATTLE_BLESS").is_some() {
        headless::write_png(picture, &path).unwrap();
        return None;
    }
    // Other processors round some pixels differently.
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let Some(kept) = read_png(&path) else {
        return Some(format!(
            "{file}: there is no such reference; see the head of this file"
        ));
    };
    if (kept.width(), kept.height()) != (picture.width(), picture.height()) {
        return Some(format!("{file}: of another size"));
    }
    let mut difference = Picture::new(picture.width(), picture.height());
    let mut count = 0_u32;
    let pairs = picture.as_slice().iter().zip(kept.as_slice());
    for (out, (new, old)) in difference.make_mut_slice().iter_mut().zip(pairs) {
        let far = |a: u8, b: u8| a.abs_diff(b) > CHANNEL;
        if far(new.r, old.r) || far(new.g, old.g) || far(new.b, old.b) {
            count += 1;
            *out = Rgb8Pixel {
                r: 255,
                g: 0,
                b: 80,
            };
        } else {
            *out = Rgb8Pixel {
                r: old.r / 3,
                g: old.g / 3,
                b: old.b / 3,
            };
        }
    }
    let share = f64::from(count) / picture.as_slice().len() as f64;
    if share <= PIXELS {
        return None;
    }
    let out = std::env::temp_dir();
    let (seen, marked) = (out.join(file), out.join(format!("difference-{file}")));
    headless::write_png(picture, &seen).unwrap();
    headless::write_png(&difference, &marked).unwrap();
    Some(format!(
        "{file}: {count} pixels differ; see {} and {}",
        seen.display(),
        marked.display()
    ))
}

fn read_png(path: &Path) -> Option<Picture> {
    let file = std::io::BufReader::new(std::fs::File::open(path).ok()?);
    let mut reader = png::Decoder::new(file).read_info().ok()?;
    let mut bytes = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut bytes).ok()?;
    let mut picture = Picture::new(frame.width, frame.height);
    for (pixel, rgb) in picture
        .make_mut_slice()
        .iter_mut()
        .zip(bytes.chunks_exact(3))
    {
        *pixel = Rgb8Pixel {
            r: rgb[0],
            g: rgb[1],
            b: rgb[2],
        };
    }
    Some(picture)
}
