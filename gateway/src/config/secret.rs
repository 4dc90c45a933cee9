//! Secrets: named in the configuration, kept elsewhere, never printed.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use zeroize::Zeroizing;

/// Where a secret is kept: `file:/path`, or `credential:name` for a systemd credential.
///
/// The secret itself is read only by [`Secret::reveal`], and wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Credential(String),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It stands in the configuration itself.
    #[error("a secret is not written here: use \"file:/path\" or \"credential:name\"")]
    Inline,
    /// systemd passed no credentials.
    #[error("credential {0:?}: the service has no LoadCredential= for it")]
    NoCredentials(String),
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl TryFrom<String> for Secret {
    type Error = SecretError;

    fn try_from(text: String) -> Result<Self, SecretError> {
        let text = Zeroizing::new(text);
        if let Some(path) = text.strip_prefix("file:") {
            return Ok(Self(Place::File(PathBuf::from(path))));
        }
        let name = text
            .strip_prefix("credential:")
            .ok_or(SecretError::Inline)?;
        Ok(Self(Place::Credential(name.to_owned())))
    }
}

impl Secret {
    /// Reads the secret; one line end at its end is not part of it.
    ///
    /// # Errors
    /// It cannot be read, or systemd did not pass it.
    pub fn reveal(&self) -> Result<Zeroizing<String>, SecretError> {
        let path = match &self.0 {
            Place::File(path) => path.clone(),
            Place::Credential(name) => std::env::var_os("CREDENTIALS_DIRECTORY")
                .map(|folder| PathBuf::from(folder).join(name))
                .ok_or_else(|| SecretError::NoCredentials(name.clone()))?,
        };
        let mut text = std::fs::read_to_string(&path)
            .map(Zeroizing::new)
            .map_err(|source| SecretError::Unreadable { path, source })?;
        while text.ends_with(['\n', '\r']) {
            text.pop();
        }
        Ok(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => write!(f, "file:{}", path.display()),
            Place::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inline_secret_is_refused_without_repeating_it() {
        let error = Secret::try_from("hunter2".to_owned()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn a_file_loses_its_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let secret = Secret::try_from(format!("file:{}", file.path().display())).unwrap();
        assert_eq!(secret.reveal().unwrap().as_str(), "s3cret");
        assert!(!format!("{secret:?}").contains("s3cret"));
    }
}
