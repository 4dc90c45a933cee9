//! What a device answers.

/// The first octet of an answer (C12.18, clause 5.3.2.3; C12.22 adds 0B and up).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseCode(pub u8);

impl ResponseCode {
    /// The request was carried out.
    pub const OK: Self = Self(0);

    /// Whether this octet is the code of an answer and not of a request.
    #[must_use]
    pub const fn is_response(code: u8) -> bool {
        code < 0x20
    }

    /// The standard's abbreviation, lower case; `None` for a code that is not assigned.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x00 => "ok",
            0x01 => "err",
            0x02 => "sns",
            0x03 => "isc",
            0x04 => "onp",
            0x05 => "iar",
            0x06 => "bsy",
            0x07 => "dnr",
            0x08 => "dlk",
            0x09 => "rno",
            0x0A => "isss",
            0x0B => "sme",
            0x0C => "uat",
            0x0D => "nett",
            0x0E => "netr",
            0x0F => "rqtl",
            0x10 => "rstl",
            0x11 => "sgnp",
            0x12 => "sgerr",
            _ => return None,
        })
    }

    /// What the meter said, in words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self.0 {
            0x00 => "ok",
            0x01 => "error",
            0x02 => "service not supported",
            0x03 => "insufficient security clearance",
            0x04 => "operation not possible",
            0x05 => "inappropriate action requested",
            0x06 => "device busy",
            0x07 => "data not ready",
            0x08 => "data locked",
            0x09 => "renegotiate request",
            0x0A => "invalid service sequence state",
            0x0B => "security mechanism error",
            0x0C => "unknown application title",
            0x0D => "network time-out",
            0x0E => "network not reachable",
            0x0F => "request too large",
            0x10 => "response too large",
            0x11 => "segmentation not possible",
            0x12 => "segmentation error",
            _ => "a response code that is not assigned",
        }
    }
}

/// What a device says it is (answer to the identify service).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// 0 C12.18, 2 C12.21, 3 C12.22.
    pub standard: u8,
    /// Version of that standard.
    pub version: u8,
    /// Revision of that standard.
    pub revision: u8,
    /// Algorithm of the authentication service, where the device offers it: 0 is DES.
    pub authentication: Option<u8>,
    /// The list of features as sent, without the 00 at its end.
    pub features: Vec<u8>,
}

impl Identification {
    /// Reads the answer, without its code.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&[standard, version, revision], mut list) = payload.split_first_chunk::<3>()?;
        let mut authentication = None;
        let all = list;
        loop {
            list = match *list {
                // A device that leaves the end mark out has said everything, too.
                [] | [0, ..] => break,
                [1, kind, algorithm, ref rest @ ..] => {
                    authentication = (kind & 1 != 0).then_some(algorithm);
                    rest
                }
                [2, kind, algorithm, length, ref rest @ ..] => {
                    authentication = (kind & 1 != 0).then_some(algorithm);
                    rest.get(usize::from(length)..)?
                }
                [6, _, length, ref rest @ ..] | [7, length, ref rest @ ..] => {
                    rest.get(usize::from(length)..)?
                }
                _ => break,
            };
        }
        let features = all.get(..all.len() - list.len())?.to_vec();
        Some(Self {
            standard,
            version,
            revision,
            authentication,
            features,
        })
    }

    /// Name of the standard.
    #[must_use]
    pub const fn standard_name(&self) -> Option<&'static str> {
        match self.standard {
            0 => Some("C12.18"),
            2 => Some("C12.21"),
            3 => Some("C12.22"),
            _ => None,
        }
    }
}
