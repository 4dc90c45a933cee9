//! Wired responses: what stands behind C, A and CI (EN 13757-3, clauses 6 to 9).

use super::address::{DeviceAddress, DeviceType, Identification};
use super::fixed::FixedData;
use super::record::{ManufacturerData, Record, RecordError, Records};

/// A slave's response whose link layer was right.
#[derive(Clone, Debug, PartialEq)]
pub struct Response<'a> {
    /// The meter's address; version and maker are unknown with fixed data.
    pub meter: Option<DeviceAddress>,
    /// The identification number alone, with fixed data.
    pub identification: Option<Identification>,
    /// What is measured, in plain words.
    pub medium: &'static str,
    /// Access number, if there is a header.
    pub access_number: Option<u8>,
    /// Status, if there is a header.
    pub status: Option<u8>,
    /// Signature or configuration field, as sent.
    pub signature: Option<[u8; 2]>,
    /// The records.
    pub records: Vec<Record<'a>>,
    /// What follows DIF 0F or 1F.
    pub manufacturer_data: Option<ManufacturerData<'a>>,
    /// The bytes of the records.
    pub payload: &'a [u8],
}

/// Why a response has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The meter reports an error (clause 8.2, table 22).
    #[error("the meter reports: {}", application_error(*code))]
    Application {
        /// The code; `None` when none was sent.
        code: Option<u8>,
    },
    /// The header is cut.
    #[error("the frame ends inside of its header")]
    Header,
    /// The records are damaged.
    #[error("{0}")]
    Records(#[from] RecordError),
    /// Its payload is encrypted.
    #[error("encrypted (security mode {mode}), which is not read on a wire")]
    Encrypted {
        /// Security mode.
        mode: u8,
    },
    /// A CI field that is not read.
    #[error("unsupported CI field {0:02X}")]
    UnsupportedCi(u8),
}

impl ResponseError {
    /// The name for programs.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Application { .. } => "meter_error",
            Self::Header | Self::Records(_) => "malformed",
            Self::Encrypted { .. } => "no_key",
            Self::UnsupportedCi(_) => "unsupported",
        }
    }
}

impl<'a> Response<'a> {
    /// Reads the bytes behind a CI field.
    ///
    /// # Errors
    /// [`ResponseError`].
    pub fn read(ci: u8, bytes: &'a [u8]) -> Result<Self, ResponseError> {
        match ci {
            0x70 => Err(ResponseError::Application {
                code: bytes.first().copied(),
            }),
            0x72 => Self::variable(bytes, false),
            0x76 => Self::variable(bytes, true),
            0x73 => Self::fixed(bytes, false),
            0x77 => Self::fixed(bytes, true),
            0x78 => Ok(Self::headless(bytes)?),
            other => Err(ResponseError::UnsupportedCi(other)),
        }
    }

    fn headless(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let (records, manufacturer_data) = Self::records(bytes, false)?;
        Ok(Self {
            meter: None,
            identification: None,
            medium: DeviceType(0x0F).medium(),
            access_number: None,
            status: None,
            signature: None,
            records,
            manufacturer_data,
            payload: bytes,
        })
    }

    fn variable(bytes: &'a [u8], msb_first: bool) -> Result<Self, ResponseError> {
        let header = bytes.split_first_chunk::<12>();
        let (header, payload) = header.ok_or(ResponseError::Header)?;
        let [
            i0,
            i1,
            i2,
            i3,
            m0,
            m1,
            version,
            device,
            access_number,
            status,
            s0,
            s1,
        ] = *header;
        let address = if msb_first {
            [i3, i2, i1, i0, m1, m0, version, device]
        } else {
            [i0, i1, i2, i3, m0, m1, version, device]
        };
        let meter = DeviceAddress::from_long_header(address);
        let mode = s1 & 0x1F;
        let parsed = Self::records(payload, msb_first);
        if mode != 0 && parsed.is_err() {
            return Err(ResponseError::Encrypted { mode });
        }
        let (records, manufacturer_data) = parsed?;
        Ok(Self {
            meter: Some(meter),
            identification: Some(meter.identification),
            medium: meter.device_type.medium(),
            access_number: Some(access_number),
            status: Some(status),
            signature: Some([s0, s1]),
            records,
            manufacturer_data,
            payload,
        })
    }

    fn fixed(bytes: &'a [u8], msb_first: bool) -> Result<Self, ResponseError> {
        let fixed = FixedData::read(bytes, msb_first).ok_or(ResponseError::Header)?;
        Ok(Self {
            meter: None,
            identification: Some(Identification(fixed.identification)),
            medium: fixed.medium,
            access_number: Some(fixed.access_number),
            status: Some(fixed.status),
            signature: None,
            records: fixed.records.into(),
            manufacturer_data: None,
            payload: &[],
        })
    }

    fn records(
        payload: &'a [u8],
        msb_first: bool,
    ) -> Result<(Vec<Record<'a>>, Option<ManufacturerData<'a>>), RecordError> {
        let mut records = if msb_first {
            Records::msb_first(payload)
        } else {
            Records::new(payload)
        };
        let read = records.by_ref().collect::<Result<Vec<_>, _>>()?;
        Ok((read, records.manufacturer_data()))
    }
}

const fn application_error(code: Option<u8>) -> &'static str {
    match code {
        None | Some(0) => "an error without further details",
        Some(1) => "it does not know the requested CI field",
        Some(2) => "its buffer is too short, the request was cut",
        Some(3) => "the request has too many records",
        Some(4) => "a record of the request ends too early",
        Some(5) => "a record of the request has too many DIFE",
        Some(6) => "a record of the request has too many VIFE",
        Some(7) => "an error of the application",
        Some(8) => "it is busy, ask again later",
        Some(9) => "too many readouts, it protects its battery",
        Some(_) => "an error that the standard does not name",
    }
}
