//! What a CONFIG command may change: how often and how much is sent, within the configuration's own
//! bounds. What is sent, to whom and who may command is the household's and stays in its file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::rules::Rules;
use crate::files;

/// The settings that were changed from afar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tuning {
    /// Seconds that rows wait for others at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every_s: Option<u32>,
    /// Rows of a batch at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u16>,
    /// Seconds until what was not acknowledged is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resend_s: Option<u32>,
}

impl Tuning {
    /// That of a state folder.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        Ok(files::recall(&file(folder))?.unwrap_or_default())
    }

    /// Reads the body of a command.
    ///
    /// # Errors
    /// A setting is not to be changed from afar, or out of its bounds; in words.
    pub(super) fn read(body: &str) -> Result<Self, String> {
        // A list would be taken for the fields in their order.
        let read = Some(body).filter(|body| body.trim_start().starts_with('{'));
        let read: Self = read
            .and_then(|body| serde_json::from_str(body).ok())
            .ok_or("only every_s, rows and resend_s are changed from afar")?;
        let bounds = [
            ("every_s", read.every_s, 86_400),
            ("rows", read.rows.map(u32::from), 4_096),
            ("resend_s", read.resend_s, 3_600),
        ];
        for (name, value, most) in bounds {
            if value.is_some_and(|value| value == 0 || value > most) {
                return Err(format!("{name}: 1 to {most}"));
            }
        }
        Ok(read)
    }

    /// Keeps it; what is left out goes back to the configuration.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(super) fn keep(&self, folder: &Path) -> anyhow::Result<()> {
        files::keep(&file(folder), self, files::For::All)
    }

    /// The rules with it.
    pub(super) fn applied(&self, rules: &Rules) -> Rules {
        let seconds = |value: u32| std::time::Duration::from_secs(value.into());
        Rules {
            every: self.every_s.map_or(rules.every, seconds),
            rows: self.rows.map_or(rules.rows, usize::from),
            resend: self.resend_s.map_or(rules.resend, seconds),
            ..rules.clone()
        }
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("upstream").join("tuning.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_harmless_is_changed_from_afar() {
        let read = Tuning::read(r#"{"every_s": 60, "rows": 4}"#).unwrap();
        assert_eq!(
            (read.every_s, read.rows, read.resend_s),
            (Some(60), Some(4), None)
        );
        assert_eq!(Tuning::read("{}"), Ok(Tuning::default()));
        for wrong in [
            "",
            "[]",
            r#"{"every_s": 0}"#,
            r#"{"every_s": 86401}"#,
            r#"{"rows": 4097}"#,
            r#"{"resend_s": -1}"#,
            r#"{"stream": []}"#,
            r#"{"link": "mqtt://elsewhere:1883"}"#,
            r#"{"commanders": "mine.crt"}"#,
        ] {
            assert!(Tuning::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("upstream")).unwrap();
        assert_eq!(Tuning::open(folder.path()).unwrap(), Tuning::default());
        let read = Tuning::read(r#"{"resend_s": 7}"#).unwrap();
        read.keep(folder.path()).unwrap();
        assert_eq!(Tuning::open(folder.path()).unwrap(), read);
    }
}
