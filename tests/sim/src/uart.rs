//! What a receiver hears of bytes that were sent at another speed than its own.
//!
//! The wire is drawn as it would be: idle high, a start bit low, data bits from the lowest on,
//! parity, a stop bit high. The receiver waits for a fall and looks at the middle of each of its
//! own bits. At equal speeds it hears what was sent.

/// Framing of one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// 8 data bits, no parity, one stop bit.
    EightNone,
    /// 7 data bits, even parity, one stop bit.
    SevenEven,
}

impl Framing {
    const fn data_bits(self) -> u32 {
        match self {
            Self::EightNone => 8,
            Self::SevenEven => 7,
        }
    }
}

/// Bits of one character in either framing: start, eight, stop.
pub const BITS_PER_CHARACTER: u32 = 10;

/// Sends `bytes` at `sent_baud` and returns what comes out at `heard_baud`. Characters whose
/// stop bit or parity is wrong are heard all the same, as by a driver that does not look.
///
/// ```
/// use wattle_sim::uart::{Framing, heard};
/// assert_eq!(heard(b"/WSM5\r\n", 300, 300, Framing::SevenEven), b"/WSM5\r\n");
/// assert_ne!(heard(b"/WSM5\r\n", 300, 9600, Framing::SevenEven), b"/WSM5\r\n");
/// ```
#[must_use]
pub fn heard(bytes: &[u8], sent_baud: u32, heard_baud: u32, framing: Framing) -> Vec<u8> {
    if sent_baud == heard_baud || sent_baud == 0 || heard_baud == 0 {
        return bytes.to_vec();
    }
    let wire: Vec<bool> = bytes
        .iter()
        .flat_map(|&byte| character(byte, framing))
        .collect();
    // Time is counted in half bits of the receiver, as numbers of sender's bits x heard_baud.
    let (sent, own) = (u64::from(heard_baud), u64::from(sent_baud));
    let level = |half_bits: u64| {
        let index = usize::try_from(half_bits * own / (2 * sent)).unwrap_or(usize::MAX);
        wire.get(index).copied().unwrap_or(true)
    };
    let end = 2 * u64::try_from(wire.len()).unwrap_or(u64::MAX) * sent / own;
    let mut out = Vec::new();
    let mut now = 0;
    while now < end {
        if level(now) {
            now += 1;
            continue;
        }
        let mut byte = 0u8;
        for bit in 0..framing.data_bits() {
            let middle = now + 3 + 2 * u64::from(bit);
            byte |= u8::from(level(middle)) << bit;
        }
        out.push(byte);
        // On to the middle of the stop bit; a line still low there is the next start bit.
        now += 2 * u64::from(BITS_PER_CHARACTER) - 1;
    }
    out
}

fn character(byte: u8, framing: Framing) -> [bool; 10] {
    let bit = |n: u32| byte >> n & 1 == 1;
    let last = match framing {
        Framing::EightNone => bit(7),
        Framing::SevenEven => (byte & 0x7F).count_ones() % 2 == 1,
    };
    let [b0, b1, b2, b3, b4, b5, b6] = [0, 1, 2, 3, 4, 5, 6].map(bit);
    [false, b0, b1, b2, b3, b4, b5, b6, last, true]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_too_fast_sees_each_bit_many_times() {
        // 0x00 at 300 is low for 9 of its bits, 90 of the receiver's. A character takes the
        // receiver 9.5 of them, to the middle of its stop bit: nine are wholly low, and of the
        // tenth, which begins at 85.5, the start and three data bits.
        let zeros = heard(&[0], 300, 3000, Framing::EightNone);
        assert_eq!(zeros, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0b1111_1000]);
        // 0xFF is low in its start bit only: ten bits, the last half of which starts another.
        let ones = heard(&[0xFF], 300, 3000, Framing::EightNone);
        assert_eq!(ones, [0, 0xFF]);
    }

    #[test]
    fn too_slow_hears_fewer() {
        let sent = b"1.8.0(0012345.678*kWh)";
        let got = heard(sent, 9600, 300, Framing::SevenEven);
        assert!(got.len() < sent.len() / 10, "{got:?}");
    }
}
