//! Messages of an association: what comes in, and what goes out.

use std::time::Instant;

use super::{Client, ClientEvent, Stage};
use crate::dlms::apdu::{Apdu, BlockTransfer, Conformance};
use crate::dlms::client::block_sender::{BlockSender, Progress};
use crate::dlms::client::blocks::Blocks;
use crate::dlms::client::error::ClientError;
use crate::dlms::client::exchange::{Answer, Next};
use crate::dlms::client::names::Translated;
use crate::dlms::security::CipherError;

impl Client {
    /// Takes a message off the carrier.
    pub(super) fn message(&mut self, bytes: &[u8], now: Instant) -> Result<(), ClientError> {
        let (mut apdu, rest) = Apdu::decode(bytes)?;
        self.stray += rest.len() as u64;
        if let Apdu::BlockTransfer(block) = apdu {
            if self.acknowledged(&block, now)? {
                return Ok(());
            }
            let next = self.blocks.take(&block)?;
            if let Some(answer) = next.answer {
                self.carrier
                    .send(&Apdu::BlockTransfer(answer).to_vec(), now);
            }
            let Some(whole) = next.whole else {
                return Ok(());
            };
            apdu = Apdu::decode(&whole)?.0;
        }
        self.outgoing = None;
        apdu = match &mut self.protection {
            Some(protection) => {
                let (inner, rest) = protection.unprotect(apdu)?;
                self.stray += rest as u64;
                inner
            }
            None if is_protected(&apdu) => return Err(CipherError::NoKey.into()),
            None => apdu,
        };
        if let Some(names) = &self.names {
            apdu = names.response(apdu)?;
        }
        self.dispatch(apdu, now)
    }

    /// Sends on what is on its way in blocks; false when the meter's block belongs to its answer.
    fn acknowledged(&mut self, block: &BlockTransfer, now: Instant) -> Result<bool, ClientError> {
        let Some(sender) = &mut self.outgoing else {
            return Ok(false);
        };
        match sender.take(block)? {
            Progress::Send(next) => {
                self.carrier.send(&Apdu::BlockTransfer(next).to_vec(), now);
                Ok(true)
            }
            Progress::Arrived(sent) => {
                self.outgoing = None;
                let said = !block.octets.is_empty();
                let before = block.number.saturating_sub(u16::from(said));
                self.blocks = Blocks::after(before, sent);
                Ok(!said)
            }
        }
    }

    fn dispatch(&mut self, apdu: Apdu, now: Instant) -> Result<(), ClientError> {
        match (&mut self.stage, apdu) {
            // What a meter pushes is for a listener.
            (
                _,
                Apdu::DataNotification(_) | Apdu::EventNotification(_) | Apdu::InformationReport(_),
            ) => Ok(()),
            (Stage::Releasing, _) => {
                self.disconnect(now);
                Ok(())
            }
            (Stage::Associating, Apdu::Aare(aare)) => self.answered(&aare, now),
            (Stage::Closed | Stage::Connecting | Stage::Open | Stage::Disconnecting, _) => Ok(()),
            (_, Apdu::ExceptionResponse(exception)) => self.exception(exception, now),
            (_, Apdu::ConfirmedServiceError(error)) => Err(ClientError::Service(error)),
            (Stage::Associating, other) => Err(ClientError::Unexpected {
                asked: "aarq",
                got: other.name(),
            }),
            (
                Stage::Listing(exchange)
                | Stage::ReadingCounter(exchange)
                | Stage::Proving(exchange)
                | Stage::Asking(exchange),
                apdu,
            ) => match exchange.take(apdu)? {
                Next::Send(request) => self.send(&request, now),
                Next::Stale => Ok(()),
                Next::Done(answer) => {
                    self.stray += exchange.trailing as u64;
                    self.done(answer, now)
                }
            },
        }
    }

    /// Sends a message of the association, ciphered where it is to be.
    pub(super) fn send(&mut self, apdu: &Apdu, now: Instant) -> Result<(), ClientError> {
        let translated = self.names.as_mut().map(|names| names.request(apdu));
        let asked = match translated.transpose()? {
            None => None,
            Some(Translated::Ask(asked)) => Some(asked),
            Some(Translated::Answer(answer)) => return self.dispatch(answer, now),
        };
        let apdu = asked.as_ref().unwrap_or(apdu);
        let bytes = match &mut self.protection {
            Some(protection) => {
                let counter = self.counter.take()?;
                protection.seal(apdu, counter, &mut self.random)?
            }
            None => apdu.to_vec(),
        };
        self.outgoing = None;
        let in_blocks = Conformance::GENERAL_BLOCK_TRANSFER;
        if bytes.len() <= self.limits.pdu || !self.limits.conformance.has(in_blocks) {
            self.carrier.send(&bytes, now);
            return Ok(());
        }
        let longest = self.limits.pdu;
        let sender = BlockSender::new(bytes, longest);
        let sender = sender.ok_or(ClientError::RequestTooLong(longest))?;
        let first = Apdu::BlockTransfer(sender.block());
        self.outgoing = Some(sender);
        self.carrier.send(&first.to_vec(), now);
        Ok(())
    }

    /// A service has ended.
    pub(super) fn done(&mut self, answer: Answer, now: Instant) -> Result<(), ClientError> {
        // What fails on the way to an association fails as such: nothing is open yet.
        match std::mem::replace(&mut self.stage, Stage::Associating) {
            Stage::Listing(_) => self.listed(&answer, now),
            Stage::ReadingCounter(_) => self.counter_read(&answer, now),
            Stage::Proving(_) => {
                self.proof_came(&answer)?;
                self.accepted(now)
            }
            _ => {
                self.stage = Stage::Open;
                self.attempts = 0;
                self.events.push_back(ClientEvent::Answer(answer));
                Ok(())
            }
        }
    }
}

const fn is_protected(apdu: &Apdu) -> bool {
    matches!(
        apdu,
        Apdu::Ciphered(_) | Apdu::GeneralCiphering(_) | Apdu::GeneralSigning(_)
    )
}
