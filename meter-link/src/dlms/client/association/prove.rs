//! The proofs of high level security (IEC 62056-5-3, 5.2.2.2.2): who we are, and who the meter is.

use std::time::Instant;

use super::{Client, Stage};
use crate::dlms::apdu::{Aare, ActionResult, GetResult, MethodDescriptor};
use crate::dlms::client::config::ClientAuthentication;
use crate::dlms::client::error::ClientError;
use crate::dlms::client::exchange::{Answer, Exchange, Next, Request};
use crate::dlms::client::hls;
use crate::dlms::data::Data;
use crate::model::ObisCode;

/// `0-0:40.0.0.255`: the association that is open.
const CURRENT_ASSOCIATION: ObisCode = ObisCode([0, 0, 40, 0, 0, 255]);

const NO_KEYS: ClientError = ClientError::HighLevelSecurity("there are no keys for it");

impl Client {
    /// Sends our proof (pass 3).
    pub(super) fn prove(&mut self, aare: &Aare, now: Instant) -> Result<(), ClientError> {
        let shown = aare.authentication.as_ref();
        let challenge = shown.and_then(|shown| shown.value.as_deref());
        let own = self.config.ciphering.as_ref();
        let own = own.map_or_else(Vec::new, |ciphering| ciphering.title.to_vec());
        let server = aare.title.clone().unwrap_or_default();
        self.handshake.answered(challenge, own, server)?;
        let proof = self.proof()?;
        let method = MethodDescriptor {
            class: 15,
            instance: CURRENT_ASSOCIATION,
            method: 1,
        };
        let request = Request::Action(vec![(method, Some(Data::OctetString(proof)))]);
        let invoke = self.invoke_byte();
        let mut exchange = Exchange::new(request, self.limits, invoke);
        let next = exchange.ask(invoke)?;
        self.stage = Stage::Proving(Box::new(exchange));
        match next {
            Next::Send(apdu) => self.send(&apdu, now),
            _ => Ok(()),
        }
    }

    fn proof(&mut self) -> Result<Vec<u8>, ClientError> {
        match &self.config.authentication {
            ClientAuthentication::Gmac => {
                let protection = self.protection.as_ref().ok_or(NO_KEYS)?;
                let counter = self.counter.take()?;
                protection.gmac(counter, self.handshake.of_server())
            }
            ClientAuthentication::High(mechanism, secret) => {
                hls::proof(*mechanism, secret, &self.handshake.own_side())
            }
            ClientAuthentication::Ecdsa { own, .. } => {
                Ok(own.sign(&hls::signed(&self.handshake.own_side())?))
            }
            ClientAuthentication::None | ClientAuthentication::Low(_) => Err(NO_KEYS),
        }
    }

    /// The meter's proof has come (pass 4).
    pub(super) fn proof_came(&self, answer: &Answer) -> Result<(), ClientError> {
        let Answer::Action(results) = answer else {
            return Err(ClientError::HighLevelSecurity("no proof came"));
        };
        let token = match results.as_slice() {
            [result] if result.result == ActionResult::Success => match &result.returned {
                Some(GetResult::Data(data)) => data.octets(),
                _ => None,
            },
            _ => None,
        };
        let refused = "the meter does not accept our proof: the key or secret is wrong";
        let token = token.ok_or(ClientError::HighLevelSecurity(refused))?;
        if self.proven(token)? {
            return Ok(());
        }
        let wrong = "the meter's proof is wrong: it does not know the secret";
        Err(ClientError::HighLevelSecurity(wrong))
    }

    /// Whether the meter's answer to our proof proves that it knows the secret as well.
    fn proven(&self, proof: &[u8]) -> Result<bool, ClientError> {
        match &self.config.authentication {
            ClientAuthentication::Gmac => {
                let protection = self.protection.as_ref().ok_or(NO_KEYS)?;
                protection.proves(proof, self.handshake.of_client())
            }
            ClientAuthentication::High(mechanism, secret) => {
                let want = hls::proof(*mechanism, secret, &self.handshake.server_side())?;
                Ok(hls::same(&want, proof))
            }
            ClientAuthentication::Ecdsa { meter, .. } => {
                Ok(meter.verify(&hls::signed(&self.handshake.server_side())?, proof))
            }
            ClientAuthentication::None | ClientAuthentication::Low(_) => Ok(false),
        }
    }
}
