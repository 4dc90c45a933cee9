//! What EZSP commands ask and answer, in protocol versions 13 to 19 (Silicon Labs UG100, EmberZNet
//! 7.4 and later): the commands that hosts of a coordinator use, and those
//! of a host whose stick joins another's network.
//!
//! A status has one octet before version 14 and four from it on; where a command differs in more,
//! 13 has a layout of its own. What later versions changed (Green Power, priorities of radios that
//! speak several protocols, the count of tokens in 18) no host of a coordinator needs.

use super::{INCOMING_MESSAGE, MESSAGE_SENT};
use crate::layout::{Count, Field, Kind, When};

/// Fields of a command in one direction.
type Layout = (u16, &'static [Field]);

/// What a host asks with a command.
#[must_use]
pub(super) fn request(id: u16, version: u8) -> Option<&'static [Field]> {
    find(own(version).0, id).or_else(|| find(REQUESTS, id))
}

/// What a coprocessor answers to a command or tells with a callback.
#[must_use]
pub(super) fn response(id: u16, version: u8) -> Option<&'static [Field]> {
    let common = if version < 14 {
        Common::<1>::RESPONSES
    } else {
        Common::<4>::RESPONSES
    };
    find(own(version).1, id).or_else(|| find(common, id))
}

const fn own(version: u8) -> (&'static [Layout], &'static [Layout]) {
    if version < 14 {
        (REQUESTS_13, RESPONSES_13)
    } else {
        (REQUESTS_14, RESPONSES_14)
    }
}

fn find(table: &'static [Layout], id: u16) -> Option<&'static [Field]> {
    let found = table.iter().find(|(known, _)| *known == id)?;
    Some(found.1)
}

const fn u8(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(1))
}

const fn i8(name: &'static str) -> Field {
    Field::new(name, Kind::Signed(1))
}

const fn u16(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(2))
}

const fn u32(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(4))
}

const fn id16(name: &'static str) -> Field {
    Field::new(name, Kind::Id(2))
}

const fn eui64(name: &'static str) -> Field {
    Field::new(name, Kind::Id(8))
}

const fn key(name: &'static str) -> Field {
    Field::new(name, Kind::Octets(16))
}

const fn octets(name: &'static str) -> Field {
    Field::new(name, Kind::OctetString)
}

const fn structure(name: &'static str, fields: &'static [Field]) -> Field {
    Field::new(name, Kind::Structure(fields))
}

const fn clusters(name: &'static str, count: &'static str) -> Field {
    Field::new(name, Kind::Each(Count::Field(count), &Kind::Id(2)))
}

const APS_FRAME: Field = structure(
    "aps",
    &[
        id16("profile"),
        id16("cluster"),
        u8("src_endpoint"),
        u8("dst_endpoint"),
        u16("options"),
        id16("group"),
        u8("sequence"),
    ],
);

const PARAMETERS: Field = structure(
    "parameters",
    &[
        eui64("extended_pan"),
        id16("pan"),
        i8("power_dbm"),
        u8("channel"),
        u8("join_method"),
        id16("manager"),
        u8("update_id"),
        u32("channels"),
    ],
);

const FOUND_NETWORK: Field = structure(
    "network",
    &[
        u8("channel"),
        id16("pan"),
        eui64("extended_pan"),
        u8("allowing_join"),
        u8("stack_profile"),
        u8("update_id"),
    ],
);

const CONTEXT: Field = structure(
    "context",
    &[
        u8("core_key_type"),
        u8("key_index"),
        u16("derived_type"),
        eui64("eui64"),
        u8("multi_network_index"),
        u8("flags"),
        u32("psa_key_alg_permission"),
    ],
);

const KEY_DATA: Field = structure(
    "key_data",
    &[
        u16("bitmask"),
        u32("outgoing_frame_counter"),
        u32("incoming_frame_counter"),
        u16("ttl_in_seconds"),
    ],
);

const INITIAL_SECURITY: &[Field] = &[
    u16("bitmask"),
    key("preconfigured_key"),
    key("network_key"),
    u8("network_key_sequence_number"),
    eui64("trust_center"),
];

const CURRENT_SECURITY: Field = structure("state", &[u16("bitmask"), eui64("trust_center")]);

const NETWORK_KEY_INFO: Field = structure(
    "network_key_info",
    &[
        u8("network_key_set"),
        u8("alternate_network_key_set"),
        u8("network_key_sequence_number"),
        u8("alt_network_key_sequence_number"),
        u32("network_key_frame_counter"),
    ],
);

