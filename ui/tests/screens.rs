//! Draws scenes and compares them with the pictures kept in `reference/`: a part of the matrix that
//! `make screenshots` draws whole and that tests/audit.rs looks over.
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

use common::folder;
use common::scenes::{Look, SCENES, Scene, stage};
use slint::{Rgb8Pixel, SharedPixelBuffer};
use std::collections::BTreeSet;
use std::path::Path;
use ui::format::Language;
use ui::headless::{self, Screen};
use ui::{Page, Settings, Theme};

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

/// The pictures that are kept: every scene once; the normal state in light and in the larger size; the fullest one in German with large text on every size; other languages once each.
fn is_kept(scene: &Scene, size: &str, theme: &str, text: u32, language: Language) -> bool {
    let plain = text == 100 && language == Language::English;
    let german = text == 125 && language == Language::German;
    let normal = scene.name.ends_with("-normal");
    match (size, theme) {
        ("800", "dark") if plain => true,
        ("800", "light") if plain && normal => true,
        ("800", "night") if plain && normal => matches!(scene.page, Page::Now | Page::Prices),
        ("1024", "dark") if plain && normal => true,
        ("800", "dark") if german && (normal || scene.name == "prices-negative_price") => true,
        ("800", "dark") => scene.name == "appliances-normal" && text == 100,
        (_, "light") => scene.name == "now-large" && german,
        ("1024-7in", "dark") => scene.name == "now-normal" && plain,
        _ => false,
    }
}

#[test]
fn every_state_is_drawn_and_the_kept_pictures_are_the_same() {
    let screen = Screen::new().unwrap();
    let app = ui::open(Settings::default()).unwrap();
    let mut differences = Vec::new();
    let mut kept = BTreeSet::new();
    for scene in SCENES {
        for (size, width, height, scale) in SIZES {
            for (theme_name, theme) in THEMES {
                for (code, language) in Language::ALL {
                    for (text, large_text) in [(100, false), (125, true)] {
                        if !is_kept(scene, size, theme_name, text, language) {
                            continue;
                        }
                        screen.show(&app, width, height, scale).unwrap();
                        let look = Look {
                            theme,
                            large_text,
                            language,
                        };
                        stage(&app, scene, look);
                        let frame = screen.draw().expect("a frame");
                        assert_eq!(frame.dirty, frame.all, "{}: all of it is drawn", scene.name);
                        let picture = screen.picture();
                        assert!(is_not_blank(&picture), "{} is blank", scene.name);
                        let file = format!("{}-{size}-{theme_name}-{text}-{code}.png", scene.name);
                        differences.extend(compare(&picture, &file));
                        kept.insert(file);
                    }
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // A picture that nobody compares with proves nothing.
    for entry in std::fs::read_dir(folder("reference")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(kept.contains(&name), "reference/{name} is no scene's");
    }
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
