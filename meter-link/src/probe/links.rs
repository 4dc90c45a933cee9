//! Frames that carry DLMS pushes: just enough of them to know them again.

use crate::crc;

/// A frame whose check is right, and the bytes it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link<'a> {
    /// HDLC frame format type 3 (IEC 62056-46, 6.4.2).
    Hdlc {
        /// The control byte, with its poll bit.
        control: u8,
        /// What it carries, without LLC addresses.
        payload: &'a [u8],
    },
    /// Wired M-Bus long frame (EN 13757-2, 5.3), behind its segment bytes.
    Mbus {
        /// What it carries.
        payload: &'a [u8],
    },
}

impl<'a> Link<'a> {
    pub(super) const fn payload(self) -> &'a [u8] {
        match self {
            Self::Hdlc { payload, .. } | Self::Mbus { payload } => payload,
        }
    }
}

/// The first sound frame in `bytes`.
pub(super) fn find(bytes: &[u8]) -> Option<Link<'_>> {
    (0..bytes.len()).find_map(|at| {
        let rest = bytes.get(at..)?;
        match rest {
            [0x7E, rest @ ..] => hdlc(rest),
            [0x68, ..] => mbus(rest),
            _ => None,
        }
    })
}

/// From behind the opening flag.
fn hdlc(rest: &[u8]) -> Option<Link<'_>> {
    let [high, low, ..] = rest else { return None };
    if high & 0xF0 != 0xA0 {
        return None;
    }
    let length = usize::from(high & 7) << 8 | usize::from(*low);
    let frame = rest.get(..length)?;
    if rest.get(length) != Some(&0x7E) || length < 7 {
        return None;
    }
    let (covered, check) = frame.split_at_checked(length - 2)?;
    if crc::x25(covered).to_le_bytes() != *check {
        return None;
    }
    let mut at = 2;
    for _ in 0..2 {
        let address = covered.get(at..)?;
        at += address.iter().position(|byte| byte & 1 == 1)? + 1;
    }
    let control = *covered.get(at)?;
    // The header's own check stands in front of what is carried, if anything is.
    let payload = covered.get(at + 3..).unwrap_or_default();
    let payload = match payload {
        [0xE6, 0xE6 | 0xE7, 0, rest @ ..] => rest,
        payload => payload,
    };
    Some(Link::Hdlc { control, payload })
}

fn mbus(rest: &[u8]) -> Option<Link<'_>> {
    let [0x68, length, again, 0x68, ..] = rest else {
        return None;
    };
    let covered = rest.get(4..4 + usize::from(*length))?;
    let tail = rest.get(4 + usize::from(*length)..)?;
    let sum = covered
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let [check, 0x16, ..] = tail else { return None };
    // C, A, a control information of a DLMS segment (0 to 1F), two bytes of addresses.
    let segment = covered.get(2).is_some_and(|ci| *ci <= 0x1F);
    if length != again || sum != *check || !segment {
        return None;
    }
    Some(Link::Mbus {
        payload: covered.get(5..)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// UA of Gurux's documentation; an SNRM as printed in many manuals.
    #[test]
    fn frames_of_others() {
        let snrm = [0x7E, 0xA0, 0x07, 0x03, 0x21, 0x93, 0x0F, 0x01, 0x7E];
        let link = Link::Hdlc {
            control: 0x93,
            payload: &[],
        };
        assert_eq!(find(&[&[1, 0x7E], &snrm[..]].concat()), Some(link));
        let mut damaged = snrm;
        damaged[4] ^= 2;
        assert_eq!(find(&damaged), None);
        let mbus = [
            0x68, 7, 7, 0x68, 0x53, 0xFF, 0x10, 1, 0x67, 0xDB, 8, 0xAD, 0x16,
        ];
        assert_eq!(
            find(&mbus),
            Some(Link::Mbus {
                payload: &[0xDB, 8]
            })
        );
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x7E), Just(0x68), Just(0xA0)], 0..200)) {
            if let Some(link) = find(&bytes) {
                prop_assert!(link.payload().len() < bytes.len());
            }
        }
    }
}
