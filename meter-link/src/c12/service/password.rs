//! The password of the security service.

use std::fmt;

use zeroize::Zeroizing;

/// Length of a password, blanks or zeros at its end included.
pub const PASSWORD_LENGTH: usize = 20;

/// A password of 20 octets. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<[u8; PASSWORD_LENGTH]>);

impl Password {
    /// A password as it is sent.
    #[must_use]
    pub fn new(octets: [u8; PASSWORD_LENGTH]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// A password padded with zeros; `None` when it is longer than 20 octets.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut octets = [0; PASSWORD_LENGTH];
        octets
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self::new(octets))
    }

    /// The octets as sent.
    #[must_use]
    pub fn octets(&self) -> &[u8; PASSWORD_LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
