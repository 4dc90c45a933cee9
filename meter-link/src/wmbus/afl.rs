//! The authentication and fragmentation sublayer (EN 13757-7, clause 6).

/// Bits of the fragmentation control field.
mod bit {
    pub(super) const MORE_FRAGMENTS: u16 = 0x4000;
    pub(super) const CONTROL: u16 = 0x2000;
    pub(super) const LENGTH: u16 = 0x1000;
    pub(super) const COUNTER: u16 = 0x0800;
    pub(super) const MAC: u16 = 0x0400;
    pub(super) const KEY: u16 = 0x0200;
}

/// CI field of the sublayer.
pub(super) const CI: u8 = 0x90;

/// The header of one fragment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    /// Number of the fragment, 0 when the message has only one.
    pub number: u8,
    /// More fragments follow.
    pub more: bool,
    /// Message control field.
    pub control: Option<u8>,
    /// Key information.
    pub key: Option<[u8; 2]>,
    /// Message counter.
    pub counter: Option<u32>,
    /// The MAC.
    pub mac: &'a [u8],
    /// Length of the whole message.
    pub message_length: Option<u16>,
    /// Bytes from the CI field to the message.
    pub length: usize,
}

/// Why a sublayer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CutSublayer;

impl<'a> Fragment<'a> {
    /// Reads the sublayer from its CI field on; the message control field of an earlier fragment
    /// tells the length of a MAC when this one has none.
    ///
    /// # Errors
    /// [`CutSublayer`] when fewer bytes are there, or when its length is not that of its fields.
    pub(super) fn read(bytes: &'a [u8], earlier_control: Option<u8>) -> Result<Self, CutSublayer> {
        Self::fields(bytes, earlier_control).ok_or(CutSublayer)
    }

    fn fields(bytes: &'a [u8], earlier_control: Option<u8>) -> Option<Self> {
        let length = usize::from(*bytes.get(1)?);
        let header = bytes.get(2..2 + length)?;
        let (fcl, mut rest) = header.split_first_chunk::<2>()?;
        let fcl = u16::from_le_bytes(*fcl);
        let has = |bit: u16| fcl & bit != 0;
        let mut fragment = Self {
            number: fcl.to_le_bytes()[0],
            more: has(bit::MORE_FRAGMENTS),
            length: 2 + length,
            ..Self::default()
        };
        if has(bit::CONTROL) {
            let (&[control], after) = rest.split_first_chunk::<1>()?;
            fragment.control = Some(control);
            rest = after;
        }
        if has(bit::KEY) {
            let (key, after) = rest.split_first_chunk::<2>()?;
            fragment.key = Some(*key);
            rest = after;
        }
        if has(bit::COUNTER) {
            let (counter, after) = rest.split_first_chunk::<4>()?;
            fragment.counter = Some(u32::from_le_bytes(*counter));
            rest = after;
        }
        if has(bit::MAC) {
            let length = mac_length(fragment.control.or(earlier_control)?)?;
            (fragment.mac, rest) = rest.split_at_checked(length)?;
        }
        if has(bit::LENGTH) {
            let (length, after) = rest.split_first_chunk::<2>()?;
            fragment.message_length = Some(u16::from_le_bytes(*length));
            rest = after;
        }
        rest.is_empty().then_some(fragment)
    }
}

/// Bytes of a MAC by the authentication type in the low bits of the message control field
/// (table 6).
#[must_use]
pub(super) const fn mac_length(control: u8) -> Option<usize> {
    match control & 0x0F {
        3 => Some(2),
        4 => Some(4),
        5 => Some(8),
        6 => Some(12),
        7 => Some(16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::octets;

    #[test]
    fn fields_in_their_order() {
        // Counter and MAC of 8 bytes behind the control field, as radio modules of a heat meter
        // send them, and the same with a message length.
        let bytes = octets("900F002C25BC9E0000BF48954821BC508D72").unwrap();
        let fragment = Fragment::read(&bytes, None).unwrap();
        assert_eq!(fragment.counter, Some(0x9EBC));
        assert_eq!(fragment.mac, octets("BF48954821BC508D").unwrap());
        assert_eq!((fragment.more, fragment.length), (false, 17));
        let bytes = octets("9011003C65BA8A1000820CA40F9D0DCC706E0072").unwrap();
        let fragment = Fragment::read(&bytes, None).unwrap();
        assert_eq!(fragment.message_length, Some(0x6E));
        for length in 0..19 {
            assert!(Fragment::read(&bytes[..length], None).is_err());
        }
    }
}
