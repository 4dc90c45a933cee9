//! What the frames carry that a coordinator exchanges with its devices (SWRA198, 3.2 to 3.12).

use super::{Frame, FrameKind};
use crate::layout::{Count, Field, Kind, Reader};
use crate::value::Record;

/// The fields of a frame, in order; `None` when its layout is not known or its payload is too
/// short for it.
#[must_use]
pub fn fields(frame: &Frame) -> Option<Record> {
    let layout = match frame.kind {
        FrameKind::SynchronousRequest => request(frame.id)?,
        FrameKind::Asynchronous => indication(frame.id)?,
        FrameKind::SynchronousResponse => match (frame.id, frame.payload.len()) {
            (0x0101, _) => CAPABILITIES,
            (_, 1) => STATUS,
            _ => return None,
        },
        FrameKind::Poll | FrameKind::Unknown(_) => return None,
    };
    Reader::new(&frame.payload).record(layout).ok()
}

fn request(id: u16) -> Option<&'static [Field]> {
    Some(match id {
        0x0402 => DATA_REQUEST_EXT,
        // Node and power descriptor, active endpoints.
        0x0502 | 0x0503 | 0x0505 => OF_NODE,
        0x0504 => SIMPLE_DESC_REQ,
        0x0536 => PERMIT_JOIN_REQ,
        _ => return None,
    })
}

fn indication(id: u16) -> Option<&'static [Field]> {
    Some(match id {
        0x0180 => RESET_IND,
        0x0480 => DATA_CONFIRM,
        0x0481 => INCOMING_MSG,
        0x05B6 => PERMIT_JOIN_RSP,
        0x05C0 => STATE_CHANGE_IND,
        0x05C1 => END_DEVICE_ANNCE_IND,
        0x05C4 => SRC_RTG_IND,
        0x05C9 => LEAVE_IND,
        0x05CA => TC_DEV_IND,
        _ => return None,
    })
}

const fn u8(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(1))
}

const fn u16(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(2))
}

const fn id16(name: &'static str) -> Field {
    Field::new(name, Kind::Id(2))
}

const fn ieee(name: &'static str) -> Field {
    Field::new(name, Kind::Id(8))
}

const STATUS: &[Field] = &[u8("status")];

const DATA_REQUEST_EXT: &[Field] = &[
    u8("dst_addr_mode"),
    ieee("dst_addr"),
    u8("dst_endpoint"),
    id16("dst_pan_id"),
    u8("src_endpoint"),
    id16("cluster"),
    u8("trans_id"),
    u8("options"),
    u8("radius"),
    Field::new("data", Kind::LongOctetString),
];

const INCOMING_MSG: &[Field] = &[
    id16("group_id"),
    id16("cluster"),
    id16("src_addr"),
    u8("src_endpoint"),
    u8("dst_endpoint"),
    u8("was_broadcast"),
    u8("lqi"),
    u8("security_use"),
    Field::new("timestamp", Kind::Unsigned(4)),
    u8("trans_seq"),
    Field::new("data", Kind::OctetString),
];

const CAPABILITIES: &[Field] = &[u16("capabilities")];

const OF_NODE: &[Field] = &[id16("dst_addr"), id16("nwk_addr_of_interest")];

const SIMPLE_DESC_REQ: &[Field] = &[
    id16("dst_addr"),
    id16("nwk_addr_of_interest"),
    u8("endpoint"),
];

const PERMIT_JOIN_REQ: &[Field] = &[
    u8("addr_mode"),
    id16("dst_addr"),
    u8("duration"),
    u8("tc_significance"),
];

const PERMIT_JOIN_RSP: &[Field] = &[id16("src_addr"), u8("status")];

const RESET_IND: &[Field] = &[
    u8("reason"),
    u8("transport_rev"),
    u8("product_id"),
    u8("major_rel"),
    u8("minor_rel"),
    u8("maint_rel"),
];

const DATA_CONFIRM: &[Field] = &[u8("status"), u8("endpoint"), u8("trans_id")];

const STATE_CHANGE_IND: &[Field] = &[u8("state")];

const END_DEVICE_ANNCE_IND: &[Field] = &[
    id16("src_addr"),
    id16("nwk_addr"),
    ieee("ext_addr"),
    u8("capabilities"),
];

const SRC_RTG_IND: &[Field] = &[
    id16("dst_addr"),
    u8("relay_count"),
    Field::new(
        "relays",
        Kind::Each(Count::Field("relay_count"), &Kind::Id(2)),
    ),
];

const LEAVE_IND: &[Field] = &[
    id16("src_addr"),
    ieee("ext_addr"),
    u8("request"),
    u8("remove"),
    u8("rejoin"),
];

const TC_DEV_IND: &[Field] = &[id16("nwk_addr"), ieee("ext_addr"), id16("parent_addr")];
