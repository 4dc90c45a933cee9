//! Draws every screen and state in every size, theme, language and text size into a folder, with a
//! page that shows them all (`make screenshots`):
//!
//! ```text
//! cargo run -p ui --example gallery -- FOLDER [PART OF A NAME] [--few]
//! ```
//!
//! With `--few` only English and German, dark, 800x480.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::scenes::{Look, SCENES, stage};
use std::fmt::Write as _;
use std::path::PathBuf;
use ui::format::Language;
use ui::headless::{self, Screen};
use ui::{Settings, Theme};

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

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let few = arguments.iter().any(|argument| argument == "--few");
    arguments.retain(|argument| argument != "--few");
    let folder = PathBuf::from(arguments.first().expect("a folder to draw into"));
    let part = arguments.get(1).cloned().unwrap_or_default();
    std::fs::create_dir_all(&folder).unwrap();
    let screen = Screen::new().unwrap();
    let app = ui::open(Settings::default()).unwrap();
    let mut page = String::from(
        "<!doctype html><meta charset=utf-8><title>wattle-display: every screen</title>\
         <style>body{background:#888;font:14px sans-serif}figure{display:inline-block;margin:6px}\
         img{width:400px;display:block}</style>\n",
    );
    let mut count = 0;
    for scene in SCENES.iter().filter(|scene| scene.name.contains(&part)) {
        writeln!(page, "<h2>{}</h2>", scene.name).unwrap();
        for (size, width, height, scale) in SIZES {
            for (theme_name, theme) in THEMES {
                for (code, language) in Language::ALL {
                    for (text, large_text) in [(100, false), (125, true)] {
                        let plain = size == "800" && theme == Theme::Dark;
                        let tongue = matches!(language, Language::English | Language::German);
                        // The other languages change no colour: they are drawn in one.
                        if (few && !(plain && tongue)) || (!tongue && !plain) {
                            continue;
                        }
                        screen.show(&app, width, height, scale).unwrap();
                        let look = Look {
                            theme,
                            large_text,
                            language,
                        };
                        stage(&app, scene, look);
                        screen.draw();
                        let name = format!("{}-{size}-{theme_name}-{text}-{code}.png", scene.name);
                        headless::write_png_fast(&screen.picture(), &folder.join(&name)).unwrap();
                        count += 1;
                        writeln!(
                            page,
                            "<figure><img loading=lazy src=\"{name}\" alt=\"\">\
                             <figcaption>{size} {theme_name} {text} % {code}</figcaption></figure>"
                        )
                        .unwrap();
                    }
                }
            }
        }
    }
    std::fs::write(folder.join("index.html"), page).unwrap();
    println!(
        "{count} pictures; see {}",
        folder.join("index.html").display()
    );
}
