//! Identify, Groups, On/Off and Level (Zigbee Cluster Library, chapter 3).

use super::{Command, from_client, from_server, id16, text, u8, u16};
use crate::layout::{Count, Field, Kind};

pub(super) const IDENTIFY: &[Command] = &[
    from_client(0x00, "Identify", &[u16("identify_time")]),
    from_client(0x01, "IdentifyQuery", &[]),
    from_server(0x00, "IdentifyQueryResponse", &[u16("timeout")]),
];

const GROUP_LIST: Field = Field::new("groups", Kind::Each(Count::Prefix(1), &Kind::Id(2)));

pub(super) const GROUPS: &[Command] = &[
    from_client(0x00, "AddGroup", &[id16("group"), text("name")]),
    from_client(0x01, "ViewGroup", &[id16("group")]),
    from_client(0x02, "GetGroupMembership", &[GROUP_LIST]),
    from_client(0x03, "RemoveGroup", &[id16("group")]),
    from_client(0x04, "RemoveAllGroups", &[]),
    from_client(
        0x05,
        "AddGroupIfIdentifying",
        &[id16("group"), text("name")],
    ),
    from_server(0x00, "AddGroupResponse", &[u8("status"), id16("group")]),
    from_server(
        0x01,
        "ViewGroupResponse",
        &[u8("status"), id16("group"), text("name")],
    ),
    from_server(
        0x02,
        "GetGroupMembershipResponse",
        &[u8("capacity"), GROUP_LIST],
    ),
    from_server(0x03, "RemoveGroupResponse", &[u8("status"), id16("group")]),
];

pub(super) const ON_OFF: &[Command] = &[
    from_client(0x00, "Off", &[]),
    from_client(0x01, "On", &[]),
    from_client(0x02, "Toggle", &[]),
    from_client(
        0x42,
        "OnWithTimedOff",
        &[u8("control"), u16("on_time"), u16("off_wait_time")],
    ),
];

pub(super) const LEVEL: &[Command] = &[
    from_client(0x00, "MoveToLevel", &[u8("level"), u16("transition_time")]),
    from_client(0x01, "Move", &[u8("mode"), u8("rate")]),
    from_client(
        0x02,
        "Step",
        &[u8("mode"), u8("step_size"), u16("transition_time")],
    ),
    from_client(0x03, "Stop", &[]),
    from_client(
        0x04,
        "MoveToLevelWithOnOff",
        &[u8("level"), u16("transition_time")],
    ),
    from_client(0x05, "MoveWithOnOff", &[u8("mode"), u8("rate")]),
    from_client(
        0x06,
        "StepWithOnOff",
        &[u8("mode"), u8("step_size"), u16("transition_time")],
    ),
    from_client(0x07, "StopWithOnOff", &[]),
];
