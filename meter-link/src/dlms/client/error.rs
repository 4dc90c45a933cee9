//! Why a conversation with a meter failed.

use super::counter::CounterError;
use crate::dlms::apdu::{AssociationResult, ConfirmedServiceError, Diagnostic, ExceptionResponse};
use crate::dlms::axdr;
use crate::dlms::hdlc::Disconnected;
use crate::dlms::security::CipherError;

/// Why a conversation with a meter failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The link below was closed.
    #[error("{0}")]
    Link(#[from] Disconnected),
    /// The meter did not identify itself in answer to the opening.
    #[error("the meter does not identify itself: is the optical head the right way up?")]
    NoIdentification,
    /// No answer came over the network.
    #[error("the meter does not answer")]
    NoAnswer,
    /// A message could not be read.
    #[error("the meter's message is damaged: {0}")]
    Message(#[from] axdr::Error),
    /// A message could not be sealed or opened.
    #[error("{0}")]
    Cipher(#[from] CipherError),
    /// A ciphered message came twice, or a second one with the same counter.
    #[error(
        "the meter's invocation counter {counter} does not rise above {last}: replayed or faulty"
    )]
    Replay {
        /// As received.
        counter: u32,
        /// The last one taken.
        last: u32,
    },
    /// A plain message came where only ciphered ones may.
    #[error("the meter sent a plain {0} in a ciphered association")]
    Unprotected(&'static str),
    /// A message without a signature came where only signed ones may.
    #[error("the meter sent a {0} without its signature")]
    Unsigned(&'static str),
    /// A message with a key of its own is no answer to the last request.
    #[error("the message belongs to another request: replayed, or very late")]
    OtherTransaction,
    /// The association was refused.
    #[error("the association was {result}: {}", diagnostic.text())]
    Refused {
        /// For good or for now.
        result: AssociationResult,
        /// Why.
        diagnostic: Diagnostic,
    },
    /// The initiate service failed.
    #[error("the meter refuses: {0}")]
    Service(ConfirmedServiceError),
    /// The meter could not serve a request.
    #[error("the meter answers with an exception: {0}")]
    Exception(ExceptionResponse),
    /// The proof of who is who failed.
    #[error("high level security failed: {0}")]
    HighLevelSecurity(&'static str),
    /// The meter did not tell its system title.
    #[error("the meter does not tell its system title")]
    NoServerTitle,
    /// A message of another kind than was asked for.
    #[error("the meter sent {got} in answer to {asked}")]
    Unexpected {
        /// What was sent.
        asked: &'static str,
        /// What came.
        got: &'static str,
    },
    /// Blocks came out of order.
    #[error("block {got} came where block {expected} is due")]
    Block {
        /// The next one.
        expected: u32,
        /// As received.
        got: u32,
    },
    /// A value grew beyond what is taken.
    #[error("a value of more than {0} bytes")]
    TooLong(usize),
    /// A request does not fit what the meter takes.
    #[error("the request does not fit the {0} bytes that the meter takes")]
    RequestTooLong(usize),
    /// The invocation counter could not be reserved.
    #[error("{0}")]
    Counter(#[from] CounterError),
}

impl ClientError {
    /// True when trying again soon may help: nothing was refused, and no key is wrong.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Link(_)
            | Self::NoIdentification
            | Self::NoAnswer
            | Self::Message(_)
            | Self::Cipher(CipherError::WrongKey(_))
            | Self::OtherTransaction
            | Self::Unexpected { .. }
            | Self::Block { .. } => true,
            Self::Refused { result, .. } => {
                matches!(result, AssociationResult::RejectedTransient)
            }
            _ => false,
        }
    }
}
