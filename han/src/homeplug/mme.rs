//! The header of a management message entry.

use super::mmtype::MmType;
use crate::layout::{Reader, Truncated};

/// The Ethernet type of HomePlug AV.
pub const ETHERTYPE: u16 = 0x88E1;

/// The organisation whose vendor messages are known: Qualcomm Atheros.
pub const OUI_QUALCOMM: [u8; 3] = [0x00, 0xB0, 0x52];

/// The tag of a virtual network, IEEE 802.1Q, and of a provider's, 802.1ad.
const VLAN_TAGS: [u16; 2] = [0x8100, 0x88A8];

/// Ethernet frames are filled up to this length, without their check sequence.
const MINIMUM_FRAME: usize = 60;

/// A management message entry within its Ethernet frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mme<'a> {
    /// To whom.
    pub destination: [u8; 6],
    /// From whom.
    pub source: [u8; 6],
    /// The version of management messages: 0 (HomePlug AV 1.0) or 1 (1.1 and Green PHY).
    pub mmv: u8,
    /// What it is.
    pub mmtype: MmType,
    /// Which part of a message it is; only from version 1 on.
    pub fragment: Option<Fragment>,
    /// Whose vendor message it is (A000 to BFFF); of a fragmented one only in its first part.
    pub oui: Option<[u8; 3]>,
    /// What follows the header, with the octets that fill up the frame.
    pub payload: &'a [u8],
}

/// Fragmentation management information (FMI).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Which fragment this is, from 0.
    pub index: u8,
    /// How many follow the first.
    pub count: u8,
    /// The number that all fragments of a message have in common.
    pub sequence: u8,
}

/// Why a frame gives no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MmeError {
    /// It ends too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// It is no frame of HomePlug AV.
    #[error("Ethernet type {0:04x} is not HomePlug AV's 88e1")]
    OtherEthertype(u16),
}

impl<'a> Mme<'a> {
    /// Reads a frame from its destination address on; tags of virtual networks are skipped.
    ///
    /// # Errors
    /// When it is of another Ethernet type or ends within the header.
    pub fn parse(frame: &'a [u8]) -> Result<Self, MmeError> {
        let mut reader = Reader::new(frame);
        let mut address = |field| {
            let octets = reader.octets(6, field)?;
            Ok::<[u8; 6], Truncated>(octets.try_into().unwrap_or_default())
        };
        let (destination, source) = (address("destination")?, address("source")?);
        let ethertype = loop {
            let octets = reader.octets(2, "Ethernet type")?;
            let kind = u16::from_be_bytes(octets.try_into().unwrap_or_default());
            if !VLAN_TAGS.contains(&kind) {
                break kind;
            }
            reader.octets(2, "VLAN tag")?;
        };
        if ethertype != ETHERTYPE {
            return Err(MmeError::OtherEthertype(ethertype));
        }
        let mmv = octet(&mut reader, "mmv")?;
        let mmtype = [octet(&mut reader, "mmtype")?, octet(&mut reader, "mmtype")?];
        let mmtype = MmType(u16::from_le_bytes(mmtype));
        let fragment = if mmv >= 1 {
            let numbers = octet(&mut reader, "fmi")?;
            Some(Fragment {
                index: numbers & 0x0F,
                count: numbers >> 4,
                sequence: octet(&mut reader, "fmi")?,
            })
        } else {
            None
        };
        // It is part of what is sent in fragments, and so stands in the first of them.
        let is_first = fragment.is_none_or(|fragment| fragment.index == 0);
        let oui = if mmtype.is_vendor() && is_first {
            let octets = reader.octets(3, "oui")?;
            Some(octets.try_into().unwrap_or_default())
        } else {
            None
        };
        Ok(Self {
            destination,
            source,
            mmv,
            mmtype,
            fragment,
            oui,
            payload: reader.take_rest(),
        })
    }

    /// The frame as it is sent, filled up to 60 octets.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(MINIMUM_FRAME.max(self.payload.len() + 22));
        frame.extend(self.destination);
        frame.extend(self.source);
        frame.extend(ETHERTYPE.to_be_bytes());
        frame.push(self.mmv);
        frame.extend(self.mmtype.0.to_le_bytes());
        if let Some(fragment) = self.fragment {
            frame.push(fragment.index & 0x0F | fragment.count << 4);
            frame.push(fragment.sequence);
        }
        frame.extend(self.oui.into_iter().flatten());
        frame.extend_from_slice(self.payload);
        if frame.len() < MINIMUM_FRAME {
            frame.resize(MINIMUM_FRAME, 0);
        }
        frame
    }
}

fn octet(reader: &mut Reader<'_>, field: &'static str) -> Result<u8, Truncated> {
    Ok(reader
        .octets(1, field)?
        .first()
        .copied()
        .unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Mme<'static> {
        Mme {
            destination: [0x00, 0xB0, 0x52, 0, 0, 1],
            source: [2, 0, 0, 0, 0, 9],
            mmv: 1,
            mmtype: MmType(0xA038),
            fragment: Some(Fragment {
                index: 0,
                count: 2,
                sequence: 7,
            }),
            oui: Some(OUI_QUALCOMM),
            payload: &[1, 2, 3],
        }
    }

    #[test]
    fn a_frame_reads_as_it_was_written() {
        let frame = sample().to_frame();
        assert_eq!(frame.len(), 60);
        assert_eq!(frame.get(14..20), Some(&[1, 0x38, 0xA0, 0x20, 7, 0][..]));
        let read = Mme::parse(&frame).expect("it is whole");
        assert_eq!(read.payload.get(..3), Some(&[1, 2, 3][..]));
        assert_eq!(
            Mme {
                payload: &[],
                ..read
            },
            Mme {
                payload: &[],
                ..sample()
            }
        );
    }

    #[test]
    fn tags_of_virtual_networks_are_skipped() {
        let mut frame = sample().to_frame();
        frame.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
        assert_eq!(Mme::parse(&frame).map(|mme| mme.mmtype), Ok(MmType(0xA038)));
        frame.splice(12..14, [0x08, 0x00]);
        assert_eq!(Mme::parse(&frame), Err(MmeError::OtherEthertype(0x0800)));
    }

    #[test]
    fn every_shortened_header_is_refused() {
        let frame = sample().to_frame();
        for length in 0..22 {
            let short = frame.get(..length).unwrap_or_default();
            assert!(
                matches!(Mme::parse(short), Err(MmeError::Truncated(_))),
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_frame_is_read_or_refused(frame in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(mme) = Mme::parse(&frame) {
                let _ = crate::homeplug::fields(&mme);
            }
        }
    }
}
