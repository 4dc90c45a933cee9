//! The end of a conversation.

use std::time::Instant;

use super::{Client, ClientEvent, Role, Stage};
use crate::dlms::apdu::{Apdu, Rlrq};
use crate::dlms::client::error::ClientError;

impl Client {
    /// Ends the conversation: releases the association, closes the link.
    pub(super) fn end(&mut self, error: Option<ClientError>, now: Instant) {
        if self.error.is_none() {
            self.error = error;
        }
        match std::mem::replace(&mut self.stage, Stage::Disconnecting) {
            Stage::Closed => {
                self.stage = Stage::Closed;
                self.events
                    .push_back(ClientEvent::Closed(self.error.take()));
            }
            Stage::Connecting | Stage::Disconnecting => self.disconnect(now),
            // After a refusal or without an answer there may be an association all the same.
            _ => {
                if let Some(error) = &self.error
                    && self.role == Role::Own
                    && matches!(error, ClientError::Link(_))
                {
                    return self.disconnect(now);
                }
                self.release(now);
            }
        }
    }

    pub(super) fn release(&mut self, now: Instant) {
        self.stage = Stage::Releasing;
        let request = Rlrq {
            reason: Some(0),
            information: None,
        };
        self.carrier.send(&Apdu::Rlrq(request).to_vec(), now);
    }

    pub(super) fn disconnect(&mut self, now: Instant) {
        self.stage = Stage::Disconnecting;
        self.carrier.disconnect(now);
    }

    /// The carrier has closed.
    pub(super) fn closed(&mut self, reason: ClientError, now: Instant) {
        let stage = std::mem::replace(&mut self.stage, Stage::Closed);
        let finished = matches!(stage, Stage::Disconnecting | Stage::Releasing);
        if finished && self.role == Role::Public && self.error.is_none() && self.counter_known {
            self.role = Role::Own;
            self.attempts = 0;
            return self.connect(now);
        }
        if let Stage::Asking(exchange) = stage {
            let answer = exchange.interrupt(reason.clone());
            self.events.push_back(ClientEvent::Answer(answer));
        }
        if !finished && self.error.is_none() {
            self.error = Some(reason);
        }
        self.protection = None;
        self.events
            .push_back(ClientEvent::Closed(self.error.take()));
    }
}
