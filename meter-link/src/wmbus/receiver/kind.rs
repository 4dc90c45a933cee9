//! The kinds of receivers.

use crate::session;

/// A kind of receiver, by its way of talking to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// IMST iM871A-USB and iM170A: messages with a start byte and a CRC.
    Im871a,
    /// Würth (Amber) AMB8465, AMB3665 and their Metis successors.
    Amb8465,
    /// CUL and nanoCUL with culfw: lines of hex with the link layer's CRCs.
    Cul,
    /// IMST iU891A-XL: SLIP.
    Iu891a,
    /// Radiocrafts RC1180-MBUS: bare frames.
    Rc1180,
    /// The output of `rtl_wmbus` or of `rtl_433 -F json`.
    RtlWmbus,
    /// Lines of hex, as gateways send them over TCP, UDP or MQTT; lines of `rtl_wmbus` and
    /// `rtl_433` as well.
    Hex,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Im871a,
        Self::Amb8465,
        Self::Cul,
        Self::Iu891a,
        Self::Rc1180,
        Self::RtlWmbus,
        Self::Hex,
    ];

    /// The kinds that can be found by asking, in the order in which they are tried: those whose
    /// question does no harm to the others come first.
    pub const PROBED: [Self; 5] = [
        Self::Im871a,
        Self::Iu891a,
        Self::Cul,
        Self::Amb8465,
        Self::Rc1180,
    ];

    /// The name in configurations and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Im871a => "im871a",
            Self::Amb8465 => "amb8465",
            Self::Cul => "cul",
            Self::Iu891a => "iu891a",
            Self::Rc1180 => "rc1180",
            Self::RtlWmbus => "rtlwmbus",
            Self::Hex => "hex",
        }
    }

    /// The kind of a name; siblings that talk alike go by their own names too.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "im871a" | "im170a" => Self::Im871a,
            "amb8465" | "amb3665" => Self::Amb8465,
            "cul" | "nanocul" => Self::Cul,
            "iu891a" => Self::Iu891a,
            "rc1180" => Self::Rc1180,
            "rtlwmbus" | "rtl_wmbus" | "rtl433" | "rtl_433" => Self::RtlWmbus,
            "hex" => Self::Hex,
            _ => return None,
        })
    }

    /// The serial line with which it leaves the factory.
    #[must_use]
    pub const fn line(self) -> session::Line {
        session::Line::eight_none(match self {
            Self::Im871a => 57_600,
            Self::Amb8465 => 9_600,
            Self::Cul => 38_400,
            Self::Rc1180 => 19_200,
            Self::Iu891a | Self::RtlWmbus | Self::Hex => 115_200,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("zigbee"), None);
    }
}
