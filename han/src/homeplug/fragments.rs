//! Messages that were sent in several frames (HomePlug AV 1.1, 11.1.8: fragmentation management
//! information).
//!
//! Each frame repeats the header; what stands behind it is put together in the order of the
//! fragments' numbers. The organisation of a vendor's message stands in its first fragment only.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::mme::{Fragment, Mme};
use super::mmtype::MmType;

/// A message has at most 16 fragments: their number has four bits.
const MOST_FRAGMENTS: usize = 16;
/// Messages that may be incomplete at a time; the oldest is given up.
const MOST_MESSAGES: usize = 8;
/// A fragment that has not come by then does not come any more.
const PATIENCE: Duration = Duration::from_secs(2);

type Key = ([u8; 6], MmType, u8);

/// A message that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// To whom.
    pub destination: [u8; 6],
    /// From whom.
    pub source: [u8; 6],
    /// The version of management messages.
    pub mmv: u8,
    /// What it is.
    pub mmtype: MmType,
    /// Whose vendor message it is.
    pub oui: Option<[u8; 3]>,
    /// What follows the header, with the octets that fill up the last frame.
    pub payload: Vec<u8>,
}

impl Whole {
    /// The message, to read its fields.
    #[must_use]
    pub fn mme(&self) -> Mme<'_> {
        Mme {
            destination: self.destination,
            source: self.source,
            mmv: self.mmv,
            mmtype: self.mmtype,
            fragment: None,
            oui: self.oui,
            payload: &self.payload,
        }
    }

    /// The frame that would have carried it, were there frames that long.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        let fragment = (self.mmv >= 1).then(Fragment::default);
        Mme {
            fragment,
            ..self.mme()
        }
        .to_frame()
    }
}

#[derive(Debug)]
struct Partial {
    since: Instant,
    oui: Option<[u8; 3]>,
    /// How many fragments there are.
    count: usize,
    parts: BTreeMap<u8, Vec<u8>>,
}

/// Puts fragments together. It holds at most eight messages of sixteen frames.
#[derive(Debug, Default)]
pub struct Reassembler {
    partial: BTreeMap<Key, Partial>,
}

impl Reassembler {
    /// Takes a frame as it came at `now`. What is no part of a message comes back as it is; of a
    /// message in parts, one frame when it is whole.
    pub fn frame(&mut self, frame: Vec<u8>, now: Instant) -> Option<Vec<u8>> {
        let is_part = |mme: &Mme<'_>| mme.fragment.is_some_and(|fragment| fragment.count > 0);
        match Mme::parse(&frame) {
            Ok(mme) if is_part(&mme) => Some(self.take(&mme, now)?.to_frame()),
            _ => Some(frame),
        }
    }

    /// Takes a frame that came at `now`; the message, when it is whole with it.
    pub fn take(&mut self, mme: &Mme<'_>, now: Instant) -> Option<Whole> {
        let fragment = mme.fragment.unwrap_or_default();
        let whole = |oui, payload| Whole {
            destination: mme.destination,
            source: mme.source,
            mmv: mme.mmv,
            mmtype: mme.mmtype,
            oui,
            payload,
        };
        if fragment.count == 0 {
            return Some(whole(mme.oui, mme.payload.to_vec()));
        }
        self.partial
            .retain(|_, partial| now.saturating_duration_since(partial.since) < PATIENCE);
        let key = (mme.source, mme.mmtype, fragment.sequence);
        let count = usize::from(fragment.count) + 1;
        if usize::from(fragment.index) >= count || count > MOST_FRAGMENTS {
            return None;
        }
        if self.partial.len() >= MOST_MESSAGES && !self.partial.contains_key(&key) {
            let oldest = self.partial.iter().min_by_key(|(_, partial)| partial.since);
            let oldest = oldest.map(|(key, _)| *key)?;
            self.partial.remove(&oldest);
        }
        let partial = self.partial.entry(key).or_insert_with(|| Partial {
            since: now,
            oui: None,
            count,
            parts: BTreeMap::new(),
        });
        // Fragments that disagree are not of one message.
        if partial.count != count {
            self.partial.remove(&key);
            return None;
        }
        partial.oui = partial.oui.or(mme.oui);
        partial.parts.insert(fragment.index, mme.payload.to_vec());
        if partial.parts.len() < count {
            return None;
        }
        let partial = self.partial.remove(&key)?;
        let payload = partial.parts.into_values().flatten().collect();
        Some(whole(partial.oui, payload))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::homeplug::OUI_QUALCOMM;

    fn fragment(index: u8, count: u8, sequence: u8, payload: &[u8]) -> Vec<u8> {
        Mme {
            destination: [2, 0, 0, 0, 0, 1],
            source: [4, 0, 0, 0, 0, 1],
            mmv: 1,
            mmtype: MmType(0xA039),
            fragment: Some(Fragment {
                index,
                count,
                sequence,
            }),
            oui: (index == 0).then_some(OUI_QUALCOMM),
            payload,
        }
        .to_frame()
    }

    fn take(reassembler: &mut Reassembler, frame: &[u8], now: Instant) -> Option<Whole> {
        reassembler.take(&Mme::parse(frame).unwrap(), now)
    }

    #[test]
    fn parts_in_any_order_make_one_message() {
        let now = Instant::now();
        let parts = [vec![1; 100], vec![2; 100], vec![3; 100]];
        let frames: Vec<Vec<u8>> = (0u8..)
            .zip(&parts)
            .map(|(index, part)| fragment(index, 2, 7, part))
            .collect();
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut reassembler = Reassembler::default();
            let mut made = None;
            for index in order {
                assert_eq!(made, None);
                made = take(&mut reassembler, &frames[index], now);
            }
            let whole = made.unwrap();
            assert_eq!(whole.payload, parts.concat());
            assert_eq!(whole.oui, Some(OUI_QUALCOMM));
        }
    }

