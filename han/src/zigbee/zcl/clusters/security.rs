//! Intruder alarm zones (Zigbee Cluster Library, 8.2).

use super::{Command, from_client, from_server, id16, u8, u16};

pub(super) const IAS_ZONE: &[Command] = &[
    from_server(
        0x00,
        "ZoneStatusChangeNotification",
        &[
            u16("zone_status"),
            u8("extended_status"),
            u8("zone_id"),
            u16("delay"),
        ],
    ),
    from_server(
        0x01,
        "ZoneEnrollRequest",
        &[id16("zone_type"), id16("manufacturer")],
    ),
    from_client(
        0x00,
        "ZoneEnrollResponse",
        &[u8("enroll_response_code"), u8("zone_id")],
    ),
];
