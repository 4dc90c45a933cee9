//! Octets as hex digits and back.

pub(crate) use meter_link::key::{hex as encode, octets as decode};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(encode(&[0x00, 0x1F, 0xA5]), "001fa5");
        assert_eq!(decode("001fA5"), Some(vec![0x00, 0x1F, 0xA5]));
        for wrong in ["0", "0g", "00 1f", "é0"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }
}
