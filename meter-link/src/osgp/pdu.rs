//! Data units of table access (TS 104 001, clause 9): `00 service table … sequence digest`, and the
//! answer `00 code … digest`. All numbers are big endian.

use super::digest::{Digest, OmaKey, digest, verify};
use crate::c12::service::ResponseCode;

/// Octets of the longest data unit without its digest that the network of EN 14908 carries.
pub const MAX_PDU: usize = 114;

/// Type code of table access in EN 14908.
const TYPE: u8 = 0;
const DIGEST: usize = 8;

/// A request for a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// 30: a whole table.
    Read {
        /// Number of the table; 2048 and up are extended tables.
        table: u16,
    },
    /// 3F: part of a table.
    ReadPart {
        /// Number of the table.
        table: u16,
        /// First octet, 0 to 16,777,215.
        offset: u32,
        /// Octets.
        count: u16,
    },
    /// 40: a whole table.
    Write {
        /// Number of the table.
        table: u16,
        /// What is written.
        data: Vec<u8>,
    },
    /// 4F: part of a table.
    WritePart {
        /// Number of the table.
        table: u16,
        /// First octet.
        offset: u32,
        /// What is written.
        data: Vec<u8>,
    },
}

/// A request with its sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdu {
    /// What is asked.
    pub request: Request,
    /// Rises with every request.
    pub sequence: u32,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it went: the codes of C12.18, and 0B wrong digest, 0C wrong sequence number.
    pub code: ResponseCode,
    /// Table data of a read that went well.
    pub data: Vec<u8>,
}

/// Why octets are no data unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PduError {
    /// They end too early.
    #[error("the data unit ends before its declared end")]
    Truncated,
    /// Octets follow the end.
    #[error("octets follow the end of the data unit")]
    Trailing,
    /// Not table access.
    #[error("type code {0:02x} is not that of table access")]
    Type(u8),
    /// Not one of the four services.
    #[error("service {0:02x} is not one of table access")]
    Service(u8),
    /// The digest is wrong.
    #[error("the digest does not match: another key, or the message was altered")]
    Digest,
    /// It does not fit the network.
    #[error("the data unit is longer than 114 octets")]
    TooLong,
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PduError> {
        let (found, rest) = self.0.split_first_chunk::<N>().ok_or(PduError::Truncated)?;
        self.0 = rest;
        Ok(*found)
    }

    fn u16(&mut self) -> Result<u16, PduError> {
        self.take().map(u16::from_be_bytes)
    }

    fn offset(&mut self) -> Result<u32, PduError> {
        let [high, middle, low] = self.take()?;
        Ok(u32::from_be_bytes([0, high, middle, low]))
    }

    fn data(&mut self) -> Result<Vec<u8>, PduError> {
        let count = usize::from(self.u16()?);
        let (data, rest) = self.0.split_at_checked(count).ok_or(PduError::Truncated)?;
        self.0 = rest;
        Ok(data.to_vec())
    }

    fn digest(&mut self) -> Result<Digest, PduError> {
        let digest = self.take()?;
        if self.0.is_empty() {
            Ok(digest)
        } else {
            Err(PduError::Trailing)
        }
    }
}

impl Pdu {
    /// The octets with their digest.
    ///
    /// # Errors
    /// The data does not fit.
    pub fn to_bytes(&self, key: &OmaKey) -> Result<Vec<u8>, PduError> {
        let mut bytes = vec![TYPE];
        let (service, table, offset) = match &self.request {
            Request::Read { table } => (0x30, table, None),
            Request::ReadPart { table, offset, .. } => (0x3F, table, Some(offset)),
            Request::Write { table, .. } => (0x40, table, None),
            Request::WritePart { table, offset, .. } => (0x4F, table, Some(offset)),
        };
        bytes.push(service);
        bytes.extend(table.to_be_bytes());
        bytes.extend(
            offset
                .iter()
                .flat_map(|offset| offset.to_be_bytes().into_iter().skip(1)),
        );
        match &self.request {
            Request::Read { .. } => {}
            Request::ReadPart { count, .. } => bytes.extend(count.to_be_bytes()),
            Request::Write { data, .. } | Request::WritePart { data, .. } => {
                let count = u16::try_from(data.len()).map_err(|_| PduError::TooLong)?;
                bytes.extend(count.to_be_bytes());
                bytes.extend(data);
            }
        }
        bytes.extend(self.sequence.to_be_bytes());
        if bytes.len() > MAX_PDU {
            return Err(PduError::TooLong);
        }
        bytes.extend(digest(key, &bytes));
        Ok(bytes)
    }

    /// Reads a request whose digest is right.
    ///
    /// # Errors
    /// It is malformed, or the digest does not match.
    pub fn parse(octets: &[u8], key: &OmaKey) -> Result<Self, PduError> {
        let mut fields = Fields(octets);
        let pdu = Self::fields(&mut fields)?;
        let sent = fields.digest()?;
        let message = octets.get(..octets.len() - DIGEST).unwrap_or_default();
        if verify(key, message, &sent) {
            Ok(pdu)
        } else {
            Err(PduError::Digest)
        }
    }

    /// Reads a request and looks at no digest; says nothing about who sent it.
    ///
    /// # Errors
    /// It is malformed.
    pub fn parse_unverified(octets: &[u8]) -> Result<Self, PduError> {
        let mut fields = Fields(octets);
        let pdu = Self::fields(&mut fields)?;
        match fields.0.len() {
            0 | DIGEST => Ok(pdu),
            _ => Err(PduError::Trailing),
        }
    }

