//! The panel's backlight, as Linux offers it (`/sys/class/backlight/*/brightness`).

use std::io;
use std::path::{Path, PathBuf};

/// Where the system lists its backlights.
pub const SYSTEM: &str = "/sys/class/backlight";

/// A backlight that can be set.
#[derive(Clone, Debug)]
pub struct Backlight {
    file: PathBuf,
    most: u32,
}

impl Backlight {
    /// The first one in `folder` that says how bright it can be; none on a desk.
    #[must_use]
    pub fn find(folder: &Path) -> Option<Self> {
        let mut lights: Vec<PathBuf> = std::fs::read_dir(folder)
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        lights.sort();
        lights.into_iter().find_map(|light| {
            let most = std::fs::read_to_string(light.join("max_brightness")).ok()?;
            let most = most.trim().parse().ok().filter(|most| *most > 0)?;
            let file = light.join("brightness");
            file.exists().then_some(Self { file, most })
        })
    }

    /// Sets it to a share in per cent; never to nothing, since a dark panel looks broken.
    ///
    /// # Errors
    /// When it may not be written.
    pub fn set(&self, percent: u32) -> io::Result<()> {
        let level = u64::from(self.most) * u64::from(percent.min(100)) / 100;
        std::fs::write(&self.file, level.max(1).to_string())
    }
}

/// How bright, in per cent, for a choice (0 low, 1 medium, 2 full), by night and asleep. An alarm
/// is bright at any hour.
#[must_use]
pub const fn percent(choice: i32, night: bool, asleep: bool, alarmed: bool) -> u32 {
    match (alarmed, night, asleep) {
        (true, _, _) => 100,
        (_, true, true) => 5,
        (_, true, false) => 10,
        (_, false, true) => 25,
        (_, false, false) => match choice {
            0 => 35,
            1 => 65,
            _ => 100,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_and_set() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Backlight::find(folder.path()).is_none());
        assert!(Backlight::find(&folder.path().join("missing")).is_none());
        for (name, most) in [("a-broken", "no number"), ("rpi_backlight", "255\n")] {
            let light = folder.path().join(name);
            std::fs::create_dir(&light).unwrap();
            std::fs::write(light.join("max_brightness"), most).unwrap();
            std::fs::write(light.join("brightness"), "0").unwrap();
        }
        let light = Backlight::find(folder.path()).unwrap();
        let file = folder.path().join("rpi_backlight/brightness");
        for (share, level) in [(100, "255"), (50, "127"), (0, "1"), (900, "255")] {
            light.set(share).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), level);
        }
        std::fs::remove_dir_all(folder.path().join("rpi_backlight")).unwrap();
        assert!(light.set(50).is_err());
    }

    #[test]
    fn asleep_and_by_night_it_is_dim() {
        let of = |choice, night, asleep| percent(choice, night, asleep, false);
        assert_eq!(of(2, false, false), 100);
        assert!(of(0, false, true) < of(0, false, false));
        assert!(of(2, true, true) < of(2, true, false));
        assert!(of(2, true, false) <= 10);
        assert_eq!(
            percent(0, true, true, true),
            100,
            "an alarm wakes the house"
        );
    }
}
