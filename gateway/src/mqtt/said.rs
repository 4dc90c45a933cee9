//! What was said by which convention in an earlier run: a small file, so that a change of the
//! configuration can take back what the broker still keeps.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Discovery;
use crate::files;

/// The file.
#[derive(Debug)]
pub(super) struct Said {
    path: PathBuf,
    forms: Vec<Discovery>,
}

#[derive(Default, Deserialize, Serialize)]
struct File {
    /// Forms of Home Assistant's discovery of which the broker may keep messages.
    discovery: Vec<Discovery>,
}

impl Said {
    /// Reads it; a file that cannot be read says nothing.
    pub(super) fn open(state_dir: &Path) -> Self {
        let path = state_dir.join("mqtt.json");
        let file = std::fs::read(&path).ok();
        let file = file.and_then(|bytes| serde_json::from_slice::<File>(&bytes).ok());
        Self {
            path,
            forms: file.unwrap_or_default().discovery,
        }
    }

    /// The forms of Home Assistant's discovery that were used.
    pub(super) fn forms(&self) -> &[Discovery] {
        &self.forms
    }

    /// Something is said in this form.
    pub(super) fn begin(&mut self, form: Discovery) {
        if !self.forms.contains(&form) {
            self.forms.push(form);
            self.write();
        }
    }

    /// By now everything was said in this form, and taken back in others.
    pub(super) fn settle(&mut self, form: Discovery) {
        if self.forms != [form] {
            self.forms = vec![form];
            self.write();
        }
    }

    fn write(&self) {
        let file = File {
            discovery: self.forms.clone(),
        };
        let written = serde_json::to_vec(&file)
            .map_err(std::io::Error::from)
            .and_then(|octets| files::replace(&self.path, &octets, files::For::All));
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.path.display(), "cannot be written");
        }
    }
}