const CHILD: Field = structure(
    "child",
    &[
        eui64("eui64"),
        u8("node_type"),
        id16("nwk"),
        u8("phy"),
        u8("power"),
        u8("timeout"),
        u32("timeout_remaining"),
    ],
);

const MULTICAST: Field = structure(
    "entry",
    &[id16("group"), u8("endpoint"), u8("network_index")],
);

const NEIGHBOR: Field = structure(
    "neighbor",
    &[
        id16("nwk"),
        u8("lqi"),
        u8("in_cost"),
        u8("out_cost"),
        u8("age"),
        eui64("eui64"),
    ],
);

const REQUESTS: &[Layout] = &[
    (0x0000, &[u8("desired_version")]),
    (
        0x0002,
        &[
            u8("endpoint"),
            id16("profile"),
            id16("device"),
            u8("device_version"),
            u8("input_count"),
            u8("output_count"),
            clusters("input_clusters", "input_count"),
            clusters("output_clusters", "output_count"),
        ],
    ),
    (0x0003, &[u8("value_id"), u32("characteristics")]),
    (0x0005, &[]),
    (0x000B, &[u8("token_id")]),
    (0x000C, &[u8("token_id"), octets("token_data")]),
    (
        0x0010,
        &[
            u8("on"),
            u16("concentrator_type"),
            u16("min_time_s"),
            u16("max_time_s"),
            u8("route_error_threshold"),
            u8("delivery_failure_threshold"),
            u8("max_hops"),
        ],
    ),
    (0x0015, &[id16("code")]),
    (0x0017, &[u16("bitmask")]),
    (0x0018, &[]),
    (0x001A, &[u8("scan_type"), u32("channels"), u8("duration")]),
    (0x001D, &[]),
    (0x001E, &[PARAMETERS]),
    (0x001F, &[u8("node_type"), PARAMETERS]),
    (0x0022, &[u8("duration_s")]),
    (0x0026, &[]),
    (0x0027, &[]),
    (0x0028, &[]),
    (0x0042, &[u16("interval"), u8("units"), u8("failure_limit")]),
    (0x0047, &[octets("payload")]),
    (0x0049, &[]),
    (0x004A, &[u8("index")]),
    (0x0052, &[u8("config_id")]),
    (0x0053, &[u8("config_id"), u16("value")]),
    (0x0055, &[u8("policy_id"), u8("decision_id")]),
    (0x0056, &[u8("policy_id")]),
    (0x005A, &[u8("mode")]),
    (0x005E, &[u8("index")]),
    (0x005F, &[u8("index")]),
    (0x0060, &[eui64("eui64")]),
    (0x0061, &[id16("nwk")]),
    (0x0063, &[u8("index")]),
    (0x0064, &[u8("index"), MULTICAST]),
    (0x0065, &[]),
    (0x0067, &[id16("nwk"), eui64("eui64")]),
    (0x0068, INITIAL_SECURITY),
    (0x0069, &[]),
    (0x006B, &[]),
    (0x0073, &[key("key")]),
    (0x0074, &[]),
    (0x0075, &[eui64("address"), u8("link_key")]),
    (0x0076, &[u8("index")]),
    (
        0x0077,
        &[u8("exclude_counters"), u8("exclude_boot_counter")],
    ),
    (0x0079, &[u8("index")]),
    (0x007A, &[]),
    (0x007E, &[eui64("eui64"), u8("extended_timeout")]),
    (0x007F, &[eui64("eui64")]),
    (0x00A8, &[id16("nwk"), eui64("eui64"), eui64("parent")]),
    (0x00AA, &[u8("value_id")]),
    (0x00AB, &[u8("value_id"), octets("value")]),
    (0x00B1, &[]),
    (0x00E2, &[]),
    (0x00F1, &[]),
    (0x0102, &[u32("token"), u32("index")]),
    (0x010E, &[u8("index"), eui64("address"), key("key")]),
    (0x010F, &[u8("index")]),
    (0x0110, &[CONTEXT]),
    // The flags of old are sent by some hosts to version 14 too.
    (
        0x0111,
        &[eui64("eui64"), key("key"), u8("flags").when(When::Given)],
    ),
    (0x0112, &[u8("index")]),
    (0x0113, &[eui64("eui64")]),
    (0x0114, &[CONTEXT]),
    (0x0115, &[CONTEXT, key("key")]),
    (0x0116, &[]),
];

