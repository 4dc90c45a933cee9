//! Zigbee: any payload and any stream of a radio stick is read or refused.
#![no_main]

use han::zigbee::{ash, ezsp, install_code, ota, zcl, zdo, znp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Some((&[low, high], rest)) = octets.split_first_chunk::<2>() else {
        return;
    };
    let cluster = u16::from_le_bytes([low, high]);
    if let Ok(message) = zcl::Message::decode(cluster, rest) {
        assert_eq!(zcl::Frame::parse(&message.frame.to_octets()).as_ref(), Ok(&message.frame));
    }
    let _ = zdo::Message::decode(cluster, rest);
    let _ = ota::OtaHeader::find(rest);
    let _ = install_code::InstallCode::parse(&String::from_utf8_lossy(rest));
    let mut splitter = ash::Splitter::default();
    for &octet in rest {
        if let Some(Ok(frame)) = splitter.push(octet) {
            if let ash::Frame::Data { payload, .. } = &frame {
                let _ = ezsp::Frame::parse(payload, ezsp::HeaderForm::Unknown);
            }
            let wire = frame.encode();
            let mut again = ash::Splitter::default();
            assert_eq!(wire.iter().find_map(|&octet| again.push(octet)), Some(Ok(frame)));
        }
    }
    let mut splitter = znp::Splitter::default();
    for &octet in rest {
        if let Some(Ok(frame)) = splitter.push(octet) {
            let _ = znp::fields(&frame);
        }
    }
});
