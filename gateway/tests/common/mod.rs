//! Running `wattle` on recorded messages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A folder of the recordings; `None`, and a word about it, when they are not there.
pub(crate) fn recordings(of: &str) -> Option<PathBuf> {
    let corpus = std::env::var_os("WATTLE_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let folder = corpus.join(of);
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "skipped: no recordings at {}; set WATTLE_CORPUS",
        folder.display()
    );
    None
}

/// The objects of a file of JSON lines.
pub(crate) fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.trim().is_empty());
    rows.map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What `wattle` prints for an input.
pub(crate) fn wattle(arguments: &[&str], input: impl AsRef<[u8]>) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wattle"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.as_ref().to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    let printed = String::from_utf8(output.stdout).unwrap();
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
