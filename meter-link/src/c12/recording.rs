//! Requests and their answers out of a recorded session: both directions of a line, packet by
//! packet. Retries, refused packets and repetitions are put aside.

use super::assembler::{Assembler, Outcome};
use super::packet::{Element, Event, Packet, Splitter};
use super::service::{Request, ResponseCode};

/// Who sent octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The reader.
    Host,
    /// The device.
    Meter,
}

/// Why a stretch of a recording gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A packet's CRC is wrong and it did not come again.
    #[error("the CRC of a packet is wrong")]
    Crc,
    /// A packet or a message ends too early.
    #[error("a packet or a message ends before its declared end")]
    Truncated,
    /// A request has no answer.
    #[error("the request was not answered")]
    NoAnswer,
    /// A packet does not follow the one before it.
    #[error("a packet of the message is missing")]
    Sequence,
    /// Octets that belong to no packet.
    #[error("these octets belong to no packet")]
    Noise,
    /// An answer to nothing, or an empty message.
    #[error("an answer without a request, or a message without a service")]
    Stray,
}

/// What a recording holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A request and its answer.
    Exchange {
        /// What was asked.
        request: Request,
        /// The answer's code.
        code: ResponseCode,
        /// What followed the code.
        payload: Vec<u8>,
    },
    /// A request that was not answered, or not rightly.
    Unanswered {
        /// What was asked.
        request: Request,
        /// Why there is no answer.
        fault: Fault,
    },
    /// A stretch that is neither.
    Rejected(Fault),
}

/// An item and its place in the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Place of its first octet, both directions counted together.
    pub offset: u64,
    /// Octets from there to its last, those of the other direction included.
    pub length: u64,
    /// What it is.
    pub item: Item,
}

#[derive(Debug, Default)]
struct Side {
    splitter: Splitter,
    assembler: Assembler,
    /// Place of the splitter's octets in the recording: its own place, and the recording's.
    runs: Vec<(u64, u64)>,
    given: u64,
    /// A packet was wrong and has not come again: its place.
    broken: Option<(u64, u64)>,
}

impl Side {
    /// Place in the recording of an octet of this side.
    fn place(&self, own: u64) -> u64 {
        let run = self.runs.iter().rev().find(|(start, _)| *start <= own);
        run.map_or(own, |(start, place)| place + (own - start))
    }
}

/// A recorded session.
#[derive(Debug, Default)]
pub struct Recording {
    host: Side,
    meter: Side,
    /// Octets of both directions, where nobody says whose they are.
    tap: Splitter,
    speaking: Option<Direction>,
    offset: u64,
    /// The request that waits for its answer, and its place.
    asked: Option<(Request, u64, u64)>,
    found: Vec<Found>,
}

impl Recording {
    /// An empty recording.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets in the order recorded and gives what they complete.
    pub fn push(&mut self, from: Direction, octets: &[u8]) -> Vec<Found> {
        if octets.is_empty() {
            return Vec::new();
        }
        if self
            .speaking
            .replace(from)
            .is_some_and(|before| before != from)
        {
            // The line is half duplex: who had not finished will not.
            self.flush(other(from));
        }
        let start = self.offset;
        self.offset += octets.len() as u64;
        let side = self.side(from);
        if side.splitter.is_empty() {
            side.runs.clear();
        }
        side.runs.push((side.given, start));
        side.given += octets.len() as u64;
        let mut input = octets;
        while let Some(event) = self.side(from).splitter.pull(&mut input) {
            self.take(from, event);
        }
        std::mem::take(&mut self.found)
    }

    /// Takes octets of both directions in turn, as a tap on an optical line hears them. Whoever
    /// sends the code of a request is the reader; acknowledgements are the other side's.
    pub fn push_undirected(&mut self, octets: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        let mut input = octets;
        while let Some(event) = self.tap.pull(&mut input) {
            found.extend(self.undirected(event));
        }
        found
    }

    fn undirected(&mut self, event: Event) -> Vec<Found> {
        let speaking = self.speaking.unwrap_or(Direction::Host);
        let from = match &event.element {
            Element::Packet(packet, _) if !self.side(speaking).assembler.is_open() => {
                match packet.data.first() {
                    Some(code) if ResponseCode::is_response(*code) => Direction::Meter,
                    _ => Direction::Host,
                }
            }
            Element::Packet(..) => speaking,
            _ => {
                // Neither ends what the one who speaks has begun.
                let from = if matches!(event.element, Element::Ack | Element::Nak) {
                    other(speaking)
                } else {
                    speaking
                };
                self.offset = event.offset + event.length;
                self.take_at(from, event.offset, event.length, event.element);
                return std::mem::take(&mut self.found);
            }
        };
        self.speaking = Some(from);
        self.offset = event.offset + event.length;
        self.take_at(from, event.offset, event.length, event.element);
        std::mem::take(&mut self.found)
    }

