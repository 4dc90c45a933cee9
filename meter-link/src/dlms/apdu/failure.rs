//! How a server says no: ExceptionResponse and ConfirmedServiceError (IEC 62056-5-3, clause 8).

use std::fmt;

use super::{StateError, tag};
use crate::dlms::axdr::{Error, Reader};

/// Why a request could not be served at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionResponse {
    /// The state's part.
    pub state: StateError,
    /// The service's part.
    pub service: ServiceException,
}

/// The service's part of an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceException {
    /// It is not possible now.
    OperationNotPossible,
    /// There is no such service.
    ServiceNotSupported,
    /// Anything else.
    OtherReason,
    /// The request was too long.
    PduTooLong,
    /// It could not be deciphered.
    DecipheringError,
    /// Its invocation counter was too low; the lowest that will be taken.
    InvocationCounterError(u32),
    /// A code that the standard does not name.
    Other(u8),
}

/// Why a service of the association failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedServiceError {
    /// 1 initiate, 5 read, 6 write.
    pub service: u8,
    /// Group of the error: 0 application-reference, 1 hardware-resource, 2 vde-state-error,
    /// 3 service, 4 definition, 5 access, 6 initiate, 7 load-data-set, 9 task, 10 other.
    pub group: u8,
    /// Which error of the group.
    pub code: u8,
}

impl ExceptionResponse {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            state: StateError::from_code(reader.u8()?),
            service: match reader.u8()? {
                1 => ServiceException::OperationNotPossible,
                2 => ServiceException::ServiceNotSupported,
                3 => ServiceException::OtherReason,
                4 => ServiceException::PduTooLong,
                5 => ServiceException::DecipheringError,
                6 => ServiceException::InvocationCounterError(reader.u32()?),
                code => ServiceException::Other(code),
            },
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[tag::EXCEPTION_RESPONSE, self.state.code()]);
        out.push(match self.service {
            ServiceException::OperationNotPossible => 1,
            ServiceException::ServiceNotSupported => 2,
            ServiceException::OtherReason => 3,
            ServiceException::PduTooLong => 4,
            ServiceException::DecipheringError => 5,
            ServiceException::InvocationCounterError(_) => 6,
            ServiceException::Other(code) => code,
        });
        if let ServiceException::InvocationCounterError(counter) = self.service {
            out.extend_from_slice(&counter.to_be_bytes());
        }
    }
}

impl fmt::Display for ServiceException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OperationNotPossible => f.write_str("operation not possible"),
            Self::ServiceNotSupported => f.write_str("service not supported"),
            Self::OtherReason => f.write_str("other reason"),
            Self::PduTooLong => f.write_str("message too long"),
            Self::DecipheringError => f.write_str("the message could not be deciphered"),
            Self::InvocationCounterError(lowest) => {
                write!(f, "invocation counter too low, {lowest} is the lowest")
            }
            Self::Other(code) => write!(f, "code {code}"),
        }
    }
}

impl fmt::Display for ExceptionResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.state, self.service)
    }
}

impl ConfirmedServiceError {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            service: reader.u8()?,
            group: reader.u8()?,
            code: reader.u8()?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self {
            service,
            group,
            code,
        } = *self;
        out.extend_from_slice(&[tag::CONFIRMED_SERVICE_ERROR, service, group, code]);
    }
}

impl fmt::Display for ConfirmedServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = match self.group {
            0 => "application reference",
            1 => "hardware resource",
            2 => "state of the virtual device",
            3 => "service",
            4 => "definition",
            5 => "access",
            6 => "initiate",
            7 => "load data set",
            9 => "task",
            _ => "other",
        };
        write!(f, "service {}, {group} error {}", self.service, self.code)
    }
}
