//! What a host says to a receiver, and what it expects to hear.

use std::time::Duration;

use super::{Answer, Kind, amb8465, cul, im871a, iu891a, rc1180};

/// How long a receiver has for an answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(600);

/// Which link modes a receiver is to listen to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ModeSet {
    /// S1.
    S,
    /// T1.
    T,
    /// C1.
    C,
    /// C1 and T1 at once, which is what nearly all meters in Europe send.
    #[default]
    CAndT,
    /// N at 169 MHz, with a receiver made for it.
    N,
}

impl ModeSet {
    /// The set of a name: `s`, `t`, `c`, `ct` or `n`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "s" => Self::S,
            "t" => Self::T,
            "c" => Self::C,
            "ct" => Self::CAndT,
            "n" => Self::N,
            _ => return None,
        })
    }
}

/// What is expected after something was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// An answer with this code.
    Code(u16),
    /// A line that begins so.
    Text(&'static str),
    /// So many bytes without any framing.
    Unframed(usize),
    /// Nothing.
    Nothing,
}

/// A command and the answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) send: Vec<u8>,
    pub(super) expect: Expect,
    pub(super) within: Duration,
}

impl Step {
    pub(super) const fn new(send: Vec<u8>, code: u16) -> Self {
        Self {
            send,
            expect: Expect::Code(code),
            within: ANSWER_WITHIN,
        }
    }

    pub(super) fn text(send: &str, begins: &'static str) -> Self {
        Self {
            expect: Expect::Text(begins),
            ..Self::unanswered(send)
        }
    }

    pub(super) fn unframed(send: &[u8], length: usize) -> Self {
        Self {
            send: send.to_vec(),
            expect: Expect::Unframed(length),
            within: ANSWER_WITHIN,
        }
    }

    pub(super) fn unanswered(send: &str) -> Self {
        Self {
            send: send.as_bytes().to_vec(),
            expect: Expect::Nothing,
            within: ANSWER_WITHIN,
        }
    }

    pub(super) fn is_answered_by(&self, answer: &Answer) -> bool {
        match self.expect {
            Expect::Code(code) => answer.code == code,
            Expect::Text(begins) => answer.payload.starts_with(begins.as_bytes()),
            Expect::Unframed(length) => answer.payload.len() == length,
            Expect::Nothing => false,
        }
    }
}

impl Kind {
    /// The question that only this kind answers; `None` for those that cannot be asked.
    pub(super) fn probe(self) -> Option<Step> {
        Some(match self {
            Self::Im871a => im871a::probe(),
            Self::Amb8465 => amb8465::probe(),
            Self::Cul => cul::probe(),
            Self::Iu891a => iu891a::probe(),
            Self::Rc1180 => rc1180::probe(),
            Self::RtlWmbus | Self::Hex => return None,
        })
    }

    /// What makes it listen, given its answer to [`Kind::probe`].
    pub(super) fn configure(self, modes: ModeSet, answer: Option<&Answer>) -> Vec<Step> {
        match self {
            Self::Im871a => im871a::configure(modes, answer),
            Self::Amb8465 => amb8465::configure(modes, answer),
            Self::Cul => cul::configure(modes),
            Self::Iu891a => iu891a::configure(modes, answer),
            Self::Rc1180 => rc1180::configure(),
            Self::RtlWmbus | Self::Hex => Vec::new(),
        }
    }

    /// A question that changes nothing, to learn whether it lives.
    pub(super) fn ping(self) -> Option<Step> {
        match self {
            Self::Im871a => Some(im871a::ping()),
            Self::Amb8465 => Some(amb8465::ping()),
            Self::Iu891a => Some(iu891a::ping()),
            _ => self.probe(),
        }
    }

    /// Starts it anew, where that is possible.
    pub(super) fn reset(self) -> Option<Step> {
        match self {
            Self::Im871a => Some(im871a::reset()),
            Self::Amb8465 => Some(amb8465::reset()),
            Self::Iu891a => Some(iu891a::reset()),
            Self::Cul | Self::Rc1180 | Self::RtlWmbus | Self::Hex => None,
        }
    }

    /// What an answer to [`Kind::probe`] tells of the device, in words.
    pub(super) fn identity(self, answer: &Answer) -> Option<String> {
        match self {
            Self::Im871a => im871a::identity(answer),
            Self::Amb8465 => amb8465::identity(answer),
            Self::Cul => cul::identity(answer),
            Self::Iu891a => iu891a::identity(answer),
            Self::Rc1180 => rc1180::identity(answer),
            Self::RtlWmbus | Self::Hex => None,
        }
    }

    /// The bytes that make it send a radio frame (L, C, M, A, CI …, no CRCs); `None` for those
    /// that cannot send.
    #[must_use]
    pub fn transmit(self, frame: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Im871a => Some(im871a::transmit(frame)),
            Self::Amb8465 => Some(amb8465::transmit(frame)),
            Self::Rc1180 => frame.get(1..).map(|rest| {
                let length = u8::try_from(rest.len()).unwrap_or(u8::MAX);
                [&[length], rest].concat()
            }),
            Self::Cul | Self::Iu891a | Self::RtlWmbus | Self::Hex => None,
        }
    }
}
