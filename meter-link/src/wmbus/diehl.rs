//! What Diehl, Hydrometer and their brands do otherwise: an address in another order and payloads
//! scrambled by a shift register. Source: behaviour of published telegrams; no document is public.

use crate::mbus::{DeviceAddress, Manufacturer};

/// Makers that share the form.
const MAKERS: [&str; 5] = ["DME", "EWT", "HYD", "SAP", "SPL"];
/// Keys that are the same in all meters that were not given one of their own.
const DEFAULT_KEYS: [[u8; 8]; 2] = [
    [0x39, 0xBC, 0x8A, 0x10, 0xE6, 0x6D, 0x83, 0xF8],
    [0x51, 0x72, 0x89, 0x10, 0xE6, 0x6D, 0x83, 0xF8],
];
/// First scrambled byte of a frame.
const SCRAMBLED_FROM: usize = 15;
/// What an unscrambled PRIOS payload begins with.
const PRIOS_FIRST: u8 = 0x4B;

/// How a frame of these makers is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpretation {
    /// By the standard.
    Standard,
    /// Records, scrambled.
    RealData,
    /// A PRIOS payload, scrambled.
    Prios,
    /// A PRIOS payload of Sappel, whose identification is longer.
    SappelPrios,
}

/// Tells by maker, control field, CI field and configuration.
#[must_use]
pub fn interpretation(frame: &[u8]) -> Interpretation {
    let Some(&[_, control, m0, m1, _, _, _, _, _, _, ci]) = frame.first_chunk::<11>() else {
        return Interpretation::Standard;
    };
    let maker = Manufacturer(u16::from_le_bytes([m0, m1]));
    let is = |letters| Manufacturer::from_letters(letters) == Some(maker);
    if !matches!(control, 0x44 | 0x46) || !MAKERS.into_iter().any(is) {
        return Interpretation::Standard;
    }
    match ci {
        0x71 => Interpretation::RealData,
        0x7A if frame.get(14).is_some_and(|high| high & 0x10 != 0) => Interpretation::RealData,
        0xA0..=0xA7 if is("SAP") => Interpretation::SappelPrios,
        0xA0..=0xA7 | 0xB1..=0xB3 => Interpretation::Prios,
        _ => Interpretation::Standard,
    }
}

/// The address of a frame of this interpretation.
#[must_use]
pub(super) const fn address(octets: [u8; 8], interpretation: Interpretation) -> DeviceAddress {
    let [m0, m1, a0, a1, a2, a3, a4, a5] = octets;
    match interpretation {
        Interpretation::Standard => DeviceAddress::from_link(octets),
        Interpretation::RealData | Interpretation::Prios => {
            DeviceAddress::from_link([m0, m1, a2, a3, a4, a5, a0, a1])
        }
        Interpretation::SappelPrios => DeviceAddress::from_link([m0, m1, a0, a1, a2, a3, 0, 7]),
    }
}

/// Keys to try: the meter's own, else the default ones.
fn seeds(own: Option<&[u8]>) -> Vec<u32> {
    let seed = |key: &[u8]| {
        let (words, _) = key.as_chunks::<4>();
        words
            .iter()
            .take(2)
            .fold(0, |seed, word| seed ^ u32::from_be_bytes(*word))
    };
    match own {
        Some(key) => vec![seed(key)],
        None => DEFAULT_KEYS.iter().map(|key| seed(key)).collect(),
    }
}

/// Unscrambles records; `None` when no key gives their checksum.
#[must_use]
pub(super) fn real_data(frame: &[u8], own_key: Option<&[u8]>) -> Option<Vec<u8>> {
    let wanted = frame.get(14)? & 0xEF;
    seeds(own_key).into_iter().find_map(|seed| {
        let plain = unscramble(frame, seed)?;
        let sum = plain.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        (sum & 0xEF == wanted).then_some(plain)
    })
}

/// Unscrambles a PRIOS payload; `None` when no key gives its first byte.
#[must_use]
pub fn prios(frame: &[u8], own_key: Option<&[u8]>) -> Option<Vec<u8>> {
    seeds(own_key).into_iter().find_map(|seed| {
        unscramble(frame, seed).filter(|plain| plain.first() == Some(&PRIOS_FIRST))
    })
}

fn unscramble(frame: &[u8], seed: u32) -> Option<Vec<u8>> {
    let word = |at: usize| {
        frame
            .get(at..at + 4)?
            .try_into()
            .ok()
            .map(u32::from_be_bytes)
    };
    let mut register = seed ^ word(2)? ^ word(6)? ^ word(10)?;
    let scrambled = frame.get(SCRAMBLED_FROM..)?;
    let plain = scrambled.iter().map(|byte| {
        for _ in 0..8 {
            let taps = register >> 1 ^ register >> 2 ^ register >> 11 ^ register >> 31;
            register = register << 1 | taps & 1;
        }
        byte ^ register.to_le_bytes()[0]
    });
    Some(plain.collect())
}
