//! zigbee-rs (crate `zigbee`, an independent stack for devices) beside our codec: the same hash, the same
//! header of every frame, and frames of ours that it reads whole.

use byte::TryRead;
use han::zigbee::matyas_meyer_oseas;
use han::zigbee::zcl::{Direction, Frame, FrameType};
use proptest::collection::vec;
use proptest::prelude::*;
use zigbee::security::primitives::Aes128Mmo;
use zigbee::zcl::frame::ZclFrame;
use zigbee::zcl::frame::header::ZclHeader;
use zigbee::zcl::frame::header::frame_control::FrameType as TheirType;

/// What both say of a header, and how long it is.
type Header = (FrameType, bool, bool, Option<u16>, u8, u8, usize);

fn ours(octets: &[u8]) -> Option<Header> {
    let frame = Frame::parse(octets).ok()?;
    Some((
        frame.frame_type,
        frame.direction == Direction::ServerToClient,
        frame.disable_default_response,
        frame.manufacturer,
        frame.tsn,
        frame.command,
        octets.len() - frame.payload.len(),
    ))
}

fn theirs(octets: &[u8]) -> Option<Header> {
    let (header, length) = ZclHeader::try_read(octets, ()).ok()?;
    let control = header.frame_control;
    Some((
        match control.frame_type() {
            TheirType::GlobalCommand => FrameType::Global,
            TheirType::ClusterCommand => FrameType::Cluster,
            TheirType::Reserved => return None,
        },
        control.direction(),
        control.disable_default_response(),
        header.manufacturer_code.map(|code| code.0),
        header.sequence_number,
        header.command_identifier.raw(),
        length,
    ))
}

proptest! {
    /// But for lengths of 14 and 15 above a multiple of 16: there version 0.1.0 pads by less than annex
    /// B.6 asks for. An install code of twelve octets is one of them; ours is checked against published
    /// codes of every length (`install_code.rs`).
    #[test]
    fn the_hash_is_the_same(message in vec(any::<u8>(), 0..600)) {
        prop_assume!(message.len() % 16 < 14);
        let theirs = Aes128Mmo::digest(&message).unwrap();
        prop_assert_eq!(matyas_meyer_oseas(&message), Some(theirs));
    }

    #[test]
    fn the_header_is_the_same(octets in vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(ours(&octets), theirs(&octets));
    }
}

/// `report attributes` and `default response` as our coordinator's devices send them: identifiers, types
/// and values are what zigbee-rs reads.
#[test]
fn frames_of_the_library_are_read_whole() {
    // InstantaneousDemand (0x0400, int24) 1,234 W of Simple Metering.
    let report = Frame {
        frame_type: FrameType::Global,
        direction: Direction::ServerToClient,
        disable_default_response: true,
        manufacturer: None,
        tsn: 7,
        command: 0x0A,
        payload: &[0x00, 0x04, 0x2A, 0xD2, 0x04, 0x00],
    };
    let octets = report.to_octets();
    let (read, length) = ZclFrame::try_read(&octets, ()).unwrap();
    assert_eq!(length, octets.len());
    let told = format!("{:?}", read.payload);
    assert!(told.contains("1234"), "{told}");
    let answer = Frame {
        command: 0x0B,
        payload: &[0x0A, 0x86],
        ..report
    };
    let octets = answer.to_octets();
    let (read, length) = ZclFrame::try_read(&octets, ()).unwrap();
    assert_eq!(length, octets.len());
    let told = format!("{:?}", read.payload);
    assert!(told.contains("UnsupportedAttribute"), "{told}");
}
