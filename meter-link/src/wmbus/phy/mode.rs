//! The modes of EN 13757-4 as parameters.

use std::fmt;

use crate::wmbus::frame::FrameFormat;

/// How data bits are spread over chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Two chips for a bit: 01 is 1, 10 is 0 (clause 6.4).
    Manchester,
    /// Six chips for four bits (clause 7.4, table 13).
    ThreeOfSix,
    /// A chip for a bit.
    Nrz,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The meter to the gateway.
    FromMeter,
    /// The gateway to the meter.
    ToMeter,
}

/// A synchronisation word and the frame format it announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sync {
    /// The chips, the last one sent in the lowest bit. The preamble's last chips are part of it
    /// where they help to tell it from noise.
    pub word: u32,
    /// How many chips, at most 32.
    pub length: u8,
    /// The format of the frame that follows.
    pub format: FrameFormat,
}

/// A link mode of EN 13757-4. Where a mode's name ends in 1 the meter only sends; in 2 it also
/// listens after it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkMode {
    /// Stationary, 868.3 MHz, the meter only sends.
    S1,
    /// As S1, with a short preamble.
    S1m,
    /// Stationary, both ways.
    S2,
    /// Frequent transmit, 868.95 MHz, the meter only sends.
    T1,
    /// Frequent transmit, both ways.
    T2,
    /// Compact, 868.95 MHz, the meter only sends.
    C1,
    /// Compact, both ways.
    C2,
    /// Frequent receive, 868.33 MHz and its neighbour channels, both ways.
    R2,
    /// Narrowband, 169 MHz, the meter only sends.
    N1,
    /// Narrowband, both ways.
    N2,
}

/// What a receiver needs to know of a mode in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// Centre frequency in kHz; the lowest channel where there are several.
    pub frequency_khz: u32,
    /// Chips per second.
    pub chip_rate: u32,
    /// The line code.
    pub coding: Coding,
    /// Shortest preamble in pairs of chips 01.
    pub preamble_pairs: u16,
    /// The synchronisation words, by format.
    pub sync: &'static [Sync],
}

const fn sync(word: u32, length: u8, format: FrameFormat) -> Sync {
    Sync {
        word,
        length,
        format,
    }
}

/// Modes S and R (tables 9 and 21): 000111011010010110 behind two chips of the preamble.
const S_SYNC: &[Sync] = &[sync(0b0100_0111_0110_1001_0110, 20, FrameFormat::A)];
/// Mode T (table 12): 0000111101 behind four chips of the preamble.
const T_SYNC: &[Sync] = &[sync(0b01_0100_0011_1101, 14, FrameFormat::A)];
/// Mode C (clause 8.4): 543D and then a word that tells the format.
const C_SYNC: &[Sync] = &[
    sync(0x543D_54CD, 32, FrameFormat::A),
    sync(0x543D_543D, 32, FrameFormat::B),
];
/// Mode N (clause 9): the preamble's last byte and a word that tells the format.
const N_SYNC: &[Sync] = &[
    sync(0x55_F68D, 24, FrameFormat::A),
    sync(0x55_F672, 24, FrameFormat::B),
];

impl LinkMode {
    /// Every mode.
    pub const ALL: [Self; 10] = [
        Self::S1,
        Self::S1m,
        Self::S2,
        Self::T1,
        Self::T2,
        Self::C1,
        Self::C2,
        Self::R2,
        Self::N1,
        Self::N2,
    ];

    /// The standard's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S1 => "S1",
            Self::S1m => "S1m",
            Self::S2 => "S2",
            Self::T1 => "T1",
            Self::T2 => "T2",
            Self::C1 => "C1",
            Self::C2 => "C2",
            Self::R2 => "R2",
            Self::N1 => "N1",
            Self::N2 => "N2",
        }
    }

    /// The mode of a name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name().eq_ignore_ascii_case(name))
    }

    /// True when the meter listens after it has sent.
    #[must_use]
    pub const fn is_bidirectional(self) -> bool {
        matches!(self, Self::S2 | Self::T2 | Self::C2 | Self::R2 | Self::N2)
    }

    /// The parameters of one direction. A mode in which the meter only sends has those of its
    /// sibling for the other direction.
    #[must_use]
    pub const fn parameters(self, direction: Direction) -> Parameters {
        let from_meter = matches!(direction, Direction::FromMeter);
        match self {
            Self::S1 | Self::S1m | Self::S2 => Parameters {
                frequency_khz: 868_300,
                chip_rate: 32_768,
                coding: Coding::Manchester,
                preamble_pairs: if matches!(self, Self::S1) { 279 } else { 15 },
                sync: S_SYNC,
            },
            Self::T1 | Self::T2 if from_meter => Parameters {
                frequency_khz: 868_950,
                chip_rate: 100_000,
                coding: Coding::ThreeOfSix,
                preamble_pairs: 19,
                sync: T_SYNC,
            },
            // What a gateway sends in mode T is coded as in mode S (table 11).
            Self::T1 | Self::T2 => Parameters {
                frequency_khz: 868_300,
                chip_rate: 32_768,
                coding: Coding::Manchester,
                preamble_pairs: 15,
                sync: S_SYNC,
            },
            Self::C1 | Self::C2 => Parameters {
                frequency_khz: if from_meter { 868_950 } else { 869_525 },
                chip_rate: if from_meter { 100_000 } else { 50_000 },
                coding: Coding::Nrz,
                preamble_pairs: 16,
                sync: C_SYNC,
            },
            Self::R2 => Parameters {
                frequency_khz: 868_330,
                chip_rate: 4_800,
                coding: Coding::Manchester,
                preamble_pairs: 39,
                sync: S_SYNC,
            },
            Self::N1 | Self::N2 => Parameters {
                frequency_khz: 169_406,
                chip_rate: 4_800,
                coding: Coding::Nrz,
                preamble_pairs: 8,
                sync: N_SYNC,
            },
        }
    }
}

impl fmt::Display for LinkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
