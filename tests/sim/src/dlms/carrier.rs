//! The server's side of HDLC (IEC 62056-46, 6.4.4) and of the wrapper.

use std::collections::VecDeque;

use meter_link::dlms::hdlc::{
    Address, Control, Frame, LLC_RESPONSE, Parameters, Splitter, encode, split_llc,
};
use meter_link::dlms::wrapper;

use super::meter::Meter;

/// A meter over the wrapper.
pub(super) struct Wrapper {
    splitter: wrapper::Splitter,
    meter: Meter,
}

impl Wrapper {
    pub(super) fn new(meter: Meter) -> Self {
        Self {
            splitter: wrapper::Splitter::new(),
            meter,
        }
    }

    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut input = bytes;
        let mut out = Vec::new();
        while let Some(heard) = self.splitter.pull(&mut input) {
            let client = u8::try_from(heard.source).unwrap_or(0);
            let answer = wrapper::Datagram {
                source: heard.destination,
                destination: heard.source,
                apdu: self.meter.hear(client, &heard.apdu),
            };
            out.extend(answer.to_bytes().unwrap_or_default());
        }
        out
    }
}

/// A meter over HDLC.
pub(super) struct Hdlc {
    splitter: Splitter,
    meter: Meter,
    connected: bool,
    agreed: Parameters,
    send: u8,
    receive: u8,
    incoming: Vec<u8>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Hdlc {
    pub(super) fn new(meter: Meter) -> Self {
        Self {
            splitter: Splitter::new(),
            meter,
            connected: false,
            agreed: Parameters::default(),
            send: 0,
            receive: 0,
            incoming: Vec::new(),
            outgoing: VecDeque::new(),
        }
    }

    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut input = bytes;
        let mut out = Vec::new();
        while let Some(piece) = self.splitter.pull(&mut input) {
            let frame = piece.frame().and_then(|bytes| Frame::parse(bytes).ok());
            if let Some(frame) = frame.filter(Frame::fcs_ok) {
                self.frame(&frame, &mut out);
            }
        }
        out
    }

    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        let (Some(own), Some(client)) = (
            Address::from_bytes(frame.destination()),
            Address::from_bytes(frame.source()),
        ) else {
            return;
        };
        if own.logical() != self.meter.config().logical {
            return;
        }
        let say = |control, segmented, information: &[u8]| {
            encode(&client, &own, control, segmented, information).unwrap_or_default()
        };
        match frame.control() {
            Control::Snrm { .. } => {
                let peer = Parameters::from_information(frame.information()).unwrap_or_default();
                let config = self.meter.config();
                let own = Parameters {
                    max_info_transmit: config.frame,
                    max_info_receive: config.frame,
                    window_transmit: config.window,
                    window_receive: config.window,
                };
                self.agreed = own.agreed(peer);
                (self.connected, self.send, self.receive) = (true, 0, 0);
                self.incoming.clear();
                self.outgoing.clear();
                self.meter.reset();
                out.extend(say(
                    Control::Ua { poll: true },
                    false,
                    &own.to_information(),
                ));
            }
            Control::Disc { .. } if self.connected => {
                self.connected = false;
                out.extend(say(Control::Ua { poll: true }, false, &[]));
            }
            _ if !self.connected => out.extend(say(Control::Dm { poll: true }, false, &[])),
            Control::Information {
                send,
                receive,
                poll,
            } => {
                self.acknowledged(receive);
                if send == self.receive {
                    self.receive = (send + 1) & 7;
                    self.incoming.extend(frame.information());
                    if !frame.segmented() {
                        self.message(u8::try_from(client.logical()).unwrap_or(0));
                    }
                }
                if poll {
                    self.turn(say, out);
                }
            }
            Control::ReceiveReady { receive, poll } => {
                self.acknowledged(receive);
                if poll {
                    self.turn(say, out);
                }
            }
            _ => {}
        }
    }

    fn message(&mut self, client: u8) {
        let information = std::mem::take(&mut self.incoming);
        let (_, apdu) = split_llc(&information);
        let answer = [&LLC_RESPONSE, &self.meter.hear(client, apdu)[..]].concat();
        let size = usize::from(self.agreed.max_info_transmit).max(1);
        self.outgoing = answer.chunks(size).map(<[u8]>::to_vec).collect();
    }

    fn acknowledged(&mut self, receive: u8) {
        let count = usize::from(receive.wrapping_sub(self.send) & 7);
        if count <= self.outgoing.len() {
            self.outgoing.drain(..count);
            self.send = receive;
        }
    }

    fn turn(&self, say: impl Fn(Control, bool, &[u8]) -> Vec<u8>, out: &mut Vec<u8>) {
        let receive = self.receive;
        let count = usize::from(self.agreed.window_transmit).min(self.outgoing.len());
        if count == 0 {
            let poll = true;
            out.extend(say(Control::ReceiveReady { receive, poll }, false, &[]));
        }
        let pieces = self.outgoing.iter().take(count).enumerate();
        for ((index, piece), number) in pieces.zip(0u8..) {
            let control = Control::Information {
                send: (self.send + number) & 7,
                receive,
                poll: index + 1 == count,
            };
            out.extend(say(control, index + 1 < self.outgoing.len(), piece));
        }
    }
}