    #[test]
    fn a_message_in_parts_becomes_one_frame() {
        let now = Instant::now();
        let mut reassembler = Reassembler::default();
        let other = [&[0xFF; 12][..], &[0x08, 0x00, 1, 2]].concat();
        assert_eq!(reassembler.frame(other.clone(), now), Some(other));
        let alone = fragment(0, 0, 3, &[9; 80]);
        assert_eq!(reassembler.frame(alone.clone(), now), Some(alone));
        let (first, second) = (fragment(0, 1, 7, &[1; 900]), fragment(1, 1, 7, &[2; 900]));
        assert_eq!(reassembler.frame(first, now), None);
        let whole = reassembler.frame(second, now).unwrap();
        let mme = Mme::parse(&whole).unwrap();
        assert_eq!(mme.payload, [[1; 900], [2; 900]].concat());
        assert_eq!((mme.oui, mme.mmtype.0), (Some(OUI_QUALCOMM), 0xA039));
    }

    #[test]
    fn what_is_late_or_of_another_message_makes_none() {
        let now = Instant::now();
        let mut reassembler = Reassembler::default();
        let (first, second) = (fragment(0, 1, 7, &[1; 60]), fragment(1, 1, 7, &[2; 60]));
        assert_eq!(take(&mut reassembler, &first, now), None);
        assert_eq!(
            take(&mut reassembler, &fragment(1, 1, 8, &[2; 60]), now),
            None
        );
        assert_eq!(take(&mut reassembler, &second, now + PATIENCE), None);
        assert_eq!(
            take(
                &mut reassembler,
                &fragment(0, 2, 7, &[1; 60]),
                now + PATIENCE
            ),
            None
        );
        // A message in one frame passes as it is.
        let one = take(&mut reassembler, &fragment(0, 0, 9, &[5; 60]), now).unwrap();
        assert_eq!(one.payload, [5; 60]);
        for sequence in 0..=255 {
            take(&mut reassembler, &fragment(0, 15, sequence, &[1; 60]), now);
        }
        assert!(reassembler.partial.len() <= MOST_MESSAGES);
    }

    proptest! {
        #[test]
        fn any_frames_make_no_more_than_they_hold(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 60..90), 0..20),
        ) {
            let mut reassembler = Reassembler::default();
            let now = Instant::now();
            let total: usize = frames.iter().map(Vec::len).sum();
            for mut frame in frames {
                frame[12..15].copy_from_slice(&[0x88, 0xE1, 1]);
                if let Ok(mme) = Mme::parse(&frame)
                    && let Some(whole) = reassembler.take(&mme, now)
                {
                    prop_assert!(whole.payload.len() <= total);
                    let _ = crate::homeplug::fields(&whole.mme());
                }
            }
        }
    }
}
