//! Packets of a capture file, pcap or pcapng.

use std::io::{self, Read};

use jiff::Timestamp;
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

/// A block may be as long as this.
const LARGEST_BUFFER: usize = 16 * 1024 * 1024;
const FIRST_BUFFER: usize = 64 * 1024;

/// What a capture file begins with: pcap in both byte orders, with microseconds or nanoseconds,
/// and pcapng.
const MAGICS: [[u8; 4]; 5] = [
    [0xD4, 0xC3, 0xB2, 0xA1],
    [0xA1, 0xB2, 0xC3, 0xD4],
    [0x4D, 0x3C, 0xB2, 0xA1],
    [0xA1, 0xB2, 0x3C, 0x4D],
    [0x0A, 0x0D, 0x0D, 0x0A],
];

/// Whether these are the first octets of a capture file.
pub(super) fn is_capture(start: &[u8]) -> bool {
    start
        .first_chunk()
        .is_some_and(|magic| MAGICS.contains(magic))
}

/// How a capture file ended.
pub(super) enum End {
    /// With its last packet.
    Complete,
    /// Within a block, or in octets that are none.
    Damaged(&'static str),
}

/// A packet of a capture file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    /// Its number, from 1.
    pub(super) number: u64,
    /// When it was captured, if the file tells.
    pub(super) at: Option<Timestamp>,
    /// What it begins with (the LINKTYPE numbers of tcpdump.org); `None` if the file does not tell.
    pub(super) link: Option<i32>,
    /// Its octets.
    pub(super) octets: &'a [u8],
}

/// Units of time of an interface.
#[derive(Clone, Copy)]
struct Clock {
    per_second: u64,
    offset_seconds: i64,
}

/// Hands on each packet.
pub(super) fn each(
    source: impl Read + Send,
    mut take: impl FnMut(Packet<'_>) -> io::Result<()>,
) -> io::Result<End> {
    let mut reader = match create_reader(FIRST_BUFFER, source) {
        Ok(reader) => reader,
        Err(PcapError::ReadError) => return Err(io::Error::other("the capture cannot be read")),
        Err(_) => return Ok(End::Damaged("the header of the capture file is damaged")),
    };
    let mut interfaces: Vec<(i32, Option<Clock>)> = Vec::new();
    let mut legacy_link = None;
    let mut legacy = Clock {
        per_second: 1_000_000,
        offset_seconds: 0,
    };
    let (mut number, mut size) = (0, FIRST_BUFFER);
    let mut stuck_at = None;
    loop {
        let consumed = match reader.next() {
            Ok((length, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        // The upper half holds the length of a check.
                        legacy_link = Some(header.network.0 & 0xFFFF);
                        if header.is_nanosecond_precision() {
                            legacy.per_second = 1_000_000_000;
                        }
                    }
                    PcapBlockOwned::Legacy(packet) => {
                        number += 1;
                        let whole = u64::from(packet.ts_sec).checked_mul(legacy.per_second);
                        let units = whole.map(|units| units + u64::from(packet.ts_usec));
                        let at = units.and_then(|units| instant(legacy, units));
                        let (link, octets) = (legacy_link, packet.data);
                        take(Packet {
                            number,
                            at,
                            link,
                            octets,
                        })?;
                    }
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        let clock = interface.ts_resolution().map(|per_second| Clock {
                            per_second,
                            offset_seconds: interface.if_tsoffset,
                        });
                        interfaces.push((interface.linktype.0, clock));
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        number += 1;
                        let interface = usize::try_from(packet.if_id)
                            .ok()
                            .and_then(|index| interfaces.get(index).copied());
                        let clock = interface.and_then(|(_, clock)| clock);
                        let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                        let at = clock.and_then(|clock| instant(clock, units));
                        let link = interface.map(|(link, _)| link);
                        let octets = packet.packet_data();
                        take(Packet {
                            number,
                            at,
                            link,
                            octets,
                        })?;
                    }
                    PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                        number += 1;
                        let link = interfaces.first().map(|(link, _)| *link);
                        let octets = packet.packet_data();
                        take(Packet {
                            number,
                            at: None,
                            link,
                            octets,
                        })?;
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                length
            }
            Err(PcapError::Eof) => return Ok(End::Complete),
            Err(PcapError::Incomplete(_) | PcapError::BufferTooSmall) => {
                let progress = (reader.consumed(), reader.data().len(), size);
                if stuck_at == Some(progress) {
                    return Ok(End::Damaged("the capture file ends within a packet"));
                }
                stuck_at = Some(progress);
                if reader.data().len() >= size && size < LARGEST_BUFFER {
                    size *= 2;
                    reader.grow(size);
                }
                if matches!(reader.refill(), Err(PcapError::ReadError)) {
                    return Err(io::Error::other("the capture cannot be read"));
                }
                continue;
            }
            Err(PcapError::UnexpectedEof) => {
                return Ok(End::Damaged("the capture file ends within a packet"));
            }
            Err(_) => return Ok(End::Damaged("a block of the capture file is damaged")),
        };
        reader.consume(consumed);
    }
}

fn instant(clock: Clock, units: u64) -> Option<Timestamp> {
    let per_second = i128::from(clock.per_second.max(1));
    let nanoseconds = i128::from(units) * 1_000_000_000 / per_second;
    let offset = i128::from(clock.offset_seconds) * 1_000_000_000;
    Timestamp::from_nanosecond(nanoseconds + offset).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = (u64, Option<String>, Option<i32>, Vec<u8>);

    fn packets(file: &[u8]) -> (Vec<Seen>, bool) {
        let mut found = Vec::new();
        let end = each(file, |packet| {
            let at = packet.at.map(|at| at.to_string());
            found.push((packet.number, at, packet.link, packet.octets.to_vec()));
            Ok(())
        });
        (found, matches!(end, Ok(End::Complete)))
    }

    #[test]
    fn a_pcap_in_network_order_with_nanoseconds() {
        let mut file = vec![0xA1, 0xB2, 0x3C, 0x4D, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0];
        file.extend([0, 0, 0xFF, 0xFF, 0, 0, 0, 1]);
        file.extend([0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 3, 7, 8, 9]);
        let at = Some("1970-01-01T00:00:01.000000005Z".to_owned());
        assert_eq!(
            packets(&file),
            (vec![(1, at, Some(1), vec![7, 8, 9])], true)
        );
        for length in 24..file.len() {
            let (found, _) = packets(file.get(..length).unwrap_or_default());
            assert_eq!(found, [], "{length}");
        }
    }

    #[test]
    fn what_is_no_capture_is_told() {
        assert!(!is_capture(b"88e1") && is_capture(&[0x0A, 0x0D, 0x0D, 0x0A, 0]));
        assert_eq!(
            packets(&[0x0A, 0x0D, 0x0D, 0x0A, 1, 2, 3, 4, 5]),
            (vec![], false)
        );
    }
}