const REQUESTS_13: &[Layout] = &[
    (0x0020, &[]),
    (0x0021, &[u8("have_network_key"), u32("channels")]),
    (
        0x0034,
        &[
            u8("message_type"),
            id16("nwk"),
            APS_FRAME,
            u8("tag"),
            octets("message"),
        ],
    ),
    (
        0x0036,
        &[
            id16("nwk"),
            APS_FRAME,
            u8("radius"),
            u8("tag"),
            octets("message"),
        ],
    ),
    (
        0x0038,
        &[
            APS_FRAME,
            u8("radius"),
            u8("nonmember_radius"),
            u8("tag"),
            octets("message"),
        ],
    ),
];

const REQUESTS_14: &[Layout] = &[
    (0x0020, &[u8("options").when(When::Given)]),
    (
        0x0021,
        &[
            u8("have_network_key"),
            u32("channels"),
            u8("reason"),
            u8("node_type"),
        ],
    ),
    (
        0x0034,
        &[
            u8("message_type"),
            id16("nwk"),
            APS_FRAME,
            u16("tag"),
            octets("message"),
        ],
    ),
    (
        0x0036,
        &[
            id16("alias"),
            id16("nwk"),
            u8("sequence"),
            APS_FRAME,
            u8("radius"),
            u16("tag"),
            octets("message"),
        ],
    ),
    (
        0x0038,
        &[
            APS_FRAME,
            u8("radius"),
            id16("broadcast"),
            id16("alias"),
            u8("sequence"),
            u16("tag"),
            octets("message"),
        ],
    ),
];

/// The answers that differ in nothing but the octets of their status.
struct Common<const STATUS: u8>;

impl<const STATUS: u8> Common<STATUS> {
    const STATUS: Field = Field::new("status", Kind::Unsigned(STATUS));
    const ONLY_STATUS: &'static [Field] = &[Self::STATUS];

    const RESPONSES: &'static [Layout] = &[
        (
            0x0000,
            &[u8("version"), u8("stack_type"), u16("stack_version")],
        ),
        (0x0002, Self::ONLY_STATUS),
        (0x0003, &[Self::STATUS, octets("value")]),
        (0x0005, &[]),
        (0x000B, &[octets("token_data")]),
        (0x000C, Self::ONLY_STATUS),
        (0x0010, Self::ONLY_STATUS),
        (0x0017, Self::ONLY_STATUS),
        (0x0018, &[u8("network_status")]),
        (0x0019, Self::ONLY_STATUS),
        (0x001A, Self::ONLY_STATUS),
        (0x001B, &[FOUND_NETWORK, u8("lqi"), i8("rssi_dbm")]),
        (0x001C, &[u8("channel"), Self::STATUS]),
        (0x001D, Self::ONLY_STATUS),
        (0x001E, Self::ONLY_STATUS),
        (0x001F, Self::ONLY_STATUS),
        (0x0020, Self::ONLY_STATUS),
        (0x0021, Self::ONLY_STATUS),
        (0x0022, Self::ONLY_STATUS),
        (
            0x0023,
            &[
                u8("index"),
                u8("joining"),
                id16("nwk"),
                eui64("eui64"),
                u8("node_type"),
            ],
        ),
        (
            0x0024,
            &[
                id16("nwk"),
                eui64("eui64"),
                u8("update"),
                u8("decision"),
                id16("parent"),
            ],
        ),
        (0x0026, &[eui64("eui64")]),
        (0x0027, &[id16("nwk")]),
        (0x0028, &[Self::STATUS, u8("node_type"), PARAMETERS]),
        (0x0034, &[Self::STATUS, u8("sequence")]),
        (0x0036, &[Self::STATUS, u8("sequence")]),
        (0x0038, &[Self::STATUS, u8("sequence")]),
        (0x0042, Self::ONLY_STATUS),
        (0x0043, Self::ONLY_STATUS),
        (0x0047, &[Self::STATUS, octets("reply")]),
        (0x0048, &[u8("channel"), i8("rssi_dbm")]),
        (0x0049, &[Self::STATUS, u16("value")]),
        (0x004A, &[Self::STATUS, CHILD]),
        (0x0052, &[Self::STATUS, u16("value")]),
        (0x0053, Self::ONLY_STATUS),
        (0x0055, Self::ONLY_STATUS),
        (0x0056, &[Self::STATUS, u8("decision_id")]),
        (0x0058, Self::ONLY_STATUS),
        (
            0x0059,
            &[
                id16("source"),
                eui64("eui64"),
                u8("lqi"),
                i8("rssi_dbm"),
                Field::new("relays", Kind::Each(Count::Prefix(1), &Kind::Id(2))),
            ],
        ),
        (0x005A, &[u32("remaining_ms")]),
        (0x0061, &[Self::STATUS, eui64("eui64")]),
        (0x0063, &[Self::STATUS, MULTICAST]),
        (0x0064, Self::ONLY_STATUS),
        (
            0x0065,
            &[Field::new(
                "values",
                Kind::Each(Count::ToEnd, &Kind::Unsigned(2)),
            )],
        ),
        (0x0067, Self::ONLY_STATUS),
        (0x0068, Self::ONLY_STATUS),
        (0x0069, &[Self::STATUS, CURRENT_SECURITY]),
        (0x006B, &[]),
        (0x0073, Self::ONLY_STATUS),
        (0x0074, Self::ONLY_STATUS),
        (0x0075, &[u8("index")]),
        (0x0076, Self::ONLY_STATUS),
        (0x0077, &[]),
        (0x0079, &[Self::STATUS, NEIGHBOR]),
        (0x007A, &[u8("count")]),
        (0x0080, &[Self::STATUS, id16("target")]),
        (0x00A8, Self::ONLY_STATUS),
        (0x00AA, &[Self::STATUS, octets("value")]),
        (0x00AB, Self::ONLY_STATUS),
        (0x00B1, Self::ONLY_STATUS),
        (0x00E2, &[]),
        (
            0x00F1,
            &[Field::new(
                "values",
                Kind::Each(Count::ToEnd, &Kind::Unsigned(2)),
            )],
        ),
        (
            0x0102,
            &[
                Self::STATUS,
                octets("value").when(When::Equals("status", 0)),
            ],
        ),
        (0x010E, &[u32("status")]),
        (0x0110, &[u32("status")]),
        (0x0111, &[u32("status")]),
        (0x0115, &[u32("status")]),
        (0x0116, &[u32("status"), NETWORK_KEY_INFO]),
    ];
}

