//! How an association is entered: mechanism 5, with the context for ciphered services.

use subtle::ConstantTimeEq;

use super::super::apdu::{
    Aare, Aarq, ActionResult, Apdu, AssociationResult, Authentication, Conformance, Context,
    Diagnostic, GetResult, InitiateRequest, InitiateResponse, Mechanism, MethodResult,
    ServiceException,
};
use super::super::data::Data;
use super::super::security::{SystemTitle, hls};
use super::{LONGEST, Refused, SHORTEST, Server, Stage, denied};

/// Octets of a challenge of ours, and of one that is taken.
const CHALLENGE: usize = 32;
const CHALLENGES: std::ops::RangeInclusive<usize> = 8..=64;

impl Server {
    /// Passes 1 and 2 of the handshake.
    pub(super) fn enter(&mut self, aarq: &Aarq) -> Result<Vec<u8>, Refused> {
        self.leave();
        let refused = || Refused::Exception(ServiceException::OtherReason);
        let title = aarq
            .title
            .as_deref()
            .and_then(|title| title.try_into().ok());
        let title: SystemTitle = title.ok_or_else(refused)?;
        let expected = self.config.client_title;
        // Whoever has our own title could show us our own words.
        if title == self.config.title || expected.is_some_and(|expected| expected != title) {
            return Ok(rejected(aarq));
        }
        let shown = aarq.authentication.as_ref();
        let challenge = shown
            .and_then(|shown| shown.value.clone())
            .unwrap_or_default();
        if aarq.context != Context::LogicalNameCiphered
            || shown.is_none_or(|shown| shown.mechanism != Mechanism::Gmac)
            || !CHALLENGES.contains(&challenge.len())
        {
            return Ok(rejected(aarq));
        }
        self.peer = title;
        let information = aarq.information.as_deref().unwrap_or_default();
        let Ok((Apdu::Ciphered(message), [])) = Apdu::decode(information) else {
            return Ok(rejected(aarq));
        };
        let opened = self.open(&message)?;
        let Ok((Apdu::InitiateRequest(asked), [])) = Apdu::decode(&opened) else {
            return Err(refused());
        };
        let InitiateRequest {
            dedicated_key,
            max_pdu_size,
            ..
        } = asked;
        if dedicated_key.is_some() {
            return Ok(rejected(aarq));
        }
        // 0 leaves it to the server.
        let longest = if max_pdu_size == 0 {
            LONGEST
        } else {
            max_pdu_size
        };
        self.pdu = usize::from(longest.clamp(SHORTEST, LONGEST));
        let mut to_client = vec![0; CHALLENGE];
        (self.random)(&mut to_client);
        let response = Apdu::InitiateResponse(InitiateResponse {
            quality_of_service: None,
            version: 6,
            conformance: conformance(),
            max_pdu_size: LONGEST,
            vaa_name: 7,
        });
        let information = self.seal(&response, message.ciphering)?;
        self.stage = Stage::Pending {
            to_client: to_client.clone(),
            to_server: challenge,
        };
        Ok(Apdu::Aare(Aare {
            context: aarq.context,
            result: AssociationResult::Accepted,
            // Authentication required.
            diagnostic: Diagnostic::User(14),
            title: Some(self.config.title.to_vec()),
            certificate: None,
            authentication: Some(Authentication {
                mechanism: Mechanism::Gmac,
                value: Some(to_client),
            }),
            information: Some(information),
        })
        .to_vec())
    }

    /// Passes 3 and 4: the client's proof, and ours.
    pub(super) fn prove(&mut self, token: &[u8]) -> Result<MethodResult, Refused> {
        let stage = std::mem::replace(&mut self.stage, Stage::Idle);
        let Stage::Pending {
            to_client,
            to_server,
        } = stage
        else {
            return Ok(denied());
        };
        let reflected: bool = to_client.ct_eq(&to_server).into();
        if reflected || !hls::verify_gmac(&self.cipher(), self.peer, token, &to_client) {
            return Ok(denied());
        }
        let counter = self.counter()?;
        let (suite, title) = (self.config.suite(), self.config.title);
        let own = hls::gmac(&self.cipher(), suite, title, counter, &to_server);
        let own = own.map_err(|_| Refused::Silent)?;
        self.stage = Stage::Open;
        Ok(MethodResult {
            result: ActionResult::Success,
            returned: Some(GetResult::Data(Data::OctetString(own))),
        })
    }
}

/// Says no in the way that betrays nothing of why.
fn rejected(aarq: &Aarq) -> Vec<u8> {
    Apdu::Aare(Aare {
        context: aarq.context,
        result: AssociationResult::RejectedPermanent,
        // Authentication failure.
        diagnostic: Diagnostic::User(13),
        title: None,
        certificate: None,
        authentication: None,
        information: None,
    })
    .to_vec()
}

fn conformance() -> Conformance {
    Conformance::GET
        | Conformance::ACTION
        | Conformance::SELECTIVE_ACCESS
        | Conformance::MULTIPLE_REFERENCES
        | Conformance::BLOCK_TRANSFER_WITH_GET
        | Conformance::GENERAL_PROTECTION
}
