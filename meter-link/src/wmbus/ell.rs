//! The extended link layer (EN 13757-4, clause 13): access number, a second address, encryption.

use crate::crc;
use crate::mbus::DeviceAddress;

/// An extended link layer in front of the other layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExtendedLink {
    /// Communication control field.
    pub communication_control: u8,
    /// Access number.
    pub access_number: u8,
    /// Another address than the link layer's (8E, 8F).
    pub address: Option<DeviceAddress>,
    /// Session number (8D, 8F).
    pub session: Option<u32>,
    /// Bytes from the CI field to the payload's CRC, if any.
    pub length: usize,
}

/// Bytes of the payload's CRC.
pub(super) const PAYLOAD_CRC: usize = 2;

impl ExtendedLink {
    /// Reads an extended link layer from its CI field on. `None`: there is none.
    ///
    /// # Errors
    /// `Err(())` when it is cut.
    pub(super) fn read(bytes: &[u8]) -> Option<Result<Self, ()>> {
        let (&ci, rest) = bytes.split_first()?;
        let (with_address, with_session) = match ci {
            0x8C => (false, false),
            0x8D => (false, true),
            0x8E => (true, false),
            0x8F => (true, true),
            _ => return None,
        };
        Some(Self::fields(rest, with_address, with_session).ok_or(()))
    }

    fn fields(bytes: &[u8], with_address: bool, with_session: bool) -> Option<Self> {
        let (&[communication_control, access_number], mut rest) = bytes.split_first_chunk::<2>()?;
        let mut address = None;
        if with_address {
            let (octets, after) = rest.split_first_chunk::<8>()?;
            address = Some(DeviceAddress::from_link(*octets));
            rest = after;
        }
        let mut session = None;
        if with_session {
            let (octets, after) = rest.split_first_chunk::<4>()?;
            session = Some(u32::from_le_bytes(*octets));
            rest = after;
            rest.get(..PAYLOAD_CRC)?;
        }
        Some(Self {
            communication_control,
            access_number,
            address,
            session,
            length: 1 + bytes.len() - rest.len(),
        })
    }

    /// True when the session says AES-128 in counter mode (bits 29 to 31 are 1).
    #[must_use]
    pub(super) const fn is_encrypted(&self) -> bool {
        matches!(self.session, Some(session) if session >> 29 == 1)
    }

    /// The scheme of encryption, bits 29 to 31 of the session number; 0 is none.
    #[must_use]
    pub(super) const fn encryption(&self) -> u8 {
        match self.session {
            Some(session) => (session >> 29).to_le_bytes()[0],
            None => 0,
        }
    }

    /// The first counter block (clause 13.2.10.2). The hop bits of the control field may change on
    /// the way and count as zero.
    #[must_use]
    pub(super) fn initial_counter(&self, sender: DeviceAddress) -> [u8; 16] {
        let mut block = [0; 16];
        let address = self.address.unwrap_or(sender).to_link();
        let session = self.session.unwrap_or(0).to_le_bytes();
        let control = [self.communication_control & !0x12];
        let fields = address.iter().chain(&control).chain(&session);
        block
            .iter_mut()
            .zip(fields)
            .for_each(|(to, from)| *to = *from);
        block
    }
}

/// True when a payload behind its own CRC is whole; the CRC stands least significant byte first.
#[must_use]
pub(super) fn payload_is_whole(with_crc: &[u8]) -> bool {
    with_crc
        .split_first_chunk::<PAYLOAD_CRC>()
        .is_some_and(|(sent, payload)| crc::en13757(payload) == u16::from_le_bytes(*sent))
}
