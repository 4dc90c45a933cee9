//! Why an exchange of keys ends without one.

use super::KeyError;

/// Why an exchange is ended (annex C.3.1.2.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The certificate is of another authority.
    #[error("its certificate is of another authority")]
    UnknownIssuer,
    /// The confirmation is wrong: another authority, or somebody in between.
    #[error("its confirmation of the key is wrong")]
    BadKeyConfirm,
    /// A message is not the one that is due, or a key was used before.
    #[error("its message is not the one that is due, or its key was used before")]
    BadMessage,
    /// Too much is under way.
    #[error("too many exchanges are under way")]
    NoResources,
    /// The gateway was given no certificate.
    #[error("the gateway has no certificate of its own")]
    NoCertificate,
    /// The suite is not the one that both have.
    #[error("it asks for another suite")]
    UnsupportedSuite,
    /// The certificate is none, or names somebody else.
    #[error("its certificate is none, or names another device")]
    InvalidCertificate,
    /// The other side has ended it.
    #[error("it has ended the exchange with status {0}")]
    ByOther(u8),
}

impl Refusal {
    /// The status that tells the other side; `None` when it was the one that ended it.
    #[must_use]
    pub const fn status(self) -> Option<u8> {
        Some(match self {
            Self::UnknownIssuer => 1,
            Self::BadKeyConfirm => 2,
            Self::BadMessage => 3,
            Self::NoResources | Self::NoCertificate => 4,
            Self::UnsupportedSuite => 5,
            Self::InvalidCertificate => 6,
            Self::ByOther(_) => return None,
        })
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Random => Self::NoResources,
            KeyError::Point => Self::InvalidCertificate,
            _ => Self::BadMessage,
        }
    }
}
