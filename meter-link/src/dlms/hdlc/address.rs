//! Address fields (IEC 62056-46, clause 6.4.2.2): seven bits in each byte, the lowest bit of the
//! last byte is 1.

use std::fmt;

/// An address of one, two or four bytes.
///
/// A client has one byte. A server has one (its logical device), two (logical device and physical
/// device, seven bits each) or four (fourteen bits each).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    bytes: [u8; 4],
    length: u8,
}

impl Address {
    /// The address of a client, 1 to 127. 16 is the public client.
    #[must_use]
    pub const fn client(id: u8) -> Self {
        Self {
            bytes: [id << 1 | 1, 0, 0, 0],
            length: 1,
        }
    }

    /// The address of a server: its logical device, and its physical device where there is one.
    ///
    /// `size` says in how many bytes, 1, 2 or 4; `None` takes the shortest that holds both.
    /// `None` is returned for an address that does not fit.
    #[must_use]
    pub fn server(logical: u16, physical: Option<u16>, size: Option<u8>) -> Option<Self> {
        let fits = |limit: u16| logical < limit && physical.is_none_or(|device| device < limit);
        let size = match size {
            Some(size) => size,
            None if physical.is_none() && fits(0x80) => 1,
            None if fits(0x80) => 2,
            None => 4,
        };
        let [upper_high, upper_low] = seven_bits(logical);
        let [lower_high, lower_low] = seven_bits(physical.unwrap_or_default());
        let (bytes, length) = match size {
            1 if physical.is_none() && fits(0x80) => ([upper_low | 1, 0, 0, 0], 1),
            2 if fits(0x80) => ([upper_low, lower_low | 1, 0, 0], 2),
            4 if fits(0x4000) => ([upper_high, upper_low, lower_high, lower_low | 1], 4),
            _ => return None,
        };
        Some(Self { bytes, length })
    }

    /// The address in these bytes as sent; `None` unless there are one, two or four of them and
    /// only the last ends the address.
    #[must_use]
    pub fn from_bytes(sent: &[u8]) -> Option<Self> {
        let (last, before) = sent.split_last()?;
        let ends = last & 1 == 1 && before.iter().all(|byte| byte & 1 == 0);
        let length = u8::try_from(sent.len()).ok()?;
        if !ends || !matches!(length, 1 | 2 | 4) {
            return None;
        }
        let mut bytes = [0; 4];
        bytes.get_mut(..sent.len())?.copy_from_slice(sent);
        Some(Self { bytes, length })
    }

    /// The bytes as sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    /// The logical device of a server, or the client's number.
    #[must_use]
    pub const fn logical(&self) -> u16 {
        let [first, second, ..] = self.bytes;
        match self.length {
            4 => fourteen_bits(first, second),
            _ => (first >> 1) as u16,
        }
    }

    /// The physical device, where the address has one.
    #[must_use]
    pub const fn physical(&self) -> Option<u16> {
        let [_, second, third, fourth] = self.bytes;
        match self.length {
            1 => None,
            2 => Some((second >> 1) as u16),
            _ => Some(fourteen_bits(third, fourth)),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.physical() {
            Some(physical) => write!(f, "Address({}/{physical})", self.logical()),
            None => write!(f, "Address({})", self.logical()),
        }
    }
}

/// Two groups of seven bits, each moved up by one.
const fn seven_bits(number: u16) -> [u8; 2] {
    let [high, _] = (number << 2).to_be_bytes();
    let [_, low] = (number << 1).to_be_bytes();
    [high & 0xFE, low]
}

const fn fourteen_bits(high: u8, low: u8) -> u16 {
    (high >> 1) as u16 * 128 + (low >> 1) as u16
}

/// Length of the address at the front of `bytes`; `None` when it does not end within four.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().take(4).position(|byte| byte & 1 == 1)?;
    Some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IEC 62056-46, 6.4.2.2 and the addresses that gurux-dlms makes of the same numbers
    /// (`GXDLMSClient.getServerAddress` and its settings).
    #[test]
    fn one_two_and_four_bytes() {
        for (logical, physical, size, bytes) in [
            (1, None, None, [0x03].as_slice()),
            (127, None, None, &[0xFF]),
            (1, Some(17), None, &[0x02, 0x23]),
            (1, None, Some(2), &[0x02, 0x01]),
            (1, Some(17), Some(4), &[0x00, 0x02, 0x00, 0x23]),
            (0x3FFF, Some(0x3FFF), None, &[0xFE, 0xFE, 0xFE, 0xFF]),
            (1, Some(0x1234 & 0x3FFF), None, &[0x00, 0x02, 0x48, 0x69]),
        ] {
            let address = Address::server(logical, physical, size).unwrap();
            assert_eq!(address.as_bytes(), bytes);
            assert_eq!(Address::from_bytes(bytes), Some(address));
            assert_eq!(address.logical(), logical);
            assert_eq!(address.physical().unwrap_or(0), physical.unwrap_or(0));
        }
        assert_eq!(Address::client(16).as_bytes(), [0x21]);
        assert_eq!(Address::client(1).logical(), 1);
    }

    #[test]
    fn what_is_no_address() {
        assert!(Address::server(128, None, Some(1)).is_none());
        assert!(Address::server(1, Some(1), Some(1)).is_none());
        assert!(Address::server(0x4000, None, None).is_none());
        assert!(Address::server(1, None, Some(3)).is_none());
        for bytes in [
            [].as_slice(),
            &[0x02],
            &[0x03, 0x03],
            &[2, 2, 3],
            &[2, 2, 2, 2, 3],
        ] {
            assert!(Address::from_bytes(bytes).is_none(), "{bytes:?}");
        }
    }
}