    /// Octets taken so far.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the end of the recording.
    pub fn finish(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        while let Some(event) = self.tap.flush() {
            found.extend(self.undirected(event));
        }
        self.found.splice(0..0, found);
        self.flush(Direction::Host);
        self.flush(Direction::Meter);
        for from in [Direction::Host, Direction::Meter] {
            self.give_up(from);
        }
        if let Some((request, offset, length)) = self.asked.take() {
            let fault = Fault::NoAnswer;
            self.tell(offset, length, Item::Unanswered { request, fault });
        }
        std::mem::take(&mut self.found)
    }

    fn side(&mut self, from: Direction) -> &mut Side {
        match from {
            Direction::Host => &mut self.host,
            Direction::Meter => &mut self.meter,
        }
    }

    fn tell(&mut self, offset: u64, length: u64, item: Item) {
        self.found.push(Found {
            offset,
            length,
            item,
        });
    }

    fn flush(&mut self, from: Direction) {
        while let Some(event) = self.side(from).splitter.flush() {
            self.take(from, event);
        }
    }

    /// A wrong packet was not mended by a repetition.
    fn give_up(&mut self, from: Direction) {
        if let Some((offset, length)) = self.side(from).broken.take() {
            self.unanswered_or(Fault::Crc, offset, length, from);
        }
        if self.side(from).assembler.abandon() {
            let (offset, length) = (self.offset, 0);
            self.unanswered_or(Fault::Truncated, offset, length, from);
        }
    }

    fn take(&mut self, from: Direction, event: Event) {
        let offset = self.side(from).place(event.offset);
        self.take_at(from, offset, event.length, event.element);
    }

    fn take_at(&mut self, from: Direction, offset: u64, length: u64, element: Element) {
        match element {
            Element::Ack => self.side(from).assembler.peer_acknowledged(),
            Element::Nak => {}
            Element::Noise => self.tell(offset, length, Item::Rejected(Fault::Noise)),
            Element::Truncated => self.unanswered_or(Fault::Truncated, offset, length, from),
            Element::BadCrc => self.side(from).broken = Some((offset, length)),
            Element::Packet(packet, crc) => self.packet(from, &packet, crc, offset, length),
        }
    }

    fn packet(&mut self, from: Direction, packet: &Packet, crc: u16, offset: u64, length: u64) {
        let side = self.side(from);
        // The right one comes next when a wrong one was refused.
        side.broken = None;
        match side.assembler.push(packet, crc) {
            Outcome::Duplicate | Outcome::Incomplete => {}
            Outcome::OutOfSequence => self.unanswered_or(Fault::Sequence, offset, length, from),
            Outcome::Message(message) => match from {
                Direction::Host => self.asked(&message, offset, length),
                Direction::Meter => self.answered(&message, offset, length),
            },
        }
    }

    fn asked(&mut self, message: &[u8], offset: u64, length: u64) {
        self.give_up(Direction::Meter);
        if let Some((request, offset, length)) = self.asked.take() {
            let fault = Fault::NoAnswer;
            self.tell(offset, length, Item::Unanswered { request, fault });
        }
        match Request::parse(message) {
            Some(request) => self.asked = Some((request, offset, length)),
            None => self.tell(offset, length, Item::Rejected(Fault::Stray)),
        }
    }

    fn answered(&mut self, message: &[u8], offset: u64, length: u64) {
        let Some((request, start, _)) = self.asked.take() else {
            return self.tell(offset, length, Item::Rejected(Fault::Stray));
        };
        let total = (offset + length).saturating_sub(start);
        let item = match message.split_first() {
            Some((code, payload)) => Item::Exchange {
                request,
                code: ResponseCode(*code),
                payload: payload.to_vec(),
            },
            None => Item::Unanswered {
                request,
                fault: Fault::Stray,
            },
        };
        self.tell(start, total, item);
    }

    /// A fault of the meter's costs the request its answer; one of the host's stands alone.
    fn unanswered_or(&mut self, fault: Fault, offset: u64, length: u64, from: Direction) {
        match (from, self.asked.take()) {
            (Direction::Meter, Some((request, start, _))) => {
                let total = (offset + length).saturating_sub(start);
                self.tell(start, total, Item::Unanswered { request, fault });
            }
            (_, asked) => {
                self.asked = asked;
                self.tell(offset, length, Item::Rejected(fault));
            }
        }
    }
}