const RESPONSES_13: &[Layout] = &[
    (0x0015, &[]),
    (
        MESSAGE_SENT,
        &[
            u8("message_type"),
            id16("nwk"),
            APS_FRAME,
            u8("tag"),
            u8("status"),
            octets("message"),
        ],
    ),
    (
        INCOMING_MESSAGE,
        &[
            u8("message_type"),
            APS_FRAME,
            u8("lqi"),
            i8("rssi_dbm"),
            id16("nwk"),
            u8("binding_index"),
            u8("address_index"),
            octets("message"),
        ],
    ),
    (0x005E, &[eui64("eui64")]),
    (0x005F, &[id16("nwk")]),
    (0x0060, &[id16("nwk")]),
    (0x007E, &[]),
    (0x007F, &[u8("extended_timeout")]),
    (
        0x010F,
        &[eui64("eui64"), key("key"), KEY_DATA, u32("status")],
    ),
    (0x0112, &[CONTEXT, key("key"), KEY_DATA, u32("status")]),
    (0x0113, &[CONTEXT, key("key"), KEY_DATA, u32("status")]),
    (0x0114, &[key("key"), u32("status")]),
];

const RESPONSES_14: &[Layout] = &[
    (0x0015, &[u32("status")]),
    (
        MESSAGE_SENT,
        &[
            u32("status"),
            u8("message_type"),
            id16("nwk"),
            APS_FRAME,
            u16("tag"),
            octets("message"),
        ],
    ),
    (
        INCOMING_MESSAGE,
        &[
            u8("message_type"),
            APS_FRAME,
            id16("nwk"),
            eui64("eui64"),
            u8("binding_index"),
            u8("address_index"),
            u8("lqi"),
            i8("rssi_dbm"),
            u32("timestamp"),
            octets("message"),
        ],
    ),
    (0x005E, &[u32("status"), id16("nwk"), eui64("eui64")]),
    (0x0060, &[u32("status"), id16("nwk")]),
    (0x007E, &[u32("status")]),
    (0x007F, &[u32("status")]),
    (0x010F, &[u32("status"), CONTEXT, key("key"), KEY_DATA]),
    (0x0112, &[u32("status"), CONTEXT, key("key"), KEY_DATA]),
    (0x0113, &[u32("status"), CONTEXT, key("key"), KEY_DATA]),
    // The context of the answer stands after the key.
    (0x0114, &[u32("status"), key("key"), CONTEXT]),
];
