//! What a meter or a reader sends (clauses 6.3 and 6.5).

use crate::crc;

const SOH: u8 = 0x01;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const ACK: u8 = 0x06;

/// The request `/?address!`; an empty address asks any meter.
#[must_use]
pub fn request(address: &str) -> Vec<u8> {
    format!("/?{address}!\r\n").into_bytes()
}

/// The acknowledgement of modes C and E: protocol `0` normal, `2` HDLC; the speed agreed on; and
/// `0` readout, `1` programming, `2` HDLC.
#[must_use]
pub fn acknowledgement(protocol: char, baud_char: char, option: char) -> Vec<u8> {
    let mut bytes = vec![ACK];
    bytes.extend(format!("{protocol}{baud_char}{option}\r\n").into_bytes());
    bytes
}

/// Data sets between STX and ETX, with the block check. `sets` holds the lines with their ends
/// and the closing `!`.
#[must_use]
pub fn data_block(sets: &str) -> Vec<u8> {
    let mut bytes = vec![STX];
    bytes.extend_from_slice(sets.as_bytes());
    bytes.push(ETX);
    let check = block_check(bytes.get(1..).unwrap_or_default());
    bytes.push(check);
    bytes
}

/// A readout that ends in a CRC-16/ARC instead of a block check, as some push meters send it.
/// `sets` holds the lines with their ends, without the closing `!`.
#[must_use]
pub fn readout_with_crc(identification: &super::Identification, sets: &str) -> Vec<u8> {
    let mut bytes = identification.to_line();
    bytes.extend_from_slice(format!("\r\n{sets}!").as_bytes());
    let check = crc::arc(&bytes);
    bytes.extend_from_slice(format!("{check:04X}\r\n").as_bytes());
    bytes
}

/// A programming-mode command such as `R1` with its data set, which may be empty.
#[must_use]
pub fn command(command: &str, sets: &str) -> Vec<u8> {
    let mut bytes = vec![SOH];
    bytes.extend_from_slice(command.as_bytes());
    if !sets.is_empty() {
        bytes.push(STX);
        bytes.extend_from_slice(sets.as_bytes());
    }
    bytes.push(ETX);
    let check = block_check(bytes.get(1..).unwrap_or_default());
    bytes.push(check);
    bytes
}

/// The block check character (ISO 1155): all bytes exclusive-ored, seven bits.
#[must_use]
pub fn block_check(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |check, byte| check ^ byte) & 0x7F
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks computed with Python: `functools.reduce(operator.xor, frame[1:-1]) & 0x7F`.
    #[test]
    fn command_frames() {
        assert_eq!(command("P1", "(00000000)"), b"\x01P1\x02(00000000)\x03a");
        assert_eq!(command("R1", "1.8.0()"), b"\x01R1\x021.8.0()\x03\x5a");
        assert_eq!(command("B0", ""), b"\x01B0\x03q");
        assert_eq!(acknowledgement('0', '5', '0'), b"\x06050\r\n");
    }
}
