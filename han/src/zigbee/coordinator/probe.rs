//! Whose stick is on the port? While one kind is being started, the other is greeted now and then;
//! neither understands the other's octets, and what it says in answer tells which one it is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Stack;
use crate::zigbee::{ash, znp};

/// Between two greetings: a stick that is started anew takes a second.
const PAUSE: Duration = Duration::from_millis(1500);
/// `SYS_PING`
const PING: u16 = 0x0101;

/// The search for the other kind.
#[derive(Debug)]
pub(super) struct Probe {
    other: Stack,
    due: Instant,
    ash: ash::Splitter,
    znp: znp::Splitter,
    out: VecDeque<Vec<u8>>,
}

impl Probe {
    /// A search while this kind is being started.
    pub(super) fn beside(stack: Stack, now: Instant) -> Self {
        Self {
            other: match stack {
                Stack::EmberZnet => Stack::ZStack,
                Stack::ZStack => Stack::EmberZnet,
            },
            due: now + PAUSE,
            ash: ash::Splitter::default(),
            znp: znp::Splitter::default(),
            out: VecDeque::new(),
        }
    }

    /// Takes octets that came; tells the other kind when it has spoken.
    pub(super) fn handle_octets(&mut self, octets: &[u8]) -> Option<Stack> {
        let is_other = |&octet: &u8| match self.other {
            Stack::EmberZnet => matches!(
                self.ash.push(octet),
                Some(Ok(ash::Frame::ResetAck { .. } | ash::Frame::Error { .. }))
            ),
            Stack::ZStack => matches!(self.znp.push(octet), Some(Ok(znp::Frame { id: PING, .. }))),
        };
        octets.iter().any(is_other).then_some(self.other)
    }

    /// Takes note that `now` has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if now < self.due {
            return;
        }
        self.due = now + PAUSE;
        let hello = match self.other {
            Stack::EmberZnet => {
                let mut wire = vec![ash::CANCEL];
                wire.extend(ash::Frame::Reset.encode());
                Some(wire)
            }
            Stack::ZStack => {
                let ping = znp::Frame {
                    kind: znp::FrameKind::SynchronousRequest,
                    id: PING,
                    payload: Vec::new(),
                };
                ping.encode()
            }
        };
        self.out.extend(hello);
    }

    /// The next octets to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    pub(super) const fn poll_timeout(&self) -> Instant {
        self.due
    }
}