const fn other(direction: Direction) -> Direction {
    match direction {
        Direction::Host => Direction::Meter,
        Direction::Meter => Direction::Host,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::c12::assembler::packets;

    fn packet(message: &[u8], toggle: bool) -> Vec<u8> {
        packets(message, 512, 0, toggle)
            .unwrap()
            .remove(0)
            .to_bytes()
    }

    fn play(session: &[(Direction, Vec<u8>)]) -> Vec<Item> {
        let mut recording = Recording::new();
        let mut found = Vec::new();
        for (from, octets) in session {
            found.extend(recording.push(*from, octets));
        }
        found.extend(recording.finish());
        found.into_iter().map(|found| found.item).collect()
    }

    fn exchange(request: Request, payload: &[u8]) -> Item {
        Item::Exchange {
            request,
            code: ResponseCode::OK,
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn retries_refusals_and_repetitions() {
        use Direction::{Host, Meter};
        let ask = packet(&[0x20], false);
        let answer = packet(&[0, 0, 1, 0, 0], false);
        let mut broken = answer.clone();
        broken[7] ^= 4;
        let mut long = Vec::new();
        for part in packets(&[0; 100], 64, 0, true).unwrap() {
            long.push((Meter, part.to_bytes()));
            long.push((Host, vec![6]));
        }
        let mut session = vec![
            (Host, ask.clone()),
            (Meter, vec![0x15]),
            (Host, ask),
            (Meter, vec![6]),
            (Meter, broken.clone()),
            (Host, vec![0x15]),
            (Meter, answer.clone()),
            // The acknowledgement got lost.
            (Meter, answer.clone()),
            (Host, vec![6]),
            (Host, packet(&[0x30, 0, 0], true)),
            (Meter, vec![6]),
        ];
        session.extend(long);
        session.extend([
            (Host, packet(&[0x21], false)),
            (Meter, vec![6]),
            (Meter, broken),
        ]);
        assert_eq!(
            play(&session),
            [
                exchange(Request::Identify, &[0, 1, 0, 0]),
                exchange(Request::Read { table: 0 }, &[0; 99]),
                Item::Unanswered {
                    request: Request::Terminate,
                    fault: Fault::Crc
                },
            ]
        );
    }

    #[test]
    fn noise_keeps_its_place() {
        use Direction::{Host, Meter};
        let mut recording = Recording::new();
        let ask = packet(&[0x20], false);
        assert_eq!(recording.push(Host, &ask), []);
        assert_eq!(recording.push(Meter, &[0x16]), []);
        let found = recording.push(Meter, &packet(&[0, 0, 1, 0, 0], false));
        let places: Vec<_> = found
            .iter()
            .map(|found| (found.offset, found.length))
            .collect();
        assert_eq!(places, [(9, 1), (0, 23)]);
        assert_eq!(found[0].item, Item::Rejected(Fault::Noise));
    }

    #[test]
    fn what_is_missing_is_told() {
        use Direction::{Host, Meter};
        let ask = packet(&[0x30, 0, 1], false);
        let parts = packets(&[0; 200], 64, 0, false).unwrap();
        let found = play(&[
            (Host, ask.clone()),
            (Meter, parts[0].to_bytes()),
            (Meter, parts[2].to_bytes()),
            (Host, vec![0xAA; 3]),
            (Host, packet(&[0x21], true)),
            (Meter, parts[3].to_bytes()[..9].to_vec()),
            (Host, ask),
        ]);
        let read = Request::Read { table: 1 };
        assert!(
            matches!(&found[0], Item::Unanswered { request, fault: Fault::Sequence } if *request == read)
        );
        assert_eq!(found[1], Item::Rejected(Fault::Noise));
        assert!(matches!(
            &found[2],
            Item::Unanswered {
                request: Request::Terminate,
                fault: Fault::Truncated
            }
        ));
        assert!(
            matches!(&found[3], Item::Unanswered { request, fault: Fault::NoAnswer } if *request == read)
        );
        assert_eq!(found.len(), 4);
    }

    proptest! {
        #[test]
        fn any_octets_never_panic(runs in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80)), 0..20)) {
            let session: Vec<_> = runs
                .into_iter()
                .map(|(host, octets)| (if host { Direction::Host } else { Direction::Meter }, octets))
                .collect();
            drop(play(&session));
        }
    }
}
