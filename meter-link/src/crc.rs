//! Cyclic redundancy checks of the meter protocols.
//!
//! All are 16 bits wide; the catalogue of parametrised CRC algorithms names them
//! `CRC-16/IBM-SDLC` (X-25), `CRC-16/KERMIT`, `CRC-16/ARC`, `CRC-16/MODBUS` and, the only one that
//! is not reflected, `CRC-16/EN-13757`. Eight bytes are taken at a time (slicing by eight), so that
//! a check costs a fraction of what parsing does.

/// CRC-16/X-25: initial value FFFF, inverted at the end. HDLC, SML transport and SML messages.
///
/// ```
/// assert_eq!(meter_link::crc::x25(b"123456789"), 0x906E);
/// ```
#[must_use]
pub fn x25(bytes: &[u8]) -> u16 {
    !update(&CCITT, 0xFFFF, bytes)
}

/// CRC-16/KERMIT: initial value 0, not inverted. Sent by Holley meters in place of X-25.
///
/// ```
/// assert_eq!(meter_link::crc::kermit(b"123456789"), 0x2189);
/// ```
#[must_use]
pub fn kermit(bytes: &[u8]) -> u16 {
    update(&CCITT, 0, bytes)
}

/// CRC-16/ARC: initial value 0, not inverted. Ends P1 telegrams and some IEC 62056-21 readouts.
///
/// ```
/// assert_eq!(meter_link::crc::arc(b"123456789"), 0xBB3D);
/// ```
#[must_use]
pub fn arc(bytes: &[u8]) -> u16 {
    update(&ARC, 0, bytes)
}

/// CRC-16/EN-13757: most significant bit first, initial value 0, inverted at the end. The link
/// layer of wireless M-Bus (EN 13757-4, clause 11.5.6), its encrypted payloads and format
/// signatures.
///
/// ```
/// assert_eq!(meter_link::crc::en13757(b"123456789"), 0xC2B7);
/// ```
#[must_use]
pub fn en13757(bytes: &[u8]) -> u16 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &EN13757;
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut crc = 0u16;
    for &[b0, b1, b2, b3, b4, b5, b6, b7] in chunks {
        let [high, low] = crc.to_be_bytes();
        crc = entry(t7, b0 ^ high)
            ^ entry(t6, b1 ^ low)
            ^ entry(t5, b2)
            ^ entry(t4, b3)
            ^ entry(t3, b4)
            ^ entry(t2, b5)
            ^ entry(t1, b6)
            ^ entry(t0, b7);
    }
    for &byte in rest {
        let [high, _] = crc.to_be_bytes();
        crc = (crc << 8) ^ entry(t0, high ^ byte);
    }
    !crc
}

/// CRC-16/MODBUS: initial value FFFF, not inverted. Ends frames of Modbus RTU, low byte first.
///
/// ```
/// assert_eq!(meter_link::crc::modbus(b"123456789"), 0x4B37);
/// ```
#[must_use]
pub fn modbus(bytes: &[u8]) -> u16 {
    update(&ARC, 0xFFFF, bytes)
}

/// Table `k` holds, for each byte, its share of the remainder `k` bytes further on.
type Tables = [[u16; 256]; 8];

static CCITT: Tables = tables(0x8408);
static ARC: Tables = tables(0xA001);
static EN13757: Tables = forward_tables(0x3D65);

fn update(tables: &Tables, start: u16, bytes: &[u8]) -> u16 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut crc = start;
    for &[b0, b1, b2, b3, b4, b5, b6, b7] in chunks {
        let [low, high] = crc.to_le_bytes();
        crc = entry(t7, b0 ^ low)
            ^ entry(t6, b1 ^ high)
            ^ entry(t5, b2)
            ^ entry(t4, b3)
            ^ entry(t3, b4)
            ^ entry(t2, b5)
            ^ entry(t1, b6)
            ^ entry(t0, b7);
    }
    for &byte in rest {
        let [low, high] = crc.to_le_bytes();
        crc = u16::from(high) ^ entry(t0, low ^ byte);
    }
    crc
}

fn entry(table: &[u16; 256], index: u8) -> u16 {
    table.get(usize::from(index)).copied().unwrap_or_default()
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where an index out of range is a compile error"
)]
const fn tables(polynomial: u16) -> Tables {
    let mut tables = [[0; 256]; 8];
    let mut index = 0u16;
    while index < 256 {
        let mut crc = index;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ polynomial
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][index as usize] = crc;
        index += 1;
    }
    let mut step = 1;
    while step < 8 {
        let mut index = 0;
        while index < 256 {
            let before = tables[step - 1][index];
            tables[step][index] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            index += 1;
        }
        step += 1;
    }
    tables
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where an index out of range is a compile error"
)]
const fn forward_tables(polynomial: u16) -> Tables {
    let mut tables = [[0; 256]; 8];
    let mut index = 0u16;
    while index < 256 {
        let mut crc = index << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ polynomial
            };
            bit += 1;
        }
        tables[0][index as usize] = crc;
        index += 1;
    }
    let mut step = 1;
    while step < 8 {
        let mut index = 0;
        while index < 256 {
            let before = tables[step - 1][index];
            tables[step][index] = (before << 8) ^ tables[0][(before >> 8) as usize];
            index += 1;
        }
        step += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, as the definition has it.
    fn by_definition(polynomial: u16, start: u16, bytes: &[u8]) -> u16 {
        bytes.iter().fold(start, |crc, &byte| {
            (0..8).fold(crc ^ u16::from(byte), |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { polynomial } else { 0 }
            })
        })
    }

    #[test]
    fn eight_at_a_time_is_one_at_a_time() {
        let bytes: Vec<u8> = (0..=255u8).map(|i| i.wrapping_mul(167) ^ 0x5A).collect();
        for length in 0..bytes.len() {
            let part = &bytes[..length];
            assert_eq!(x25(part), !by_definition(0x8408, 0xFFFF, part));
            assert_eq!(kermit(part), by_definition(0x8408, 0, part));
            assert_eq!(arc(part), by_definition(0xA001, 0, part));
            let forward = part.iter().fold(0u16, |crc, &byte| {
                (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
                    (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x3D65 }
                })
            });
            assert_eq!(en13757(part), !forward);
        }
    }
}
