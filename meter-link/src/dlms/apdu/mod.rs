//! Messages of DLMS/COSEM: xDLMS APDUs in A-XDR and the ACSE APDUs of an association in BER
//! (IEC 62056-5-3, clause 8).
//!
//! ```
//! use meter_link::dlms::apdu::{Apdu, GetRequest};
//! use meter_link::dlms::data::AttributeDescriptor;
//!
//! let clock = AttributeDescriptor { class: 8, instance: "0-0:1.0.0".parse()?, attribute: 2 };
//! let request = Apdu::GetRequest(GetRequest::Normal { invoke: 0xC1, attribute: clock.into() });
//! let bytes = request.to_vec();
//! assert_eq!(bytes, [0xC0, 1, 0xC1, 0, 8, 0, 0, 1, 0, 0, 255, 2, 0]);
//! assert_eq!(Apdu::decode(&bytes)?, (request, &[][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod acse;
mod action;
mod block;
mod codes;
mod failure;
mod get;
mod initiate;
mod notification;
mod parts;
mod protected;
mod set;
mod short_name;

pub use access::{AccessRequest, AccessResponse, AccessResult, AccessSpecification};
pub use acse::{
    Aare, Aarq, Authentication, Context, Diagnostic, Mechanism, ReleaseReason, Rlre, Rlrq,
};
pub use action::{ActionRequest, ActionResponse, MethodResult};
pub use block::BlockTransfer;
pub use codes::{ActionResult, AssociationResult, DataAccessResult, StateError};
pub use failure::{ConfirmedServiceError, ExceptionResponse, ServiceException};
pub use get::{GetRequest, GetResponse};
pub use initiate::{Conformance, InitiateRequest, InitiateResponse};
pub use notification::{DataNotification, EventNotification};
pub use parts::{DataBlock, GetResult, MethodDescriptor, Selected, SelectiveAccess};
pub use protected::{
    Ciphered, Ciphering, GeneralCiphering, GeneralHeader, GeneralSigning, KeyInfo,
};
pub use set::{SetRequest, SetResponse};
pub use short_name::{
    InformationReport, ReadRequest, ReadResponse, ReadResult, VariableAccess, WriteRequest,
    WriteResponse, WriteResult,
};

use super::axdr::{Error, Fault, Reader};

