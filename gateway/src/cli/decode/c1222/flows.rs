//! Messages of C12.22 out of captured packets: datagrams, and streams put together.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, NetSlice, SlicedPacket, TransportSlice};
use meter_link::c12::net::{Element, Event, Keys, PORT, Reassembler, Splitter};

use super::super::capture::Packet;
use super::super::output::{Object, Output};
use super::message::{message, rejected};
use super::order::Order;
use super::{Apdu, PROTOCOL};

pub(super) const MISSING_SEGMENTS: &str = "segments of a message are missing";

/// Streams that are followed at the same time; the one that was silent for longest goes first.
const MAX_STREAMS: usize = 1024;

/// One direction between two ends.
type Ends = (SocketAddr, SocketAddr);

/// The streams and datagrams of a capture.
pub(super) struct Flows<'a> {
    keys: &'a Keys,
    streams: BTreeMap<Ends, Stream>,
    /// Segments of messages that came in datagrams.
    datagrams: BTreeMap<Ends, (Reassembler, u64)>,
    /// Streams and datagrams in the order in which they last spoke.
    recent: VecDeque<Ends>,
}

impl<'a> Flows<'a> {
    pub(super) fn new(keys: &'a Keys) -> Self {
        Self {
            keys,
            streams: BTreeMap::new(),
            datagrams: BTreeMap::new(),
            recent: VecDeque::new(),
        }
    }

    /// Takes a packet and prints what it completes.
    pub(super) fn take(&mut self, packet: &Packet<'_>, output: &mut Output) -> io::Result<()> {
        let Some(sliced) = sliced(packet) else {
            return Ok(());
        };
        let Some((from, to)) = addresses(&sliced) else {
            return Ok(());
        };
        match &sliced.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                let ends = (
                    SocketAddr::new(from, tcp.source_port()),
                    SocketAddr::new(to, tcp.destination_port()),
                );
                if !concerns(ends) {
                    return Ok(());
                }
                self.forget_one(ends, output)?;
                let stream = self.streams.entry(ends).or_default();
                if tcp.syn() {
                    // Whatever came before belongs to an older connection.
                    stream.finish(ends, self.keys, output)?;
                    *stream = Stream {
                        order: Order::at(tcp.sequence_number().wrapping_add(1)),
                        ..Stream::default()
                    };
                    return Ok(());
                }
                let order = &mut stream.order;
                order.put(tcp.sequence_number(), packet.number, tcp.payload());
                stream.read(false, ends, self.keys, output)
            }
            Some(TransportSlice::Udp(udp)) => {
                let ends = (
                    SocketAddr::new(from, udp.source_port()),
                    SocketAddr::new(to, udp.destination_port()),
                );
                if !concerns(ends) {
                    return Ok(());
                }
                self.forget_one(ends, output)?;
                let (segments, last) = self.datagrams.entry(ends).or_default();
                *last = packet.number;
                let object = match Apdu::parse(udp.payload()).and_then(|apdu| segments.push(apdu)) {
                    Ok(None) => return Ok(()),
                    Ok(Some(apdu)) => message(&apdu, self.keys),
                    Err(error) => rejected(error),
                };
                print(object, Some(packet.number), ends, output)
            }
            _ => Ok(()),
        }
    }

    /// Takes the end of the capture.
    pub(super) fn finish(&mut self, output: &mut Output) -> io::Result<()> {
        while let Some(ends) = self.recent.pop_front() {
            self.close(ends, output)?;
        }
        Ok(())
    }

    fn forget_one(&mut self, ends: Ends, output: &mut Output) -> io::Result<()> {
        self.recent.retain(|known| *known != ends);
        self.recent.push_back(ends);
        if self.recent.len() > MAX_STREAMS
            && let Some(oldest) = self.recent.pop_front()
        {
            self.close(oldest, output)?;
        }
        Ok(())
    }

    fn close(&mut self, ends: Ends, output: &mut Output) -> io::Result<()> {
        if let Some(mut stream) = self.streams.remove(&ends) {
            stream.finish(ends, self.keys, output)?;
        }
        if let Some((segments, last)) = self.datagrams.remove(&ends) {
            missing(&segments, Some(last), ends, output)?;
        }
        Ok(())
    }
}

