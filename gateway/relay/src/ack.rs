//! What the head-end says of a stream: how far it has everything, and what is missing beyond.
//!
//! Sealed like a batch with the key of the way down, for the same device and stream; `first` and
//! `last` are the acknowledged number. A broker's own acknowledgement means nothing here.

use crate::cbor::{Reader, Writer};
use crate::refusal::Refusal;

/// Content format of an acknowledgement.
pub const ACK: u16 = 65_010;
/// Gaps of an acknowledgement at most; those beyond are told later.
pub const GAPS: usize = 64;

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Every row up to this number is stored for good.
    pub through: u64,
    /// Rows that are missing beyond, from and to, both inclusive, in order.
    pub gaps: Vec<(u64, u64)>,
}

impl Ack {
    /// Its payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let gaps = self.gaps.get(..GAPS).unwrap_or(&self.gaps);
        let mut out = Writer::default();
        out.array(2).unsigned(self.through).array(2 * gaps.len());
        for (from, to) in gaps {
            out.unsigned(*from).unsigned(*to);
        }
        out.into_octets()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// It has not the form, or its gaps are not in order.
    pub fn decode(payload: &[u8]) -> Result<Self, Refusal> {
        let wrong = Refusal::Malformed("an acknowledgement whose gaps are not in order");
        let mut from = Reader::new(payload);
        from.array_of(2)?;
        let through = from.unsigned()?;
        let count = from.array()?;
        if count > 2 * GAPS || !count.is_multiple_of(2) {
            return Err(wrong);
        }
        let mut gaps = Vec::with_capacity(count / 2);
        let mut last = through;
        for _ in 0..count / 2 {
            let (first, end) = (from.unsigned()?, from.unsigned()?);
            if first <= last || end < first {
                return Err(wrong);
            }
            last = end;
            gaps.push((first, end));
        }
        from.end()?;
        Ok(Self { through, gaps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_and_in_order() {
        for gaps in [vec![], vec![(8, 8), (10, 300)]] {
            let ack = Ack { through: 7, gaps };
            assert_eq!(Ack::decode(&ack.encode()), Ok(ack));
        }
        for gaps in [vec![(7, 8)], vec![(9, 8)], vec![(10, 12), (12, 14)]] {
            assert!(Ack::decode(&Ack { through: 7, gaps }.encode()).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            let _ = Ack::decode(&octets);
        }
    }
}
