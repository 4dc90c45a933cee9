//! The real display, drawing into a file, and what an independent reader of pictures sees.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// Draws what the API at `socket` says now, 800 by 480, dark.
///
/// # Errors
/// The display fails; what it said is in the error.
pub fn screenshot(socket: &Path, picture: &Path) -> anyhow::Result<()> {
    let output = Command::new(crate::program("wattle-display")?)
        .arg("--screenshot")
        .arg(picture)
        .args(["--size", "800x480", "--theme", "dark", "--socket"])
        .arg(socket)
        .output()
        .context("wattle-display cannot be started")?;
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
                  crop = Image.open(sys.argv[1]).convert('L').crop((160, 115, 400, 218))\n\
                  ImageOps.invert(crop.resize((960, 412))).save(sys.argv[2])\n";
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
