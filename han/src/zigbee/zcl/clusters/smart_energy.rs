//! Messaging, tunneling and key establishment (Smart Energy 07-5356 19, annexes D.5, D.6 and C).

use super::{Command, from_client, from_server, id16, rest, text, u8, u16, u32};
use crate::layout::{Count, Field, Kind};

pub(super) const MESSAGING: &[Command] = &[
    from_server(
        0x00,
        "DisplayMessage",
        &[
            u32("message_id"),
            u8("message_control"),
            u32("start_time"),
            u16("duration_min"),
            text("message"),
        ],
    ),
    from_server(
        0x01,
        "CancelMessage",
        &[u32("message_id"), u8("message_control")],
    ),
    from_client(0x00, "GetLastMessage", &[]),
    from_client(
        0x01,
        "MessageConfirmation",
        &[u32("message_id"), u32("confirmation_time")],
    ),
];

const TRANSFER_DATA: &[Field] = &[u16("tunnel_id"), rest("data")];

const TRANSFER_ERROR: &[Field] = &[u16("tunnel_id"), u8("transfer_data_status")];
const OCTETS_LEFT: &[Field] = &[u16("tunnel_id"), u16("number_of_octets_left")];
const TUNNEL_PROTOCOL: &[Field] = &[id16("manufacturer"), u8("protocol_id")];

pub(super) const TUNNELING: &[Command] = &[
    from_client(
        0x00,
        "RequestTunnel",
        &[
            u8("protocol_id"),
            id16("manufacturer"),
            Field::new("flow_control", Kind::Bool),
            u16("maximum_incoming_transfer_size"),
        ],
    ),
    from_server(
        0x00,
        "RequestTunnelResponse",
        &[
            u16("tunnel_id"),
            u8("tunnel_status"),
            u16("maximum_incoming_transfer_size"),
        ],
    ),
    from_client(0x01, "CloseTunnel", &[u16("tunnel_id")]),
    from_client(0x02, "TransferData", TRANSFER_DATA),
    from_server(0x01, "TransferData", TRANSFER_DATA),
    from_client(0x03, "TransferDataError", TRANSFER_ERROR),
    from_server(0x02, "TransferDataError", TRANSFER_ERROR),
    from_client(0x04, "AckTransferData", OCTETS_LEFT),
    from_server(0x03, "AckTransferData", OCTETS_LEFT),
    from_client(0x05, "ReadyData", OCTETS_LEFT),
    from_server(0x04, "ReadyData", OCTETS_LEFT),
    from_client(
        0x06,
        "GetSupportedTunnelProtocols",
        &[u8("protocol_offset")],
    ),
    from_server(
        0x05,
        "SupportedTunnelProtocolsResponse",
        &[
            Field::new("list_complete", Kind::Bool),
            u8("protocol_count"),
            Field::new(
                "protocols",
                Kind::Groups(Count::Field("protocol_count"), TUNNEL_PROTOCOL),
            ),
        ],
    ),
    from_server(0x06, "TunnelClosureNotification", &[u16("tunnel_id")]),
];

const INITIATE: &[Field] = &[
    u16("suite"),
    u8("ephemeral_data_generate_time"),
    u8("confirm_key_generate_time"),
    rest("identity"),
];
const EPHEMERAL_DATA: &[Field] = &[rest("ephemeral_data")];
const CONFIRM_KEY: &[Field] = &[Field::new("mac", Kind::Octets(16))];
const TERMINATE: &[Field] = &[u8("status"), u8("wait_time"), u16("suite")];

pub(super) const KEY_ESTABLISHMENT: &[Command] = &[
    from_client(0x00, "InitiateKeyEstablishment", INITIATE),
    from_server(0x00, "InitiateKeyEstablishmentResponse", INITIATE),
    from_client(0x01, "EphemeralData", EPHEMERAL_DATA),
    from_server(0x01, "EphemeralDataResponse", EPHEMERAL_DATA),
    from_client(0x02, "ConfirmKey", CONFIRM_KEY),
    from_server(0x02, "ConfirmKeyResponse", CONFIRM_KEY),
    from_client(0x03, "TerminateKeyEstablishment", TERMINATE),
    from_server(0x03, "TerminateKeyEstablishment", TERMINATE),
];