/// First octets of messages.
pub mod tag {
    /// InitiateRequest.
    pub const INITIATE_REQUEST: u8 = 0x01;
    /// ReadRequest.
    pub const READ_REQUEST: u8 = 0x05;
    /// WriteRequest.
    pub const WRITE_REQUEST: u8 = 0x06;
    /// InitiateResponse.
    pub const INITIATE_RESPONSE: u8 = 0x08;
    /// ReadResponse.
    pub const READ_RESPONSE: u8 = 0x0C;
    /// WriteResponse.
    pub const WRITE_RESPONSE: u8 = 0x0D;
    /// ConfirmedServiceError.
    pub const CONFIRMED_SERVICE_ERROR: u8 = 0x0E;
    /// DataNotification.
    pub const DATA_NOTIFICATION: u8 = 0x0F;
    /// UnconfirmedWriteRequest.
    pub const UNCONFIRMED_WRITE: u8 = 0x16;
    /// InformationReportRequest.
    pub const INFORMATION_REPORT: u8 = 0x18;
    /// Association request.
    pub const AARQ: u8 = 0x60;
    /// Association response.
    pub const AARE: u8 = 0x61;
    /// Release request.
    pub const RLRQ: u8 = 0x62;
    /// Release response.
    pub const RLRE: u8 = 0x63;
    /// GET.request.
    pub const GET_REQUEST: u8 = 0xC0;
    /// SET.request.
    pub const SET_REQUEST: u8 = 0xC1;
    /// EventNotification.request.
    pub const EVENT_NOTIFICATION: u8 = 0xC2;
    /// ACTION.request.
    pub const ACTION_REQUEST: u8 = 0xC3;
    /// GET.response.
    pub const GET_RESPONSE: u8 = 0xC4;
    /// SET.response.
    pub const SET_RESPONSE: u8 = 0xC5;
    /// ACTION.response.
    pub const ACTION_RESPONSE: u8 = 0xC7;
    /// ExceptionResponse.
    pub const EXCEPTION_RESPONSE: u8 = 0xD8;
    /// ACCESS.request.
    pub const ACCESS_REQUEST: u8 = 0xD9;
    /// ACCESS.response.
    pub const ACCESS_RESPONSE: u8 = 0xDA;
    /// general-glo-ciphering.
    pub const GENERAL_GLO: u8 = 0xDB;
    /// general-ded-ciphering.
    pub const GENERAL_DED: u8 = 0xDC;
    /// general-ciphering.
    pub const GENERAL_CIPHERING: u8 = 0xDD;
    /// general-signing.
    pub const GENERAL_SIGNING: u8 = 0xDF;
    /// general-block-transfer.
    pub const GENERAL_BLOCK_TRANSFER: u8 = 0xE0;
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the message that its type documents")]
pub enum Apdu {
    InitiateRequest(InitiateRequest),
    InitiateResponse(InitiateResponse),
    ReadRequest(ReadRequest),
    ReadResponse(ReadResponse),
    WriteRequest(WriteRequest),
    WriteResponse(WriteResponse),
    UnconfirmedWrite(WriteRequest),
    InformationReport(InformationReport),
    ConfirmedServiceError(ConfirmedServiceError),
    DataNotification(DataNotification),
    EventNotification(EventNotification),
    GetRequest(GetRequest),
    GetResponse(GetResponse),
    SetRequest(SetRequest),
    SetResponse(SetResponse),
    ActionRequest(ActionRequest),
    ActionResponse(ActionResponse),
    AccessRequest(AccessRequest),
    AccessResponse(AccessResponse),
    ExceptionResponse(ExceptionResponse),
    Aarq(Aarq),
    Aare(Aare),
    Rlrq(Rlrq),
    Rlre(Rlre),
    Ciphered(Ciphered),
    GeneralCiphering(GeneralCiphering),
    GeneralSigning(GeneralSigning),
    BlockTransfer(BlockTransfer),
}

impl Apdu {
    /// Reads the message that `bytes` begin with; what follows is given back. Real meters send
    /// stray bytes behind complete messages.
    ///
    /// # Errors
    /// The bytes begin no message, or end before it does.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new(bytes);
        let apdu = Self::read(&mut reader)?;
        Ok((apdu, reader.rest()))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let first = reader.u8()?;
        if let Some(ciphering) = Ciphering::from_tag(first) {
            return Ciphered::read(ciphering, reader).map(Self::Ciphered);
        }
        match first {
            tag::INITIATE_REQUEST => InitiateRequest::read(reader).map(Self::InitiateRequest),
            tag::INITIATE_RESPONSE => InitiateResponse::read(reader).map(Self::InitiateResponse),
            tag::READ_REQUEST => ReadRequest::read(reader).map(Self::ReadRequest),
            tag::READ_RESPONSE => ReadResponse::read(reader).map(Self::ReadResponse),
            tag::WRITE_REQUEST => WriteRequest::read(reader).map(Self::WriteRequest),
            tag::WRITE_RESPONSE => WriteResponse::read(reader).map(Self::WriteResponse),
            tag::UNCONFIRMED_WRITE => WriteRequest::read(reader).map(Self::UnconfirmedWrite),
            tag::INFORMATION_REPORT => InformationReport::read(reader).map(Self::InformationReport),
            tag::CONFIRMED_SERVICE_ERROR => {
                ConfirmedServiceError::read(reader).map(Self::ConfirmedServiceError)
            }
            tag::DATA_NOTIFICATION => DataNotification::read(reader).map(Self::DataNotification),
            tag::EVENT_NOTIFICATION => EventNotification::read(reader).map(Self::EventNotification),
            tag::GET_REQUEST => GetRequest::read(reader).map(Self::GetRequest),
            tag::GET_RESPONSE => GetResponse::read(reader).map(Self::GetResponse),
            tag::SET_REQUEST => SetRequest::read(reader).map(Self::SetRequest),
            tag::SET_RESPONSE => SetResponse::read(reader).map(Self::SetResponse),
            tag::ACTION_REQUEST => ActionRequest::read(reader).map(Self::ActionRequest),
            tag::ACTION_RESPONSE => ActionResponse::read(reader).map(Self::ActionResponse),
            tag::ACCESS_REQUEST => AccessRequest::read(reader).map(Self::AccessRequest),
            tag::ACCESS_RESPONSE => AccessResponse::read(reader).map(Self::AccessResponse),
            tag::EXCEPTION_RESPONSE => ExceptionResponse::read(reader).map(Self::ExceptionResponse),
            tag::AARQ => Aarq::read(reader).map(Self::Aarq),
            tag::AARE => Aare::read(reader).map(Self::Aare),
            tag::RLRQ => Rlrq::read(reader).map(Self::Rlrq),
            tag::RLRE => Rlre::read(reader).map(Self::Rlre),
            tag::GENERAL_CIPHERING => GeneralCiphering::read(reader).map(Self::GeneralCiphering),
            tag::GENERAL_SIGNING => GeneralSigning::read(reader).map(Self::GeneralSigning),
            tag::GENERAL_BLOCK_TRANSFER => BlockTransfer::read(reader).map(Self::BlockTransfer),
            other => Err(start.error(Fault::ApduTag(other))),
        }
    }

