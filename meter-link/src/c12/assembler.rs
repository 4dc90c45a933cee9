//! Messages out of packets: several packets put together, repeated ones dropped (C12.18, clause
//! 5.2.4 and 5.2.6).

use super::packet::Packet;

/// Octets of the longest message; longer ones are refused.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// What a packet brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// More packets of the message are due.
    Incomplete,
    /// The whole message.
    Message(Vec<u8>),
    /// The packet came before; it is to be acknowledged and nothing else.
    Duplicate,
    /// The packet does not follow the one before it, or the message is too long; its message is
    /// lost.
    OutOfSequence,
}

/// The packets of one side.
///
/// A packet is a repetition when its toggle bit and its CRC are those of the packet before it and
/// its sender has not acknowledged anything in between: whoever accepts the next message has
/// seen the acknowledgement of its own. That holds for devices, too, whose toggle bit stands still.
#[derive(Debug, Default)]
pub struct Assembler {
    message: Vec<u8>,
    /// Sequence number of the packet that is due; `None` between messages.
    due: Option<u8>,
    last: Option<(bool, u16)>,
}

impl Assembler {
    /// Begins anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes note that the sender of these packets acknowledged one of ours.
    pub const fn peer_acknowledged(&mut self) {
        self.last = None;
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.due.is_some()
    }

    /// Gives up a message that has begun; true when there was one.
    pub fn abandon(&mut self) -> bool {
        self.message.clear();
        self.due.take().is_some()
    }

    /// Takes a packet whose CRC, `crc`, is right.
    pub fn push(&mut self, packet: &Packet, crc: u16) -> Outcome {
        let seen = (packet.toggle(), crc);
        if self.last == Some(seen) {
            return Outcome::Duplicate;
        }
        self.last = Some(seen);
        let several = packet.is_multiple() || packet.sequence > 0;
        let fits = match self.due {
            None => !packet.is_multiple() || packet.is_first(),
            Some(due) => several && !packet.is_first() && packet.sequence == due,
        };
        if !fits && self.due.is_some() {
            // The message in hand is lost; a new one may begin with this packet.
            self.abandon();
            if several && !packet.is_first() {
                return Outcome::OutOfSequence;
            }
        } else if !fits {
            return Outcome::OutOfSequence;
        }
        if self.message.len() + packet.data.len() > MAX_MESSAGE {
            self.abandon();
            return Outcome::OutOfSequence;
        }
        self.message.extend_from_slice(&packet.data);
        self.due = packet.sequence.checked_sub(1);
        if self.due.is_some() {
            return Outcome::Incomplete;
        }
        Outcome::Message(std::mem::take(&mut self.message))
    }
}

/// Cuts a message into packets of at most `size` octets each, header and CRC included. The toggle
/// bit of the first is `toggle`. `None` when it takes more than 256 packets.
#[must_use]
pub fn packets(message: &[u8], size: usize, identity: u8, toggle: bool) -> Option<Vec<Packet>> {
    let room = size.saturating_sub(super::packet::OVERHEAD).max(1);
    let parts: Vec<&[u8]> = if message.is_empty() {
        vec![message]
    } else {
        message.chunks(room).collect()
    };
    let several = parts.len() > 1;
    let mut left = u8::try_from(parts.len() - 1).ok()?;
    let mut packets = Vec::with_capacity(parts.len());
    let mut toggle = toggle;
    for (index, part) in parts.into_iter().enumerate() {
        let mut control = if toggle { Packet::TOGGLE } else { 0 };
        if several {
            control |= Packet::MULTIPLE;
        }
        if several && index == 0 {
            control |= Packet::FIRST;
        }
        packets.push(Packet {
            identity,
            control,
            sequence: left,
            data: part.to_vec(),
        });
        left = left.saturating_sub(1);
        toggle = !toggle;
    }
    Some(packets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc;

    fn crc_of(packet: &Packet) -> u16 {
        let bytes = packet.to_bytes();
        crc::x25(&bytes[..bytes.len() - 2])
    }

    #[test]
    fn several_packets_are_one_message() {
        let message: Vec<u8> = (0..=255).cycle().take(700).collect();
        let parts = packets(&message, 64, 0, true).unwrap();
        assert_eq!(parts.len(), 13);
        assert_eq!((parts[0].control, parts[0].sequence), (0xE0, 12));
        assert_eq!((parts[1].control, parts[1].sequence), (0x80, 11));
        let mut assembler = Assembler::default();
        let mut whole = None;
        for part in &parts {
            match assembler.push(part, crc_of(part)) {
                Outcome::Incomplete => {}
                Outcome::Message(found) => whole = Some(found),
                other => panic!("{other:?}"),
            }
            // The acknowledgement was lost, and the packet comes again.
            assert_eq!(assembler.push(part, crc_of(part)), Outcome::Duplicate);
        }
        assert_eq!(whole.unwrap(), message);
    }

    #[test]
    fn a_missing_packet_costs_its_message_only() {
        let parts = packets(&[7; 200], 64, 0, false).unwrap();
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(&parts[0], 1), Outcome::Incomplete);
        assert_eq!(assembler.push(&parts[2], 2), Outcome::OutOfSequence);
        assert_eq!(assembler.push(&parts[3], 3), Outcome::OutOfSequence);
        let single = packets(&[9], 64, 0, false).unwrap().remove(0);
        assert_eq!(assembler.push(&single, 4), Outcome::Message(vec![9]));
    }

    #[test]
    fn the_same_answer_to_two_requests_is_no_duplicate() {
        let ok = packets(&[0], 64, 0, false).unwrap().remove(0);
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(&ok, 5), Outcome::Message(vec![0]));
        assert_eq!(assembler.push(&ok, 5), Outcome::Duplicate);
        assembler.peer_acknowledged();
        assert_eq!(assembler.push(&ok, 5), Outcome::Message(vec![0]));
    }
}
