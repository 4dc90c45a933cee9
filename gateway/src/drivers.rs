//! Drivers of M-Bus meters from folders of the user's.

use std::fs;
use std::path::{Path, PathBuf};

use meter_link::profile::mbus::DriverSet;

/// Where the system's own drivers are.
pub const DEFAULT_FOLDER: &str = "/etc/wattle/drivers";

/// A driver file that is not used.
#[derive(Debug, thiserror::Error)]
#[error("driver {} is not used: {reason}", path.display())]
pub struct DisabledDriver {
    /// The file, or the folder that cannot be read.
    pub path: PathBuf,
    /// The rule that it breaks.
    pub reason: String,
}

/// The drivers that come with the software and those of the installer's folder, if there is one. A
/// driver that is not right is left out, and why is logged.
#[must_use]
pub fn all(folder: &Path) -> DriverSet {
    let mut drivers = DriverSet::builtin();
    if folder.exists() {
        for disabled in load_folder(&mut drivers, folder) {
            tracing::error!("{disabled}");
        }
    }
    drivers
}

/// Adds every `*.toml` of a folder, in the order of names; the ones that are not right come back.
pub fn load_folder(drivers: &mut DriverSet, folder: &Path) -> Vec<DisabledDriver> {
    let disabled = |path: &Path, reason: &dyn ToString| DisabledDriver {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return vec![disabled(folder, &error)],
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "toml"));
    paths.sort();
    paths
        .iter()
        .filter_map(|path| match fs::read_to_string(path) {
            Err(error) => Some(disabled(path, &error)),
            Ok(text) => drivers.add(&text).err().map(|error| disabled(path, &error)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_ones_are_used_and_wrong_ones_told() {
        let folder = tempfile::tempdir().unwrap();
        let mine = "schema = 1\nid = \"mine\"\ndetect = [\"SEN,68,07\"]\n[[field]]\nname = \"water_l\"\nselect = { quantity = \"volume\" }\n";
        fs::write(folder.path().join("a.toml"), mine).unwrap();
        fs::write(folder.path().join("b.toml"), "id = 5").unwrap();
        fs::write(folder.path().join("c.txt"), "no driver").unwrap();
        // The test telegram of a made-up meter, with a reading that it does not have.
        let wrong = format!(
            "{}[[test]]\ntelegram = \"14 44 AE4C 78563412 68 07 7A 00 00 0000 0413 01000000\"\nexpect = {{ water_l = \"2\" }}\n",
            mine.replace("mine", "yours")
        );
        fs::write(
            folder.path().join("d.toml"),
            wrong
                .replace(' ', "")
                .replace("[[test]]telegram", "[[test]]\ntelegram"),
        )
        .unwrap();
        let mut drivers = DriverSet::builtin();
        let told = load_folder(&mut drivers, folder.path());
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].reason.contains("water_l is 1"), "{}", told[1]);
        assert!(drivers.by_name("mine").is_some() && drivers.by_name("yours").is_none());
    }
}
