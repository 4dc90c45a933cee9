//! What is done about refusals and losses.

use std::time::Instant;

use super::{Client, ClientEvent, Stage};
use crate::dlms::apdu::{ExceptionResponse, ServiceException};
use crate::dlms::client::error::ClientError;
use crate::dlms::client::exchange::Next;

/// How often the meter may correct our counter before it is given up.
const CORRECTIONS: u8 = 2;

impl Client {
    pub(super) fn exception(
        &mut self,
        found: ExceptionResponse,
        now: Instant,
    ) -> Result<(), ClientError> {
        if let ServiceException::InvocationCounterError(lowest) = found.service
            && self.protection.is_some()
            && self.corrections < CORRECTIONS
        {
            self.corrections += 1;
            self.counter.raise_to(lowest)?;
            match &self.stage {
                // The association request itself was too low: it is made anew.
                Stage::Associating => return self.associate(now),
                Stage::Asking(_) => {
                    self.ask_again(now);
                    return Ok(());
                }
                _ => {}
            }
        }
        if let Stage::Asking(exchange) = &mut self.stage {
            if exchange.split_list() {
                self.ask_again(now);
                return Ok(());
            }
            if !matches!(found.service, ServiceException::InvocationCounterError(_)) {
                self.interrupted(ClientError::Exception(found));
                return Ok(());
            }
        }
        Err(ClientError::Exception(found))
    }

    /// Sends the request under way from its start.
    pub(super) fn ask_again(&mut self, now: Instant) {
        self.invoke = (self.invoke + 1) & 0x0F;
        let invoke = self.invoke_byte();
        let Stage::Asking(exchange) = &mut self.stage else {
            return;
        };
        let sent = match exchange.ask(invoke) {
            Ok(Next::Send(apdu)) => self.send(&apdu, now),
            Ok(Next::Done(answer)) => self.done(answer, now),
            Ok(Next::Stale) => Ok(()),
            Err(error) => {
                self.interrupted(error);
                Ok(())
            }
        };
        if let Err(error) = sent {
            self.end(Some(error), now);
        }
    }

    /// Answers the request under way with what there is.
    fn interrupted(&mut self, error: ClientError) {
        match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Asking(exchange) => {
                let answer = exchange.interrupt(error);
                self.events.push_back(ClientEvent::Answer(answer));
            }
            other => self.stage = other,
        }
    }

    /// Something failed that may go better again.
    pub(super) fn failed(&mut self, error: ClientError, now: Instant) {
        let passing = error.is_passing();
        match &self.stage {
            Stage::Closed | Stage::Open | Stage::Disconnecting => {}
            Stage::Releasing => self.disconnect(now),
            Stage::Asking(exchange) => {
                self.attempts += 1;
                if !passing || self.attempts > self.config.repeats {
                    self.end(Some(error), now);
                } else if exchange.is_repeatable() {
                    self.ask_again(now);
                } else {
                    self.interrupted(error);
                }
            }
            Stage::Connecting
            | Stage::Associating
            | Stage::Listing(_)
            | Stage::ReadingCounter(_)
            | Stage::Proving(_) => {
                self.attempts += 1;
                if passing && self.attempts <= self.config.repeats {
                    self.connect(now);
                } else {
                    self.end(Some(error), now);
                }
            }
        }
    }
}