/// One direction of a TCP connection.
#[derive(Default)]
struct Stream {
    order: Order,
    splitter: Splitter,
    segments: Reassembler,
    /// The latest packet of which an octet was read.
    packet: Option<u64>,
}

impl Stream {
    /// Reads what is in order; with `all` also what comes behind something missing.
    fn read(&mut self, all: bool, ends: Ends, keys: &Keys, output: &mut Output) -> io::Result<()> {
        while let Some((packet, octets)) = self.order.pull(all) {
            self.packet = self.packet.max(Some(packet));
            let mut octets = octets.as_slice();
            while let Some(event) = self.splitter.pull(&mut octets) {
                self.print(event, ends, keys, output)?;
            }
        }
        Ok(())
    }

    fn print(
        &mut self,
        event: Event,
        ends: Ends,
        keys: &Keys,
        output: &mut Output,
    ) -> io::Result<()> {
        let object = match event.element {
            Element::Noise => {
                let reason = "these octets of the stream belong to no message";
                Object::failed(PROTOCOL, "malformed", reason)
            }
            Element::Rejected(error) => rejected(error),
            Element::Apdu(apdu, _) => match self.segments.push(*apdu) {
                Ok(None) => return Ok(()),
                Ok(Some(apdu)) => message(&apdu, keys),
                Err(error) => rejected(error),
            },
        };
        print(object, self.packet, ends, output)
    }

    fn finish(&mut self, ends: Ends, keys: &Keys, output: &mut Output) -> io::Result<()> {
        self.read(true, ends, keys, output)?;
        while let Some(event) = self.splitter.finish() {
            self.print(event, ends, keys, output)?;
        }
        missing(&self.segments, self.packet, ends, output)?;
        if self.order.torn {
            let reason = "packets of the stream are not in the capture";
            let object = Object::failed(PROTOCOL, "truncated", reason);
            print(object, self.packet, ends, output)?;
        }
        Ok(())
    }
}

fn missing(
    segments: &Reassembler,
    packet: Option<u64>,
    ends: Ends,
    output: &mut Output,
) -> io::Result<()> {
    for _ in 0..segments.pending() {
        let object = Object::failed(PROTOCOL, "truncated", MISSING_SEGMENTS);
        print(object, packet, ends, output)?;
    }
    Ok(())
}

fn print(
    mut object: Object,
    packet: Option<u64>,
    ends: Ends,
    output: &mut Output,
) -> io::Result<()> {
    object.set_some("packet", packet);
    object.set("src", ends.0.ip().to_string());
    object.set("dst", ends.1.ip().to_string());
    output.print(object)
}

fn concerns((from, to): Ends) -> bool {
    from.port() == PORT || to.port() == PORT
}

/// The headers of a packet by its kind of link; fragments of IP packets are not put together.
fn sliced<'a>(packet: &Packet<'a>) -> Option<SlicedPacket<'a>> {
    match packet.link {
        None | Some(1) => SlicedPacket::from_ethernet(packet.octets).ok(),
        // BSD's loopback: the address family, in the byte order of the machine.
        Some(0 | 108) => SlicedPacket::from_ip(packet.octets.get(4..)?).ok(),
        Some(12 | 14 | 101 | 228 | 229) => SlicedPacket::from_ip(packet.octets).ok(),
        Some(113) => SlicedPacket::from_linux_sll(packet.octets).ok(),
        Some(276) => {
            let (&[high, low], _) = packet.octets.split_first_chunk::<2>()?;
            let kind = EtherType(u16::from_be_bytes([high, low]));
            SlicedPacket::from_ether_type(kind, packet.octets.get(20..)?).ok()
        }
        Some(_) => None,
    }
}

fn addresses(sliced: &SlicedPacket<'_>) -> Option<(IpAddr, IpAddr)> {
    match sliced.net.as_ref()? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        NetSlice::Arp(_) => None,
    }
}
