//! The 3-of-6 code of mode T (EN 13757-4, table 13): each four bits as six chips with three ones.

const CODE: [u16; 16] = [
    0x16, 0x0D, 0x0E, 0x0B, 0x1C, 0x19, 0x1A, 0x13, 0x2C, 0x25, 0x26, 0x23, 0x34, 0x31, 0x32, 0x29,
];

/// Twelve chips as a byte; `None` when one half is no code word.
pub(super) fn decode(chips: u16) -> Option<u8> {
    let nibble = |word: u16| {
        let found = CODE.iter().position(|code| *code == word)?;
        u8::try_from(found).ok()
    };
    Some(nibble(chips >> 6 & 0x3F)? << 4 | nibble(chips & 0x3F)?)
}

/// The twelve chips of a byte.
pub(super) fn encode(byte: u8) -> u16 {
    let word = |nibble: u8| CODE.get(usize::from(nibble)).copied().unwrap_or_default();
    word(byte >> 4) << 6 | word(byte & 0x0F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_and_nothing_else() {
        for byte in 0..=255u8 {
            assert_eq!(decode(encode(byte)), Some(byte));
        }
        let words = (0..1u16 << 12).filter(|chips| decode(*chips).is_some());
        assert_eq!(words.count(), 256);
        assert!(CODE.iter().all(|word| word.count_ones() == 3));
    }
}
