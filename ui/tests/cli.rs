//! The program from outside: pictures without a screen, and clear words when something is missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::folder;
use std::process::{Command, Output};

fn display(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wattle-display"));
    for name in [
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "WAYLAND_SOCKET",
        "SLINT_BACKEND",
        "WATTLE_SOCKET",
    ] {
        command.env_remove(name);
    }
    command.args(arguments).output().unwrap()
}

fn errors(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_picture_needs_no_screen() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("now.png");
    let state = folder("fixtures").join("exporting.json");
    let output = display(&[
        "--screenshot",
        file.to_str().unwrap(),
        "--state",
        state.to_str().unwrap(),
        "--size",
        "1024x600",
        "--scale",
        "1.25",
        "--theme",
        "light",
        "--text",
        "125",
        "--lang",
        "de",
        "--at",
        "2026-11-20T17:31:00Z",
    ]);
    assert!(output.status.success(), "{output:?}");
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file).unwrap()));
    let reader = decoder.read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (1024, 600));
}

#[test]
fn a_damaged_state_is_named_with_its_line() {
    let out = tempfile::tempdir().unwrap();
    let state = out.path().join("damaged.json");
    std::fs::write(
        &state,
        "{\n \"at\": \"2026-11-20T17:30:00Z\",\n \"gateway\": 7\n}",
    )
    .unwrap();
    let file = out.path().join("now.png");
    let words = errors(&display(&[
        "--screenshot",
        file.to_str().unwrap(),
        "--state",
        state.to_str().unwrap(),
    ]));
    assert!(
        words.contains("damaged.json") && words.contains("line 3"),
        "{words}"
    );
    assert!(!file.exists());

    let missing = out.path().join("missing.json");
    let words = errors(&display(&[
        "--screenshot",
        "x.png",
        "--state",
        missing.to_str().unwrap(),
    ]));
    assert!(words.contains("missing.json"), "{words}");
}

#[test]
fn without_a_gateway_a_picture_says_where_it_looked() {
    let out = tempfile::tempdir().unwrap();
    let socket = out.path().join("api.sock");
    let words = errors(&display(&[
        "--screenshot",
        "x.png",
        "--socket",
        socket.to_str().unwrap(),
    ]));
    assert!(
        words.contains("api.sock") && words.contains("--state"),
        "{words}"
    );
}

#[test]
fn without_a_screen_it_says_what_to_do() {
    if std::path::Path::new("/dev/dri").exists() {
        eprintln!("skipped: this computer has a panel to draw on");
        return;
    }
    let words = errors(&display(&[]));
    assert!(
        words.contains("no screen") && words.contains("--screenshot"),
        "{words}"
    );
}

#[test]
fn wrong_arguments_are_explained() {
    for (arguments, word) in [
        (["--size", "big"], "800x480"),
        (["--lang", "xx"], "en, de"),
        (["--scale", "99"], "0.5 to 4"),
        (["--at", "noon"], "--at"),
    ] {
        let words = errors(&display(&arguments));
        assert!(words.contains(word), "{arguments:?}: {words}");
    }
}
