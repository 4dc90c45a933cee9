//! Data bits, parity and stop bit as installers write them.

use meter_link::session::{Line, Parity};
use serde::Deserialize;

/// Framing of a character, one stop bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Framing {
    /// 8 data bits, no parity.
    #[serde(rename = "8N1")]
    EightNone,
    /// 8 data bits, even parity.
    #[serde(rename = "8E1")]
    EightEven,
    /// 8 data bits, odd parity.
    #[serde(rename = "8O1")]
    EightOdd,
    /// 7 data bits, even parity.
    #[serde(rename = "7E1")]
    SevenEven,
    /// 7 data bits, odd parity.
    #[serde(rename = "7O1")]
    SevenOdd,
}

impl Framing {
    /// The line with this framing at a speed in bits per second.
    #[must_use]
    pub const fn at(self, baud: u32) -> Line {
        let (data_bits, parity) = match self {
            Self::EightNone => (8, Parity::None),
            Self::EightEven => (8, Parity::Even),
            Self::EightOdd => (8, Parity::Odd),
            Self::SevenEven => (7, Parity::Even),
            Self::SevenOdd => (7, Parity::Odd),
        };
        Line {
            baud,
            data_bits,
            parity,
        }
    }
}
