//! Tunnels (annex D.6): a device of the network speaks a meter's own protocol with whoever the
//! caller lets it reach; here its octets are carried, not read.

use std::collections::{BTreeMap, VecDeque};

use super::{Event, Made, TUNNELING, number32};
use crate::value::{Record, Value};

/// Tunnels at once.
const TUNNELS: usize = 2;
/// A tunnel in which nothing passes for so many seconds is closed.
pub(super) const TIMEOUT_S: u32 = 300;
/// Octets of one message: what is not fragmented.
const AT_ONCE: usize = 60;
/// Messages at once; what is left follows with what comes back, or a second later.
const BURST: usize = 8;
/// Octets that wait for a device at most; a device that does not take them is hung up on.
const WAITING: usize = 8192;
/// Statuses of a tunnel, and of a transfer.
const BUSY: u8 = 0x01;
const NO_MORE: u8 = 0x02;
const NO_PROTOCOL: u8 = 0x03;
const NO_TUNNEL: u8 = 0x00;
const WRONG_DEVICE: u8 = 0x01;
/// Whose protocol it is: nobody's own.
const NOBODY: u16 = 0xFFFF;

#[derive(Debug)]
struct Tunnel {
    ieee: u64,
    /// When something passed last.
    last: u32,
    /// Whether each transfer is acknowledged.
    flow_control: bool,
    /// So many octets the device still takes; without flow control any.
    room: usize,
    out: VecDeque<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Tunnels {
    protocol: Option<u8>,
    open: BTreeMap<u16, Tunnel>,
    next: u16,
}

/// What follows from a message: answers, and what has happened.
pub(super) type Taken = (Vec<(u8, Record)>, Vec<Event>);

impl Tunnels {
    /// Lets devices have tunnels of this protocol, or none.
    pub(super) fn offer(&mut self, protocol: Option<u8>) {
        self.protocol = protocol;
    }

    /// Takes a message; `None` when it is no command of the cluster.
    pub(super) fn take(
        &mut self,
        ieee: u64,
        command: u8,
        fields: &Record,
        now: u32,
    ) -> Option<Taken> {
        let id = u16::try_from(number32(fields, "tunnel_id")).unwrap_or(u16::MAX);
        Some(match command {
            0x00 => self.request(ieee, fields, now),
            0x06 => (vec![(0x05, self.protocols(fields))], Vec::new()),
            0x01..=0x05 => match self.owner(ieee, id) {
                // An error or an acknowledgement is answered by nothing, or two would go on for ever.
                Err(status) => {
                    let told = (command <= 0x02).then(|| (0x02, error(id, status)));
                    (told.into_iter().collect(), Vec::new())
                }
                Ok(()) => self.take_open(id, command, fields, now),
            },
            _ => return None,
        })
    }

    fn owner(&self, ieee: u64, id: u16) -> Result<(), u8> {
        match self.open.get(&id) {
            None => Err(NO_TUNNEL),
            Some(tunnel) if tunnel.ieee != ieee => Err(WRONG_DEVICE),
            Some(_) => Ok(()),
        }
    }

    fn request(&mut self, ieee: u64, fields: &Record, now: u32) -> Taken {
        let asked = fields.number("protocol_id");
        let is_known = asked.is_some() && asked == self.protocol.map(u64::from);
        let has_one = self.open.values().any(|tunnel| tunnel.ieee == ieee);
        let status = if !is_known || fields.number("manufacturer") != Some(NOBODY.into()) {
            NO_PROTOCOL
        } else if has_one {
            BUSY
        } else if self.open.len() >= TUNNELS {
            NO_MORE
        } else {
            0
        };
        let mut id = u16::MAX;
        let mut events = Vec::new();
        if status == 0 {
            // FFFF is no tunnel.
            loop {
                self.next = (self.next + 1) % u16::MAX;
                if !self.open.contains_key(&self.next) {
                    break;
                }
            }
            id = self.next;
            let size = number32(fields, "maximum_incoming_transfer_size");
            let flow_control = fields.number("flow_control") == Some(1);
            let room = usize::try_from(size).unwrap_or(0);
            let tunnel = Tunnel {
                ieee,
                last: now,
                flow_control,
                room,
                out: VecDeque::new(),
            };
            self.open.insert(id, tunnel);
            events.push(Event::TunnelOpened { ieee, tunnel: id });
        }
        let answer = Record::new()
            .with("tunnel_id", Value::Unsigned(id.into()))
            .with("tunnel_status", Value::Unsigned(status.into()))
            .with(
                "maximum_incoming_transfer_size",
                Value::Unsigned(AT_ONCE as u64),
            );
        (vec![(0x00, answer)], events)
    }

    fn protocols(&self, fields: &Record) -> Record {
        let skipped = number32(fields, "protocol_offset");
        let known = self.protocol.filter(|_| skipped == 0);
        let entry = |protocol: u8| {
            let entry = Record::new()
                .with("manufacturer", Value::id16(NOBODY))
                .with("protocol_id", Value::Unsigned(protocol.into()));
            Value::Record(entry)
        };
        let list: Vec<Value> = known.into_iter().map(entry).collect();
        Record::new()
            .with("list_complete", Value::Bool(true))
            .with("protocol_count", Value::Unsigned(list.len() as u64))
            .with("protocols", Value::List(list))
    }

