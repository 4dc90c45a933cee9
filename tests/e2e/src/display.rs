//! The real display, drawing into a file, and what an independent reader of pictures sees.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// The built display: `$WATTLE_DISPLAY`, or the one beside the daemon, or the release build.
/// `None` when it has not been built, which takes minutes.
#[must_use]
pub fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("WATTLE_DISPLAY") {
        return Some(PathBuf::from(named));
    }
    let beside = crate::program("wattle-display").ok();
    beside.or_else(|| {
        let own = std::env::current_exe().ok()?;
        let release = own.ancestors().nth(3)?.join("release/wattle-display");
        release.is_file().then_some(release)
    })
}

/// Draws what the API at `socket` says now, 800 by 480, dark.
///
/// # Errors
/// The display fails; what it said is in the error.
pub fn screenshot(display: &Path, socket: &Path, picture: &Path) -> anyhow::Result<()> {
    let output = Command::new(display)
        .arg("--screenshot")
        .arg(picture)
        .args(["--size", "800x480", "--theme", "dark", "--socket"])
        .arg(socket)
        .output()
        .with_context(|| format!("{} cannot be started", display.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The large number in the ring of a picture of 800 by 480, read by tesseract.
///
/// # Errors
/// tesseract or the tool that cuts the picture is not installed.
pub fn read_hero(picture: &Path) -> anyhow::Result<String> {
    let script = "import sys\nfrom PIL import Image, ImageOps\n\
                  crop = Image.open(sys.argv[1]).convert('L').crop((160, 105, 400, 200))\n\
                  ImageOps.invert(crop.resize((960, 380))).save(sys.argv[2])\n";
    let cut = picture.with_extension("hero.png");
    let status = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .arg(picture)
        .arg(&cut)
        .status()?;
    anyhow::ensure!(
        status.success(),
        "the picture cannot be cut: apt-get install python3-pil"
    );
    let output = Command::new("tesseract")
        .arg(&cut)
        .args([
            "stdout",
            "--psm",
            "7",
            "-c",
            "tessedit_char_whitelist=0123456789.,",
        ])
        .output()
        .context("tesseract is not installed: apt-get install tesseract-ocr")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
