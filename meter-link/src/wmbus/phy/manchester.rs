//! Manchester code (EN 13757-4, clause 6.4): 01 is 1, 10 is 0, most significant bit first.

/// Two chips of each of eight bits as a byte; `None` when a pair is 00 or 11.
pub(super) fn decode(chips: u16) -> Option<u8> {
    (0..8).rev().try_fold(0u8, |byte, bit| {
        let pair = chips >> (2 * bit) & 0b11;
        match pair {
            0b01 => Some(byte << 1 | 1),
            0b10 => Some(byte << 1),
            _ => None,
        }
    })
}

/// The sixteen chips of a byte.
pub(super) fn encode(byte: u8) -> u16 {
    (0..8).rev().fold(0u16, |chips, bit| {
        chips << 2 | if byte >> bit & 1 == 1 { 0b01 } else { 0b10 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for byte in 0..=255u8 {
            assert_eq!(decode(encode(byte)), Some(byte));
        }
        assert_eq!(encode(0x0F), 0xAA55);
        assert_eq!(decode(0xAA54), None);
        assert_eq!(decode(0xAA57), None);
    }
}
