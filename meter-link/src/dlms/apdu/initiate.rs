//! The xDLMS initiate service (IEC 62056-5-3, 6.2 and 8): what both sides can do.

use std::ops::{BitAnd, BitOr};

use super::tag;
use crate::dlms::axdr::{Error, Fault, Reader, put_octets, put_optional};
use crate::key::Key;

/// The conformance block: which services are there, 24 bits, bit 0 the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conformance(pub u32);

impl Conformance {
    /// general-glo, general-ded, general-ciphering and general-signing.
    pub const GENERAL_PROTECTION: Self = Self::bit(1);
    /// General block transfer.
    pub const GENERAL_BLOCK_TRANSFER: Self = Self::bit(2);
    /// Read, by short name.
    pub const READ: Self = Self::bit(3);
    /// Write, by short name.
    pub const WRITE: Self = Self::bit(4);
    /// UnconfirmedWrite, by short name.
    pub const UNCONFIRMED_WRITE: Self = Self::bit(5);
    /// Delta types.
    pub const DELTA_VALUE_ENCODING: Self = Self::bit(6);
    /// SET of attribute 0, all attributes.
    pub const ATTRIBUTE_0_WITH_SET: Self = Self::bit(8);
    /// Priority management.
    pub const PRIORITY: Self = Self::bit(9);
    /// GET of attribute 0, all attributes.
    pub const ATTRIBUTE_0_WITH_GET: Self = Self::bit(10);
    /// Block transfer with GET or Read.
    pub const BLOCK_TRANSFER_WITH_GET: Self = Self::bit(11);
    /// Block transfer with SET or Write.
    pub const BLOCK_TRANSFER_WITH_SET: Self = Self::bit(12);
    /// Block transfer with ACTION.
    pub const BLOCK_TRANSFER_WITH_ACTION: Self = Self::bit(13);
    /// Lists of references in one request.
    pub const MULTIPLE_REFERENCES: Self = Self::bit(14);
    /// InformationReport.
    pub const INFORMATION_REPORT: Self = Self::bit(15);
    /// DataNotification.
    pub const DATA_NOTIFICATION: Self = Self::bit(16);
    /// ACCESS.
    pub const ACCESS: Self = Self::bit(17);
    /// Parameterized access, by short name.
    pub const PARAMETERIZED_ACCESS: Self = Self::bit(18);
    /// GET.
    pub const GET: Self = Self::bit(19);
    /// SET.
    pub const SET: Self = Self::bit(20);
    /// Selective access.
    pub const SELECTIVE_ACCESS: Self = Self::bit(21);
    /// EventNotification.
    pub const EVENT_NOTIFICATION: Self = Self::bit(22);
    /// ACTION.
    pub const ACTION: Self = Self::bit(23);

    const fn bit(number: u32) -> Self {
        Self(1 << (23 - number))
    }

    /// True when all services of `other` are there.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let fault = start.error(Fault::Form(
            "the conformance block is 5F 1F 04 00 and 24 bits",
        ));
        // [APPLICATION 31] in the long form of BER; some meters send the short one.
        if reader.u8()? != 0x5F {
            return Err(fault);
        }
        if reader.peek() == Some(0x1F) {
            reader.u8()?;
        }
        match reader.array::<5>()? {
            [4, 0, high, middle, low] => Ok(Self(u32::from_be_bytes([0, high, middle, low]))),
            _ => Err(fault),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let [_, high, middle, low] = self.0.to_be_bytes();
        out.extend_from_slice(&[0x5F, 0x1F, 4, 0, high, middle, low]);
    }
}

impl BitOr for Conformance {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Conformance {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// What the client proposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiateRequest {
    /// The key for dedicated ciphering, if it wants one. Never printed.
    pub dedicated_key: Option<Key>,
    /// An answer is wanted.
    pub response_allowed: bool,
    /// Not used in COSEM.
    pub quality_of_service: Option<u8>,
    /// 6.
    pub version: u8,
    /// Services the client can use.
    pub conformance: Conformance,
    /// The longest message the client takes, in bytes.
    pub max_pdu_size: u16,
}

/// What the server settled on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitiateResponse {
    /// Not used in COSEM.
    pub quality_of_service: Option<u8>,
    /// 6.
    pub version: u8,
    /// Services both can use.
    pub conformance: Conformance,
    /// The longest message the server takes, in bytes.
    pub max_pdu_size: u16,
    /// 7 with logical names; with short ones the base name of the association, FA00.
    pub vaa_name: u16,
}

impl InitiateRequest {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let dedicated_key = reader.optional(|reader| {
            let start = reader.clone();
            let fault = Fault::Form("a dedicated key has 16 or 32 octets");
            Key::from_octets(reader.octets()?).ok_or(start.error(fault))
        })?;
        // BOOLEAN DEFAULT TRUE.
        let response_allowed = reader.optional(Reader::flag)?.unwrap_or(true);
        Ok(Self {
            dedicated_key,
            response_allowed,
            quality_of_service: reader.optional(Reader::u8)?,
            version: reader.u8()?,
            conformance: Conformance::read(reader)?,
            max_pdu_size: reader.u16()?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::INITIATE_REQUEST);
        put_optional(out, self.dedicated_key.as_ref(), |out, key| {
            put_octets(out, key.octets());
        });
        match self.response_allowed {
            true => out.push(0),
            false => out.extend_from_slice(&[1, 0]),
        }
        put_optional(out, self.quality_of_service.as_ref(), |out, quality| {
            out.push(*quality);
        });
        out.push(self.version);
        self.conformance.write(out);
        out.extend_from_slice(&self.max_pdu_size.to_be_bytes());
    }
}

impl InitiateResponse {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            quality_of_service: reader.optional(Reader::u8)?,
            version: reader.u8()?,
            conformance: Conformance::read(reader)?,
            max_pdu_size: reader.u16()?,
            vaa_name: reader.u16()?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::INITIATE_RESPONSE);
        put_optional(out, self.quality_of_service.as_ref(), |out, quality| {
            out.push(*quality);
        });
        out.push(self.version);
        self.conformance.write(out);
        out.extend_from_slice(&self.max_pdu_size.to_be_bytes());
        out.extend_from_slice(&self.vaa_name.to_be_bytes());
    }
}
