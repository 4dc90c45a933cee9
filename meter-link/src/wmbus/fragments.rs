//! Messages in several telegrams: fragments of the authentication sublayer put together
//! (EN 13757-7, clause 6.3).

use std::collections::VecDeque;

use super::afl::Fragment;
use super::refusal::Refusal;
use super::security::Authentication;
use crate::mbus::DeviceAddress;

/// Senders whose fragments are kept; the first goes first.
const MAX_SENDERS: usize = 64;
/// Longest message, as its length field has 14 bits.
const MAX_MESSAGE: usize = 16 * 1024;

/// Fragments of messages that are not whole yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Reassembler {
    open: VecDeque<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    sender: DeviceAddress,
    last: u8,
    message: Vec<u8>,
    authentication: Authentication,
}

impl Reassembler {
    /// The message control field that the first fragment carried.
    pub(super) fn control(&self, sender: DeviceAddress) -> Option<u8> {
        let open = self.open.iter().find(|open| open.sender == sender)?;
        open.authentication.control
    }

    /// Takes a fragment and its part of the message; the whole message with its last fragment.
    pub(super) fn take(
        &mut self,
        sender: DeviceAddress,
        fragment: &Fragment<'_>,
        part: &[u8],
    ) -> Result<(Vec<u8>, Authentication), Refusal> {
        let known = self.open.iter().position(|open| open.sender == sender);
        let earlier = known.and_then(|index| self.open.remove(index));
        let mut open = match earlier {
            Some(open)
                if fragment.number > 1 && open.last.checked_add(1) == Some(fragment.number) =>
            {
                open
            }
            _ if fragment.number > 1 => return Err(Refusal::LoneFragment),
            _ => Open {
                sender,
                last: fragment.number,
                message: Vec::with_capacity(part.len()),
                authentication: Authentication::default(),
            },
        };
        if open.message.len() + part.len() > MAX_MESSAGE {
            return Err(Refusal::LoneFragment);
        }
        open.last = fragment.number;
        open.message.extend_from_slice(part);
        let authentication = &mut open.authentication;
        authentication.control = authentication.control.or(fragment.control);
        authentication.counter = authentication.counter.or(fragment.counter);
        authentication.message_length = authentication.message_length.or(fragment.message_length);
        if authentication.mac.is_empty() {
            authentication.mac = fragment.mac.to_vec();
        }
        if !fragment.more {
            return Ok((open.message, open.authentication));
        }
        if self.open.len() >= MAX_SENDERS {
            self.open.pop_front();
        }
        self.open.push_back(open);
        Err(Refusal::Fragment {
            number: fragment.number,
        })
    }
}
