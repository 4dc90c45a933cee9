//! Why a sealed batch is not opened.

/// The reason of a refusal; nothing of the content is ever told beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It has not the form of CMS (DER) or COSE (CBOR).
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A length runs past the end.
    #[error("truncated: a length runs past the end")]
    Truncated,
    /// Octets follow the structure.
    #[error("trailing_data: octets follow the structure")]
    TrailingData,
    /// It is signed and not encrypted.
    #[error("not_encrypted: it is not encrypted")]
    NotEncrypted,
    /// It is encrypted and not signed.
    #[error("not_signed: what is inside is not signed")]
    NotSigned,
    /// No recipient of it has the given certificate.
    #[error("wrong_recipient: it is sealed for others")]
    WrongRecipient,
    /// The epoch's key is not known.
    #[error("no_key: the key of its epoch is not known")]
    NoKey,
    /// A tag or a wrapped key does not fit: altered, or another key.
    #[error("decrypt_failed: it was altered, or sealed with another key")]
    DecryptFailed,
    /// The signature does not fit the content.
    #[error("bad_signature: the signature does not fit")]
    BadSignature,
    /// It is signed by somebody else than the trusted.
    #[error("untrusted_signer: its signer is not among the trusted")]
    UntrustedSigner,
    /// Encrypted without a tag (CBC).
    #[error(
        "unauthenticated_encryption: CBC lets anybody alter it; only old archives are opened so"
    )]
    Unauthenticated,
    /// A form of CMS or COSE that is not served.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
}

impl Refusal {
    /// Its name in what `wattle upstream open` prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Truncated => "truncated",
            Self::TrailingData => "trailing_data",
            Self::NotEncrypted => "not_encrypted",
            Self::NotSigned => "not_signed",
            Self::WrongRecipient => "wrong_recipient",
            Self::NoKey => "no_key",
            Self::DecryptFailed => "decrypt_failed",
            Self::BadSignature => "bad_signature",
            Self::UntrustedSigner => "untrusted_signer",
            Self::Unauthenticated => "unauthenticated_encryption",
            Self::Unsupported(_) => "unsupported",
        }
    }
}
