//! A phone's camera reads what the display shows: the picture of an open pairing, in all colours,
//! read by zbarimg.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::scenes::{Look, SCENES, stage};
use std::process::Command;
use ui::format::Language;
use ui::headless::{self, Screen};
use ui::{Settings, Theme};

/// As the recorded state has it.
const URL: &str = "https://192.168.178.40:8443/setup#40713926";

#[test]
fn a_camera_reads_the_address() {
    if Command::new("zbarimg").arg("--version").output().is_err() {
        println!("skipped: there is no zbarimg here (apt-get install zbar-tools)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("screen.png");
    let screen = Screen::new().unwrap();
    let app = ui::open(Settings::default()).unwrap();
    for name in ["pairing", "first-phone"] {
        let scene = SCENES.iter().find(|scene| scene.name == name).unwrap();
        for theme in [Theme::Dark, Theme::Light, Theme::Night] {
            for (width, height, scale) in [(800, 480, 1.0), (1024, 600, 1.25)] {
                screen.show(&app, width, height, scale).unwrap();
                let look = Look {
                    theme,
                    large_text: true,
                    language: Language::German,
                };
                stage(&app, scene, look);
                screen.draw();
                headless::write_png(&screen.picture(), &file).unwrap();
                let read = Command::new("zbarimg")
                    .args(["--quiet", "--raw"])
                    .arg(&file)
                    .output()
                    .unwrap();
                let read = String::from_utf8_lossy(&read.stdout);
                assert_eq!(read.trim(), URL, "{name} {theme:?} {width}x{height}");
            }
        }
    }
}
