//! A firmware file that may be given out (Zigbee Cluster Library, 11.4: OTA file format).
//!
//! What can be checked is checked before a device sees any of it: the header, that the image is
//! whole and falls into its elements, and the checksum of Silicon Labs' own format within it. Its
//! signature is the maker's, and only the device can check that.

use super::super::ota::{OtaError, OtaHeader};
use crate::layout::{Reader, Truncated};

/// Octets of an image at most.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;
/// The first version of the format, and the only one.
const HEADER_VERSION: u64 = 0x0100;
/// An upgrade image for the device itself (11.4.3).
const UPGRADE_IMAGE: u64 = 0x0000;
/// Tags of Silicon Labs' Gecko bootloader files: what they begin and end with.
const GBL_BEGIN: u64 = 0x03A6_17EB;
const GBL_END: u64 = 0xFC04_04FC;

/// Why a file is not offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// It is no firmware file.
    #[error(transparent)]
    Header(#[from] OtaError),
    /// Its header is of a version that nobody knows.
    #[error("its header has version {0:04x}; 0100 is the only one known")]
    Version(u64),
    /// It ends before its image does.
    #[error("the file says that its image has {said} octets, and has {has}: fetch it again")]
    Incomplete {
        /// So many it says.
        said: u64,
        /// So many it has.
        has: usize,
    },
    /// Its parts do not fill it.
    #[error("the elements of the image {0}: the file is damaged, fetch it again")]
    Elements(#[from] Truncated),
    /// A checksum within it is wrong.
    #[error("the checksum within the image is wrong: the file is damaged, fetch it again")]
    Checksum,
    /// There is nothing to install in it.
    #[error("there is no upgrade image in it")]
    Nothing,
    /// It is too large.
    #[error("an image has {LARGEST} octets at most")]
    TooLarge,
}

/// For which devices an image is: who made them, and which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageKind {
    /// The maker's code.
    pub manufacturer: u16,
    /// The maker's own number for the kind.
    pub image_type: u16,
}

/// A checked image.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// For which devices.
    pub kind: ImageKind,
    /// Its version; a larger one is newer.
    pub version: u32,
    /// The maker's text in it.
    pub text: String,
    hardware: Option<(u64, u64)>,
    destination: Option<u64>,
    octets: Vec<u8>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, version) = (&self.kind, &self.version);
        write!(
            f,
            "Image({kind:?}, {version:08x}, {} octets)",
            self.octets.len()
        )
    }
}

impl Image {
    /// Reads and checks a file; what a vendor has put around the image is passed over.
    ///
    /// # Errors
    /// [`UpgradeError`].
    pub fn read(file: &[u8]) -> Result<Self, UpgradeError> {
        let header = OtaHeader::find(file)?;
        let number = |name| header.fields.number(name);
        let version = number("header_version").unwrap_or(0);
        if version != HEADER_VERSION {
            return Err(UpgradeError::Version(version));
        }
        let said = header.image_size();
        let rest = file.get(header.offset..).unwrap_or_default();
        let size = usize::try_from(said).unwrap_or(usize::MAX);
        let octets = rest.get(..size).ok_or(UpgradeError::Incomplete {
            said,
            has: rest.len(),
        })?;
        if octets.len() > LARGEST {
            return Err(UpgradeError::TooLarge);
        }
        let begin = usize::try_from(number("header_length").unwrap_or(0)).unwrap_or(usize::MAX);
        check_elements(octets.get(begin..).unwrap_or_default())?;
        let short = |name| u16::try_from(number(name).unwrap_or(0)).unwrap_or(0);
        Ok(Self {
            kind: ImageKind {
                manufacturer: short("manufacturer"),
                image_type: short("image_type"),
            },
            version: u32::try_from(number("file_version").unwrap_or(0)).unwrap_or(0),
            text: header.header_string(),
            hardware: number("minimum_hardware_version").zip(number("maximum_hardware_version")),
            destination: number("upgrade_file_destination"),
            octets: octets.to_vec(),
        })
    }

    /// How many octets a device fetches.
    #[must_use]
    pub fn size(&self) -> u32 {
        u32::try_from(self.octets.len()).unwrap_or(u32::MAX)
    }

    /// Whether it is for this device with this hardware; a device that does not say which it has
    /// gets what has no bounds.
    pub(super) fn suits(&self, ieee: u64, hardware: Option<u16>) -> bool {
        let is_meant = self.destination.is_none_or(|one| one == ieee);
        let fits = self.hardware.is_none_or(|(lowest, highest)| {
            hardware.is_some_and(|version| (lowest..=highest).contains(&version.into()))
        });
        is_meant && fits
    }

