//! Times and speeds that both sides agree on.

/// Time-outs of a line with a modem (C12.21, timing setup service).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Silence after which the call ends, in seconds.
    pub traffic_s: u8,
    /// Longest gap within a packet, in seconds.
    pub inter_character_s: u8,
    /// Longest wait for an acknowledgement, in seconds.
    pub response_s: u8,
    /// How often a packet is sent again.
    pub retries: u8,
}

/// The speed behind a code of the negotiate service, in bits per second; `None` for 0, "set
/// elsewhere", and codes that are not assigned.
#[must_use]
pub const fn baud(code: u8) -> Option<u32> {
    Some(match code {
        1 => 300,
        2 => 600,
        3 => 1_200,
        4 => 2_400,
        5 => 4_800,
        6 => 9_600,
        7 => 14_400,
        8 => 19_200,
        9 => 28_800,
        10 => 57_600,
        11 => 38_400,
        12 => 115_200,
        13 => 128_000,
        14 => 256_000,
        _ => return None,
    })
}

impl Timing {
    /// Reads the four octets of the timing setup service and of its answer.
    #[must_use]
    pub const fn parse(payload: &[u8]) -> Option<Self> {
        match *payload {
            [traffic_s, inter_character_s, response_s, retries] => Some(Self {
                traffic_s,
                inter_character_s,
                response_s,
                retries,
            }),
            _ => None,
        }
    }
}
