//! Octets of one direction of a TCP connection in their order.

use std::collections::BTreeMap;

/// Octets that came before what is missing in front of them.
const MAX_AHEAD: usize = 256 * 1024;

/// Puts captured TCP segments in order; what was sent twice is taken once.
#[derive(Default)]
pub(super) struct Order {
    /// Place of the next octet, whose lower half is its sequence number; `None` before anything
    /// came.
    next: Option<u64>,
    /// What came before its turn, with its packet.
    ahead: BTreeMap<u64, (u64, Vec<u8>)>,
    held: usize,
    /// Whether something was not in the capture.
    pub(super) torn: bool,
}

impl Order {
    /// A connection that begins with this sequence number.
    pub(super) fn at(sequence: u32) -> Self {
        Self {
            next: Some(place(sequence)),
            ..Self::default()
        }
    }

    /// Takes the octets of a packet.
    pub(super) fn put(&mut self, sequence: u32, packet: u64, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        // A capture that begins in the middle of a connection begins here.
        let next = *self.next.get_or_insert(place(sequence));
        let ahead = sequence.wrapping_sub(low(next)).cast_signed();
        let at = next.saturating_add_signed(ahead.into());
        let longer = |(_, known): &(u64, Vec<u8>)| known.len() < payload.len();
        if at + payload.len() as u64 > next && self.ahead.get(&at).is_none_or(longer) {
            self.held += payload.len();
            let before = self.ahead.insert(at, (packet, payload.to_vec()));
            self.held -= before.map_or(0, |(_, known)| known.len());
        }
    }

    /// The octets whose turn it is, and their packet. With `all`, or when too much waits, what is
    /// missing is passed over.
    pub(super) fn pull(&mut self, all: bool) -> Option<(u64, Vec<u8>)> {
        loop {
            let next = self.next?;
            let entry = self.ahead.first_entry()?;
            let at = *entry.key();
            if at > next {
                if !all && self.held <= MAX_AHEAD {
                    return None;
                }
                self.torn = true;
            }
            let (packet, octets) = entry.remove();
            self.held -= octets.len();
            let known = usize::try_from(next.saturating_sub(at)).unwrap_or(usize::MAX);
            let Some(rest @ [_, ..]) = octets.get(known..) else {
                continue;
            };
            self.next = Some(next.max(at) + rest.len() as u64);
            return Some((packet, rest.to_vec()));
        }
    }
}

/// Far enough from 0 that what came before has a place, too.
fn place(sequence: u32) -> u64 {
    1 << 32 | u64::from(sequence)
}

fn low(place: u64) -> u32 {
    u32::try_from(place & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rest(order: &mut Order, all: bool) -> Vec<u8> {
        std::iter::from_fn(|| order.pull(all))
            .flat_map(|(_, octets)| octets)
            .collect()
    }

    #[test]
    fn what_is_missing_is_waited_for_and_then_told() {
        let mut order = Order::at(u32::MAX);
        order.put(1, 2, b"cd");
        assert_eq!(order.pull(false), None);
        order.put(u32::MAX, 3, b"ab");
        // Sent again, and a part of it.
        order.put(u32::MAX, 4, b"abc");
        order.put(0, 5, b"b");
        assert_eq!(rest(&mut order, false), b"abcd");
        order.put(5, 6, b"g");
        assert_eq!(rest(&mut order, false), b"");
        assert!(!order.torn);
        assert_eq!(rest(&mut order, true), b"g");
        assert!(order.torn);
    }

    proptest! {
        #[test]
        fn any_order_of_segments_gives_the_stream(
            first in any::<u32>(),
            mut parts in proptest::collection::vec((0usize..200, 1usize..60), 0..40),
        ) {
            let stream: Vec<u8> = (0..200u8).collect();
            for start in (0..200).step_by(20) {
                parts.push((start, 20));
            }
            let mut order = Order::at(first);
            let mut read = Vec::new();
            for (packet, (start, length)) in (1..).zip(parts) {
                let end = (start + length).min(stream.len());
                let sequence = first.wrapping_add(u32::try_from(start).unwrap());
                order.put(sequence, packet, &stream[start..end]);
                read.extend(rest(&mut order, false));
            }
            prop_assert_eq!(read, stream);
            prop_assert!(!order.torn && order.held == 0);
        }
    }
}