    fn take_open(&mut self, id: u16, command: u8, fields: &Record, now: u32) -> Taken {
        let none = (Vec::new(), Vec::new());
        let Some(tunnel) = self.open.get_mut(&id) else {
            return none;
        };
        tunnel.last = now;
        match (command, fields.field("data")) {
            (0x01, _) => {
                self.open.remove(&id);
                (Vec::new(), vec![Event::TunnelClosed { tunnel: id }])
            }
            (0x02, Some(Value::Octets(data))) => {
                let mut answers = Vec::new();
                if tunnel.flow_control {
                    answers.push((0x03, octets_left(id, AT_ONCE)));
                }
                answers.extend(tunnel.send(id));
                let event = Event::TunnelData {
                    tunnel: id,
                    octets: data.clone(),
                };
                (answers, vec![event])
            }
            // It takes so many more octets.
            (0x04 | 0x05, _) => {
                let room = number32(fields, "number_of_octets_left");
                tunnel.room = usize::try_from(room).unwrap_or(0);
                (tunnel.send(id), Vec::new())
            }
            // What was sent is lost at the device: what follows would make no sense.
            _ => {
                self.open.remove(&id);
                (Vec::new(), vec![Event::TunnelClosed { tunnel: id }])
            }
        }
    }

    /// Octets for the device of a tunnel; false when there is no such tunnel any more.
    pub(super) fn send(&mut self, id: u16, octets: &[u8], now: u32) -> (bool, Vec<Made>) {
        let Some(tunnel) = self.open.get_mut(&id) else {
            return (false, Vec::new());
        };
        if tunnel.out.len() + octets.len() > WAITING {
            return (false, self.close(id));
        }
        tunnel.last = now;
        tunnel.out.extend(octets);
        let ieee = tunnel.ieee;
        (true, made(ieee, tunnel.send(id)))
    }

    /// Closes a tunnel from here, and says so.
    pub(super) fn close(&mut self, id: u16) -> Vec<Made> {
        let closed = self.open.remove(&id);
        let fields = Record::new().with("tunnel_id", Value::Unsigned(id.into()));
        let ieee = closed.map(|tunnel| tunnel.ieee);
        ieee.map_or_else(Vec::new, |ieee| made(ieee, vec![(0x06, fields)]))
    }

    /// What waits goes on, and what is silent is closed.
    pub(super) fn pass(&mut self, now: u32) -> (Vec<Made>, Vec<Event>) {
        let (mut out, mut events) = (Vec::new(), Vec::new());
        let is_silent =
            |(_, tunnel): &(&u16, &Tunnel)| now >= tunnel.last.saturating_add(TIMEOUT_S);
        let silent: Vec<u16> = self
            .open
            .iter()
            .filter(is_silent)
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            out.extend(self.close(id));
            events.push(Event::TunnelClosed { tunnel: id });
        }
        for (id, tunnel) in &mut self.open {
            let said = tunnel.send(*id);
            out.extend(made(tunnel.ieee, said));
        }
        (out, events)
    }

    /// The tunnels of a device are no more.
    pub(super) fn part(&mut self, ieee: u64) -> Vec<Event> {
        let mut events = Vec::new();
        self.open.retain(|id, tunnel| {
            if tunnel.ieee == ieee {
                events.push(Event::TunnelClosed { tunnel: *id });
            }
            tunnel.ieee != ieee
        });
        events
    }
}

impl Tunnel {
    /// As much of what waits as the device takes.
    fn send(&mut self, id: u16) -> Vec<(u8, Record)> {
        let mut said = Vec::new();
        for _ in 0..BURST {
            let room = if self.flow_control {
                self.room
            } else {
                AT_ONCE
            };
            let length = self.out.len().min(room).min(AT_ONCE);
            if length == 0 {
                break;
            }
            let octets: Vec<u8> = self.out.drain(..length).collect();
            if self.flow_control {
                // The acknowledgement says how much more it takes.
                self.room = 0;
            }
            let fields = Record::new()
                .with("tunnel_id", Value::Unsigned(id.into()))
                .with("data", Value::Octets(octets));
            said.push((0x01, fields));
        }
        said
    }
}

fn made(ieee: u64, said: Vec<(u8, Record)>) -> Vec<Made> {
    let made = said.into_iter().map(|(command, fields)| Made {
        ieee,
        cluster: TUNNELING,
        command,
        fields,
    });
    made.collect()
}

fn error(id: u16, status: u8) -> Record {
    Record::new()
        .with("tunnel_id", Value::Unsigned(id.into()))
        .with("transfer_data_status", Value::Unsigned(status.into()))
}

fn octets_left(id: u16, octets: usize) -> Record {
    Record::new()
        .with("tunnel_id", Value::Unsigned(id.into()))
        .with("number_of_octets_left", Value::Unsigned(octets as u64))
}
