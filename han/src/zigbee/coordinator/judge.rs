//! Whose network is it? What is found on a stick is carried on, replaced or left alone.

use std::time::Instant;

use super::network::COUNTER_MARGIN;
use super::{Coordinator, Event, Network, Stage};

impl Coordinator {
    /// The stick carries a network: is it ours?
    pub(super) fn judge(&mut self, found: Network, now: Instant) {
        let is_found = |network: &Network| network.is(&found);
        let is_next = self.policy.next.as_ref().is_some_and(is_found);
        let known = self.policy.known.as_ref();
        let is_ours = is_next || known.is_some_and(is_found);
        let is_behind =
            !is_next && known.is_some_and(|known| found.frame_counter < known.frame_counter);
        let replace = self.policy.replace;
        self.found = found;
        self.stage = Stage::BringingUp;
        if is_ours && !is_behind {
            self.radio.carry_on(now);
        } else if is_ours || replace {
            // Ours with a counter that has gone back is formed again with a higher one.
            self.radio.erase(now);
        } else {
            self.refuse();
        }
    }

    /// The stick is empty: the known network is restored to it, or a fresh one begun.
    pub(super) fn form(&mut self, now: Instant) {
        self.formed = true;
        self.stage = Stage::BringingUp;
        let restored = self.policy.known.is_some();
        let mut network = self.wanted().clone();
        if restored && network.stack != self.radio.stack() {
            self.lose(
                "the network was formed by a stick of the other maker, whose keys of devices this one cannot make: use a stick of the same maker, or form a new network".to_owned(),
            );
            return;
        }
        if restored {
            network.frame_counter = network.frame_counter.saturating_add(COUNTER_MARGIN);
        }
        self.radio.form(&network, restored, now);
    }

    /// A network works; one that was formed is looked at whether it is the one that was wanted.
    pub(super) fn up(&mut self, network: Network) {
        self.found = network;
        if self.formed && !self.wanted().is(&self.found) {
            self.refuse();
            return;
        }
        self.stage = Stage::Up;
        self.policy.known = Some(self.found.clone());
        (self.policy.next, self.policy.replace) = (None, false);
        let network = self.found.clone();
        let formed = self.formed;
        self.events.push_back(Event::Up { network, formed });
    }

    fn refuse(&mut self) {
        self.stage = Stage::Refused;
        let (extended_pan, pan, channel) =
            (self.found.extended_pan, self.found.pan, self.found.channel);
        self.events.push_back(Event::Foreign {
            extended_pan,
            pan,
            channel,
        });
    }

    fn wanted(&self) -> &Network {
        self.policy.known.as_ref().unwrap_or(&self.policy.fresh)
    }
}
