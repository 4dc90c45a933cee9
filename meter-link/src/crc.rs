//! Cyclic redundancy checks of the meter protocols.
//!
//! Both run over the reflected CCITT polynomial 0x1021 (0x8408 as shifted here); the catalogue of
//! parametrised CRC algorithms names them `CRC-16/IBM-SDLC` (X-25) and `CRC-16/KERMIT`.

/// CRC-16/X-25: initial value FFFF, inverted at the end. HDLC, SML transport and SML messages.
///
/// ```
/// assert_eq!(meter_link::crc::x25(b"123456789"), 0x906E);
/// ```
#[must_use]
pub fn x25(bytes: &[u8]) -> u16 {
    !update(0xFFFF, bytes)
}

/// CRC-16/KERMIT: initial value 0, not inverted. Sent by Holley meters in place of X-25.
///
/// ```
/// assert_eq!(meter_link::crc::kermit(b"123456789"), 0x2189);
/// ```
#[must_use]
pub fn kermit(bytes: &[u8]) -> u16 {
    update(0, bytes)
}

fn update(start: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(start, |crc, &byte| {
        let [low, high] = crc.to_le_bytes();
        u16::from(high) ^ table_entry(low ^ byte)
    })
}

fn table_entry(index: u8) -> u16 {
    const TABLE: [u16; 256] = table();
    TABLE.get(usize::from(index)).copied().unwrap_or_default()
}

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0u16;
    while index < 256 {
        let mut crc = index;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x8408
            } else {
                crc >> 1
            };
            bit += 1;
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated at compile time, where get_mut is not const"
        )]
        {
            table[index as usize] = crc;
        }
        index += 1;
    }
    table
}
