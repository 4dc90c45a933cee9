//! Transport layer headers: none, short and long (EN 13757-7, clause 7.2 to 7.5).

use super::address::DeviceAddress;

/// How much of a header stands behind a CI field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderForm {
    /// None.
    None,
    /// Access number, status and configuration.
    Short,
    /// The meter's address in front of these.
    Long,
}

/// What follows the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Data records.
    Records,
    /// Data without their DIF and VIF.
    Compact,
    /// DIF and VIF without their data.
    Format,
    /// A payload of the maker's own form.
    Manufacturer,
    /// Nothing that can be read here.
    Other,
}

/// The form and content of a wireless CI field (EN 13757-7, table 2).
#[must_use]
pub const fn of_ci(ci: u8) -> (HeaderForm, Content) {
    match ci {
        0x72 => (HeaderForm::Long, Content::Records),
        0x7A => (HeaderForm::Short, Content::Records),
        0x78 => (HeaderForm::None, Content::Records),
        0x73 => (HeaderForm::Long, Content::Compact),
        0x7B => (HeaderForm::Short, Content::Compact),
        0x79 => (HeaderForm::None, Content::Compact),
        0x6B => (HeaderForm::Long, Content::Format),
        0x6A => (HeaderForm::Short, Content::Format),
        0x69 => (HeaderForm::None, Content::Format),
        0x6F | 0x75 | 0x8B => (HeaderForm::Long, Content::Other),
        0x6E | 0x74 | 0x8A => (HeaderForm::Short, Content::Other),
        0xA0..=0xB7 => (HeaderForm::None, Content::Manufacturer),
        _ => (HeaderForm::None, Content::Other),
    }
}

/// The configuration field and what extends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The field itself.
    pub field: u16,
    /// Extension bytes: one in mode 7 and 13, two in modes 8 to 10.
    pub extension: [u8; 2],
    /// The message counter in the header, modes 8 to 10.
    pub counter: Option<u32>,
}

impl Configuration {
    /// The security mode, bits 8 to 12.
    #[must_use]
    pub const fn mode(self) -> u8 {
        self.field.to_be_bytes()[0] & 0x1F
    }

    /// Encrypted blocks of 16 bytes (8 with DES counts bytes instead), bits 4 to 7.
    #[must_use]
    pub const fn encrypted_blocks(self) -> usize {
        (self.field as usize) >> 4 & 0x0F
    }
}

/// A transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// CI field.
    pub ci: u8,
    /// The meter's own address, of a long header.
    pub meter: Option<DeviceAddress>,
    /// Access number, unless there is no header.
    pub access_number: Option<u8>,
    /// Status, unless there is no header.
    pub status: Option<u8>,
    /// Configuration; zero when there is no header.
    pub configuration: Configuration,
    /// Bytes of CI field and header.
    pub length: usize,
    /// Bytes of them that mode 10 authenticates: all but its counter.
    pub authenticated_length: usize,
}

impl Header {
    /// Reads CI field and header from the front of `bytes`; `None` when they are cut.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let ci = *bytes.first()?;
        let (form, _) = of_ci(ci);
        let mut header = Self {
            ci,
            meter: None,
            access_number: None,
            status: None,
            configuration: Configuration::default(),
            length: 1,
            authenticated_length: 1,
        };
        if form == HeaderForm::None {
            return Some(header);
        }
        let mut rest = bytes.get(1..)?;
        if form == HeaderForm::Long {
            let (address, after) = rest.split_first_chunk::<8>()?;
            header.meter = Some(DeviceAddress::from_long_header(*address));
            rest = after;
        }
        let (&[access_number, status, low, high], mut rest) = rest.split_first_chunk::<4>()?;
        header.access_number = Some(access_number);
        header.status = Some(status);
        let mut configuration = Configuration {
            field: u16::from_le_bytes([low, high]),
            ..Configuration::default()
        };
        match configuration.mode() {
            7 | 13 => {
                let (&[extension], after) = rest.split_first_chunk::<1>()?;
                configuration.extension = [extension, 0];
                rest = after;
            }
            8..=10 => {
                let (&extension, after) = rest.split_first_chunk::<2>()?;
                let (&counter, after_counter) = after.split_first_chunk::<4>()?;
                configuration.extension = extension;
                configuration.counter = Some(u32::from_le_bytes(counter));
                rest = after_counter;
            }
            _ => {}
        }
        header.configuration = configuration;
        header.length = bytes.len() - rest.len();
        let counted = if configuration.counter.is_some() {
            4
        } else {
            0
        };
        header.authenticated_length = header.length - counted;
        Some(header)
    }
}
