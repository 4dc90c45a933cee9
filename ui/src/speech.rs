//! Says sentences aloud with `espeak-ng`, where that is installed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::format::Language;

/// Nothing is said again by itself within this time.
const PAUSE: Duration = Duration::from_secs(60);

/// A voice.
#[derive(Debug, Default)]
pub struct Voice {
    program: Option<PathBuf>,
    speaking: Option<Child>,
    said: Option<Instant>,
}

impl Voice {
    /// The system's voice; silent where there is none.
    #[must_use]
    pub fn find() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path)
            .map(|folder| folder.join("espeak-ng"))
            .find(|program| program.is_file());
        Self {
            program,
            speaking: None,
            said: None,
        }
    }

    /// A voice of this program, which takes `-v LANGUAGE -- SENTENCE`.
    #[must_use]
    pub fn of(program: &Path) -> Self {
        Self {
            program: Some(program.to_owned()),
            speaking: None,
            said: None,
        }
    }

    /// Says a sentence by itself: not while it still speaks, nor within a minute of the last.
    /// True when it was said.
    pub fn mention(&mut self, sentence: &str, language: Language, now: Instant) -> bool {
        let soon = self
            .said
            .is_some_and(|said| now.saturating_duration_since(said) < PAUSE);
        !soon && self.say(sentence, language, now)
    }

    /// Says a sentence because somebody asked; what is being said is broken off.
    pub fn say(&mut self, sentence: &str, language: Language, now: Instant) -> bool {
        self.hush();
        let Some(program) = &self.program else {
            return false;
        };
        let spoken = Command::new(program)
            .args(["-v", language.code(), "--"])
            .arg(sentence)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match spoken {
            Ok(child) => {
                self.speaking = Some(child);
                self.said = Some(now);
                true
            }
            Err(error) => {
                eprintln!(
                    "wattle-display: {}: {error}; it stays silent",
                    program.display()
                );
                self.program = None;
                false
            }
        }
    }

    /// Breaks off, and takes the ended program off the system's list.
    pub fn hush(&mut self) {
        if let Some(mut child) = self.speaking.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.hush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_says_each_thing_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let (program, heard) = (folder.path().join("voice"), folder.path().join("heard"));
        let script = format!("#!/bin/sh\necho \"$@\" > {}\n", heard.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut voice = Voice::of(&program);
        let start = Instant::now();
        assert!(voice.mention("Using 1.4 kilowatts", Language::German, start));
        voice.speaking.as_mut().unwrap().wait().unwrap();
        assert_eq!(
            std::fs::read_to_string(&heard).unwrap(),
            "-v de -- Using 1.4 kilowatts\n"
        );
        assert!(!voice.mention(
            "Using 3 kilowatts",
            Language::German,
            start + Duration::from_secs(59)
        ));
        assert!(voice.say("asked", Language::German, start + Duration::from_secs(59)));
        assert!(voice.mention("later", Language::German, start + Duration::from_secs(119)));
    }

    #[test]
    fn without_a_program_it_is_silent() {
        let mut voice = Voice::default();
        assert!(!voice.say("x", Language::English, Instant::now()));
        let mut voice = Voice::of(Path::new("/nowhere/voice"));
        assert!(!voice.say("x", Language::English, Instant::now()));
        assert!(voice.program.is_none());
    }
}