    /// Writes the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::InitiateRequest(apdu) => apdu.write(out),
            Self::InitiateResponse(apdu) => apdu.write(out),
            Self::ReadRequest(apdu) => apdu.write(out),
            Self::ReadResponse(apdu) => apdu.write(out),
            Self::WriteRequest(apdu) => apdu.write(tag::WRITE_REQUEST, out),
            Self::WriteResponse(apdu) => apdu.write(out),
            Self::UnconfirmedWrite(apdu) => apdu.write(tag::UNCONFIRMED_WRITE, out),
            Self::InformationReport(apdu) => apdu.write(out),
            Self::ConfirmedServiceError(apdu) => apdu.write(out),
            Self::DataNotification(apdu) => apdu.write(out),
            Self::EventNotification(apdu) => apdu.write(out),
            Self::GetRequest(apdu) => apdu.write(out),
            Self::GetResponse(apdu) => apdu.write(out),
            Self::SetRequest(apdu) => apdu.write(out),
            Self::SetResponse(apdu) => apdu.write(out),
            Self::ActionRequest(apdu) => apdu.write(out),
            Self::ActionResponse(apdu) => apdu.write(out),
            Self::AccessRequest(apdu) => apdu.write(out),
            Self::AccessResponse(apdu) => apdu.write(out),
            Self::ExceptionResponse(apdu) => apdu.write(out),
            Self::Aarq(apdu) => apdu.write(out),
            Self::Aare(apdu) => apdu.write(out),
            Self::Rlrq(apdu) => apdu.write(out),
            Self::Rlre(apdu) => apdu.write(out),
            Self::Ciphered(apdu) => apdu.write(out),
            Self::GeneralCiphering(apdu) => apdu.write(out),
            Self::GeneralSigning(apdu) => apdu.write(out),
            Self::BlockTransfer(apdu) => apdu.write(out),
        }
    }

    /// The message as new bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// The service's name, in words joined by underscores.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::InitiateRequest(_) => "initiate_request",
            Self::InitiateResponse(_) => "initiate_response",
            Self::ReadRequest(_) => "read_request",
            Self::ReadResponse(_) => "read_response",
            Self::WriteRequest(_) => "write_request",
            Self::WriteResponse(_) => "write_response",
            Self::UnconfirmedWrite(_) => "unconfirmed_write_request",
            Self::InformationReport(_) => "information_report",
            Self::ConfirmedServiceError(_) => "confirmed_service_error",
            Self::DataNotification(_) => "data_notification",
            Self::EventNotification(_) => "event_notification",
            Self::GetRequest(_) => "get_request",
            Self::GetResponse(_) => "get_response",
            Self::SetRequest(_) => "set_request",
            Self::SetResponse(_) => "set_response",
            Self::ActionRequest(_) => "action_request",
            Self::ActionResponse(_) => "action_response",
            Self::AccessRequest(_) => "access_request",
            Self::AccessResponse(_) => "access_response",
            Self::ExceptionResponse(_) => "exception_response",
            Self::Aarq(_) => "aarq",
            Self::Aare(_) => "aare",
            Self::Rlrq(_) => "rlrq",
            Self::Rlre(_) => "rlre",
            Self::Ciphered(apdu) => match apdu.ciphering {
                Ciphering::Glo(_) => "glo",
                Ciphering::Ded(_) => "ded",
                Ciphering::GeneralGlo => "general_glo_ciphering",
                Ciphering::GeneralDed => "general_ded_ciphering",
            },
            Self::GeneralCiphering(_) => "general_ciphering",
            Self::GeneralSigning(_) => "general_signing",
            Self::BlockTransfer(_) => "general_block_transfer",
        }
    }
}

#[cfg(test)]
mod tests;
