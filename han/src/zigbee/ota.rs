//! Headers of firmware files (Zigbee Cluster Library, 11.4.2: OTA file format).

use crate::layout::{Field, Kind, Reader, Truncated, When};
use crate::value::{Record, Value};

/// 0BEEF11E, as it stands in the file.
const MAGIC: [u8; 4] = [0x1E, 0xF1, 0xEE, 0x0B];

/// What a file says of itself before its image.
#[derive(Clone, Debug, PartialEq)]
pub struct OtaHeader {
    /// How far into the file it begins: vendors put containers of their own around it.
    pub offset: usize,
    /// Its fields.
    pub fields: Record,
}

/// Why a file has no header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OtaError {
    /// It is no such file.
    #[error("0BEEF11E, with which the header of a firmware file begins, is nowhere in it")]
    NotOta,
    /// It ends within its header.
    #[error("the header {0}")]
    Truncated(#[from] Truncated),
}

impl OtaHeader {
    /// Finds and reads the header of a file, of which its first octets suffice.
    ///
    /// # Errors
    /// When there is none, or it is cut off.
    pub fn find(file: &[u8]) -> Result<Self, OtaError> {
        let offset = file.windows(MAGIC.len()).position(|window| window == MAGIC);
        let offset = offset.ok_or(OtaError::NotOta)?;
        let mut reader = Reader::new(file.get(offset + MAGIC.len()..).unwrap_or_default());
        let fields = reader.record(HEADER)?;
        Ok(Self { offset, fields })
    }

    /// How many octets the file says that header and image have.
    #[must_use]
    pub fn image_size(&self) -> u64 {
        self.fields.number("image_size").unwrap_or(0)
    }

    /// The vendor's text in it.
    #[must_use]
    pub fn header_string(&self) -> String {
        match self.fields.field("header_string") {
            Some(Value::Octets(octets)) => crate::layout::text(octets),
            _ => String::new(),
        }
    }
}

const HEADER: &[Field] = &[
    Field::new("header_version", Kind::Id(2)),
    Field::new("header_length", Kind::Unsigned(2)),
    Field::new("field_control", Kind::Unsigned(2)),
    Field::new("manufacturer", Kind::Id(2)),
    Field::new("image_type", Kind::Id(2)),
    Field::new("file_version", Kind::Id(4)),
    Field::new("stack_version", Kind::Unsigned(2)),
    Field::new("header_string", Kind::Octets(32)),
    Field::new("image_size", Kind::Unsigned(4)),
    Field::new("security_credential_version", Kind::Unsigned(1))
        .when(When::Bit("field_control", 1)),
    Field::new("upgrade_file_destination", Kind::Id(8)).when(When::Bit("field_control", 2)),
    Field::new("minimum_hardware_version", Kind::Unsigned(2)).when(When::Bit("field_control", 4)),
    Field::new("maximum_hardware_version", Kind::Unsigned(2)).when(When::Bit("field_control", 4)),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file() -> Vec<u8> {
        let mut file = vec![0x4E, 0x47, 0x49, 0x53, 0];
        file.extend(MAGIC);
        file.extend([
            0x00, 0x01, 56, 0, 0, 0, 0x7C, 0x11, 0x00, 0x11, 0x25, 0, 4, 2, 2, 0,
        ]);
        let mut text = *b"plug firmware\0..................";
        text[31] = 0xFF;
        file.extend(text);
        file.extend(280_318_u32.to_le_bytes());
        file
    }

    #[test]
    fn the_header_is_found_within_a_container() {
        let header = OtaHeader::find(&file()).expect("there is one");
        assert_eq!((header.offset, header.image_size()), (5, 280_318));
        assert_eq!(header.header_string(), "plug firmware");
        assert_eq!(header.fields.number("manufacturer"), Some(0x117C));
        assert_eq!(header.fields.number("file_version"), Some(0x0204_0025));
    }

    #[test]
    fn a_shortened_header_is_refused() {
        let file = file();
        for length in 0..file.len() {
            assert!(
                OtaHeader::find(file.get(..length).unwrap_or_default()).is_err(),
                "{length}"
            );
        }
        assert_eq!(OtaHeader::find(&[0; 64]), Err(OtaError::NotOta));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = OtaHeader::find(&[&MAGIC[..], &rest].concat());
        }
    }
}
