//! What the two sides of a link agree on (IEC 62056-46, clause 6.4.4.4.3.2): the information field
//! of SNRM and UA.

/// Sizes and windows of a link, seen from its owner.
///
/// A peer that tells nothing means the defaults: 128 bytes and a window of 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Longest information field sent, in bytes.
    pub max_info_transmit: u16,
    /// Longest information field received, in bytes.
    pub max_info_receive: u16,
    /// Frames sent without waiting, 1 to 7.
    pub window_transmit: u8,
    /// Frames received without answering, 1 to 7.
    pub window_receive: u8,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            max_info_transmit: 128,
            max_info_receive: 128,
            window_transmit: 1,
            window_receive: 1,
        }
    }
}

const FORMAT: u8 = 0x81;
const GROUP: u8 = 0x80;

impl Parameters {
    /// Longest information field that fits a frame with addresses of any size.
    pub const MAX_INFO: u16 = 2_030;

    /// The information field of SNRM or UA, with every value spelled out.
    #[must_use]
    pub fn to_information(self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, GROUP, 0];
        for (identifier, size) in [(5, self.max_info_transmit), (6, self.max_info_receive)] {
            bytes.extend([identifier, 2]);
            bytes.extend(size.to_be_bytes());
        }
        for (identifier, window) in [(7, self.window_transmit), (8, self.window_receive)] {
            bytes.extend([identifier, 4]);
            bytes.extend(u32::from(window).to_be_bytes());
        }
        let length = u8::try_from(bytes.len() - 3).unwrap_or_default();
        if let Some(place) = bytes.get_mut(2) {
            *place = length;
        }
        bytes
    }

    /// Reads the information field of SNRM or UA; `None` when it is damaged. An empty one gives
    /// the defaults, as does what it leaves out or what is out of range.
    #[must_use]
    pub fn from_information(information: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut rest = match information {
            [] => return Some(found),
            [FORMAT, GROUP, length, rest @ ..] => rest.get(..usize::from(*length))?,
            _ => return None,
        };
        while let [identifier, length, more @ ..] = rest {
            let (value, more) = more.split_at_checked(usize::from(*length))?;
            rest = more;
            let number = value
                .iter()
                .try_fold(0u32, |number, &byte| {
                    Some(number.checked_mul(256)? + u32::from(byte))
                })
                .unwrap_or(u32::MAX);
            let size = u16::try_from(number).unwrap_or(u16::MAX);
            let window = u8::try_from(number.min(7)).unwrap_or(7);
            match (identifier, number) {
                (_, 0) => {}
                (5, _) => found.max_info_transmit = size.min(Self::MAX_INFO),
                (6, _) => found.max_info_receive = size.min(Self::MAX_INFO),
                (7, _) => found.window_transmit = window,
                (8, _) => found.window_receive = window,
                _ => {}
            }
        }
        rest.is_empty().then_some(found)
    }

    /// What holds after a peer has answered with its own: nobody sends more than the other takes.
    #[must_use]
    pub fn agreed(self, peer: Self) -> Self {
        Self {
            max_info_transmit: self.max_info_transmit.min(peer.max_info_receive),
            max_info_receive: self.max_info_receive.min(peer.max_info_transmit),
            window_transmit: self.window_transmit.min(peer.window_receive).clamp(1, 7),
            window_receive: self.window_receive.min(peer.window_transmit).clamp(1, 7),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of clause 6.4.4.4.3.2 and what gurux-dlms 1.0.203 sends (one byte for 200).
    #[test]
    fn read_and_made() {
        let defaults = [
            0x81, 0x80, 0x14, 0x05, 0x02, 0x00, 0x80, 0x06, 0x02, 0x00, 0x80, 0x07, 0x04, 0, 0, 0,
            1, 0x08, 0x04, 0, 0, 0, 1,
        ];
        assert_eq!(Parameters::default().to_information(), defaults);
        assert_eq!(
            Parameters::from_information(&defaults),
            Some(Parameters::default())
        );
        assert_eq!(
            Parameters::from_information(&[]),
            Some(Parameters::default())
        );
        let gurux = [
            0x81, 0x80, 0x0D, 0x05, 0x01, 0xC8, 0x06, 0x02, 0x02, 0x00, 0x08, 0x04, 0, 0, 0, 3,
        ];
        let found = Parameters::from_information(&gurux).unwrap();
        let want = Parameters {
            max_info_transmit: 200,
            max_info_receive: 512,
            window_transmit: 1,
            window_receive: 3,
        };
        assert_eq!(found, want);
        for length in 1..gurux.len() {
            assert!(Parameters::from_information(&gurux[..length]).is_none());
        }
        let agreed = Parameters::default().agreed(want);
        assert_eq!(agreed.max_info_receive, 128);
        assert_eq!(agreed.window_transmit, 1);
    }
}
