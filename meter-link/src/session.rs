//! What every protocol session is: told bytes and the time, asked what to do.
//!
//! The owner calls, in this order and as often as it likes:
//!
//! 1. [`Session::handle_input`] with bytes that came, or [`Session::handle_timeout`] once the
//!    instant of [`Session::poll_timeout`] has passed;
//! 2. [`Session::poll_action`] until it returns `None`;
//! 3. [`Session::poll_timeout`] to learn when to call again at the latest.
//!
//! [`Session::restart`] puts a session back to its start, after the port was lost and reopened.

use std::fmt;
use std::time::Instant;

use crate::dlms::client::job::Outcome;
use crate::model::Telegram;
use crate::wmbus::receiver::{Condition, RadioFrame};

/// Parity of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parity {
    /// No parity bit.
    None,
    /// An even number of ones.
    Even,
    /// An odd number of ones.
    Odd,
}

/// Speed and framing of a serial line; one stop bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// Bits per second.
    pub baud: u32,
    /// 7 or 8.
    pub data_bits: u8,
    /// Parity.
    pub parity: Parity,
}

impl Line {
    /// 8 data bits, no parity.
    #[must_use]
    pub const fn eight_none(baud: u32) -> Self {
        Self {
            baud,
            data_bits: 8,
            parity: Parity::None,
        }
    }

    /// 7 data bits, even parity.
    #[must_use]
    pub const fn seven_even(baud: u32) -> Self {
        Self {
            baud,
            data_bits: 7,
            parity: Parity::Even,
        }
    }
}

impl fmt::Display for Line {
    /// `9600 7E1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parity = match self.parity {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
        };
        write!(f, "{} {}{parity}1", self.baud, self.data_bits)
    }
}

/// A stretch of input that gave no telegram, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The rule that was broken, in words.
    pub reason: String,
    /// How many bytes were given up.
    pub length: usize,
}

/// What a session wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send these bytes, at the line settings in force, and wait until they have left.
    Send(Vec<u8>),
    /// Change the line once everything sent so far has left.
    SetLine(Line),
    /// A message that passed its check.
    Telegram(Box<Telegram>),
    /// Input that did not.
    Rejected(Rejected),
    /// What a meter was found to hold beside its registers: rows of a profile, a clock.
    Found(Box<Outcome>),
    /// A radio frame of some meter, from a receiver that serves many.
    Frame(Box<RadioFrame>),
    /// A receiver's condition has changed.
    Condition(Condition),
    /// Close the port and open it again, for this reason.
    Reopen(String),
}

/// A protocol's side of a conversation with one meter, without any input or output of its own.
pub trait Session: Send {
    /// The line settings with which the port is to be opened.
    fn line(&self) -> Line;

    /// Takes bytes that were received at `now`.
    fn handle_input(&mut self, bytes: &[u8], now: Instant);

    /// Takes note that `now` has come; does nothing before the instant of `poll_timeout`.
    fn handle_timeout(&mut self, now: Instant);

    /// The next thing to do; `None` when there is nothing until more input or the time-out.
    fn poll_action(&mut self) -> Option<Action>;

    /// When `handle_timeout` must be called at the latest; `None` for a session that only listens.
    fn poll_timeout(&self) -> Option<Instant>;

    /// True while nothing is under way: a line that is shared is others' until the instant of
    /// `poll_timeout`. A session that listens all the time is never at rest.
    fn is_at_rest(&self) -> bool {
        false
    }

    /// Begins again from the start, the port having been (re)opened at `now`.
    fn restart(&mut self, now: Instant);
}
