//! Whose turn it is, and who is asked what it runs.

use std::time::{Duration, Instant};

use super::client::{Client, Next};
use super::{OTA_UPGRADE, Stage, Upgrades};
use crate::value::{Record, Value};
use crate::zigbee::coordinator::Aps;

/// Between two devices that are asked what they run.
const CALL_PAUSE: Duration = Duration::from_secs(5);

impl Upgrades {
    /// Calls the device whose turn it is; when it does not answer, the next one.
    pub(super) fn take_turns(&mut self, now: Instant) {
        let overdue = |client: &Client| client.due.is_some_and(|due| due <= now);
        let late: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| overdue(client))
            .map(|(ieee, _)| *ieee)
            .collect();
        for ieee in late {
            let has_turn = self.turn == Some(ieee);
            let Some(client) = self.clients.get_mut(&ieee) else {
                continue;
            };
            if client.stage == Stage::Waiting && !has_turn {
                // It waited long enough to be called again when its turn comes.
                client.due = None;
                continue;
            }
            match client.overdue(now) {
                Next::Call => self.call(ieee, now),
                Next::Wait if has_turn => {
                    self.leave(ieee);
                    self.queue.push_back(ieee);
                }
                Next::Wait => {}
            }
        }
        if self.turn.is_some() {
            return;
        }
        let is_ready = |ieee: &u64| {
            let client = self.clients.get(ieee);
            client.is_some_and(|client| client.endpoint != 0 && client.due.is_none())
        };
        let place = self.queue.iter().position(is_ready);
        if let Some(ieee) = place.and_then(|place| self.queue.remove(place)) {
            self.turn = Some(ieee);
            if let Some(client) = self.clients.get_mut(&ieee) {
                client.stage = Stage::Called;
            }
            self.call(ieee, now);
        }
    }

    /// Asks devices for which there might be something what they run, one after the other.
    pub(super) fn learn(&mut self, now: Instant) {
        self.next_call = self.next_call.filter(|due| *due > now);
        let is_unknown = |(_, client): &(&u64, &Client)| {
            client.runs.is_none() && client.endpoint != 0 && client.due.is_none()
        };
        let unknown = self.clients.iter().find(is_unknown).map(|(ieee, _)| *ieee);
        let Some(ieee) = unknown.filter(|_| self.next_call.is_none() && !self.images.is_empty())
        else {
            return;
        };
        self.next_call = Some(now + CALL_PAUSE);
        self.call(ieee, now);
    }

    /// Image Notify (11.13.3): let the device ask.
    fn call(&mut self, ieee: u64, now: Instant) {
        let Some(client) = self.clients.get_mut(&ieee) else {
            return;
        };
        client.called(now);
        let aps = Aps {
            profile: 0x0104,
            cluster: OTA_UPGRADE,
            own_endpoint: 1,
            endpoint: client.endpoint,
            secured: false,
        };
        let fields = Record::new()
            .with("payload_type", Value::Unsigned(0))
            .with("query_jitter", Value::Unsigned(100));
        self.tsn = self.tsn.wrapping_add(1);
        let tsn = self.tsn | 0x80;
        self.send(ieee, aps, tsn, 0x00, &fields, &[]);
    }
}