    /// So many octets from a place on, fewer at the end.
    pub(super) fn block(&self, offset: u32, most: usize) -> &[u8] {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.octets.get(from..).unwrap_or_default();
        rest.get(..most.min(rest.len())).unwrap_or_default()
    }
}

/// The elements fill the image to its last octet, and one of them is what is installed.
fn check_elements(octets: &[u8]) -> Result<(), UpgradeError> {
    let mut reader = Reader::new(octets);
    let mut is_found = false;
    while !reader.is_at_end() {
        let tag = reader.unsigned(2, "an element's tag")?;
        let length = reader.unsigned(4, "an element's length")?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let element = reader.octets(length, "an element")?;
        if tag == UPGRADE_IMAGE {
            is_found = true;
            check_gecko(element)?;
        }
    }
    is_found.then_some(()).ok_or(UpgradeError::Nothing)
}

/// A file of the Gecko bootloader ends with a CRC-32 over all that stands before it; what has
/// another format is the maker's business.
fn check_gecko(element: &[u8]) -> Result<(), UpgradeError> {
    let mut reader = Reader::new(element);
    let mut tag = reader.unsigned(4, "a tag").ok();
    if tag != Some(GBL_BEGIN) {
        return Ok(());
    }
    loop {
        let length = reader.unsigned(4, "a length").ok();
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(UpgradeError::Checksum)?;
        if tag == Some(GBL_END) {
            let before = element.len() - reader.rest().len();
            let covered = element.get(..before).unwrap_or_default();
            let told = reader.unsigned(4, "a checksum").ok();
            let is_right = told == Some(u64::from(crc32(covered)));
            return is_right.then_some(()).ok_or(UpgradeError::Checksum);
        }
        let skipped = reader.octets(length, "a part").is_ok();
        tag = reader.unsigned(4, "a tag").ok();
        if !skipped || tag.is_none() {
            return Err(UpgradeError::Checksum);
        }
    }
}

/// CRC-32 of IEEE 802.3.
fn crc32(octets: &[u8]) -> u32 {
    let step = |crc: u32, _| {
        let carry = if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
        crc >> 1 ^ carry
    };
    !octets.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(element: &[u8]) -> Vec<u8> {
        let size = u32::try_from(56 + 6 + element.len()).unwrap();
        let mut file = vec![0x1E, 0xF1, 0xEE, 0x0B, 0x00, 0x01, 56, 0, 0, 0];
        file.extend([0x34, 0x12, 0x01, 0x00, 2, 0, 0, 0, 2, 0]);
        file.extend([b'w'; 32]);
        file.extend(size.to_le_bytes());
        file.extend([0, 0]);
        file.extend(u32::try_from(element.len()).unwrap().to_le_bytes());
        file.extend(element);
        file
    }

    #[test]
    fn a_checksum_is_that_of_zlib() {
        // python3 -c "import zlib; print(hex(zlib.crc32(b'123456789')))"
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_damaged_image_is_refused_before_anybody_sees_it() {
        let mut gecko = vec![0xEB, 0x17, 0xA6, 0x03, 4, 0, 0, 0, 9, 9, 9, 9];
        gecko.extend([0xFC, 0x04, 0x04, 0xFC, 4, 0, 0, 0]);
        gecko.extend(crc32(&gecko).to_le_bytes());
        let whole = file(&gecko);
        let image = Image::read(&whole).expect("it is whole");
        assert_eq!((image.version, image.size()), (2, 86));
        assert!(image.suits(1, None));
        for bit in 0..gecko.len() * 8 {
            let mut damaged = whole.clone();
            damaged[62 + bit / 8] ^= 1 << (bit % 8);
            // A bit of the first tag makes it somebody's own format.
            assert!(bit < 32 || Image::read(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(Image::read(&whole[..length]).is_err(), "{length}");
        }
        let mut longer = file(b"somebody's own");
        longer[58] += 1;
        let refused = Image::read(&longer);
        assert!(matches!(refused, Err(UpgradeError::Elements(_))));
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(rest in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120)) {
            let mut any = vec![0x1E, 0xF1, 0xEE, 0x0B, 0x00, 0x01];
            any.extend(&rest);
            let _ = Image::read(&any);
            let _ = check_gecko(&[&[0xEB, 0x17, 0xA6, 0x03][..], &rest].concat());
        }
    }
}
