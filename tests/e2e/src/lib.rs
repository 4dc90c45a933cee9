//! What whole-system tests need: the real daemon, a real broker, and patience.
//!
//! The programs under test are the built binaries, looked for in `$WATTLE_BIN_DIR`, or in the
//! folder of the test's own profile: `cargo build -p gateway` puts the daemon there, and
//! `make test` does everything in order.

pub mod broker;
pub mod daemon;
pub mod display;
pub mod household;
pub mod lived;
pub mod nats;
pub mod net;
pub mod panel;
pub mod past;
pub mod relay;
pub mod utility;
pub mod zigbee;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

/// The built program `name`.
///
/// # Errors
/// It has not been built.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = || {
        own.parent()
            .and_then(|deps| deps.parent())
            .map(PathBuf::from)
    };
    let named = std::env::var_os("WATTLE_BIN_DIR").map(PathBuf::from);
    let folder = named
        .or_else(beside)
        .context("the test stands in no build folder")?;
    let found = folder.join(name);
    anyhow::ensure!(
        found.is_file(),
        "{} is not there: build it first, as make test does",
        found.display()
    );
    Ok(found)
}

/// The folder of recorded meters, when it is there: `$WATTLE_CORPUS`, or `../shared/corpus`
/// beside the repository.
#[must_use]
pub fn corpus() -> Option<PathBuf> {
    let beside = || {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/corpus"
        ))
    };
    let folder = std::env::var_os("WATTLE_CORPUS").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Asks `question` until it has an answer.
///
/// # Errors
/// It has none within `patience`.
pub fn eventually<T>(
    what: &str,
    patience: Duration,
    mut question: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = question()? {
            return Ok(answer);
        }
        anyhow::ensure!(Instant::now() < end, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port of this machine at which nobody listens.
///
/// # Errors
/// There is none.
pub fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// Has openssl do something in a folder; `arguments` are parted by spaces.
///
/// # Errors
/// It is not installed, or it failed.
pub fn openssl(folder: &Path, arguments: &str) -> anyhow::Result<()> {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .context("openssl is not installed: apt-get install openssl")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "openssl {arguments}: {said}");
    Ok(())
}