    fn fields(fields: &mut Fields<'_>) -> Result<Self, PduError> {
        let [kind, service] = fields.take()?;
        if kind != TYPE {
            return Err(PduError::Type(kind));
        }
        let table = fields.u16()?;
        let request = match service {
            0x30 => Request::Read { table },
            0x3F => Request::ReadPart {
                table,
                offset: fields.offset()?,
                count: fields.u16()?,
            },
            0x40 => Request::Write {
                table,
                data: fields.data()?,
            },
            0x4F => Request::WritePart {
                table,
                offset: fields.offset()?,
                data: fields.data()?,
            },
            other => return Err(PduError::Service(other)),
        };
        let sequence = u32::from_be_bytes(fields.take()?);
        Ok(Self { request, sequence })
    }

    const fn is_read(&self) -> bool {
        matches!(
            self.request,
            Request::Read { .. } | Request::ReadPart { .. }
        )
    }
}

impl Response {
    /// The octets with their digest, which covers the request and the answer.
    ///
    /// # Errors
    /// The data does not fit, or the request does not.
    pub fn to_bytes(&self, request: &Pdu, key: &OmaKey) -> Result<Vec<u8>, PduError> {
        let mut bytes = vec![TYPE, self.code.0];
        if request.is_read() && self.code == ResponseCode::OK {
            let count = u16::try_from(self.data.len()).map_err(|_| PduError::TooLong)?;
            bytes.extend(count.to_be_bytes());
            bytes.extend(&self.data);
        }
        if bytes.len() > MAX_PDU {
            return Err(PduError::TooLong);
        }
        let covered = covered(request, &bytes, key)?;
        bytes.extend(digest(key, &covered));
        Ok(bytes)
    }

    /// Reads the answer to `request` whose digest is right.
    ///
    /// # Errors
    /// It is malformed, or the digest does not match.
    pub fn parse(octets: &[u8], request: &Pdu, key: &OmaKey) -> Result<Self, PduError> {
        let mut fields = Fields(octets);
        let [kind, code] = fields.take()?;
        if kind != TYPE {
            return Err(PduError::Type(kind));
        }
        let code = ResponseCode(code);
        let data = if request.is_read() && code == ResponseCode::OK {
            fields.data()?
        } else {
            Vec::new()
        };
        let sent = fields.digest()?;
        let answer = octets.get(..octets.len() - DIGEST).unwrap_or_default();
        if verify(key, &covered(request, answer, key)?, &sent) {
            Ok(Self { code, data })
        } else {
            Err(PduError::Digest)
        }
    }
}

/// What the digest of an answer covers.
fn covered(request: &Pdu, answer: &[u8], key: &OmaKey) -> Result<Vec<u8>, PduError> {
    let mut covered = request.to_bytes(key)?;
    covered.truncate(covered.len().saturating_sub(DIGEST));
    covered.extend_from_slice(answer);
    Ok(covered)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> OmaKey {
        OmaKey::from_hex(&"df".repeat(12)).unwrap()
    }

    /// Request and answer inside the message published with osgp-oma-digest: a read of table 3.
    #[test]
    fn the_published_message_holds_a_read_and_its_answer() {
        let request = crate::key::octets("003000037f30ea6d").unwrap();
        let pdu = Pdu::parse_unverified(&request).unwrap();
        assert_eq!(pdu.request, Request::Read { table: 3 });
        assert_eq!(pdu.sequence, 0x7F30_EA6D);
        assert_eq!(pdu.to_bytes(&key()).unwrap()[..8], request);
        let response = Response {
            code: ResponseCode::OK,
            data: crate::key::octets("0020980031c300080000000000").unwrap(),
        };
        let octets = response.to_bytes(&pdu, &key()).unwrap();
        assert_eq!(octets[..4], [0, 0, 0, 13]);
        assert_eq!(Response::parse(&octets, &pdu, &key()), Ok(response));
    }

    #[test]
    fn requests_there_and_back() {
        for request in [
            Request::ReadPart {
                table: 64,
                offset: 0x01_0203,
                count: 84,
            },
            Request::Write {
                table: 7,
                data: vec![1, 2, 3],
            },
            Request::WritePart {
                table: 2052,
                offset: 5,
                data: vec![0; 75],
            },
        ] {
            let pdu = Pdu {
                request,
                sequence: 9,
            };
            let octets = pdu.to_bytes(&key()).unwrap();
            assert_eq!(Pdu::parse(&octets, &key()), Ok(pdu.clone()));
            for length in 0..octets.len() {
                assert!(Pdu::parse(&octets[..length], &key()).is_err());
            }
            let other = OmaKey::from_hex(&"00".repeat(12)).unwrap();
            assert_eq!(Pdu::parse(&octets, &other), Err(PduError::Digest));
            let refused = Response {
                code: ResponseCode(0x0C),
                data: Vec::new(),
            };
            let octets = refused.to_bytes(&pdu, &key()).unwrap();
            assert_eq!(Response::parse(&octets, &pdu, &key()), Ok(refused));
        }
        let long = Request::Write {
            table: 7,
            data: vec![0; 200],
        };
        let long = Pdu {
            request: long,
            sequence: 0,
        };
        assert_eq!(long.to_bytes(&key()), Err(PduError::TooLong));
    }

    proptest! {
        #[test]
        fn any_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..140)) {
            let _ = Pdu::parse(&octets, &key());
            if let Ok(pdu) = Pdu::parse_unverified(&octets) {
                let _ = Response::parse(&octets, &pdu, &key());
            }
        }
    }
}
