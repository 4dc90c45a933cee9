//! What a session tells.

/// Which request an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub(super) u64);

/// What a stick says of its firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Z-Stack: 0 is 1.2, 1 is 3.x.0, 2 is 3.0.x.
    pub product: u8,
    /// Major, minor and maintenance release.
    pub release: [u8; 3],
    /// The maker's number, mostly the day of the build as YYYYMMDD; 0: none.
    pub revision: u32,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The stick has started; requests can be asked.
    Ready(Version),
    /// A request has ended.
    Answer {
        /// Which one.
        token: Token,
        /// The payload of the answer.
        answer: Result<Vec<u8>, RequestError>,
    },
    /// The stick reports something.
    Indication {
        /// Subsystem and command.
        id: u16,
        /// What it says.
        payload: Vec<u8>,
    },
    /// The session is over.
    Lost(Failure),
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The session ended before the answer.
    #[error("the radio stick was lost before it answered")]
    Lost,
    /// The stick does not know the command.
    #[error("the radio stick does not know the command, error {0:02x}")]
    Unknown(u8),
    /// No answer came, though the stick is there; it may have done what it was asked.
    #[error("the radio stick did not answer")]
    Unanswered,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The stick did not start again.
    #[error("the radio stick does not answer a reset")]
    NoReset,
    /// The stick answers nothing any more.
    #[error("the radio stick stopped answering")]
    Silent,
    /// The stick has started again by itself, for this reason: 0 power, 1 external, 2 watchdog.
    #[error("the radio stick has started again by itself for reason {0}")]
    Restarted(u8),
    /// Firmware whose memory is not understood.
    #[error(
        "the radio stick runs Z-Stack of product {0}; 3.x.0 (product 1) is understood: install other firmware"
    )]
    Version(u8),
}

/// There is no session, too many requests wait, or the payload is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the radio stick is not there, or has too much to do")]
pub struct NotTaken;
