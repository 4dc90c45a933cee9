//! Why a telegram gives no reading, each with a name and a sentence for the user.

use super::frame::FrameError;
use super::security::Mode;
use crate::mbus::RecordError;

/// A reason to give no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The frame is cut or its link-layer CRC is wrong.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A layer announces more bytes than are there.
    #[error("the telegram ends inside its {layer}")]
    Truncated {
        /// Which layer.
        layer: &'static str,
    },
    /// Its encrypted blocks are cut.
    #[error("{missing} bytes of its encrypted blocks are missing")]
    CutBlock {
        /// How many.
        missing: usize,
    },
    /// It is encrypted and there is no key for the meter.
    #[error("encrypted ({mode}), and there is no key for this meter")]
    NoKey {
        /// By which mode.
        mode: Mode,
    },
    /// The key opens it to nonsense.
    #[error("the key does not open it ({mode}): {check}")]
    WrongKey {
        /// By which mode.
        mode: Mode,
        /// What was expected and not found.
        check: &'static str,
    },
    /// Its MAC or tag does not verify.
    #[error("its {check} does not verify ({mode}): the key is wrong or the telegram was altered")]
    AuthenticationFailed {
        /// By which mode.
        mode: Mode,
        /// MAC or tag.
        check: &'static str,
    },
    /// Its header announces encryption, its payload is plain, and the meter has a key.
    #[error("announced as encrypted ({mode}) but sent in clear, though the meter has a key")]
    ClearRefused {
        /// The mode that is announced.
        mode: Mode,
    },
    /// The last telegram of the meter once more.
    #[error("the same telegram once more")]
    Duplicate,
    /// A message counter that was used before.
    #[error("message counter {counter} is not above {highest}, the highest so far")]
    Replay {
        /// The telegram's counter.
        counter: u32,
        /// The highest that was accepted.
        highest: u32,
    },
    /// A part of a longer message.
    #[error("fragment {number} of a message; its last fragment carries the values")]
    Fragment {
        /// The fragment's number.
        number: u8,
    },
    /// Fragments that do not fit together.
    #[error("a fragment of a message whose other fragments were not received")]
    LoneFragment,
    /// A compact frame before the full one.
    #[error("compact frame of the format {signature:04x}, which no full frame has shown yet")]
    UnknownFormat {
        /// The format's signature.
        signature: u16,
    },
    /// A compact frame that does not become the full frame it stands for.
    #[error("the data of the compact frame do not give the checksum of the full frame")]
    CompactChecksum,
    /// A security mode that is not read.
    #[error("unsupported security mode {0}: {1}")]
    UnsupportedMode(u8, &'static str),
    /// A CI field that is not read.
    #[error("unsupported CI field {0:02X}: {1}")]
    UnsupportedCi(u8, &'static str),
    /// A payload that is not of the standard, and no driver reads it.
    #[error("the payload is not of the standard form and no driver reads it: {0}")]
    NotStandard(RecordError),
    /// A payload of the maker's own that no driver reads.
    #[error("a payload of the maker's own form (CI field {0:02X}) that no driver reads")]
    Proprietary(u8),
}

impl Refusal {
    /// The name for programs.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Frame(FrameError::Checksum { .. }) | Self::CompactChecksum => "checksum",
            Self::Frame(_) | Self::Truncated { .. } | Self::CutBlock { .. } => "truncated",
            Self::NoKey { .. } => "no_key",
            Self::WrongKey { .. } => "wrong_key",
            Self::AuthenticationFailed { .. } => "auth_failed",
            Self::ClearRefused { .. } => "clear_refused",
            Self::Duplicate => "duplicate",
            Self::Replay { .. } => "replay",
            Self::Fragment { .. } | Self::LoneFragment => "fragment",
            Self::UnknownFormat { .. } => "unknown_format",
            Self::UnsupportedMode(..)
            | Self::UnsupportedCi(..)
            | Self::NotStandard(_)
            | Self::Proprietary(_) => "unsupported",
        }
    }
}
