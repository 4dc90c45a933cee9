//! A device that speaks with a meter through a tunnel (Smart Energy 07-5356 19, annex D.6).

use han::{Record, Value};

/// Octets that it takes at once.
const ROOM: u16 = 40;

/// The client's side of a tunnel.
#[derive(Clone, Debug, Default)]
pub struct Tunnel {
    /// What it says once the tunnel is open.
    pub says: Vec<u8>,
    /// It acknowledges each transfer, and wants that of the other.
    pub flow_control: bool,
    /// It is asked for as this protocol.
    pub protocol: u8,
    /// It closes the tunnel once it has heard so many octets; 0 leaves it open.
    pub closes_after: usize,
    /// Its number.
    pub id: Option<u16>,
    /// Why it got none.
    pub refused: Option<u8>,
    /// What it has heard.
    pub heard: Vec<u8>,
    /// The other end has closed it, or knows it no more.
    pub closed: bool,
    /// The protocols that there are, once it has asked.
    pub protocols: Option<Vec<u8>>,
    /// It has asked.
    pub asked: bool,
    /// How much of it was said.
    pub said: usize,
}

impl Tunnel {
    pub(super) fn as_new(&self) -> Self {
        Self {
            says: self.says.clone(),
            flow_control: self.flow_control,
            protocol: self.protocol,
            closes_after: self.closes_after,
            ..Self::default()
        }
    }

    /// What it asks of its own accord.
    pub(super) fn pass(&mut self) -> Vec<(u8, Record)> {
        if std::mem::replace(&mut self.asked, true) {
            return Vec::new();
        }
        let request = Record::new()
            .with("protocol_id", Value::Unsigned(self.protocol.into()))
            .with("manufacturer", Value::id16(0xFFFF))
            .with("flow_control", Value::Bool(self.flow_control))
            .with(
                "maximum_incoming_transfer_size",
                Value::Unsigned(ROOM.into()),
            );
        let protocols = Record::new().with("protocol_offset", Value::Unsigned(0));
        vec![(0x06, protocols), (0x00, request)]
    }

    /// Takes a command of the cluster.
    pub(super) fn take(&mut self, command: u8, fields: &Record) -> Vec<(u8, Record)> {
        let number = |name: &str| u16::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0);
        match command {
            0x00 if number("tunnel_status") == 0 => {
                self.id = Some(number("tunnel_id"));
                self.say()
            }
            0x00 => {
                self.refused = u8::try_from(number("tunnel_status")).ok();
                Vec::new()
            }
            0x01 => {
                if let Some(Value::Octets(octets)) = fields.field("data") {
                    self.heard.extend(octets);
                }
                let ends = self.closes_after > 0 && self.heard.len() >= self.closes_after;
                if ends {
                    return vec![(0x01, self.named())];
                }
                let room = Value::Unsigned(ROOM.into());
                let left = self.named().with("number_of_octets_left", room);
                let is_told = self.flow_control;
                is_told.then_some((0x04, left)).into_iter().collect()
            }
            0x03 => self.say(),
            0x05 => {
                let list = match fields.field("protocols") {
                    Some(Value::List(list)) => list.as_slice(),
                    _ => &[],
                };
                let protocol = |one: &Value| match one {
                    Value::Record(one) => u8::try_from(one.number("protocol_id")?).ok(),
                    _ => None,
                };
                self.protocols = Some(list.iter().filter_map(protocol).collect());
                Vec::new()
            }
            0x02 | 0x06 => {
                self.closed = true;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The next piece; with flow control one after the other.
    fn say(&mut self) -> Vec<(u8, Record)> {
        let mut out = Vec::new();
        while let Some(piece) = self.says.get(self.said..).filter(|rest| !rest.is_empty()) {
            let piece = piece
                .get(..piece.len().min(60))
                .unwrap_or_default()
                .to_vec();
            self.said += piece.len();
            out.push((0x02, self.named().with("data", Value::Octets(piece))));
            if self.flow_control {
                break;
            }
        }
        out
    }

    fn named(&self) -> Record {
        let id = self.id.unwrap_or(u16::MAX);
        Record::new().with("tunnel_id", Value::Unsigned(id.into()))
    }
}
